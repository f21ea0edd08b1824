//! Due reminders: from a tick to claims, holds and skips.

use std::sync::Arc;

use schedules::channel::Channel;
use schedules::id::{AttemptId, EnrollmentId, ReminderId};
use schedules::plan::{PlanInput, Touch, condition_met};
use schedules::template::{Rendered, Template};
use schedules::time::Timestamp;
use schedules::verdict::{Case, PastSend, Reach, Reason, Ruling, Verdict, evaluate};

use super::change::{Change, Claim, Ruled};
use super::draft::{Draft, Note};
use super::effect::{Effect, HandOver};
use super::memory::Entry;
use super::values::Sources;
use super::walk::{PlanSubject, StepChannel, Walk};
use super::{CLAIM_LASTS_MS, DUE_BATCH_MAX, IN_FLIGHT_MAX};
use crate::ports::{Contact, Cursor};

/// Everything known of one due touch.
struct Due<'m> {
    entry: &'m Entry,
    contact: &'m Contact,
    walk: &'m Walk,
    /// Nothing when the campaign no longer has the step.
    channels: Option<&'m [StepChannel]>,
    touch: Touch,
}

/// A message that can be handed over.
struct Letter {
    template: Arc<Template>,
    to: String,
    rendered: Rendered,
}

impl<'m> Draft<'m> {
    /// Looks at what is due, as far as pace, flight and batch allow.
    pub(super) fn tick(&mut self) {
        let machine = self.machine;
        if machine.settings_stale || machine.short_sighted || !machine.walks.running() {
            return;
        }
        let room = IN_FLIGHT_MAX.saturating_sub(machine.in_flight.len());
        for enrollment in machine.memory.queue().due(self.now).take(DUE_BATCH_MAX) {
            if self.claims >= room {
                break;
            }
            if !self.touched.contains(&enrollment) {
                self.look_at(enrollment);
            }
        }
    }

    fn look_at(&mut self, enrollment: EnrollmentId) {
        let Some(due) = self.due(enrollment) else {
            // Its campaign is gone: the fact that says so is on its way.
            return self.note(Note::Defer(enrollment, self.now.plus_ms(super::HORIZON_MS)));
        };
        if due.channels.is_none() {
            // An edit took it away while an attempt was under way that came to nothing.
            return self.skip(&due, Reason::StepRemoved);
        }
        if due.has_tried_all() {
            return self.skip(&due, Reason::RetriesExhausted);
        }
        let verdict = self.judge(&due);
        let cursor = due.entry.enrollment.cursor;
        match verdict.ruling {
            Ruling::Send {
                channel,
                not_after_at,
            } => self.send(&due, channel, not_after_at),
            Ruling::Hold { until } if verdict.reason == Reason::SenderPace => {
                self.wait_for_pace(&due, enrollment, until);
            }
            Ruling::Hold { until } => self.rule(&due, verdict, cursor.held_until(until)),
            Ruling::Skip | Ruling::Cancel => {
                let to = self.cursor_after(&due, false);
                self.rule(&due, verdict, to);
            }
        }
    }

    fn due(&self, enrollment: EnrollmentId) -> Option<Due<'m>> {
        let entry = self.machine.memory.entry(enrollment)?;
        let walk = self.machine.walks.walk(entry.enrollment.campaign)?;
        let touch = entry.enrollment.cursor.touch?;
        Some(Due {
            entry,
            contact: self.machine.memory.contact(entry.enrollment.contact)?,
            walk,
            channels: walk.channels(touch.step_no),
            touch,
        })
    }

    /// Asks the gates.
    fn judge(&self, due: &Due<'m>) -> Verdict {
        let tenant = self.machine.walks.tenant();
        let enrollment = due.entry.enrollment;
        let reach = self.reach(due);
        let case = Case {
            rules: &tenant.rules,
            calendar: &tenant.calendar,
            tenant_zone: tenant.zone,
            zones: &due.contact.zones,
            touch: due.touch,
            stop: None,
            feed: tenant.feed,
            condition_met: condition_met(&self.plan_input(due), &due.touch),
            reach: &reach,
            boleto: enrollment.boleto,
            campaign: enrollment.campaign,
            contact_sends: self.sends_of(enrollment.contact),
            contact_events: due.contact.events,
            campaign_tally: self.campaign_tally(enrollment.campaign),
            tenant_tally: self.tenant_tally(),
            credits: self.credits(),
        };
        evaluate(&case, self.now)
    }

    fn plan_input(&self, due: &Due<'m>) -> PlanInput<'m> {
        let calendar = &self.machine.walks.tenant().calendar;
        due.walk.plan_input(
            calendar,
            due.plan_subject(),
            due.entry.enrollment.cursor.progress,
        )
    }

    fn sources(&self, due: &Due<'m>) -> Sources<'m> {
        let (contact, boleto) = (due.contact, &*due.entry.boleto);
        Sources {
            tenant: self.machine.walks.tenant(),
            contact,
            boleto,
        }
    }

    fn reach(&self, due: &Due<'m>) -> Vec<Reach> {
        let channels = due.channels_left().iter();
        channels
            .map(|(channel, template)| self.reach_on(*channel, template.as_deref(), due))
            .collect()
    }

    fn reach_on(&self, channel: Channel, template: Option<&Template>, due: &Due<'m>) -> Reach {
        Reach {
            channel,
            has_point: point(due.contact, channel).is_some()
                && self.machine.walks.sender(channel).is_some(),
            suppressed: due.contact.suppressed.contains(&channel),
            template_ttl_ms: template.map(|template| template.ttl_ms),
            variables_present: template.is_some_and(|template| self.sources(due).fill(template)),
            pace_free_at: self.pace_free_at(channel),
        }
    }

    /// Passes the touch over for a reason that no gate knows.
    fn skip(&mut self, due: &Due<'m>, reason: Reason) {
        let verdict = Verdict {
            ruling: Ruling::Skip,
            reason,
            rule: None,
        };
        let to = self.cursor_after(due, false);
        self.rule(due, verdict, to);
    }

    fn rule(&mut self, due: &Due<'m>, verdict: Verdict, to: Cursor) {
        let enrollment = due.entry.enrollment.id;
        self.change(Change::Ruled(Ruled {
            reminder: reminder(enrollment, due.touch),
            try_no: due.entry.enrollment.cursor.try_no,
            campaign_version: due.walk.state.campaign.version,
            rules_version: self.machine.walks.tenant().rules.version,
            at: self.now,
            slot_at: due.touch.slot_at,
            verdict,
            to,
        }));
        self.finish_if_done(enrollment, to);
    }

    /// Waits in memory for the sender's turn, behind those that wait already.
    fn wait_for_pace(&mut self, due: &Due<'m>, enrollment: EnrollmentId, until: Timestamp) {
        self.note(Note::Defer(enrollment, until));
        let mut channels = due.channels_left().iter().map(|(channel, _)| *channel);
        if let Some(channel) = channels.find(|channel| self.pace_free_at(*channel) == until) {
            self.take_pace(channel);
        }
    }

    fn send(&mut self, due: &Due<'m>, channel: Channel, not_after_at: Timestamp) {
        let rendered = self.address(due, channel).and_then(|(template, to)| {
            let values = self.sources(due).values(&template, self.now);
            let rendered = template.render(&values).ok()?;
            Some(Letter {
                template,
                to,
                rendered,
            })
        });
        match rendered {
            Some(letter) => self.claim(due, channel, not_after_at, letter),
            None => self.skip(due, Reason::TemplateUnusable),
        }
    }

    fn claim(&mut self, due: &Due<'m>, channel: Channel, not_after_at: Timestamp, letter: Letter) {
        let enrollment = due.entry.enrollment;
        let walks = &self.machine.walks;
        let claim = Claim {
            attempt: AttemptId {
                reminder: reminder(enrollment.id, due.touch),
                try_no: enrollment.cursor.try_no,
            },
            boleto: enrollment.boleto,
            contact: enrollment.contact,
            campaign: enrollment.campaign,
            campaign_version: due.walk.state.campaign.version,
            rules_version: walks.tenant().rules.version,
            template_version: letter.template.version,
            channel,
            at: self.now,
            deadline_at: self.now.plus_ms(CLAIM_LASTS_MS).min(not_after_at),
            touch: due.touch,
            from: enrollment.cursor,
            to: self.cursor_after(due, true),
        };
        let message = HandOver {
            attempt: claim.attempt,
            tenant: walks.tenant().id,
            boleto: claim.boleto,
            contact: claim.contact,
            campaign: claim.campaign,
            channel,
            provider: walks
                .sender(channel)
                .map(|it| it.provider.clone())
                .unwrap_or_default(),
            to: letter.to,
            template: letter.template,
            rendered: letter.rendered,
            deadline_at: claim.deadline_at,
        };
        self.count_send(claim.contact, claim.as_send());
        self.change(Change::Claimed(claim));
        self.effect(Effect::HandOver(Arc::new(message)));
    }

    fn address(&self, due: &Due<'m>, channel: Channel) -> Option<(Arc<Template>, String)> {
        let (_, template) = due
            .channels_left()
            .iter()
            .find(|(one, _)| *one == channel)?;
        Some((template.clone()?, point(due.contact, channel)?.to_owned()))
    }

    fn cursor_after(&self, due: &Due<'m>, sent: bool) -> Cursor {
        let calendar = &self.machine.walks.tenant().calendar;
        let Cursor {
            progress, try_no, ..
        } = due.entry.enrollment.cursor;
        let next = due
            .walk
            .cursor_after(calendar, due.plan_subject(), progress, &due.touch, sent);
        Cursor { try_no, ..next }
    }
}

impl<'m> Due<'m> {
    /// Returns the channels that are still to be tried.
    fn channels_left(&self) -> &'m [StepChannel] {
        let from = usize::from(self.entry.enrollment.cursor.channel_from);
        self.channels
            .and_then(|channels| channels.get(from..))
            .unwrap_or_default()
    }

    /// Says whether every channel of the step came to nothing.
    fn has_tried_all(&self) -> bool {
        let channels = self.channels.map_or(0, <[_]>::len);
        usize::from(self.entry.enrollment.cursor.channel_from) >= channels.max(1)
    }

    fn plan_subject(&self) -> PlanSubject {
        PlanSubject {
            due_on: self.entry.boleto.due_on,
            amount_centavos: self.entry.boleto.amount_centavos,
            zone: zone_of(self.contact),
        }
    }
}

impl Claim {
    /// Returns what caps and cooldowns count: the latest instant at which the hand-over may begin,
    /// so that two hand-overs are never closer than their claims seem.
    pub fn as_send(&self) -> PastSend {
        PastSend {
            at: self.deadline_at,
            channel: self.channel,
            boleto: self.boleto,
            campaign: self.campaign,
        }
    }
}

pub(super) fn reminder(enrollment: EnrollmentId, touch: Touch) -> ReminderId {
    ReminderId {
        enrollment,
        step_no: touch.step_no,
        occurrence: touch.occurrence,
    }
}

pub(super) fn zone_of(contact: &Contact) -> chrono_tz::Tz {
    contact
        .zones
        .first()
        .copied()
        .unwrap_or(chrono_tz::Tz::America__Sao_Paulo)
}

fn point(contact: &Contact, channel: Channel) -> Option<&str> {
    match channel {
        Channel::Whatsapp | Channel::Sms => contact.phone.as_deref(),
        Channel::Email => contact.email.as_deref(),
    }
}
