//! "Why was this (not) sent?", in plain words.
//!
//! Every line comes from a stored record; nothing is decided or guessed here.

use actors::machine::input::{FactBody, InboxFact, Outcome};
use chrono_tz::Tz;
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
    lines.extend(closed(why));
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
    let step_no = record.reminder.step_no;
    let explained = verdict.explain_pt(zone);
    format!("etapa {step_no}: {explained}{}", seconds(record, zone))
}

/// Tells the second at which a hold ends that ends within the minute it began in: by the minute it
/// would wait for nothing.
fn seconds(record: &DecisionRecord, zone: Tz) -> String {
    let minute = |at: Timestamp| at.unix_ms().div_euclid(60_000);
    match record.hold_until {
        Some(until) if minute(until) == minute(record.decided_at) => {
            format!(
                " Precisamente às {}.",
                until.local(zone).format("%H:%M:%S%.3f")
            )
        }
        _ => String::new(),
    }
}

fn claimed(record: &AttemptRecord) -> String {
    let AttemptRecord {
        attempt, channel, ..
    } = record;
    let step_no = attempt.reminder.step_no;
    format!(
        "etapa {step_no}: liberada para envio por {} ({attempt}).",
        channel.name_pt()
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

/// Tells since when a boleto is paid or cancelled, where no stop tells it: it had no reminder left
/// to stop.
fn closed(why: &Why) -> Option<(Timestamp, String)> {
    let record = &why.boleto;
    let became = match record.status.as_str() {
        "paid" => "o boleto foi pago.",
        "cancelled" => "o boleto foi cancelado.",
        _ => return None,
    };
    // An earlier payment may have stopped what an act opened again.
    let is_told = why.stops.iter().any(|fact| {
        let closes = matches!(
            fact.body,
            FactBody::BoletoPaid { .. } | FactBody::BoletoCancelled { .. }
        );
        closes && fact.received_at == record.status_at
    });
    (!is_told).then(|| (record.status_at, became.to_owned()))
}

#[cfg(test)]
mod tests {
    use actors::ports::Boleto;
    use schedules::id::{BoletoId, ContactId};
    use schedules::verdict::Reason;

    use super::*;
    use crate::store::BoletoRecord;

    const ZONE: Tz = Tz::America__Sao_Paulo;

    fn at(text: &str) -> Timestamp {
        let instant: chrono::DateTime<chrono::Utc> = text.parse().expect("an instant");
        Timestamp::from_unix_ms(instant.timestamp_millis())
    }

    fn why(status: &str, status_at: &str) -> Why {
        let boleto = Boleto {
            id: BoletoId(7),
            reference: "N1".to_owned(),
            amount_centavos: 1_000,
            due_on: "2026-03-02".parse().expect("a date"),
            digitable_line: None,
            pix_code: None,
            payment_link: None,
        };
        Why {
            boleto: BoletoRecord {
                boleto,
                status: status.to_owned(),
                status_at: at(status_at),
                contact: ContactId(1),
                contact_name: "Joana".to_owned(),
                opted_out_at: None,
            },
            enrollments: Vec::new(),
            attempts: Vec::new(),
            decisions: Vec::new(),
            stops: Vec::new(),
        }
    }

    fn paid(received_at: &str) -> InboxFact {
        InboxFact {
            seq: 1,
            event_id: "e".to_owned(),
            occurred_at: at("2026-03-01T00:00:00Z"),
            received_at: at(received_at),
            body: FactBody::BoletoPaid {
                boleto: BoletoId(7),
            },
        }
    }

    fn hold(decided_at: &str, until: &str) -> DecisionRecord {
        DecisionRecord {
            id: 1,
            reminder: "rem_7.1.0".parse().expect("an id"),
            try_no: 0,
            versions: [1, 1],
            decided_at: at(decided_at),
            slot_at: at(decided_at),
            ruling: "hold".to_owned(),
            reason: Reason::PaymentFeedStale,
            hold_until: Some(at(until)),
            rule: None,
        }
    }

    #[test]
    fn a_boleto_that_was_closed_without_a_stop_tells_when() {
        for (status, told) in [("paid", "foi pago"), ("cancelled", "foi cancelado")] {
            let lines = story(&why(status, "2026-03-05T15:00:07Z"), ZONE);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!(
                lines[1],
                format!("  05/03/2026 12:00:07.000  o boleto {told}.")
            );
        }
        let open = story(&why("open", "2026-03-05T15:00:07Z"), ZONE);
        assert_eq!(open.len(), 1, "{open:?}");
    }

    #[test]
    fn a_payment_that_stopped_something_is_told_once_and_an_earlier_one_apart() {
        let mut stopped = why("paid", "2026-03-05T15:00:07Z");
        stopped.stops = vec![paid("2026-03-05T15:00:07Z")];
        let lines = story(&stopped, ZONE);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("nada mais sai"), "{lines:?}");
        stopped.stops = vec![paid("2026-03-04T15:00:07Z")];
        let lines = story(&stopped, ZONE);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].ends_with("o boleto foi pago."), "{lines:?}");
    }

    #[test]
    fn a_hold_that_ends_within_its_minute_tells_the_second() {
        let mut held = why("open", "2026-03-01T00:00:00Z");
        held.decisions = vec![hold("2026-03-05T15:00:07Z", "2026-03-05T15:00:42.500Z")];
        let lines = story(&held, ZONE);
        assert!(
            lines[1].ends_with("Precisamente às 12:00:42.500."),
            "{lines:?}"
        );
        held.decisions = vec![hold("2026-03-05T15:00:07Z", "2026-03-05T15:01:00Z")];
        let lines = story(&held, ZONE);
        assert!(!lines[1].contains("Precisamente"), "{lines:?}");
    }
}
