//! Bugs planted on purpose: a checker that misses one of them proves nothing.
//!
//! Most live in the model around the machine (journal, doors, shell). Those that only the machine
//! could have are planted by distorting what it is told or what it decided, so that its own code
//! stays free of them; three are flags of the machine under the feature `sim`.

use schedules::cooldown::CooldownAfter;
use schedules::rule::{Rule, RuleBody, RulePack};
use schedules::time::{HOUR_MS, MINUTE_MS};

use crate::machine::change::Change;
use crate::machine::{Decision, Flaws};
use crate::ports::Settings;

/// A bug that a run is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlantedBug {
    /// A commit does not look at the lease.
    NoFenceCheck,
    /// A commit looks at the lease, but does not hold it until it is done.
    FenceNotPinned,
    /// Caps and cooldowns do not count the sends that the same step has decided already.
    OwnSendsUncounted,
    /// An opt-out does not stop the contact's enrollments.
    OptOutStopsNothing,
    /// Messages leave before their attempts are on disk.
    IntentAfterSend,
    /// A duplicate is noticed only after it was applied.
    DedupeAfterApply,
    /// A door answers before its transaction is committed.
    AckBeforeCommit,
    /// A recurring step fires in both passes of a fold.
    FoldFiresTwice,
    /// A cooldown after a send holds only on the channel of that send.
    CooldownPerChannel,
    /// Credits are looked at, but not held.
    CreditsNotHeld,
    /// An attempt of unknown outcome is handed over again.
    UnknownResent,
    /// A process keeps the name, and with it the epoch, of its former life.
    EpochReused,
    /// A new owner closes the claims of the old one before their deadlines have passed.
    OrphanedAtOnce,
    /// A stop of a boleto takes no message back that is another's.
    CompanionNotWithdrawn,
    /// Each boleto of a message holds and spends a credit.
    CompanionPays,
    /// A message leaves although a stop came before one of its claims.
    HalvesLeave,
    /// What is left of a message that lost a part stays in flight.
    HalvesForgotten,
}

impl PlantedBug {
    /// Every planted bug.
    pub const ALL: [PlantedBug; 17] = [
        PlantedBug::NoFenceCheck,
        PlantedBug::FenceNotPinned,
        PlantedBug::OwnSendsUncounted,
        PlantedBug::OptOutStopsNothing,
        PlantedBug::IntentAfterSend,
        PlantedBug::DedupeAfterApply,
        PlantedBug::AckBeforeCommit,
        PlantedBug::FoldFiresTwice,
        PlantedBug::CooldownPerChannel,
        PlantedBug::CreditsNotHeld,
        PlantedBug::UnknownResent,
        PlantedBug::EpochReused,
        PlantedBug::OrphanedAtOnce,
        PlantedBug::CompanionNotWithdrawn,
        PlantedBug::CompanionPays,
        PlantedBug::HalvesLeave,
        PlantedBug::HalvesForgotten,
    ];
}

/// Returns what the machine itself does wrong.
pub(super) fn flaws(bug: Option<PlantedBug>) -> Flaws {
    Flaws {
        own_sends_uncounted: bug == Some(PlantedBug::OwnSendsUncounted),
        credits_not_held: bug == Some(PlantedBug::CreditsNotHeld),
        halves_leave: bug == Some(PlantedBug::HalvesLeave),
    }
}

/// Distorts the settings that a machine reads.
pub(super) fn distort_settings(bug: Option<PlantedBug>, settings: &mut Settings) {
    if bug == Some(PlantedBug::CooldownPerChannel) {
        let rules = &mut settings.tenant.rules;
        *rules = per_channel(rules);
    }
}

fn per_channel(pack: &RulePack) -> RulePack {
    let split = |rule: &Rule| -> Vec<Rule> {
        match &rule.body {
            RuleBody::Cooldown(cooldown) if cooldown.after == CooldownAfter::Send => {
                schedules::channel::Channel::ALL
                    .into_iter()
                    .map(|channel| Rule {
                        channels: vec![channel],
                        ..rule.clone()
                    })
                    .collect()
            }
            _ => vec![rule.clone()],
        }
    };
    RulePack {
        rules: pack.rules.iter().flat_map(split).collect(),
        ..pack.clone()
    }
}

/// Distorts what a machine decided; `zone_of` gives the zone of a claim's contact.
pub(super) fn distort_decision(
    bug: Option<PlantedBug>,
    decision: &mut Decision,
    zone_of: impl Fn(&crate::machine::change::Claim) -> chrono_tz::Tz,
) {
    if bug != Some(PlantedBug::FoldFiresTwice) {
        return;
    }
    for change in &mut decision.changes {
        if let Change::Claimed(claim) = change {
            let zone = zone_of(claim);
            fire_in_second_pass(claim, zone);
        }
    }
}

/// Moves the next touch to the second reading of the wall clock that has just fired.
fn fire_in_second_pass(claim: &mut crate::machine::change::Claim, zone: chrono_tz::Tz) {
    let slot_at = claim.touch.slot_at;
    let Some(next) = claim.to.touch.as_mut() else {
        return;
    };
    for fold_ms in [30 * MINUTE_MS, HOUR_MS] {
        let again_at = slot_at.plus_ms(fold_ms);
        if again_at.local(zone) == slot_at.local(zone) && next.step_no == claim.touch.step_no {
            next.slot_at = again_at;
            claim.to.next_at = Some(again_at);
        }
    }
}
