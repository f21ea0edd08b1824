//! What the demo says at its end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::DemoError;
use super::data::TenantData;
use super::drive::Walked;
use super::stage::Staged;
use super::verify::Findings;
use crate::store::{DecisionRecord, StateCounts, Store, Why};
use crate::why;

/// How many stories are told.
const STORIES: usize = 3;

/// The demo's report.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// One part for each tenant.
    pub tenants: Vec<TenantReport>,
    /// Events that were told, repeated ones included.
    pub events: usize,
    /// Events that repeat one that was told before: the others have a row in the inbox each.
    pub repeated_events: usize,
    /// Stops that met a hand-over under way, and were acknowledged when it had come back.
    pub settled_later: usize,
    /// How often the clock jumped.
    pub jumps: usize,
    /// What the judge found.
    pub findings: Findings,
    /// Three stories.
    pub why: Vec<Vec<String>>,
}

/// What happened to one tenant's boletos.
#[derive(Clone, Debug, Serialize)]
pub struct TenantReport {
    /// The tenant.
    pub name: String,
    /// Boletos that were imported.
    pub imported: usize,
    /// Rows that were refused, by the code of their reason.
    pub refused: BTreeMap<String, usize>,
    /// Rows that the file's maker meant to be refused.
    pub meant_to_be_refused: usize,
    /// Boletos by status.
    pub boletos: BTreeMap<String, u64>,
    /// Attempts by outcome.
    pub attempts: BTreeMap<String, u64>,
    /// Decisions without an attempt, by ruling and reason.
    pub decisions: BTreeMap<String, u64>,
}

impl DemoReport {
    /// Says whether every promise was kept, every row was read as it was meant, and something was
    /// sent at all: where nothing happens, no promise is broken.
    pub fn is_true(&self) -> bool {
        let worked = |tenant: &TenantReport| {
            let refused: usize = tenant.refused.values().sum();
            let sent = tenant.attempts.get("accepted").copied().unwrap_or_default();
            refused == tenant.meant_to_be_refused && sent > 0
        };
        let worked = !self.tenants.is_empty() && self.tenants.iter().all(worked);
        worked && self.why.len() == STORIES && self.findings.is_clean()
    }
}

/// Writes the report from the store.
pub(super) async fn write(
    store: &Store,
    tenants: &[TenantData],
    staged: &[Staged],
    walked: Walked,
    findings: Findings,
) -> Result<DemoReport, DemoError> {
    let mut reports = Vec::new();
    for (data, tenant) in tenants.iter().zip(staged) {
        let counts = store.report(tenant.id).await?;
        let mut refused = BTreeMap::new();
        for refusal in &tenant.refused {
            *refused.entry(refusal.code().to_owned()).or_default() += 1;
        }
        reports.push(TenantReport {
            name: data.name.to_owned(),
            imported: tenant.rows.len(),
            refused,
            meant_to_be_refused: data.broken,
            boletos: map(counts.boletos),
            attempts: map(counts.attempts),
            decisions: map(counts.decisions),
        });
    }
    Ok(DemoReport {
        tenants: reports,
        events: walked.events,
        repeated_events: walked.repeated,
        settled_later: walked.settled_later,
        jumps: walked.jumps,
        findings,
        why: stories(store, staged).await?,
    })
}

fn map(counts: StateCounts) -> BTreeMap<String, u64> {
    counts.0.into_iter().collect()
}

/// Tells of a boleto that was paid after a reminder, of one that a rule held, and of one whose
/// attempt took more than one try.
async fn stories(store: &Store, staged: &[Staged]) -> Result<Vec<Vec<String>>, DemoError> {
    let tellable: [fn(&Why) -> bool; STORIES] = [
        |why| !why.stops.is_empty() && !why.attempts.is_empty(),
        |why| why.decisions.iter().any(DecisionRecord::is_hold),
        |why| why.attempts.iter().any(|record| record.attempt.try_no > 0),
    ];
    let mut stories: Vec<Option<Vec<String>>> = vec![None; tellable.len()];
    for tenant in staged {
        for row in &tenant.rows {
            let Some(boleto) = store.boleto_named(tenant.id, &row.reference).await? else {
                continue;
            };
            let told = store.why_boleto(tenant.id, boleto).await?;
            let zone = row.contact.zones(tenant.zone)[0];
            // One story for each boleto.
            let place =
                (0..tellable.len()).find(|at| stories[*at].is_none() && tellable[*at](&told));
            if let Some(place) = place {
                stories[place] = Some(why::story(&told, zone));
            }
        }
    }
    Ok(stories.into_iter().flatten().collect())
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tenant in &self.tenants {
            writeln!(
                f,
                "\n{}: {} boletos importados",
                tenant.name, tenant.imported
            )?;
            section(
                f,
                "linhas recusadas",
                tenant.refused.iter().map(|(k, v)| (k, *v as u64)),
            )?;
            section(f, "boletos", tenant.boletos.iter().map(|(k, v)| (k, *v)))?;
            section(
                f,
                "tentativas de envio",
                tenant.attempts.iter().map(|(k, v)| (k, *v)),
            )?;
            section(
                f,
                "decisões sem envio",
                tenant.decisions.iter().map(|(k, v)| (k, *v)),
            )?;
        }
        writeln!(
            f,
            "\n{} eventos ({} repetidos); {} pararam com um envio em curso; o relógio saltou {} vezes.",
            self.events, self.repeated_events, self.settled_later, self.jumps
        )?;
        writeln!(f, "\nPor quê? Três histórias:")?;
        for story in &self.why {
            writeln!(f)?;
            story.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        }
        self.verdict(f)
    }
}

impl DemoReport {
    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings {
            handovers_after_ack,
            outside_windows,
            over_caps,
            handed_over_twice,
            without_attempt,
            accepted_without_letter,
            letters_without_outcome,
            without_verdict,
            with_two_verdicts,
            broken_audits,
        } = self.findings;
        writeln!(f, "\nInvariantes, conferidas no próprio histórico:")?;
        for (count, what) in [
            (
                handovers_after_ack,
                "envios depois de uma parada confirmada",
            ),
            (outside_windows, "envios fora do horário permitido"),
            (over_caps, "envios acima do limite por contato"),
            (handed_over_twice, "tentativas entregues duas vezes"),
            (without_attempt, "envios sem registro de tentativa"),
            (accepted_without_letter, "envios aceitos sem carta"),
            (letters_without_outcome, "cartas sem envio aceito"),
            (without_verdict, "lembretes vencidos sem decisão final"),
            (with_two_verdicts, "lembretes com duas decisões finais"),
            (broken_audits, "trilhas de auditoria rompidas"),
        ] {
            writeln!(f, "  {count:>6}  {what}")?;
        }
        writeln!(
            f,
            "{}",
            if self.is_true() {
                "Tudo certo."
            } else {
                "PROMESSA QUEBRADA."
            }
        )
    }
}

fn section<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: impl Iterator<Item = (&'a String, u64)>,
) -> fmt::Result {
    writeln!(f, "  {title}:")?;
    for (name, count) in counts {
        writeln!(f, "    {count:>6}  {name}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DemoReport {
        let tenant = TenantReport {
            name: "Escola".to_owned(),
            imported: 2,
            refused: [("line_length".to_owned(), 1)].into(),
            meant_to_be_refused: 1,
            boletos: BTreeMap::new(),
            attempts: [("accepted".to_owned(), 1)].into(),
            decisions: BTreeMap::new(),
        };
        DemoReport {
            tenants: vec![tenant],
            events: 0,
            repeated_events: 0,
            settled_later: 0,
            jumps: 0,
            findings: Findings::default(),
            why: vec![vec!["Boleto".to_owned()]; STORIES],
        }
    }

    #[test]
    fn a_report_is_true_only_where_something_was_done() {
        assert!(report().is_true());
        let faults: [fn(&mut DemoReport); 6] = [
            |report| report.findings.without_verdict = 1,
            |report| report.why.truncate(2),
            |report| report.tenants.clear(),
            |report| report.tenants[0].attempts.clear(),
            |report| report.tenants[0].refused.clear(),
            |report| report.tenants[0].meant_to_be_refused = 2,
        ];
        for (number, fault) in faults.iter().enumerate() {
            let mut report = report();
            fault(&mut report);
            assert!(!report.is_true(), "fault {number}");
            assert!(report.to_string().ends_with("PROMESSA QUEBRADA.\n"));
        }
    }
}
