//! The text of a template: literal pieces and `{{variable}}`s, nothing else.

use super::{TemplateError, Variable};

/// One piece of a template's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Literal(&'a str),
    Variable(Variable),
}

/// Splits a text into its pieces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            pieces.push(Piece::Literal(&rest[..at]));
        }
        let (variable, after) = variable_at_start(&rest[at..])?;
        pieces.push(Piece::Variable(variable));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
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
    for piece in pieces(text)? {
        match piece {
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
    let is_list = |piece: &Piece<'_>| matches!(piece, Piece::Variable(it) if it.is_list());
    match pieces(text)?.iter().any(is_list) {
        true => Err(TemplateError::ListInSubject),
        false => Ok(()),
    }
}

/// Writes a text with its variables in one spelling, so that two texts can be compared.
pub(super) fn canonical(text: &str) -> Result<String, TemplateError> {
    let mut written = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
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
    let (name, after) = inside
        .split_once("}}")
        .ok_or(TemplateError::UnclosedVariable)?;
    if name.contains('{') {
        return Err(TemplateError::UnclosedVariable);
    }
    let variable = name
        .trim()
        .parse()
        .map_err(|_| TemplateError::UnknownVariable)?;
    Ok((variable, after))
}
