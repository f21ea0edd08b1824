//! The values that fill a template: data, cleaned once and never read as template text.

use std::collections::BTreeMap;

use super::{TemplateError, Variable};
use crate::characters::is_invisible;

/// The longest value, in characters; a Pix code has up to 512.
pub const VALUE_CHARS_MAX: usize = 1_024;

/// The values of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<Variable, String>);

impl Values {
    /// Returns the values with one more; a blank value is as good as none.
    ///
    /// Line breaks, tabs and runs of spaces become one space, because providers refuse them;
    /// characters that are not seen, or turn the writing direction, are dropped.
    #[must_use]
    pub fn with(mut self, variable: Variable, value: &str) -> Self {
        let value = cleaned(value);
        if value.is_empty() {
            self.0.remove(&variable);
        } else {
            self.0.insert(variable, value);
        }
        self
    }

    /// Returns the value of `variable`.
    pub fn get(&self, variable: Variable) -> Option<&str> {
        self.0.get(&variable).map(String::as_str)
    }

    /// Returns the value, checked for what could harm its reader.
    pub(super) fn checked(&self, variable: Variable) -> Result<&str, TemplateError> {
        let value = self
            .get(variable)
            .ok_or(TemplateError::MissingValue(variable))?;
        if value.chars().count() > VALUE_CHARS_MAX {
            return Err(TemplateError::ValueTooLong(variable));
        }
        match variable {
            Variable::PaymentLink if !is_https(value) => Err(TemplateError::UnsafeLink),
            // Free text of the uploader; a link in it would reach the contact in our name.
            Variable::ContactName | Variable::Reference if has_link(value) => {
                Err(TemplateError::LinkInValue(variable))
            }
            _ => Ok(value),
        }
    }
}

fn cleaned(value: &str) -> String {
    let mut clean = String::with_capacity(value.len());
    let mut space_pending = false;
    for sign in value.chars().filter(|sign| !is_invisible(*sign)) {
        if sign.is_whitespace() || sign.is_control() {
            space_pending = !clean.is_empty();
        } else {
            if std::mem::take(&mut space_pending) {
                clean.push(' ');
            }
            clean.push(sign);
        }
    }
    clean
}

fn is_https(value: &str) -> bool {
    let host = value
        .strip_prefix("https://")
        .and_then(|rest| rest.split(['/', '?', '#']).next());
    // An `@` before the first slash would hide the real host.
    host.is_some_and(|host| host.contains('.') && !host.contains('@')) && !value.contains(' ')
}

/// Finds an address with a scheme, a `www.` or a path. A bare domain passes: companies are named
/// after theirs.
fn has_link(value: &str) -> bool {
    value.split(' ').any(|word| {
        let word = word.to_lowercase();
        word.contains("://") || word.starts_with("www.") || has_host_and_path(&word)
    })
}

/// Finds `name.tld/`, but not `S.A./ME`.
fn has_host_and_path(word: &str) -> bool {
    let Some((host, _)) = word.split_once('/') else {
        return false;
    };
    let Some((name, tld)) = host.rsplit_once('.') else {
        return false;
    };
    name.ends_with(char::is_alphanumeric)
        && tld.len() >= 2
        && tld.bytes().all(|byte| byte.is_ascii_alphabetic())
}
