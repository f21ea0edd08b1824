//! Files of boletos and requests of them: amounts, dates, names and all.

use chrono::NaiveDate;
use engine::imports::csv::{AMOUNT_CENTAVOS_MAX, BoletoCsv, ImportLine, ImportRow};
use engine::imports::json::{BoletoItem, rows};
use tests::chance::Chance;

use super::each;
use super::spoil::{spoiled, spoiled_bytes};

const TODAY: NaiveDate = match NaiveDate::from_ymd_opt(2026, 3, 2) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

const HEADER: &str = "reference;due_on;amount;digitable_line;pix_code;payment_link;name;phone;\
    email;zones";

const FILES: [&str; 4] = [
    "reference;name;phone;due_on;amount\nA;Ana;11987651234;10/03/2026;1.234,56\n\
     B;\"Bia; \"\"Bê\"\"\";(21) 99876-5432;2026-03-11;10,00\n",
    "Referência,Nome,E-mail,Vencimento,Valor\r\nA,Zoe,z@x.example,2026-03-10,100.00\r\n\r\n",
    "\u{feff}codigo\tpagador\tcelular\tlinha_digitavel\nA\tJoão\t11987651234\t\
     34191101213456788005871234570001616670000012345\n",
    "reference;name;email;due_on;amount\nA;\"Ana\nLima\";a@x.example;10/03/2026;1\n",
];

const ITEMS: [&str; 2] = [
    r#"[{"reference":"A","amount_centavos":1000,"due_on":"2026-03-10","contact":{"name":"Ana",
        "phone":"11987651234","email":"a@x.example","zones":["America/Recife"]}}]"#,
    r#"[{"reference":"B","digitable_line":"34191101213456788005871234570001616670000012345",
        "pix_code":null,"payment_link":"https://pay.example/1","contact":{"name":"João",
        "phone":"+55 21 99876-5432"}}]"#,
];

fn check(row: &ImportRow) {
    assert!((1..=AMOUNT_CENTAVOS_MAX).contains(&row.amount_centavos));
    assert!(row.contact.phone.is_some() || row.contact.email.is_some());
    assert!(!row.reference.contains(char::is_control));
    assert!(!row.contact.name.contains(char::is_control));
}

/// Reads a file to its end, and returns how many rows were good.
fn read(file: &[u8]) -> usize {
    let Ok(lines) = BoletoCsv::open(file, TODAY) else {
        return 0;
    };
    let rows = lines.filter_map(|line| match line {
        Ok(ImportLine::Row(_, row)) => Some(row),
        _ => None,
    });
    rows.inspect(|row| check(row)).count()
}

#[test]
fn files_are_read_or_refused_and_never_panic() {
    each("csv", 10_000, |chance: &mut Chance| {
        read(&spoiled_bytes(chance, &FILES)) > 0
    });
}

#[test]
fn rows_of_spoiled_fields_are_read_or_refused_and_never_panic() {
    let fields: [&[&str]; 10] = [
        &["NF-1", "2026/77"],
        &["10/03/2026", "2026-03-10", "29/02/2028", "31-12-2099"],
        &["1.234,56", "R$ 10,00", "1234.5", "99.999.999,99", "7"],
        &["", "34191101213456788005871234570001616670000012345"],
        &[""],
        &["", "https://pay.example/1"],
        &["Ana Lima", "João"],
        &["11987651234", "(21) 99876-5432"],
        &["", "a@x.example"],
        &["", "America/Manaus|America/Recife"],
    ];
    each("row", 15_000, |chance| {
        // One field is spoiled, or some of them.
        let spoil = chance.below(fields.len() as u64) as usize;
        let columns = fields.iter().enumerate().map(|(at, good)| {
            let is_spoiled = at == spoil || chance.percent(10);
            let text = match is_spoiled {
                true => spoiled(chance, good),
                false => chance.pick(good).to_string(),
            };
            format!("\"{}\"", text.replace('"', "\"\""))
        });
        let row: Vec<String> = columns.collect();
        read(format!("{HEADER}\n{}\n", row.join(";")).as_bytes()) > 0
    });
}

#[test]
fn requests_of_boletos_are_read_or_refused_and_never_panic() {
    each("items", 10_000, |chance| {
        let text = spoiled(chance, &ITEMS);
        let Ok(items) = serde_json::from_str::<Vec<BoletoItem>>(&text) else {
            return false;
        };
        let good = rows(&items, TODAY).filter_map(Result::ok);
        good.inspect(check).count() > 0
    });
}
