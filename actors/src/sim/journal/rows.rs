//! What the simulated journal stores, row by row.

use std::collections::BTreeMap;

use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, ContactId, EnrollmentId, TenantId};
use schedules::stop::StopReason;
use schedules::time::Timestamp;

use crate::lease::NodeId;
use crate::machine::change::{Claim, Harm, Ruled, Settled};
use crate::machine::effect::Subject;
use crate::machine::input::{FactBody, InboxFact, Sweep};
use crate::ports::{Boleto, Contact, Enrollment, Settings, ShardId};

/// Everything stored of one tenant.
#[derive(Clone, Debug)]
pub struct TenantRows {
    /// The shard it lies in.
    pub shard: ShardId,
    /// Its settings; archived campaigns are taken out.
    pub settings: Settings,
    /// Its contacts.
    pub contacts: BTreeMap<ContactId, ContactRow>,
    /// Its boletos.
    pub boletos: BTreeMap<BoletoId, BoletoRow>,
    /// Its enrollments.
    pub enrollments: BTreeMap<EnrollmentId, EnrollmentRow>,
    /// Its attempts.
    pub attempts: BTreeMap<AttemptId, AttemptRow>,
    /// Decisions that are no attempts, in the order of their commits.
    pub rulings: Vec<Ruled>,
    /// What came in.
    pub inbox: BTreeMap<i64, InboxRow>,
    /// The row of every event.
    pub event_ids: BTreeMap<String, i64>,
    /// Sweeps under way.
    pub sweeps: BTreeMap<i64, Sweep>,
    /// Its own kill switch is on.
    pub paused: bool,
    /// The engine's kill switch is on.
    pub held: bool,
}

impl TenantRows {
    pub(super) fn new(shard: ShardId, settings: Settings) -> Self {
        Self {
            shard,
            settings,
            contacts: BTreeMap::new(),
            boletos: BTreeMap::new(),
            enrollments: BTreeMap::new(),
            attempts: BTreeMap::new(),
            rulings: Vec::new(),
            inbox: BTreeMap::new(),
            event_ids: BTreeMap::new(),
            sweeps: BTreeMap::new(),
            paused: false,
            held: false,
        }
    }

    /// Turns its own kill switch, or the engine's.
    pub(super) fn halt(&mut self, paused: Option<bool>, held: Option<bool>) {
        self.paused = paused.unwrap_or(self.paused);
        self.held = held.unwrap_or(self.held);
        self.settings.tenant.running = !(self.paused || self.held);
    }

    /// Says whether a boleto may be reminded of: it is open and its contact did not opt out.
    pub(super) fn may_be_reminded(&self, boleto: BoletoId, contact: ContactId) -> bool {
        let open = self
            .boletos
            .get(&boleto)
            .is_some_and(|row| row.status == BoletoStatus::Open);
        let reachable = self
            .contacts
            .get(&contact)
            .is_some_and(|row| !row.opted_out);
        open && reachable
    }
}

/// A contact.
#[derive(Clone, Debug)]
pub struct ContactRow {
    /// What the machine sees of it, without its sends.
    pub contact: Contact,
    /// It wants no messages at all.
    pub opted_out: bool,
    /// When that was last said, by its source.
    pub said_at: Timestamp,
    /// When each suppressed channel was last barred, by its source.
    pub barred_at: BTreeMap<Channel, Timestamp>,
}

/// A boleto.
#[derive(Clone, Debug)]
pub struct BoletoRow {
    /// What the machine sees of it.
    pub boleto: Boleto,
    /// Its contact.
    pub contact: ContactId,
    /// The import it came with.
    pub import: i64,
    /// Its status.
    pub status: BoletoStatus,
    /// When that status came about, by its source.
    pub status_at: Timestamp,
    /// When amount and due date last changed, by the source.
    pub changed_at: Timestamp,
}

/// What a boleto is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoletoStatus {
    /// To be paid.
    Open,
    /// Paid.
    Paid,
    /// Cancelled.
    Cancelled,
}

/// An enrollment.
#[derive(Clone, Copy, Debug)]
pub struct EnrollmentRow {
    /// Where it stands.
    pub enrollment: Enrollment,
    /// Whether it goes on.
    pub state: EnrollmentState,
    /// The fact that stopped it.
    pub stopped_by: Option<i64>,
    /// It was stopped at least once.
    pub ever_stopped: bool,
}

/// Whether an enrollment goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrollmentState {
    /// It goes on.
    Active,
    /// A fact stopped it.
    Stopped(StopReason),
    /// Nothing comes any more.
    Finished,
}

/// An attempt.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// The claim.
    pub claim: Claim,
    /// The epoch under which it was committed.
    pub epoch: i64,
    /// When it was committed, on the database's clock.
    pub committed_at: Timestamp,
    /// Its outcome, once there is one.
    pub settled: Option<Settled>,
    /// When its outcome was committed, on the database's clock.
    pub settled_at: Option<Timestamp>,
}

/// A row of the inbox.
#[derive(Clone, Debug)]
pub struct InboxRow {
    /// The fact.
    pub fact: InboxFact,
    /// The owner has drawn its consequences.
    pub applied: bool,
    /// Why it was set aside, if it was.
    pub dead: Option<Harm>,
}

/// A shard's lease.
#[derive(Clone, Debug)]
pub struct LeaseRow {
    /// Who holds it.
    pub owner: NodeId,
    /// The fencing number.
    pub epoch: i64,
    /// When it ends, on the database's clock.
    pub expires_at: Timestamp,
}

/// Something that was committed, for the checker.
#[derive(Clone, Debug)]
pub enum Logged {
    /// A lease was granted or renewed.
    Granted {
        /// When.
        at: Timestamp,
        /// The shard.
        shard: ShardId,
        /// The epoch.
        epoch: i64,
        /// To whom.
        owner: NodeId,
    },
    /// A step of an owner.
    Step {
        /// When.
        at: Timestamp,
        /// The shard.
        shard: ShardId,
        /// The epoch under which it was committed.
        epoch: i64,
        /// The epoch that the lease had at that instant.
        lease_epoch: i64,
    },
    /// A fact of a door.
    Fact {
        /// When.
        at: Timestamp,
        /// The tenant.
        tenant: TenantId,
        /// The event.
        event_id: String,
        /// When it happened, by its source.
        occurred_at: Timestamp,
        /// What happened.
        body: FactBody,
    },
    /// A stop, with the attempts of its subject that had no outcome then, and until when they may
    /// still begin.
    Stop {
        /// When.
        at: Timestamp,
        /// The tenant.
        tenant: TenantId,
        /// Whom it is about.
        subject: Subject,
        /// The attempts in flight.
        in_flight: Vec<(AttemptId, Timestamp)>,
    },
    /// A stop was taken back.
    Lifted {
        /// When.
        at: Timestamp,
        /// The tenant.
        tenant: TenantId,
        /// Whom it was about.
        subject: Subject,
    },
    /// An attempt was claimed.
    Claimed {
        /// When, on the database's clock.
        at: Timestamp,
        /// The tenant.
        tenant: TenantId,
        /// The attempt.
        attempt: AttemptId,
        /// It was on disk already: the key is used twice.
        again: bool,
    },
}
