//! Facts that change what is walked: launches, edits, pauses, contacts' words, settings.

use schedules::id::ContactId;
use schedules::verdict::ContactEvents;

use super::change::Change;
use super::draft::{Draft, Note};
use super::effect::{Effect, Subject};
use super::input::{FactBody, InboxFact, Sweep, SweepKind};

impl Draft<'_> {
    pub(super) fn control_fact(&mut self, fact: &InboxFact) {
        match fact.body {
            FactBody::BoletoReopened { boleto } => {
                self.sweep(fact, SweepKind::ReplanBoleto { boleto });
            }
            FactBody::BoletoChanged { boleto, .. } => {
                self.give_up(Subject::Boleto(boleto));
                self.note(Note::Forget(Subject::Boleto(boleto)));
                self.sweep(fact, SweepKind::ReplanBoleto { boleto });
            }
            FactBody::ContactChanged { contact } => {
                self.give_up(Subject::Contact(contact));
                // What is known of it is outdated; the sweep has its touches read again.
                self.note(Note::Forget(Subject::Contact(contact)));
                let also = Vec::new();
                self.sweep(fact, SweepKind::ReplanContact { contact, also });
            }
            FactBody::BoletosImported { import } => {
                self.sweep(fact, SweepKind::EnrollImport { import });
            }
            FactBody::CampaignLaunched { campaign } => {
                self.note(Note::SettingsStale);
                self.sweep(fact, SweepKind::EnrollCampaign { campaign });
            }
            FactBody::CampaignEdited { campaign } => {
                self.give_up(Subject::Campaign(campaign));
                self.note(Note::SettingsStale);
                self.sweep(fact, SweepKind::ReplanCampaign { campaign });
            }
            FactBody::CampaignPaused { campaign } => {
                self.give_up(Subject::Campaign(campaign));
                self.note(Note::CampaignPaused(campaign));
            }
            FactBody::CampaignResumed { .. } => self.run_again(),
            FactBody::SettingsChanged => self.note(Note::SettingsStale),
            FactBody::CalendarChanged => {
                self.note(Note::SettingsStale);
                self.sweep(fact, SweepKind::ReplanTenant);
            }
            FactBody::ChannelPaused { channel } => {
                self.give_up(Subject::Channel(channel));
                self.note(Note::SettingsStale);
            }
            FactBody::ChannelResumed { .. } => self.note(Note::SettingsStale),
            FactBody::TenantPaused | FactBody::TenantHeld => {
                self.give_up(Subject::Tenant);
                self.note(Note::Running(false));
            }
            FactBody::TenantResumed | FactBody::TenantReleased => self.run_again(),
            _ => self.contact_fact(fact),
        }
    }

    fn contact_fact(&mut self, fact: &InboxFact) {
        if let FactBody::ContactOptedIn {
            contact,
            also,
            channel: None,
        } = &fact.body
        {
            let kind = SweepKind::ReplanContact {
                contact: *contact,
                also: also.clone(),
            };
            return self.sweep(fact, kind);
        }
        for contact in fact.body.contacts() {
            self.word_of(contact, fact);
        }
    }

    fn word_of(&mut self, contact: ContactId, fact: &InboxFact) {
        let at = Some(fact.received_at);
        let (replied_at, promised_at) = match fact.body {
            FactBody::ContactOptedOut {
                channel: Some(channel),
                ..
            } => {
                self.note(Note::Suppressed(contact, channel, true));
                return self.give_up(Subject::Contact(contact));
            }
            FactBody::ContactOptedIn {
                channel: Some(channel),
                ..
            } => return self.note(Note::Suppressed(contact, channel, false)),
            FactBody::ContactReplied { .. } => (at, None),
            FactBody::ContactPromised { .. } => (None, at),
            _ => return,
        };
        let events = ContactEvents {
            replied_at,
            promised_at,
        };
        // Of several who read one address nobody knows who spoke.
        let confirms = fact.body.contacts().count() == 1;
        self.note(Note::Event(contact, events, confirms));
        self.give_up(Subject::Contact(contact));
    }

    /// Gives up hand-overs that have not begun; their outcome brings them back to the gates.
    fn give_up(&mut self, subject: Subject) {
        self.effect(Effect::Withdraw(subject));
    }

    fn run_again(&mut self) {
        self.note(Note::SettingsStale);
        self.note(Note::ReadAgain);
    }

    pub(super) fn sweep(&mut self, fact: &InboxFact, kind: SweepKind) {
        self.change(Change::SweepMoved(Sweep {
            seq: fact.seq,
            kind,
            after: i64::MIN,
        }));
    }
}
