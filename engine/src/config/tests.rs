//! Settings from every source, good and bad.

use std::io::Write as _;

use schedules::id::TenantId;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    Sources {
        environment,
        ..Sources::default()
    }
}

fn overrides(texts: &[&str]) -> Sources {
    let overrides = texts.iter().map(|text| (*text).to_owned()).collect();
    Sources {
        overrides,
        ..Sources::default()
    }
}

/// A file of its own in the temporary folder, removed in the end.
struct TestFile(PathBuf);

impl TestFile {
    fn with(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("regua-{}-{name}", std::process::id()));
        std::fs::File::create(&path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
        Self(path)
    }

    fn as_settings(&self) -> Sources {
        Sources {
            file: Some(self.0.clone()),
            ..Sources::default()
        }
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// The problems as `code key`.
fn problems(sources: &Sources) -> Vec<String> {
    let problems = Config::load(sources).expect_err("problems").0;
    problems
        .iter()
        .map(|problem| format!("{} {}", problem.kind.code(), problem.key))
        .collect()
}

#[test]
fn the_documented_defaults_are_complete_and_agree_with_the_actors() {
    let config = Config::load(&Sources::default()).expect("the defaults");
    assert_eq!(
        config.store,
        StoreConfig::Sqlite {
            path: ".regua/regua.db".into()
        }
    );
    assert_eq!(config.node.lease_times(), LeaseTimes::default());
    assert!(config.serve.listen.ip().is_loopback());
}

#[test]
fn a_later_source_wins_over_an_earlier_one() {
    let file = TestFile::with(
        "order.toml",
        b"[node]\narbiters = 2\nlease_ms = 20000\n[serve]\nlisten = \"127.0.0.1:1\"",
    );
    let sources = Sources {
        file: Some(file.0.clone()),
        environment: environment(&[
            ("REGUA_NODE__ARBITERS", "3"),
            ("REGUA_NODE__LEASE_MS", "9000"),
        ])
        .environment,
        overrides: vec!["node.arbiters=4".to_owned()],
    };
    let config = Config::load(&sources).expect("settings");
    assert_eq!((config.node.arbiters, config.node.lease_ms), (4, 9_000));
    assert_eq!(config.serve.listen.port(), 1);
}

#[test]
fn another_kind_of_store_leaves_the_keys_of_the_former_one_behind() {
    let url = "postgres://regua:hunter2@db/regua";
    let sources = environment(&[("REGUA_STORE__KIND", "postgres"), ("REGUA_STORE__URL", url)]);
    let config = Config::load(&sources).expect("settings");
    let expected = StoreConfig::Postgres {
        url: Secret::new(url.into()),
        connections_max: 16,
    };
    assert_eq!(config.store, expected);
}

#[test]
fn a_key_of_another_kind_of_store_is_refused() {
    let sources = environment(&[
        ("REGUA_STORE__KIND", "postgres"),
        ("REGUA_STORE__URL", "postgres://db"),
        ("REGUA_STORE__PATH", "x.db"),
    ]);
    assert_eq!(problems(&sources), ["RG-CONFIG-003 store.path"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let file = TestFile::with(
        "many.toml",
        b"extra = 1\n[store]\nkind = \"mysql\"\nhost = \"x\"\n[node]\narbiters = -1\n\
          lease_ms = 1e3\nlease_margin_ms = 5000\n[log]\nlevel = \"loud\"\ncolour = true\n\
          [serve]\nlisten = \"here\"",
    );
    let expected = [
        "RG-CONFIG-004 store.kind",
        "RG-CONFIG-004 node.arbiters",
        "RG-CONFIG-004 node.lease_ms",
        "RG-CONFIG-004 serve.listen",
        "RG-CONFIG-004 log.level",
        "RG-CONFIG-003 log.colour",
        "RG-CONFIG-003 extra",
    ];
    assert_eq!(problems(&file.as_settings()), expected);
}

#[test]
fn a_lease_must_outlast_its_margin_and_its_renewal() {
    let sources = overrides(&["node.lease_ms=6000"]);
    assert_eq!(problems(&sources), ["RG-CONFIG-009 node.lease_ms"]);
    assert!(Config::load(&overrides(&["node.lease_ms=6001"])).is_ok());
}

#[test]
fn the_mailbox_has_no_more_faults_than_messages() {
    let config = Config::load(&overrides(&["mailbox.lost=10000", "mailbox.rejected=1"]));
    let mailbox = config.expect("settings").mailbox;
    assert_eq!((mailbox.lost, mailbox.rejected), (10_000, 1));
    let sources = overrides(&["mailbox.rejected=9000", "mailbox.unavailable=1001"]);
    assert_eq!(problems(&sources), ["RG-CONFIG-010 mailbox.rejected"]);
}

#[test]
fn variables_of_others_are_left_alone_and_misspelt_settings_are_not() {
    let foreign = [
        ("REGUA_SERVICE_HOST", "10.0.0.1"),
        ("REGUA_CONFIG", "x"),
        ("PATH", "/bin"),
    ];
    assert!(Config::load(&environment(&foreign)).is_ok());
    let sources = environment(&[("REGUA_NODE__ARBITER", "1"), ("REGUA_A__B__C", "1")]);
    assert_eq!(
        problems(&sources),
        ["RG-CONFIG-003 node.arbiter", "RG-CONFIG-003 a"]
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    let environment = vec![("REGUA_STORE__PATH".into(), value)];
    let sources = Sources {
        environment,
        ..Sources::default()
    };
    assert_eq!(problems(&sources), ["RG-CONFIG-004 REGUA_STORE__PATH"]);
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_refused() {
    let missing = Sources {
        file: Some("/does/not/exist.toml".into()),
        ..Sources::default()
    };
    assert_eq!(problems(&missing), ["RG-CONFIG-001 /does/not/exist.toml"]);
    let broken = TestFile::with("broken.toml", b"[store]\nurl = \"hunter2\nkind = 1");
    let problems = Config::load(&broken.as_settings()).expect_err("a problem");
    assert_eq!(problems.0[0].kind, ProblemKind::ParseFile { line: 2 });
    assert!(!problems.to_string().contains("hunter2"));
    let bytes = TestFile::with("bytes.toml", &[0xff, 0, 0xfe]);
    let problems = Config::load(&bytes.as_settings()).expect_err("a problem");
    assert_eq!(problems.0[0].kind, ProblemKind::ReadFile);
}

#[test]
fn levels_are_read_strictly() {
    for text in ["info", "warn,engine=debug", "OFF, engine::store = trace"] {
        assert!(
            Config::load(&overrides(&[&format!("log.level={text}")])).is_ok(),
            "{text}"
        );
    }
    for text in [
        "loud",
        "info,engine",
        "info,=debug",
        "info,engine=loud",
        "a b=info",
        ",",
        "",
    ] {
        assert!(
            Config::load(&overrides(&[&format!("log.level={text}")])).is_err(),
            "{text}"
        );
    }
}

#[test]
fn a_number_beyond_all_floats_is_no_toml() {
    let file = TestFile::with("huge.toml", b"[node]\nlease_ms = 1e400");
    let told = problems(&file.as_settings());
    assert_eq!(told, [format!("RG-CONFIG-002 {}", file.0.display())]);
}

#[test]
fn a_device_that_never_ends_is_not_read_to_its_end() {
    let endless = Sources {
        file: Some("/dev/zero".into()),
        ..Sources::default()
    };
    assert_eq!(problems(&endless), ["RG-CONFIG-001 /dev/zero"]);
}

#[test]
fn a_secret_comes_from_its_file_without_the_closing_line_break() {
    let file = TestFile::with("url", b"postgres://regua:hunter2@db/regua\r\n");
    let path = file.0.to_string_lossy();
    let pairs = [
        ("REGUA_STORE__KIND", "postgres"),
        ("REGUA_STORE__URL_FILE", &*path),
    ];
    let config = Config::load(&environment(&pairs)).expect("settings");
    let StoreConfig::Postgres { url, .. } = config.store else {
        panic!("another store")
    };
    assert_eq!(url.expose(), "postgres://regua:hunter2@db/regua");
}

#[test]
fn a_secret_must_come_from_exactly_one_place() {
    let kind = ("REGUA_STORE__KIND", "postgres");
    assert_eq!(problems(&environment(&[kind])), ["RG-CONFIG-005 store.url"]);
    let twice = environment(&[
        kind,
        ("REGUA_STORE__URL", "x"),
        ("REGUA_STORE__URL_FILE", "/dev/null"),
    ]);
    assert_eq!(problems(&twice), ["RG-CONFIG-006 store.url"]);
    let empty = environment(&[kind, ("REGUA_STORE__URL_FILE", "/dev/null")]);
    assert_eq!(problems(&empty), ["RG-CONFIG-008 store.url_file"]);
}

#[test]
fn fewer_connections_than_there_are_kinds_of_work_are_refused() {
    let least = crate::store::PostgresSettings::CONNECTIONS_MIN;
    let with = |connections: u32| {
        let pairs = [
            ("REGUA_STORE__KIND", "postgres".to_owned()),
            ("REGUA_STORE__URL", "postgres://db".to_owned()),
            ("REGUA_STORE__CONNECTIONS_MAX", connections.to_string()),
        ];
        environment(&pairs.each_ref().map(|(key, value)| (*key, value.as_str())))
    };
    assert!(Config::load(&with(least)).is_ok());
    let told = problems(&with(least - 1));
    assert_eq!(told, ["RG-CONFIG-004 store.connections_max"]);
}

#[test]
fn a_secret_on_the_command_line_is_refused() {
    for key in ["store.url", "STORE.URL", "Store.Url", "store.URL"] {
        let url = format!("{key}=postgres://u:hunter2@db");
        let told = problems(&overrides(&["store.kind=postgres", &url]));
        let expected = ["RG-CONFIG-007 store.url", "RG-CONFIG-005 store.url"];
        assert_eq!(told, expected, "{key}");
    }
}

#[test]
fn neither_print_nor_debug_nor_problems_show_a_secret() {
    let secret = "postgres://regua:hunter2@db/regua";
    let pairs = [
        ("REGUA_STORE__KIND", "postgres"),
        ("REGUA_STORE__URL", secret),
    ];
    let config = Config::load(&environment(&pairs)).expect("settings");
    let printed = config.to_toml().expect("toml");
    assert!(printed.contains("[redacted]"), "{printed}");
    for text in [printed, format!("{config:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    for key in [
        "STORE__KIND",
        "NODE__LEASE_MS",
        "SERVE__LISTEN",
        "LOG__LEVEL",
        "LOG__FORMAT",
    ] {
        let name = format!("REGUA_{key}");
        let problems = Config::load(&environment(&[(&*name, secret)])).expect_err("a problem");
        assert!(
            !format!("{problems} {problems:?}").contains("hunter2"),
            "{problems}"
        );
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let config = Config::load(&overrides(&["log.level=warn,engine=debug"])).expect("settings");
    let file = TestFile::with("printed.toml", config.to_toml().expect("toml").as_bytes());
    assert_eq!(Config::load(&file.as_settings()), Ok(config));
}

#[test]
fn an_override_without_section_key_and_value_is_refused() {
    let sources = overrides(&["node", "node=1", "arbiters=1"]);
    assert_eq!(problems(&sources), ["RG-CONFIG-004 --set"; 3]);
}

#[test]
fn a_provider_has_a_name_of_its_own_in_every_source() {
    let file = TestFile::with(
        "providers.toml",
        b"[providers.trial]\nkind = \"mailbox\"\ntenants = [\"ten_7\"]",
    );
    let sources = Sources {
        file: Some(file.0.clone()),
        environment: environment(&[
            ("REGUA_PROVIDERS__TRIAL__TENANTS", "ten_1, ten_2"),
            ("REGUA_PROVIDERS__SPARE__KIND", "mailbox"),
        ])
        .environment,
        overrides: vec!["providers.third-1.kind=mailbox".to_owned()],
    };
    let config = Config::load(&sources).expect("settings");
    let names: Vec<&String> = config.providers.keys().collect();
    assert_eq!(names, ["spare", "third-1", "trial"]);
    let tenants = config.providers["trial"].tenants.clone().expect("tenants");
    assert_eq!(Vec::from_iter(tenants), [TenantId(1), TenantId(2)]);
    assert_eq!(config.providers["spare"].tenants, None);
    let printed = TestFile::with(
        "providers2.toml",
        config.to_toml().expect("toml").as_bytes(),
    );
    assert_eq!(Config::load(&printed.as_settings()), Ok(config));
}

#[test]
fn another_kind_of_provider_is_still_for_those_alone_that_may_use_it() {
    let file = TestFile::with(
        "allowed.toml",
        b"[providers.mail]\nkind = \"smtp\"\nhost = \"x\"\ntenants = [\"ten_7\"]",
    );
    let allowed = |above: &[(&str, &str)]| {
        let environment = environment(above).environment;
        let sources = Sources {
            environment,
            ..file.as_settings()
        };
        let config = Config::load(&sources).expect("settings");
        config.providers["mail"].tenants.clone().map(Vec::from_iter)
    };
    let kind = ("REGUA_PROVIDERS__MAIL__KIND", "mailbox");
    assert_eq!(allowed(&[kind]), Some(vec![TenantId(7)]));
    let others = ("REGUA_PROVIDERS__MAIL__TENANTS", "ten_1");
    assert_eq!(allowed(&[kind, others]), Some(vec![TenantId(1)]));
}

#[test]
fn the_files_that_secrets_of_providers_lie_in_are_known() {
    let file = TestFile::with(
        "secret_files.toml",
        b"[store]\nkind = \"postgres\"\nurl_file = \"/s/url\"\n[providers.mail]\nkind = \"smtp\"\n\
          password = \"hunter2\"\nca_file = \"/s/public.pem\"\n[providers.wa]\n\
          kind = \"whatsapp\"\ntoken_file = \"/s/below\"\n[unsubscribe]\nkey_file = \"/s/key\"",
    );
    let above = [
        ("REGUA_PROVIDERS__WA__TOKEN_FILE", "/s/token"),
        ("REGUA_PROVIDERS__GW__SIGNING_KEY_FILE", "/s/signing"),
    ];
    let sources = Sources {
        environment: environment(&above).environment,
        ..file.as_settings()
    };
    let found = secret_files(&sources).into_iter();
    let found = found.map(|(key, path)| format!("{key} {}", path.display()));
    let expected = [
        "store.url_file /s/url".to_owned(),
        "providers.wa.token_file /s/token".to_owned(),
        "providers.gw.signing_key_file /s/signing".to_owned(),
        format!("providers.mail.password {}", file.0.display()),
        "unsubscribe.key_file /s/key".to_owned(),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn everything_that_is_wrong_with_a_provider_is_told() {
    let file = TestFile::with(
        "bad_providers.toml",
        b"[providers]\nflat = 1\n[providers.Mail]\nkind = \"mailbox\"\n\
          [providers.a__b]\nkind = \"mailbox\"\n[providers.c]\nkind = \"pigeon\"\nspeed = 1\n\
          [providers.d]\nkind = \"mailbox\"\ntenants = []\nextra = 1\n\
          [providers.e]\nkind = \"mailbox\"\ntenants = [\"con_1\"]\n[providers.f]",
    );
    let expected = [
        "RG-CONFIG-004 providers.Mail",
        "RG-CONFIG-004 providers.a__b",
        "RG-CONFIG-004 providers.c.kind",
        "RG-CONFIG-004 providers.d.tenants",
        "RG-CONFIG-003 providers.d.extra",
        "RG-CONFIG-004 providers.e.tenants",
        "RG-CONFIG-005 providers.f.kind",
        "RG-CONFIG-004 providers.flat",
    ];
    assert_eq!(problems(&file.as_settings()), expected);
}

#[test]
fn links_that_end_messages_need_an_address_over_https_and_a_long_key() {
    let key = "0123456789abcdef0123456789abcdef";
    let with = |base_url: &str, key: &str| {
        environment(&[
            ("REGUA_UNSUBSCRIBE__BASE_URL", base_url),
            ("REGUA_UNSUBSCRIBE__KEY", key),
        ])
    };
    let config = Config::load(&with("https://regua.example/", key)).expect("settings");
    let links = config.unsubscribe.clone().expect("links");
    assert_eq!(links.base_url, "https://regua.example");
    let printed = config.to_toml().expect("toml");
    assert!(!printed.contains(key), "{printed}");
    let told = problems(&with("http://regua.example", key));
    assert_eq!(told, ["RG-CONFIG-004 unsubscribe.base_url"]);
    let told = problems(&with("https://regua.example", &key[1..]));
    assert_eq!(told, ["RG-CONFIG-004 unsubscribe.key"]);
    let alone = environment(&[("REGUA_UNSUBSCRIBE__KEY", key)]);
    assert_eq!(problems(&alone), ["RG-CONFIG-005 unsubscribe.base_url"]);
    let shown = overrides(&[&format!("unsubscribe.key={key}")]);
    assert_eq!(problems(&shown), ["RG-CONFIG-007 unsubscribe.key"]);
    let defaults = Config::load(&Sources::default()).expect("the defaults");
    assert_eq!(defaults.unsubscribe, None);
}
