//! The settings of providers over HTTP: what is refused, and that no secret is shown.

use super::desk::config;

/// The problems of a section `[providers.it]`, as the keys they are about.
fn problems(section: &str) -> Vec<String> {
    let problems = config(&format!("[providers.it]\n{section}"))
        .expect_err("problems")
        .0;
    let key = |key: &str| key.trim_start_matches("providers.it.").to_owned();
    problems.iter().map(|problem| key(&problem.key)).collect()
}

const WHATSAPP: &str = "kind = \"whatsapp\"\nphone_number_id = \"1\"\ntoken = \"t0ken\"\n";
const SMS: &str = "kind = \"http_sms\"\nurl = \"https://a.example\"\n";
const BODY: &str = "body = { to = \"{to}\", text = \"{text}\" }\n";

#[test]
fn a_provider_is_reached_over_tls_unless_it_is_here_or_the_operator_says_otherwise() {
    for (url, more, problem) in [
        ("http://a.example", "", Some("url")),
        ("http://10.0.0.1", "insecure = false", Some("url")),
        ("http://10.0.0.1", "insecure = true", None),
        ("http://127.0.0.1:8080", "", None),
        ("https://a.example/v1", "", None),
        ("https://good@evil.example", "", Some("url")),
        ("file:///etc/passwd", "insecure = true", Some("url")),
        ("https://a.example/?key=1", "", Some("url")),
    ] {
        let section = format!("{WHATSAPP}url = \"{url}\"\n{more}\n");
        match problem {
            Some(key) => assert_eq!(problems(&section), [key], "{url}"),
            None => drop(config(&format!("[providers.it]\n{section}")).expect(url)),
        }
    }
}

#[test]
fn each_bad_setting_is_named() {
    for (section, keys) in [
        (
            "kind = \"whatsapp\"".to_owned(),
            &["phone_number_id", "token"][..],
        ),
        (format!("{WHATSAPP}version = \"25/..\""), &["version"]),
        (format!("{WHATSAPP}contacts_max = 0"), &["contacts_max"]),
        (format!("{WHATSAPP}total_ms = 15000"), &["total_ms"]),
        (format!("{WHATSAPP}connect_ms = 3001"), &["connect_ms"]),
        (format!("{WHATSAPP}ca_file = \"/nowhere\""), &["ca_file"]),
        (format!("{WHATSAPP}nothing = 1"), &["nothing"]),
        (WHATSAPP.replace("\"1\"", "\"1/2\""), &["phone_number_id"]),
        (WHATSAPP.replace("t0ken", "a\\nb"), &["token"]),
        (
            "kind = \"evolution\"".to_owned(),
            &["url", "instance", "apikey"],
        ),
        (SMS.to_owned(), &["body"]),
        (format!("{SMS}{BODY}method = \"GET\""), &["method"]),
        (format!("{SMS}{BODY}accepted = [\"all\"]"), &["accepted"]),
        (
            format!("{SMS}{BODY}unavailable = [503, 202]"),
            &["unavailable"],
        ),
        (format!("{SMS}{BODY}id_pointer = \"id\""), &["id_pointer"]),
        (
            format!("{SMS}{BODY}signature_header = \"a b\""),
            &["signature_header"],
        ),
        (
            format!("{SMS}{BODY}headers = {{ Host = \"a\" }}"),
            &["headers.Host"],
        ),
        (
            format!("{SMS}{BODY}headers = {{ X = \"{{text}}\" }}"),
            &["headers.X"],
        ),
        (
            format!("{SMS}{BODY}headers = {{ X = \"{{credential}}\" }}"),
            &["headers.X"],
        ),
        (format!("{SMS}body = {{ to = \"{{to}}\" }}"), &["body"]),
        (format!("{SMS}body = {{ text = \"{{text}}\" }}"), &["body"]),
        (
            format!("{SMS}body = {{ a = \"{{to}}{{text}}{{name}}\" }}"),
            &["body"],
        ),
        (
            format!("{SMS}format = \"form\"\nbody = {{ a = [\"{{to}}\", \"{{text}}\"] }}"),
            &["body"],
        ),
    ] {
        assert_eq!(problems(&section), keys, "{section}");
    }
}

#[test]
fn no_secret_of_a_provider_is_printed_and_what_is_printed_is_read_again() {
    let toml = format!(
        "[providers.meta]\n{WHATSAPP}\n\
         [providers.evo]\nkind = \"evolution\"\nurl = \"https://b.example\"\n\
         instance = \"um\"\napikey = \"ch4ve\"\n\
         [providers.sms]\n{SMS}credential = \"cr3d\"\nsigning_key = \"k3y\"\n{BODY}\
         headers = {{ Authorization = \"Bearer {{credential}}\" }}\n"
    );
    let config = config(&toml).expect("settings");
    let (printed, debug) = (config.to_toml().expect("TOML"), format!("{config:?}"));
    for secret in ["t0ken", "ch4ve", "cr3d", "k3y"] {
        assert!(
            !printed.contains(secret) && !debug.contains(secret),
            "{secret}"
        );
    }
    let again = super::desk::config(&printed).expect("settings");
    assert_eq!(again.to_toml().expect("TOML"), printed);
    assert!(printed.contains("Bearer {credential}"), "{printed}");
}

#[test]
fn secrets_of_providers_are_not_taken_from_the_command_line() {
    for key in ["token", "apikey", "credential", "signing_key"] {
        let setting = format!("providers.it.{key}=t0ken");
        let printed = tests::binary::run(&["config", "print", "--set", &setting]);
        let told = String::from_utf8(printed.stderr).expect("utf-8");
        assert!(
            told.contains("RG-CONFIG-007") && !told.contains("t0ken"),
            "{told}"
        );
    }
}
