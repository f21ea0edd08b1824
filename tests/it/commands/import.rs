//! `regua import` as an operator runs it: beside an engine that takes files over HTTP.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binary::{self, Running};

use super::{answer, code, err, out};
use crate::api::{Engine, today_plus};

/// A folder with a file of boletos and one with a token, and whom they are sent to.
struct Desk<'a> {
    folder: TempDir,
    engine: &'a Engine,
    tenant: String,
}

impl<'a> Desk<'a> {
    fn of(engine: &'a Engine) -> Self {
        let folder = TempDir::new().expect("a folder");
        let tenant = engine.tenant();
        let token = engine.of(&tenant, "import").token.expect("a token");
        std::fs::write(folder.path().join("token"), format!("{token}\n")).expect("a file");
        Self {
            folder,
            engine,
            tenant,
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("utf-8").to_owned()
    }

    fn write(&self, lines: &str) {
        let csv = format!("reference;name;phone;due_on;amount\n{lines}");
        std::fs::write(self.path("boletos.csv"), csv).expect("a file");
    }

    fn send(&self, more: &[&str]) -> Output {
        let url = format!("http://{}", self.engine.admin.address);
        let (file, token) = (self.path("boletos.csv"), self.path("token"));
        let command = ["import", &file, "--tenant", &self.tenant, "--url", &url];
        let command = [&command[..], &["--token-file", &token], more].concat();
        binary::run(&command)
    }
}

#[test]
fn a_file_is_sent_to_a_running_engine_and_what_was_refused_is_listed() {
    let engine = Engine::start();
    let desk = Desk::of(&engine);
    let due = today_plus(20);
    desk.write(&format!(
        "A;Ana;11987651234;{due};1,00\nB;Canario;20987651234;{due};1,00\n"
    ));
    let list = desk.path("refused.csv");
    let output = desk.send(&["--json", "--refusals", &list]);
    assert_eq!(code(&output), 2, "{}", err(&output));
    let told = answer(&output);
    let counts = ["lines", "accepted", "unchanged", "refused"].map(|it| told[it].clone());
    assert_eq!(counts, [2, 1, 0, 1].map(Value::from));
    assert_eq!(told["state"], "done");
    let listed = std::fs::read_to_string(Path::new(&list)).expect("a list");
    assert_eq!(listed, "line,column,error\r\n3,phone,phone_area_code\r\n");
    // The same file is the same import; another one is another.
    assert_eq!(answer(&desk.send(&["--json"])), told);
    desk.write(&format!("A;Ana;11987651234;{due};1,00\n"));
    let output = desk.send(&[]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(
        out(&output),
        "imp_2: done\n1 lines: 0 new, 1 known, 0 refused\n"
    );
    // Under a key of one's own it is what the key was used for.
    let key = told["key"].as_str().expect("a key");
    let output = desk.send(&["--key", key]);
    assert_eq!(code(&output), 1);
    let said = err(&output);
    assert!(
        said.contains("idempotency_key_reused") && said.contains("RG-CLIENT-005"),
        "{said}"
    );
}

#[test]
fn a_proxy_of_the_environment_sees_neither_token_nor_file() {
    let engine = Engine::start();
    let desk = Desk::of(&engine);
    desk.write(&format!("A;Ana;11987651234;{};1,00\n", today_plus(20)));
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a free port");
    proxy.set_nonblocking(true).expect("a look that ends");
    let address = format!("http://{}", proxy.local_addr().expect("an address"));
    let url = format!("http://{}", engine.admin.address);
    let (file, token) = (desk.path("boletos.csv"), desk.path("token"));
    let command = ["import", &file, "--tenant", &desk.tenant, "--url", &url];
    let mut command = binary::command(&[&command[..], &["--token-file", &token]].concat());
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, &address);
    }
    command.stdout(Stdio::null());
    let mut running = Running(command.spawn().expect("the binary runs"));
    let mut ended = None;
    binary::observe(10_000, || {
        ended = running.0.try_wait().expect("a process");
        let asked = proxy.accept().is_ok();
        assert!(!asked, "the proxy was asked");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|it| it.code()), Some(0));
}

#[test]
fn what_keeps_a_file_from_being_sent_is_told_by_its_code_and_the_token_never() {
    let engine = Engine::start();
    let desk = Desk::of(&engine);
    desk.write("A;Ana;11987651234;2026-01-01;1,00\n");
    let (file, empty) = (desk.path("boletos.csv"), desk.path("empty"));
    std::fs::write(&empty, "\n").expect("a file");
    let of = |token: Option<&str>, more: &[&str]| {
        let mut command = binary::command(&[&["import", "--tenant", &desk.tenant], more].concat());
        if let Some(token) = token {
            command.env("REGUA_TOKEN", token);
        }
        let output = command.output().expect("the binary runs");
        assert_eq!(code(&output), 1, "{}", err(&output));
        assert!(!err(&output).contains("canario") && out(&output).is_empty());
        err(&output)
            .rsplit(' ')
            .next()
            .map(|it| it.trim().to_owned())
    };
    let url = format!("http://{}", engine.admin.address);
    let here = |token| of(token, &[&file, "--url", &url]);
    let told = |code: &str| Some(format!("[{code}]"));
    assert_eq!(here(None), told("RG-CLIENT-006"));
    assert_eq!(here(Some(" ")), told("RG-CLIENT-006"));
    assert_eq!(here(Some("rg_canario")), told("RG-CLIENT-005"));
    let by_file = |path: &str| of(None, &[&file, "--url", &url, "--token-file", path]);
    assert_eq!(by_file(&empty), told("RG-CLIENT-007"));
    assert_eq!(by_file(&desk.path("missing")), told("RG-CLIENT-007"));
    let good = std::fs::read_to_string(desk.path("token")).expect("a token");
    let by = |more: &[&str]| of(Some(&good), more);
    assert_eq!(
        by(&[&file, "--url", "http://192.0.2.1"]),
        told("RG-CLIENT-002")
    );
    assert_eq!(by(&[&file, "--url", "canario"]), told("RG-CLIENT-001"));
    assert_eq!(
        by(&[&desk.path("missing"), "--url", &url]),
        told("RG-IMPORT-001")
    );
    let nowhere = desk.path("no/such/folder");
    let listed = by(&[&file, "--url", &url, "--refusals", &nowhere]);
    assert_eq!(listed, told("RG-CLIENT-008"));
    // Somebody else's page is no answer of an engine.
    let elsewhere = json!(format!("{url}/healthz/")).as_str().map(str::to_owned);
    let elsewhere = elsewhere.expect("an address");
    assert_eq!(by(&[&file, "--url", &elsewhere]), told("RG-CLIENT-005"));
}
