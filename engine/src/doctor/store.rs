//! What the store holds: whole, in time, reachable by somebody, and sending by what there is.

use actors::machine::CLOCKS_APART_MAX_MS;
use schedules::time::DAY_MS;

use super::{Patient, Report, senders, with_code};
use crate::access::TokenId;
use crate::config::Config;
use crate::store::{Store, StoreError};

/// A token that ends within this time is told, in milliseconds.
const ENDS_SOON_MS: i64 = 14 * DAY_MS;
/// How many tokens are named; the rest are counted.
const NAMED_MAX: usize = 10;

pub(super) async fn examine(
    store: &Store,
    config: &Config,
    patient: &Patient<'_>,
    report: &mut Report,
) {
    report.good("store", "it answers, and its schema is this program's");
    match store.check().await {
        Ok(()) => report.good("integrity", "no page is damaged"),
        Err(StoreError::Unreachable) => {
            report.warn(
                "integrity",
                "the database is too large to be read in half a minute",
            );
        }
        Err(error) => report.fail("integrity", with_code(&error)),
    }
    let examined = [
        clock(store, patient, report).await,
        senders::examine(store, config, report).await,
        tokens(store, patient, report).await,
    ];
    for error in examined.into_iter().filter_map(Result::err) {
        report.fail("store", with_code(&error));
    }
}

async fn clock(
    store: &Store,
    patient: &Patient<'_>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let before = patient.clock.now();
    let theirs = store.now().await?;
    let after = patient.clock.now();
    // Theirs was read between the two: so much is certain, whatever the way took.
    let apart = before.since(theirs).max(theirs.since(after)).max(0);
    let told = format!("this clock and the database's are at least {apart} ms apart");
    match apart {
        apart if apart > CLOCKS_APART_MAX_MS => report.fail("clock", told),
        apart if apart > CLOCKS_APART_MAX_MS / 2 => report.warn("clock", told),
        _ => report.good("clock", told),
    }
    Ok(())
}

async fn tokens(
    store: &Store,
    patient: &Patient<'_>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let now = patient.clock.now();
    let tokens = store.live_tokens(now).await?;
    let check = "tokens";
    if tokens.is_empty() {
        report.warn(check, "there is none: nobody can call the API");
        return Ok(());
    }
    let mut ending = Vec::new();
    for token in &tokens {
        match token.expires_at {
            _ if token.id == TokenId(0) => {
                let told = format!("{} was printed by the first start: rotate it", token.prefix);
                report.insecure(check, told);
            }
            Some(end) if end < now.plus_ms(ENDS_SOON_MS) => {
                ending.push((end, &token.prefix));
            }
            _ => {}
        }
    }
    ending.sort();
    for (end, prefix) in ending.iter().take(NAMED_MAX) {
        report.warn(check, format!("{prefix} ends at {end}"));
    }
    let endless = tokens.iter().filter(|it| it.expires_at.is_none()).count();
    if endless > 0 {
        report.insecure(check, format!("{endless} of {} have no end", tokens.len()));
    }
    report.good(check, format!("{} count", tokens.len()));
    Ok(())
}
