//! What is written beside the code and must agree with it: papers, migrations, manifests.

use std::collections::{BTreeMap, BTreeSet};

use super::Rule;
use super::source::{File, Tree};

pub const RULES: &[Rule] = &[
    Rule {
        name: "every error code has its heading in RUNBOOK.md, and every heading its code",
        check: error_codes_are_explained,
        broken: &[
            ("engine/src/a.rs", "const A: &str = \"RG-STORE-002\";"),
            ("RUNBOOK.md", "## RG-STORE-001\n## RG-STORE-009"),
            ("RUNBOOK.md", "RG-STORE-001 is only mentioned"),
            ("RUNBOOK.md", "## RG-STORE-001\n### RG-STORE-001: again"),
            ("engine/src/a.rs", "const A: &str = \"RG-store-1\";"),
        ],
        kept: &[
            (
                "engine/src/b.rs",
                "const A: &str = \"RG-STORE-001\"; // RG-STORE-077",
            ),
            (
                "engine/src/tests.rs",
                "const A: &str = \"RG-STORE-078 a.b\";",
            ),
            (
                "RUNBOOK.md",
                "# Runbook\n## RG-STORE-001: the disk is full\nLike RG-STORE-003.",
            ),
        ],
    },
    Rule {
        name: "every row of SECURITY.md names tests that exist",
        check: security_rows_name_tests,
        broken: &[
            (
                "SECURITY.md",
                "| row | test |\n|---|---|\n| a | `nobody_wrote_it` |",
            ),
            ("SECURITY.md", "| row | test |\n|---|---|\n| a | soon |"),
            ("SECURITY.md", "no table"),
            (
                "SECURITY.md",
                "| row | test |\n|---|---|\n| a | `a_helper` |",
            ),
            (
                "SECURITY.md",
                "| row | test |\n|---|---|\n| a | `store_suite` |",
            ),
        ],
        kept: &[
            (
                "SECURITY.md",
                "| x | y |\n|---|---|\n| `z` | z |\n\n| row | test |\n|---|---|\n\
                            | `a` | `a_test`, `an_async_test`, `a_case`, `another_case` |\n\n\
                            more | text",
            ),
            (
                "tests/it/store/c.rs",
                "store_suite!(\n    a_case,\n    another_case,\n);\nasync fn a_case(d: D) {}",
            ),
            (
                "engine/src/b.rs",
                "#[test]\nfn a_test() {}\nfn a_helper() {}\n\
                                 #[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn an_async_test() {}",
            ),
        ],
    },
    Rule {
        name: "README.md begins with two commands of one line each",
        check: readme_begins_with_two_commands,
        broken: &[
            ("README.md", "```sh\na\n```\n"),
            ("README.md", "```sh\na\nb\n```\n```sh\nc\n```\n"),
            ("README.md", "```sh\n\n```\n```sh\nc\n```\n"),
        ],
        kept: &[(
            "README.md",
            "text\n```sh\na\n```\nmore\n```\nb\n```\n```\nc\nd\n```\n",
        )],
    },
    Rule {
        name: "both databases have the same migrations, numbered without a gap",
        check: migrations_are_twins,
        broken: &[
            ("migrations/sqlite/0002_more.sql", "A"),
            ("migrations/postgres/0002_more.sql", "A"),
        ],
        kept: &[
            ("migrations/sqlite/0001_start.sql", "A"),
            ("migrations/postgres/0001_start.sql", "B"),
        ],
    },
    Rule {
        name: "migrations are numbered from one, each number once",
        check: migrations_are_numbered,
        broken: &[
            ("migrations/sqlite/0003_more.sql", "A"),
            ("migrations/sqlite/0001_again.sql", "A"),
        ],
        kept: &[("migrations/sqlite/0001_start.sql", "A")],
    },
    Rule {
        name: "every library of the workspace is used",
        check: libraries_are_used,
        broken: &[
            (
                "Cargo.toml",
                "[workspace.dependencies]\nserde = \"1\"\ncsv = \"1\"\n",
            ),
            (
                "engine/Cargo.toml",
                "[dependencies]\nother.workspace = true\n",
            ),
            ("engine/src/b.rs", "fn a() {}"),
        ],
        kept: &[
            (
                "Cargo.toml",
                "[workspace]\nresolver = \"3\"\n\n[workspace.dependencies]\nactors = { path = \"actors\" }\nserde = \"1\"\n\
                            \n[profile.dev]\ndebug = false",
            ),
            (
                "engine/Cargo.toml",
                "[dependencies]\nserde = { workspace = true, optional = true }\n",
            ),
            ("engine/src/b.rs", "#[derive(serde::Serialize)]\nstruct A;"),
        ],
    },
];

fn error_codes_are_explained(tree: &Tree) -> Vec<String> {
    let mut codes: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for file in tree.sources("").filter(|file| !file.is_test()) {
        for (_, text) in file
            .strings
            .iter()
            .filter(|(_, text)| text.starts_with("RG-"))
        {
            codes.insert(text, &file.path);
            if !is_error_code(text) {
                found.push(format!("{}: {text} is no code like RG-PART-001", file.path));
            }
        }
    }
    let headings = tree.text("RUNBOOK.md").lines().filter_map(heading_code);
    let mut explained = BTreeSet::new();
    for code in headings {
        if !explained.insert(code) {
            found.push(format!("RUNBOOK.md: {code} has two headings"));
        }
        if !codes.contains_key(code) {
            found.push(format!("RUNBOOK.md: nothing reports {code}"));
        }
    }
    let unexplained = codes.iter().filter(|(code, _)| is_error_code(code));
    let unexplained = unexplained.filter(|(code, _)| !explained.contains(*code));
    found.extend(unexplained.map(|(code, path)| format!("{path}: RUNBOOK.md lacks {code}")));
    found
}

fn is_error_code(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), ["RG", part, number]
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the code that a heading explains.
fn heading_code(line: &str) -> Option<&str> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim_start();
    let code = title.split([' ', ':']).next()?;
    code.starts_with("RG-").then_some(code)
}

fn security_rows_name_tests(tree: &Tree) -> Vec<String> {
    let mut tests: BTreeSet<&str> = tree.sources("").flat_map(test_names).collect();
    tests.extend(tree.sources("tests/").flat_map(suite_names));
    let mut found = Vec::new();
    let mut rows = 0;
    let mut lines = tree.text("SECURITY.md").lines();
    if !lines.any(|line| line.starts_with('|') && line.ends_with("| test |")) {
        return vec!["SECURITY.md: no table with a last column `test`".to_owned()];
    }
    for row in lines.skip(1).take_while(|line| line.starts_with('|')) {
        rows += 1;
        let cell = row
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap_or_default();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            found.push(format!("SECURITY.md: no test in {row}"));
        }
        let missing = names.iter().filter(|name| !tests.contains(*name));
        found.extend(missing.map(|name| format!("SECURITY.md: {name} is no test")));
    }
    if rows == 0 {
        found.push("SECURITY.md: the table has no rows".to_owned());
    }
    found
}

/// Returns the names of the functions that the test runner calls.
fn test_names(file: &File) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    file.code.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[") {
            let attribute = line.split(['(', ']']).next().unwrap_or_default();
            is_test |= attribute.ends_with("[test") || attribute.ends_with("::test");
            return None;
        }
        let signature = line.split("fn ").nth(1)?;
        let name = signature.split('(').next().filter(|_| is_test);
        is_test = false;
        name
    })
}

/// Returns the names of the cases that `store_suite!` makes tests of.
fn suite_names(file: &File) -> impl Iterator<Item = &str> {
    let suites = file.code.split("store_suite!(").skip(1);
    let cases = suites.filter_map(|suite| suite.split(')').next());
    let names = cases.flat_map(|cases| cases.split(','));
    names.map(str::trim).filter(|name| !name.is_empty())
}

fn readme_begins_with_two_commands(tree: &Tree) -> Vec<String> {
    let Some(readme) = tree.file("README.md") else {
        return vec!["README.md is missing".to_owned()];
    };
    let blocks: Vec<&str> = readme
        .text
        .split("```")
        .skip(1)
        .step_by(2)
        .take(2)
        .collect();
    let is_command = |block: &&str| {
        let (_, body) = block.split_once('\n').unwrap_or_default();
        body.lines().count() == 1 && !body.trim().is_empty()
    };
    match blocks.iter().filter(|block| is_command(block)).count() {
        2 => Vec::new(),
        found => vec![format!(
            "README.md: {found} of its first two blocks are one command"
        )],
    }
}

fn migrations(tree: &Tree, kind: &str) -> Vec<String> {
    let folder = format!("migrations/{kind}/");
    let names = tree
        .files()
        .filter_map(|file| file.path.strip_prefix(&folder));
    names.map(str::to_owned).collect()
}

fn migrations_are_twins(tree: &Tree) -> Vec<String> {
    let kinds = ["sqlite", "postgres"].map(|kind| migrations(tree, kind));
    let [sqlite, postgres] = &kinds;
    let alone = |these: &[String], those: &[String], kind: &str| -> Vec<String> {
        let alone = these.iter().filter(|name| !those.contains(name));
        alone
            .map(|name| format!("migrations/{kind}/{name} has no twin"))
            .collect()
    };
    let mut found = alone(sqlite, postgres, "sqlite");
    found.extend(alone(postgres, sqlite, "postgres"));
    found
}

fn migrations_are_numbered(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["sqlite", "postgres"] {
        for (index, name) in migrations(tree, kind).iter().enumerate() {
            if !name.starts_with(&format!("{:04}_", index + 1)) {
                found.push(format!(
                    "migrations/{kind}/{name} is not number {}",
                    index + 1
                ));
            }
        }
    }
    found
}

fn libraries_are_used(tree: &Tree) -> Vec<String> {
    let manifests: Vec<&File> = tree
        .files()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .collect();
    let mut found = Vec::new();
    for name in workspace_libraries(tree) {
        let is_named = |file: &File| {
            let mut lines = file.text.lines();
            lines.any(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            })
        };
        let path = format!("{}::", name.replace('-', "_"));
        let is_mentioned = |file: &&File| {
            let folder = file.path.trim_end_matches("Cargo.toml");
            tree.sources(folder)
                .any(|source| mentions_path(&source.code, &path))
        };
        match manifests
            .iter()
            .copied()
            .filter(|file| is_named(file))
            .find(is_mentioned)
        {
            Some(_) => {}
            None => found.push(format!("Cargo.toml: no crate that has {name} uses it")),
        }
    }
    found
}

/// Tells whether a path stands in the code that begins with a crate and not with a module of ours.
fn mentions_path(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'))
    })
}

fn workspace_libraries(tree: &Tree) -> impl Iterator<Item = &str> {
    let lines = tree.text("Cargo.toml").lines();
    let section = lines
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    let section = section.take_while(|line| !line.starts_with('['));
    let ours = |rest: &str| rest.starts_with("{ path =");
    section
        .filter_map(|line| line.split_once(" = "))
        .filter(move |(_, rest)| !ours(rest))
        .map(|(name, _)| name)
}
