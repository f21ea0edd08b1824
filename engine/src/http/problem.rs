//! What the API answers when it does not do as asked: RFC 9457 problem details, with a stable
//! `error` for programs. Nothing of the request is repeated in it.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Denied, Prefix};
use crate::imports::csv::ImportError;
use crate::imports::json::ItemRefusal;
use crate::store::StoreError;

/// After how long a request that met a busy store may be made again, in seconds.
const AGAIN_AFTER_S: u32 = 1;

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: &'static str,
    detail: Cow<'static, str>,
    retry_after_s: Option<u32>,
    /// The methods that the path takes.
    allow: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    error: &'static str,
    detail: &'a str,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            error,
            detail: detail.into(),
            retry_after_s: None,
            allow: None,
        }
    }

    /// Nobody who may be here.
    pub(super) fn unauthorized() -> Self {
        let detail = "a valid token is needed: Authorization: Bearer rg_...";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// A request that cannot be understood.
    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// A request that contradicts what is stored.
    pub(super) fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// A request that is understood, and asks for what cannot be.
    pub(super) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// Work that ended before it was done.
    pub(super) fn interrupted() -> Self {
        let detail = "the request failed; the log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    pub(super) fn too_large() -> Self {
        let detail = "the body is larger than this path takes";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing")
    }

    /// A method that the path does not take; `allow` names those that it does.
    pub(super) fn not_allowed(allow: String) -> Self {
        let detail = "this path does not take the method";
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        }
    }

    /// A body that did not come in time.
    pub(super) fn timeout() -> Self {
        let detail = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    }

    /// More requests than the caller may make.
    pub(super) fn rate_limited(wait_s: u32) -> Self {
        let detail = "too many requests; Retry-After says when the next one may come";
        Self {
            retry_after_s: Some(wait_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        }
    }

    /// A key under which something else was asked for.
    pub(super) fn key_reused() -> Self {
        let detail = "the Idempotency-Key was used for another request";
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            detail,
        )
    }

    /// The same request, which is being done.
    pub(super) fn in_flight() -> Self {
        let detail = "the same request is being done; made again later, it is answered";
        Self {
            retry_after_s: Some(AGAIN_AFTER_S),
            ..Self::new(StatusCode::CONFLICT, "in_flight", detail)
        }
    }

    /// A token that the same request made before: its secret is shown once.
    pub(super) fn already_done(prefix: &Prefix) -> Self {
        let detail = format!("the request made the token {prefix} before; rotate it for a secret");
        Self::new(StatusCode::CONFLICT, "already_done", detail)
    }

    /// A key that the same request made before: what signs is shown once.
    pub(super) fn key_made_before(id: &str) -> Self {
        let detail = format!("the request made the key {id} before; make another one");
        Self::new(StatusCode::CONFLICT, "already_done", detail)
    }

    /// There is nothing to derive keys from.
    pub(super) fn no_root_key() -> Self {
        Self::conflict("keys need a root key, which this installation does not have: keys.root")
    }

    /// Too much of the same is under way.
    pub(super) fn busy(detail: &'static str) -> Self {
        Self::again_later("busy", detail)
    }

    /// Says whether the rest of the request is not read any more.
    fn cuts_short(&self) -> bool {
        let cuts_short = [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE];
        cuts_short.contains(&self.status)
    }

    fn again_later(error: &'static str, detail: &'static str) -> Self {
        Self {
            retry_after_s: Some(AGAIN_AFTER_S),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, error, detail)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.cuts_short() {
            response.force_close();
        }
        response
            .content_type("application/problem+json")
            .insert_header((CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((ALLOW, methods.as_str()));
        }
        response.json(Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            error: self.error,
            detail: &self.detail,
        })
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::not_found(),
            Denied::Forbidden => {
                let detail = "the token's scopes do not allow this";
                Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Absent { .. } => Self::not_found(),
            StoreError::Invalid(why) => Self::invalid(why.to_string()),
            StoreError::Conflict { what } => Self::conflict(*what),
            StoreError::Outdated => {
                let status = StatusCode::PRECONDITION_FAILED;
                Self::new(status, "precondition_failed", error.to_string())
            }
            StoreError::Unknown => Self::again_later(
                "outcome_unknown",
                "it may or may not have happened; the same request, with the same ids, is harmless",
            ),
            error if error.may_pass() => {
                Self::again_later("busy", "the store is not available for the moment")
            }
            error => {
                tracing::error!(code = error.code(), %error, "request failed");
                Self::interrupted()
            }
        }
    }
}

impl From<ItemRefusal> for Problem {
    fn from(refusal: ItemRefusal) -> Self {
        let detail = match refusal.field {
            Some(field) => format!("the field {field} is not one that a contact can have"),
            None => "the contact is not one that can be".to_owned(),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.error, detail)
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )
    }
}
