//! Measurements with tiny numbers: what is told adds up. How long anything took is nobody's
//! business here.

use serde_json::Value;
use tests::binary;
use tests::database::POSTGRES_VARIABLE;

use super::{answer, code, err};

/// Runs a measurement on SQLite, and on PostgreSQL where there is one.
fn measured(arguments: &[&str]) -> Vec<Value> {
    // The one way in for an address that may have a password.
    let server = std::env::var_os(POSTGRES_VARIABLE);
    let stores = ["sqlite", "postgres"];
    let on_store = |store| {
        let arguments = [&["bench"], arguments, &["--store", store, "--json"]].concat();
        let mut command = binary::command(&arguments);
        command.envs(server.iter().map(|url| (POSTGRES_VARIABLE, url)));
        let output = command.output().expect("the binary runs");
        assert_eq!(code(&output), 0, "{store}: {}", err(&output));
        answer(&output)
    };
    let there = 1 + usize::from(server.is_some());
    stores.into_iter().take(there).map(on_store).collect()
}

fn number(figure: &Value, name: &str) -> f64 {
    let found = figure[name].as_f64();
    found.unwrap_or_else(|| panic!("{name} of {figure}"))
}

#[test]
fn a_cycle_over_http_stands_beside_the_requests_of_its_client_alone() {
    let of = ["--enrollments", "40", "--tenants", "4"];
    let over_http = ["cycle", "--provider", "http"];
    for figure in measured(&[&over_http[..], &of].concat()) {
        assert_eq!(figure["provider"], "http");
        assert_eq!(number(&figure, "enrollments"), 40.0);
        for some in ["cycles_per_s", "limit_posts_per_s", "ratio_to_posts"] {
            assert!(number(&figure, some) > 0.0, "{some} of {figure}");
        }
        // Each request is for one message, on a connection that is used again or is not.
        let connections = number(&figure, "connections");
        assert!((1.0..=40.0).contains(&connections), "{figure}");
        assert!(number(&figure, "body_bytes") > 100.0, "{figure}");
    }
    for figure in measured(&[&["cycle"], &of[..]].concat()) {
        assert_eq!(figure["provider"], "process");
        assert!(figure.get("limit_posts_per_s").is_none(), "{figure}");
    }
}

#[test]
fn lateness_beside_an_import_stands_beside_that_without_one() {
    let drip = ["--lines", "60", "--reminders", "30", "--spread-ms", "90"];
    for figure in measured(&[&["import"], &drip[..]].concat()) {
        assert_eq!(number(&figure, "reminders"), 30.0);
        let imported = number(&figure, "beside_boletos");
        assert!(imported >= 60.0 && imported % 60.0 == 0.0, "{figure}");
        for which in ["alone", "beside"] {
            let of = |part: &str| number(&figure, &format!("{which}_{part}_ms"));
            assert!(0.0 <= of("p50") && of("p50") <= of("p99") && of("p99") <= of("max"));
        }
    }
    for figure in measured(&["import", "--lines", "60"]) {
        assert_eq!(number(&figure, "lines"), 60.0);
        assert!(figure.get("alone_p50_ms").is_none(), "{figure}");
    }
}

#[test]
fn the_api_is_measured_by_requests_that_were_all_answered_200() {
    let few = ["--boletos", "200", "--requests", "40", "--connections", "3"];
    for figure in measured(&[&["api"], &few[..]].concat()) {
        assert_eq!(number(&figure, "boletos"), 200.0);
        for (kind, requests) in [
            ("boleto", 40.0),
            ("reminders", 4.0),
            ("upcoming", 4.0),
            ("reads", 40.0),
            ("new_boleto", 10.0),
            ("payment", 5.0),
            ("writes", 10.0),
        ] {
            let kind = &figure[kind];
            assert_eq!(number(kind, "requests"), requests, "{figure}");
            assert!(number(kind, "p50_us") <= number(kind, "p99_us"), "{figure}");
            assert!(
                number(kind, "p99_us") <= number(kind, "p999_us"),
                "{figure}"
            );
        }
        for limit in ["limit_commits_per_s", "reads_ratio", "writes_ratio"] {
            assert!(number(&figure, limit) > 0.0, "{limit} of {figure}");
        }
    }
}
