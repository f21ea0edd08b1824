//! "Why was this (not) sent?", in plain words.
//!
//! Every line comes from a stored record; nothing is decided or guessed here.

use actors::machine::input::{FactBody, InboxFact, Outcome};
use chrono_tz::Tz;
use schedules::channel::Channel;
use schedules::format::{format_amount, format_date};
use schedules::time::Timestamp;
use schedules::verdict::{RuleRef, Ruling, Verdict};

use crate::store::{AttemptRecord, DecisionRecord, Why};

/// Writes the story of a boleto's reminders, one line a record, in the order of time.
///
/// Wall clocks are those of `zone`.
pub fn story(why: &Why, zone: Tz) -> Vec<String> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    lines.extend(
        why.decisions
            .iter()
            .map(|record| (record.decided_at, decided(record, zone))),
    );
    for record in &why.attempts {
        lines.push((record.claimed_at, claimed(record)));
        if let Some((at, outcome)) = &record.outcome {
            lines.push((*at, became(record, outcome)));
        }
    }
    lines.extend(
        why.stops
            .iter()
            .map(|fact| (fact.received_at, stopped(fact))),
    );
    lines.sort_by_key(|(at, _)| *at);
    let lines = lines.into_iter().map(|(at, line)| {
        let (wall, reading) = (at.local(zone), line);
        format!("  {}  {reading}", wall.format("%d/%m/%Y %H:%M:%S%.3f"))
    });
    std::iter::once(heading(why)).chain(lines).collect()
}

fn heading(why: &Why) -> String {
    let record = &why.boleto;
    let status = match record.status.as_str() {
        "paid" => "pago",
        "cancelled" => "cancelado",
        _ => "em aberto",
    };
    format!(
        "Boleto {} ({}), {}, vence em {}: {status}",
        record.boleto.reference,
        record.boleto.id,
        format_amount(record.boleto.amount_centavos),
        format_date(record.boleto.due_on),
    )
}

fn decided(record: &DecisionRecord, zone: Tz) -> String {
    let ruling = match (record.ruling.as_str(), record.hold_until) {
        ("hold", Some(until)) => Ruling::Hold { until },
        ("cancel", _) => Ruling::Cancel,
        _ => Ruling::Skip,
    };
    let rule = record.rule.as_ref().map(|(code, version)| RuleRef {
        code: code.clone(),
        version: u32::try_from(*version).unwrap_or_default(),
    });
    let verdict = Verdict {
        ruling,
        reason: record.reason,
        rule,
    };
    format!(
        "etapa {}: {}",
        record.reminder.step_no,
        verdict.explain_pt(zone)
    )
}

fn claimed(record: &AttemptRecord) -> String {
    let AttemptRecord {
        attempt, channel, ..
    } = record;
    let step_no = attempt.reminder.step_no;
    format!(
        "etapa {step_no}: liberada para envio por {} ({attempt}).",
        name_of(*channel)
    )
}

fn became(record: &AttemptRecord, outcome: &Outcome) -> String {
    let became = match outcome {
        Outcome::Accepted { .. } => "aceita pelo provedor".to_owned(),
        Outcome::Rejected { code } => format!("recusada pelo provedor ({code})"),
        Outcome::Throttled { .. } => "adiada: o provedor pediu paciência".to_owned(),
        Outcome::Unavailable => "adiada: o provedor não respondeu".to_owned(),
        Outcome::Unknown => {
            "resultado desconhecido: não será repetida, para não chegar duas vezes".to_owned()
        }
        Outcome::Abandoned { why } => format!("não chegou a sair ({})", why.as_str()),
    };
    format!("etapa {}: {became}.", record.attempt.reminder.step_no)
}

fn stopped(fact: &InboxFact) -> String {
    let what = match fact.body {
        FactBody::BoletoPaid { .. } => "o boleto foi pago",
        FactBody::BoletoCancelled { .. } => "o boleto foi cancelado",
        FactBody::ContactOptedOut { .. } => "o contato pediu para não receber mais",
        FactBody::CampaignArchived { .. } => "a campanha foi encerrada",
        _ => "os lembretes foram interrompidos",
    };
    format!("{what}: nada mais sai a partir daqui.")
}

fn name_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "WhatsApp",
        Channel::Sms => "SMS",
        Channel::Email => "e-mail",
    }
}
