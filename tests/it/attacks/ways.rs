//! An engine whose every way out is a double: what they were given is what contacts would read.

use std::cell::Cell;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binary;
use tests::gateway::{Deed, Gateway};
use tests::http::{Answer, Client};
use tests::smtp::{Protection, SmtpServer};

use super::{Engine, keyed};
use crate::api::{no_rules, ok, today_plus};

/// How long an observation may take, in looks of a millisecond.
const LOOKS_MAX: u64 = 30_000;
/// The secret of the gateway, which no message may hold.
pub(super) const CREDENTIAL: &str = "s3cret-of-the-gateway";

/// An engine with a gateway for SMS, a number of WhatsApp and a mail server.
pub(super) struct Ways {
    pub(super) engine: Engine,
    pub(super) sms: Gateway,
    pub(super) whatsapp: Gateway,
    pub(super) mail: SmtpServer,
    _settings: TempDir,
}

impl Ways {
    pub(super) fn start() -> Self {
        let (sms, whatsapp) = (Gateway::start(), Gateway::start());
        sms.always(Deed::json(200, &json!({})));
        whatsapp.always(Deed::json(
            200,
            &json!({ "messages": [{ "id": "wamid.1" }] }),
        ));
        let mail = SmtpServer::start(Protection::None);
        let folder = TempDir::new().expect("a folder");
        let settings = format!(
            "[providers.sms]\nkind = \"http_sms\"\nurl = \"{}\"\ncredential = \"{CREDENTIAL}\"\n\
             headers = {{ Authorization = \"Bearer {{credential}}\" }}\n\
             body = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n\
             [providers.meta]\nkind = \"whatsapp\"\nurl = \"{}\"\nphone_number_id = \"42\"\n\
             token = \"t0ken\"\n\
             [providers.mail]\nkind = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
             from = \"Escola Aurora <cobranca@escola.example>\"\n",
            sms.url(),
            whatsapp.url(),
            mail.address.port()
        );
        let file = folder.path().join("regua.toml");
        std::fs::write(&file, settings).expect("a file");
        let engine = Engine::start_with(&["--config", &file.display().to_string()]);
        Self {
            engine,
            sms,
            whatsapp,
            mail,
            _settings: folder,
        }
    }

    /// Makes a company of this name that may send on every channel, under no rules.
    pub(super) fn company(&self, name: &str) -> Company<'_> {
        let new = json!({
            "name": name, "address": "Rua das Acácias 120,    São Paulo", "rules": no_rules(),
        });
        let tenant = ok(&self.engine.admin.post("/v1/tenants", &new))["id"].clone();
        let tenant = tenant.as_str().expect("an id");
        let company = Company {
            ways: self,
            client: self.engine.of(tenant, "read,facts,import,manage"),
            base: format!("/v1/tenants/{tenant}"),
            said: Cell::new(0),
        };
        for (channel, provider) in [("sms", "sms"), ("whatsapp", "meta"), ("email", "mail")] {
            let pace = json!({ "per_second": 100, "burst": 100 });
            let sender = json!({ "channel": channel, "provider": provider, "pace": pace });
            ok(&company.put("/senders", &sender));
        }
        company
    }

    /// Returns the messages that the gateway was asked to send: to whom, and the text.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let asked = self.sms.asked().into_iter();
        asked
            .map(|it| (text(&it.json()["to"]), text(&it.json()["text"])))
            .collect()
    }
}

/// A company, and somebody who manages it.
pub(super) struct Company<'a> {
    ways: &'a Ways,
    pub(super) client: Client,
    base: String,
    /// How much was said under a number of its own.
    said: Cell<u32>,
}

impl Company<'_> {
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Answer {
        self.client.put(&self.at(path), body)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.post(&self.at(path), body)
    }

    fn number(&self) -> u32 {
        self.said.replace(self.said.get() + 1)
    }

    /// Puts the text of a channel's reminders.
    pub(super) fn template(&self, channel: &str, body: &str, variables: &[&str]) -> Answer {
        let mut template = json!({
            "code": "lembrete", "channel": channel, "version": 1, "body": body,
            "variables": variables,
        });
        match channel {
            "email" => template["subject"] = json!("Boleto {{reference}}"),
            "whatsapp" => template["ttl_ms"] = json!(3_600_000),
            _ => {}
        }
        self.put("/templates", &template)
    }

    /// Imports boletos whose reminder is due at once, each with a reference and a contact.
    pub(super) fn import(&self, boletos: &[(String, Value)]) -> Value {
        let due_on = today_plus(20);
        let items = boletos.iter().map(|(reference, contact)| {
            json!({
                "reference": reference, "amount_centavos": 123_456, "due_on": due_on,
                "contact": contact,
            })
        });
        let body = json!({ "boletos": items.collect::<Vec<_>>() });
        let (path, key) = (self.at("/boletos"), format!("k-{}", self.number()));
        ok(&keyed(&self.client, "POST", &path, &key, &body))
    }

    /// Imports boletos, none of which may be refused.
    pub(super) fn bring(&self, boletos: &[(String, Value)]) {
        let report = self.import(boletos);
        assert_eq!(report["accepted"], boletos.len(), "{report}");
    }

    /// Says that something happened.
    pub(super) fn say(&self, kind: &str, data: &Value) -> Answer {
        let id = format!("e-{}", self.number());
        self.post("/events", &json!({ "id": id, "type": kind, "data": data }))
    }

    /// Makes and launches a campaign of one reminder on a channel.
    pub(super) fn launch(&self, channel: &str) {
        let step = |no: u8, days: i32| {
            json!({
                "no": no, "template": "lembrete", "channels": [channel],
                "when": { "kind": "offset", "days": days, "unit": "calendar", "at": "00:00:00" },
                "expires_after_ms": 259_200_000,
            })
        };
        let campaign = json!({
            "name": "Lembretes",
            "cadence": { "steps": [step(0, -20), step(1, -19)], "reminders_max": 1 },
        });
        let made = ok(&self.post("/campaigns", &campaign));
        let id = made["id"].as_str().expect("an id");
        let campaign = self.at(&format!("/campaigns/{id}"));
        ok(&self
            .client
            .launch(&campaign, &format!("l-{}", self.number())));
    }

    /// Returns every reminder.
    pub(super) fn reminders(&self) -> Vec<Value> {
        let page = ok(&self.client.get(&self.at("/reminders?limit=200")));
        page["items"].as_array().expect("items").clone()
    }

    /// Waits until so many boletos have a reminder that was sent, or that something but the pace
    /// keeps back, and returns why each was not sent, by its reference.
    pub(super) fn decided(&self, count: usize) -> Vec<(String, String)> {
        let mut kept_back = Vec::new();
        let done = binary::observe(LOOKS_MAX, || {
            let all = self.reminders();
            let sent = all.iter().filter(|one| one["outcome"] == "accepted");
            let kept = all.iter().filter_map(|one| {
                let why = one["reason"].as_str().filter(|why| *why != "sender_pace")?;
                Some((one["reference"].as_str()?.to_owned(), why.to_owned()))
            });
            kept_back = kept.collect();
            sent.count() + kept_back.len() == count
        });
        assert!(done, "{:?}\n{}", self.reminders(), self.ways.engine.log());
        kept_back
    }
}
