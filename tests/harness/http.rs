//! A caller of the API that sees every byte: one connection, one request.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body, as it came.
    pub text: String,
}

impl Answer {
    /// Reads one answer; what its head says of its length is believed.
    ///
    /// # Panics
    /// When it is none of HTTP.
    pub fn read(from: &mut impl Read) -> Self {
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        while !is_whole(&answer) {
            match from.read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&part[..length]),
            }
        }
        let answer = String::from_utf8(answer).expect("utf-8");
        let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        Self {
            status: status.expect("a status"),
            head: head.to_lowercase(),
            text: text.to_owned(),
        }
    }

    /// Returns the value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Returns the body as JSON; nothing when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Returns the stable code of a problem.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends bytes, and returns everything that comes back until the connection ends.
///
/// # Panics
/// When there is no connection, or it stays open for longer than any answer may take.
pub fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a limit");
    // Who refuses a request need not read all of it.
    stream.write_all(bytes).unwrap_or_default();
    to_the_end(&mut stream)
}

/// Reads what comes until the connection ends.
///
/// # Panics
/// When it stays open for longer than any answer may take.
pub fn to_the_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let is_open = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!is_open, "the connection stays open");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Says whether the bytes end where their head says that the answer does.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|it| it == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|it| it.strip_prefix("content-length: "));
    // Without a length there is no body where none may be, and else it ends with the connection.
    match length.map(str::parse::<usize>) {
        Some(Ok(length)) => answer.len() >= head + 4 + length,
        _ => text.starts_with("http/1.1 204"),
    }
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct Client {
    /// Whom, as `address:port`.
    pub address: String,
    /// With which token.
    pub token: Option<String>,
}

impl Client {
    /// Makes a request with headers of its own.
    ///
    /// # Panics
    /// When there is no answer that is one of HTTP.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        if let Some(token) = &self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.send(&[format!("{head}\r\n").as_bytes(), body].concat())
    }

    /// Sends bytes, and reads the answer to its end, as its head tells it.
    ///
    /// # Panics
    /// As [`Client::ask`].
    pub fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream
            .set_read_timeout(Some(ANSWER_MAX))
            .expect("a time limit");
        // Who refuses a body need not read all of it.
        stream.write_all(request).unwrap_or_default();
        Answer::read(&mut stream)
    }

    /// Asks for something.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], &[])
    }

    /// Sends JSON.
    pub fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let json = [("Content-Type", "application/json")];
        self.ask(method, path, &json, body.to_string().as_bytes())
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send_json("POST", path, body)
    }

    /// Puts JSON.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send_json("PUT", path, body)
    }

    /// Launches the campaign at a path by what it would come to.
    ///
    /// # Panics
    /// As [`Client::ask`].
    pub fn launch(&self, campaign: &str, id: &str) -> Answer {
        let estimate = self.post(&format!("{campaign}/estimate"), &serde_json::json!({}));
        let confirmed = serde_json::json!({ "id": id, "estimate": estimate.json()["estimate"] });
        self.post(&format!("{campaign}/launch"), &confirmed)
    }

    /// Posts a file of boletos.
    pub fn upload(&self, path: &str, key: &str, csv: &str) -> Answer {
        let headers = [("Content-Type", "text/csv"), ("Idempotency-Key", key)];
        self.ask("POST", path, &headers, csv.as_bytes())
    }
}
