//! The templates that Meta does not take as they are, in the memory of this node.
//!
//! A message with one is refused before it is sent: Meta counts such requests against the number.
//! A new version of the template is tried again, and so is everything after a restart. What may be
//! the fault of one message's values stops a template only when several contacts in a row meet it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::machine::effect::HandOver;
use schedules::id::{ContactId, TenantId};

/// The most templates that are remembered; one more, and all are tried again.
const TEMPLATES_MAX: usize = 10_000;

/// How many contacts in a row must meet a refusal that depends on values, before it is taken for
/// the template's own.
const DOUBTS_MAX: usize = 3;

/// The templates that are not used for now, or may not be soon.
#[derive(Default)]
pub(super) struct Templates {
    stopped: Mutex<BTreeMap<(TenantId, String), Stopped>>,
    doubted: Mutex<BTreeMap<(TenantId, String), Doubt>>,
}

/// Whose messages with a template were refused in a row.
struct Doubt {
    version: u32,
    contacts: Vec<ContactId>,
}

/// Why a template is not used.
#[derive(Clone, Copy)]
struct Stopped {
    version: u32,
    code: u32,
    /// Until when, on the monotonic clock; until its next version when `None`.
    until_ms: Option<i64>,
}

impl Templates {
    /// Uses a template no more: for `for_ms` from now, or until its next version.
    pub(super) fn stop(&self, message: &HandOver, code: u32, for_ms: Option<i64>, now_ms: i64) {
        let mut stopped = self.stopped();
        if stopped.len() >= TEMPLATES_MAX {
            stopped.clear();
        }
        let stop = Stopped {
            version: message.template.version,
            code,
            until_ms: for_ms.map(|for_ms| now_ms.saturating_add(for_ms)),
        };
        stopped.insert(key(message), stop);
    }

    /// Learns that the values of a message may have made it unfit for its template; says whether so
    /// many contacts' did that the template is not to be used any more.
    pub(super) fn doubt(&self, message: &HandOver) -> bool {
        let mut doubted = self.doubted();
        if doubted.len() >= TEMPLATES_MAX {
            doubted.clear();
        }
        let version = message.template.version;
        let fresh = || Doubt {
            version,
            contacts: Vec::new(),
        };
        let doubt = doubted.entry(key(message)).or_insert_with(fresh);
        if doubt.version != version {
            *doubt = fresh();
        }
        if !doubt.contacts.contains(&message.contact) {
            doubt.contacts.push(message.contact);
        }
        let is_stopped = doubt.contacts.len() >= DOUBTS_MAX;
        if is_stopped {
            doubted.remove(&key(message));
        }
        is_stopped
    }

    /// Learns that a message with its template was taken.
    pub(super) fn taken(&self, message: &HandOver) {
        self.doubted().remove(&key(message));
    }

    /// Returns the code with which the template of a message was refused, while it is not used.
    pub(super) fn refusal(&self, message: &HandOver, now_ms: i64) -> Option<u32> {
        let mut stopped = self.stopped();
        let stop = stopped.get(&key(message))?;
        let is_over = stop.until_ms.is_some_and(|until_ms| now_ms >= until_ms);
        if is_over || stop.version != message.template.version {
            stopped.remove(&key(message));
            return None;
        }
        Some(stop.code)
    }

    fn stopped(&self) -> MutexGuard<'_, BTreeMap<(TenantId, String), Stopped>> {
        // Each entry is replaced whole.
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubted(&self) -> MutexGuard<'_, BTreeMap<(TenantId, String), Doubt>> {
        // Nothing that can panic runs between two changes that belong together.
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(message: &HandOver) -> (TenantId, String) {
    (message.tenant, message.template.code.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schedules::channel::Channel;

    use super::super::super::fixture;
    use super::*;

    #[test]
    fn a_paused_template_is_used_again_after_its_pause_and_another_only_with_its_next_version() {
        let (templates, message) = (Templates::default(), fixture::message(Channel::Whatsapp));
        templates.stop(&message, 132_015, Some(1_000), 50);
        assert_eq!(templates.refusal(&message, 1_049), Some(132_015));
        assert_eq!(templates.refusal(&message, 1_050), None);
        assert_eq!(templates.refusal(&message, 0), None, "it is forgotten");
        templates.stop(&message, 132_001, None, 0);
        assert_eq!(templates.refusal(&message, i64::MAX), Some(132_001));
        let mut next = fixture::message(Channel::Whatsapp);
        let mut template = (*next.template).clone();
        template.version += 1;
        next.template = Arc::new(template);
        assert_eq!(templates.refusal(&next, 1), None);
    }

    #[test]
    fn a_template_is_not_used_any_more_once_three_contacts_in_a_row_had_no_values_for_it() {
        let (templates, mut message) = (Templates::default(), fixture::message(Channel::Whatsapp));
        let mut doubt = |contact| {
            message.contact = ContactId(contact);
            templates.doubt(&message)
        };
        assert_eq!([1, 1, 1, 2, 2].map(&mut doubt), [false; 5], "two contacts");
        templates.taken(&fixture::message(Channel::Whatsapp));
        assert_eq!([3, 4, 5, 6].map(&mut doubt), [false, false, true, false]);
        let mut next = fixture::message(Channel::Whatsapp);
        let mut template = (*next.template).clone();
        template.version += 1;
        next.template = Arc::new(template);
        next.contact = ContactId(7);
        assert!(!templates.doubt(&next), "of another version");
        next.contact = ContactId(8);
        assert!(!templates.doubt(&next));
    }

    #[test]
    fn no_more_templates_are_remembered_than_allowed() {
        let (templates, mut message) = (Templates::default(), fixture::message(Channel::Whatsapp));
        for tenant in 0..=10_000 {
            message.tenant = TenantId(tenant);
            templates.stop(&message, 132_001, None, 0);
        }
        assert_eq!(templates.stopped().len(), 1);
        assert_eq!(templates.refusal(&message, 0), Some(132_001));
    }
}
