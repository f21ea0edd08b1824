//! The OpenAPI 3.1 document, made from the table of paths and the types that its handlers read and
//! write: a path that is served stands in it, and nothing else does.

mod operation;
mod tidy;

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, License, OpenApiBuilder, Paths, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem;

/// The name of the one security scheme.
const BEARER: &str = "bearer";

const ABOUT: &str = "Reminders for Brazilian boletos that stop the moment they are paid. \
    Ids are texts such as `ten_7`; instants are RFC 3339 in UTC; amounts are whole centavos. \
    What is not done is told as RFC 9457 problem details, with a stable `error` for programs.";

/// Returns the document, as JSON for people and programs.
///
/// # Errors
/// None that a test would not show: the document is the same in every process.
pub fn document() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&value()?).map(|text| text + "\n")
}

fn value() -> Result<Value, serde_json::Error> {
    let mut schemas = schemas();
    let mut paths = Paths::new();
    for route in super::routes() {
        for (path, act) in concrete(route.path) {
            let Some(operation) = operation::of(route, &path, act) else {
                continue;
            };
            paths.add_path_operation(path, vec![route.verb.documented()], operation);
        }
    }
    schemas.sort_by(|(a, _), (b, _)| a.cmp(b));
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("rg_...")
        .build();
    let problems = super::routes().filter_map(|it| Some(operation::problems(it, &it.doc?)));
    let problems: BTreeSet<u16> = problems.flatten().collect();
    let problems = problems.into_iter();
    let problems = problems.map(|status| (operation::name(status), operation::told(status)));
    let components = ComponentsBuilder::new()
        .responses_from_iter(problems)
        .schemas_from_iter(schemas)
        .security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut info = Info::new("Régua", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let mut license = License::new(env!("CARGO_PKG_LICENSE"));
    license.identifier = Some(env!("CARGO_PKG_LICENSE").to_owned());
    info.license = Some(license);
    let document = OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new(BEARER, [""; 0])]))
        .build();
    let mut document = serde_json::to_value(document)?;
    tidy::tidy(&mut document);
    Ok(document)
}

/// Returns every schema that a route names, with what that names in turn.
fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut all = vec![(problem::Body::name().into_owned(), problem::Body::schema())];
    for doc in super::routes().filter_map(|route| route.doc) {
        for shape in [doc.body, doc.answer].into_iter().flatten() {
            all.push(((shape.name)().into_owned(), (shape.schema)()));
            (shape.schemas)(&mut all);
        }
    }
    all
}

/// Returns the paths of a pattern as callers write them, each with what is done there: a part with
/// choices, such as `{act:pause|resume}`, is one path a choice.
fn concrete(pattern: &str) -> Vec<(String, &str)> {
    let choice = pattern.split(['{', '}']).find(|part| part.contains(':'));
    let Some((part, (_, choices))) = choice.and_then(|it| Some((it, it.split_once(':')?))) else {
        return vec![(format!("/v1{pattern}"), "")];
    };
    let written = |act| pattern.replace(&format!("{{{part}}}"), act);
    let choices = choices.split('|');
    choices
        .map(|act| (format!("/v1{}", written(act)), act))
        .collect()
}

#[cfg(test)]
mod tests;
