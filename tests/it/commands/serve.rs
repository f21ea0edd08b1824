//! `regua serve` as a service manager sees it: up, healthy, ready, and down when it is asked to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use actors::clock::{Clock, SystemClock};
use chrono::{Days, NaiveTime};
use chrono_tz::Tz;
use engine::facts::{Fact, Saying};
use engine::store::{Edit, Import, NewBoleto, NewCampaign, Setting, SqliteSettings, Store};
use schedules::cadence::{Cadence, Step};
use schedules::channel::Channel;
use schedules::template::{Approved, Template, Variable};
use schedules::time::DAY_MS;
use tempfile::TempDir;
use tests::binary::{self, Running};
use tests::serving::start;
use tests::{behind, scene};

const ACCEPTED: &str = "SELECT count(*) FROM outcomes WHERE kind = 'accepted'";
/// How long an observation may take, in looks of a millisecond.
const LOOKS_MAX: u64 = 10_000;

/// Asks by hand, and returns the first line of the answer and all of it.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let first = answer.lines().next().unwrap_or_default().to_owned();
    (first, answer)
}

fn signal(engine: &Running, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name])
        .arg(engine.0.id().to_string())
        .status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn a_service_is_healthy_and_ready_and_ends_when_it_is_asked_to() {
    for name in ["TERM", "INT"] {
        let folder = TempDir::new().expect("a folder");
        let (mut engine, address) = start(folder.path());
        assert_eq!(get(&address, "/healthz").0, "HTTP/1.1 200 OK");
        let mut ready = String::new();
        binary::observe(LOOKS_MAX, || {
            ready = get(&address, "/readyz").1;
            ready.starts_with("HTTP/1.1 200 ")
        });
        assert!(ready.ends_with(r#"{"status":"ready"}"#), "{ready}");
        assert_eq!(get(&address, "/").0, "HTTP/1.1 404 Not Found");
        signal(&engine, name);
        assert!(
            binary::observe(LOOKS_MAX, || engine.has_ended()),
            "it goes on"
        );
        let ended = engine.0.wait().expect("a child of ours");
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(TcpStream::connect(&address).is_err());
    }
}

/// Fills a folder with a boleto whose reminder is due at any time of today or, when the night falls
/// meanwhile, of tomorrow.
async fn fill(folder: &Path) {
    let settings = SqliteSettings::at(folder);
    let store = Store::open_sqlite(&settings).await.expect("a store");
    let now = SystemClock::start().now();
    let edit = |event_id: &str| Edit {
        at: now,
        ..scene::edit(event_id)
    };
    let tenant = store.create_tenant(&scene::new_tenant(), now).await;
    let tenant = tenant.expect("a tenant");
    let template = Template {
        code: "lembrete".to_owned(),
        channel: Channel::Sms,
        version: 1,
        subject: None,
        body: "Seu boleto {{reference}} vence logo.".to_owned(),
        variables: vec![Variable::Reference],
        ttl_ms: 0,
        approved: Approved::default(),
    };
    let put = store.put_setting(tenant, edit("template"), Setting::Template(template));
    put.await.expect("a template");
    let step = |no, days| Step {
        expires_after_ms: DAY_MS,
        ..Step::on_calendar_day(no, days, NaiveTime::MIN, &[Channel::Sms], "lembrete")
    };
    let content = NewCampaign {
        name: "Lembretes".to_owned(),
        cadence: Cadence::of(vec![step(0, -20), step(1, -19)], 1),
    };
    let campaign = store.create_campaign(tenant, edit("campaign"), content);
    let campaign = campaign.await.expect("a campaign");
    let boleto = NewBoleto {
        due_on: now.local_date(Tz::America__Sao_Paulo) + Days::new(20),
        ..scene::boleto(1, 1)
    };
    let import = Import {
        key: "chunk".to_owned(),
        source: "test".to_owned(),
        at: now,
    };
    let imported = store.import_boletos(tenant, import, vec![boleto]).await;
    assert_eq!(imported.expect("an import").accepted, 1);
    let launch = Fact {
        tenant,
        event_id: "launch".to_owned(),
        source: "test".to_owned(),
        occurred_at: now,
        received_at: now,
        saying: Saying::CampaignLaunched { campaign },
    };
    store.commit_facts(&[launch]).await.expect("a launch");
    store.close().await;
}

#[test]
fn a_service_sends_what_is_due_and_once() {
    let folder = TempDir::new().expect("a folder");
    let database = folder.path().join("regua.db");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(fill(folder.path()));
    let letters = || behind::number(&database, "SELECT count(*) FROM mailbox");
    let settled = || behind::number(&database, ACCEPTED) == 1;
    let (mut engine, _) = start(folder.path());
    assert!(binary::observe(LOOKS_MAX, settled), "nothing was sent");
    assert_eq!(letters(), 1);
    signal(&engine, "TERM");
    assert!(binary::observe(LOOKS_MAX, || engine.has_ended()));
    // The next life finds it done.
    let (mut engine, address) = start(folder.path());
    let ready = || get(&address, "/readyz").0.ends_with(" 200 OK");
    assert!(binary::observe(LOOKS_MAX, ready));
    signal(&engine, "TERM");
    assert!(binary::observe(LOOKS_MAX, || engine.has_ended()));
    assert_eq!(letters(), 1);
}

#[test]
fn a_service_that_was_killed_owns_everything_again_at_once() {
    let folder = TempDir::new().expect("a folder");
    let database = folder.path().join("regua.db");
    let owned_once = |epoch: i64| {
        let leases = behind::rows(&database, "SELECT epoch FROM leases WHERE owner <> ''");
        leases.len() == 64 && leases.iter().all(|found| found[0] == epoch)
    };
    let (first, _) = start(folder.path());
    assert!(binary::observe(LOOKS_MAX, || owned_once(1)));
    drop(first);
    let (_second, _) = start(folder.path());
    // Leases last ten seconds; nobody waits for those of a process that is gone.
    assert!(
        binary::observe(3_000, || owned_once(2)),
        "it waits for itself"
    );
}

#[test]
fn a_request_that_is_none_does_not_end_the_service() {
    let folder = TempDir::new().expect("a folder");
    let (_engine, address) = start(folder.path());
    for noise in [
        &b"\x16\x03\x01\0\0"[..],
        b"GET /healthz HTTP/9.9\r\n\r\n",
        &[b'A'; 200_000],
    ] {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        // It may hang up in the middle of it.
        let _ = stream.write_all(noise);
    }
    assert_eq!(get(&address, "/healthz").0, "HTTP/1.1 200 OK");
}
