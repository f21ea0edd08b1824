//! `regua bench import`: a CSV file from its bytes to its committed boletos.
//!
//! Every line has all that is checked most dearly: a digitable line that agrees with the amount and
//! the due date beside it, a phone and an e-mail address. It goes the way of an upload, reading and
//! checking on one thread while the doors of a running engine import the part before; only the wire
//! is not in it.

use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::clock::{Clock, JumpClock};
use chrono::{Days, NaiveDate};
use chrono_tz::America::Sao_Paulo;
use schedules::boleto;
use schedules::id::TenantId;
use serde::Serialize;
use tokio::sync::mpsc;

use super::crowd::{self, Way};
use super::drip::{DripFigure, DripOptions, Stage};
use super::ground::{BenchError, Ground, StoreChoice, Via, expect};
use super::limit::per_second;
use super::process;
use super::sink::Sink;
use crate::boot::{Engine, Pace};
use crate::imports::csv::{BoletoCsv, ImportError};
use crate::imports::parts::Part;
use crate::store::{ImportName, NewBoleto};

/// Who imports, for the audit.
const SOURCE: &str = "bench";
/// Rows of one plain insert.
const PLAIN_ROWS: usize = 1_000;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct ImportOptions {
    /// Lines of the file, each a boleto of a contact of its own.
    pub lines: u32,
    /// Reminders that come due meanwhile, where that is measured as well.
    pub drip: Option<DripOptions>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct ImportFigure {
    /// The store.
    pub store: Via,
    /// Boletos that were imported.
    pub lines: usize,
    /// The size of the file, in bytes.
    pub bytes: usize,
    /// Boletos a second, from the first byte to the last commit.
    pub boletos_per_s: f64,
    /// Lines a second that one thread reads and checks, without a store.
    pub checked_per_s: f64,
    /// Rows a second of the plain `INSERT` of the same boletos, as many a transaction.
    pub limit_rows_per_s: f64,
    /// Boletos against that limit; the contacts that are imported with them are not in it.
    pub ratio: f64,
    /// Processor time of this process for 1,000 boletos; PostgreSQL's own is not in it.
    pub cpu_ms_per_1000: f64,
    /// Resident memory at the end, in MiB; the file is in it.
    pub resident_mib: i64,
    /// How late reminders are while such a file is imported.
    #[serde(flatten)]
    pub drip: Option<DripFigure>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`]; [`BenchError::Unexpected`] when not every line became a boleto.
pub async fn run(options: ImportOptions, choice: &StoreChoice) -> Result<ImportFigure, BenchError> {
    let ground = Ground::prepare(choice).await?;
    let measured = Box::pin(measure(options, &ground)).await;
    ground.remove().await?;
    measured
}

async fn measure(options: ImportOptions, ground: &Ground) -> Result<ImportFigure, BenchError> {
    let file: Arc<[u8]> = file(options.lines).into_bytes().into();
    let lines = options.lines as usize;
    let (boletos, checked) = check(&file)?;
    expect("good lines", boletos.len(), lines)?;
    let clock = Arc::new(JumpClock::starting_at(crowd::begins_at()));
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let sink = Arc::new(Sink::new(Arc::clone(&shared), 0));
    let gateway = Arc::clone(&sink);
    let engine = Engine::start(ground.open().await?, gateway, shared, Pace::default())?;
    let tenant = crowd::join(&engine.store, Way::IN_PROCESS, 0).await?.tenant;
    let cpu_ms = process::cpu_ms()?;
    let began = Instant::now();
    let imported = import(&engine, tenant, &file).await?;
    let took = began.elapsed();
    let cpu_ms = process::cpu_ms()? - cpu_ms;
    expect("boletos imported", imported, lines)?;
    let began = Instant::now();
    let inserted = engine.store.insert_plainly(boletos, PLAIN_ROWS).await?;
    let limit = began.elapsed();
    expect("rows inserted", inserted, lines)?;
    let drip = match options.drip {
        Some(options) => {
            let stage = Stage {
                engine: &engine,
                clock: &clock,
                sink: &sink,
                options,
            };
            Some(stage.measure(&file).await?)
        }
        None => None,
    };
    let (boletos_per_s, limit_rows_per_s) = (per_second(lines, took), per_second(lines, limit));
    let figure = ImportFigure {
        store: ground.via(),
        lines,
        bytes: file.len(),
        boletos_per_s,
        checked_per_s: per_second(lines, checked),
        limit_rows_per_s,
        ratio: (boletos_per_s / limit_rows_per_s * 1_000.0).round() / 1_000.0,
        cpu_ms_per_1000: cpu_ms as f64 * 1_000.0 / lines.max(1) as f64,
        resident_mib: process::resident_bytes()? >> 20,
        drip,
    };
    engine.stop().await;
    Ok(figure)
}

/// Reads the whole file without a store, and returns its boletos and how long that took.
fn check(file: &[u8]) -> Result<(Vec<NewBoleto>, Duration), BenchError> {
    let began = Instant::now();
    let mut lines = BoletoCsv::open(file, today())?;
    let mut boletos = Vec::new();
    loop {
        let mut part = Part::read(&mut lines, PLAIN_ROWS, Sao_Paulo)?;
        boletos.append(&mut part.boletos);
        if part.end.is_some() {
            return Ok((boletos, began.elapsed()));
        }
    }
}

/// Imports the file, and returns how many boletos were new.
pub(super) async fn import(
    engine: &Engine,
    tenant: TenantId,
    file: &Arc<[u8]>,
) -> Result<usize, BenchError> {
    let (parts, mut read) = mpsc::channel(1);
    let part_lines = engine.store.part_lines();
    let source = Cursor::new(Arc::clone(file));
    let reader = tokio::task::spawn_blocking(move || {
        let mut lines = BoletoCsv::open(source, today())?;
        loop {
            let part = Part::read(&mut lines, part_lines, Sao_Paulo)?;
            let ends = part.end.is_some();
            if parts.blocking_send(part).is_err() || ends {
                return Ok::<(), ImportError>(());
            }
        }
    });
    let job = ImportName {
        source: SOURCE.to_owned(),
        key: "file".to_owned(),
    };
    let (mut imported, mut number) = (0, 0);
    while let Some(part) = read.recv().await {
        let (part, boletos) = part.of(job.clone(), number, today(), crowd::begins_at());
        let taken = engine.doors.import_part(tenant, part, boletos).await?;
        imported += taken.outcome.accepted as usize;
        number += 1;
    }
    // A reader that panicked has left lines out, which is told by their number.
    match reader.await {
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(())) | Err(_) => Ok(imported),
    }
}

fn today() -> NaiveDate {
    crowd::begins_at().local_date(Sao_Paulo)
}

/// Writes a file of good lines.
fn file(lines: u32) -> String {
    let due_on = today() + Days::new(30);
    let due = due_on.format("%d/%m/%Y");
    let mut csv = "referencia;nome;celular;email;vencimento;valor;linha_digitavel\r\n".to_owned();
    for number in 0..lines {
        let (reais, centavos) = (100 + number % 900, number % 100);
        let line = bank_slip_line(due_on, reais * 100 + centavos, number);
        let phone = 960_000_000 + number;
        // Writing to a String cannot fail.
        let _ = write!(
            csv,
            "B{number};Maria da Silva;(11) {phone};maria.{number}@x.example;{due};\
             {reais},{centavos:02};{line}\r\n"
        );
    }
    csv
}

/// Writes the line of a bank slip: the check digits come from the parser, which knows them.
fn bank_slip_line(due_on: NaiveDate, amount_centavos: u32, number: u32) -> String {
    /// The day before factor 0 of the second cycle's numbering: date = this + factor.
    const CYCLE_ORIGIN: NaiveDate = match NaiveDate::from_ymd_opt(2022, 5, 29) {
        Some(day) => day,
        None => NaiveDate::MIN,
    };
    let factor = (due_on - CYCLE_ORIGIN).num_days();
    let barcode = |digit: u8| format!("0339{digit}{factor:04}{amount_centavos:010}{number:025}");
    (1..=9)
        .find_map(|digit| boleto::parse(&barcode(digit), today()).ok())
        .map(|slip| slip.digitable_line)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_good_and_has_its_slip() {
        let (boletos, _) = check(file(2_100).as_bytes()).expect("a file");
        assert_eq!(boletos.len(), 2_100);
        let is_whole = |one: &NewBoleto| {
            let contact = &one.contact;
            one.digitable_line.is_some() && contact.phone.is_some() && contact.email.is_some()
        };
        assert!(boletos.iter().all(is_whole));
    }
}
