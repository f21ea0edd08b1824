//! `regua token`: service tokens, for who has the store at hand.
//!
//! A secret is printed once, alone on its line of standard output; everything else that `create`,
//! `rotate` and `revoke` say goes to standard error.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use actors::clock::{Clock as _, SystemClock};
use clap::{Args, Subcommand};
use schedules::id::TenantId;
use schedules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use serde_json::{Value, json};

use super::config::ConfigArgs;
use super::serve::{open, open_to_read, report, with_config};
use super::{Ended, runtime};
use crate::access::{Issued, MalformedToken, NewToken, Prefix, Scopes, TokenRecord};
use crate::config::StoreConfig;
use crate::store::{Store, StoreError};
use crate::telemetry;

/// Whom the audit names for what is done here.
const BY: &str = "cli";
/// How many tokens are read at once.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a token and prints it, this once.
    Create(Create),
    /// Lists the tokens of a tenant, or of the whole engine, without their secrets.
    List(List),
    /// Ends a token at once.
    Revoke(Revoke),
    /// Makes a token with the same rights and prints it, this once; the old one ends soon.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What people know it by, such as the system that uses it.
    #[arg(long)]
    name: String,
    /// The tenant that it is of; without one it is of the whole engine and needs `admin`.
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    /// What it allows: admin, manage, import, facts, read, with commas between them.
    #[arg(long)]
    scopes: Scopes,
    /// When it ends by itself, such as 90d or 12h; never, unless stated.
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The tenant whose tokens are listed; without one, those of the whole engine.
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    /// Writes one JSON object instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// How long the old one still counts, such as 24h or 0s.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    grace: Span,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A token by its prefix.
///
/// It is not read by clap, whose errors repeat what was typed: somebody may paste a whole token.
#[derive(Args)]
struct Which {
    /// The 12 characters between the two underscores of a token.
    prefix: String,
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Which")
    }
}

impl Which {
    fn read(&self) -> Result<Prefix, MalformedToken> {
        self.prefix.parse()
    }
}

/// A stretch of time in milliseconds: a number and `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span(i64);

/// The text is no stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stretch of time is a number and s, m, h or d, such as 24h")]
struct UnreadableSpan;

impl FromStr for Span {
    type Err = UnreadableSpan;

    fn from_str(text: &str) -> Result<Self, UnreadableSpan> {
        const UNITS: [(char, i64); 4] = [
            ('s', SECOND_MS),
            ('m', MINUTE_MS),
            ('h', HOUR_MS),
            ('d', DAY_MS),
        ];
        let read = |(unit, ms): (char, i64)| {
            let digits = text.strip_suffix(unit)?;
            let number: u32 = digits.parse().ok()?;
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| i64::from(number) * ms)
        };
        let ms = UNITS.into_iter().find_map(read);
        ms.map(Self).ok_or(UnreadableSpan)
    }
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        let now = SystemClock::start().now();
        match self {
            Self::Create(command) => command.run(now, out, err),
            Self::List(command) => command.run(now, out, err),
            Self::Revoke(command) => command.run(now, err),
            Self::Rotate(command) => command.run(now, out, err),
        }
    }
}

impl Create {
    fn run(self, now: Timestamp, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let new = NewToken {
            name: self.name,
            tenant: self.tenant,
            scopes: self.scopes,
            expires_at: self.expires_in.map(|span| now.plus_ms(span.0)),
        };
        with_config(self.config, err, |config, err| {
            let work = async |store: &Store| store.create_token(new, BY, now).await;
            match runtime()?.block_on(write(&config.store, work)) {
                Ok(issued) => hand_out(&issued, out, err),
                Err(error) => report(Err(error), err),
            }
        })
    }
}

impl Rotate {
    fn run(self, now: Timestamp, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let prefix = match self.which.read() {
            Ok(prefix) => prefix,
            Err(fault) => return report(Err(fault.into()), err),
        };
        with_config(self.config, err, |config, err| {
            let work =
                async |store: &Store| store.rotate_token(&prefix, self.grace.0, BY, now).await;
            match runtime()?.block_on(write(&config.store, work)) {
                Ok(issued) => {
                    let end = now.plus_ms(self.grace.0);
                    writeln!(err, "{prefix} ends at {end} at the latest")?;
                    hand_out(&issued, out, err)
                }
                Err(error) => report(Err(error), err),
            }
        })
    }
}

impl Revoke {
    fn run(self, now: Timestamp, err: &mut dyn Write) -> io::Result<Ended> {
        let prefix = match self.which.read() {
            Ok(prefix) => prefix,
            Err(fault) => return report(Err(fault.into()), err),
        };
        with_config(self.config, err, |config, err| {
            let work = async |store: &Store| store.revoke_token(&prefix, BY, now).await;
            match runtime()?.block_on(write(&config.store, work)) {
                Ok(true) => writeln!(err, "{prefix} is revoked")?,
                Ok(false) => writeln!(err, "{prefix} was revoked before")?,
                Err(error) => return report(Err(error), err),
            }
            Ok(Ended::Well)
        })
    }
}

impl List {
    fn run(self, now: Timestamp, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let (tenant, json) = (self.tenant, self.json);
        with_config(self.config, err, |config, err| {
            match runtime()?.block_on(read(&config.store, tenant)) {
                Ok(tokens) if json => {
                    let tokens: Vec<Value> = tokens.iter().map(|one| as_json(one, now)).collect();
                    writeln!(out, "{}", json!({ "tokens": tokens }))?;
                }
                Ok(tokens) => tokens
                    .iter()
                    .try_for_each(|one| writeln!(out, "{}", as_line(one, now)))?,
                Err(error) => return report(Err(error), err),
            }
            Ok(Ended::Well)
        })
    }
}

/// Works on the store and closes it.
async fn write<A>(
    config: &StoreConfig,
    work: impl AsyncFnOnce(&Store) -> Result<A, StoreError>,
) -> anyhow::Result<A> {
    let store = open(config).await.map_err(|error| match error {
        StoreError::InUse => anyhow::Error::from(error)
            .context("an engine runs on this folder: manage tokens by its API, or stop it first"),
        error => error.into(),
    })?;
    let done = work(&store).await;
    store.close().await;
    Ok(done?)
}

async fn read(config: &StoreConfig, tenant: Option<TenantId>) -> anyhow::Result<Vec<TokenRecord>> {
    let store = open_to_read(config).await?;
    let tokens = all(&store, tenant).await;
    store.close().await;
    Ok(tokens?)
}

/// Reads page after page.
async fn all(store: &Store, tenant: Option<TenantId>) -> Result<Vec<TokenRecord>, StoreError> {
    let mut tokens: Vec<TokenRecord> = Vec::new();
    loop {
        let after = tokens.last().map(|last| last.id);
        let page = store.tokens(tenant, after, PAGE).await?;
        if page.is_empty() {
            return Ok(tokens);
        }
        tokens.extend(page);
    }
}

/// Prints a token, what it is of first: where the token cannot be written it can be revoked.
fn hand_out(issued: &Issued, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
    let Issued { record, token } = issued;
    writeln!(
        err,
        "{} {}: {} of {}, {}; it is not shown again",
        record.id,
        record.prefix,
        record.scopes,
        whose(record),
        until(record),
    )?;
    writeln!(out, "{}", token.expose())?;
    Ok(Ended::Well)
}

fn whose(record: &TokenRecord) -> String {
    let tenant = record.tenant.map(|tenant| tenant.to_string());
    tenant.unwrap_or_else(|| "the engine".to_owned())
}

fn until(record: &TokenRecord) -> String {
    let end = record.expires_at.map(|end| format!("until {end}"));
    end.unwrap_or_else(|| "without an end".to_owned())
}

/// A line for people. Names have no control characters: the store takes none.
fn as_line(record: &TokenRecord, now: Timestamp) -> String {
    format!(
        "{}  {:<7}  {:<31}  {:<29}  {}",
        record.prefix,
        record.state(now).as_str(),
        record.scopes.to_string(),
        until(record),
        record.name,
    )
}

fn as_json(record: &TokenRecord, now: Timestamp) -> Value {
    json!({
        "id": record.id.to_string(),
        "prefix": record.prefix.as_str(),
        "tenant": record.tenant.map(|tenant| tenant.to_string()),
        "name": record.name,
        "scopes": record.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "state": record.state(now).as_str(),
        "created_at": record.created_at.to_string(),
        "expires_at": record.expires_at.map(|at| at.to_string()),
        "revoked_at": record.revoked_at.map(|at| at.to_string()),
        "replaced_by": record.replaced_by.map(|id| id.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_time_is_a_number_and_a_unit() {
        let read = |text: &str| text.parse::<Span>().map(|span| span.0);
        assert_eq!(read("0s"), Ok(0));
        assert_eq!(read("45m"), Ok(45 * MINUTE_MS));
        assert_eq!(read("24h"), read("1d"));
        assert_eq!(read("4294967295d"), Ok(4_294_967_295 * DAY_MS));
        for text in [
            "",
            "d",
            "90",
            "-1d",
            "+1d",
            "1.5h",
            "1 h",
            "1w",
            "4294967296s",
        ] {
            assert_eq!(read(text), Err(UnreadableSpan), "{text}");
        }
    }

    #[test]
    fn what_was_typed_for_a_prefix_is_in_no_debug_text() {
        let command = Revoke {
            which: Which {
                prefix: "rg_abcdefghij09_secret".to_owned(),
            },
            config: ConfigArgs::default(),
        };
        assert!(!format!("{command:?}").contains("secret"));
    }
}
