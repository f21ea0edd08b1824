//! What holds for every request and every answer: how long a head may be, and what browsers and
//! caches are told.
//!
//! There is no CORS: no answer allows another origin anything. What a request says of a proxy, of
//! another method or of its user is not read anywhere.

use actix_web::ResponseError;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

use super::problem::Problem;
use super::unread::Held;

/// The longest path with its query, in bytes.
const TARGET_BYTES_MAX: usize = 8 * 1024;
/// The most headers.
const HEADERS_MAX: usize = 64;
/// The longest headers together, in bytes.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// What is told with every answer that does not say otherwise.
const TOLD: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// Refuses a head that is too long, and completes every answer.
pub(super) async fn within(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let unread = Held::of(&mut request);
    let mut response = match bounded(&request) {
        Ok(()) => next.call(request).await?,
        Err(problem) => request.into_response(problem.error_response()),
    };
    let headers = response.headers_mut();
    for (name, value) in TOLD {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(unread.until_sent(response))
}

fn bounded(request: &ServiceRequest) -> Result<(), Problem> {
    if request.uri().to_string().len() > TARGET_BYTES_MAX {
        let detail = "the path and its query are too long";
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            detail,
        ));
    }
    if request.headers().len() > HEADERS_MAX || length(request.headers()) > HEADER_BYTES_MAX {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let detail = "the headers are too many or too long";
        return Err(Problem::new(status, "headers_too_large", detail));
    }
    if names_another_host(request) {
        return Err(Problem::malformed("the request names two hosts"));
    }
    if has_control(request.path()) {
        return Err(Problem::not_found());
    }
    Ok(())
}

fn length(headers: &HeaderMap) -> usize {
    let lengths = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    lengths.sum()
}

/// Says whether the target names another host than the header: whoever stands in between may have
/// gone by the one or the other (RFC 9112, section 3.2.2).
fn names_another_host(request: &ServiceRequest) -> bool {
    let header = request.headers().get(HOST);
    let header = header.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let target = request.uri().authority();
    target.is_some_and(|host| !host.as_str().eq_ignore_ascii_case(header))
}

/// Says whether a path has a control character once it is decoded: nothing here is named so.
fn has_control(path: &str) -> bool {
    let escapes = path.split('%').skip(1);
    let mut codes = escapes.filter_map(|it| u8::from_str_radix(it.get(..2)?, 16).ok());
    codes.any(|code| code.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_seen_however_they_are_spelt() {
        for path in ["/%00", "/a%0d%0ab", "/%1F", "/%7f", "/a%20%0A"] {
            assert!(has_control(path), "{path}");
        }
        for path in [
            "/", "/%20", "/%2500", "/%2f", "/%", "/%0", "/%é", "/%c3%a9", "/%zz",
        ] {
            assert!(!has_control(path), "{path}");
        }
    }
}
