//! One operation of the document: what a row of the table says, and what follows from its shape.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use schedules::channel::Channel;
use schedules::id::{
    BoletoId, CampaignId, ContactId, EnrollmentId, ImportId, ReminderId, TenantId,
};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, SchemaType};
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Required, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::super::doc::{Doc, Form, Shape};
use super::super::once::{IDEMPOTENCY_KEY, KEY_BYTES_MAX};
use super::super::problem;
use super::super::route::{Route, Verb};
use crate::access::Prefix;

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";
const CSV: &str = "text/csv";

/// What every path may answer: its head is read, its token looked at, its store asked.
const OF_ALL: [u16; 7] = [400, 401, 414, 429, 431, 500, 503];

/// Describes a route at one of its paths; nothing when it does not say what it does.
pub(super) fn of(route: &Route, path: &str, act: &str) -> Option<Operation> {
    let doc = route.doc?;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(doc.id.replace("{act}", act)))
        .summary(Some(doc.summary))
        .description(Some(needed(route)))
        .tag(family(path))
        .request_body(doc.body.map(|shape| body(route, shape)));
    let parts = path.split(['{', '}']).skip(1).step_by(2);
    let query = doc.query.map(|query| query()).unwrap_or_default();
    for parameter in parts.map(part).chain(query).chain(headers(&doc)) {
        operation = operation.parameter(parameter);
    }
    for (status, response) in successes(&doc) {
        operation = operation.response(status.to_string(), response);
    }
    for status in problems(route, &doc) {
        operation = operation.response(status.to_string(), Ref::from_response_name(name(status)));
    }
    Some(operation.build())
}

/// Says what the caller's token must allow.
fn needed(route: &Route) -> String {
    if route.for_anyone {
        return "For every good token.".to_owned();
    }
    match route.or_wanted {
        Some(instead) => format!("Needs the scope `{}` or `{instead}`.", route.wanted),
        None => format!("Needs the scope `{}`.", route.wanted),
    }
}

/// Names the family of a path: its first part that is a name, below the tenant if there is one.
fn family(path: &str) -> &str {
    let below = path.strip_prefix("/v1/").unwrap_or(path);
    let below = below.strip_prefix("tenants/{tenant}/").unwrap_or(below);
    match below.split('/').next().unwrap_or_default() {
        "pause" | "resume" | "profile" => "tenants",
        family => family,
    }
}

fn part(name: &str) -> Parameter {
    let schema = match name {
        "tenant" => TenantId::schema(),
        "campaign" => CampaignId::schema(),
        "contact" => ContactId::schema(),
        "boleto" => BoletoId::schema(),
        "enrollment" => EnrollmentId::schema(),
        "import" => ImportId::schema(),
        "reminder" => ReminderId::schema(),
        "prefix" => Prefix::schema(),
        "channel" => Channel::schema(),
        "version" => u32::schema(),
        _ => String::schema(),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

fn headers(doc: &Doc) -> Vec<Parameter> {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(KEY_BYTES_MAX));
    let tags = || ObjectBuilder::new().schema_type(Type::String).build();
    let all = [
        (
            doc.keyed,
            IDEMPOTENCY_KEY,
            key.build(),
            "Made again under its key, the request is done once and answered as before.",
        ),
        (
            doc.tagged,
            "If-None-Match",
            tags(),
            "The ETags that the caller has.",
        ),
        (
            doc.matched,
            "If-Match",
            tags(),
            "The ETags under which it may be edited.",
        ),
    ];
    let taken = all.into_iter().filter(|(is_taken, ..)| *is_taken);
    taken
        .map(|(_, name, schema, about)| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(about))
                .schema(Some(schema))
                .build()
        })
        .collect()
}

fn body(route: &Route, shape: Shape) -> RequestBody {
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, Content::new(Some(schema(shape))));
    match route.takes_file {
        true => body.content(CSV, Content::new(Some(String::schema()))),
        false => body,
    }
    .build()
}

fn successes(doc: &Doc) -> Vec<(u16, Response)> {
    let mut all = vec![(doc.status, success(doc, doc.status))];
    if doc.or_later {
        all.push((202, success(doc, 202)));
    }
    if doc.tagged {
        let known = ResponseBuilder::new().description(reason(304));
        all.push((304, known.header("ETag", tag()).build()));
    }
    all
}

fn success(doc: &Doc, status: u16) -> Response {
    let mut success = ResponseBuilder::new().description(reason(status));
    if let Some(shape) = doc.answer {
        success = success.content(JSON, Content::new(Some(schema(shape))));
    }
    if doc.or_csv {
        success = success.content(CSV, Content::new(Some(String::schema())));
    }
    if doc.tagged {
        success = success.header("ETag", tag());
    }
    success.build()
}

fn tag() -> Header {
    HeaderBuilder::new().schema(Some(String::schema())).build()
}

/// Returns the statuses of the problems that an operation can end in.
pub(super) fn problems(route: &Route, doc: &Doc) -> BTreeSet<u16> {
    let mut all = BTreeSet::from(OF_ALL);
    all.extend(doc.problems);
    if !route.for_anyone {
        all.insert(403);
    }
    if route.path.contains('{') {
        all.insert(404);
    }
    if route.verb != Verb::Get {
        all.extend([408, 413]);
    }
    if doc.body.is_some() {
        all.insert(422);
    }
    if doc.keyed {
        all.extend([409, 422]);
    }
    if doc.matched {
        all.insert(412);
    }
    all
}

/// Names the problems of a status among the answers that operations share.
pub(super) fn name(status: u16) -> String {
    reason(status).replace(' ', "")
}

/// Describes the problems of a status.
pub(super) fn told(status: u16) -> Response {
    let problem = Ref::from_schema_name(problem::Body::name());
    let response = ResponseBuilder::new()
        .description(reason(status))
        .content(PROBLEM_JSON, Content::new(Some(problem)));
    let seconds = || HeaderBuilder::new().schema(Some(u32::schema())).build();
    match status {
        429 | 503 => response.header("Retry-After", seconds()),
        _ => response,
    }
    .build()
}

fn reason(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status
        .and_then(|it| it.canonical_reason())
        .unwrap_or("Answer")
}

fn schema(shape: Shape) -> RefOr<Schema> {
    let one = Ref::from_schema_name((shape.name)());
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    match shape.form {
        Form::One => one.into(),
        Form::Nullable => OneOfBuilder::new().item(null()).item(one).into(),
        Form::Page => {
            let next = SchemaType::from_iter([Type::String, Type::Null]);
            let next = ObjectBuilder::new().schema_type(next);
            let next = next.description(Some("The cursor of the next page; null at the end."));
            ObjectBuilder::new()
                .property("items", ArrayBuilder::new().items(one))
                .property("next", next)
                .required("items")
                .required("next")
                .into()
        }
    }
}
