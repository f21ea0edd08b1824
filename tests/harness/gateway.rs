//! An HTTP provider's double: it speaks over real sockets, with and without TLS, keeps what it is
//! asked, and misbehaves where it is told to.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// Longer than anything that is awaited may take.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How far apart the bytes of a slow answer are.
const DRIP_EVERY: Duration = Duration::from_millis(20);
/// How much a flood is, in bytes.
const FLOOD_BYTES: usize = 10 * 1_024 * 1_024;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Answers, and waits for the next request.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// As `Answer`, and hangs up without having said that it would.
    AnswerAndHangUp(u16, String),
    /// Answers this with this status once [`Gateway::release`] is called.
    Hold(u16, String),
    /// Resets the connection once the whole request has come.
    Reset,
    /// Hangs up without an answer.
    HangUp,
    /// Never answers.
    Silence,
    /// Answers with a success of ten megabytes, or another status.
    Flood(u16),
    /// Answers with this status, and its body byte by byte.
    Drip(u16),
    /// Answers with what is no HTTP.
    Noise,
}

impl Deed {
    /// Answers with JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Deed::Answer(status, Vec::new(), body.to_string())
    }

    /// Answers with a status and one header.
    pub fn with_header(status: u16, name: &'static str, value: &str) -> Self {
        Deed::Answer(status, vec![(name, value.to_owned())], String::new())
    }
}

/// A request that came whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its first line.
    pub line: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// The connection, counted from 1.
    pub connection: usize,
}

impl Asked {
    /// Returns the value of a header; nothing when it is missing or comes twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// Returns the body as JSON; nothing when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What has happened so far.
#[derive(Default)]
struct State {
    deeds: VecDeque<Deed>,
    usual: Option<Deed>,
    asked: Vec<Asked>,
    connections: usize,
    hung_up: usize,
    bytes_read: usize,
    released: bool,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The double; it goes on until it is dropped.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate by which it is known, in PEM, where it speaks TLS.
    pub certificate: Option<String>,
    shared: Arc<Shared>,
}

trait Wire: Read + Write + Send {}

impl<W: Read + Write + Send> Wire for W {}

impl Gateway {
    /// Starts on a free port, without TLS.
    ///
    /// # Panics
    /// When the system refuses a port.
    pub fn start() -> Self {
        Self::start_on(None, None)
    }

    /// Starts on a free port, with TLS as `localhost`.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    pub fn start_tls() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a certificate and its key");
        Self::start_on(Some(Arc::new(tls)), Some(cert.pem()))
    }

    fn start_on(tls: Option<Arc<ServerConfig>>, certificate: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let mut state = accepting.state();
                if state.ended {
                    return;
                }
                state.connections += 1;
                let (shared, number) = (Arc::clone(&accepting), state.connections);
                drop(state);
                accepting.changed.notify_all();
                let tls = tls.clone();
                thread::spawn(move || {
                    // Whoever hangs up on it is as welcome as anybody.
                    drop(converse(&shared, socket, tls, number));
                    shared.note(|state| state.hung_up += 1);
                });
            }
        });
        Self {
            address,
            certificate,
            shared,
        }
    }

    /// Returns where it answers, under the name of its certificate if it has one.
    pub fn url(&self) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// Does this with the next request that nothing else was said of.
    pub fn then(&self, deed: Deed) {
        self.shared.note(|state| state.deeds.push_back(deed));
    }

    /// Does this with every request that nothing else was said of.
    pub fn always(&self, deed: Deed) {
        self.shared.note(|state| state.usual = Some(deed));
    }

    /// Lets the answers go that are held.
    pub fn release(&self) {
        self.shared.note(|state| state.released = true);
    }

    /// Returns the requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    /// Waits until so many requests have come, and returns them.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_asked(&self, count: usize) -> Vec<Asked> {
        self.shared.wait(|state| state.asked.len() >= count);
        self.asked()
    }

    /// Waits until it has hung up, or was hung up on, so often.
    ///
    /// # Panics
    /// When it was not.
    pub fn wait_hung_up(&self, count: usize) {
        self.shared.wait(|state| state.hung_up >= count);
    }

    /// Waits until so many connections were taken.
    ///
    /// # Panics
    /// When they were not.
    pub fn wait_connections(&self, count: usize) {
        self.shared.wait(|state| state.connections >= count);
    }

    /// Returns how many connections were taken.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// Returns how many bytes of HTTP came on all of them.
    pub fn bytes_read(&self) -> usize {
        self.shared.state().bytes_read
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.note(|state| state.ended = true);
        // Whoever waits for a connection gets one, and sees the end.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) {
        let waiting = |state: &mut State| !until(state);
        let (_state, waited) = self
            .changed
            .wait_timeout_while(self.state(), WAIT_MAX, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "it did not happen");
    }

    /// Waits for the end, or for what holds answers back to be gone.
    fn hold(&self, is_held: impl Fn(&State) -> bool) {
        let waiting = |state: &mut State| is_held(state) && !state.ended;
        drop(self.changed.wait_while(self.state(), waiting));
    }
}

/// Answers the requests of one connection until one of the two hangs up.
fn converse(
    shared: &Shared,
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    number: usize,
) -> io::Result<()> {
    let raw = socket.try_clone()?;
    let mut wire: Box<dyn Wire> = match tls {
        Some(tls) => {
            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, socket))
        }
        None => Box::new(socket),
    };
    while let Some((mut asked, length)) = read_head(shared, &mut *wire)? {
        asked.connection = number;
        let mut state = shared.state();
        let deed = state.deeds.pop_front().or_else(|| state.usual.clone());
        drop(state);
        let deed = deed.expect("a deed for every request");
        if matches!(deed, Deed::Reset) {
            // What is left unread when it closes makes the system reset the connection.
            let mut body = vec![0; length];
            while raw.peek(&mut body)? < length {}
            asked.body = String::from_utf8_lossy(&body).into_owned();
            shared.note(|state| state.asked.push(asked));
            return Ok(());
        }
        let mut body = vec![0; length];
        wire.read_exact(&mut body)?;
        asked.body = String::from_utf8_lossy(&body).into_owned();
        shared.note(|state| {
            state.bytes_read += length;
            state.asked.push(asked);
        });
        if !perform(shared, &mut *wire, deed)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads a head byte by byte, so that nothing after it is taken; nothing at the end.
fn read_head(shared: &Shared, wire: &mut dyn Wire) -> io::Result<Option<(Asked, usize)>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if wire.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        shared.state().bytes_read += 1;
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().split("\r\n").map(str::to_owned);
    let line = lines.next().unwrap_or_default();
    let header = |line: String| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let asked = Asked {
        line,
        headers: lines.filter_map(header).collect(),
        body: String::new(),
        connection: 0,
    };
    let length = asked
        .header("content-length")
        .and_then(|it| it.parse().ok());
    let length = length.unwrap_or_default();
    Ok(Some((asked, length)))
}

/// Does what it is told; false when the connection is over.
fn perform(shared: &Shared, wire: &mut dyn Wire, deed: Deed) -> io::Result<bool> {
    match deed {
        Deed::Answer(status, headers, body) => answer(wire, status, &headers, &body).map(|()| true),
        Deed::AnswerAndHangUp(status, body) => answer(wire, status, &[], &body).map(|()| false),
        Deed::Hold(status, body) => {
            shared.hold(|state| !state.released);
            answer(wire, status, &[], &body).map(|()| true)
        }
        Deed::Reset | Deed::HangUp => Ok(false),
        Deed::Silence => {
            shared.hold(|_| true);
            Ok(false)
        }
        Deed::Flood(status) => {
            write!(
                wire,
                "HTTP/1.1 {status} X\r\nContent-Length: {FLOOD_BYTES}\r\n\r\n"
            )?;
            wire.write_all(&vec![b'x'; FLOOD_BYTES])?;
            Ok(true)
        }
        Deed::Drip(status) => {
            write!(wire, "HTTP/1.1 {status} X\r\nContent-Length: 10000\r\n\r\n")?;
            // Nobody sends on it: every wait lasts as long as it may.
            let (_never, pause): (_, Receiver<()>) = channel();
            for _ in 0..10_000 {
                wire.write_all(b" ")?;
                wire.flush()?;
                let _ = pause.recv_timeout(DRIP_EVERY);
            }
            Ok(false)
        }
        Deed::Noise => {
            wire.write_all(b"\x15\x03\x01 220 mail.example ESMTP\r\n\r\n")?;
            wire.flush()?;
            Ok(false)
        }
    }
}

fn answer(
    wire: &mut dyn Wire,
    status: u16,
    headers: &[(&'static str, String)],
    body: &str,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text += body;
    wire.write_all(text.as_bytes())?;
    wire.flush()
}
