//! What must have happened at least once in a set of runs, or the set proves nothing.

macro_rules! sometimes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that a set of runs must have met.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Sometimes { $($(#[$doc])* $name,)* }

        impl Sometimes {
            /// Everything that must have been met.
            pub const ALL: &'static [Sometimes] = &[$(Sometimes::$name,)*];
        }
    };
}

sometimes! {
    /// A stop was committed while an attempt of its subject had no outcome.
    StopRacedClaim,
    /// A hand-over began after a stop, within what the stop's answer allowed.
    BeganWithinSettledBy,
    /// A commit was refused because its lease had passed to another epoch.
    CommitFenced,
    /// A commit was applied and its answer lost.
    CommitAppliedAnswerLost,
    /// A commit was lost together with its answer.
    CommitLost,
    /// A machine was loaded again after a commit of unknown outcome.
    ReloadedAfterUnknown,
    /// A commit left out an enrollment because a stop came first.
    ClaimRefused,
    /// A door saw an event for the second time.
    DuplicateFact,
    /// A stale event did not open its subject again.
    StaleReopen,
    /// A boleto was opened again and its enrollments came back to life.
    Reactivated,
    /// An opt-out stopped enrollments.
    OptOutStopped,
    /// A cap was filled exactly, and held the next message.
    CapHeld,
    /// A cooldown held a message.
    CooldownHeld,
    /// The send window held a message.
    WindowHeld,
    /// Spent credits held a message.
    CreditsHeld,
    /// A sender's pace made a message wait.
    PaceHeld,
    /// A silent payment feed held messages.
    FeedHeld,
    /// A reminder was too late.
    Expired,
    /// A recurring step fired on a day with a fold.
    FoldDay,
    /// A step fired on a day with a gap.
    GapDay,
    /// A claim without an outcome was closed as unknown.
    OrphanClosed,
    /// The provider took a message and its answer was lost.
    ResponseLost,
    /// An attempt was tried again on the same channel.
    Retried,
    /// An attempt went on to the next channel.
    NextChannel,
    /// Every channel failed.
    ReminderFailed,
    /// A hand-over was given up because its deadline had passed.
    TooLate,
    /// A hand-over was given up because of a stop.
    Withdrawn,
    /// A hand-over was given up because the lease was not trusted any more.
    TrustLost,
    /// A node crashed with attempts in flight.
    CrashedInFlight,
    /// A node was paused for longer than its lease.
    PausedBeyondLease,
    /// A shard changed hands while its former owner was alive.
    LeaseStolen,
    /// Two nodes believed at once that they own a shard.
    TwoBelievers,
    /// A hint was lost.
    HintLost,
    /// A machine panicked and was loaded again.
    Panicked,
    /// A tenant was quarantined.
    Quarantined,
    /// A wall clock was set back.
    ClockSetBack,
    /// A sweep took more than one page.
    LongSweep,
    /// A campaign was edited while an attempt was in flight.
    EditedInFlight,
    /// A tenant or campaign was paused while an attempt was in flight.
    PausedInFlight,
    /// Boletos were imported after the campaign was launched.
    ImportedLater,
    /// Several boletos went out in one message.
    Merged,
    /// A touch was brought forward to go out with another.
    BroughtForward,
    /// A merged message was taken back because of a stop of one of its parts.
    MergedWithdrawn,
    /// A commit refused a part of a merged message, and the rest was given back.
    GivenBack,
    /// A pause fell between the last check and the write (the residual of the promise).
    Residual,
}

/// How often each thing was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; Sometimes::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Sometimes::ALL.len()])
    }
}

impl Counters {
    pub(super) fn hit(&mut self, what: Sometimes) {
        self.0[what as usize] += 1;
    }

    pub(super) fn hit_if(&mut self, is_met: bool, what: Sometimes) {
        self.0[what as usize] += u64::from(is_met);
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Counters) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// Returns how often something was met.
    pub fn of(&self, what: Sometimes) -> u64 {
        self.0[what as usize]
    }

    /// Lists what was never met.
    pub fn never(&self) -> Vec<Sometimes> {
        let all = Sometimes::ALL.iter().copied();
        all.filter(|what| self.of(*what) == 0).collect()
    }
}
