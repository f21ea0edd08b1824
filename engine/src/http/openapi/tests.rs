use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::{OpenApi, OpenApiVersion};

use super::*;

fn document_value() -> Value {
    value().expect("a document")
}

/// Calls `look` with every value of a document.
fn each<'a>(value: &'a Value, look: &mut dyn FnMut(&'a Value)) {
    look(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|it| each(it, look)),
        Value::Array(items) => items.iter().for_each(|it| each(it, look)),
        _ => {}
    }
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for (verb, operation) in item.as_object().expect("a path") {
            all.push((format!("{} {path}", verb.to_uppercase()), operation));
        }
    }
    all
}

#[test]
fn every_path_of_the_table_is_in_the_document_and_nothing_else() {
    let served = crate::http::routes().flat_map(|route| {
        let paths = concrete(route.path).into_iter();
        paths.map(|(path, _)| format!("{} {path}", route.verb.as_str()))
    });
    let served: BTreeSet<String> = served.collect();
    let document = document_value();
    let documented = operations(&document).into_iter().map(|(name, _)| name);
    assert_eq!(documented.collect::<BTreeSet<_>>(), served);
}

#[test]
fn every_reference_of_the_document_leads_to_something() {
    let document = document_value();
    let mut references = 0;
    each(&document, &mut |value| {
        if let Some(name) = value.get("$ref").and_then(Value::as_str) {
            let pointer = name.strip_prefix('#').expect("one of this document");
            assert!(document.pointer(pointer).is_some(), "{name}");
            references += 1;
        }
    });
    assert!(references > 100, "{references}");
}

#[test]
fn no_two_types_share_a_name() {
    let mut known = BTreeMap::new();
    for (name, schema) in schemas() {
        let schema = serde_json::to_value(schema).expect("a schema");
        let before = known.entry(name.clone()).or_insert_with(|| schema.clone());
        assert_eq!(*before, schema, "{name}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_its_parts() {
    let document = document_value();
    let mut names = BTreeSet::new();
    for (place, operation) in operations(&document) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} is taken");
        assert!(!name.contains('{'), "{name}");
        let parameters = operation["parameters"].as_array();
        let parameters = parameters.map_or(&[][..], Vec::as_slice);
        let in_path = parameters.iter().filter(|it| it["in"] == "path");
        let stated: BTreeSet<_> = in_path.filter_map(|it| it["name"].as_str()).collect();
        let parts: BTreeSet<_> = place.split(['{', '}']).skip(1).step_by(2).collect();
        assert_eq!(stated, parts, "{place}");
        let answers = operation["responses"].as_object().expect("answers");
        assert!(answers.keys().any(|it| it.starts_with('2')), "{place}");
        assert!(answers.contains_key("401"), "{place}");
    }
}

#[test]
fn what_is_closed_to_other_fields_stands_in_no_all_of() {
    let document = document_value();
    each(&document, &mut |value| {
        for part in value["allOf"].as_array().into_iter().flatten() {
            let name = part["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
            let part = name.and_then(|it| document.pointer(it)).unwrap_or(part);
            assert_ne!(part["additionalProperties"], false, "{value}");
        }
    });
}

#[test]
fn a_part_with_choices_is_one_path_a_choice() {
    let two = concrete("/engine/{act:pause|resume}");
    let two: Vec<_> = two
        .iter()
        .map(|(path, act)| (path.as_str(), *act))
        .collect();
    assert_eq!(
        two,
        [
            ("/v1/engine/pause", "pause"),
            ("/v1/engine/resume", "resume")
        ]
    );
    assert_eq!(concrete("/t/{t}"), [("/v1/t/{t}".to_owned(), "")]);
}

#[test]
fn the_document_reads_back_as_openapi_3_1() {
    let text = document().expect("a document");
    let read: OpenApi = serde_json::from_str(&text).expect("OpenAPI");
    assert!(matches!(read.openapi, OpenApiVersion::Version31));
    let paths = document_value()["paths"].as_object().map(|it| it.len());
    assert_eq!(Some(read.paths.paths.len()), paths);
}

#[test]
fn the_document_is_as_it_was_reviewed() {
    insta::assert_snapshot!(document().expect("a document"));
}
