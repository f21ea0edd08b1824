//! What the derived schemas say in a roundabout way, or not quite truly, said plainly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

type Schemas = BTreeMap<String, Value>;

/// Puts objects that are made of several into one, and takes null from what a query may say.
///
/// Of an object that is closed to other fields nothing else can be made by `allOf`: each of its
/// members would refuse the others' fields.
pub(super) fn tidy(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned();
    let schemas = schemas.and_then(|it| serde_json::from_value(it).ok());
    let schemas: Schemas = schemas.unwrap_or_default();
    merge(document, &schemas);
    parameters(document);
    rename(document);
}

/// Takes from names and texts what only readers of the code know: that an id is told as a text,
/// and links to other places of it.
fn rename(value: &mut Value) {
    const ID: &str = "Id_";
    match value {
        Value::Object(fields) => {
            let ids = fields.keys().filter(|name| name.starts_with(ID)).cloned();
            for id in ids.collect::<Vec<_>>() {
                let schema = fields.remove(&id).unwrap_or_default();
                fields.insert(id[ID.len()..].to_owned(), schema);
            }
            fields.values_mut().for_each(rename);
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        Value::String(text) => {
            let plain = text.replace("/schemas/Id_", "/schemas/");
            let plain = plain.replace("[`", "`").replace("`]", "`");
            *text = plain.replace('\n', " ");
        }
        _ => {}
    }
}

fn merge(value: &mut Value, schemas: &Schemas) {
    if let Some(one) = described(value).or_else(|| merged(value, schemas)) {
        *value = one;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|it| merge(it, schemas)),
        Value::Array(items) => items.iter_mut().for_each(|it| merge(it, schemas)),
        _ => {}
    }
}

/// Returns what an `allOf` only describes: the other part of it is a comment in the form of an
/// object, which no text could be at the same time.
fn described(value: &Value) -> Option<Value> {
    let parts = value.get("allOf")?.as_array()?;
    let [what, comment] = parts.as_slice() else {
        return None;
    };
    let says_more = |(name, value): (&String, &Value)| name != "description" && value != "object";
    if comment.as_object()?.iter().any(says_more) {
        return None;
    }
    let mut what = what.as_object()?.clone();
    what.insert(
        "description".to_owned(),
        comment.get("description")?.clone(),
    );
    Some(what.into())
}

/// Returns an `allOf` of objects as the one object that it means.
fn merged(value: &Value, schemas: &Schemas) -> Option<Value> {
    let parts = value.get("allOf")?.as_array()?;
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let mut is_closed = false;
    for part in parts {
        let part = named(part, schemas)?;
        let part = merged(part, schemas).unwrap_or_else(|| part.clone());
        if part.get("type")? != "object" {
            return None;
        }
        let fields = part.get("properties").and_then(Value::as_object);
        properties.extend(fields.cloned().into_iter().flatten());
        let needed = part.get("required").and_then(Value::as_array);
        required.extend(needed.cloned().into_iter().flatten());
        is_closed |= part.get("additionalProperties") == Some(&Value::Bool(false));
    }
    let mut whole = value.as_object()?.clone();
    whole.remove("allOf");
    whole.insert("type".to_owned(), "object".into());
    whole.insert("properties".to_owned(), properties.into());
    whole.insert("required".to_owned(), required.into());
    if is_closed {
        whole.insert("additionalProperties".to_owned(), false.into());
    }
    Some(whole.into())
}

fn named<'a>(part: &'a Value, schemas: &'a Schemas) -> Option<&'a Value> {
    let Some(name) = part.get("$ref") else {
        return Some(part);
    };
    schemas.get(name.as_str()?.strip_prefix("#/components/schemas/")?)
}

/// A parameter that may be left out is not null: a text cannot say it.
fn parameters(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(|it| it.values_mut());
    let operations = items.filter_map(Value::as_object_mut);
    for operation in operations.flat_map(|it| it.values_mut()) {
        let parameters = operation.get_mut("parameters");
        let parameters = parameters.and_then(Value::as_array_mut);
        let schemas = parameters.into_iter().flatten();
        for schema in schemas.filter_map(|it| it.get_mut("schema")) {
            stated(schema);
        }
    }
}

fn stated(schema: &mut Value) {
    let is_null = |it: &Value| it.get("type").and_then(Value::as_str) == Some("null");
    if let Some(either) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        either.retain(|it| !is_null(it));
        if let [one] = either.as_slice() {
            *schema = one.clone();
        }
    } else if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|it| it != "null");
        if let [one] = types.as_slice() {
            schema["type"] = one.clone();
        }
    }
}
