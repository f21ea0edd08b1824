//! `regua serve` on a free port, for tests that talk to it.

use std::path::Path;

use serde_json::Value;

use crate::binary::{self, Running};

/// How long an observation may take, in looks of a millisecond.
const LOOKS_MAX: u64 = 10_000;

/// Starts an engine on a free port, and returns its address; it writes to `log` in its folder.
///
/// # Panics
/// When it does not come up.
pub fn start(folder: &Path) -> (Running, String) {
    start_with(folder, &[])
}

/// Starts an engine as [`start`] does, with more arguments.
///
/// # Panics
/// As [`start`].
pub fn start_with(folder: &Path, more: &[&str]) -> (Running, String) {
    start_in(folder, more, &[])
}

/// As [`start_with`], with variables of the environment.
///
/// # Panics
/// As [`start`].
pub fn start_in(folder: &Path, more: &[&str], environment: &[(&str, &str)]) -> (Running, String) {
    let setting = format!("store.path={}", folder.join("regua.db").display());
    serve(folder, &[&["--set", &setting], more].concat(), environment)
}

/// Starts an engine as [`start_with`] does, on a clustered database.
///
/// # Panics
/// As [`start`].
pub fn start_on_cluster(folder: &Path, url: &str, more: &[&str]) -> (Running, String) {
    let store = [("REGUA_STORE__KIND", "postgres"), ("REGUA_STORE__URL", url)];
    serve(folder, more, &store)
}

fn serve(folder: &Path, more: &[&str], environment: &[(&str, &str)]) -> (Running, String) {
    let log = folder.join("log");
    let arguments = ["serve", "--set", "serve.listen=127.0.0.1:0"];
    let arguments = [&arguments[..], &["--set", "log.format=json"], more].concat();
    let mut engine = Running::start_in(&arguments, environment, &log);
    let mut address = None;
    let up = binary::observe(LOOKS_MAX, || {
        address = listen(&log);
        address.is_some() || engine.has_ended()
    });
    let told = std::fs::read_to_string(&log).expect("a log");
    assert!(up, "{told}");
    (
        engine,
        address.unwrap_or_else(|| panic!("it ended: {told}")),
    )
}

/// Reads the address off the log.
fn listen(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut listen = lines.filter_map(|line| Some(line["listen"].as_str()?.to_owned()));
    listen.next()
}
