//! Takes keys out of a section one by one; what is left over in the end nobody knows.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use toml::{Table, Value};

use super::layers::read_text;
use super::problem::{Problem, ProblemKind};
use super::secret::Secret;

/// The longest name of a section, in characters.
const SECTION_NAME_MAX: usize = 40;

/// A section that is being read. A `None` from one of its methods has left its problem behind.
pub(crate) struct Section<'a> {
    name: String,
    table: Table,
    problems: &'a mut Vec<Problem>,
}

/// Takes a section out of the settings, reads it and refuses what is left of it.
pub(super) fn read_section<T>(
    root: &mut Table,
    name: &str,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Option<T> {
    let table = take_table(root, name, name, problems)?;
    read_table(name.to_owned(), table, problems, read)
}

/// Takes a section out of the settings whose parts are sections with names of their own, and reads
/// each of them.
pub(super) fn read_named<T>(
    root: &mut Table,
    name: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(&mut Section<'_>) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    let mut tables = take_table(root, name, name, problems)?;
    let keys: Vec<String> = tables.keys().cloned().collect();
    let mut found = Some(BTreeMap::new());
    for key in keys {
        let path = format!("{name}.{key}");
        if !is_section_name(&key) {
            let expected = "named by small letters, digits, - and single _".to_owned();
            problems.push(Problem::new(&path, ProblemKind::ReadValue { expected }));
            found = None;
            continue;
        }
        let table = take_table(&mut tables, &key, &path, problems);
        let value = table.and_then(|table| read_table(path, table, problems, &read));
        found = found.zip(value).map(|(mut found, value)| {
            found.insert(key, value);
            found
        });
    }
    found
}

/// Says whether a section can be named so: what the environment can spell as well, but for `-`.
fn is_section_name(name: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name.len() <= SECTION_NAME_MAX
        && name.chars().all(is_sign)
}

fn take_table(
    from: &mut Table,
    key: &str,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Table> {
    match from.remove(key) {
        Some(Value::Table(table)) => Some(table),
        Some(_) => {
            let expected = "a section".to_owned();
            problems.push(Problem::new(path, ProblemKind::ReadValue { expected }));
            None
        }
        None => Some(Table::new()),
    }
}

fn read_table<T>(
    name: String,
    table: Table,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Option<T> {
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
    pub(crate) fn refuse(&mut self, key: &str, kind: ProblemKind) {
        self.problems
            .push(Problem::new(&format!("{}.{key}", self.name), kind));
    }

    /// Leaves a problem behind where a value is not what it should be.
    pub(crate) fn check(&mut self, key: &str, holds: bool, expected: &str) {
        if !holds {
            let expected = expected.to_owned();
            self.refuse(key, ProblemKind::ReadValue { expected });
        }
    }

    /// Says whether a key is stated.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes a table.
    pub(crate) fn table(&mut self, key: &str) -> Option<Table> {
        match self.table.remove(key) {
            Some(Value::Table(table)) => Some(table),
            Some(_) => self.misread(key, "a table"),
            None => self.refused(key, ProblemKind::FindValue),
        }
    }

    /// Forgets the keys that were not read.
    pub(crate) fn forget_rest(&mut self) {
        self.table.clear();
    }

    /// Takes something that may be left out.
    pub(crate) fn optional<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.table.contains_key(key) {
            read(self, key).map(Some)
        } else {
            Some(None)
        }
    }

    /// Takes a yes or no, which the environment spells as text.
    pub(crate) fn flag(&mut self, key: &str, default: bool) -> Option<bool> {
        match self.table.remove(key) {
            Some(Value::Boolean(flag)) => Some(flag),
            Some(Value::String(text)) if text == "true" => Some(true),
            Some(Value::String(text)) if text == "false" => Some(false),
            Some(_) => self.misread(key, "true or false"),
            None => Some(default),
        }
    }

    /// Takes a list of texts, which the environment separates by commas, each read as something
    /// else; there is at least one.
    pub(crate) fn list<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<Vec<T>> {
        let texts: Vec<String> = match self.table.remove(key) {
            Some(Value::String(text)) => text.split(',').map(|it| it.trim().to_owned()).collect(),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => text,
                    Value::Integer(number) => number.to_string(),
                    // No element is empty.
                    _ => String::new(),
                })
                .collect(),
            Some(_) => return self.misread(key, expected),
            None => return self.refused(key, ProblemKind::FindValue),
        };
        let read: Result<Vec<T>, _> = texts.iter().map(|text| text.parse()).collect();
        let read = read.ok().filter(|read| !read.is_empty());
        read.or_else(|| self.misread(key, expected))
    }

    /// Takes a text that is not empty.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
            Some(Value::String(_)) | None => self.refused(key, ProblemKind::FindValue),
            Some(_) => self.misread(key, "a text"),
        }
    }

    /// Takes the name of a file whose text can be read as something else.
    pub(crate) fn file<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Path, &str) -> Option<T>,
    ) -> Option<T> {
        let path = self.text(key)?;
        let text = read_text(Path::new(&path)).ok();
        let found = text.and_then(|text| read(Path::new(&path), &text));
        found.or_else(|| self.misread(key, expected))
    }

    /// Takes a text that can be read as something else.
    pub(crate) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        text.parse().ok().or_else(|| self.misread(key, expected))
    }

    /// Takes one of a few words.
    pub(crate) fn choice(
        &mut self,
        key: &str,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let text = self.text(key)?;
        let word = words.iter().copied().find(|word| *word == text);
        word.or_else(|| self.misread(key, &format!("one of {}", words.join(", "))))
    }

    /// Takes a whole number, which the environment spells as text.
    pub(crate) fn whole<T: TryFrom<i64>>(
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

    /// Takes a secret that may be left out; see [`Section::secret`].
    pub(crate) fn optional_secret(&mut self, key: &str) -> Option<Option<Secret>> {
        let is_stated = [key, &format!("{key}_file")]
            .iter()
            .any(|key| self.table.contains_key(*key));
        if is_stated {
            self.secret(key).map(Some)
        } else {
            Some(None)
        }
    }

    /// Takes a secret, stated in place or, under the same key with `_file`, by the name of a file.
    pub(crate) fn secret(&mut self, key: &str) -> Option<Secret> {
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

    pub(super) fn misread<T>(&mut self, key: &str, expected: &str) -> Option<T> {
        self.refused(
            key,
            ProblemKind::ReadValue {
                expected: expected.to_owned(),
            },
        )
    }

    pub(super) fn refused<T>(&mut self, key: &str, kind: ProblemKind) -> Option<T> {
        self.refuse(key, kind);
        None
    }
}
