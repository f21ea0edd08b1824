//! The shape of the code: lengths, words that nobody commits, waiting in tests.

use super::Rule;
use super::source::{File, Tree};

pub const RULES: &[Rule] = &[
    Rule {
        name: "files have 500 lines at the most",
        check: files_are_short,
        broken: &[("engine/src/a.rs", LONG_FILE)],
        kept: &[
            ("engine/src/b.rs", "fn a() {}\n"),
            ("RUNBOOK.md", LONG_FILE),
        ],
    },
    Rule {
        name: "functions have 70 lines at the most",
        check: functions_are_short,
        broken: &[
            ("engine/src/a.rs", LONG_FUNCTION),
            ("tests/it/a.rs", LONG_FUNCTION),
        ],
        kept: &[
            (
                "engine/src/b.rs",
                "trait A { fn a(&self) -> [u8; 2]; }\nfn b() where A: Fn() {\n}",
            ),
            (
                "engine/src/c.rs",
                "const A: fn() = b; // fn\nstruct C { d: fn(u8) -> u8 }",
            ),
        ],
    },
    Rule {
        name: "lines have 100 columns at the most, strings excepted",
        check: lines_are_short,
        broken: &[(
            "engine/src/a.rs",
            concat!(
                "// aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            ),
        )],
        kept: &[
            (
                "engine/src/b.rs",
                concat!(
                    "const A: &str = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\";"
                ),
            ),
            (
                "engine/src/c.rs",
                "// áááááááááááááááááááááááááááááááááááááááááááááááááááááááá: bytes",
            ),
        ],
    },
    Rule {
        name: "nothing unfinished, disabled or left from debugging",
        check: nothing_unfinished,
        broken: &[
            ("engine/src/a.rs", concat!("fn a() { to", "do!() }")),
            (
                "engine/src/a.rs",
                concat!("fn a() { unimple", "mented!(\"x\") }"),
            ),
            ("engine/src/a.rs", concat!("fn a() { d", "bg!(x) }")),
            ("tests/it/a.rs", concat!("#[ig", "nore]\nfn a() {}")),
            (
                "tests/it/a.rs",
                concat!("#[ig", "nore = \"slow\"]\nfn a() {}"),
            ),
            ("engine/src/a.rs", concat!("// FIX", "ME later")),
            ("RUNBOOK.md", concat!("X", "XX: write this")),
            ("engine/src/a.rs", concat!("// TO", "DO: write this")),
        ],
        kept: &[("engine/src/b.rs", "fn a() { ignored(); method.todos(); }")],
    },
    Rule {
        name: "tests await an observation instead of sleeping",
        check: tests_do_not_sleep,
        broken: &[
            ("tests/it/a.rs", "fn a() { std::thread::sleep(x); }"),
            (
                "engine/src/a.rs",
                "#[cfg(test)]\nmod tests { fn a() { tokio::time::sleep(x); } }",
            ),
            (
                "actors/src/tests.rs",
                "use std::thread;\nfn a() { thread::sleep(x); }",
            ),
        ],
        kept: &[("engine/src/b.rs", "fn a() { tokio::time::sleep(x); }")],
    },
    Rule {
        name: "nothing names the machine it was written on",
        check: no_private_paths,
        broken: &[
            ("README.md", concat!("see /wo", "rk/shared/x")),
            ("engine/src/a.rs", concat!("// /ro", "ot/.cargo")),
            ("tests/run", concat!("cd /ho", "me/me/x")),
            ("ARCHITECTURE.md", concat!("as ../sha", "red/x says")),
        ],
        kept: &[(
            "RUNBOOK.md",
            "the unit's working directory, /var/lib/regua, and /workers",
        )],
    },
];

const LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// 501 lines.
const LONG_FILE: &str = {
    const LINES: [u8; 1002] = {
        let mut bytes = [b'\n'; 1002];
        let mut at = 0;
        while at < bytes.len() {
            bytes[at] = b';';
            at += 2;
        }
        bytes
    };
    match std::str::from_utf8(&LINES) {
        Ok(text) => text,
        Err(_) => panic!("ascii"),
    }
};

/// A function of 71 lines.
const LONG_FUNCTION: &str = concat!(
    "fn long(\n) {\n",                                                      // 2
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", // 34
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", // 34
    "}"
);

fn all_sources(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.sources("")
}

fn files_are_short(tree: &Tree) -> Vec<String> {
    let long = all_sources(tree).filter(|file| file.text.lines().count() > LINES_MAX);
    long.map(|file| format!("{}: {} lines", file.path, file.text.lines().count()))
        .collect()
}

fn functions_are_short(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in all_sources(tree) {
        for (start, length) in functions(&file.code) {
            if length > FUNCTION_LINES_MAX {
                found.push(format!("{}:{start} {length} lines", file.path));
            }
        }
    }
    found
}

/// Returns the first line of each function with a body, and how many it has.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if let Some(length) = function_length(&code[at..]).filter(|_| is_word) {
            let lines = |text: &str| text.matches('\n').count() + 1;
            found.push((lines(&code[..at]), lines(&code[at..at + length])));
        }
    }
    found
}

/// Returns the length from `fn` to the brace that closes the body, if there is a body.
fn function_length(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0_i32, 0_i32);
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces <= 0 {
                    return (braces == 0).then_some(at + 1);
                }
            }
            b'(' | b'[' => others += 1,
            b')' | b']' => others -= 1,
            b';' if braces == 0 && others <= 0 => return None,
            _ => {}
        }
    }
    None
}

fn lines_are_short(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in all_sources(tree) {
        for (index, (line, code)) in file.text.lines().zip(file.code.lines()).enumerate() {
            let is_text = code.contains('"')
                || file.strings.iter().any(|(start, text)| {
                    (*start..=start + text.matches('\n').count()).contains(&(index + 1))
                });
            if line.chars().count() > COLUMNS_MAX && !is_text {
                found.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    found
}

fn nothing_unfinished(tree: &Tree) -> Vec<String> {
    let calls = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("d", "bg!("),
        concat!("#[ig", "nore]"),
        concat!("#[ig", "nore ="),
    ];
    let words = [
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("TO", "DO:"),
    ];
    let mut found = Vec::new();
    for file in tree.files() {
        for (number, (line, code)) in numbered(file) {
            let call = calls.iter().find(|call| code.contains(**call));
            let word = words.iter().find(|word| line.contains(**word));
            found.extend(
                call.or(word)
                    .map(|word| format!("{}:{number} {word}", file.path)),
            );
        }
    }
    found
}

fn tests_do_not_sleep(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in all_sources(tree) {
        let production = file.production().count();
        for (number, (_, code)) in numbered(file).skip(production) {
            if code.contains("thread::sleep(") || code.contains("time::sleep(") {
                found.push(format!("{}:{number}", file.path));
            }
        }
    }
    found
}

fn no_private_paths(tree: &Tree) -> Vec<String> {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("../sha", "red"),
        concat!("bash_", "jobs"),
        concat!(".lib", "rary/"),
    ];
    let mut found = Vec::new();
    for file in tree.files() {
        for (index, line) in file.text.lines().enumerate() {
            let path = paths.iter().find(|path| line.contains(**path));
            found.extend(path.map(|path| format!("{}:{} {path}", file.path, index + 1)));
        }
    }
    found
}

/// Returns the lines of a file with their code, which is empty outside Rust sources.
fn numbered(file: &File) -> impl Iterator<Item = (usize, (&str, &str))> {
    let code = file.code.lines().chain(std::iter::repeat(""));
    file.text
        .lines()
        .zip(code)
        .enumerate()
        .map(|(index, pair)| (index + 1, pair))
}
