//! What the mailbox provider keeps instead of sending it, for demos, tests and dry runs; and the
//! keys under which the API remembers its answers.

use std::sync::Arc;

use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, EnrollmentId, ReminderId, TenantId};
use schedules::time::Timestamp;

use super::codec::instant;
use super::conn::Row;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, both, row};
use super::{Store, within};

/// A message in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
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
    /// The text.
    pub body: String,
}

const KEEP: Sql = batch!(
    "INSERT INTO mailbox (tenant_id, enrollment_id, step_no, occurrence, try_no, boleto_id,
         channel, handed_over_at, to_masked, body)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "enrollment" "bigint", 3 "step_no" "bigint", 4 "occurrence" "bigint",
     5 "try_no" "bigint", 6 "boleto" "bigint", 7 "channel" "text", 8 "handed_over_at" "bigint",
     9 "to_masked" "text", 10 "body" "text"),
    "WHERE true
     ON CONFLICT DO NOTHING"
);

const LIST: Sql = both(
    "SELECT enrollment_id, step_no, occurrence, try_no, boleto_id, channel, handed_over_at,
         to_masked, body
     FROM mailbox
     WHERE tenant_id = $1 AND handed_over_at >= $2
     ORDER BY handed_over_at, enrollment_id
     LIMIT $3",
);

const REMEMBERED: Sql =
    both("SELECT fingerprint, response FROM idempotency_keys WHERE tenant_id = $1 AND key = $2");

const REMEMBER: Sql = both(
    "INSERT INTO idempotency_keys (tenant_id, key, fingerprint, response, created_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING",
);

impl Store {
    /// Keeps letters; returns how many of them were new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_letters(
        &self,
        tenant: TenantId,
        letters: &[Letter],
    ) -> Result<u64, StoreError> {
        let mut rows = Batch::default();
        for letter in letters {
            let (reminder, try_no) = (letter.attempt.reminder, letter.attempt.try_no);
            rows.push(row![
                tenant.0,
                reminder.enrollment.0,
                i64::from(reminder.step_no),
                i64::from(reminder.occurrence),
                i64::from(try_no),
                letter.boleto.0,
                letter.channel.as_str(),
                letter.handed_over_at.unix_ms(),
                letter.to_masked.as_str(),
                letter.body.as_str(),
            ]);
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let (weight, rows) = (rows.len(), Arc::new(rows));
        self.write(Lane::Doors, weight, move |conn| {
            let rows = Batch::clone(&rows);
            Box::pin(async move { conn.execute(&KEEP, rows.args(vec![])).await })
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
        within(async {
            let mut conn = self.reader().await?;
            let args = args![tenant.0, from.unix_ms(), i64::from(limit)];
            let rows = conn.rows(&LIST, args).await?;
            let letters = rows.into_iter().map(read).collect::<Result<_, _>>()?;
            conn.done();
            Ok(letters)
        })
        .await
    }

    /// Returns the fingerprint and the answer under an idempotency key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remembered(
        &self,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        within(async {
            let mut conn = self.reader().await?;
            let row = conn.first(&REMEMBERED, args![tenant.0, key]).await?;
            conn.done();
            row.map(|mut row| Ok((row.text()?, row.text()?)))
                .transpose()
        })
        .await
    }

    /// Keeps an answer under an idempotency key; returns false when the key has one already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: &str,
        response: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let kept: Arc<[String; 3]> = Arc::new([key, fingerprint, response].map(str::to_owned));
        self.write(Lane::Doors, 1, move |conn| {
            let [key, fingerprint, response] = <[String; 3]>::clone(&kept);
            let args = args![tenant.0, key, fingerprint, response, at.unix_ms()];
            Box::pin(async move { Ok(conn.execute(&REMEMBER, args).await? == 1) })
        })
        .await
    }
}

fn read(mut row: Row) -> Result<Letter, StoreError> {
    let enrollment = EnrollmentId(row.int()?);
    let reminder = ReminderId {
        enrollment,
        step_no: row.small()?,
        occurrence: row.small()?,
    };
    Ok(Letter {
        attempt: AttemptId {
            reminder,
            try_no: row.small()?,
        },
        boleto: BoletoId(row.int()?),
        channel: row.parsed("channel")?,
        handed_over_at: instant(&mut row)?,
        to_masked: row.text()?,
        body: row.text()?,
    })
}
