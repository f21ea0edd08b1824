//! What a provider answers: its status, how long it asks for patience, and as much of the body as
//! anybody reads.

use std::pin::Pin;

use actors::machine::input::Outcome;
use chrono::DateTime;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, RETRY_AFTER};
use schedules::time::{DAY_MS, SECOND_MS, Timestamp};
use tokio::time::Sleep;

/// How much of a body is read, in bytes; the rest is dropped with its connection.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// The longest patience that is understood, in milliseconds.
pub const RETRY_AFTER_MS_MAX: i64 = DAY_MS;

/// A reply.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// For how long it asks for patience, in milliseconds, if it does.
    pub retry_after_ms: Option<i64>,
    /// The body, up to the limit and the deadline.
    pub body: Vec<u8>,
    /// All of the body was read.
    pub whole: bool,
}

impl Reply {
    /// Reads a body until its end, its limit or the deadline.
    pub(super) async fn read(
        response: Response<Incoming>,
        mut deadline: Pin<&mut Sleep>,
        now: Timestamp,
    ) -> Self {
        let mut reply = Self {
            status: response.status().as_u16(),
            retry_after_ms: retry_after_ms(response.headers(), now),
            body: Vec::new(),
            whole: false,
        };
        let mut body = response.into_body();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = &mut deadline => return reply,
            };
            match frame {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    let room = BODY_BYTES_MAX - reply.body.len();
                    reply.body.extend(bytes.iter().take(room));
                    if bytes.len() > room {
                        return reply;
                    }
                }
                Some(Err(_)) => return reply,
                None => {
                    reply.whole = true;
                    return reply;
                }
            }
        }
    }

    /// Returns what a status says to whoever asks, whatever the message: another address, no key,
    /// no such path, method or type. No message passes before the operator mends it. Nothing is
    /// returned for any other status.
    ///
    /// 302 and 303 may come once the work is done (RFC 9110, sections 15.4.3 and 15.4.4).
    pub const fn refusal_of_us(&self) -> Option<Outcome> {
        match self.status {
            302 | 303 => Some(Outcome::Unknown),
            300..=399 | 401 | 403 | 404 | 405 | 415 => Some(Outcome::Unavailable),
            _ => None,
        }
    }

    /// Says whether the status is one of success.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or an instant as IMF-fixdate. What is
/// no such thing says nothing; what is absurd is a day at the most.
fn retry_after_ms(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked_ms = match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are very long.
        true => text.parse().unwrap_or(i64::MAX).saturating_mul(SECOND_MS),
        false => {
            let at = DateTime::parse_from_rfc2822(text).ok()?;
            Timestamp::from_unix_ms(at.timestamp_millis()).since(now)
        }
    };
    Some(asked_ms.clamp(0, RETRY_AFTER_MS_MAX))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn patience_is_asked_for_in_seconds_or_until_an_instant_and_never_for_more_than_a_day() {
        let now = Timestamp::from_unix_ms(1_800_000_000_000); // Fri, 15 Jan 2027 08:00:00 GMT
        for (text, expected) in [
            ("0", Some(0)),
            ("7", Some(7_000)),
            ("86400", Some(DAY_MS)),
            ("86401", Some(DAY_MS)),
            ("99999999999999999999999", Some(DAY_MS)),
            ("Fri, 15 Jan 2027 08:00:30 GMT", Some(30_000)),
            ("Fri, 15 Jan 2027 07:00:00 GMT", Some(0)),
            ("Fri, 15 Jan 2100 07:00:00 GMT", Some(DAY_MS)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after_ms(&headers, now), expected, "{text}");
        }
        assert_eq!(retry_after_ms(&HeaderMap::new(), now), None);
    }
}
