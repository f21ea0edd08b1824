//! What can be seen of a journal, as text in the model's identifiers.

use std::collections::BTreeMap;

use actors::machine::change::{Claim, Ruled};
use actors::machine::input::{InboxFact, Sweep, SweepKind};
use actors::ports::{Boleto, Contact, DuePage, DueRow, Enrollment, Settings, Snapshot, SweepPage};
use schedules::id::{AttemptId, TenantId};
use schedules::stop::StopReason;
use schedules::time::{HOUR_MS, Timestamp};
use schedules::verdict::{Reason, Ruling};

use super::reference::Reference;

/// Sections, each a list of lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View(pub BTreeMap<String, Vec<String>>);

impl View {
    pub fn put(&mut self, tenant: TenantId, section: &str, lines: Vec<String>) {
        self.0.insert(format!("{tenant} {section}"), lines);
    }

    /// As [`View::put`], of lines whose order says nothing.
    pub fn put_sorted(&mut self, tenant: TenantId, section: &str, mut lines: Vec<String>) {
        lines.sort_unstable();
        self.put(tenant, section, lines);
    }

    /// Returns the sections that differ, with the lines that only one side has.
    pub fn differences(&self, other: &View) -> Vec<String> {
        let sections = self.0.keys().chain(other.0.keys());
        let sections: std::collections::BTreeSet<&String> = sections.collect();
        let lines = |view: &View, name: &String| view.0.get(name).cloned().unwrap_or_default();
        let mut found = Vec::new();
        for name in sections {
            let (model, store) = (lines(self, name), lines(other, name));
            if model == store {
                continue;
            }
            let only = |of: &[String], not: &[String]| {
                let lines = of.iter().filter(|line| !not.contains(line));
                lines
                    .take(4)
                    .map(|line| format!("\n    {line}"))
                    .collect::<String>()
            };
            found.push(format!(
                "{name}:\n  model only:{}\n  store only:{}",
                only(&model, &store),
                only(&store, &model)
            ));
        }
        found
    }
}

/// What pages are asked for.
#[derive(Clone, Debug)]
pub struct Look {
    pub now: Timestamp,
    pub until: Timestamp,
    pub limit: u32,
    pub sweeps: Vec<(TenantId, Sweep)>,
}

pub fn settings_lines(mut settings: Settings) -> Vec<String> {
    settings.campaigns.sort_by_key(|state| state.campaign.id);
    settings
        .tenant
        .senders
        .sort_by_key(|sender| sender.channel.as_str());
    settings
        .templates
        .sort_by_key(|one| (one.code.clone(), one.channel.as_str()));
    let mut lines = vec![format!("{:?}", settings.tenant)];
    lines.extend(settings.campaigns.iter().map(|one| format!("{one:?}")));
    lines.extend(settings.templates.iter().map(|one| format!("{one:?}")));
    lines
}

/// Tallies are compared as far back as the rules look; a store may keep the minutes before.
pub fn put_snapshot(view: &mut View, now: Timestamp, snapshot: Snapshot) {
    let tenant = snapshot.settings.tenant.id;
    let lookback_ms = snapshot.settings.tenant.rules.tally_lookback_ms();
    let counted = snapshot
        .tallies
        .iter()
        .filter(|row| lookback_ms > 0 && row.minute_at >= now.plus_ms(-lookback_ms));
    let tallies = counted.map(|row| format!("{row:?}")).collect();
    view.put_sorted(tenant, "tallies", tallies);
    let sweeps = snapshot.sweeps.iter().map(|one| format!("{one:?}"));
    view.put_sorted(tenant, "sweeps under way", sweeps.collect());
    // As a claim is loaded: nobody asks any more to what it was addressed.
    let claims = snapshot.unsettled.into_iter().map(|claim| Claim {
        contact_version: 0,
        ..claim
    });
    let claims = claims.map(|claim| format!("{claim:?}"));
    view.put_sorted(tenant, "unsettled", claims.collect());
    view.put(tenant, "settings", settings_lines(snapshot.settings));
}

pub fn enrollment_line(
    mut one: Enrollment,
    state: &str,
    stopped: Option<StopReason>,
    by: Option<i64>,
) -> String {
    if state == "finished" {
        // Nothing looks at the next instant of what is finished.
        one.cursor.next_at = None;
    }
    format!("{one:?} {state} {stopped:?} {by:?}")
}

/// The versions of a stop's cancel records are the store's: the model has none for them.
pub fn ruled_line(ruled: &Ruled) -> String {
    let rule = ruled.verdict.rule.as_ref();
    let rule = rule.map(|rule| (rule.code.clone(), i64::from(rule.version)));
    let versions = [ruled.campaign_version, ruled.rules_version].map(i64::from);
    decision_line(
        format!("{:?} try {}", ruled.reminder, ruled.try_no),
        versions,
        (ruled.at, ruled.slot_at),
        (ruled.verdict.ruling, ruled.verdict.reason),
        rule,
    )
}

pub fn decision_line(
    what: String,
    versions: [i64; 2],
    (at, slot_at): (Timestamp, Timestamp),
    (ruling, reason): (Ruling, Reason),
    rule: Option<(String, i64)>,
) -> String {
    let versions = match (ruling, reason) {
        (Ruling::Cancel, Reason::Stopped(_)) => None,
        _ => Some(versions),
    };
    format!("{what} {versions:?} {at:?} {slot_at:?} {ruling:?} {reason:?} {rule:?}")
}

pub fn attempt_line(attempt: AttemptId, rest: &impl std::fmt::Debug) -> String {
    format!("{attempt:?} {rest:?}")
}

pub fn fact_line(event_id: &str, fact: &InboxFact) -> String {
    format!(
        "{event_id} {:?} {:?} {:?}",
        fact.occurred_at, fact.received_at, fact.body
    )
}

pub fn boleto_text(boleto: &Boleto) -> String {
    let Boleto {
        id,
        reference,
        amount_centavos,
        due_on,
        digitable_line,
        pix_code,
        payment_link,
    } = boleto;
    format!(
        "{id} {reference} {amount_centavos} {due_on} {digitable_line:?} {pix_code:?} \
         {payment_link:?}"
    )
}

fn contact_text(contact: &Contact) -> String {
    let mut suppressed: Vec<&str> = contact.suppressed.iter().map(|one| one.as_str()).collect();
    suppressed.sort_unstable();
    let mut sends: Vec<String> = contact.sends.iter().map(|one| format!("{one:?}")).collect();
    sends.sort_unstable();
    let points = (&contact.phone, &contact.email, &contact.zones);
    let heard = (contact.events, contact.confirmed);
    format!(
        "{} {} {points:?} {suppressed:?} {heard:?} {sends:?}",
        contact.id, contact.name
    )
}

pub fn page_lines(page: &DuePage) -> Vec<String> {
    let line = |row: &DueRow| format!("{:?} {}", row.enrollment, boleto_text(&row.boleto));
    let mut lines: Vec<String> = page.rows.iter().map(line).collect();
    let ahead = page.ahead.iter().map(line);
    lines.extend(ahead.map(|line| format!("ahead {line}")));
    lines.extend(page.contacts.iter().map(contact_text));
    lines.push(format!("{:?} then {:?}", page.read_to, page.next_after_at));
    assert_eq!(page.unreadable, []);
    lines
}

pub fn sweep_lines(page: &SweepPage) -> Vec<String> {
    let mut lines: Vec<String> = page.candidates.iter().map(|it| format!("{it:?}")).collect();
    lines.extend(page.standing.iter().map(|one| format!("{one:?}")));
    lines.push(format!("to {} last {}", page.read_to, page.last));
    assert_eq!(page.unreadable, []);
    lines
}

pub fn enrolls(kind: &SweepKind) -> bool {
    matches!(
        kind,
        SweepKind::EnrollImport { .. }
            | SweepKind::EnrollCampaign { .. }
            | SweepKind::EnrollBoleto { .. }
            | SweepKind::EnrollContact { .. }
    )
}

/// Facts that did not wait for their subject stand in the order in which they came; the order
/// among those of one call is nobody's promise.
pub fn inbox_order(model: &Reference, tenant: TenantId, events: &[String]) -> Vec<String> {
    let names = &model.names[&tenant];
    let came = events.iter().filter(|event| !names.waited.contains(*event));
    let born = came.map(|event| model.born.get(&(tenant, event.clone())).copied());
    born.map(|operation| format!("{operation:?}")).collect()
}

/// Claims that are an hour older than the newest one had their outcome before it, says a store.
pub fn is_recent(at: Timestamp, newest: Option<Timestamp>) -> bool {
    newest.is_none_or(|newest| newest.since(at) <= HOUR_MS)
}
