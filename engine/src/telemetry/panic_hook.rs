//! Panics as lines of the log: where, and what only if it stands so in the source.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};

/// Shown for a text that was put together at run time and may quote a person's data.
const WITHHELD: &str = "[withheld]";

/// Sends the panics of the process to its log, and nowhere else; to standard error where no log is
/// open.
pub fn log_panics() {
    panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |at| (at.file(), at.line()));
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("?");
    let said = literal_of(info.payload());
    if !tracing::dispatcher::has_been_set() {
        let what = format!("a thread panicked at {file}:{line}: {said} [RG-PANIC-001]");
        // A panic is no place for another error.
        let _ = writeln!(io::stderr(), "regua: {what}");
        return;
    }
    tracing::error!(
        code = "RG-PANIC-001",
        file,
        line,
        thread,
        said,
        "a thread panicked"
    );
}

/// Returns the text of a panic that was written as a literal.
///
/// Formatted texts arrive as `String`. They are not shown: `unwrap` and `expect` put the value
/// that they met into theirs.
fn literal_of(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or(WITHHELD)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set for a process that is to panic.
    const PLANTED: &str = "REGUA_TEST_PLANTED_PANIC";

    #[test]
    fn a_panic_of_any_command_is_told_without_what_it_worked_on() {
        if std::env::var_os(PLANTED).is_some() {
            // Whatever becomes of the command line, panics are told this way from here on.
            let _ = crate::cli::run();
            let phone = "+5511999998888";
            panic!("cannot read {phone}");
        }
        let name = module_path!().split_once("::").expect("a crate").1;
        let name = format!("{name}::a_panic_of_any_command_is_told_without_what_it_worked_on");
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", &name, "--nocapture"])
            .env(PLANTED, "1")
            .output()
            .expect("this test runs");
        let told = String::from_utf8(child.stderr).expect("utf-8");
        assert!(told.contains("panic_hook.rs"), "{told}");
        assert!(told.contains("[withheld] [RG-PANIC-001]"), "{told}");
        assert!(!told.contains("99999"), "{told}");
    }

    fn said(panicking: impl FnOnce() + panic::UnwindSafe) -> &'static str {
        literal_of(&*panic::catch_unwind(panicking).expect_err("a panic"))
    }

    #[test]
    fn only_a_literal_is_repeated() {
        assert_eq!(said(|| panic!("a cursor went back")), "a cursor went back");
        let phone = String::from("+5511999998888");
        assert_eq!(said(move || panic!("cannot read {phone}")), WITHHELD);
        let read = |text: &str| text.parse::<u8>().map_err(|_| text.to_owned());
        assert_eq!(
            said(move || {
                let _: u8 = read("+5511999998888").expect("a phone");
            }),
            WITHHELD
        );
        assert_eq!(said(|| panic::panic_any(5)), WITHHELD);
    }
}
