//! A mail server's double: it speaks SMTP over real sockets, with and without TLS, keeps what it is
//! given, and misbehaves where it is told to.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The account that is let in.
pub const USERNAME: &str = "regua";
/// Its password.
pub const PASSWORD: &str = "s3nha-do-correio";

/// Longer than anything that is awaited may take.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How far apart the bytes of a slow answer are.
const DRIP_EVERY: Duration = Duration::from_millis(200);
/// The longest line that is read, in bytes.
const LINE_MAX: usize = 64 * 1024;

/// Where in its dialogue the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before its greeting.
    Banner,
    /// Asked for its extensions.
    Hello,
    /// Asked to protect the line.
    Tls,
    /// Given an account.
    Login,
    /// Given the sender.
    Mail,
    /// Given the recipient.
    Rcpt,
    /// Asked for the content's turn.
    Data,
    /// Given the whole content, which it keeps whatever it answers.
    Content,
}

/// What it does in place of its usual answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers this line.
    Say(&'static str),
    /// Answers this line, and hangs up.
    SayAndHangUp(&'static str),
    /// Hangs up.
    HangUp,
    /// Never answers.
    Silence,
    /// Answers byte by byte.
    Drip,
    /// Answers so many bytes without a line break.
    Flood(usize),
    /// Answers as usual once [`SmtpServer::release`] is called.
    Hold,
}

/// How the line is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// When it is asked to.
    Starttls,
    /// As [`Protection::Starttls`], and a forger adds this answer in the clear.
    Injected,
    /// From the first byte on.
    Wrapper,
}

/// What it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// The sender, as `MAIL FROM` says it.
    pub from: String,
    /// The recipient, as `RCPT TO` says it.
    pub to: String,
    /// Headers and text, dots unstuffed.
    pub content: String,
    /// It came over TLS.
    pub is_protected: bool,
    /// Whoever sent it had logged in.
    pub is_logged_in: bool,
}

impl Mail {
    /// Returns the lines of the headers, folded ones joined.
    pub fn headers(&self) -> Vec<String> {
        let (head, _) = self.content.split_once("\r\n\r\n").unwrap_or_default();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.split("\r\n").map(str::to_owned).collect()
    }

    /// Returns the value of a header; nothing when it is missing or comes twice.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers();
        let mut found = headers.iter().filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        found.next().filter(|_| found.next().is_none())
    }
}

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The messages whose content came whole.
    pub mails: Vec<Mail>,
    /// Every command, in the order of their coming; no secrets.
    pub commands: Vec<String>,
    /// The connections that were taken.
    pub connections: usize,
}

#[derive(Default)]
struct State {
    seen: Seen,
    faults: BTreeMap<Stage, Fault>,
    released: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    protection: Protection,
    mechanisms: &'static str,
    tls: Arc<ServerConfig>,
}

/// The server; it goes on until the test ends. Clones are the same server.
#[derive(Clone)]
pub struct SmtpServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate by which it is known, in PEM.
    pub certificate: String,
    shared: Arc<Shared>,
}

impl SmtpServer {
    /// Starts a server on a free port; its certificate is `localhost`'s.
    ///
    /// # Panics
    /// When the system refuses a port, or chance.
    pub fn start(protection: Protection) -> Self {
        Self::with_mechanisms(protection, "PLAIN LOGIN")
    }

    /// As [`SmtpServer::start`], with other ways to log in.
    ///
    /// # Panics
    /// As [`SmtpServer::start`].
    pub fn with_mechanisms(protection: Protection, mechanisms: &'static str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a certificate and its key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            protection,
            mechanisms,
            tls: Arc::new(tls),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                shared.note(|seen| seen.connections += 1);
                thread::spawn(move || Dialogue::hold(shared, socket));
            }
        });
        Self {
            address,
            certificate: cert.pem(),
            shared,
        }
    }

    /// Misbehaves at a stage from now on.
    pub fn fault(&self, stage: Stage, fault: Fault) {
        let mut state = self.shared.lock();
        state.faults.insert(stage, fault);
        state.released = false;
    }

    /// Behaves from now on.
    pub fn mend(&self) {
        self.shared.lock().faults.clear();
    }

    /// Lets those go on that are held.
    pub fn release(&self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
    }

    /// Returns what has happened so far.
    pub fn seen(&self) -> Seen {
        self.shared.lock().seen.clone()
    }

    /// Waits until something has happened.
    ///
    /// # Panics
    /// When it does not.
    pub fn await_seen(&self, mut has: impl FnMut(&Seen) -> bool) -> Seen {
        let state = self.shared.lock();
        let waiting = |state: &mut State| !has(&state.seen);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, WAIT_MAX, waiting);
        let (state, timeout) = waited.expect("no thread panics");
        assert!(!timeout.timed_out(), "only this: {:?}", state.seen.commands);
        state.seen.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics")
    }

    fn note(&self, write: impl FnOnce(&mut Seen)) {
        write(&mut self.lock().seen);
        self.changed.notify_all();
    }

    fn await_release(&self) {
        let state = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(state, WAIT_MAX, |state| !state.released);
        drop(waited.expect("no thread panics"));
    }
}

trait ReadWrite: Read + Write + Send {}

impl<S: Read + Write + Send> ReadWrite for S {}

/// One connection.
struct Dialogue {
    shared: Arc<Shared>,
    stream: Option<Box<dyn ReadWrite>>,
    mail: Mail,
}

/// The connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Over
    }
}

impl Dialogue {
    fn hold(shared: Arc<Shared>, socket: TcpStream) {
        let is_wrapped = shared.protection == Protection::Wrapper;
        let mut dialogue = Self {
            shared,
            stream: Some(Box::new(socket)),
            mail: Mail::default(),
        };
        if is_wrapped {
            dialogue.protect();
        }
        // Whoever hangs up ends the dialogue.
        let _ = dialogue.run();
    }

    fn protect(&mut self) {
        let connection = ServerConnection::new(Arc::clone(&self.shared.tls));
        let connection = connection.expect("a session");
        let stream = self.stream.take().expect("a stream");
        self.stream = Some(Box::new(StreamOwned::new(connection, stream)));
        self.mail.is_protected = true;
    }

    fn run(&mut self) -> Result<(), Over> {
        self.answer(Stage::Banner, "220 localhost ESMTP double\r\n")?;
        loop {
            let line = self.line()?;
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let verb = verb.to_ascii_uppercase();
            let noted = if verb == "AUTH" { "AUTH" } else { &line };
            self.shared
                .note(|seen| seen.commands.push(noted.to_owned()));
            match verb.as_str() {
                "EHLO" => self.hello()?,
                "STARTTLS" => self.starttls()?,
                "AUTH" => self.login(&line)?,
                "MAIL" => {
                    self.mail.from = address_in(&line);
                    self.answer(Stage::Mail, "250 2.1.0 ok\r\n")?;
                }
                "RCPT" => {
                    self.mail.to = address_in(&line);
                    self.answer(Stage::Rcpt, "250 2.1.5 ok\r\n")?;
                }
                "DATA" => self.data()?,
                "RSET" | "NOOP" => self.say(b"250 ok\r\n")?,
                "QUIT" => return self.say(b"221 bye\r\n"),
                _ => self.say(b"502 5.5.1 no such command\r\n")?,
            }
        }
    }

    fn hello(&mut self) -> Result<(), Over> {
        let starttls = match self.shared.protection {
            Protection::Starttls | Protection::Injected if !self.mail.is_protected => {
                "250-STARTTLS\r\n"
            }
            _ => "",
        };
        let mechanisms = self.shared.mechanisms;
        let hello = format!(
            "250-localhost\r\n250-PIPELINING\r\n{starttls}250-AUTH {mechanisms}\r\n250 8BITMIME\r\n"
        );
        self.answer(Stage::Hello, &hello)
    }

    fn starttls(&mut self) -> Result<(), Over> {
        match self.shared.protection {
            Protection::Injected => {
                self.say(b"220 go ahead\r\n250-localhost\r\n250 AUTH PLAIN\r\n")?;
            }
            _ => self.answer(Stage::Tls, "220 2.0.0 go ahead\r\n")?,
        }
        self.protect();
        Ok(())
    }

    fn login(&mut self, line: &str) -> Result<(), Over> {
        let given = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let words: Vec<&str> = line.split(' ').collect();
        let is_good = match words.as_slice() {
            [_, "PLAIN", plain] => given(plain) == format!("\0{USERNAME}\0{PASSWORD}").into_bytes(),
            [_, "LOGIN"] => {
                self.say(b"334 VXNlcm5hbWU6\r\n")?;
                let username = given(&self.line()?);
                self.say(b"334 UGFzc3dvcmQ6\r\n")?;
                let password = given(&self.line()?);
                username == USERNAME.as_bytes() && password == PASSWORD.as_bytes()
            }
            _ => false,
        };
        self.mail.is_logged_in = is_good;
        let answer = match is_good {
            true => "235 2.7.0 welcome\r\n",
            false => "535 5.7.8 bad credentials\r\n",
        };
        self.answer(Stage::Login, answer)
    }

    fn data(&mut self) -> Result<(), Over> {
        if !self.answers(Stage::Data, "354 go on\r\n")? {
            return Ok(());
        }
        let mut content = String::new();
        loop {
            let line = self.line()?;
            if line == "." {
                break;
            }
            content += line.strip_prefix('.').unwrap_or(&line);
            content += "\r\n";
        }
        self.mail.content = content;
        let mail = self.mail.clone();
        self.shared.note(|seen| seen.mails.push(mail));
        self.answer(Stage::Content, "250 2.0.0 queued as 4ABC\r\n")
    }

    /// Answers as usual, or as it was told to.
    fn answer(&mut self, stage: Stage, usual: &str) -> Result<(), Over> {
        self.answers(stage, usual).map(drop)
    }

    /// As [`Dialogue::answer`]; says whether it was the usual answer.
    fn answers(&mut self, stage: Stage, usual: &str) -> Result<bool, Over> {
        let fault = self.shared.lock().faults.get(&stage).cloned();
        let is_usual = matches!(fault, None | Some(Fault::Drip | Fault::Hold));
        match fault {
            None => self.say(usual.as_bytes()),
            Some(Fault::Say(line)) => self.say(format!("{line}\r\n").as_bytes()),
            Some(Fault::SayAndHangUp(line)) => {
                self.say(format!("{line}\r\n").as_bytes())?;
                Err(Over)
            }
            Some(Fault::HangUp) => Err(Over),
            Some(Fault::Silence) => loop {
                // Until the other side hangs up.
                self.line()?;
            },
            Some(Fault::Drip) => {
                for byte in usual.as_bytes() {
                    self.say(&[*byte])?;
                    thread::park_timeout(DRIP_EVERY);
                }
                Ok(())
            }
            Some(Fault::Flood(bytes)) => {
                self.say(&vec![b'2'; bytes])?;
                self.say(b"\r\n")
            }
            Some(Fault::Hold) => {
                self.shared.await_release();
                self.say(usual.as_bytes())
            }
        }?;
        Ok(is_usual)
    }

    fn say(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let stream = self.stream.as_mut().ok_or(Over)?;
        stream.write_all(bytes)?;
        Ok(stream.flush()?)
    }

    /// Reads a line, without a byte of the next: it may come protected.
    fn line(&mut self) -> Result<String, Over> {
        let stream = self.stream.as_mut().ok_or(Over)?;
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\r\n") && line.len() < LINE_MAX {
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let line = line.strip_suffix(b"\r\n").ok_or(Over)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

/// Returns what stands between angle brackets.
fn address_in(line: &str) -> String {
    let (_, rest) = line.split_once('<').unwrap_or_default();
    let (address, _) = rest.rsplit_once('>').unwrap_or_default();
    address.to_owned()
}
