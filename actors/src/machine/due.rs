//! Due reminders: from a tick to claims, holds and skips.

use std::sync::Arc;

use schedules::channel::Channel;
use schedules::id::{AttemptId, EnrollmentId, ReminderId};
use schedules::phone::PhoneKind;
use schedules::plan::{PlanInput, Touch, condition_met};
use schedules::template::{Rendered, Template, TemplateError};
use schedules::time::Timestamp;
use schedules::verdict::{Case, PastSend, Reach, Reason, Ruling, Verdict, evaluate};

use super::change::{CameBack, Change, Claim, Ruled};
use super::draft::{Draft, Note};
use super::effect::{Companion, Effect, HandOver};
use super::memory::Entry;
use super::values::Sources;
use super::walk::{PlanSubject, StepChannel, Walk, WalkStep};
use super::{CLAIM_LASTS_MS, DUE_BATCH_MAX, IN_FLIGHT_MAX};
use crate::ports::{Contact, Cursor};

/// Everything known of one due touch.
pub(super) struct Due<'m> {
    pub(super) entry: &'m Entry,
    contact: &'m Contact,
    pub(super) walk: &'m Walk,
    /// Nothing when the campaign no longer has the step.
    step: Option<&'m WalkStep>,
    pub(super) touch: Touch,
}

/// A message that can be handed over.
pub(super) struct Letter {
    pub(super) template: Arc<Template>,
    pub(super) to: String,
    pub(super) rendered: Rendered,
}

impl<'m> Draft<'m> {
    /// Looks at what is due, as far as pace, flight and batch allow.
    pub(super) fn tick(&mut self) {
        let machine = self.machine;
        if machine.settings_stale || machine.short_sighted || !machine.walks.running() {
            return;
        }
        let room = IN_FLIGHT_MAX.saturating_sub(machine.in_flight.messages());
        // Changes are large, and would be moved at each growth of their list.
        let looks = machine.due(self.now).take(DUE_BATCH_MAX.min(room)).count();
        self.decision.changes.reserve(looks);
        self.decision.effects.reserve(looks);
        for enrollment in machine.batch(self.now) {
            if self.claims >= room {
                break;
            }
            if !self.touched.contains(&enrollment) {
                self.look_at(enrollment);
            }
        }
    }

    /// Looks at the enrollment that is due first, and at no other.
    pub(super) fn look(&mut self, enrollment: EnrollmentId) {
        self.alone = true;
        if self.machine.first_due(self.now) == Some(enrollment) {
            self.look_at(enrollment);
        }
    }

    fn look_at(&mut self, enrollment: EnrollmentId) {
        let Some(due) = self.due(enrollment) else {
            // Its campaign is gone: the fact that says so is on its way.
            return self.note(Note::Defer(enrollment, self.now.plus_ms(super::HORIZON_MS)));
        };
        if due.step.is_none() {
            // An edit took it away while an attempt was under way that came to nothing.
            return self.skip(&due, Reason::StepRemoved);
        }
        if due.has_tried_all() {
            return self.fail_unsent(&due);
        }
        self.judge(&due);
    }

    /// Asks the gates, and writes the letter once they are open. A channel that turns out to have
    /// none is barred, and they are asked again for the next.
    fn judge(&mut self, due: &Due<'m>) {
        let mut reach = Vec::new();
        loop {
            self.look_further(due, &mut reach);
            let case = self.case(due, &reach);
            let verdict = evaluate(&case, self.now);
            let sends = matches!(verdict.ruling, Ruling::Send { .. });
            let chosen = case.chosen().filter(|_| !sends);
            if let Some((channel, why)) = chosen.and_then(|chosen| self.mute(due, chosen)) {
                bar(&mut reach, channel, why);
                continue;
            }
            match verdict.ruling {
                Ruling::Send {
                    channel,
                    not_after_at,
                } => match self.letter(due, channel) {
                    Ok(letter) => {
                        return match self.company(due, channel) {
                            Some(company) => self.claim_together(due, company),
                            None => self.claim(due, not_after_at, letter),
                        };
                    }
                    Err(why) => bar(&mut reach, channel, why),
                },
                Ruling::Hold { until } => {
                    // A window that shuts before the turn comes is another matter.
                    let chosen = case.chosen().filter(|reach| reach.pace_free_at == until);
                    let waits = verdict.reason == Reason::SenderPace;
                    let turn_on = chosen.filter(|_| waits).map(|reach| reach.channel);
                    return self.hold(due, verdict, until, turn_on);
                }
                Ruling::Skip | Ruling::Cancel => {
                    let to = self.cursor_after(due, false);
                    return self.rule(due, verdict, to);
                }
            }
        }
    }

    pub(super) fn due(&self, enrollment: EnrollmentId) -> Option<Due<'m>> {
        let entry = self.machine.memory.entry(enrollment)?;
        let walk = self.machine.walks.walk(entry.enrollment.campaign)?;
        let touch = entry.enrollment.cursor.touch?;
        Some(Due {
            entry,
            contact: self.machine.memory.contact(entry.enrollment.contact)?,
            walk,
            step: walk.step(touch.step_no),
            touch,
        })
    }

    /// Gathers what the gates look at.
    pub(super) fn case<'a>(&'a self, due: &'a Due<'m>, reach: &'a [Reach]) -> Case<'a> {
        let tenant = self.machine.walks.tenant();
        let enrollment = due.entry.enrollment;
        Case {
            rules: &tenant.rules,
            calendar: &tenant.calendar,
            tenant_zone: tenant.zone,
            zones: &due.contact.zones,
            touch: due.touch,
            stop: None,
            feed: tenant.feed,
            condition_met: condition_met(&self.plan_input(due), &due.touch),
            reach,
            boleto: enrollment.boleto,
            campaign: enrollment.campaign,
            contact_sends: self.sends_of(enrollment.contact),
            contact_events: due.contact.events,
            campaign_tally: self.campaign_tally(enrollment.campaign),
            tenant_tally: self.tenant_tally(),
            credits: self.credits(),
        }
    }

    fn plan_input(&self, due: &Due<'m>) -> PlanInput<'m> {
        let calendar = &self.machine.walks.tenant().calendar;
        due.walk.plan_input(
            calendar,
            due.plan_subject(),
            due.entry.enrollment.cursor.progress,
        )
    }

    pub(super) fn sources(&self, due: &Due<'m>) -> Sources<'m> {
        let (contact, boleto) = (due.contact, &*due.entry.boleto);
        Sources {
            tenant: self.machine.walks.tenant(),
            contact,
            boleto,
        }
    }

    /// Looks at the channels that are left, up to the first that nothing bars: the gates take that
    /// one or none.
    fn look_further(&self, due: &Due<'m>, reach: &mut Vec<Reach>) {
        let rules = &self.machine.walks.tenant().rules;
        let is_open = |reach: &Reach| {
            let can = reach.has_point && reach.has_sender && reach.template_ttl_ms.is_some();
            can && reach.variables_present
                && !reach.suppressed
                && rules.suppression_of(reach.channel).is_none()
        };
        for left in due.channels_left().iter().skip(reach.len()) {
            if reach.last().is_some_and(is_open) {
                return;
            }
            reach.push(self.reach(due, left));
        }
    }

    pub(super) fn reach(&self, due: &Due<'m>, (channel, template): &StepChannel) -> Reach {
        Reach {
            channel: *channel,
            has_point: point(due.contact, *channel).is_some(),
            has_sender: self.machine.walks.sender(*channel).is_some(),
            suppressed: due.contact.suppressed.contains(channel),
            template_ttl_ms: template.as_ref().map(|template| template.ttl_ms),
            variables_present: true,
            paused: self
                .machine
                .walks
                .tenant()
                .paused_channels
                .contains(channel),
            pace_free_at: self.pace_free_at(*channel),
        }
    }

    /// Returns the channel that the gates looked at if it has no letter while others are left: it
    /// neither keeps them waiting, nor is it too late for them.
    fn mute(&self, due: &Due<'m>, chosen: &Reach) -> Option<(Channel, Reason)> {
        let channel = chosen.channel;
        let last = due.channels_left().last();
        if last.is_none_or(|(last, _)| *last == channel) {
            return None;
        }
        let why = self.letter(due, channel).err()?;
        Some((channel, why))
    }

    /// Writes the letter on a channel that the gates chose, or says what is missing.
    fn letter(&self, due: &Due<'m>, channel: Channel) -> Result<Letter, Reason> {
        let template = due.template(channel).ok_or(Reason::TemplateUnusable)?;
        let to = point(due.contact, channel).ok_or(Reason::TemplateUnusable)?;
        let values = self.sources(due).values(template, self.now);
        let rendered = template.render(&values).map_err(|error| match error {
            TemplateError::MissingValue(_) => Reason::TemplateVariableMissing,
            _ => Reason::TemplateUnusable,
        })?;
        Ok(Letter {
            template: Arc::clone(template),
            to: to.to_owned(),
            rendered,
        })
    }

    /// Passes the touch over for a reason that no gate knows.
    fn skip(&mut self, due: &Due<'m>, reason: Reason) {
        let to = self.cursor_after(due, false);
        self.rule(due, Verdict::skip(reason), to);
    }

    /// Ends a touch of which every channel came to nothing while it was out of memory.
    fn fail_unsent(&mut self, due: &Due<'m>) {
        let enrollment = due.entry.enrollment;
        let to = self.cursor_after(due, false);
        self.change(Change::CameBack(CameBack {
            reminder: reminder(enrollment.id, due.touch),
            try_no: enrollment.cursor.try_no,
            campaign_version: due.walk.state.campaign.version,
            rules_version: self.machine.walks.tenant().rules.version,
            at: self.now,
            slot_at: due.touch.slot_at,
            failed: Some(Reason::RetriesExhausted),
            to,
        }));
        self.finish_if_done(enrollment.id, to);
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

    /// Holds the touch. One that waits for its sender's turn stands behind those that wait already,
    /// and has one record of that: a turn that comes later than was thought is the same wait.
    fn hold(
        &mut self,
        due: &Due<'m>,
        verdict: Verdict,
        until: Timestamp,
        turn_on: Option<Channel>,
    ) {
        let enrollment = due.entry.enrollment;
        if let Some(channel) = turn_on {
            self.take_pace(channel);
            if due.entry.waits_its_turn {
                return self.note(Note::Defer(enrollment.id, until));
            }
        }
        self.rule(due, verdict, enrollment.cursor.held_until(until));
    }

    fn claim(&mut self, due: &Due<'m>, not_after_at: Timestamp, letter: Letter) {
        let claim = self.claim_of(due, &letter.template, not_after_at, None);
        let message = self.hand_over(&claim, letter, Vec::new());
        self.count_send(claim.contact, claim.as_send());
        self.change(Change::Claimed(claim));
        self.effect(Effect::HandOver(Arc::new(message)));
    }

    /// Draws the claim of a touch, in the message of `lead` where there is one.
    pub(super) fn claim_of(
        &self,
        due: &Due<'m>,
        template: &Template,
        not_after_at: Timestamp,
        lead: Option<AttemptId>,
    ) -> Claim {
        let enrollment = due.entry.enrollment;
        Claim {
            attempt: AttemptId {
                reminder: reminder(enrollment.id, due.touch),
                try_no: enrollment.cursor.try_no,
            },
            lead,
            boleto: enrollment.boleto,
            contact: enrollment.contact,
            contact_version: due.contact.version,
            campaign: enrollment.campaign,
            campaign_version: due.walk.state.campaign.version,
            rules_version: self.machine.walks.tenant().rules.version,
            template: template.code.clone(),
            template_version: template.version,
            channel: template.channel,
            at: self.now,
            deadline_at: self.now.plus_ms(CLAIM_LASTS_MS).min(not_after_at),
            touch: due.touch,
            from: enrollment.cursor,
            to: self.cursor_after(due, true),
        }
    }

    pub(super) fn hand_over(
        &self,
        claim: &Claim,
        letter: Letter,
        companions: Vec<Companion>,
    ) -> HandOver {
        let (walks, channel) = (&self.machine.walks, letter.template.channel);
        HandOver {
            attempt: claim.attempt,
            tenant: walks.tenant().id,
            boleto: claim.boleto,
            companions,
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
        }
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
    pub(super) fn channels_left(&self) -> &'m [StepChannel] {
        let from = usize::from(self.entry.enrollment.cursor.channel_from);
        self.channels().get(from..).unwrap_or_default()
    }

    fn channels(&self) -> &'m [StepChannel] {
        let channels = self.step.map(|step| step.channels(self.contact.confirmed));
        channels.unwrap_or_default()
    }

    /// Returns what the message about several boletos of the contact says, and how far ahead of
    /// their slots they may go out with this one, if they may.
    pub(super) fn merged(&self, channel: Channel) -> Option<(&'m Arc<Template>, i64)> {
        let step = self.step?;
        let template = step.merged(channel, self.contact.confirmed)?;
        Some((template, step.merges_within_ms()?))
    }

    fn template(&self, channel: Channel) -> Option<&'m Arc<Template>> {
        let mut channels = self.channels_left().iter();
        let (_, template) = channels.find(|(one, _)| *one == channel)?;
        template.as_ref()
    }

    /// Says whether every channel of the step came to nothing.
    fn has_tried_all(&self) -> bool {
        usize::from(self.entry.enrollment.cursor.channel_from) >= self.channels().len().max(1)
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
            merged: self.lead.is_some(),
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

/// Bars a channel for which there is no letter.
fn bar(reach: &mut [Reach], channel: Channel, why: Reason) {
    for reach in reach.iter_mut().filter(|reach| reach.channel == channel) {
        match why {
            Reason::TemplateVariableMissing => reach.variables_present = false,
            _ => reach.template_ttl_ms = None,
        }
    }
}

pub(super) fn point(contact: &Contact, channel: Channel) -> Option<&str> {
    match channel {
        Channel::Whatsapp => contact.phone.as_deref(),
        // Landlines have WhatsApp, but no SMS.
        Channel::Sms => {
            let phone = contact.phone.as_deref();
            phone.filter(|phone| PhoneKind::of_e164(phone) == PhoneKind::Mobile)
        }
        Channel::Email => contact.email.as_deref(),
    }
}
