//! Documents of many fields: events, settings of the process, of tenants, texts of messages.

use engine::bus::envelope::Envelope;
use engine::config::{Config, DEFAULTS, Sources};
use schedules::cadence::Cadence;
use schedules::channel::Channel;
use schedules::rule::RulePack;
use schedules::template::{Template, Variable};
use tempfile::TempDir;
use tests::scene::START;

use super::each;
use super::spoil::{spoiled, spoiled_bytes};

#[test]
fn events_are_read_or_refused_and_never_panic() {
    let event = |kind: &str, data: &str| {
        format!(
            r#"{{"id":"e-1","source":"bank","type":"{kind}","tenant":1,"time":1772452800000,
                "data":{data}}}"#
        )
    };
    let good = [
        event("boleto.paid", r#"{"reference":"NF-1"}"#),
        event(
            "boleto.changed",
            r#"{"reference":"NF-1","amount_centavos":100,"due_on":"2026-03-10"}"#,
        ),
        event(
            "contact.opted_out",
            r#"{"phone":"11987651234","channel":"sms"}"#,
        ),
        event("feed.heartbeat", "{}"),
    ];
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    each("event", 10_000, |chance| {
        let text = spoiled(chance, &good);
        let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
            return false;
        };
        envelope.to_fact(START).is_ok()
    });
}

#[test]
fn settings_of_the_process_are_read_or_refused_and_never_panic() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("regua.toml");
    let good = [
        DEFAULTS,
        "[store]\nkind = \"postgres\"\nurl = \"postgres://regua@db/regua\"\n",
        "[log]\nlevel = \"info,engine::store=debug\"\n[node]\narbiters = 2\n",
    ];
    let keys = [
        "REGUA_NODE__ARBITERS",
        "REGUA_LOG__LEVEL",
        "REGUA_STORE__KIND",
        "REGUA_A__B",
    ];
    let values = ["2", "info,engine=debug", "sqlite", "postgres"];
    each("settings", 3_000, |chance| {
        std::fs::write(&path, spoiled_bytes(chance, &good)).expect("a file");
        let environment = match chance.percent(20) {
            true => vec![(
                spoiled(chance, &keys).into(),
                spoiled(chance, &values).into(),
            )],
            false => Vec::new(),
        };
        let overrides = match chance.percent(20) {
            true => vec![spoiled(chance, &["node.arbiters=3", "log.format=json"])],
            false => Vec::new(),
        };
        let loaded = Config::load(&Sources {
            file: Some(path.clone()),
            environment,
            overrides,
        });
        loaded
            .map_err(|problems| assert!(!problems.0.is_empty()))
            .is_ok()
    });
}

#[test]
fn settings_of_tenants_are_read_or_refused_and_never_panic() {
    let rules = serde_json::to_string(&RulePack::brazil()).expect("JSON");
    each("rules", 3_000, |chance| {
        let read = serde_json::from_str::<RulePack>(&spoiled(chance, &[&rules]));
        read.is_ok_and(|rules| rules.validate().is_ok())
    });
    let cadence = r#"{"steps":[{"no":0,"when":{"kind":"offset","days":-3,"unit":"calendar",
        "at":"09:00:00"},"channels":["whatsapp","email"],"template":"lembrete",
        "expires_after_ms":86400000}],"reminders_max":10}"#;
    each("cadence", 3_000, |chance| {
        let read = serde_json::from_str::<Cadence>(&spoiled(chance, &[cadence]));
        read.is_ok_and(|cadence| cadence.validate().is_ok())
    });
}

#[test]
fn texts_of_messages_are_read_or_refused_and_never_panic() {
    let good = [
        "Olá, {{contact_name}}. O boleto de {{amount}} vence em {{due_on}}.",
        "{{reference}}",
        "Pague em {{payment_link}} ou {{pix_code}}",
    ];
    let variables = vec![
        Variable::ContactName,
        Variable::Amount,
        Variable::DueOn,
        Variable::Reference,
    ];
    each("template", 6_000, |chance| {
        let template = Template {
            code: "lembrete".to_owned(),
            channel: Channel::Sms,
            version: 1,
            subject: None,
            body: spoiled(chance, &good),
            variables: variables.clone(),
            ttl_ms: 0,
            approved: Default::default(),
        };
        template.validate().is_ok()
    });
}
