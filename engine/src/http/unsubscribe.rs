//! `/u/…`: where the links of messages lead. The link is all that whoever comes needs.
//!
//! To look changes nothing: mail servers follow links to see where they lead. A mailbox provider
//! posts in its user's name (RFC 8058), and so does the form on the page. Whoever has a link can
//! post it for ever: what was said within the hour and still holds is not stored again, and a link
//! that is posted all the time waits for others like it.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
};
use actix_web::{HttpResponse, web};
use schedules::channel::Channel;
use schedules::contact::EmailAddress;
use schedules::time::{HOUR_MS, Timestamp};
use uuid::Uuid;

use super::problem::Problem;
use super::server::Api;
use crate::doors::Told;
use crate::facts::{ContactName, Fact, Saying};
use crate::store::StoreError;
use crate::store::reads::ContactRow;
use crate::unsubscribe::Whose;

/// For how long an opt-out that holds need not be stored again, in milliseconds; after that a newer
/// word is one, since an opt-in that was said before it takes nothing back.
const FRESH_MS: i64 = HOUR_MS;
/// Who says it, for the audit.
const SOURCE: &str = "unsubscribe";
/// A page loads nothing, and its form leads back here.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";

const ASK: &str = "<p>Você não quer mais receber estes lembretes neste canal?</p>\
    <form method=\"post\"><button>Não quero mais receber</button></form>";
const DONE: &str = "<p>Pronto: você não receberá mais estes lembretes neste canal.</p>\
    <p>Uma mensagem que já estava a caminho ainda pode chegar.</p>";
const NO_LINK: &str = "<p>Este link não é válido. Confira se ele foi copiado por inteiro.</p>";
const LATER: &str = "<p>Não foi possível agora. Tente de novo em instantes.</p>";

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    let other = web::to(async || Err::<&str, _>(Problem::not_allowed("GET, POST".to_owned())));
    app.service(
        web::resource("/u/{token}")
            .get(ask)
            .post(leave)
            .default_service(other),
    );
}

async fn ask(api: web::Data<Api>, token: web::Path<String>) -> HttpResponse {
    if whose(&api, &token).is_none() {
        return page(StatusCode::NOT_FOUND, NO_LINK);
    }
    // However often: it costs a hash, and nobody is kept from leaving.
    page(StatusCode::OK, ASK)
}

async fn leave(api: web::Data<Api>, token: web::Path<String>) -> HttpResponse {
    let Some(whose) = whose(&api, &token) else {
        return page(StatusCode::NOT_FOUND, NO_LINK);
    };
    // Never refused: it stops something.
    let _turn = api.limits.leave_by_link(&token).await;
    let now = api.clock.now();
    let contact = match api.store.contact(whose.tenant, whose.contact).await {
        Ok(contact) => contact,
        Err(StoreError::Absent { .. }) => return page(StatusCode::NOT_FOUND, NO_LINK),
        Err(error) => return later(&error),
    };
    if has_just_left(&contact, whose.channel, now) {
        return page(StatusCode::OK, DONE);
    }
    let fact = Fact {
        tenant: whose.tenant,
        // Of its own each time: who came back by an opt-in may leave again by the same link.
        event_id: Uuid::new_v4().to_string(),
        source: SOURCE.to_owned(),
        occurred_at: now,
        received_at: now,
        saying: Saying::ContactOptedOut {
            contact: name(&contact, whose.channel),
            channel: Some(whose.channel),
        },
    };
    let doors = api.doors.clone();
    // To its end, also when the caller hangs up: what is durable takes its effect.
    let told = actix_web::rt::spawn(async move { doors.tell(&[fact]).await });
    match told.await.map(|told| told.map(|all| all.first().copied())) {
        Ok(Ok(Some(Told::Unknown | Told::Parked | Told::Conflict) | None)) => {
            page(StatusCode::NOT_FOUND, NO_LINK)
        }
        Ok(Ok(Some(_))) => page(StatusCode::OK, DONE),
        Ok(Err(error)) => later(&error),
        Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, LATER),
    }
}

fn has_just_left(contact: &ContactRow, channel: Channel, now: Timestamp) -> bool {
    let mut suppressed = contact.suppressed.iter();
    suppressed.any(|(barred, since)| *barred == channel && now.since(*since) < FRESH_MS)
}

/// Names who leaves. An e-mail speaks to everyone who reads its address: the others of the tenant
/// who have it as well are left alone, too.
fn name(contact: &ContactRow, channel: Channel) -> ContactName {
    let email = contact
        .email
        .as_deref()
        .filter(|_| channel == Channel::Email);
    match email.map(EmailAddress::parse) {
        Some(Ok(email)) => ContactName::Point(email.identity().to_owned()),
        _ => ContactName::Id(contact.id),
    }
}

fn later(error: &StoreError) -> HttpResponse {
    tracing::error!(code = error.code(), %error, "opt-out by link failed");
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, LATER);
    let wait_s = HeaderValue::from(1_u32);
    response.headers_mut().insert(RETRY_AFTER, wait_s);
    response
}

fn whose(api: &Api, token: &str) -> Option<Whose> {
    api.links.as_ref()?.read(token)
}

fn page(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .body(format!(
            "<!doctype html><html lang=\"pt-BR\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <meta name=\"robots\" content=\"noindex\"><title>Lembretes</title>\
             <style>body{{font:1.1em sans-serif;max-width:30em;margin:3em auto;padding:0 1em}}\
             button{{font:inherit;padding:.5em 1em}}</style>{text}</html>"
        ))
}
