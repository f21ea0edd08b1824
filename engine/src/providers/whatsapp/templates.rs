//! The templates that Meta does not take as they are, in the memory of this node.
//!
//! A message with one is refused before it is sent: Meta counts such requests against the number.
//! A new version of the template is tried again, and so is everything after a restart.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::machine::effect::HandOver;
use schedules::id::TenantId;

/// The most templates that are remembered; one more, and all are tried again.
const TEMPLATES_MAX: usize = 10_000;

/// The templates that are not used for now.
#[derive(Default)]
pub(super) struct Templates(Mutex<BTreeMap<(TenantId, String), Stopped>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
