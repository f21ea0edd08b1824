//! ETags: a reading that has not changed is not sent again, and an edit of what was read is made
//! only while it holds (RFC 9110, section 13).

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::super::{Answer, answer};
use crate::store::reads::Tag;

/// Returns the tags that the editor expects; nothing when it takes whatever stands.
///
/// A weak tag, or a text that is none, is expected in vain.
pub(in super::super) fn expected(request: &HttpRequest) -> Option<Vec<Tag>> {
    request.headers().contains_key(IF_MATCH).then_some(())?;
    let stated = stated(request, IF_MATCH);
    // Whatever stands there: what is not there at all is answered 404.
    if stated.iter().any(|one| one == "*") {
        return None;
    }
    let strong = stated.iter().filter_map(|one| unquoted(one));
    Some(strong.map(Tag::stated).collect())
}

/// Answers with a reading and its tag; without the reading for who has it.
pub(super) fn tagged(request: &HttpRequest, tag: &Tag, body: &impl Serialize) -> Answer {
    let is_known = stated(request, IF_NONE_MATCH).iter().any(|one| {
        let strong = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || unquoted(strong) == Some(tag.as_str())
    });
    let tag = (ETAG, format!("\"{}\"", tag.as_str()));
    if is_known {
        let mut known = HttpResponse::build(StatusCode::NOT_MODIFIED);
        let known = known.insert_header((CACHE_CONTROL, "no-store"));
        return Ok(known.insert_header(tag).finish());
    }
    let mut response = HttpResponse::Ok();
    response.insert_header(tag);
    answer(response, body)
}

/// Reads the members of a header, with their quotes. Tags of the API have no comma in them.
fn stated(request: &HttpRequest, name: HeaderName) -> Vec<String> {
    let headers = request.headers().get_all(name);
    let texts = headers.filter_map(|header| header.to_str().ok());
    let members = texts.flat_map(|text| text.split(','));
    members.map(|member| member.trim().to_owned()).collect()
}

fn unquoted(member: &str) -> Option<&str> {
    member.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn expects(header: &str) -> Option<Vec<Tag>> {
        let request = TestRequest::default().insert_header((IF_MATCH, header));
        expected(&request.to_http_request())
    }

    #[test]
    fn only_strong_tags_and_a_star_are_expected() {
        let none = TestRequest::default().to_http_request();
        assert_eq!(expected(&none), None);
        assert_eq!(expects("*"), None);
        let (a, b) = (Tag::stated("a"), Tag::stated("b"));
        assert_eq!(expects("\"a\" , \"b\""), Some(vec![a.clone(), b]));
        assert_eq!(expects("W/\"b\", \"a\""), Some(vec![a]));
        for vain in ["", "a", "\"a", "W/\"a\"", "\""] {
            assert_eq!(expects(vain), Some(vec![]), "{vain}");
        }
    }

    #[test]
    fn who_has_a_reading_gets_its_tag_alone() {
        let told = |header: &str| {
            let request = TestRequest::default().insert_header((IF_NONE_MATCH, header));
            let answer = tagged(&request.to_http_request(), &Tag::stated("a"), &1);
            let answer = answer.expect("an answer");
            let tag = answer.headers().get(ETAG).and_then(|it| it.to_str().ok());
            assert_eq!(tag, Some("\"a\""));
            answer.status()
        };
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert_eq!(told(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for unknown in ["\"b\"", "a", "", "\"A\""] {
            assert_eq!(told(unknown), StatusCode::OK, "{unknown}");
        }
    }
}
