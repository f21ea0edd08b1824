//! The body of a request: read to its end, within a bound and a time, before anything is done.

use std::time::Duration;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{CONTENT_LENGTH, IF_MATCH};
use actix_web::{HttpMessage, web};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use super::server::Api;
use crate::hex;

/// The largest body of JSON, in bytes.
pub(super) const JSON_BYTES_MAX: usize = 256 * 1024;

/// What a request says, in short: a hash of its method, its path, its condition and its body.
#[derive(Clone)]
pub(super) struct Fingerprint(pub(super) String);

/// Reads the body of a request and leaves it, with its fingerprint, to the handler.
///
/// # Errors
/// 413 for too much, as soon as that is known; 408 for a body that is not there in time; 400 for
/// one that breaks off.
pub(super) async fn read(request: &mut ServiceRequest, api: &Api) -> Result<(), Problem> {
    let stated = request.headers().get(CONTENT_LENGTH);
    let stated = stated.and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|length| length > JSON_BYTES_MAX) {
        return Err(Problem::too_large());
    }
    let malformed = |_| Problem::malformed("the body cannot be read");
    let body = request.extract::<web::Payload>().await.map_err(malformed)?;
    let reading = body.to_bytes_limited(JSON_BYTES_MAX);
    let longest = Duration::from_millis(api.http.body_ms_max);
    let body = match tokio::time::timeout(longest, reading).await {
        Err(_) => return Err(Problem::timeout()),
        Ok(Err(_)) => return Err(Problem::too_large()),
        Ok(Ok(body)) => body.map_err(malformed)?,
    };
    let mut hash = Sha256::new();
    for part in [request.method().as_str(), &request.uri().to_string()] {
        hash.update(part);
        hash.update([0]);
    }
    for condition in request.headers().get_all(IF_MATCH) {
        hash.update([1]);
        hash.update(condition.as_bytes());
        hash.update([0]);
    }
    hash.update([0]);
    hash.update(&body);
    let hash = hex::written(&hash.finalize());
    request.extensions_mut().insert(Fingerprint(hash));
    request.set_payload(Payload::from(body));
    Ok(())
}
