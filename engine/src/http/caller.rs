//! Who calls: the token of a request, and what it may do.
//!
//! A request is let in before anything else of it is read; every handler asks here what it may.

use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use schedules::id::TenantId;

use super::problem::Problem;
use super::server::Api;
use crate::access::{Principal, Scope, Token, TokenId, authorise};

/// Somebody whose token was found good.
#[derive(Clone)]
pub(super) struct Caller(Principal);

impl Caller {
    /// Says that the caller may do this with a tenant, or with the engine.
    ///
    /// # Errors
    /// 404 for a tenant that is not the caller's, 403 when its scopes do not reach.
    pub(super) fn may(&self, wanted: Scope, tenant: Option<TenantId>) -> Result<(), Problem> {
        Ok(authorise(&self.0, tenant, wanted)?)
    }

    /// Returns the token that it showed.
    pub(super) fn token(&self) -> TokenId {
        self.0.token
    }

    /// Returns the name under which the audit keeps what the caller does, and under which its ids
    /// are known: those of one kind never meet those of another, nor another caller's.
    pub(super) fn source(&self, kind: &str) -> String {
        format!("api:{}/{kind}", self.0.token)
    }
}

/// Lets a request in whose token is good; the body of any other is not read.
pub(super) async fn let_in<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let api = request.app_data::<web::Data<Api>>().cloned();
    let (Some(token), Some(api)) = (bearer(request.headers()), api) else {
        return Err(Problem::unauthorized().into());
    };
    let principal = api.store.authenticate(&token, api.clock.now()).await;
    let principal = principal.map_err(Problem::from)?;
    let principal = principal.ok_or_else(Problem::unauthorized)?;
    if !is_at_home(&principal, request.path()) {
        return Err(Problem::not_found().into());
    }
    let caller = Caller(principal);
    request.extensions_mut().insert(caller);
    next.call(request).await
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(caller.ok_or_else(Problem::unauthorized))
    }
}

/// Says whether a path is the caller's own, or no tenant's: what is in a body of another is not
/// even looked at.
fn is_at_home(principal: &Principal, path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/v1/tenants/") else {
        return true;
    };
    let named = rest.split('/').next().unwrap_or_default();
    let tenant = named.parse::<TenantId>();
    tenant.is_ok_and(|tenant| principal.reaches(tenant))
}

/// Reads the one `Authorization` header (RFC 6750, section 2.1); two of them are none.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut headers = headers.get_all(AUTHORIZATION);
    let (header, None) = (headers.next()?, headers.next()) else {
        return None;
    };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Token::parse(token.trim_start()).ok()
}
