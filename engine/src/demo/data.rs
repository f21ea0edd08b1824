//! The demo's two tenants and their CSV files: boletos as they come, good, odd and broken.

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use schedules::boleto;

use super::dice::Dice;
use super::published::PUBLISHED;

/// The first day of the demo's 45: they cross a Sunday holiday, two bank holidays and Advent.
pub(super) const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2026, 11, 9) {
    Some(day) => day,
    None => NaiveDate::MIN,
};
/// How many days the demo walks.
pub(super) const DAYS: u64 = 45;
/// How many good boletos each tenant has, the published ones aside.
const BOLETOS: usize = 170;

/// A tenant of the demo, with the file it uploads.
pub(super) struct TenantData {
    pub(super) name: &'static str,
    pub(super) document: &'static str,
    pub(super) address: &'static str,
    pub(super) zone: Tz,
    pub(super) csv: String,
    /// Lines of the file that must be refused.
    pub(super) broken: usize,
}

/// Area codes over four offsets; 81 may be Recife or Noronha, 97 Manaus or the far west.
const AREA_CODES: [u32; 10] = [11, 21, 31, 51, 65, 68, 81, 85, 92, 97];

const NAMES: [&str; 12] = [
    "Ana Lima",
    "Bruno Sá",
    "Célia Rocha",
    "Davi Nunes",
    "Elisa Prado",
    "Fábio Reis",
    "Gilda Moura",
    "Heitor Luz",
    "Iara Pinto",
    "João Brito",
    "Kátia Melo",
    "Lauro Dias",
];

/// Makes both tenants' data from a seed.
pub(super) fn tenants(seed: u64) -> [TenantData; 2] {
    let mut dice = Dice::new(seed);
    [
        TenantData {
            name: "Escola Aurora",
            document: "12.ABC.345/01DE-35",
            address: "Rua das Acácias 120, São Paulo, SP",
            zone: Tz::America__Sao_Paulo,
            csv: brazilian_csv(&mut dice),
            broken: BROKEN_BRAZILIAN.len(),
        },
        TenantData {
            name: "Clínica Ipê",
            document: "11.222.333/0001-81",
            address: "Av. Eduardo Ribeiro 45, Manaus, AM",
            zone: Tz::America__Manaus,
            csv: english_csv(&mut dice),
            broken: BROKEN_ENGLISH.len(),
        },
    ]
}

/// One row before it is written down.
struct Row {
    reference: String,
    name: &'static str,
    phone: String,
    email: String,
    due_on: NaiveDate,
    amount_centavos: i64,
    line: String,
}

fn rows(dice: &mut Dice, prefix: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for number in 0..BOLETOS {
        // A tenth of the boletos belong to someone who already has one: caps must meet.
        let shared = dice.percent(10).then(|| rows.last()).flatten();
        let (name, phone, email) = match shared {
            Some(row) => (row.name, respelled(&row.phone), row.email.clone()),
            None => person(dice, prefix, number),
        };
        let due_on = FIRST_DAY + Days::new(dice.below(DAYS - 4));
        let amount_centavos = dice.between(1_990, 249_990);
        let line = bank_slip_line(dice, due_on, amount_centavos);
        let reference = format!("{prefix}-{number:04}");
        rows.push(Row {
            reference,
            name,
            phone,
            email,
            due_on,
            amount_centavos,
            line,
        });
    }
    rows
}

fn person(dice: &mut Dice, prefix: &str, number: usize) -> (&'static str, String, String) {
    let (area, name) = (*dice.pick(&AREA_CODES), *dice.pick(&NAMES));
    let phone = format!("{area}9{}{}", dice.between(6, 9), dice.digits(7));
    let email = format!("contato{number}@{}.example", prefix.to_lowercase());
    // Some have only one way to be reached.
    match dice.below(10) {
        0 => (name, phone, String::new()),
        1 => (name, String::new(), email),
        _ => (name, phone, email),
    }
}

/// Spells a mobile number without its ninth digit: still the same person.
fn respelled(phone: &str) -> String {
    if phone.len() == 11 {
        format!("+55 ({}) {}", &phone[..2], &phone[3..])
    } else {
        phone.into()
    }
}

/// Writes the line of a bank slip: the check digits come from the parser, which knows them.
fn bank_slip_line(dice: &mut Dice, due_on: NaiveDate, amount_centavos: i64) -> String {
    /// The day before factor 0 of the second cycle's numbering: date = this + factor.
    const CYCLE_ORIGIN: NaiveDate = match NaiveDate::from_ymd_opt(2022, 5, 29) {
        Some(day) => day,
        None => NaiveDate::MIN,
    };
    let factor = (due_on - CYCLE_ORIGIN).num_days();
    let free_field = dice.digits(25);
    let barcode = |digit: u8| format!("0339{digit}{factor:04}{amount_centavos:010}{free_field}");
    (1..=9)
        .find_map(|digit| boleto::parse(&barcode(digit), FIRST_DAY).ok())
        .map(|slip| slip.digitable_line)
        .unwrap_or_default()
}

/// Lines that must be refused, and go on in the columns of [`brazilian_csv`].
const BROKEN_BRAZILIAN: [&str; 7] = [
    "X-1;Zé;11988887777;ze@x.example;10/12/2026;343,53;03399534655410007231078760701017115650000034354",
    "X-2;Zé;11988887777;ze@x.example;21/12/2026;999,99;34191101213456788005871234570001616670000012345",
    "X-3;Zé;11988887777;ze@x.example;01/01/2027;123,45;34191101213456788005871234570001616670000012345",
    "X-4;Zé;11988887777;ze@x.example;;100,00;",
    "X-5;Zé;20988887777;;10/12/2026;100,00;",
    "AUR-0001;Zé;11988887777;ze@x.example;10/12/2026;100,00;",
    "X-7;Zé;;;10/12/2026;100,00;",
];

fn brazilian_csv(dice: &mut Dice) -> String {
    let mut csv =
        String::from("\u{feff}referencia;nome;celular;email;vencimento;valor;linha_digitavel\r\n");
    for row in rows(dice, "AUR") {
        let amount = format!(
            "{},{:02}",
            row.amount_centavos / 100,
            row.amount_centavos % 100
        );
        let due = row.due_on.format("%d/%m/%Y");
        let Row {
            reference,
            name,
            phone,
            email,
            line,
            ..
        } = row;
        csv.push_str(&format!(
            "{reference};{name};{phone};{email};{due};{amount};{line}\r\n"
        ));
    }
    for (number, slip) in PUBLISHED.iter().enumerate() {
        let amount = format!(
            "{},{:02}",
            slip.amount_centavos / 100,
            slip.amount_centavos % 100
        );
        let due: Vec<&str> = slip.due_on.split('-').rev().collect();
        let (due, line) = (due.join("/"), slip.line);
        let phone = format!("1197{:07}", 1_000_000 + number);
        csv.push_str(&format!(
            "PUB-{number};Publicado;{phone};;{due};{amount};{line}\r\n"
        ));
    }
    BROKEN_BRAZILIAN
        .iter()
        .for_each(|line| csv.push_str(&format!("{line}\r\n")));
    csv
}

/// Lines that must be refused, in the columns of [`english_csv`].
const BROKEN_ENGLISH: [&str; 5] = [
    "Y-1,Zoe,11988887777,zoe@x.example,2026-12-10,1e400,",
    "Y-2,Zoe,11988887777,zoe@x.example,2026-02-30,100.00,",
    "Y-3,Zo\u{0}e,11988887777,zoe@x.example,2026-12-10,100.00,",
    "Y-4,Zoe,11988887777,zoe@x.example,2026-12-10,-5.00,",
    "Y-5,Zoe,,\"zoe@x.example\r\nBcc: all@x.example\",2026-12-10,100.00,",
];

fn english_csv(dice: &mut Dice) -> String {
    let mut csv = String::from("reference,name,phone,email,due_on,amount,digitable_line\n");
    for row in rows(dice, "IPE") {
        let amount = format!(
            "{}.{:02}",
            row.amount_centavos / 100,
            row.amount_centavos % 100
        );
        let Row {
            reference,
            name,
            phone,
            email,
            due_on,
            line,
            ..
        } = row;
        csv.push_str(&format!(
            "{reference},\"{name}\",{phone},{email},{due_on},{amount},{line}\n"
        ));
    }
    BROKEN_ENGLISH
        .iter()
        .for_each(|line| csv.push_str(&format!("{line}\n")));
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_files() {
        let (one, two) = (tenants(7), tenants(7));
        assert_eq!(one[0].csv, two[0].csv);
        assert_ne!(one[0].csv, tenants(8)[0].csv);
    }

    #[test]
    fn every_generated_line_is_a_valid_bank_slip() {
        let mut dice = Dice::new(1);
        for row in rows(&mut dice, "T") {
            let slip = boleto::parse(&row.line, FIRST_DAY).expect("a valid line");
            assert_eq!(slip.due_on, Some(row.due_on));
            assert_eq!(slip.amount_centavos, Some(row.amount_centavos));
        }
    }
}
