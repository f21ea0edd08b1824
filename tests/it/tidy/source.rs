//! Reads the project's files, and Rust sources with their comments and texts blanked out.

use std::collections::BTreeMap;
use std::path::Path;

/// Folders that hold nothing we wrote.
const FOREIGN: &[&str] = &["target", ".git", ".regua", "fixtures", "node_modules"];

/// Files without these endings, and without any, are not text of ours.
const ENDINGS: &[&str] = &[
    "rs", "toml", "md", "sql", "sh", "yml", "yaml", "json", "service", "html", "css", "js",
];

/// A file of the project.
pub struct File {
    pub path: String,
    pub text: String,
    /// Of a Rust source: the text without comments and string contents, line by line the same.
    pub code: String,
    /// Of a Rust source: each string literal and the line on which it begins.
    pub strings: Vec<(usize, String)>,
}

/// The files of a project by their path.
pub struct Tree(BTreeMap<String, File>);

impl Tree {
    /// Reads the project that this test belongs to.
    pub fn of_project() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut tree = Self(BTreeMap::new());
        tree.read_folder(&root, "");
        tree
    }

    /// Makes a tree of paths and texts.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Self {
        let mut tree = Self(BTreeMap::new());
        for (path, text) in files {
            tree.add((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).expect("a folder of the project") {
            let entry = entry.expect("an entry of a folder");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().expect("the kind of an entry");
            if kind.is_dir() && !FOREIGN.contains(&name.as_str()) {
                self.read_folder(&entry.path(), &format!("{path}/"));
            } else if kind.is_file() && is_ours(&name) {
                let text = std::fs::read_to_string(entry.path());
                self.add(path, text.expect("a text of the project"));
            }
        }
    }

    fn add(&mut self, path: String, text: String) {
        let (code, strings) = if path.ends_with(".rs") {
            blanked(&text)
        } else {
            (String::new(), Vec::new())
        };
        self.0.insert(
            path.clone(),
            File {
                path,
                text,
                code,
                strings,
            },
        );
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.0.get(path)
    }

    /// Returns the text of a file; empty when there is none.
    pub fn text(&self, path: &str) -> &str {
        self.file(path).map_or("", |file| &file.text)
    }

    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.0.values()
    }

    /// Returns the Rust sources below a folder.
    pub fn sources<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files()
            .filter(move |file| file.path.starts_with(folder) && file.path.ends_with(".rs"))
    }
}

impl File {
    /// Tells whether the whole file is a test's.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }

    /// Returns the code that runs in production, with the numbers of its lines.
    pub fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test() {
            0
        } else {
            self.production_end()
        };
        self.code[..end]
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Returns where the module of the unit tests begins, which stands last.
    fn production_end(&self) -> usize {
        let mut from = 0;
        while let Some(at) = self.code[from..].find("#[cfg(test)]") {
            let after = from + at + "#[cfg(test)]".len();
            let item = self.code[after..].trim_start();
            let head = item.split(['{', ';']).next().unwrap_or_default();
            if head.starts_with("mod ") && item[head.len()..].starts_with('{') {
                return from + at;
            }
            from = after;
        }
        self.code.len()
    }
}

fn is_ours(name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, ending)) => ENDINGS.contains(&ending),
        None => name == "run",
    }
}

/// Returns a Rust source with comments and string contents as blanks, and the contents.
pub fn blanked(text: &str) -> (String, Vec<(usize, String)>) {
    let mut reader = Reader {
        rest: text,
        line: 1,
        code: String::new(),
        strings: Vec::new(),
    };
    while !reader.rest.is_empty() {
        reader.step();
    }
    (reader.code, reader.strings)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    strings: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(comment_length(rest));
        } else if let Some(Literal { open, end, close }) = string_at(rest, &self.code) {
            self.strings.push((self.line, rest[open..end].to_owned()));
            self.keep(open);
            self.blank(end - open);
            self.keep(close.min(self.rest.len()));
        } else if let Some(length) = char_length(rest) {
            self.blank(length);
        } else {
            self.keep(rest.chars().next().map_or(0, char::len_utf8));
        }
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.code.push_str(kept);
        self.line += kept.matches('\n').count();
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self.rest.split_at(length);
        self.code
            .extend(blanked.chars().map(|c| if c == '\n' { c } else { ' ' }));
        self.line += blanked.matches('\n').count();
        self.rest = rest;
    }
}

/// Returns the length of a block comment; they nest.
fn comment_length(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let step = rest.chars().next().map_or(1, char::len_utf8);
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += step;
        }
    }
    text.len()
}

/// Where the content of a string literal begins and ends, and how long its closing is.
struct Literal {
    open: usize,
    end: usize,
    close: usize,
}

/// Returns the string literal that stands here, if one does.
fn string_at(text: &str, before: &str) -> Option<Literal> {
    // The longest opening in use is `br##"`; a word that ends in r or b is none.
    let quote = text.bytes().take(6).position(|byte| byte == b'"')?;
    let is_within_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let prefix = &text[..quote];
    let letters = prefix.trim_end_matches('#');
    let open = quote + 1;
    match letters {
        "r" | "br" | "cr" if !is_within_word => {
            let close = format!("\"{}", &prefix[letters.len()..]);
            let end = text[open..].find(&close).map_or(text.len(), |at| open + at);
            Some(Literal {
                open,
                end,
                close: close.len(),
            })
        }
        "" | "b" | "c" if prefix == letters && (quote == 0 || !is_within_word) => Some(Literal {
            open,
            end: plain_end(text, open),
            close: 1,
        }),
        _ => None,
    }
}

fn plain_end(text: &str, open: usize) -> usize {
    let mut is_escaped = false;
    for (at, character) in text[open..].char_indices() {
        match character {
            '"' if !is_escaped => return open + at,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

/// Returns the length of a character literal, which is told from a lifetime by its closing quote.
fn char_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let length = if inner.starts_with('\\') {
        2 + inner.get(2..)?.find('\'')?
    } else {
        inner.chars().next()?.len_utf8()
    };
    inner.get(length..)?.starts_with('\'').then_some(length + 2)
}

#[test]
fn comments_and_texts_are_blanked_and_lines_stay() {
    let text = "let a = \"x // {\"; // }\nlet b = r#\"\"{\"#; /* a /* { */ \n */ let c = '{';\n\
                let d = b\"\\\"{\"; let e: &'static str = '\\'' ; f(\"}\")";
    let (code, strings) = blanked(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(!code.contains(['{', '}']), "{code}");
    assert!(code.contains("&'static str"), "{code}");
    let strings: Vec<_> = strings
        .iter()
        .map(|(line, text)| (*line, text.as_str()))
        .collect();
    assert_eq!(strings, [(1, "x // {"), (2, "\"{"), (4, "\\\"{"), (4, "}")]);
}

#[test]
fn what_follows_the_unit_tests_head_is_no_production_code() {
    let tree = Tree::of(&[(
        "engine/src/x.rs",
        "#[cfg(test)]\nmod tests;\nfn a() {}\n#[cfg(test)]\nmod inline {\n fn b() {}\n}",
    )]);
    let file = tree.file("engine/src/x.rs").expect("the file");
    let code: String = file.production().map(|(_, line)| line).collect();
    assert!(code.contains("fn a") && !code.contains("fn b"), "{code}");
}
