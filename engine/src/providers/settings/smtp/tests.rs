//! Settings of a mail server, good and bad.

use super::*;
use crate::config::{Config, Problem, Sources};
use crate::providers::settings::ProviderKind;

/// Reads a provider of the environment, with what makes it whole.
fn load(more: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let usual = [
        ("KIND", "smtp"),
        ("HOST", "smtp.example.com"),
        ("FROM", "a@escola.example"),
    ];
    // Of two that are about the same key, the later wins.
    let named = |(key, value): &(&str, &str)| {
        let key = format!("REGUA_PROVIDERS__MAIL__{key}");
        (key.into(), value.into())
    };
    let all = usual.iter().chain(more).map(named);
    let sources = Sources {
        environment: all.collect(),
        ..Sources::default()
    };
    let told = |problem: &Problem| format!("{} {}", problem.kind.code(), problem.key);
    Config::load(&sources).map_err(|problems| problems.0.iter().map(told).collect())
}

fn smtp(more: &[(&str, &str)]) -> SmtpSettings {
    let config = load(more).expect("settings");
    let ProviderKind::Smtp(settings) = config.providers["mail"].kind.clone() else {
        panic!("another kind")
    };
    *settings
}

fn problems(more: &[(&str, &str)]) -> Vec<String> {
    load(more).expect_err("problems")
}

#[test]
fn what_is_left_out_is_what_is_safe() {
    let settings = smtp(&[]);
    assert_eq!((settings.port, settings.tls), (587, Tls::Starttls));
    assert_eq!(settings.helo.as_str(), "escola.example");
    assert_eq!(smtp(&[("PORT", "465")]).tls, Tls::Wrapper);
    let stated = smtp(&[("PORT", "465"), ("TLS", "starttls")]);
    assert_eq!(stated.tls, Tls::Starttls);
    for helo in ["::1", "[IPv6:::1]"] {
        assert_eq!(smtp(&[("HELO", helo)]).helo.as_str(), "[IPv6:::1]");
    }
}

#[test]
fn mail_goes_in_the_clear_to_this_machine_alone() {
    let clear = |host, insecure| [("TLS", "none"), ("HOST", host), ("INSECURE", insecure)];
    for host in ["localhost", "127.0.0.1", "::1"] {
        assert_eq!(smtp(&clear(host, "false")).tls, Tls::None, "{host}");
    }
    for host in ["smtp.example.com", "10.0.0.1", "localhost.example.com"] {
        let told = problems(&clear(host, "false"));
        assert_eq!(told, ["RG-CONFIG-011 providers.mail.tls"], "{host}");
        assert_eq!(smtp(&clear(host, "true")).tls, Tls::None, "{host}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_value_of_it() {
    let wrong = [
        ("HOST", "smtp example"),
        ("PORT", "0"),
        ("TLS", "ssl"),
        ("CA_FILE", "/dev/null"),
        ("USERNAME", "regua"),
        ("FROM", "hunter2"),
        ("HELO", "a b"),
        ("CONNECTIONS_MAX", "0"),
        ("READY_TIMEOUT_MS", "3001"),
        ("ANSWER_TIMEOUT_MS", "6001"),
        ("SPEED", "1"),
    ];
    let mut told = problems(&wrong);
    told.sort();
    let expected = [
        "RG-CONFIG-003 providers.mail.speed",
        "RG-CONFIG-004 providers.mail.answer_timeout_ms",
        "RG-CONFIG-004 providers.mail.ca_file",
        "RG-CONFIG-004 providers.mail.connections_max",
        "RG-CONFIG-004 providers.mail.from",
        "RG-CONFIG-004 providers.mail.helo",
        "RG-CONFIG-004 providers.mail.host",
        "RG-CONFIG-004 providers.mail.port",
        "RG-CONFIG-004 providers.mail.ready_timeout_ms",
        "RG-CONFIG-004 providers.mail.tls",
        "RG-CONFIG-005 providers.mail.password",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_password_is_neither_printed_nor_read_from_the_command_line() {
    let config = load(&[("USERNAME", "regua"), ("PASSWORD", "hunter2")]).expect("settings");
    let printed = config.to_toml().expect("toml");
    assert!(printed.contains("password = \"[redacted]\""), "{printed}");
    assert!(!format!("{printed}{config:?}").contains("hunter2"));
    for key in ["providers.mail.password", "Providers.MAIL.Password"] {
        let sources = Sources {
            overrides: vec![format!("{key}=hunter2")],
            ..Sources::default()
        };
        let told = Config::load(&sources).expect_err("a problem");
        assert_eq!(told.0[0].kind, ProblemKind::HideSecret, "{key}");
        assert!(!format!("{told} {told:?}").contains("hunter2"));
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same_provider() {
    let settings = [
        ("FROM", "\"Colégio, Matriz\" <a@escola.example>"),
        ("REPLY_TO", "b@escola.example"),
        ("HELO", "10.0.0.1"),
        ("TENANTS", "ten_2,ten_1"),
        ("CIRCUIT_FAILURES", "3"),
    ];
    let config = load(&settings).expect("settings");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), config.to_toml().expect("toml")).expect("a file");
    let sources = Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    };
    assert_eq!(Config::load(&sources), Ok(config));
}
