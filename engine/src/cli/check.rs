//! What all commands that check something share: a text from arguments, an answer as JSON or text.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use clap::Args;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ended;

/// A text, in one argument or in several that were not quoted.
#[derive(Debug, Args)]
pub(super) struct TextArgs {
    /// The text; blanks need no quotes.
    #[arg(required = true, value_name = "TEXT")]
    words: Vec<OsString>,
    #[command(flatten)]
    form: FormArgs,
}

/// How an answer is written.
#[derive(Debug, Args)]
pub(super) struct FormArgs {
    /// Writes one JSON object instead of lines for people.
    #[arg(long)]
    json: bool,
}

/// Why something is not valid: a stable name and a sentence.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    error: &'static str,
    message: String,
}

impl Refusal {
    /// Takes the stable name of an error and its text.
    pub(super) fn of(error: &'static str, message: impl ToString) -> Self {
        Self {
            error,
            message: message.to_string(),
        }
    }
}

impl TextArgs {
    /// Reads the text and answers.
    pub(super) fn answer<T: Serialize>(
        &self,
        out: &mut dyn Write,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> io::Result<Ended> {
        let found = match joined(&self.words) {
            Some(text) => read(&text),
            None => Err(Refusal::of(
                "argument_not_utf8",
                "the argument is not utf-8",
            )),
        };
        self.form.answer(out, found)
    }
}

fn joined(words: &[OsString]) -> Option<String> {
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    words.map(|words| words.join(" "))
}

impl FormArgs {
    #[cfg(test)]
    pub(super) const fn for_people() -> Self {
        Self { json: false }
    }

    /// Writes what was found: an object with `error` and `message` when it was not valid.
    pub(super) fn answer<T: Serialize>(
        &self,
        out: &mut dyn Write,
        found: Result<T, Refusal>,
    ) -> io::Result<Ended> {
        let (ended, answer) = match found {
            Ok(answer) => (Ended::Well, serde_json::to_string(&answer)?),
            Err(refusal) => (Ended::Invalid, serde_json::to_string(&refusal)?),
        };
        if self.json {
            writeln!(out, "{answer}")?;
        } else {
            write_lines(out, &serde_json::from_str(&answer)?)?;
        }
        Ok(ended)
    }
}

/// The fields of a JSON object in the order in which they stand there.
struct InOrder(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = InOrder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(InOrder(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

/// Writes a line a field; what a terminal could take for a command is escaped.
fn write_lines(out: &mut dyn Write, fields: &InOrder) -> io::Result<()> {
    for (key, value) in &fields.0 {
        let label = key.replace('_', " ");
        for text in shown(value) {
            let text: String = text.chars().flat_map(escaped).collect();
            writeln!(out, "{label:<20}{text}")?;
        }
    }
    Ok(())
}

fn shown(value: &Value) -> Vec<String> {
    match value {
        Value::Null => vec!["-".to_owned()],
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(shown).collect(),
        other => vec![other.to_string()],
    }
}

fn escaped(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_default().collect()
    } else {
        vec![character]
    }
}
