//! Takes keys out of a section one by one; what is left over in the end nobody knows.

use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use toml::{Table, Value};

use super::layers::read_text;
use super::problem::{Problem, ProblemKind};
use super::secret::Secret;

/// A section that is being read. A `None` from one of its methods has left its problem behind.
pub(super) struct Section<'a> {
    name: &'static str,
    table: Table,
    problems: &'a mut Vec<Problem>,
}

/// Takes a section out of the settings, reads it and refuses what is left of it.
pub(super) fn read_section<T>(
    root: &mut Table,
    name: &'static str,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Option<T> {
    let table = match root.remove(name) {
        Some(Value::Table(table)) => table,
        Some(_) => {
            let expected = "a section".to_owned();
            problems.push(Problem::new(name, ProblemKind::ReadValue { expected }));
            return None;
        }
        None => Table::new(),
    };
    let mut section = Section {
        name,
        table,
        problems,
    };
    let value = read(&mut section);
    let unknown: Vec<String> = section.table.keys().cloned().collect();
    unknown
        .iter()
        .for_each(|key| section.refuse(key, ProblemKind::KnowKey));
    value
}

impl Section<'_> {
    /// Leaves a problem behind.
    pub(super) fn refuse(&mut self, key: &str, kind: ProblemKind) {
        self.problems
            .push(Problem::new(&format!("{}.{key}", self.name), kind));
    }

    /// Forgets the keys that were not read.
    pub(super) fn forget_rest(&mut self) {
        self.table.clear();
    }

    /// Takes a text that is not empty.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
            Some(Value::String(_)) | None => self.refused(key, ProblemKind::FindValue),
            Some(_) => self.misread(key, "a text"),
        }
    }

    /// Takes a text that can be read as something else.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        text.parse().ok().or_else(|| self.misread(key, expected))
    }

    /// Takes one of a few words.
    pub(super) fn choice(
        &mut self,
        key: &str,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let text = self.text(key)?;
        let word = words.iter().copied().find(|word| *word == text);
        word.or_else(|| self.misread(key, &format!("one of {}", words.join(", "))))
    }

    /// Takes a whole number, which the environment spells as text.
    pub(super) fn whole<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        default: Option<i64>,
    ) -> Option<T> {
        let number = match self.table.remove(key) {
            Some(Value::Integer(number)) => Some(number),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
            None if default.is_none() => return self.refused(key, ProblemKind::FindValue),
            None => default,
        };
        let number = number.filter(|number| range.contains(number));
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        number
            .and_then(|number| number.try_into().ok())
            .or_else(|| self.misread(key, &expected))
    }

    /// Takes a secret, stated in place or, under the same key with `_file`, by the name of a file.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        let file_key = format!("{key}_file");
        match (
            self.table.contains_key(key),
            self.table.contains_key(&file_key),
        ) {
            (true, true) => {
                self.table.remove(key);
                self.table.remove(&file_key);
                self.refused(key, ProblemKind::ChooseSecret)
            }
            (false, true) => {
                let path = self.text(&file_key)?;
                match read_text(Path::new(&path)) {
                    Ok(text) if !text.trim().is_empty() => {
                        Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
                    }
                    _ => self.refused(&file_key, ProblemKind::ReadSecretFile),
                }
            }
            (_, false) => self.text(key).map(Secret::new),
        }
    }

    fn misread<T>(&mut self, key: &str, expected: &str) -> Option<T> {
        self.refused(
            key,
            ProblemKind::ReadValue {
                expected: expected.to_owned(),
            },
        )
    }

    fn refused<T>(&mut self, key: &str, kind: ProblemKind) -> Option<T> {
        self.refuse(key, kind);
        None
    }
}
