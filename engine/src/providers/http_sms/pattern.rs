//! Texts with places for what differs from message to message, filled once.

use std::fmt;
use std::str::FromStr;

use actors::machine::effect::HandOver;
use serde::{Serialize, Serializer};

/// A text with places, such as `Bearer {credential}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Place(Place),
}

/// What can stand in a place. The list is closed: there is no other way to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The phone in E.164.
    To,
    /// The phone in E.164 without its plus.
    ToDigits,
    /// The text.
    Text,
    /// The attempt's key, which no other attempt has.
    Attempt,
    /// The reminder, which all of its attempts have: a gateway that knows a message again by it
    /// sends none twice.
    Reminder,
    /// The tenant.
    Tenant,
    /// The secret of the settings.
    Credential,
}

/// A text with a brace that is none of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a text with places such as {{to}}")]
pub struct NoPattern;

impl Place {
    const ALL: [Place; 7] = [
        Place::To,
        Place::ToDigits,
        Place::Text,
        Place::Attempt,
        Place::Reminder,
        Place::Tenant,
        Place::Credential,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Place::To => "to",
            Place::ToDigits => "to_digits",
            Place::Text => "text",
            Place::Attempt => "attempt",
            Place::Reminder => "reminder",
            Place::Tenant => "tenant",
            Place::Credential => "credential",
        }
    }
}

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(NoPattern)?;
            let mut places = Place::ALL.into_iter();
            let place = places.find(|place| place.as_str() == name);
            pieces.push(Piece::literal(literal)?);
            pieces.push(Piece::Place(place.ok_or(NoPattern)?));
            rest = after;
        }
        pieces.push(Piece::literal(rest)?);
        pieces.retain(|piece| *piece != Piece::Literal(String::new()));
        Ok(Self(pieces))
    }
}

impl Piece {
    fn literal(text: &str) -> Result<Self, NoPattern> {
        match text.contains('}') {
            true => Err(NoPattern),
            false => Ok(Piece::Literal(text.to_owned())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Literal(literal) => f.write_str(literal),
            Piece::Place(place) => write!(f, "{{{}}}", place.as_str()),
        })
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Pattern {
    /// Says whether a place stands in it.
    pub fn has(&self, place: Place) -> bool {
        self.0.contains(&Piece::Place(place))
    }

    /// Says whether what it becomes depends on whom it is for, or says what is told to them.
    pub fn is_personal(&self) -> bool {
        [Place::To, Place::ToDigits, Place::Text]
            .into_iter()
            .any(|place| self.has(place))
    }

    /// Fills the places; braces in what fills them are text.
    pub fn fill(&self, message: &HandOver, credential: &str) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Place(Place::To) => text.push_str(&message.to),
                Piece::Place(Place::ToDigits) => text.push_str(message.to.trim_start_matches('+')),
                Piece::Place(Place::Text) => text.push_str(&message.rendered.body),
                Piece::Place(Place::Attempt) => text.push_str(&message.attempt.to_string()),
                Piece::Place(Place::Reminder) => {
                    text.push_str(&message.attempt.reminder.to_string());
                }
                Piece::Place(Place::Tenant) => text.push_str(&message.tenant.to_string()),
                Piece::Place(Place::Credential) => text.push_str(credential),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use schedules::channel::Channel;

    use super::super::super::fixture;
    use super::*;

    #[test]
    fn places_are_filled_once_and_braces_in_what_fills_them_are_text() {
        let mut message = fixture::message(Channel::Sms);
        message.rendered.body = "{to} {credential}".to_owned();
        for (text, filled) in [
            ("", ""),
            ("plain", "plain"),
            ("{text}", "{to} {credential}"),
            ("<{to}|{to_digits}>", "<+5511987651234|5511987651234>"),
            ("{tenant}/{attempt}", "ten_1/att_1.0.0.0"),
            ("{reminder}", "rem_1.0.0"),
            ("Bearer {credential}", "Bearer s3cret"),
        ] {
            let pattern: Pattern = text.parse().expect("a pattern");
            assert_eq!(pattern.fill(&message, "s3cret"), filled);
            assert_eq!(pattern.to_string(), text);
        }
        for text in ["{", "}", "{to", "to}", "{}", "{name}", "{{to}}", "{to}}"] {
            assert_eq!(text.parse::<Pattern>(), Err(NoPattern), "{text}");
        }
    }
}
