//! Who calls: the token of a request, and what it may do.
//!
//! A request is let in before anything else of it is read; its route asks here what it may.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, web};
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
pub(super) async fn let_in(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match identified(&request).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await
        }
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

async fn identified(request: &ServiceRequest) -> Result<Caller, Problem> {
    let api = request.app_data::<web::Data<Api>>();
    let api = api.ok_or_else(Problem::interrupted)?;
    let token = bearer(request.headers()).ok_or_else(Problem::unauthorized)?;
    // The connection's own: what a header says of it is not believed.
    let peer = request.peer_addr().map(|peer| peer.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let turn = api.limits.turn(peer, &token).await;
    let principal = api.store.authenticate(&token, api.clock.now()).await?;
    let Some(principal) = principal else {
        let unauthorized = Problem::unauthorized;
        return Err(turn.wait_s.map_or_else(unauthorized, Problem::rate_limited));
    };
    api.limits.found_good(&token);
    Ok(Caller(principal))
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(caller.ok_or_else(Problem::unauthorized))
    }
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
