//! The values that fill a template: data, never read as template text.
//!
//! Free text is cleaned for its reader. Codes, lines and links are for machines: they arrive as
//! they are or not at all, because a Pix code with one space less is another code.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::{Listed, Template, TemplateError, Variable, list};
use crate::characters::{is_invisible, is_plain_text};
use crate::link::{check_link, holds_link};

/// The longest value, in characters; a Pix code has up to 512.
pub const VALUE_CHARS_MAX: usize = 1_024;

/// The values of one message.
///
/// Its `Debug` text names the variables that have one, and shows none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<Variable, String>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// Returns the values with one more; a blank value is as good as none. Lists of boletos come by
    /// [`Values::with_boletos`] only.
    ///
    /// In free text, line breaks, tabs and runs of spaces become one space, because providers
    /// refuse them; characters that are not seen, or turn the writing direction, are dropped.
    /// Other values are kept as they are, and refused when they are rendered.
    #[must_use]
    pub fn with<'a>(mut self, variable: Variable, value: impl Into<Cow<'a, str>>) -> Self {
        let value = value.into();
        let value = match is_free_text(variable) && !is_clean(&value) {
            true => Cow::Owned(cleaned(&value)),
            false => value,
        };
        if is_blank(&value) || variable.is_list() {
            self.0.remove(&variable);
        } else {
            self.0.insert(variable, value.into_owned());
        }
        self
    }

    /// Returns the values with those that `template` declares of several boletos.
    ///
    /// # Errors
    /// A [`TemplateError`] when one of the boletos lacks what its list asks for, or holds what
    /// could harm its reader.
    pub fn with_boletos(
        mut self,
        template: &Template,
        boletos: &[Listed<'_>],
    ) -> Result<Self, TemplateError> {
        let declared = template.variables.iter();
        for variable in declared.filter(|variable| variable.is_of_several()) {
            let value = list::value(*variable, template.channel, boletos)?;
            self.0.insert(*variable, value);
        }
        Ok(self)
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
        // A list was written here, line by line, of what was checked; the text that it stands in
        // bounds it.
        if variable.is_list() {
            return Ok(value);
        }
        if value.chars().count() > VALUE_CHARS_MAX {
            return Err(TemplateError::ValueTooLong(variable));
        }
        if !is_free_text(variable) && !is_plain_text(value) {
            return Err(TemplateError::UnseenInValue(variable));
        }
        match variable {
            Variable::PaymentLink if check_link(value).is_err() => Err(TemplateError::UnsafeLink),
            // Free text of the uploader; a link in it would reach the contact in our name.
            Variable::ContactName | Variable::Reference if holds_link(value) => {
                Err(TemplateError::LinkInValue(variable))
            }
            _ => Ok(value),
        }
    }
}

/// Tells whether people wrote the value for people: only such a text may be cleaned.
const fn is_free_text(variable: Variable) -> bool {
    matches!(
        variable,
        Variable::ContactName
            | Variable::TenantName
            | Variable::TenantAddress
            | Variable::Reference
    )
}

/// Tells whether there is nothing to see in a text.
fn is_blank(value: &str) -> bool {
    let is_seen = |sign: char| !(sign.is_whitespace() || sign.is_control() || is_invisible(sign));
    !value.chars().any(is_seen)
}

/// Tells of most texts that cleaning leaves them as they are: letters that everybody sees, with one
/// space between them.
fn is_clean(value: &str) -> bool {
    let mut before = ' ';
    value.chars().all(|sign| {
        let is_letter = matches!(sign, '!'..='~' | '\u{C0}'..='\u{24F}');
        let is_kept = is_letter || (sign == ' ' && before != ' ');
        before = sign;
        is_kept
    }) && before != ' '
}

pub(super) fn cleaned(value: &str) -> String {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_clean_is_what_cleaning_leaves_alone(
            value in "([ a-zA-ZÀ-ɏ.,7-9\u{AD}\u{A0}\t]|\\PC){0,12}"
        ) {
            let clean = cleaned(&value);
            prop_assert!(!is_clean(&value) || clean == value, "{value:?}");
            prop_assert_eq!(is_blank(&value), clean.is_empty());
        }
    }

    #[test]
    fn a_name_is_clean_and_one_with_two_spaces_is_not() {
        assert!(is_clean("João da Silva & Cia. Ltda"));
        for unclean in [
            "",
            " ",
            " a",
            "a ",
            "a  b",
            "a\u{200B}b",
            "a\tb",
            "a\u{A0}b",
        ] {
            assert!(!is_clean(unclean), "{unclean:?}");
        }
    }
}
