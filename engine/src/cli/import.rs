//! `regua import`: a file of boletos through the API of a running engine.
//!
//! The file's own fingerprint is the key unless one is named, so that the command given again
//! goes on where it ended, and another file is another import.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::web::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use schedules::id::TenantId;
use sha2::{Digest as _, Sha256};

use super::serve::report;
use super::{Ended, runtime};
use crate::client::{Client, ClientError, Imported, plain};
use crate::config::Secret;
use crate::hex;
use crate::imports::csv::ImportError;
use crate::telemetry;

/// The variable with the token.
const TOKEN_VARIABLE: &str = "REGUA_TOKEN";
/// How often a file is sent that breaks off.
const TRIES: u32 = 5;
/// After how long it is sent again the first time; each time after twice as long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the engine is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Command {
    /// The CSV file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The tenant whose boletos they are.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The engine; over plain http on this machine only.
    #[arg(long, default_value = "http://127.0.0.1:8088", env = "REGUA_URL")]
    url: String,
    /// The file with a token that may import [env: REGUA_TOKEN, in its place].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The key under which it goes on when it breaks off; the file's fingerprint when left out.
    #[arg(long)]
    key: Option<String>,
    /// Writes what was refused to a CSV file: line, column, error.
    #[arg(long, value_name = "FILE")]
    refusals: Option<PathBuf>,
    /// Writes one JSON object instead of lines for people.
    #[arg(long)]
    json: bool,
}

/// Why a file was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// Nobody said who asks.
    #[error("a token is needed: --token-file or {TOKEN_VARIABLE}")]
    FindToken,
    /// The file of the token is missing or empty.
    #[error("the file of the token cannot be read")]
    ReadToken,
    /// The list of what was refused cannot be written.
    #[error("the list of refusals cannot be written")]
    WriteRefusals(#[source] io::Error),
}

impl SendError {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::FindToken => "RG-CLIENT-006",
            Self::ReadToken => "RG-CLIENT-007",
            Self::WriteRefusals(_) => "RG-CLIENT-008",
        }
    }
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        let imported = match runtime()?.block_on(self.import()) {
            Ok(imported) => imported,
            Err(error) => return report(Err(error), err),
        };
        if self.json {
            serde_json::to_writer(&mut *out, &imported)?;
            writeln!(out)?;
        } else {
            tell(&imported, out)?;
        }
        let is_whole = imported.state == "done" && imported.refused == 0;
        Ok(if is_whole {
            Ended::Well
        } else {
            Ended::Invalid
        })
    }

    async fn import(&self) -> anyhow::Result<Imported> {
        let client = Client::new(&self.url, token(self.token_file.as_deref())?)?;
        let file = fs::read(&self.file).map_err(ImportError::ReadSource)?;
        let key = self.key.clone().unwrap_or_else(|| fingerprint(&file));
        let sending = Sending {
            client: &client,
            tenant: self.tenant,
            key: &key,
            bar: bar(&file),
        };
        let imported = sending.to_the_end(file.into()).await;
        sending.bar.finish_and_clear();
        let imported = imported?;
        if let Some(path) = &self.refusals {
            list(&client, self.tenant, &imported.id, path).await?;
        }
        Ok(imported)
    }
}

/// Reads the token from a file, or from the environment.
pub(super) fn token(file: Option<&Path>) -> Result<Secret, SendError> {
    let text = match file {
        Some(path) => fs::read_to_string(path).map_err(|_| SendError::ReadToken)?,
        None => std::env::var(TOKEN_VARIABLE).map_err(|_| SendError::FindToken)?,
    };
    match text.trim() {
        "" if file.is_some() => Err(SendError::ReadToken),
        "" => Err(SendError::FindToken),
        token => Ok(Secret::new(token.to_owned())),
    }
}

fn fingerprint(file: &[u8]) -> String {
    format!("file:{}", hex::written(&Sha256::digest(file)))
}

/// Shows how many lines were read; nothing where nobody looks.
fn bar(file: &[u8]) -> ProgressBar {
    let lines = file.iter().filter(|byte| **byte == b'\n').count();
    let bar = ProgressBar::new(lines as u64);
    let style = "{bar:40} {human_pos}/{human_len} lines {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// A file on its way.
struct Sending<'a> {
    client: &'a Client,
    tenant: TenantId,
    key: &'a str,
    bar: ProgressBar,
}

impl Sending<'_> {
    /// Sends the file until it was taken to its end, or cannot be.
    async fn to_the_end(&self, file: Bytes) -> Result<Imported, ClientError> {
        let mut again_after = AGAIN_AFTER;
        for _ in 1..TRIES {
            match self.once(file.clone()).await {
                Err(error) if error.may_pass() => tokio::time::sleep(again_after).await,
                sent => return sent,
            }
            again_after *= 2;
        }
        self.once(file).await
    }

    /// Sends the file, and looks how far it is until the answer comes.
    async fn once(&self, file: Bytes) -> Result<Imported, ClientError> {
        let sent = self.client.upload(self.tenant, self.key, file);
        let looks = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                self.look().await;
            }
        };
        tokio::select! {
            sent = sent => sent,
            () = looks => Err(ClientError::NoAnswer),
        }
    }

    /// Asks how far it is; that there is no answer is no harm, the upload's own will come.
    async fn look(&self) {
        if self.bar.is_hidden() {
            return;
        }
        let newest = self.client.newest_imports(self.tenant).await;
        let jobs = newest.unwrap_or_default().into_iter();
        if let Some(job) = jobs.into_iter().find(|job| job.key == self.key) {
            self.bar.set_position(job.lines);
            self.bar.set_message(format!("{} refused", job.refused));
        }
    }
}

/// Writes what was refused; the engine keeps the first 10,000 lines of it.
async fn list(client: &Client, tenant: TenantId, job: &str, path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).map_err(SendError::WriteRefusals)?;
    let mut to = BufWriter::new(file);
    let mut write = |text: String| {
        to.write_all(text.as_bytes())
            .map_err(SendError::WriteRefusals)
    };
    write("line,column,error\r\n".to_owned())?;
    let mut after = Some(0);
    while let Some(from) = after {
        let page = client.refusals(tenant, job, from).await?;
        for one in page.refusals {
            let column = name(&one.column.unwrap_or_default());
            write(format!("{},{column},{}\r\n", one.line, name(&one.error)))?;
        }
        after = page.next;
    }
    to.flush().map_err(SendError::WriteRefusals)?;
    Ok(())
}

/// Returns what can be a name of a column or error: no spreadsheet takes it for a formula.
fn name(text: &str) -> String {
    let is_of_names = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.chars().filter(is_of_names).collect()
}

fn tell(imported: &Imported, out: &mut dyn Write) -> io::Result<()> {
    let Imported {
        id,
        state,
        broke_off,
        lines,
        accepted,
        unchanged,
        refused,
        ..
    } = imported;
    let why = broke_off.as_ref().map(|code| format!(" [{code}]"));
    let told = format!("{id}: {state}{}", why.unwrap_or_default());
    writeln!(out, "{}", plain(&told))?;
    writeln!(
        out,
        "{lines} lines: {accepted} new, {unchanged} known, {refused} refused"
    )
}
