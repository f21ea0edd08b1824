//! A5: doors write facts; what follows from facts is written by the owner.

use super::Rule;
use super::house::mentions;
use super::source::Tree;

pub const RULES: &[Rule] = &[
    Rule {
        name: "A5 doors write facts only",
        check: doors_write_facts_only,
        broken: &[
            (
                "engine/src/http/a.rs",
                "use actors::machine::change::Change;",
            ),
            ("engine/src/bus/a.rs", "fn a() { journal.commit(x) }"),
            ("engine/src/doors.rs", "fn a() { b(Change::Claimed) }"),
            (
                "engine/src/store/doors/a.rs",
                "fn a() { b(Change::Claimed) }",
            ),
        ],
        kept: &[(
            "engine/src/store/b.rs",
            "use actors::machine::change::Change;",
        )],
    },
    Rule {
        name: "A5 the statements of doors write what doors may",
        check: statements_of_doors,
        broken: &[
            (
                "engine/src/store/doors/a.rs",
                "const A: &str = \"INSERT INTO attempts (a) SELECT 1\";",
            ),
            (
                "engine/src/store/doors/a.rs",
                "const A: &str = \"UPDATE inbox SET dead_reason = 'a'\";",
            ),
            (
                "engine/src/store/doors/a.rs",
                "const A: &str = \"DELETE FROM enrollments\";",
            ),
            (
                "engine/src/store/doors/a.rs",
                "const A: &str = \"UPDATE enrollments SET state = 'finished'\";",
            ),
            (
                "engine/src/store/doors/a.rs",
                "const A: &str = \"UPDATE enrollments SET barred = 1, next_at = max(1, 2) WHERE a\";",
            ),
            (
                "engine/src/store/doors/a.rs",
                "const A: &str = \"WITH a AS (SELECT 1) INSERT INTO decisions SELECT 1\";",
            ),
        ],
        kept: &[
            (
                "engine/src/store/doors/b.rs",
                "const A: &str = \"UPDATE enrollments SET state = 'stopped', stopped_by = r.seq\";",
            ),
            (
                "engine/src/store/doors/b.rs",
                "const A: &str = \"SELECT a FROM enrollments FOR UPDATE\";",
            ),
            (
                "engine/src/store/doors/b.rs",
                "const A: &str = \"INSERT INTO inbox (a) SELECT 1 ON CONFLICT (a) DO UPDATE SET a = 1\";",
            ),
            (
                "engine/src/store/commit/b.rs",
                "const A: &str = \"INSERT INTO attempts (a) SELECT 1\";",
            ),
        ],
    },
];

/// What a door's statement may write: a verb with its table, and of an update the columns.
///
/// Facts are rows of the inbox. Beside them stand what absorbs them (statuses, opt-outs, and of
/// enrollments the stop and the barred channels, where claims meet them), settings, and imports.
const MAY_WRITE: &[(&str, &[&str])] = &[
    ("INSERT INTO inbox", &[]),
    // A fact that changes nothing needs no owner; a parked one finds its subject.
    ("UPDATE inbox", &["applied_at", "parked", "body"]),
    (
        "UPDATE boletos",
        &[
            "status",
            "status_at",
            "amount_centavos",
            "due_on",
            "digitable_line",
            "pix_code",
            "changed_at",
        ],
    ),
    // `created_at` to itself: a lock.
    (
        "UPDATE contacts",
        &[
            "opted_out_at",
            "replied_at",
            "promised_at",
            "confirmed_at",
            "created_at",
            "name",
            "phone",
            "phone_canonical",
            "email",
            "email_canonical",
            "zones",
            "version",
        ],
    ),
    ("INSERT INTO suppressions", &[]),
    ("DELETE FROM suppressions", &[]),
    (
        "UPDATE enrollments",
        &["state", "stopped_by", "stop_reason", "barred"],
    ),
    ("UPDATE feeds", &["heard_at", "silence_max_ms"]),
    ("INSERT INTO imports", &[]),
    ("UPDATE imports", &["outcome", "first_id", "last_id"]),
    ("INSERT INTO import_jobs", &[]),
    (
        "UPDATE import_jobs",
        &[
            "state",
            "broke_off",
            "lines",
            "accepted",
            "unchanged",
            "refused",
            "changed_at",
        ],
    ),
    ("INSERT INTO import_refusals", &[]),
    ("INSERT INTO contacts", &[]),
    ("INSERT INTO boletos", &[]),
    ("INSERT INTO tenants", &[]),
    (
        "UPDATE tenants",
        &[
            "status",
            "held",
            "channels_paused",
            "shard",
            "name",
            "document",
            "address",
            "rules",
            "rules_version",
            "calendar",
            "charges",
            "retry",
        ],
    ),
    ("UPDATE engine_switch", &["held", "turn"]),
    ("INSERT INTO campaigns", &[]),
    (
        "UPDATE campaigns",
        &["status", "version", "name", "cadence"],
    ),
    ("INSERT INTO campaign_versions", &[]),
    // What a launch must confirm.
    ("INSERT INTO estimates", &[]),
    ("DELETE FROM estimates", &[]),
    ("INSERT INTO templates", &[]),
    ("INSERT INTO senders", &[]),
    ("INSERT INTO feeds", &[]),
    ("INSERT INTO credits", &[]),
    ("INSERT INTO import_gates", &[]),
    ("INSERT INTO audit", &[]),
];

fn doors_write_facts_only(tree: &Tree) -> Vec<String> {
    let doors = [
        "engine/src/http",
        "engine/src/console",
        "engine/src/bus",
        "engine/src/doors",
        "engine/src/imports",
        "engine/src/store/doors",
    ];
    let files = doors.iter().flat_map(|door| tree.sources(door));
    mentions(files, &["machine::change", "Change::", "journal.commit("])
}

fn statements_of_doors(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree
        .sources("engine/src/store/doors/")
        .filter(|file| !file.is_test())
    {
        for (line, text) in &file.strings {
            let writes = writes(text).into_iter();
            let wrong = writes.filter(|(write, columns)| !may(write, columns));
            found.extend(wrong.map(|(write, columns)| {
                format!("{}:{line} {write} ({})", file.path, columns.join(", "))
            }));
        }
    }
    found
}

fn may(write: &str, columns: &[String]) -> bool {
    let allowed = MAY_WRITE.iter().find(|(allowed, _)| *allowed == write);
    // An end of an enrollment that a door writes is a stop.
    let is_known = |column: &String| match column.split_once(" = ") {
        Some(("state", value)) if write == "UPDATE enrollments" => value == "'stopped'",
        Some((name, _)) => allowed.is_some_and(|(_, names)| names.contains(&name)),
        None => false,
    };
    allowed.is_some() && columns.iter().all(is_known)
}

/// Returns what a text writes: verb and table, and of an update `column = value`, one each.
fn writes(text: &str) -> Vec<(String, Vec<String>)> {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for verb in ["INSERT INTO ", "UPDATE ", "DELETE FROM "] {
        for (at, _) in plain.match_indices(verb) {
            let rest = &plain[at + verb.len()..];
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (table, rest) = rest.split_at(end);
            // `ON CONFLICT … DO UPDATE SET` and `FOR UPDATE OF` name no table of their own.
            if !table.is_empty() && !plain[..at].ends_with("FOR ") {
                let columns = rest.strip_prefix(" SET ").map(assignments);
                found.push((format!("{verb}{table}"), columns.unwrap_or_default()));
            }
        }
    }
    found
}

/// Splits the assignments of an update, up to its `FROM` or `WHERE`.
fn assignments(text: &str) -> Vec<String> {
    let (mut depth, mut assignments) = (0_i32, vec![String::new()]);
    for word in text.split_inclusive(' ') {
        if depth == 0 && matches!(word.trim(), "FROM" | "WHERE" | "RETURNING") {
            break;
        }
        for c in word.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            match assignments.last_mut() {
                Some(last) if c != ',' || depth > 0 => last.push(c),
                _ => assignments.push(String::new()),
            }
        }
    }
    assignments
        .iter()
        .map(|assignment| assignment.trim().to_owned())
        .collect()
}
