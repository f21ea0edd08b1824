//! The laws a machine's memory keeps, as data: debug assertions and the simulation evaluate the
//! same predicates.

use schedules::id::EnrollmentId;

use super::Machine;

/// A law of the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InvariantId {
    /// I8: credits that are held never exceed the balance.
    CreditsCoverHolds,
    /// I3: an enrollment has at most one attempt in flight.
    OneAttemptInFlight,
    /// What is queued is in memory.
    QueuedIsKnown,
    /// Every entry has its contact.
    EntryHasContact,
    /// A contact's sends stand in the order of time.
    SendsInOrder,
    /// What waits for its sender's pace is queued: the wait ends by itself.
    WaitsAreQueued,
    /// What was read ahead is with something that is due: it goes when that goes.
    AheadHasCompany,
}

impl InvariantId {
    /// Every law.
    pub const ALL: [InvariantId; 7] = [
        InvariantId::CreditsCoverHolds,
        InvariantId::OneAttemptInFlight,
        InvariantId::QueuedIsKnown,
        InvariantId::EntryHasContact,
        InvariantId::SendsInOrder,
        InvariantId::WaitsAreQueued,
        InvariantId::AheadHasCompany,
    ];

    /// Says whether the law holds.
    pub fn holds(self, machine: &Machine) -> bool {
        match self {
            InvariantId::CreditsCoverHolds => {
                let credits = machine.walks.tenant().credits;
                credits.is_none_or(|credits| credits.held >= 0 && credits.balance >= credits.held)
            }
            InvariantId::OneAttemptInFlight => {
                let enrollments: Vec<EnrollmentId> = machine
                    .in_flight
                    .attempts()
                    .map(|key| key.reminder.enrollment)
                    .collect();
                enrollments.windows(2).all(|pair| pair[0] != pair[1])
            }
            InvariantId::QueuedIsKnown => machine
                .memory
                .queue()
                .due(schedules::time::Timestamp::MAX)
                .all(|enrollment| machine.memory.entry(enrollment).is_some()),
            InvariantId::EntryHasContact => machine
                .memory
                .queue()
                .due(schedules::time::Timestamp::MAX)
                .filter_map(|enrollment| machine.memory.entry(enrollment))
                .all(|entry| machine.memory.contact(entry.enrollment.contact).is_some()),
            InvariantId::SendsInOrder => machine
                .memory
                .contacts()
                .all(|contact| contact.sends.is_sorted_by_key(|send| send.at)),
            InvariantId::WaitsAreQueued => machine
                .memory
                .waiting()
                .all(|enrollment| machine.memory.queue().at(enrollment).is_some()),
            InvariantId::AheadHasCompany => machine.memory.nobody_is_only_ahead(),
        }
    }
}

/// Returns the first law that is broken, if one is.
pub fn first_broken(machine: &Machine) -> Option<InvariantId> {
    InvariantId::ALL.into_iter().find(|law| !law.holds(machine))
}
