//! Version 1 of the API: one file a family of paths.

mod campaigns;
mod contacts;
mod dead_events;
mod engine;
mod events;
mod imports;
mod launch;
mod openapi;
mod preview;
mod publishers;
mod reads;
mod settings;
mod tenants;
mod tokens;
mod why;

use std::fmt::Display;
use std::str::FromStr;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponseBuilder, web};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::Caller;
use super::once::{Answer, Once, ToldAgain, key};
use super::problem::Problem;
use super::route::{self, Route};
use super::server::Api;
use crate::store::Edit;

const TABLE: &[&[Route]] = &[
    tokens::ROUTES,
    engine::ROUTES,
    tenants::ROUTES,
    settings::ROUTES,
    launch::ROUTES,
    preview::ROUTES,
    campaigns::ROUTES,
    imports::ROUTES,
    contacts::ROUTES,
    events::ROUTES,
    publishers::ROUTES,
    dead_events::ROUTES,
    why::ROUTES,
    openapi::ROUTES,
];

/// Returns every path below `/v1`.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    let table = TABLE.iter().chain(reads::TABLE);
    table.copied().flatten()
}

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.app_data(web::Data::new(reads::Exports::default()));
    app.app_data(web::Data::new(openapi::Document::of_the_table()));
    route::register(app, routes());
}

fn answer(mut response: HttpResponseBuilder, body: &impl Serialize) -> Answer {
    Ok(response
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body))
}

/// Returns the edit that a request makes: the same content at the same path under the same key is
/// the same edit, also where its answer was lost with the process.
fn edit(
    request: &HttpRequest,
    caller: &Caller,
    api: &Api,
    content: &impl Serialize,
) -> Result<Edit, Problem> {
    let mut hash = Sha256::new();
    hash.update(told(request, content)?);
    printed(request, caller, api, &hash.finalize())
}

/// As [`edit`], of content that is personal: whoever reads the edit's id without the engine's
/// secret cannot find the content by trying.
async fn edit_of_person(
    request: &HttpRequest,
    caller: &Caller,
    api: &Api,
    content: &impl Serialize,
) -> Result<Edit, Problem> {
    let secret = api.store.page_secret().await?.expose();
    let hash = Hmac::<Sha256>::new_from_slice(secret);
    let mut hash = hash.map_err(|_| Problem::interrupted())?;
    // No other use of the secret begins so.
    hash.update(b"regua edit 1\0");
    hash.update(&told(request, content)?);
    printed(request, caller, api, &hash.finalize().into_bytes())
}

/// Returns what makes two requests the same edit.
fn told(request: &HttpRequest, content: &impl Serialize) -> Result<Vec<u8>, Problem> {
    let mut told = request.path().as_bytes().to_vec();
    told.push(0);
    serde_json::to_writer(&mut told, content).map_err(|_| Problem::interrupted())?;
    Ok(told)
}

fn printed(
    request: &HttpRequest,
    caller: &Caller,
    api: &Api,
    print: &[u8],
) -> Result<Edit, Problem> {
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

/// An identifier as callers see it, for example `ten_7`; the engine's own rows have the number.
#[derive(Clone, Copy, Debug, ToSchema)]
struct Id<T>(#[schema(inline)] T);

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
