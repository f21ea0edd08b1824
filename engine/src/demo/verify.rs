//! The demo's judge: the promises, checked over what really happened.
//!
//! It shares no code with the gates: a window is a comparison of wall clocks, a cap is a count.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Timelike, Weekday};
use chrono_tz::Tz;
use schedules::id::{AttemptId, BoletoId, ContactId, TenantId};
use schedules::time::{DAY_MS, Timestamp};

use super::witness::{Seen, SeenHandOver};

/// A reminder by what it is about, a boleto and a step: an enrollment that is missing has no id.
pub(super) type Reminder = (TenantId, BoletoId, u8);

/// What the judge looks at.
#[derive(Default)]
pub(super) struct Evidence {
    /// What the witness saw, in order.
    pub(super) seen: Vec<Seen>,
    /// The zones a contact may be in.
    pub(super) zones: BTreeMap<(TenantId, ContactId), Vec<Tz>>,
    /// The zone in which each tenant's days are counted.
    pub(super) tenant_zones: BTreeMap<TenantId, Tz>,
    /// Attempts whose message may have reached someone, by the journal.
    pub(super) counting: BTreeSet<(TenantId, AttemptId)>,
    /// Every attempt of the journal.
    pub(super) attempts: BTreeSet<(TenantId, AttemptId)>,
    /// Attempts that the provider has accepted, by the journal.
    pub(super) accepted: BTreeSet<(TenantId, AttemptId)>,
    /// Attempts of which nobody knows whether the provider has accepted them, by the journal.
    pub(super) unknown: BTreeSet<(TenantId, AttemptId)>,
    /// Attempts whose letter lies in the mailbox.
    pub(super) letters: BTreeSet<(TenantId, AttemptId)>,
    /// How many final records each reminder has, by the journal.
    pub(super) finals: BTreeMap<Reminder, usize>,
    /// Reminders that owe a final record, by the imported rows and the planner.
    pub(super) due: BTreeSet<Reminder>,
}

/// What was found; all zero is the promise kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// I2: hand-overs that began after their stop was acknowledged.
    pub handovers_after_ack: usize,
    /// I9: hand-overs outside the send window of a zone the contact may be in.
    pub outside_windows: usize,
    /// I5: hand-overs over a contact's caps.
    pub over_caps: usize,
    /// I3: attempts handed over more than once.
    pub handed_over_twice: usize,
    /// I25: hand-overs without an attempt in the journal.
    pub without_attempt: usize,
    /// Attempts that were accepted, and whose letter the mailbox does not have.
    pub accepted_without_letter: usize,
    /// Letters in the mailbox whose attempt is not accepted, nor of unknown outcome.
    pub letters_without_outcome: usize,
    /// I12: due reminders without a final verdict.
    pub without_verdict: usize,
    /// I11: reminders with more than one final verdict.
    pub with_two_verdicts: usize,
    /// Tenants whose audit chain does not verify.
    pub broken_audits: usize,
}

impl Findings {
    /// Says whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Judges the evidence.
pub(super) fn judge(evidence: &Evidence) -> Findings {
    let hand_overs: Vec<SeenHandOver> = evidence.hand_overs().copied().collect();
    let mut keys = BTreeSet::new();
    Findings {
        handovers_after_ack: after_acknowledgement(&evidence.seen),
        outside_windows: hand_overs
            .iter()
            .filter(|one| evidence.is_outside(one))
            .count(),
        over_caps: evidence.over_caps(&hand_overs),
        handed_over_twice: hand_overs
            .iter()
            .filter(|one| !keys.insert((one.tenant, one.attempt)))
            .count(),
        without_attempt: hand_overs
            .iter()
            .filter(|one| !evidence.attempts.contains(&(one.tenant, one.attempt)))
            .count(),
        accepted_without_letter: evidence.accepted.difference(&evidence.letters).count(),
        letters_without_outcome: evidence
            .letters
            .iter()
            .filter(|key| !evidence.accepted.contains(key) && !evidence.unknown.contains(key))
            .count(),
        without_verdict: evidence
            .due
            .iter()
            .filter(|reminder| !evidence.finals.contains_key(reminder))
            .count(),
        with_two_verdicts: evidence.finals.values().filter(|count| **count > 1).count(),
        broken_audits: 0,
    }
}

fn after_acknowledgement(seen: &[Seen]) -> usize {
    let mut stopped = Vec::new();
    let mut late = 0;
    for one in seen {
        match one {
            Seen::StopAcknowledged(tenant, subject) => stopped.push((*tenant, *subject)),
            Seen::Reached(_) => {}
            Seen::HandOver(hand_over) => {
                let is_late = stopped.iter().any(|(tenant, subject)| {
                    *tenant == hand_over.tenant && hand_over.concerns(*subject)
                });
                late += usize::from(is_late);
            }
        }
    }
    late
}

impl Evidence {
    fn hand_overs(&self) -> impl Iterator<Item = &SeenHandOver> {
        self.seen.iter().filter_map(|seen| match seen {
            Seen::HandOver(hand_over) => Some(hand_over),
            Seen::StopAcknowledged(..) | Seen::Reached(_) => None,
        })
    }

    fn is_outside(&self, hand_over: &SeenHandOver) -> bool {
        let zones = self.zones.get(&(hand_over.tenant, hand_over.contact));
        zones.is_none_or(|zones| zones.iter().any(|zone| !is_open(hand_over.at, *zone)))
    }

    /// Counts hand-overs that were one too many for their contact: more than one in 24 hours or in
    /// a day of the tenant, or more than three in seven days.
    fn over_caps(&self, hand_overs: &[SeenHandOver]) -> usize {
        let mut by_contact: BTreeMap<_, Vec<Timestamp>> = BTreeMap::new();
        for one in hand_overs {
            if self.counting.contains(&(one.tenant, one.attempt)) {
                by_contact
                    .entry((one.tenant, one.contact))
                    .or_default()
                    .push(one.at);
            }
        }
        let mut over = 0;
        for ((tenant, _), mut sends) in by_contact {
            sends.sort();
            let zone = self.tenant_zones.get(&tenant).copied().unwrap_or(Tz::UTC);
            for (index, at) in sends.iter().enumerate() {
                let before = &sends[..index];
                let within = |ms: i64| before.iter().filter(|past| at.since(**past) < ms).count();
                let same_day = before
                    .iter()
                    .any(|past| past.local_date(zone) == at.local_date(zone));
                let too_many = within(DAY_MS) > 0 || within(7 * DAY_MS) > 2;
                over += usize::from(same_day || too_many);
            }
        }
        over
    }
}

/// Says whether a message may reach someone in `zone`: 8 to 20 on working days, to 14 on Saturdays,
/// never on Sundays and holidays.
fn is_open(at: Timestamp, zone: Tz) -> bool {
    let local = at.local(zone);
    let until = match local.weekday() {
        Weekday::Sun => return false,
        Weekday::Sat => 14,
        _ => 20,
    };
    !is_holiday(local.date()) && (8..until).contains(&local.hour())
}

/// The bank holidays that fall into the demo's 45 days.
fn is_holiday(on: NaiveDate) -> bool {
    matches!((on.month(), on.day()), (11, 15) | (11, 20) | (12, 25))
}

#[cfg(test)]
mod tests {
    use actors::machine::effect::Subject;
    use schedules::channel::Channel;
    use schedules::id::{CampaignId, EnrollmentId, ReminderId};
    use schedules::time::{HOUR_MS, resolve_local};

    use super::*;

    const TENANT: TenantId = TenantId(1);

    fn at(day: u32, hour: u32) -> Timestamp {
        let on = NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        resolve_local(Tz::America__Sao_Paulo, on.and_hms_opt(hour, 0, 0).unwrap())
    }

    fn hand_over(boleto: i64, at: Timestamp) -> SeenHandOver {
        let reminder = ReminderId {
            enrollment: EnrollmentId(boleto),
            step_no: 0,
            occurrence: 0,
        };
        SeenHandOver {
            at,
            tenant: TENANT,
            attempt: AttemptId {
                reminder,
                try_no: 0,
            },
            boleto: BoletoId(boleto),
            contact: ContactId(1),
            campaign: CampaignId(1),
            channel: Channel::Email,
        }
    }

    fn evidence(seen: Vec<Seen>) -> Evidence {
        let mut evidence = Evidence {
            seen,
            zones: [((TENANT, ContactId(1)), vec![Tz::America__Sao_Paulo])].into(),
            tenant_zones: [(TENANT, Tz::America__Sao_Paulo)].into(),
            ..Evidence::default()
        };
        let keys: BTreeSet<_> = evidence
            .hand_overs()
            .map(|one| (one.tenant, one.attempt))
            .collect();
        evidence.counting = keys.clone();
        evidence.attempts = keys;
        evidence
    }

    #[test]
    fn a_hand_over_after_an_acknowledged_stop_is_found() {
        let stop = Seen::StopAcknowledged(TENANT, Subject::Boleto(BoletoId(1)));
        let hand_over = Seen::HandOver(hand_over(1, at(10, 9)));
        assert_eq!(
            judge(&evidence(vec![stop, hand_over])).handovers_after_ack,
            1
        );
        assert_eq!(
            judge(&evidence(vec![hand_over, stop])).handovers_after_ack,
            0
        );
    }

    #[test]
    fn a_message_at_night_or_on_a_holiday_is_found() {
        for (day, hour, outside) in [
            (10, 7, 1),
            (10, 8, 0),
            (14, 14, 1),
            (15, 10, 1),
            (20, 10, 1),
        ] {
            let findings = judge(&evidence(vec![Seen::HandOver(hand_over(1, at(day, hour)))]));
            assert_eq!(findings.outside_windows, outside, "day {day}, hour {hour}");
        }
    }

    #[test]
    fn a_message_over_a_cap_is_found() {
        let pair = |gap_ms| {
            let first = at(10, 9);
            let second = hand_over(2, first.plus_ms(gap_ms));
            judge(&evidence(vec![
                Seen::HandOver(hand_over(1, first)),
                Seen::HandOver(second),
            ]))
        };
        assert_eq!(pair(6 * HOUR_MS).over_caps, 1);
        assert_eq!(pair(23 * HOUR_MS).over_caps, 1);
        assert_eq!(pair(24 * HOUR_MS).over_caps, 0);
    }

    #[test]
    fn the_same_attempt_handed_over_twice_is_found() {
        let twice = vec![Seen::HandOver(hand_over(1, at(10, 9))); 2];
        assert_eq!(judge(&evidence(twice)).handed_over_twice, 1);
    }

    #[test]
    fn a_due_reminder_needs_exactly_one_final_verdict() {
        let mut evidence = evidence(Vec::new());
        let reminder = (TENANT, BoletoId(1), 0);
        evidence.due.insert(reminder);
        assert_eq!(judge(&evidence).without_verdict, 1);
        evidence.finals.insert(reminder, 1);
        assert!(judge(&evidence).is_clean());
        evidence.finals.insert(reminder, 2);
        assert_eq!(judge(&evidence).with_two_verdicts, 1);
    }

    #[test]
    fn a_hand_over_that_the_journal_does_not_know_is_found() {
        let mut evidence = evidence(vec![Seen::HandOver(hand_over(1, at(10, 9)))]);
        assert!(judge(&evidence).is_clean());
        evidence.attempts.clear();
        assert_eq!(judge(&evidence).without_attempt, 1);
    }

    #[test]
    fn a_letter_and_its_outcome_need_each_other() {
        let key = (TENANT, hand_over(1, at(10, 9)).attempt);
        let mut evidence = Evidence::default();
        evidence.letters.insert(key);
        assert_eq!(judge(&evidence).letters_without_outcome, 1);
        evidence.unknown.insert(key);
        assert!(judge(&evidence).is_clean());
        evidence.unknown.clear();
        evidence.accepted.insert(key);
        assert!(judge(&evidence).is_clean());
        evidence.letters.clear();
        assert_eq!(judge(&evidence).accepted_without_letter, 1);
    }
}
