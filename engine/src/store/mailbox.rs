//! What the mailbox provider keeps instead of sending it, for demos, tests and dry runs.

use std::fmt;

use actors::machine::effect::HandOver;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, EnrollmentId, ReminderId, TenantId};
use schedules::mask::masked;
use schedules::time::Timestamp;

use super::Store;
use super::codec::instant;
use super::conn::{Conn, Row};
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, both, row};
use super::work::{Asked, Work};

/// A message in the mailbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The tenant.
    pub tenant: TenantId,
    /// The attempt's key: a second letter under it is dropped.
    pub attempt: AttemptId,
    /// The boleto.
    pub boleto: BoletoId,
    /// The channel.
    pub channel: Channel,
    /// When it was handed over.
    pub handed_over_at: Timestamp,
    /// The contact point, masked.
    pub to_masked: String,
    /// The subject of an e-mail.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
}

const KEEP: Sql = batch!(
    "INSERT INTO mailbox (tenant_id, enrollment_id, step_no, occurrence, try_no, boleto_id,
         channel, handed_over_at, to_masked, subject, body)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "enrollment" "bigint", 3 "step_no" "bigint", 4 "occurrence" "bigint",
     5 "try_no" "bigint", 6 "boleto" "bigint", 7 "channel" "text", 8 "handed_over_at" "bigint",
     9 "to_masked" "text", 10 "subject" "text", 11 "body" "text"),
    "WHERE true
     ON CONFLICT DO NOTHING"
);

const LIST: Sql = both(
    "SELECT enrollment_id, step_no, occurrence, try_no, boleto_id, channel, handed_over_at,
         to_masked, subject, body
     FROM mailbox
     WHERE tenant_id = $1 AND handed_over_at >= $2
     ORDER BY handed_over_at, enrollment_id
     LIMIT $3",
);

/// Shows the key only: the rest is personal.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("tenant", &self.tenant)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl Letter {
    /// Returns what is kept of a message that is handed over at an instant.
    pub fn of(message: &HandOver, handed_over_at: Timestamp) -> Self {
        Self {
            tenant: message.tenant,
            attempt: message.attempt,
            boleto: message.boleto,
            channel: message.channel,
            handed_over_at,
            to_masked: masked(&message.to),
            subject: message.rendered.subject.clone(),
            body: message.rendered.body.clone(),
        }
    }
}

impl Store {
    /// Keeps a letter, with those of others in one statement; a second one under its attempt's key
    /// is dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_letter(&self, letter: Letter) -> Result<(), StoreError> {
        self.ask(Lane::Doors, |reply| {
            Work::Letter(Asked::new(letter, 1, reply))
        })
        .await
    }

    /// Lists letters from an instant on, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn letters(
        &self,
        tenant: TenantId,
        from: Timestamp,
        limit: u32,
    ) -> Result<Vec<Letter>, StoreError> {
        self.read(async |conn| {
            let args = args![tenant.0, from.unix_ms(), i64::from(limit)];
            let rows = conn.rows(&LIST, args).await?;
            rows.into_iter()
                .map(|row| read(tenant, row))
                .collect::<Result<_, _>>()
        })
        .await
    }
}

/// Keeps letters; on an error nothing of any of them may stand.
pub(super) async fn together(conn: &mut Conn, letters: &[&Letter]) -> Result<(), StoreError> {
    let mut rows = Batch::default();
    for letter in letters {
        let (reminder, try_no) = (letter.attempt.reminder, letter.attempt.try_no);
        rows.push(row![
            letter.tenant.0,
            reminder.enrollment.0,
            i64::from(reminder.step_no),
            i64::from(reminder.occurrence),
            i64::from(try_no),
            letter.boleto.0,
            letter.channel.as_str(),
            letter.handed_over_at.unix_ms(),
            letter.to_masked.as_str(),
            letter.subject.clone(),
            letter.body.as_str(),
        ]);
    }
    conn.execute(&KEEP, rows.args(vec![])).await.map(drop)
}

fn read(tenant: TenantId, mut row: Row) -> Result<Letter, StoreError> {
    let enrollment = EnrollmentId(row.int()?);
    let reminder = ReminderId {
        enrollment,
        step_no: row.small()?,
        occurrence: row.small()?,
    };
    Ok(Letter {
        tenant,
        attempt: AttemptId {
            reminder,
            try_no: row.small()?,
        },
        boleto: BoletoId(row.int()?),
        channel: row.parsed("channel")?,
        handed_over_at: instant(&mut row)?,
        to_masked: row.text()?,
        subject: row.text_or_null()?,
        body: row.text()?,
    })
}
