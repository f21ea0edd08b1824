//! Requests that are made again under a key (IETF draft `Idempotency-Key`, -07): answered as the
//! first time, and done once.
//!
//! A handler that is wrapped in [`Once`] is called when its request was let in, read and
//! understood. The first request under a key does the work, to its end also when the caller hangs
//! up, and its answer is kept. What comes to nothing by the engine's own fault is not an answer:
//! it may be made again at once.

use std::future::{Future, Ready, ready};
use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use schedules::id::TenantId;
use schedules::time::DAY_MS;
use uuid::Uuid;

use super::body::Fingerprint;
use super::caller::Caller;
use super::problem::Problem;
use super::server::Api;
use crate::store::{Claimed, Remembered, Repeatable};

/// The header under which a caller makes a request again.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The longest key, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 255;

/// What a handler answers.
pub(super) type Answer = Result<HttpResponse, Problem>;

/// A handler whose requests are done once.
#[derive(Clone)]
pub(super) struct Once<H>(pub(super) H);

/// Left in the extensions of an answer that is told once only, because it holds a secret: what the
/// same request is answered when it is made again.
pub(super) struct ToldAgain(pub(super) Problem);

/// A request with its key, if it has one.
pub(super) struct Keyed(Option<(web::Data<Api>, Repeatable)>);

impl<H, Args> Handler<(Keyed, Args)> for Once<H>
where
    H: Handler<Args, Output = Answer>,
    Args: FromRequest + 'static,
{
    type Output = Answer;
    type Future = LocalBoxFuture<'static, Answer>;

    fn call(&self, (Keyed(keyed), args): (Keyed, Args)) -> Self::Future {
        let work = self.0.call(args);
        let Some((api, request)) = keyed else {
            return work.boxed_local();
        };
        // To its end, also when the caller hangs up: it will ask again for the answer.
        let done = actix_web::rt::spawn(async move { once(&api, &request, work).await });
        async move { done.await.map_err(|_| Problem::interrupted())? }.boxed_local()
    }
}

impl FromRequest for Keyed {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(keyed(request).map(Self))
    }
}

fn keyed(request: &HttpRequest) -> Result<Option<(web::Data<Api>, Repeatable)>, Problem> {
    let Some(key) = key(request)? else {
        return Ok(None);
    };
    let extensions = request.extensions();
    let caller = extensions
        .get::<Caller>()
        .ok_or_else(Problem::unauthorized)?;
    let fingerprint = extensions.get::<Fingerprint>().cloned();
    let (Some(api), Some(Fingerprint(fingerprint))) =
        (request.app_data::<web::Data<Api>>(), fingerprint)
    else {
        return Err(Problem::interrupted());
    };
    let tenant = request.match_info().get("tenant").map(str::parse);
    let tenant: Option<TenantId> = tenant.transpose().map_err(|_| Problem::not_found())?;
    let repeatable = Repeatable {
        tenant,
        token: caller.token(),
        key,
        fingerprint,
        claim: Uuid::new_v4().to_string(),
    };
    Ok(Some((api.clone(), repeatable)))
}

/// Reads the key of a request.
///
/// # Errors
/// 400 for one that is empty or too long, or for two of them.
pub(super) fn key(request: &HttpRequest) -> Result<Option<String>, Problem> {
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

/// Does the work, or answers as when it was done.
async fn once(api: &Api, request: &Repeatable, work: impl Future<Output = Answer>) -> Answer {
    let keep_ms = api.http.idempotency_days * DAY_MS;
    let claimed = api.store.claim_key(request, api.clock.now(), keep_ms);
    match claimed.await? {
        Claimed::Now => {}
        Claimed::Before(answer) => return replay(answer),
        Claimed::InFlight => return Err(Problem::in_flight()),
        Claimed::Reused => return Err(Problem::key_reused()),
    }
    let done = AssertUnwindSafe(work).catch_unwind().await;
    let answer = done.unwrap_or_else(|_| Err(Problem::interrupted()));
    let response = answer.unwrap_or_else(|problem| problem.error_response());
    let (response, kept) = remembered(response);
    let settled = match kept {
        Some(answer) => api.store.keep_answer(request, answer).await.map(drop),
        None => api.store.free_key(request).await,
    };
    if let Err(error) = settled {
        // The claim ends by itself, and the work knows what it has done.
        tracing::warn!(code = error.code(), %error, "answer was not kept under its key");
    }
    Ok(response)
}

/// Returns an answer with what is kept of it; nothing when it says that the engine failed.
fn remembered(mut response: HttpResponse) -> (HttpResponse, Option<Remembered>) {
    let told_again = response.extensions_mut().remove::<ToldAgain>();
    if let Some(ToldAgain(problem)) = told_again {
        return (response, parts(problem.error_response()).1);
    }
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return (response, None);
    }
    parts(response)
}

/// Takes an answer apart; one that is not there as a whole cannot be kept.
fn parts(response: HttpResponse) -> (HttpResponse, Option<Remembered>) {
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|it| it.to_str().ok())
        .map(str::to_owned);
    let status = response.status().as_u16();
    let (head, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return (head.set_body(body), None),
    };
    let kept = String::from_utf8(body.to_vec())
        .ok()
        .map(|body| Remembered {
            status,
            content_type: content_type.unwrap_or_default(),
            body,
        });
    (head.set_body(BoxBody::new(body)), kept)
}

fn replay(answer: Remembered) -> Answer {
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::interrupted())?;
    let mut response = HttpResponse::build(status);
    if !answer.content_type.is_empty() {
        response.insert_header((CONTENT_TYPE, answer.content_type));
    }
    Ok(if answer.body.is_empty() {
        response.finish()
    } else {
        response.body(answer.body)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(response: HttpResponse) -> Option<(u16, String)> {
        let (_, kept) = remembered(response);
        kept.map(|kept| (kept.status, kept.body))
    }

    #[test]
    fn what_the_engine_failed_at_is_no_answer_and_what_cannot_be_is_one() {
        for problem in [
            Problem::interrupted(),
            Problem::busy("for now"),
            Problem::rate_limited(1),
        ] {
            assert_eq!(kept(problem.error_response()), None);
        }
        let refused = kept(Problem::not_found().error_response());
        assert!(refused.is_some_and(|(status, body)| status == 404 && body.contains("not_found")));
        let gone = HttpResponse::NoContent().finish();
        assert_eq!(kept(gone), Some((204, String::new())));
    }

    #[test]
    fn an_answer_with_a_secret_leaves_only_what_is_told_again() {
        let mut response = HttpResponse::Created().body("a secret");
        let again = ToldAgain(Problem::conflict("made before"));
        response.extensions_mut().insert(again);
        let (response, kept) = remembered(response);
        assert_eq!(response.status(), StatusCode::CREATED);
        let body = response.into_body().try_into_bytes();
        assert_eq!(body.ok().as_deref(), Some(b"a secret".as_slice()));
        let kept = kept.expect("something is kept");
        assert_eq!(kept.status, 409);
        assert!(kept.body.contains("made before") && !kept.body.contains("secret"));
    }

    #[test]
    fn an_answer_is_told_again_as_it_was_given() {
        let given = HttpResponse::Created().json("made");
        let (_, kept) = remembered(given);
        let (_, again) = remembered(replay(kept.clone().expect("kept")).expect("an answer"));
        assert_eq!(again, kept);
    }
}
