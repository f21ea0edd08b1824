//! Boletos in JSON: one request, one part.

use std::time::Duration;

use actix_web::web;
use schedules::id::ImportId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problem::Problem;
use super::super::super::server::Api;
use super::body::Cut;
use super::{Sent, failed};
use crate::imports::json::{BoletoItem, ITEMS_MAX};
use crate::imports::parts::Part;

/// The largest request, in bytes: 1,000 boletos of 2 KiB.
const BYTES_MAX: usize = 2 << 20;
/// A request up to this size is like any other, and waits for no turn.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// How long a request may take to arrive.
const WHOLE_MAX: Duration = Duration::from_secs(60);

#[derive(Deserialize, ToSchema)]
#[schema(as = NewBoletos)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    boletos: Vec<BoletoItem>,
}

/// Imports the boletos of a body, and returns their job.
pub(super) async fn take(
    api: &web::Data<Api>,
    sent: Sent,
    body: web::Payload,
) -> Result<ImportId, Problem> {
    if sent.length.is_some_and(|it| it > BYTES_MAX as u64) {
        return Err(Problem::too_large());
    }
    let is_small = sent.length.is_some_and(|it| it <= SMALL_BYTES_MAX);
    let turn = match is_small {
        true => None,
        false => Some(
            api.uploads
                .take(sent.tenant)
                .ok_or_else(|| Problem::busy("other files are being imported"))?,
        ),
    };
    let body = whole(body).await?;
    let (home, read_on) = sent.read_on(api).await?;
    // Off this thread: stops are answered on it.
    let read = web::block(move || {
        let content: Content = serde_json::from_slice(&body).map_err(|error| unread(&error))?;
        if content.boletos.len() > ITEMS_MAX {
            return Err(Problem::invalid("a request has 1000 boletos at the most"));
        }
        Ok(Part::of_request(&content.boletos, read_on, home))
    });
    let part = read.await.map_err(|_| Problem::interrupted())??;
    let at = api.clock.now();
    let (part, boletos) = part.of(sent.job, 0, read_on, at);
    let (doors, tenant) = (api.doors.clone(), sent.tenant);
    // To its end, also when the caller hangs up: it takes back what a stop had waited for.
    let imported = actix_web::rt::spawn(async move {
        let imported = doors.import_part(tenant, part, boletos).await;
        drop(turn);
        imported
    });
    let imported = imported.await.map_err(|_| Problem::interrupted())?;
    Ok(imported.map_err(failed)?.job)
}

async fn whole(body: web::Payload) -> Result<web::Bytes, Problem> {
    let read = tokio::time::timeout(WHOLE_MAX, body.to_bytes_limited(BYTES_MAX)).await;
    match read {
        Err(_) => Err(Cut::TooSlow.into()),
        Ok(Err(_)) => Err(Problem::too_large()),
        Ok(Ok(Err(_))) => Err(Cut::BrokeOff.into()),
        Ok(Ok(Ok(body))) => Ok(body),
    }
}

/// Says where the JSON is not as it should be; never what stands there.
fn unread(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!(
        "the body is not what this path takes (line {}, column {})",
        error.line(),
        error.column()
    ))
}
