//! `regua doctor`: everything that can be examined without touching it, in one go.
//!
//! It reads: a running engine goes on meanwhile. What it tells names keys, files, prefixes and
//! tenants, never what a secret says.

mod place;
mod senders;
mod store;

use std::path::PathBuf;

use actors::clock::Clock;
use serde::Serialize;

use crate::config::{Config, Problems, Sources, StoreConfig, secret_files};
use crate::store::{PostgresSettings, Store, StoreError};

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should be.
    Good,
    /// To be looked after.
    Warning,
    /// Wrong: the engine does not work with it, or not safely.
    Failure,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined.
    pub check: &'static str,
    /// How it counts.
    pub grade: Grade,
    /// What there is to say.
    pub told: String,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether insecure settings were failures.
    pub production: bool,
    /// What was found, check by check.
    pub findings: Vec<Finding>,
}

/// What is examined, and how strictly.
pub struct Patient<'a> {
    /// Where the settings come from.
    pub sources: &'a Sources,
    /// The settings, or what is wrong with them.
    pub config: &'a Result<Config, Problems>,
    /// The store, opened to be read; nothing when the settings say of none.
    pub store: Option<&'a Result<Store, StoreError>>,
    /// This machine's clock.
    pub clock: &'a dyn Clock,
    /// Insecure settings are failures.
    pub production: bool,
}

impl Report {
    /// Says whether nothing failed.
    pub fn is_well(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.all(|finding| finding.grade != Grade::Failure)
    }

    fn say(&mut self, check: &'static str, grade: Grade, told: impl Into<String>) {
        let told = told.into();
        self.findings.push(Finding { check, grade, told });
    }

    fn good(&mut self, check: &'static str, told: impl Into<String>) {
        self.say(check, Grade::Good, told);
    }

    fn warn(&mut self, check: &'static str, told: impl Into<String>) {
        self.say(check, Grade::Warning, told);
    }

    fn fail(&mut self, check: &'static str, told: impl Into<String>) {
        self.say(check, Grade::Failure, told);
    }

    /// Tells what is fit for trials only.
    fn insecure(&mut self, check: &'static str, told: impl Into<String>) {
        match self.production {
            true => self.fail(check, told),
            false => self.warn(check, told),
        }
    }
}

/// Examines everything.
pub async fn examine(patient: &Patient<'_>) -> Report {
    let mut report = Report {
        production: patient.production,
        findings: Vec::new(),
    };
    secrets(patient, &mut report);
    let config = match patient.config {
        Ok(config) => config,
        Err(Problems(problems)) => {
            for problem in problems {
                report.fail("settings", problem.to_string());
            }
            return report;
        }
    };
    report.good(
        "settings",
        "every key is known and has a value in its range",
    );
    place::listen(config.serve.listen, &mut report);
    match &config.store {
        StoreConfig::Sqlite { path } => {
            place::data(path, &mut report);
            report.good("transport", "the database is in the process");
        }
        StoreConfig::Postgres { url, .. } => {
            match PostgresSettings::at(url.expose()).is_exposed() {
                Ok(false) => report.good("transport", "nobody reads on the way to the database"),
                Ok(true) => report.insecure(
                    "transport",
                    "store.url leads to another machine without sslmode=verify-full",
                ),
                Err(error) => report.fail("transport", with_code(&error)),
            }
        }
    }
    report.good("providers", senders::providers(config));
    match patient.store {
        Some(Ok(store)) => store::examine(store, config, patient, &mut report).await,
        Some(Err(error)) => report.fail("store", with_code(error)),
        None => {}
    }
    report
}

fn secrets(patient: &Patient<'_>, report: &mut Report) {
    let files: Vec<(String, PathBuf)> = secret_files(patient.sources);
    let before = report.findings.len();
    for (key, path) in &files {
        place::secret(key, path, report);
    }
    if report.findings.len() == before {
        report.good("secrets", format!("{} files, nobody else's", files.len()));
    }
}

fn with_code(error: &StoreError) -> String {
    format!("{error} [{}]", error.code())
}
