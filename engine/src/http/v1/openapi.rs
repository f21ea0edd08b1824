//! `/v1/openapi.json`: what all of this is, for programs.

use std::borrow::Cow;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpResponse, web};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::super::doc::Doc;
use super::super::openapi;
use super::super::problem::Problem;
use super::super::route::Route;
use super::Answer;
use crate::access::Scope;

pub(super) const ROUTES: &[Route] = &[Route::get("/openapi.json", Scope::Read, || web::to(read))
    .for_anyone()
    .says(Doc::of("read_openapi", "Shows this document.").answers::<Document>())];

/// The document, made once a worker.
pub(super) struct Document(Option<String>);

impl Document {
    pub(super) fn of_the_table() -> Self {
        Self(openapi::document().ok())
    }
}

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        let object = || ObjectBuilder::new().schema_type(Type::Object);
        let document = object()
            .description(Some("A document of OpenAPI 3.1."))
            .property("openapi", String::schema())
            .property("info", object())
            .property("paths", object());
        let needed = ["openapi", "info", "paths"];
        needed
            .into_iter()
            .fold(document, |it, name| it.required(name))
            .into()
    }
}

impl ToSchema for Document {
    fn name() -> Cow<'static, str> {
        "OpenApi".into()
    }
}

async fn read(document: web::Data<Document>) -> Answer {
    let text = document.0.clone().ok_or_else(Problem::interrupted)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}
