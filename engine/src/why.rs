//! "Why was this (not) sent?", in plain words.
//!
//! Every line comes from a stored record; nothing is decided or guessed here.

mod about;

use actors::machine::input::{FactBody, InboxFact, Outcome};
use chrono_tz::Tz;
use schedules::format::{format_amount, format_date};
use schedules::id::ReminderId;
use schedules::time::Timestamp;
use schedules::verdict::{RuleRef, Ruling, Verdict};

pub use self::about::About;
use crate::store::{AttemptRecord, DecisionRecord, Why};

/// Writes the story of a boleto's reminders, one line a record, in the order of time, and what
/// comes next.
///
/// Wall clocks are those of `zone`.
pub fn story(why: &Why, zone: Tz) -> Vec<String> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    for record in &why.decisions {
        let step = step(why, record.reminder);
        lines.push((record.decided_at, decided(&step, record, zone)));
    }
    for record in &why.attempts {
        let step = step(why, record.attempt.reminder);
        let others = why.together.get(&record.attempt);
        let claimed = claimed(
            &step,
            record,
            others.map_or(&[], |others| others.0.as_slice()),
        );
        lines.push((record.claimed_at, claimed));
        if let Some((at, outcome)) = &record.outcome {
            lines.push((*at, became(&step, outcome)));
        }
    }
    let stops = why.stops.iter();
    lines.extend(stops.map(|fact| (fact.received_at, stopped(fact))));
    lines.extend(closed(why));
    lines.extend(opted_out(why));
    lines.sort_by_key(|(at, _)| *at);
    lines.extend(next(why));
    let lines = lines.into_iter().map(|(at, line)| {
        let wall = at.local(zone);
        format!("  {}  {line}", wall.format("%d/%m/%Y %H:%M:%S%.3f"))
    });
    std::iter::once(heading(why)).chain(lines).collect()
}

/// Names a step and the campaign that it is of.
fn step(why: &Why, reminder: ReminderId) -> String {
    let mut enrollments = why.enrollments.iter();
    let enrollment = enrollments.find(|record| record.enrollment.id == reminder.enrollment);
    let campaign = enrollment.and_then(|record| why.campaigns.get(&record.enrollment.campaign));
    let of = campaign.map(|name| format!(" de “{name}”"));
    format!("etapa {}{}", reminder.step_no, of.unwrap_or_default())
}

/// Tells when the next step of each enrollment that goes on is looked at.
fn next(why: &Why) -> Vec<(Timestamp, String)> {
    let active = why.enrollments.iter();
    let active = active.filter(|record| record.state == "active");
    let next = active.filter_map(|record| {
        let (id, cursor) = (record.enrollment.id, record.enrollment.cursor);
        let touch = cursor.touch?;
        let reminder = ReminderId {
            enrollment: id,
            step_no: touch.step_no,
            occurrence: touch.occurrence,
        };
        let line = format!("{}: é a próxima.", step(why, reminder));
        Some((cursor.next_at?, line))
    });
    let mut next: Vec<_> = next.collect();
    next.sort_by_key(|(at, _)| *at);
    next
}

fn heading(why: &Why) -> String {
    let record = &why.boleto;
    let status = match record.status.as_str() {
        "paid" => "pago",
        "cancelled" => "cancelado",
        _ => "em aberto",
    };
    let nowhere = match why.enrollments.as_slice() {
        [] => ", em nenhuma campanha",
        _ => "",
    };
    format!(
        "Boleto {} ({}), {}, vence em {}: {status}{nowhere}",
        record.boleto.reference,
        record.boleto.id,
        format_amount(record.boleto.amount_centavos),
        format_date(record.boleto.due_on),
    )
}

fn decided(step: &str, record: &DecisionRecord, zone: Tz) -> String {
    let rule = record.rule.as_ref().map(|(code, version)| RuleRef {
        code: code.clone(),
        version: u32::try_from(*version).unwrap_or_default(),
    });
    let verdict = Verdict {
        ruling: record.ruling,
        reason: record.reason,
        rule,
    };
    let explained = verdict.explain_pt(zone);
    format!("{step}: {explained}{}", seconds(record, zone))
}

/// Tells the second at which a hold ends that ends within the minute it began in: by the minute it
/// would wait for nothing.
fn seconds(record: &DecisionRecord, zone: Tz) -> String {
    let minute = |at: Timestamp| at.unix_ms().div_euclid(60_000);
    match record.ruling {
        Ruling::Hold { until } if minute(until) == minute(record.decided_at) => {
            format!(
                " Precisamente às {}.",
                until.local(zone).format("%H:%M:%S%.3f")
            )
        }
        _ => String::new(),
    }
}

fn claimed(step: &str, record: &AttemptRecord, others: &[String]) -> String {
    let (attempt, channel) = (record.attempt, record.channel.name_pt());
    let together = match others {
        [] => String::new(),
        [one] => format!(" na mesma mensagem que o boleto {one}"),
        many => format!(" na mesma mensagem que os boletos {}", many.join(", ")),
    };
    format!("{step}: liberada para envio por {channel}{together} ({attempt}).")
}

fn became(step: &str, outcome: &Outcome) -> String {
    let became = match outcome {
        Outcome::Accepted { .. } => "aceita pelo provedor".to_owned(),
        Outcome::Rejected { code } => format!("recusada pelo provedor ({code})"),
        Outcome::Throttled { .. } => "adiada: o provedor pediu paciência".to_owned(),
        Outcome::Held { code, .. } => {
            format!("adiada: ainda não pode sair por este canal ({code})")
        }
        Outcome::Unavailable => "adiada: o provedor não respondeu".to_owned(),
        Outcome::Unknown => {
            "resultado desconhecido: não será repetida, para não chegar duas vezes".to_owned()
        }
        Outcome::Abandoned { why } => format!("não chegou a sair ({})", why.as_str()),
    };
    format!("{step}: {became}.")
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

/// Tells since when the contact is out, where no stop tells it: there was no reminder to stop.
fn opted_out(why: &Why) -> Option<(Timestamp, String)> {
    let is_told = why
        .stops
        .iter()
        .any(|fact| matches!(fact.body, FactBody::ContactOptedOut { .. }));
    let at = why.boleto.opted_out_at.filter(|_| !is_told)?;
    Some((at, "o contato pediu para não receber mais.".to_owned()))
}

#[cfg(test)]
mod tests {
    use actors::ports::{Boleto, Cursor, Enrollment};
    use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId};
    use schedules::plan::Touch;
    use schedules::verdict::Reason;

    use super::*;
    use crate::store::{BoletoRecord, EnrollmentRecord, References};

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
        Why::nothing_of(BoletoRecord {
            boleto,
            status: status.to_owned(),
            status_at: at(status_at),
            contact: ContactId(1),
            opted_out_at: None,
        })
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
            ruling: Ruling::Hold { until: at(until) },
            reason: Reason::PaymentFeedStale,
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

    #[test]
    fn a_boleto_that_went_out_with_others_tells_with_which() {
        let mut merged = why("open", "2026-03-01T00:00:00Z");
        let attempt = "att_7.1.0.0".parse().expect("a key");
        merged.attempts = vec![AttemptRecord {
            attempt,
            boleto: BoletoId(7),
            contact: ContactId(1),
            campaign: CampaignId(1),
            template: "lembrete".to_owned(),
            versions: [1, 1, 1],
            channel: schedules::channel::Channel::Sms,
            claimed_at: at("2026-03-05T15:00:07Z"),
            deadline_at: at("2026-03-05T15:00:10Z"),
            epoch: 1,
            lead: None,
            outcome: None,
        }];
        let told = |merged: &Why| story(merged, ZONE)[1].clone();
        assert!(told(&merged).ends_with("envio por SMS (att_7.1.0.0)."));
        for (others, text) in [
            (
                vec!["N2"],
                "na mesma mensagem que o boleto N2 (att_7.1.0.0).",
            ),
            (
                vec!["N2", "N3"],
                "na mesma mensagem que os boletos N2, N3 (att_7.1.0.0).",
            ),
        ] {
            let others = others.into_iter().map(str::to_owned).collect();
            merged.together = [(attempt, References(others))].into();
            assert!(told(&merged).ends_with(text), "{}", told(&merged));
        }
    }

    fn enrolled(campaign: i64, next_at: Option<&str>) -> EnrollmentRecord {
        let touch = Touch {
            step_no: 2,
            occurrence: 0,
            slot_at: at("2026-03-03T12:00:00Z"),
            expires_at: at("2026-03-04T12:00:00Z"),
        };
        let cursor = Cursor {
            touch: next_at.map(|_| touch),
            next_at: next_at.map(at),
            ..Cursor::default()
        };
        let enrollment = Enrollment {
            id: EnrollmentId(6 + campaign),
            campaign: CampaignId(campaign),
            boleto: BoletoId(7),
            contact: ContactId(1),
            cursor,
        };
        EnrollmentRecord {
            enrollment,
            state: next_at.map_or("stopped", |_| "active").to_owned(),
            stopped: None,
            stopped_by: None,
        }
    }

    #[test]
    fn a_boleto_that_was_never_enrolled_says_so_and_whether_its_contact_opted_out() {
        let mut open = why("open", "2026-03-05T15:00:07Z");
        let lines = story(&open, ZONE);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].ends_with("em aberto, em nenhuma campanha"),
            "{lines:?}"
        );
        open.boleto.opted_out_at = Some(at("2026-03-01T12:00:00Z"));
        let lines = story(&open, ZONE);
        let told = "  01/03/2026 09:00:00.000  o contato pediu para não receber mais.";
        assert_eq!(lines[1..], [told]);
    }

    #[test]
    fn each_step_is_of_a_campaign_and_the_next_one_is_told_last() {
        let mut held = why("open", "2026-03-01T00:00:00Z");
        held.campaigns = [
            (CampaignId(1), "Régua".to_owned()),
            (CampaignId(2), "Outra".to_owned()),
        ]
        .into();
        held.enrollments = vec![
            enrolled(2, Some("2026-03-06T12:00:00Z")),
            enrolled(1, Some("2026-03-05T16:00:00Z")),
        ];
        held.decisions = vec![hold("2026-03-05T15:00:07Z", "2026-03-05T16:00:00Z")];
        let lines = story(&held, ZONE);
        assert!(lines[0].ends_with("em aberto"), "{lines:?}");
        assert!(
            lines[1].contains("  etapa 1 de “Régua”: Aguarda até"),
            "{lines:?}"
        );
        assert_eq!(
            lines[2],
            "  05/03/2026 13:00:00.000  etapa 2 de “Régua”: é a próxima."
        );
        assert_eq!(
            lines[3],
            "  06/03/2026 09:00:00.000  etapa 2 de “Outra”: é a próxima."
        );
        held.enrollments = vec![enrolled(1, None)];
        assert_eq!(story(&held, ZONE).len(), 2);
    }
}
