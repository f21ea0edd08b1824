//! The text of a template: literal pieces and `{{variable}}`s, nothing else.

use super::{TemplateError, Variable};

/// One piece of a template's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Literal(&'a str),
    Variable(Variable),
}

/// Splits a text into its pieces, up to the first that is none.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, TemplateError>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        // Braces are one byte each, and no byte of another sign.
        let is_brace = |byte: u8| matches!(byte, b'{' | b'}');
        match rest.bytes().position(is_brace).unwrap_or(rest.len()) {
            0 if rest.is_empty() => None,
            0 => match variable_at_start(rest) {
                Ok((variable, after)) => {
                    rest = after;
                    Some(Ok(Piece::Variable(variable)))
                }
                Err(error) => {
                    rest = "";
                    Some(Err(error))
                }
            },
            at => {
                let (literal, after) = rest.split_at(at);
                rest = after;
                Some(Ok(Piece::Literal(literal)))
            }
        }
    })
}

/// Checks that a text can be sent and returns the variables that it uses; `chars_max` bounds what
/// stands between them.
pub(super) fn check(
    text: &str,
    chars_max: usize,
    is_barred: impl Fn(char) -> bool,
) -> Result<Vec<Variable>, TemplateError> {
    if text.trim().is_empty() {
        return Err(TemplateError::EmptyText);
    }
    if text.chars().any(is_barred) {
        return Err(TemplateError::ControlCharacter);
    }
    let (mut literal_chars, mut variables) = (0, Vec::new());
    for piece in pieces(text) {
        match piece? {
            Piece::Literal(literal) => literal_chars += literal.chars().count(),
            Piece::Variable(variable) => variables.push(variable),
        }
    }
    if literal_chars > chars_max {
        Err(TemplateError::TextTooLong)
    } else {
        Ok(variables)
    }
}

/// Checks that no list, which has a line for each boleto, stands in a text of one line.
pub(super) fn one_line(text: &str) -> Result<(), TemplateError> {
    let mut has_list = false;
    for piece in pieces(text) {
        has_list |= matches!(piece?, Piece::Variable(it) if it.is_list());
    }
    match has_list {
        true => Err(TemplateError::ListInSubject),
        false => Ok(()),
    }
}

/// Writes a text with its variables in one spelling, so that two texts can be compared.
pub(super) fn canonical(text: &str) -> Result<String, TemplateError> {
    let mut written = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece? {
            Piece::Literal(literal) => written.push_str(literal),
            Piece::Variable(variable) => {
                written.push_str("{{");
                written.push_str(variable.as_str());
                written.push_str("}}");
            }
        }
    }
    Ok(written)
}

fn variable_at_start(text: &str) -> Result<(Variable, &str), TemplateError> {
    if text.starts_with("{%") || text.starts_with("{#") {
        return Err(TemplateError::LogicTag);
    }
    let inside = text.strip_prefix("{{").ok_or(TemplateError::LoneBrace)?;
    // Byte by byte: a searcher for so short a text costs more than it finds.
    let mut ends = inside.as_bytes().windows(2);
    let end = ends.position(|end| end == b"}}");
    let (name, after) = inside.split_at(end.ok_or(TemplateError::UnclosedVariable)?);
    let after = &after[2..];
    if name.contains('{') {
        return Err(TemplateError::UnclosedVariable);
    }
    let variable = name
        .trim()
        .parse()
        .map_err(|_| TemplateError::UnknownVariable)?;
    Ok((variable, after))
}
