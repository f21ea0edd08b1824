//! The body of a gateway's request, as the settings draw it.

use std::collections::BTreeMap;

use actors::machine::effect::HandOver;
use serde::Serialize;
use serde_json::{Map, Value};

use super::pattern::Pattern;
use crate::providers::egress::escaped;

/// A value with places for what differs from message to message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Shape {
    /// A text.
    Text(Pattern),
    /// A whole number.
    Number(i64),
    /// A yes or no.
    Flag(bool),
    /// Several.
    List(Vec<Shape>),
    /// Some with names.
    Table(BTreeMap<String, Shape>),
}

impl Shape {
    /// Reads a value of the settings; nothing when it is none that can be drawn so.
    pub fn of(value: toml::Value) -> Option<Self> {
        Some(match value {
            toml::Value::String(text) => Shape::Text(text.parse().ok()?),
            toml::Value::Integer(number) => Shape::Number(number),
            toml::Value::Boolean(flag) => Shape::Flag(flag),
            toml::Value::Array(values) => {
                Shape::List(values.into_iter().map(Shape::of).collect::<Option<_>>()?)
            }
            toml::Value::Table(table) => {
                let drawn = |(key, value)| Some((key, Shape::of(value)?));
                Shape::Table(table.into_iter().map(drawn).collect::<Option<_>>()?)
            }
            toml::Value::Float(_) | toml::Value::Datetime(_) => return None,
        })
    }

    /// Says whether something holds for one of its texts.
    pub fn any(&self, holds: &impl Fn(&Pattern) -> bool) -> bool {
        match self {
            Shape::Text(pattern) => holds(pattern),
            Shape::Number(_) | Shape::Flag(_) => false,
            Shape::List(shapes) => shapes.iter().any(|shape| shape.any(holds)),
            Shape::Table(shapes) => shapes.values().any(|shape| shape.any(holds)),
        }
    }

    /// Says whether it is one table of plain values, as a form is.
    pub fn is_flat(&self) -> bool {
        let Shape::Table(shapes) = self else {
            return false;
        };
        let nests = |shape: &Shape| matches!(shape, Shape::List(_) | Shape::Table(_));
        !shapes.values().any(nests)
    }

    /// Fills the places, as JSON.
    pub fn json(&self, message: &HandOver, credential: &str) -> Value {
        match self {
            Shape::Text(pattern) => Value::String(pattern.fill(message, credential)),
            Shape::Number(number) => Value::from(*number),
            Shape::Flag(flag) => Value::Bool(*flag),
            Shape::List(shapes) => {
                let values = shapes.iter().map(|shape| shape.json(message, credential));
                Value::Array(values.collect())
            }
            Shape::Table(shapes) => {
                let fill = |(key, shape): (&String, &Shape)| {
                    (key.clone(), shape.json(message, credential))
                };
                Value::Object(shapes.iter().map(fill).collect::<Map<_, _>>())
            }
        }
    }

    /// Fills the places, as a form (WHATWG URL, application/x-www-form-urlencoded).
    pub fn form(&self, message: &HandOver, credential: &str) -> String {
        let Value::Object(fields) = self.json(message, credential) else {
            return String::new();
        };
        let field = |(key, value): (&String, &Value)| {
            let value = match value {
                Value::String(text) => escaped(text),
                other => other.to_string(),
            };
            format!("{}={value}", escaped(key))
        };
        fields.iter().map(field).collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use schedules::channel::Channel;

    use super::super::super::fixture;
    use super::*;

    fn shape(toml: &str) -> Option<Shape> {
        let table: toml::Table = toml.parse().expect("TOML");
        Shape::of(toml::Value::Table(table))
    }

    #[test]
    fn a_body_is_drawn_as_json_and_a_flat_one_as_a_form() {
        let message = fixture::message(Channel::Sms);
        let drawn = r#"
            from = "REGUA"
            flash = false
            contents = [{ type = "text", text = "{text}", priority = 1 }]
            to.phone = "{to}"
        "#;
        let nested = shape(drawn).expect("a shape");
        let expected = serde_json::json!({
            "from": "REGUA",
            "flash": false,
            "contents": [{ "type": "text", "text": "Olá", "priority": 1 }],
            "to": { "phone": "+5511987651234" },
        });
        assert_eq!(nested.json(&message, ""), expected);
        assert!(!nested.is_flat());
        assert!(nested.any(&Pattern::is_personal));
        let flat = shape("a = \"{text} & {to}\"\n\"b c\" = 2\nd = true").expect("a shape");
        assert!(flat.is_flat());
        let form = "a=Ol%C3%A1%20%26%20%2B5511987651234&b%20c=2&d=true";
        assert_eq!(flat.form(&message, ""), form);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_wherever_it_stands() {
        for drawn in ["a = 1.5", "a = 2027-01-01", "a = [{ b = \"{name}\" }]"] {
            assert_eq!(shape(drawn), None, "{drawn}");
        }
    }
}
