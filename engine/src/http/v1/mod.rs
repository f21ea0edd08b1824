//! Version 1 of the API: one file a family of paths.

mod campaigns;
mod contacts;
mod events;
mod imports;
mod settings;
mod tenants;
mod tokens;
mod why;

use std::fmt::Display;
use std::str::FromStr;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::caller::Caller;
use super::problem::Problem;
use super::server::Api;
use crate::store::Edit;

/// The header under which a caller makes a request again (IETF draft `Idempotency-Key`).
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

type Answer = Result<HttpResponse, Problem>;

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.configure(tokens::endpoints)
        .configure(tenants::endpoints)
        .configure(settings::endpoints)
        .configure(campaigns::endpoints)
        .configure(imports::endpoints)
        .configure(contacts::endpoints)
        .configure(events::endpoints)
        .configure(why::endpoints);
}

/// A path that answers other methods with 405.
fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(async || Err::<&str, _>(Problem::not_allowed())))
}

fn answer(mut response: HttpResponseBuilder, body: &impl Serialize) -> Answer {
    Ok(response
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body))
}

/// Returns the edit that a request makes: the same content at the same path under the same key is
/// the same edit. Other content under a key that was used is another one: nothing is lost by it.
fn edit(
    request: &HttpRequest,
    caller: &Caller,
    api: &Api,
    content: &impl Serialize,
) -> Result<Edit, Problem> {
    let content = serde_json::to_vec(content).map_err(|_| Problem::interrupted())?;
    let mut hash = Sha256::new();
    hash.update(request.path().as_bytes());
    hash.update([0]);
    hash.update(&content);
    let print = hash.finalize();
    let print = print
        .iter()
        .take(8)
        .fold(0_u64, |it, byte| it << 8 | u64::from(*byte));
    let key = key(request)?.unwrap_or_else(|| Uuid::new_v4().to_string());
    Ok(Edit {
        event_id: format!("{key}#{print:016x}"),
        source: caller.source("edits"),
        at: api.clock.now(),
    })
}

/// Reads the key of a request.
fn key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let text = key.to_str().ok().filter(|_| keys.next().is_none());
    let usable = |text: &&str| !text.is_empty() && text.len() <= KEY_BYTES_MAX;
    text.filter(usable)
        .map(|text| Some(text.to_owned()))
        .ok_or_else(|| Problem::malformed("the Idempotency-Key cannot be used"))
}

/// An identifier as callers see it, for example `ten_7`; the engine's own rows have the number.
#[derive(Clone, Copy, Debug)]
struct Id<T>(T);

impl<T: Display> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = text.parse().map_err(|_| D::Error::custom("no such id"))?;
        Ok(Self(id))
    }
}
