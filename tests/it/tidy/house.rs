//! The architecture: which part may know what (A1 to A7).

use super::Rule;
use super::source::{File, Tree};

pub const RULES: &[Rule] = &[
    Rule {
        name: "A1 the domain is pure",
        check: domain_is_pure,
        broken: &[
            ("schedules/src/a.rs", "fn a() { SystemTime::now(); }"),
            ("schedules/src/a.rs", "use std::fs;"),
            ("schedules/src/a.rs", "fn a() { std::env::var_os(x); }"),
            ("schedules/src/a.rs", "fn a() { rand::random() }"),
            (
                "schedules/Cargo.toml",
                "[dependencies]\ntokio.workspace = true",
            ),
        ],
        kept: &[
            (
                "schedules/src/b.rs",
                "// std::fs is not for us\n#[cfg(test)]\nmod t { use std::fs; }",
            ),
            ("schedules/src/tests/b.rs", "use std::fs;"),
            (
                "schedules/Cargo.toml",
                "[dependencies]\nchrono.workspace = true",
            ),
        ],
    },
    Rule {
        name: "A2 actors know the world through their ports",
        check: actors_know_ports_only,
        broken: &[
            ("actors/src/a.rs", "use sqlx::Row;"),
            (
                "actors/src/a.rs",
                "fn a() { std::net::TcpStream::connect(x); }",
            ),
            ("actors/Cargo.toml", "[dependencies]\nlapin = \"4\""),
            (
                "actors/Cargo.toml",
                "[dev-dependencies]\nengine.workspace = true",
            ),
        ],
        kept: &[("actors/src/b.rs", "use actix::Actor; // not sqlx")],
    },
    Rule {
        name: "A3 the machine is a value",
        check: machine_is_a_value,
        broken: &[
            ("actors/src/machine/a.rs", "use actix::Addr;"),
            ("actors/src/machine/a.rs", "use std::collections::HashMap;"),
            ("actors/src/machine/a.rs", "async fn a() {}"),
            ("actors/src/machine/a.rs", "use crate::clock::Clock;"),
        ],
        kept: &[
            ("actors/src/machine/b.rs", "use std::collections::BTreeMap;"),
            ("actors/src/c.rs", "use actix::Addr;"),
        ],
    },
    Rule {
        name: "A4 drivers and SQL stay in their rooms",
        check: drivers_stay_in_their_rooms,
        broken: &[
            ("engine/src/http/a.rs", "use sqlx::Row;"),
            ("engine/src/store/a.rs", "use lapin::Channel;"),
            ("engine/src/http/a.rs", "fn a() { hyper::client::conn(x) }"),
            (
                "engine/src/bus/a.rs",
                "const A: &str = \"SELECT a\\n FROM b\";",
            ),
            (
                "engine/src/demo/a.rs",
                "const A: &str = r#\"\nUPDATE a SET b = 1\"#;",
            ),
        ],
        kept: &[
            (
                "engine/src/store/b.rs",
                "use sqlx::Row; const A: &str = \"DELETE FROM a\";",
            ),
            (
                "engine/src/bus/b.rs",
                "use lapin::Channel; const A: &str = \"Updates come here\";",
            ),
            (
                "engine/src/providers/b.rs",
                "use lettre::Message; use hyper::Request;",
            ),
            ("engine/src/client.rs", "use reqwest::Client;"),
        ],
    },
    Rule {
        name: "A6 one place commits, under its fence, and one hands over",
        check: commit_and_hand_over_in_one_place,
        broken: &[
            ("actors/src/a.rs", "fn a() { self.journal.commit(x); }"),
            ("actors/src/tenant/a.rs", "fn a() { gateway.hand_over(x); }"),
            (
                "actors/src/ports.rs",
                "pub struct Commit {\n    pub tenant: TenantId,\n}",
            ),
        ],
        kept: &[
            (
                "actors/src/tenant/b.rs",
                "fn a() { self.journal.commit(x); }",
            ),
            (
                "actors/src/dispatch/b.rs",
                "fn a() { gateway.hand_over(x); }",
            ),
            (
                "actors/src/ports.rs",
                "pub struct Commit {\n    pub fence: Fence,\n}",
            ),
        ],
    },
    Rule {
        name: "A7 no global mutable state",
        check: no_global_state,
        broken: &[
            ("engine/src/a.rs", "static mut A: u8 = 0;"),
            (
                "engine/src/a.rs",
                "pub static A: OnceLock<u8> = OnceLock::new();",
            ),
            (
                "engine/src/a.rs",
                "static A:\n    Mutex<u8> = Mutex::new(0);",
            ),
            ("actors/src/a.rs", "thread_local! { }"),
            (
                "actors/src/a.rs",
                "static A: AtomicU64 = AtomicU64::new(0);",
            ),
        ],
        kept: &[(
            "engine/src/b.rs",
            "struct A<'a> { b: &'static OnceLock<u8> }\nstatic C: [u8; 1] = [0];",
        )],
    },
    Rule {
        name: "crates depend in one direction",
        check: crates_depend_in_one_direction,
        broken: &[
            (
                "schedules/Cargo.toml",
                "[dependencies]\nactors.workspace = true",
            ),
            (
                "actors/Cargo.toml",
                "[dependencies]\nengine = { path = \"../engine\" }",
            ),
            (
                "engine/Cargo.toml",
                "[dependencies]\ntests.workspace = true",
            ),
            ("schedules/src/a.rs", "use engine::config;"),
            ("actors/src/a.rs", "fn a() { engine::cli::run() }"),
        ],
        kept: &[
            (
                "actors/Cargo.toml",
                "[dependencies]\nschedules.workspace = true",
            ),
            ("engine/src/b.rs", "use actors::clock; use schedules::time;"),
        ],
    },
    Rule {
        name: "clocks are read in one place",
        check: clocks_are_read_in_one_place,
        broken: &[
            ("engine/src/a.rs", "fn a() { Instant::now() }"),
            ("actors/src/a.rs", "fn a() { chrono::Utc::now() }"),
            ("engine/src/a.rs", "fn a() { chrono::Local :: now() }"),
        ],
        kept: &[
            ("actors/src/clock.rs", "fn a() { SystemTime::now() }"),
            ("engine/src/bench/b.rs", "fn a() { Instant::now() }"),
        ],
    },
];

/// The files that read a clock: the clocks themselves, and the stop-watch of the benchmarks.
const CLOCK_PLACES: &[&str] = &["actors/src/clock.rs", "engine/src/bench/"];

fn domain_is_pure(tree: &Tree) -> Vec<String> {
    let words = [
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "Local::now",
        "std::env",
        "std::fs",
        "std::net",
        "std::io",
        "std::thread",
        "std::process",
        "rand::",
        "getrandom",
        "async fn",
        "tokio::",
    ];
    let crates = ["tokio", "rand", "getrandom", "sqlx", "reqwest", "actix"];
    let mut found = mentions(tree.sources("schedules/src/"), &words);
    found.extend(dependencies(tree, "schedules/Cargo.toml", &crates));
    found
}

fn actors_know_ports_only(tree: &Tree) -> Vec<String> {
    let words = [
        "sqlx::",
        "lapin::",
        "reqwest::",
        "lettre::",
        "actix_web::",
        "std::net",
        "std::fs",
    ];
    let crates = ["sqlx", "lapin", "reqwest", "lettre", "actix-web", "engine"];
    let mut found = mentions(tree.sources("actors/src/"), &words);
    found.extend(dependencies(tree, "actors/Cargo.toml", &crates));
    found
}

fn machine_is_a_value(tree: &Tree) -> Vec<String> {
    let words = [
        "actix",
        "tokio",
        "async fn",
        ".await",
        "HashMap",
        "HashSet",
        "crate::clock",
        "SystemTime",
        "Instant::now",
        "std::env",
        "rand::",
    ];
    mentions(tree.sources("actors/src/machine/"), &words)
}

fn drivers_stay_in_their_rooms(tree: &Tree) -> Vec<String> {
    let outside = |room: &'static str| {
        tree.sources("engine/src/")
            .filter(move |file| !file.path.starts_with(room))
    };
    let mut found = mentions(outside("engine/src/store/"), &["sqlx::"]);
    found.extend(mentions(outside("engine/src/bus/"), &["lapin::"]));
    // Commands call an engine's API by its client: another process than the one that sends.
    let reaches =
        outside("engine/src/providers/").filter(|file| file.path != "engine/src/client.rs");
    found.extend(mentions(reaches, &["hyper::", "reqwest::", "lettre::"]));
    for file in outside("engine/src/store/").filter(|file| !file.is_test()) {
        let statements = file.strings.iter().filter(|(_, text)| is_sql(text));
        found.extend(statements.map(|(line, _)| format!("{}:{line} SQL", file.path)));
    }
    found
}

/// Tells whether a text begins like a statement; in prose only the first letter is a capital.
fn is_sql(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
    [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "WITH ",
    ]
    .iter()
    .any(|verb| text.starts_with(verb))
}

fn commit_and_hand_over_in_one_place(tree: &Tree) -> Vec<String> {
    // The simulation drives the same machine over a journal of its own.
    let outside = |room: &'static str| {
        let places = [room, "actors/src/sim"];
        tree.sources("actors/src/")
            .filter(move |file| !places.iter().any(|place| file.path.starts_with(place)))
    };
    let mut found = mentions(outside("actors/src/tenant"), &["journal.commit("]);
    found.extend(mentions(
        outside("actors/src/dispatch"),
        &["gateway.hand_over("],
    ));
    let ports = tree.text("actors/src/ports.rs");
    let commit = ports
        .split_once("pub struct Commit {")
        .and_then(|(_, rest)| rest.split_once('}'));
    if commit.is_none_or(|(fields, _)| !fields.contains("fence: Fence")) {
        found.push("actors/src/ports.rs: a commit without its fence".to_owned());
    }
    found
}

fn no_global_state(tree: &Tree) -> Vec<String> {
    let rooms = ["schedules/src/", "actors/src/", "engine/src/"];
    let files = || {
        rooms
            .iter()
            .flat_map(|room| tree.sources(room))
            .filter(|file| !file.is_test())
    };
    let mut found = mentions(files(), &["static mut ", "lazy_static!", "thread_local!"]);
    let cells = [
        "Mutex<",
        "RwLock<",
        "OnceLock<",
        "LazyLock<",
        "OnceCell<",
        "Cell<",
        "Atomic",
    ];
    for file in files() {
        let code: String = file
            .production()
            .flat_map(|(_, line)| [line, " "])
            .collect();
        for statement in code.split([';', '{', '}']) {
            let item = statement.trim_start().trim_start_matches("pub ");
            let kind = item.split('=').next().unwrap_or_default();
            if item.starts_with("static ") && cells.iter().any(|cell| kind.contains(cell)) {
                found.push(format!("{}: {kind}", file.path));
            }
        }
    }
    found
}

fn crates_depend_in_one_direction(tree: &Tree) -> Vec<String> {
    let above = [
        ("schedules", &["actors", "engine", "tests"][..]),
        ("actors", &["engine", "tests"]),
        ("engine", &["tests"]),
    ];
    let mut found = Vec::new();
    for (name, crates) in above {
        found.extend(dependencies(tree, &format!("{name}/Cargo.toml"), crates));
        // `tests::` is also what a module of unit tests is called.
        for upper in crates.iter().filter(|upper| **upper != "tests") {
            let folder = format!("{name}/src/");
            let path = [format!(" {upper}::"), format!("({upper}::")];
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            found.extend(mentions(tree.sources(&folder), &path));
        }
    }
    found
}

fn clocks_are_read_in_one_place(tree: &Tree) -> Vec<String> {
    let rooms = ["schedules/src/", "actors/src/", "engine/src/"];
    let files = rooms.iter().flat_map(|room| tree.sources(room));
    let files = files.filter(|file| {
        !CLOCK_PLACES
            .iter()
            .any(|place| file.path.starts_with(place))
    });
    mentions(
        files,
        &["SystemTime::now", "Instant::now", "Utc::now", "Local::now"],
    )
}

/// Returns where production code has one of the words.
pub fn mentions<'a>(files: impl Iterator<Item = &'a File>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.production() {
            // `Utc :: now` is the same path.
            let line = format!(" {}", line.replace(" ::", "::").replace(":: ", "::"));
            let word = words.iter().find(|word| line.contains(**word));
            found.extend(word.map(|word| format!("{}:{number} {word}", file.path)));
        }
    }
    found
}

/// Returns which of the crates a manifest names in any section of dependencies.
fn dependencies(tree: &Tree, manifest: &str, crates: &[&str]) -> Vec<String> {
    let mut is_dependencies = false;
    let mut found = Vec::new();
    for line in tree.text(manifest).lines() {
        if line.starts_with('[') {
            is_dependencies = line.ends_with("dependencies]");
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if is_dependencies && crates.contains(&name) {
            found.push(format!("{manifest}: {name}"));
        }
    }
    found
}
