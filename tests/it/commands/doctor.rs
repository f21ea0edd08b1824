//! `regua doctor`: what it finds beside an engine that runs, and what it says of what is wrong.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;
use tests::{behind, binary};

use super::{answer, code, err, on_store, out};
use crate::api::Engine;

/// Returns the findings of a check, as grade and text.
fn found(output: &Output, check: &str) -> Vec<(String, String)> {
    let report = answer(output);
    let findings = report["findings"].as_array().expect("findings").iter();
    let of_it = findings.filter(|finding| finding["check"] == check);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    of_it
        .map(|it| (text(&it["grade"]), text(&it["told"])))
        .collect()
}

fn grades(output: &Output, check: &str) -> Vec<String> {
    found(output, check)
        .into_iter()
        .map(|(grade, _)| grade)
        .collect()
}

#[test]
fn an_engine_is_examined_while_it_runs() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let examine = |more: &[&str]| {
        on_store(
            engine.folder(),
            "regua.db",
            &[&["doctor", "--json"], more].concat(),
        )
    };
    let output = examine(&[]);
    assert_eq!(code(&output), 0, "{}", out(&output));
    for check in [
        "settings",
        "store",
        "integrity",
        "clock",
        "files",
        "transport",
        "senders",
    ] {
        assert_eq!(
            grades(&output, check),
            ["good"],
            "{check}: {}",
            out(&output)
        );
    }
    // The token of the first start is fit for a trial.
    assert_eq!(grades(&output, "tokens"), ["warning", "warning", "good"]);
    let strict = examine(&["--production"]);
    assert_eq!(code(&strict), 2);
    assert_eq!(grades(&strict, "tokens"), ["failure", "failure", "good"]);
    let number = tenant.trim_start_matches("ten_");
    let sender = |channel: &str, provider: &str| {
        format!(
            "INSERT INTO senders (tenant_id, channel, provider, pace_per_second, pace_burst)
             VALUES ({number}, '{channel}', '{provider}', 1, 1)"
        )
    };
    let database = engine.folder().join("regua.db");
    behind::tamper(&database, &sender("sms", "nobody\u{1b}[2J"));
    behind::tamper(&database, &sender("email", "mailbox"));
    let output = examine(&[]);
    assert_eq!(code(&output), 2);
    let senders = found(&output, "senders");
    let unknown = format!("no such provider is configured: {tenant} sms by \"nobody\\u{{1b}}[2J\"");
    assert_eq!(senders[0], ("failure".to_owned(), unknown));
    assert_eq!(senders[1].0, "warning");
    behind::tamper(&database, "UPDATE service_tokens SET revoked_at = 1");
    assert_eq!(grades(&examine(&[]), "tokens"), ["warning"]);
}

#[test]
fn a_sender_is_sound_by_a_provider_that_is_configured_for_it() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let number = tenant.trim_start_matches("ten_");
    let settings = engine.folder().join("regua.toml");
    let text = "[providers.mail]\nkind = \"smtp\"\nhost = \"localhost\"\nport = 25\n\
                tls = \"none\"\nfrom = \"a@escola.example\"\n\
                [providers.trial]\nkind = \"mailbox\"\n\
                [providers.theirs]\nkind = \"mailbox\"\ntenants = [\"ten_99\"]\n";
    std::fs::write(&settings, text).expect("a file");
    let settings = settings.to_str().expect("utf-8");
    let by = |channel: &str, provider: &str| {
        let database = engine.folder().join("regua.db");
        behind::tamper(&database, "DELETE FROM senders");
        let sender = format!(
            "INSERT INTO senders (tenant_id, channel, provider, pace_per_second, pace_burst)
             VALUES ({number}, '{channel}', '{provider}', 1, 1)"
        );
        behind::tamper(&database, &sender);
        let arguments = ["doctor", "--json", "--config", settings];
        let output = on_store(engine.folder(), "regua.db", &arguments);
        let providers = "mail (smtp), theirs (mailbox), trial (mailbox), mailbox".to_owned();
        assert_eq!(
            found(&output, "providers"),
            [("good".to_owned(), providers)]
        );
        found(&output, "senders")
    };
    let one = |grade: &str, told: &str| vec![(grade.to_owned(), told.to_owned())];
    let sound = "1 senders, each by a provider that there is";
    assert_eq!(by("email", "mail"), one("good", sound));
    let kept = one("warning", "1 senders keep what they would send");
    let kept = [kept, one("good", sound)].concat();
    assert_eq!(by("sms", "mailbox"), kept);
    assert_eq!(by("sms", "trial"), kept);
    let lost = |why: &str, of: &str| one("failure", &format!("{why}: {tenant} {of}"));
    let wrong = lost("the provider does not carry the channel", "sms by \"mail\"");
    assert_eq!(by("sms", "mail"), wrong);
    let wrong = lost("the provider is not for this tenant", "sms by \"theirs\"");
    assert_eq!(by("sms", "theirs"), wrong);
}

#[test]
fn what_is_wrong_with_the_settings_is_told_all_at_once() {
    let faults = [
        "--set",
        "node.arbiters=canario",
        "--set",
        "log.format=canario",
        "--set",
        "a.b=1",
    ];
    let output = binary::run(&[&["doctor", "--json"], &faults[..]].concat());
    assert_eq!(code(&output), 2);
    assert_eq!(grades(&output, "settings"), ["failure"; 3]);
    assert!(!out(&output).contains("canario"));
    let folder = TempDir::new().expect("a folder");
    let missing = on_store(folder.path(), "none.db", &["doctor"]);
    assert_eq!(code(&missing), 2);
    assert!(
        out(&missing).contains("[RG-STORE-016]"),
        "{}",
        out(&missing)
    );
    assert_eq!(err(&missing), "");
}

#[test]
fn a_secret_that_others_can_read_fails_in_production() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("regua.toml");
    let url = "postgres://regua:canario@192.0.2.1:1/regua?connect_timeout=1";
    let text = format!("[store]\nkind = \"postgres\"\nurl = \"{url}\"\n");
    std::fs::write(&file, text).expect("a file");
    let examine = |mode: u32, more: &[&str]| {
        use std::os::unix::fs::PermissionsExt as _;
        let rights = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&file, rights).expect("rights");
        let path = file.to_str().expect("utf-8");
        binary::run(&[&["doctor", "--json", "--config", path], more].concat())
    };
    let open = examine(0o644, &["--production"]);
    assert_eq!(grades(&open, "secrets"), ["failure"]);
    assert_eq!(
        grades(&open, "transport"),
        ["failure"],
        "no TLS to another machine"
    );
    assert!(!out(&open).contains("canario"));
    assert_eq!(grades(&examine(0o600, &[]), "secrets"), ["good"]);
}
