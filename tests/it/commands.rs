//! Stories over the real binary: what an operator types, and what comes back, bad input included.

mod bench;
mod demo;
mod doctor;
mod import;
mod serve;
mod token;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binary::{self, Running};

/// A bank slip of São Paulo's second cycle: factor 1000 was 22 February 2025, and 3 July 2000.
const FACTOR_1000: &str = "34191101213456788005871234570001910000000012345";

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("utf-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("utf-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn answer(output: &Output) -> Value {
    let answer = serde_json::from_slice(&output.stdout);
    answer.unwrap_or_else(|error| panic!("no JSON object: {error}: {}", err(output)))
}

/// Runs a command on the database file `name` of a folder.
fn on_store(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let path = folder.join(name);
    let setting = format!("store.path={}", path.to_str().expect("utf-8"));
    let arguments = [arguments, &["--set", &setting]].concat();
    binary::run(&arguments)
}

fn demo_of(seed: &str, folder: &Path) -> Output {
    let folder = folder.to_str().expect("utf-8");
    binary::run(&["demo", "--seed", seed, "--data", folder, "--json"])
}

#[test]
fn a_boleto_is_told_with_exactly_the_promised_keys() {
    let line = "23793.38128 60007.827136 95000.063305 9 75520000370000";
    let words: Vec<&str> = line.split(' ').collect();
    let told = json!({
        "kind": "bank",
        "digitable_line": "23793381286000782713695000063305975520000370000",
        "barcode": "23799755200003700003381260007827139500006330",
        "bank": "237",
        "amount_centavos": 370_000,
        "due_on": "2018-06-11",
    });
    for text in [&words[..], &[line]] {
        let arguments = [&["boleto", "check", "--json", "--on", "2018-06-01"], text].concat();
        let output = binary::run(&arguments);
        assert_eq!((code(&output), answer(&output)), (0, told.clone()));
        assert_eq!(err(&output), "");
    }
}

#[test]
fn the_day_it_is_read_on_chooses_the_cycle_of_a_due_date() {
    let due_on = |on: &str| {
        let output = binary::run(&["boleto", "check", FACTOR_1000, "--on", on, "--json"]);
        assert_eq!(code(&output), 0, "{}", out(&output));
        answer(&output)["due_on"].clone()
    };
    assert_eq!(due_on("2000-07-01"), "2000-07-03");
    assert_eq!(due_on("2025-03-01"), "2025-02-22");
}

#[test]
fn what_is_no_boleto_ends_with_2_and_says_why_on_standard_output() {
    let megabyte = "9".repeat(100_000);
    for text in [
        "1e400",
        "",
        "34191.79001 01043.510047",
        "\u{1b}[31m",
        &megabyte,
    ] {
        let output = binary::run(&["boleto", "check", "--json", "--", text]);
        let told = answer(&output);
        assert_eq!(
            (code(&output), err(&output)),
            (2, String::new()),
            "{text:.20}"
        );
        let error = told["error"].as_str().expect("a name");
        assert!(!error.is_empty() && told["message"].is_string());
        assert!(out(&output).len() < 500);
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_told() {
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = binary::command(&["document", "check", "12.ABC.345/01DE-35", "--json"]);
    command.stdout(full.expect("a device that is always full"));
    let output = command.output().expect("the binary runs");
    assert_eq!(code(&output), 1);
    assert!(
        err(&output).starts_with("regua: No space left"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_measurement_takes_no_password_from_the_command_line() {
    let url = "postgres://regua:s3cret@127.0.0.1:1";
    for measured in ["cycle", "import", "api", "memory"] {
        let arguments = ["bench", measured, "--store", "postgres", "--url", url];
        let output = binary::run(&arguments);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""));
        assert!(
            err(&output).ends_with(" [RG-CONFIG-007]\n"),
            "{}",
            err(&output)
        );
        assert!(!err(&output).contains("s3cret"), "{}", err(&output));
    }
}

#[test]
fn decisions_and_estimates_are_measured_with_the_arguments_of_the_other_measurements() {
    let stores = ["sqlite", "postgres"].map(|store| ["--store", store]);
    for store in stores.iter().map(|store| &store[..]).chain([&[][..]]) {
        for what in [["decide", "--items"], ["whatif", "--contacts"]] {
            let arguments = [&["bench"], &what[..], &["50", "--json"], store].concat();
            let output = binary::run(&arguments);
            assert_eq!(code(&output), 0, "{}", err(&output));
            assert!(answer(&output).is_object());
        }
    }
}

#[test]
fn migrating_twice_is_migrating_once() {
    let folder = TempDir::new().expect("a folder");
    for _ in 0..2 {
        let output = on_store(folder.path(), "kept.db", &["migrate"]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert_eq!(out(&output), "schema is up to date\n");
    }
    assert!(folder.path().join("kept.db").is_file());
    assert!(!folder.path().join("regua.db").exists());
}

#[test]
fn all_that_is_wrong_with_the_settings_is_told_at_once() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("regua.toml");
    std::fs::write(&file, "[store]\npth = 'x'\n[nod]\narbiters = 1\n").expect("a file");
    let file = file.to_str().expect("utf-8");
    let wrong = ["--set", "node.lease_ms=-4", "--set", "log.colour=red"];
    let arguments = [&["config", "print", "--config", file], &wrong[..]].concat();
    let output = binary::run(&arguments);
    let told = err(&output);
    assert_eq!((code(&output), out(&output).as_str()), (1, ""));
    for problem in [
        "RG-CONFIG-003: store.pth",
        "RG-CONFIG-003: nod",
        "RG-CONFIG-003: log.colour",
        "RG-CONFIG-004: node.lease_ms",
    ] {
        assert!(told.contains(problem), "{problem}: {told}");
    }
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn a_demo_folder_can_be_asked_why() {
    let folder = TempDir::new().expect("a folder");
    let first = demo_of("11", folder.path());
    assert_eq!(code(&first), 0, "{}", err(&first));
    let why =
        |arguments: &[&str]| on_store(folder.path(), "regua.db", &[&["why"], arguments].concat());
    let by_id = why(&["bol_1"]);
    assert_eq!(code(&by_id), 0, "{}", err(&by_id));
    let story = out(&by_id);
    assert!(story.starts_with("Boleto AUR-0000 (bol_1), R$ "), "{story}");
    assert!(story.lines().count() > 1, "{story}");
    assert_eq!(out(&why(&["AUR-0000"])), story);
    for arguments in [
        &["bol_99999"][..],
        &["no such"],
        &["bol_1", "--tenant", "ten_99"],
    ] {
        let absent = why(arguments);
        assert_eq!((code(&absent), out(&absent).as_str()), (1, ""));
        assert!(err(&absent).contains("RG-STORE-011"), "{}", err(&absent));
    }
    asked_again(folder.path(), &answer(&first)["events"]);
}

/// A demo that is over says the same again, and its folder is nobody else's.
fn asked_again(folder: &Path, events: &serde_json::Value) {
    let again = demo_of("11", folder);
    assert_eq!(code(&again), 0, "{}", err(&again));
    assert_eq!(answer(&again)["events"], *events);
    let other = demo_of("12", folder);
    assert_eq!((code(&other), out(&other).as_str()), (1, ""));
    assert_eq!(
        err(&other),
        "regua: data folder holds a demo of another seed [RG-DEMO-002]\n"
    );
}

#[test]
fn asking_why_makes_no_database() {
    let folder = TempDir::new().expect("a folder");
    let output = on_store(&folder.path().join("none"), "regua.db", &["why", "bol_1"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("RG-STORE-016"), "{}", err(&output));
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_second_process_on_a_data_folder_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("utf-8");
    let arguments = ["demo", "--seed", "13", "--data", path];
    let mut first = Running::start(&arguments, &folder.path().join("log"));
    let notebook = folder.path().join("notebook.jsonl");
    assert!(binary::observe(20_000, || notebook.exists()));
    for second in [
        demo_of("13", folder.path()),
        on_store(folder.path(), "regua.db", &["migrate"]),
    ] {
        assert_eq!((code(&second), out(&second).as_str()), (1, ""));
        assert!(err(&second).contains("RG-STORE-006"), "{}", err(&second));
    }
    assert!(
        !first.has_ended(),
        "the first one was over too early to tell"
    );
}

#[test]
fn a_damaged_database_is_named_and_left_as_it_is() {
    let whole = TempDir::new().expect("a folder");
    assert_eq!(code(&on_store(whole.path(), "regua.db", &["migrate"])), 0);
    let whole = std::fs::read(whole.path().join("regua.db")).expect("a database");
    let mut scratched = whole.clone();
    scratched[4_096..].fill(0x5a);
    let cut = &whole[..5_000];
    for (what, bytes) in [
        ("noise", &[0xa5; 20_000][..]),
        ("scratched", &scratched),
        ("cut", cut),
    ] {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("regua.db");
        std::fs::write(&file, bytes).expect("a file");
        for command in [&["migrate"][..], &["why", "bol_1"], &["serve"]] {
            let output = on_store(folder.path(), "regua.db", command);
            assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{what}");
            assert!(
                err(&output).contains("RG-STORE-004"),
                "{what}: {}",
                err(&output)
            );
        }
        assert!(std::fs::read(&file).expect("a file") == bytes, "{what}");
    }
}

#[test]
fn a_disk_without_room_is_named_when_a_store_is_made() {
    // The shell limits the size of every file, and ignores the signal that would end the process.
    let limited = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    for blocks in ["0", "16", "100", "300"] {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("regua.db");
        let output = Command::new("sh")
            .args(["-c", limited, blocks])
            .arg(binary::regua())
            .args(["migrate", "--set"])
            .arg(format!("store.path={}", path.display()))
            .output()
            .expect("a shell");
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{blocks}");
        let told = err(&output);
        assert!(told.ends_with(" [RG-STORE-003]\n"), "{blocks}: {told}");
        assert!(!folder.path().join("regua.room").exists());
    }
}

#[test]
fn the_same_seed_gives_the_same_demo() {
    let fixed = |report: &Value| {
        let tenants = report["tenants"].as_array().expect("tenants").iter();
        let tenants: Vec<Value> = tenants
            .map(|one| json!([one["name"], one["imported"], one["refused"]]))
            .collect();
        json!([tenants, report["events"]])
    };
    let run = |seed: &str| {
        let output = binary::run(&["demo", "--seed", seed, "--json"]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        fixed(&answer(&output))
    };
    let first = run("7");
    assert_eq!(first, run("7"));
    assert_ne!(first, run("8"));
}

#[test]
fn the_readmes_first_command_shows_the_demo() {
    let readme = std::fs::read_to_string(binary::project().join("README.md")).expect("a page");
    let block = readme.split("```sh\n").nth(1).expect("a block of commands");
    let command = block.split("\n```").next().expect("its end");
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[..4], ["cargo", "run", "--locked", "--"], "{command}");
    let output = binary::run(&words[4..]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let told = out(&output);
    assert!(
        told.contains("Invariantes, conferidas no próprio histórico:"),
        "{told}"
    );
    assert!(told.ends_with("Tudo certo.\n"), "{told}");
}
