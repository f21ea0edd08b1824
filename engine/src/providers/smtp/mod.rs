//! E-mail over SMTP.
//!
//! A hand-over begins when the server waits for the content: the connection is open by then, and
//! the server has taken sender, recipient and the wish to send. Before the content nothing was
//! handed over; from its first byte to the answer nobody knows.

mod dial;
mod letter;
mod line;
mod pool;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::{Abandoned, Outcome};
use async_trait::async_trait;
use tokio::time::timeout;

pub use dial::SetUpError;

use self::dial::{Dialler, NoLine};
use self::letter::Letter;
use self::line::Broken;
use self::pool::{Pool, Session};
use super::patience::Patience;
use super::provider::{Answer, Health, Provider};
use super::settings::smtp::SmtpSettings;
use crate::unsubscribe::Links;

/// How long a message waits for others to leave it a connection. A claim lasts hardly longer.
const TURN_MAX: Duration = Duration::from_secs(2);
/// The server ends the connection (RFC 5321, section 3.8).
const CLOSING: u16 = 421;

/// A server that takes e-mail from us.
pub struct Smtp {
    settings: SmtpSettings,
    links: Option<Arc<Links>>,
    dialler: Dialler,
    pool: Pool,
    clock: Arc<dyn Clock>,
}

/// The server does not wait for a message's content.
enum NotReady {
    /// There is no connection any more.
    Broken(Broken),
    /// It refused the message or us; the connection is good.
    Refused(Answer),
}

impl From<Broken> for NotReady {
    fn from(why: Broken) -> Self {
        Self::Broken(why)
    }
}

impl Smtp {
    /// Prepares for a server; nothing is sent to it yet.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(
        settings: SmtpSettings,
        links: Option<Arc<Links>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetUpError> {
        Ok(Self {
            dialler: Dialler::new(settings.clone())?,
            pool: Pool::of(settings.connections_max, Arc::clone(&clock)),
            settings,
            links,
            clock,
        })
    }

    fn letter(&self, message: &HandOver) -> Result<Letter, &'static str> {
        let links = self.links.as_deref();
        letter::write(message, &self.settings, links, self.clock.now())
    }

    /// Gets to where the server waits for the content, or says what came in between. The caller
    /// gives up after `within`.
    async fn ready(&self, letter: &Letter, within: Duration) -> Result<Session, Answer> {
        while let Some(session) = self.pool.take() {
            // The server may have hung up on any line that was kept.
            if let Some(found) = self.addressed(session, letter).await {
                return found;
            }
        }
        let session = match self.dialler.dial(within).await {
            Ok(line) => Session::on(line),
            Err(why) => return Err(no_line(&why)),
        };
        let found = self.addressed(session, letter).await;
        found.unwrap_or_else(|| Err(Outcome::Unavailable.into()))
    }

    /// Says from whom and to whom, and that the content is next. Nothing is returned when the
    /// connection broke.
    async fn addressed(
        &self,
        mut session: Session,
        letter: &Letter,
    ) -> Option<Result<Session, Answer>> {
        match self.address(&mut session, letter).await {
            Ok(()) => Some(Ok(session)),
            Err(NotReady::Refused(answer)) => {
                self.pool.keep(session);
                Some(Err(answer))
            }
            Err(NotReady::Broken(why)) => {
                tracing::debug!(error = %why, "connection to the mail server ended");
                None
            }
        }
    }

    async fn address(&self, session: &mut Session, letter: &Letter) -> Result<(), NotReady> {
        if session.is_dirty && !session.line.ask("RSET").await?.is(2) {
            return Err(Broken::Closed.into());
        }
        session.is_dirty = true;
        let from = &self.settings.from.mailbox().email;
        let mail = session.line.ask(&format!("MAIL FROM:<{from}>")).await?;
        if mail.code == CLOSING {
            return Err(Broken::Closed.into());
        }
        if !mail.is(2) {
            return Err(NotReady::Refused(mail.refusal_of_us()));
        }
        let to = letter.to.as_str();
        let rcpt = session.line.ask(&format!("RCPT TO:<{to}>")).await?;
        if rcpt.code == CLOSING {
            return Err(Broken::Closed.into());
        }
        if !rcpt.is(2) {
            return Err(NotReady::Refused(rcpt.refusal_of_recipient()));
        }
        let data = session.line.ask("DATA").await?;
        match data.code {
            354 => Ok(()),
            CLOSING => Err(Broken::Closed.into()),
            _ => Err(NotReady::Refused(data.refusal())),
        }
    }

    /// Sends the content to a server that waits for it.
    async fn deliver(&self, mut session: Session, letter: &Letter) -> Result<Answer, Broken> {
        session.line.send(&letter::stuffed(&letter.bytes)).await?;
        let end = session.line.reply().await?;
        session.is_dirty = false;
        match end.code {
            200..300 => {
                self.pool.keep(session);
                let provider_ref = letter.id.clone();
                Ok(Outcome::Accepted { provider_ref }.into())
            }
            CLOSING => Ok(end.refusal()),
            400.. => {
                self.pool.keep(session);
                Ok(end.refusal())
            }
            _ => Err(Broken::Gibberish),
        }
    }
}

#[async_trait]
impl Provider for Smtp {
    async fn send(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Answer {
        let letter = match self.letter(message) {
            Ok(letter) => letter,
            Err(code) => return never(code),
        };
        let Ok(Some(_turn)) = timeout(TURN_MAX, self.pool.turn()).await else {
            return abandoned(Abandoned::TooLate);
        };
        let patience = Patience::of(
            message.deadline_at,
            self.settings.ready_timeout_ms,
            &*self.clock,
        );
        let within = patience.within;
        let session = match timeout(within, self.ready(&letter, within)).await {
            Ok(Ok(session)) => session,
            Ok(Err(answer)) => return answer,
            Err(_) if !patience.is_fair() => return abandoned(Abandoned::TooLate),
            Err(_) => return Outcome::Unavailable.into(),
        };
        // Nothing is waited for from here to the first byte of the content.
        if !begin() {
            // Only hanging up leaves nothing of a message whose content is waited for.
            drop(session);
            return abandoned(Abandoned::Stopped);
        }
        let wait = Duration::from_millis(self.settings.answer_timeout_ms);
        match timeout(wait, self.deliver(session, &letter)).await {
            Ok(Ok(answer)) => answer,
            _ => Outcome::Unknown.into(),
        }
    }
}

/// Tells why there is no line, and returns what that comes to.
fn no_line(why: &NoLine) -> Answer {
    let answer = why.answer();
    match answer.health {
        // Nobody but the operator can mend it.
        Health::Broken => tracing::warn!(error = %why, "mail server lets nobody in"),
        _ => tracing::debug!(error = %why, "no connection to the mail server"),
    }
    answer
}

/// Returns what a message comes to that can never be sent; the server was not asked.
fn never(code: &str) -> Answer {
    Answer {
        outcome: Outcome::Rejected {
            code: code.to_owned(),
        },
        health: Health::Unasked,
    }
}

fn abandoned(why: Abandoned) -> Answer {
    Outcome::Abandoned { why }.into()
}
