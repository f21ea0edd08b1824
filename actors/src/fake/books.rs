//! What the fake journal keeps of one tenant.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::America::Sao_Paulo;
use schedules::cadence::{Cadence, Campaign, Condition, DayUnit, Step, When};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::pace::Pace;
use schedules::plan::Touch;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::Template;
use schedules::time::{DAY_MS, Timestamp};
use schedules::verdict::{ContactEvents, Feed};

use crate::machine::change::{Change, Claim};
use crate::machine::input::{FactBody, InboxFact, Outcome};
use crate::ports::{
    Boleto, CampaignState, Contact, Cursor, DuePage, DueRow, Enrollment, InboxPage, Mark,
    PageRequest, Sender, Settings, Snapshot, Tenant,
};

const CAMPAIGN: CampaignId = CampaignId(1);
const DUE_ON: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 18).unwrap();

/// One tenant's rows.
pub(crate) struct Books {
    pub(crate) settings: Settings,
    pub(crate) active: BTreeMap<EnrollmentId, Enrollment>,
    pub(crate) inbox: Vec<InboxFact>,
    pub(crate) applied: BTreeSet<i64>,
    pub(crate) dead: Vec<i64>,
    /// Facts that nobody can read.
    pub(crate) smudged: BTreeSet<i64>,
    pub(crate) claims: BTreeMap<AttemptId, (Claim, Option<Outcome>)>,
    pub(crate) seals: usize,
}

impl Books {
    pub(super) fn open(tenant: TenantId, now: Timestamp) -> Self {
        Self {
            settings: settings(tenant, now),
            active: BTreeMap::new(),
            inbox: Vec::new(),
            applied: BTreeSet::new(),
            dead: Vec::new(),
            smudged: BTreeSet::new(),
            claims: BTreeMap::new(),
            seals: 0,
        }
    }

    /// Adds an enrollment whose one touch is due at `at`; boleto and contact have the same number.
    pub(crate) fn remind(&mut self, id: i64, at: Timestamp) {
        let touch = Touch {
            step_no: 0,
            occurrence: 0,
            slot_at: at,
            expires_at: at.plus_ms(DAY_MS),
        };
        let enrollment = Enrollment {
            id: EnrollmentId(id),
            campaign: CAMPAIGN,
            boleto: BoletoId(id),
            contact: ContactId(id),
            cursor: Cursor {
                touch: Some(touch),
                next_at: Some(at),
                ..Cursor::default()
            },
        };
        self.active.insert(enrollment.id, enrollment);
    }

    pub(super) fn stop(&mut self, boleto: BoletoId) {
        self.active
            .retain(|_, enrollment| enrollment.boleto != boleto);
    }

    pub(super) fn say(&mut self, body: FactBody, now: Timestamp) {
        let seq = i64::try_from(self.inbox.len()).unwrap() + 1;
        self.inbox.push(InboxFact {
            seq,
            event_id: format!("event-{seq}"),
            occurred_at: now,
            received_at: now,
            body,
        });
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let unsettled = self
            .claims
            .values()
            .filter(|(_, outcome)| outcome.is_none());
        Snapshot {
            settings: self.settings.clone(),
            unsettled: unsettled.map(|(claim, _)| claim.clone()).collect(),
            tallies: Vec::new(),
            sweeps: Vec::new(),
        }
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &InboxFact> {
        let done = |seq: &i64| self.applied.contains(seq) || self.dead.contains(seq);
        self.inbox.iter().filter(move |fact| !done(&fact.seq))
    }

    pub(super) fn inbox_page(&self, limit: usize) -> InboxPage {
        let (unreadable, facts): (Vec<_>, Vec<_>) = self
            .waiting()
            .take(limit)
            .cloned()
            .partition(|fact| self.smudged.contains(&fact.seq));
        InboxPage {
            facts,
            unreadable: unreadable.iter().map(|fact| fact.seq).collect(),
        }
    }

    /// Returns the active rows in the order of their marks.
    fn marks(&self) -> BTreeMap<Mark, &Enrollment> {
        let marked = |row: &'_ Enrollment| {
            let next_at = row.cursor.next_at?;
            let enrollment = row.id;
            Some(Mark {
                next_at,
                enrollment,
            })
        };
        self.active
            .values()
            .filter_map(|row| Some((marked(row)?, row)))
            .collect()
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.marks().keys().next().map(|mark| mark.next_at)
    }

    pub(super) fn due_page(&self, request: PageRequest) -> DuePage {
        let marks = self.marks();
        let after = |mark: &Mark| *mark > request.after;
        let due: Vec<_> = marks
            .iter()
            .filter(|(mark, _)| after(mark) && mark.next_at <= request.until)
            .take(request.limit as usize)
            .collect();
        let end = Mark {
            next_at: request.until,
            enrollment: EnrollmentId(i64::MAX),
        };
        let full = due.len() == request.limit as usize;
        let read_to = if full { *due[due.len() - 1].0 } else { end };
        DuePage {
            contacts: due.iter().map(|(_, row)| contact(row.contact)).collect(),
            rows: due
                .iter()
                .map(|(_, row)| DueRow {
                    enrollment: ***row,
                    boleto: boleto(row.boleto),
                })
                .collect(),
            read_to,
            next_after_at: marks
                .keys()
                .find(|mark| **mark > read_to)
                .map(|mark| mark.next_at),
        }
    }

    /// Follows the changes, and returns the enrollments that were not active any more.
    pub(super) fn follow(&mut self, changes: &[Change]) -> Vec<EnrollmentId> {
        let names = changes.iter().filter_map(Change::enrollment);
        let refused: BTreeSet<EnrollmentId> =
            names.filter(|id| !self.active.contains_key(id)).collect();
        for change in changes {
            match change.enrollment() {
                Some(id) if refused.contains(&id) => {}
                _ => self.follow_one(change),
            }
        }
        refused.into_iter().collect()
    }

    fn follow_one(&mut self, change: &Change) {
        match change {
            Change::FactApplied { seq } => {
                assert!(self.applied.insert(*seq), "fact {seq} was applied twice");
            }
            Change::Claimed(claim) => {
                let before = self.claims.insert(claim.attempt, (claim.clone(), None));
                assert!(before.is_none(), "an attempt was claimed twice");
                self.move_to(claim.attempt.reminder.enrollment, claim.to);
            }
            Change::Ruled(ruled) => self.move_to(ruled.reminder.enrollment, ruled.to),
            Change::CameBack(back) => self.move_to(back.reminder.enrollment, back.to),
            Change::Moved(moved) => self.move_to(moved.enrollment, moved.to),
            Change::Finished { enrollment } => drop(self.active.remove(enrollment)),
            Change::Settled(settled) => {
                let claim = self.claims.get_mut(&settled.attempt).expect("a claim");
                claim.1.get_or_insert_with(|| settled.outcome.clone());
            }
            _ => {}
        }
    }

    fn move_to(&mut self, enrollment: EnrollmentId, to: Cursor) {
        if let Some(row) = self.active.get_mut(&enrollment) {
            row.cursor = to;
        }
    }
}

fn contact(id: ContactId) -> Contact {
    Contact {
        id,
        name: "Maria".into(),
        phone: Some("+5511987654321".into()),
        email: None,
        zones: vec![Sao_Paulo],
        suppressed: Vec::new(),
        events: ContactEvents::default(),
        sends: Vec::new(),
    }
}

fn boleto(id: BoletoId) -> Boleto {
    Boleto {
        id,
        reference: format!("B{}", id.0),
        amount_centavos: 10_000,
        due_on: DUE_ON,
        digitable_line: None,
        pix_code: None,
        payment_link: None,
    }
}

fn settings(tenant: TenantId, now: Timestamp) -> Settings {
    let step = Step {
        no: 0,
        when: When::Offset {
            days: 0,
            unit: DayUnit::Calendar,
            at: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
        },
        channels: vec![Channel::Whatsapp],
        template: "lembrete".into(),
        expires_after_ms: DAY_MS,
        condition: Condition::default(),
    };
    let cadence = Cadence {
        steps: vec![step],
        grace_business_days: 0,
        reminders_max: 10,
        condition: Condition::default(),
    };
    let campaign = Campaign {
        id: CAMPAIGN,
        version: 1,
        name: "régua".into(),
        cadence,
    };
    Settings {
        tenant: Tenant {
            id: tenant,
            name: "Escola".into(),
            document: None,
            zone: Sao_Paulo,
            running: true,
            rules: RulePack {
                name: "nenhuma".into(),
                version: 1,
                rules: Vec::new(),
            },
            calendar: Calendar::brazil(),
            charges: None,
            feed: Feed {
                silence_max_ms: None,
                heard_at: now,
            },
            credits: None,
            senders: vec![Sender {
                channel: Channel::Whatsapp,
                provider: "mailbox".into(),
                pace: Pace {
                    per_second: 100_000,
                    burst: 100_000,
                },
            }],
            retry: RetryPolicy::default(),
        },
        campaigns: vec![CampaignState {
            campaign,
            running: true,
        }],
        templates: vec![Template {
            code: "lembrete".into(),
            channel: Channel::Whatsapp,
            version: 1,
            subject: None,
            body: "Seu boleto vence hoje.".into(),
            variables: Vec::new(),
            ttl_ms: 0,
        }],
    }
}
