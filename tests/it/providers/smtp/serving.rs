//! The real service with a mail server: from a file of boletos to an e-mail, and what comes in
//! between.

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binary;
use tests::http::Client;
use tests::smtp::{Fault, Mail, PASSWORD, Protection, SmtpServer, Stage, USERNAME};

use crate::api::{Engine, no_rules, ok, today_plus};

/// The opt-outs by links, and the contacts with the address that have none of its e-mails.
const TOLD: &str = "SELECT count(*) FROM inbox WHERE source = 'unsubscribe'";
const BARRED: &str = "SELECT count(*) FROM suppressions s JOIN contacts c ON c.id = s.contact_id
    WHERE s.channel = 'email' AND c.email_canonical = 'celia@example.com'";
const LOOKS_MAX: u64 = 20_000;
const KEY: &str = "uma-chave-de-trinta-e-dois-bytes!";

/// A service whose only provider is a mail server's double, with a tenant that may use it.
struct Story {
    engine: Engine,
    server: SmtpServer,
    tenant: String,
    client: Client,
    _settings: TempDir,
}

impl Story {
    fn begin(server: SmtpServer) -> Self {
        let folder = TempDir::new().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        let settings = format!(
            "[providers.mail]\nkind = \"smtp\"\nhost = \"localhost\"\nport = {}\n\
             ca_file = \"{}\"\nusername = \"{USERNAME}\"\npassword_file = \"{}\"\n\
             from = \"Escola Aurora <cobranca@escola.example>\"\ntenants = [\"ten_1\"]\n\
             circuit_pause_ms = 4000\n\
             [unsubscribe]\nbase_url = \"https://regua.example/\"\nkey_file = \"{}\"\n",
            server.address.port(),
            write("ca.pem", &server.certificate),
            write("password", &format!("{PASSWORD}\n")),
            write("key", KEY),
        );
        let engine = Engine::start_with(&["--config", &write("regua.toml", &settings)]);
        let tenant = engine.tenant();
        let client = engine.of(&tenant, "read,facts,import,manage");
        let story = Self {
            engine,
            server,
            tenant,
            client,
            _settings: folder,
        };
        story.set_up();
        story
    }

    fn at(&self, path: &str) -> String {
        format!("/v1/tenants/{}{path}", self.tenant)
    }

    fn put(&self, path: &str, body: &Value) {
        ok(&self.client.put(&self.at(path), body));
    }

    fn set_up(&self) {
        self.put("/rules", &no_rules());
        self.put("/senders", &sender("email"));
        let retry = json!({ "first_ms": 1_000, "longest_ms": 1_000, "tries_max": 5 });
        self.put("/retry", &retry);
        let template = json!({
            "code": "lembrete", "channel": "email", "version": 1, "subject": "Boleto {{reference}}",
            "body": "Olá, {{contact_name}}: seu boleto vence logo.",
            "variables": ["reference", "contact_name"],
        });
        self.put("/templates", &template);
    }

    /// Uploads a boleto of another contact with the address that was written to, and one of a
    /// contact without it.
    fn share_the_address(&self) {
        let others = format!(
            "reference;name;phone;email;due_on;amount\n\
             NF-8;Célio Rocha;11987651234;Celia@example.com;{due};10,00\n\
             NF-9;Ana Lima;11987651235;ana@example.com;{due};10,00\n",
            due = today_plus(90)
        );
        ok(&self.client.upload(&self.at("/boletos"), "others", &others));
    }

    /// Uploads a boleto whose reminder is due at once, and launches its campaign.
    fn remind(&self) {
        let due = today_plus(20);
        let csv = format!(
            "reference;name;email;due_on;amount\n\
             NF-1;Célia Rocha;celia@example.com;{due};10,00\n\
             NF-2;Ana\r\nBcc: evil@example.com;ana@example.com;{due};10,00\n"
        );
        let report = ok(&self.client.upload(&self.at("/boletos"), "file", &csv));
        assert_eq!(report["accepted"], 1, "{report}");
        let step = |no: u8, days: i32| {
            json!({
                "no": no, "template": "lembrete", "channels": ["email"],
                "when": { "kind": "offset", "days": days, "unit": "calendar", "at": "00:00:00" },
                "expires_after_ms": 86_400_000,
            })
        };
        let campaign = json!({
            "name": "Lembretes",
            "cadence": { "steps": [step(0, -20), step(1, -19)], "reminders_max": 1 },
        });
        let created = ok(&self.client.post(&self.at("/campaigns"), &campaign));
        let id = created["id"].as_str().expect("an id");
        let campaign = self.at(&format!("/campaigns/{id}"));
        ok(&self.client.launch(&campaign, "launch"));
    }

    fn await_outcome(&self, condition: &str) {
        let sql = format!("SELECT count(*) FROM outcomes WHERE {condition}");
        let is_there = || self.engine.numbers(&sql) > 0;
        assert!(
            binary::observe(LOOKS_MAX, is_there),
            "{condition}: {}",
            self.log()
        );
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.engine.folder.path().join("log")).expect("a log")
    }
}

fn sender(channel: &str) -> Value {
    let pace = json!({ "per_second": 100, "burst": 100 });
    json!({ "channel": channel, "provider": "mail", "pace": pace })
}

/// Returns the path of the link that ends a message.
fn link(mail: &Mail) -> String {
    let post = mail.header("List-Unsubscribe-Post");
    assert_eq!(post.as_deref(), Some("List-Unsubscribe=One-Click"));
    let link = mail.header("List-Unsubscribe").expect("a link");
    let link = link.strip_prefix("<https://regua.example/u/");
    let token = link.and_then(|it| it.strip_suffix('>')).expect("a link");
    format!("/u/{token}")
}

#[test]
fn an_uploaded_boleto_becomes_an_email_whose_link_ends_them() {
    let story = Story::begin(SmtpServer::start(Protection::Starttls));
    let sms = story.client.put(&story.at("/senders"), &sender("sms"));
    assert_eq!(sms.status, 422, "{}", sms.text);
    assert!(
        sms.text.contains("does not carry the channel"),
        "{}",
        sms.text
    );
    story.remind();
    let seen = story.server.await_seen(|seen| !seen.mails.is_empty());
    let mail = &seen.mails[0];
    assert!(mail.is_protected && mail.is_logged_in);
    assert_eq!(mail.to, "celia@example.com");
    assert_eq!(mail.header("Subject").as_deref(), Some("Boleto NF-1"));
    let id = mail.header("Message-ID").expect("an id");
    assert!(
        id.starts_with("<att_") && id.ends_with("@escola.example>"),
        "{id}"
    );
    assert_eq!(
        mail.header("Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    story.await_outcome("kind = 'accepted'");
    story.share_the_address();
    let suppressed = || story.engine.numbers("SELECT count(*) FROM suppressions");
    let anyone = Client {
        token: None,
        ..story.client.clone()
    };
    let link = link(mail);
    let asked = anyone.get(&link);
    assert_eq!(
        (asked.status, suppressed()),
        (200, 0),
        "to look changes nothing"
    );
    assert!(
        asked.text.contains("<form method=\"post\">"),
        "{}",
        asked.text
    );
    assert!(asked.head.contains("default-src 'none'"), "{}", asked.head);
    let forged = link.replace("email", "sms");
    for (method, path) in [("GET", &forged), ("POST", &forged)] {
        assert_eq!(anyone.ask(method, path, &[], &[]).status, 404);
    }
    assert_eq!(anyone.ask("DELETE", &link, &[], &[]).status, 405);
    assert_eq!(suppressed(), 0);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for _ in 0..2 {
        let left = anyone.ask("POST", &link, &form, b"List-Unsubscribe=One-Click");
        // Whoever has the same address reads the same mail, under whatever phone.
        assert_eq!((left.status, suppressed()), (200, 2), "{}", left.text);
        assert!(
            left.text.contains("você não receberá mais"),
            "{}",
            left.text
        );
    }
    let stored = |sql| story.engine.numbers(sql);
    assert_eq!((stored(TOLD), stored(BARRED)), (1, 2));
    nobody_is_kept_from_leaving(&anyone, &link);
    let log = story.log();
    for secret in ["celia", "Célia", PASSWORD, KEY, link.as_str()] {
        assert!(!log.contains(secret), "{log}");
    }
}

fn nobody_is_kept_from_leaving(anyone: &Client, link: &str) {
    for _ in 0..40 {
        let left = anyone.ask("POST", link, &[], b"");
        assert_eq!(left.status, 200, "{}", left.text);
        let shown = anyone.get(link);
        assert!(
            shown.text.contains("<form method=\"post\">"),
            "{}",
            shown.text
        );
    }
}

#[test]
fn a_payment_between_the_claim_and_the_content_leaves_nothing_of_the_message() {
    let server = SmtpServer::start(Protection::Starttls);
    server.fault(Stage::Rcpt, Fault::Hold);
    let story = Story::begin(server);
    story.remind();
    let is_asked = |line: &String| line.starts_with("RCPT");
    story
        .server
        .await_seen(|seen| seen.commands.iter().any(is_asked));
    let paid = json!({ "id": "p", "type": "boleto.paid", "data": { "reference": "NF-1" } });
    let stopped = story.client.post(&story.at("/events"), &paid);
    assert_eq!(
        (stopped.status, &stopped.json()["outcome"]),
        (200, &json!("stopped"))
    );
    story.server.release();
    story.await_outcome("kind = 'abandoned' AND detail LIKE '%stopped%'");
    assert_eq!(story.server.seen().mails, []);
}

#[test]
fn a_server_that_knows_us_no_more_is_left_alone_until_it_does() {
    let server = SmtpServer::start(Protection::Starttls);
    server.fault(Stage::Login, Fault::Say("535 5.7.8 bad credentials"));
    let story = Story::begin(server);
    story.remind();
    story.await_outcome("kind = 'unavailable'");
    story.await_outcome("kind = 'abandoned' AND detail LIKE '%circuit_open%'");
    assert!(story.log().contains("RG-PROVIDER-001"));
    story.server.mend();
    story.server.await_seen(|seen| seen.mails.len() == 1);
    story.await_outcome("kind = 'accepted'");
    assert!(story.log().contains("provider works again"));
    assert_eq!(story.server.seen().mails.len(), 1);
}
