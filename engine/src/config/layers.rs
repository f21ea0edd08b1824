//! The layers of settings, put on top of each other: defaults, file, environment, command line.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::DEFAULTS;
use super::problem::{Problem, ProblemKind};

/// The largest file of settings or of a secret: far more than anyone writes, and no device.
const FILE_BYTES_MAX: u64 = 1 << 20;

const PREFIX: &str = "REGUA_";

/// Two underscores, since single ones are part of keys, and a cluster's own variables
/// (`REGUA_SERVICE_HOST`) must not be taken for settings.
const NESTING: &str = "__";

/// The section whose parts are sections with names of their own.
const NAMED_SECTION: &str = "providers";

/// The key of a provider that says who may use it.
const ALLOWED: &str = "tenants";

/// The keys that hold secrets: those of `providers` in each of its parts.
const SECRET_KEYS: &[(&str, &str)] = &[
    ("store", "url"),
    ("providers", "token"),
    ("providers", "apikey"),
    ("providers", "credential"),
    ("providers", "signing_key"),
    ("providers", "password"),
    ("unsubscribe", "key"),
    ("bus", "url"),
    ("keys", "root"),
];

/// Where settings come from, besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if one is named.
    pub file: Option<PathBuf>,
    /// The variables of the environment, those of others included.
    pub environment: Vec<(OsString, OsString)>,
    /// `KEY=VALUE` of the command line.
    pub overrides: Vec<String>,
}

/// Returns all layers as one table, and what could not be read of them.
pub(super) fn merged(sources: &Sources) -> (Table, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut root = Table::new();
    let layers = [
        parse("config.default.toml", DEFAULTS),
        sources.file.as_deref().map_or(Ok(Table::new()), read_file),
    ];
    for layer in layers {
        match layer {
            Ok(layer) => put_on_top(&mut root, layer),
            Err(problem) => problems.push(problem),
        }
    }
    put_on_top(
        &mut root,
        environment_layer(&sources.environment, &mut problems),
    );
    put_on_top(&mut root, override_layer(&sources.overrides, &mut problems));
    (root, problems)
}

/// Returns the files that secrets lie in, each with its key: those that are named, and the file of
/// the settings where a secret stands in place. Whether they can be read is found out elsewhere.
pub fn secret_files(sources: &Sources) -> Vec<(String, PathBuf)> {
    let (root, _) = merged(sources);
    let file = sources.file.as_deref();
    let stated = file.and_then(|path| Some((path, read_file(path).ok()?)));
    let mut found = Vec::new();
    for (section, key) in SECRET_KEYS {
        let key_of_file = format!("{key}_file");
        for (at, table) in tables(&root, section) {
            if let Some(path) = table.get(&key_of_file).and_then(Value::as_str) {
                found.push((format!("{at}.{key_of_file}"), PathBuf::from(path)));
            }
        }
        let Some((path, root)) = &stated else {
            continue;
        };
        let in_place = tables(root, section);
        let in_place = in_place.iter().filter(|it| it.1.contains_key(*key));
        found.extend(in_place.map(|(at, _)| (format!("{at}.{key}"), path.to_path_buf())));
    }
    found
}

/// Returns the tables of a section, each by its path: the section's own, or that of each part where
/// parts have names.
fn tables<'t>(root: &'t Table, section: &str) -> Vec<(String, &'t Table)> {
    let Some(table) = root.get(section).and_then(Value::as_table) else {
        return Vec::new();
    };
    if section != NAMED_SECTION {
        return vec![(section.to_owned(), table)];
    }
    let part = |(name, part): (&String, &'t Value)| {
        let table = part.as_table()?;
        Some((format!("{section}.{name}"), table))
    };
    table.iter().filter_map(part).collect()
}

/// Reads a file as text, up to the limit.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

fn read_file(path: &Path) -> Result<Table, Problem> {
    let name = path.to_string_lossy();
    let text = read_text(path).map_err(|_| Problem::new(&name, ProblemKind::ReadFile))?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<Table, Problem> {
    text.parse::<Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text
            .bytes()
            .take(start)
            .filter(|byte| *byte == b'\n')
            .count();
        Problem::new(name, ProblemKind::ParseFile { line })
    })
}

/// Lets the upper layer win, key by key.
///
/// A section that states another `kind` replaces the one below: keys of the former kind would
/// be unknown to it. One that is the first to state a `kind` does not. Who may use it is kept:
/// every kind has that key, and a list that was dropped unsaid would let everybody in.
fn put_on_top(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                if changes_kind(below, &above) {
                    below.retain(|key, _| key == ALLOWED);
                }
                put_on_top(below, above);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn changes_kind(below: &Table, above: &Table) -> bool {
    let (below, above) = (below.get("kind"), above.get("kind"));
    below
        .zip(above)
        .is_some_and(|(below, above)| below != above)
}

fn environment_layer(environment: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Table {
    let mut layer = Table::new();
    for (name, value) in environment {
        let Some(name) = name.to_str() else { continue };
        let Some((section, key)) = name
            .strip_prefix(PREFIX)
            .and_then(|path| path.split_once(NESTING))
        else {
            continue;
        };
        match value.to_str() {
            Some(value) => insert(&mut layer, section, key, NESTING, value),
            None => problems.push(Problem::new(name, not("utf-8 text"))),
        }
    }
    layer
}

fn override_layer(overrides: &[String], problems: &mut Vec<Problem>) -> Table {
    let mut layer = Table::new();
    for text in overrides {
        let parts = text.split_once('=');
        match parts.and_then(|(path, value)| Some((path.split_once('.')?, value))) {
            Some(((section, key), _)) if is_secret(section, key) => {
                problems.push(Problem::new(
                    &format!("{section}.{key}").to_ascii_lowercase(),
                    ProblemKind::HideSecret,
                ));
            }
            Some(((section, key), value)) => insert(&mut layer, section, key, ".", value),
            None => problems.push(Problem::new("--set", not("SECTION.KEY=VALUE"))),
        }
    }
    layer
}

/// Compares as [`insert`] does, which reads capitals like small letters.
fn is_secret(section: &str, key: &str) -> bool {
    let key = match key.rsplit_once('.') {
        Some((_, key)) if section.eq_ignore_ascii_case(NAMED_SECTION) => key,
        _ => key,
    };
    SECRET_KEYS
        .iter()
        .any(|secret| secret.0.eq_ignore_ascii_case(section) && secret.1.eq_ignore_ascii_case(key))
}

/// Puts a value under its section and key, or under section, name and key.
fn insert(layer: &mut Table, section: &str, key: &str, nesting: &str, value: &str) {
    let section = section.to_ascii_lowercase();
    match key.split_once(nesting) {
        Some((name, key)) if section == NAMED_SECTION => {
            let parts = layer
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(parts) = parts {
                insert_at(parts, name.to_ascii_lowercase(), key, value);
            }
        }
        _ => insert_at(layer, section, key, value),
    }
}

fn insert_at(layer: &mut Table, section: String, key: &str, value: &str) {
    let section = layer
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.to_ascii_lowercase(), Value::String(value.to_owned()));
    }
}

fn not(expected: &str) -> ProblemKind {
    ProblemKind::ReadValue {
        expected: expected.to_owned(),
    }
}
