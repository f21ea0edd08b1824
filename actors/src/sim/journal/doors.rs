//! The doors: facts that become durable with the absorbing status and the stops they bring.

use chrono::NaiveDate;
use schedules::cadence::Campaign;
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, ContactId, TenantId};
use schedules::rule::RulePack;
use schedules::stop::StopReason;
use schedules::time::Timestamp;

use super::rows::{BoletoRow, BoletoStatus, EnrollmentState, InboxRow, Logged, TenantRows};
use super::{PlantedBug, SimJournal};
use crate::machine::effect::Subject;
use crate::machine::input::{FactBody, InboxFact};
use crate::ports::{Boleto, CampaignState, JournalError};

/// What stands at a door.
#[derive(Clone, Debug)]
pub struct DoorEvent {
    /// The event's own id.
    pub event_id: String,
    /// When it happened, by its source.
    pub occurred_at: Timestamp,
    /// What happened; for an import its number is given by the caller.
    pub body: FactBody,
    /// What is written besides.
    pub write: Option<Write>,
}

/// What a door writes besides the fact.
#[derive(Clone, Debug)]
pub enum Write {
    /// New boletos.
    Boletos(Vec<NewBoleto>),
    /// A campaign in its first or a new version.
    Campaign(Campaign),
    /// New rules.
    Rules(RulePack),
    /// More credits.
    TopUp(i64),
    /// Another calendar.
    Calendar(Calendar),
}

/// A boleto of an import.
#[derive(Clone, Debug)]
pub struct NewBoleto {
    /// The boleto.
    pub boleto: Boleto,
    /// Its contact.
    pub contact: ContactId,
}

/// What a door answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The fact is new and stands in the inbox.
    New(i64),
    /// The event came before; nothing changed.
    Duplicate,
    /// A new fact that is older than what it would take back: kept, without an effect.
    Stale(i64),
}

impl SimJournal {
    /// Commits a fact with what it brings.
    ///
    /// `settle_margin_ms` is added to the deadlines of attempts in flight for a stop's answer.
    ///
    /// # Errors
    /// [`JournalError::Absent`].
    pub fn accept(
        &mut self,
        tenant: TenantId,
        event: &DoorEvent,
        settle_margin_ms: i64,
    ) -> Result<Accepted, JournalError> {
        let now = self.now;
        let bug = self.bug;
        let rows = self.tenants.get_mut(&tenant).ok_or(JournalError::Absent)?;
        let known = rows.event_ids.contains_key(&event.event_id);
        if known && bug != Some(PlantedBug::DedupeAfterApply) {
            return Ok(Accepted::Duplicate);
        }
        let seq = self.last_seq + 1;
        let mut door = Door {
            now,
            seq,
            bug,
            event,
            rows,
        };
        let stale = !door.write();
        if known {
            return Ok(Accepted::Duplicate);
        }
        self.last_seq = seq;
        door.keep();
        let meetings = door.meetings(settle_margin_ms);
        self.log.push(Logged::Fact {
            at: now,
            tenant,
            event_id: event.event_id.clone(),
            occurred_at: event.occurred_at,
            body: event.body.clone(),
        });
        for meeting in meetings {
            match meeting {
                Meeting::Stop(subject, in_flight) => self.log.push(Logged::Stop {
                    at: now,
                    tenant,
                    subject,
                    in_flight,
                }),
                Meeting::Lift(subject) if !stale => self.log.push(Logged::Lifted {
                    at: now,
                    tenant,
                    subject,
                }),
                Meeting::Lift(_) => {}
            }
        }
        Ok(if stale {
            Accepted::Stale(seq)
        } else {
            Accepted::New(seq)
        })
    }
}

/// A door's transaction.
struct Door<'a> {
    now: Timestamp,
    seq: i64,
    bug: Option<PlantedBug>,
    event: &'a DoorEvent,
    rows: &'a mut TenantRows,
}

/// What a fact means for the promise.
enum Meeting {
    Stop(Subject, Vec<(AttemptId, Timestamp)>),
    Lift(Subject),
}

impl Door<'_> {
    fn keep(&mut self) {
        let fact = InboxFact {
            seq: self.seq,
            event_id: self.event.event_id.clone(),
            occurred_at: self.event.occurred_at,
            received_at: self.now,
            body: self.event.body.clone(),
        };
        let row = InboxRow {
            fact,
            applied: false,
            dead: None,
        };
        self.rows.inbox.insert(self.seq, row);
        self.rows
            .event_ids
            .insert(self.event.event_id.clone(), self.seq);
    }

    /// Writes the status of the subject; false when the event is too old to take anything back.
    fn write(&mut self) -> bool {
        if self.event.body.is_of_payment() {
            let feed = &mut self.rows.settings.tenant.feed;
            feed.heard_at = feed.heard_at.max(self.now);
        }
        match &self.event.write {
            Some(Write::Boletos(boletos)) => self.import(boletos),
            Some(Write::Campaign(campaign)) => self.store_campaign(campaign),
            Some(Write::Rules(rules)) => self.rows.settings.tenant.rules = rules.clone(),
            Some(Write::Calendar(calendar)) => {
                self.rows.settings.tenant.calendar = calendar.clone();
            }
            Some(Write::TopUp(more)) => {
                if let Some(credits) = &mut self.rows.settings.tenant.credits {
                    credits.balance += more;
                }
            }
            None => {}
        }
        self.write_status()
    }

    fn write_status(&mut self) -> bool {
        match self.event.body {
            FactBody::BoletoPaid { boleto } => self.end(boleto, BoletoStatus::Paid),
            FactBody::BoletoCancelled { boleto } => self.end(boleto, BoletoStatus::Cancelled),
            FactBody::BoletoReopened { boleto } => return self.reopen(boleto),
            FactBody::BoletoChanged {
                boleto,
                amount_centavos,
                due_on,
            } => self.change(boleto, amount_centavos, due_on),
            FactBody::CampaignPaused { campaign } => self.run(campaign, false),
            FactBody::CampaignResumed { campaign } => self.run(campaign, true),
            FactBody::CampaignArchived { campaign } => {
                let campaigns = &mut self.rows.settings.campaigns;
                campaigns.retain(|state| state.campaign.id != campaign);
            }
            FactBody::ChannelPaused { channel } => self.pause(channel, true),
            FactBody::ChannelResumed { channel } => self.pause(channel, false),
            FactBody::TenantPaused => self.rows.halt(Some(true), None),
            FactBody::TenantResumed => self.rows.halt(Some(false), None),
            FactBody::TenantHeld => self.rows.halt(None, Some(true)),
            FactBody::TenantReleased => self.rows.halt(None, Some(false)),
            _ => return self.write_contact(),
        }
        true
    }

    /// False when nothing of a contact's word is new.
    fn write_contact(&mut self) -> bool {
        let contacts: Vec<ContactId> = self.event.body.contacts().collect();
        let mut counts = contacts.is_empty();
        let alone = contacts.len() == 1;
        for contact in contacts {
            counts |= self.write_word_of(contact, alone);
        }
        counts
    }

    /// A word of several who read one address confirms none of them.
    fn write_word_of(&mut self, contact: ContactId, alone: bool) -> bool {
        let Some(row) = self.rows.contacts.get_mut(&contact) else {
            return true;
        };
        let (now, occurred_at) = (self.now, self.event.occurred_at);
        match self.event.body {
            FactBody::ContactOptedOut { channel: None, .. } => {
                row.said_at = match row.opted_out {
                    true => row.said_at.max(occurred_at),
                    false => occurred_at,
                };
                row.opted_out = true;
                if self.bug != Some(PlantedBug::OptOutStopsNothing) {
                    self.stop(Subject::Contact(contact), StopReason::OptedOut);
                }
            }
            FactBody::ContactOptedIn { channel: None, .. } => {
                if row.opted_out && occurred_at < row.said_at {
                    return false;
                }
                row.opted_out = false;
            }
            FactBody::ContactOptedOut {
                channel: Some(channel),
                ..
            } => {
                let barred_at = row.barred_at.entry(channel).or_insert(occurred_at);
                *barred_at = occurred_at.max(*barred_at);
                row.contact.suppressed.retain(|one| *one != channel);
                row.contact.suppressed.push(channel);
            }
            FactBody::ContactOptedIn {
                channel: Some(channel),
                ..
            } => {
                let barred_at = row.barred_at.get(&channel);
                if barred_at.is_some_and(|barred_at| occurred_at < *barred_at) {
                    return false;
                }
                row.barred_at.remove(&channel);
                row.contact.suppressed.retain(|one| *one != channel);
            }
            FactBody::ContactReplied { .. } => {
                row.contact.events.replied_at = Some(now);
                row.contact.confirmed |= alone;
            }
            FactBody::ContactPromised { .. } => {
                row.contact.events.promised_at = Some(now);
                row.contact.confirmed |= alone;
            }
            // No other names contacts by a word of theirs.
            _ => {}
        }
        true
    }

    fn import(&mut self, boletos: &[NewBoleto]) {
        let FactBody::BoletosImported { import } = self.event.body else {
            return;
        };
        for new in boletos {
            let row = BoletoRow {
                boleto: new.boleto.clone(),
                contact: new.contact,
                import,
                status: BoletoStatus::Open,
                status_at: Timestamp::default(),
                changed_at: Timestamp::default(),
            };
            self.rows.boletos.entry(new.boleto.id).or_insert(row);
        }
    }

    fn store_campaign(&mut self, campaign: &Campaign) {
        let campaigns = &mut self.rows.settings.campaigns;
        match campaigns
            .iter_mut()
            .find(|it| it.campaign.id == campaign.id)
        {
            Some(state) => state.campaign = campaign.clone(),
            // An edit does not bring an archived campaign back.
            None if matches!(self.event.body, FactBody::CampaignEdited { .. }) => {}
            None => campaigns.push(CampaignState {
                campaign: campaign.clone(),
                running: true,
            }),
        }
    }

    fn end(&mut self, boleto: BoletoId, status: BoletoStatus) {
        let Some(row) = self.rows.boletos.get_mut(&boleto) else {
            return;
        };
        let occurred_at = self.event.occurred_at;
        if row.status == BoletoStatus::Open {
            (row.status, row.status_at) = (status, occurred_at);
        }
        row.status_at = row.status_at.max(occurred_at);
        let reason = match status {
            BoletoStatus::Cancelled => StopReason::Cancelled,
            _ => StopReason::Paid,
        };
        self.stop(Subject::Boleto(boleto), reason);
    }

    /// Opens a boleto again, unless it was paid or cancelled later than this was said.
    fn reopen(&mut self, boleto: BoletoId) -> bool {
        let Some(row) = self.rows.boletos.get_mut(&boleto) else {
            return true;
        };
        if row.status == BoletoStatus::Open {
            return true;
        }
        if self.event.occurred_at < row.status_at {
            return false;
        }
        row.status = BoletoStatus::Open;
        row.status_at = self.event.occurred_at;
        true
    }

    fn change(&mut self, boleto: BoletoId, amount_centavos: i64, due_on: NaiveDate) {
        let occurred_at = self.event.occurred_at;
        if let Some(row) = self.rows.boletos.get_mut(&boleto)
            && row.changed_at <= occurred_at
        {
            row.changed_at = occurred_at;
            row.boleto.amount_centavos = amount_centavos;
            row.boleto.due_on = due_on;
            // They say the old amount and date.
            row.boleto.digitable_line = None;
            row.boleto.pix_code = None;
        }
    }

    fn run(&mut self, campaign: schedules::id::CampaignId, running: bool) {
        let campaigns = self.rows.settings.campaigns.iter_mut();
        for state in campaigns.filter(|state| state.campaign.id == campaign) {
            state.running = running;
        }
    }

    fn pause(&mut self, channel: Channel, paused: bool) {
        let channels = &mut self.rows.settings.tenant.paused_channels;
        channels.retain(|one| *one != channel);
        channels.extend(paused.then_some(channel));
        channels.sort_unstable();
    }

    fn stop(&mut self, subject: Subject, reason: StopReason) {
        let seq = self.seq;
        for row in self.rows.enrollments.values_mut() {
            let one = &row.enrollment;
            let concerned = subject.covers(one.boleto, one.contact, one.campaign);
            if concerned && row.state == EnrollmentState::Active {
                row.state = EnrollmentState::Stopped(reason);
                row.stopped_by = Some(seq);
                row.ever_stopped = true;
            }
        }
    }

    /// Says what the fact means for the promise, and which attempts it met in flight.
    fn meetings(&self, settle_margin_ms: i64) -> Vec<Meeting> {
        let subjects = self.event.body.subjects().into_iter();
        match &self.event.body {
            FactBody::BoletoPaid { .. }
            | FactBody::BoletoCancelled { .. }
            | FactBody::ContactOptedOut { channel: None, .. }
            | FactBody::CampaignPaused { .. }
            | FactBody::CampaignArchived { .. }
            | FactBody::ChannelPaused { .. }
            | FactBody::TenantPaused
            | FactBody::TenantHeld => subjects
                .map(|subject| Meeting::Stop(subject, self.in_flight(subject, settle_margin_ms)))
                .collect(),
            FactBody::BoletoReopened { .. }
            | FactBody::ContactOptedIn { channel: None, .. }
            | FactBody::CampaignResumed { .. }
            | FactBody::ChannelResumed { .. }
            | FactBody::TenantResumed
            | FactBody::TenantReleased => subjects
                .filter(|subject| !self.still_ends(*subject))
                .map(Meeting::Lift)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Of several contacts one may have opted out again since; of two kill switches one may be on.
    fn still_ends(&self, subject: Subject) -> bool {
        match subject {
            Subject::Contact(contact) => {
                let row = self.rows.contacts.get(&contact);
                row.is_some_and(|row| row.opted_out)
            }
            Subject::Tenant => !self.rows.settings.tenant.running,
            _ => false,
        }
    }

    fn in_flight(&self, subject: Subject, settle_margin_ms: i64) -> Vec<(AttemptId, Timestamp)> {
        let attempts = self.rows.attempts.values();
        attempts
            .filter(|row| row.settled.is_none() && row.claim.concerns(subject))
            .map(|row| {
                let settled_by = row.claim.deadline_at.plus_ms(settle_margin_ms);
                (row.claim.attempt, settled_by)
            })
            .collect()
    }
}

impl crate::machine::change::Claim {
    /// Says whether a stop of `subject` is about this claim.
    pub(in crate::sim) fn concerns(&self, subject: Subject) -> bool {
        subject == Subject::Channel(self.channel)
            || subject.covers(self.boleto, self.contact, self.campaign)
    }
}
