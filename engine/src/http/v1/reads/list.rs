//! Lists: how a page is asked for, and the cursor that says where the next one begins.
//!
//! A cursor is signed, with the tenant, the path and the filter that it was made for: one that was
//! made up, or for another list, is refused. It is good for ever and on every node.

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::IntoParams;

use super::super::super::problem::Problem;
use super::super::super::server::Api;
use super::super::{Answer, answer};
use crate::store::reads::{Ask, Page, PageSecret};

/// The rows of a page when nothing else is asked for.
const LIMIT: u32 = 50;
/// The most rows of a page.
const LIMIT_MAX: u32 = 200;
/// The bytes of a signature: half of what the hash has.
const SIGNATURE_BYTES: usize = 16;
/// The longest cursor, in characters: the longest code of a template and more.
const CURSOR_MAX: usize = 2_048;
/// What is signed besides a key; another meaning of keys needs another.
const PURPOSE: &[u8] = b"regua page 1";

/// What every list takes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    #[serde(default)]
    pub(super) cursor: Option<String>,
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
}

/// A page as it is answered.
#[derive(Serialize)]
struct Body<T> {
    items: Vec<T>,
    /// The cursor of the next page; null when the list ends here.
    next: Option<String>,
}

/// A list that somebody may read.
pub(super) struct List {
    secret: PageSecret,
    /// The path, which names the tenant, and the filter.
    place: String,
}

impl List {
    /// Returns the list at the path of a request.
    pub(super) async fn at(api: &web::Data<Api>, request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self {
            secret: api.store.page_secret().await?.clone(),
            place: place(request.path(), request.query_string()),
        })
    }

    /// Reads where a page begins, and how long it may be.
    ///
    /// # Errors
    /// 400 for a cursor that is not of this list, or a length that no page has.
    pub(super) fn ask<K: DeserializeOwned>(&self, paging: &Paging) -> Result<Ask<K>, Problem> {
        let limit = paging.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let detail = format!("the limit is not between 1 and {LIMIT_MAX}");
            return Err(Problem::malformed(detail));
        }
        let after = paging.cursor.as_deref().map(|cursor| {
            let key = self.opened(cursor);
            key.ok_or_else(|| {
                let detail = "the cursor is not one of this list, with this filter";
                Problem::new(
                    actix_web::http::StatusCode::BAD_REQUEST,
                    "bad_cursor",
                    detail,
                )
            })
        });
        let after = after.transpose()?;
        Ok(Ask { after, limit })
    }

    /// Answers with a page.
    pub(super) fn answer<T: Serialize, K: Serialize>(&self, page: Page<T, K>) -> Answer {
        answer(HttpResponse::Ok(), &self.body(page)?)
    }

    /// Returns what a page is answered with.
    pub(super) fn body<T: Serialize, K: Serialize>(
        &self,
        page: Page<T, K>,
    ) -> Result<impl Serialize, Problem> {
        let next = page.next.as_ref().map(|key| self.signed(key)).transpose()?;
        let items = page.items;
        Ok(Body { items, next })
    }

    /// Writes a key and its signature.
    pub(super) fn signed(&self, key: &impl Serialize) -> Result<String, Problem> {
        let key = serde_json::to_vec(key).map_err(|_| Problem::interrupted())?;
        let signature = self.signature(&key).ok_or_else(Problem::interrupted)?;
        let signature = signature.finalize().into_bytes();
        let mut bytes = signature.as_slice()[..SIGNATURE_BYTES].to_vec();
        bytes.extend(key);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn opened<K: DeserializeOwned>(&self, cursor: &str) -> Option<K> {
        if cursor.len() > CURSOR_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (signature, key) = bytes.split_at_checked(SIGNATURE_BYTES)?;
        let expected = self.signature(key)?;
        expected.verify_truncated_left(signature).ok()?;
        serde_json::from_slice(key).ok()
    }

    fn signature(&self, key: &[u8]) -> Option<Hmac<Sha256>> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.secret.expose()).ok()?;
        for part in [PURPOSE, self.place.as_bytes(), key] {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        Some(hmac)
    }
}

/// Names a list: its path and its filter, in whichever order that was written.
fn place(path: &str, query: &str) -> String {
    let is_filter = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !matches!(name, "" | "cursor" | "limit")
    };
    let mut filter: Vec<&str> = query.split('&').filter(is_filter).collect();
    filter.sort_unstable();
    format!("{path}?{}", filter.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_path_and_its_filter_in_any_order() {
        let named = |query| place("/v1/tenants/ten_1/boletos", query);
        assert_eq!(named("b=2&a=1"), named("a=1&cursor=x&b=2&limit=3&"));
        assert_ne!(named("a=1"), named("a=2"));
        assert_ne!(named("a=1"), named(""));
        assert_ne!(named(""), place("/v1/tenants/ten_2/boletos", ""));
    }
}
