//! One message for several boletos of one contact.
//!
//! When a touch is open, others of the same contact, campaign and step are looked for that are
//! due, or would be within the step's window, and that are open now on the same channel. Each has a
//! claim of its own, so that a stop of one meets it in its own row; the message goes out under the
//! claim of the touch that was due, its lead, and counts as one.
//!
//! A part that is lost before the hand-over begins brings the whole message back: what is left is
//! claimed anew, and written anew. Nothing is cut out of a text that is written.

use std::sync::Arc;

use schedules::channel::Channel;
use schedules::id::EnrollmentId;
use schedules::template::Template;
use schedules::time::Timestamp;
use schedules::verdict::{Case, Reach, Ruling, evaluate};

use super::change::Change;
use super::draft::Draft;
use super::due::{Due, Letter, point};
use super::effect::{Companion, Effect};
use crate::ports::Boleto;

/// The most boletos of one message.
pub(super) const MERGED_MAX: usize = 10;
/// The most other touches of a contact that are looked at for one message: some have thousands.
const LOOKED_AT_MAX: usize = 200;

/// The other touches of a message, and the message.
pub(super) struct Company<'m> {
    others: Vec<Due<'m>>,
    letter: Letter,
    not_after_at: Timestamp,
}

/// A touch that is open, and from when on it is not.
struct Open<'m> {
    due: Due<'m>,
    not_after_at: Timestamp,
}

impl<'m> Draft<'m> {
    /// Finds those that go out with a touch that is open on a channel, if there are any.
    pub(super) fn company(&self, lead: &Due<'m>, channel: Channel) -> Option<Company<'m>> {
        let (template, within_ms) = lead.merged(channel)?;
        if self.alone || !self.is_first_for_all(lead, channel) {
            return None;
        }
        let others = self.machine.memory.others_of(&lead.entry.enrollment);
        let mut open: Vec<Open<'m>> = others
            .take(LOOKED_AT_MAX)
            .filter_map(|other| self.companion(lead, other, within_ms, template))
            .collect();
        if open.is_empty() {
            return None;
        }
        let not_after_at = self.is_open_for(lead, template)?;
        open.sort_by_key(|other| other.due.entry.rank());
        open.truncate(MERGED_MAX - 1);
        self.as_many_as_fit(lead, template, open, not_after_at)
    }

    /// Writes the message about as many as it has room for; the others go out later.
    fn as_many_as_fit(
        &self,
        lead: &Due<'m>,
        template: &Arc<Template>,
        mut open: Vec<Open<'m>>,
        not_after_at: Timestamp,
    ) -> Option<Company<'m>> {
        while !open.is_empty() {
            let boletos = open.iter().map(|other| &*other.due.entry.boleto);
            let boletos: Vec<&Boleto> = std::iter::once(&*lead.entry.boleto)
                .chain(boletos)
                .collect();
            if let Some(letter) = self.letter_about(lead, template, &boletos) {
                let ends = open.iter().map(|other| other.not_after_at);
                return Some(Company {
                    letter,
                    not_after_at: ends.fold(not_after_at, Timestamp::min),
                    others: open.into_iter().map(|other| other.due).collect(),
                });
            }
            open.pop();
        }
        None
    }

    /// Claims all parts of a message, and hands it over as one.
    pub(super) fn claim_together(&mut self, lead: &Due<'m>, company: Company<'m>) {
        let Company {
            others,
            letter,
            not_after_at,
        } = company;
        let template = Arc::clone(&letter.template);
        let claim = self.claim_of(lead, &template, not_after_at, None);
        let parts = others.iter().map(|other| {
            let by = Some(claim.attempt);
            self.claim_of(other, &template, not_after_at, by)
        });
        let parts: Vec<_> = parts.collect();
        let companions = parts.iter().map(|part| Companion {
            attempt: part.attempt,
            boleto: part.boleto,
        });
        let message = self.hand_over(&claim, letter, companions.collect());
        self.count_send(claim.contact, claim.as_send());
        self.change(Change::Claimed(claim));
        for part in parts {
            self.note_send(part.contact, part.as_send());
            self.change(Change::Claimed(part));
        }
        self.effect(Effect::HandOver(Arc::new(message)));
    }

    /// Says whether nothing of a boleto's own led past the channels before this one: others of the
    /// contact may have what this one lacks there.
    fn is_first_for_all(&self, lead: &Due<'m>, channel: Channel) -> bool {
        let rules = &self.machine.walks.tenant().rules;
        let mut before = lead.channels_left().iter();
        before
            .by_ref()
            .take_while(|(one, _)| *one != channel)
            .all(|one| {
                let reach = self.reach(lead, one);
                let bars_all = !reach.has_point || !reach.has_sender || reach.suppressed;
                bars_all
                    || reach.template_ttl_ms.is_none()
                    || rules.suppression_of(reach.channel).is_some()
            })
    }

    /// Looks whether a touch of the same contact can go out with the lead.
    fn companion(
        &self,
        lead: &Due<'m>,
        other: EnrollmentId,
        within_ms: i64,
        template: &Arc<Template>,
    ) -> Option<Open<'m>> {
        // What is in flight stands in no queue.
        if self.touched.contains(&other) || self.machine.memory.queue().at(other).is_none() {
            return None;
        }
        let due = self.due(other)?;
        let (one, two) = (&lead.entry.enrollment, &due.entry.enrollment);
        let of_one_step = one.campaign == two.campaign && lead.touch.step_no == due.touch.step_no;
        let tried_alike = one.cursor.channel_from == two.cursor.channel_from
            && one.cursor.channel_tries == two.cursor.channel_tries;
        let near = due.touch.slot_at <= self.now.plus_ms(within_ms);
        if !(of_one_step && tried_alike && near) {
            return None;
        }
        let not_after_at = self.is_open_for(&due, template)?;
        Some(Open { due, not_after_at })
    }

    /// Asks the gates for a message by this template, as if the touch's slot had come; returns
    /// until when they are open.
    fn is_open_for(&self, due: &Due<'m>, template: &Arc<Template>) -> Option<Timestamp> {
        let on = (template.channel, Some(Arc::clone(template)));
        let reach: [Reach; 1] = [self.reach(due, &on)];
        let mut case: Case<'_> = self.case(due, &reach);
        case.touch.slot_at = case.touch.slot_at.min(self.now);
        let Ruling::Send { not_after_at, .. } = evaluate(&case, self.now).ruling else {
            return None;
        };
        let boleto = &*due.entry.boleto;
        let values = self.sources(due);
        let values = values.values_of_several(template, &[boleto], self.now);
        values.is_ok().then_some(not_after_at)
    }

    fn letter_about(
        &self,
        lead: &Due<'m>,
        template: &Arc<Template>,
        boletos: &[&Boleto],
    ) -> Option<Letter> {
        let sources = self.sources(lead);
        let values = sources
            .values_of_several(template, boletos, self.now)
            .ok()?;
        Some(Letter {
            template: Arc::clone(template),
            to: point(sources.contact, template.channel)?.to_owned(),
            rendered: template.render(&values).ok()?,
        })
    }
}
