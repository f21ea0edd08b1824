//! Secrets that stand in headers.

use hyper::header::HeaderValue;

/// Says whether a text can stand in a header.
pub(crate) fn is_header(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

/// Returns a header's value that no debug text shows. One that cannot stand in a header was refused
/// with the settings.
pub(crate) fn secret_header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
