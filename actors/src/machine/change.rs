//! What became durable, in the past tense; the journal stores changes, the machine applies them.

use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId};
use schedules::plan::Touch;
use schedules::stop::StopReason;
use schedules::time::Timestamp;
use schedules::verdict::{Reason, Verdict};

use super::input::{Outcome, Sweep};
use crate::ports::Cursor;

/// One durable change. Those that name an enrollment hold only while it is active.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The owner has drawn its consequences from a fact.
    FactApplied {
        /// The row in the inbox.
        seq: i64,
    },
    /// A fact becomes a dead letter: the owner cannot go on with it.
    FactSetAside {
        /// The row in the inbox.
        seq: i64,
        /// What is wrong with it.
        harm: Harm,
    },
    /// An open boleto entered a campaign; nothing happens when it is already in it, or not open, or
    /// its contact opted out of everything. The journal gives the enrollment its id.
    Enrolled(Enrolled),
    /// An attempt may be handed over until its deadline; the cursor moves on. A metered tenant
    /// holds one credit for it, unless it goes out in the message of another.
    Claimed(Claim),
    /// A due touch was decided without an attempt (hold, skip, cancel); the cursor moves on.
    Ruled(Ruled),
    /// An attempt came to nothing: its touch is looked at again, or has failed for good. When a
    /// stop came first the touch gets its cancel record instead of another look.
    CameBack(CameBack),
    /// The cursor was moved by a new plan.
    Moved(Moved),
    /// A stopped enrollment is active again.
    Reactivated(Moved),
    /// An attempt has its outcome; nothing happens when it has one already. Its credit is released,
    /// and spent when the message may have reached the contact.
    Settled(Settled),
    /// Nothing comes any more for an enrollment; the world hears of it.
    Finished {
        /// The enrollment.
        enrollment: EnrollmentId,
    },
    /// An active enrollment of an archived campaign is stopped, and the touch that was next gets
    /// its cancel record.
    Stopped {
        /// The enrollment.
        enrollment: EnrollmentId,
        /// The fact.
        seq: i64,
    },
    /// An enrollment becomes a dead letter: the owner cannot go on with it. It is stopped, even if
    /// it was stopped for another reason, and the touch that was next gets its cancel record.
    SetAside {
        /// The enrollment.
        enrollment: EnrollmentId,
        /// What is wrong with it.
        harm: Harm,
    },
    /// Every enrollment that the fact stopped gets a cancel record for the touch that was next.
    StopRecorded {
        /// The fact.
        seq: i64,
        /// Why they stopped.
        reason: StopReason,
    },
    /// A sweep begins, goes on from `after`, or goes back to it.
    SweepMoved(Sweep),
    /// A sweep is done.
    SweepEnded {
        /// The fact it followed from.
        seq: i64,
    },
    /// Something that the outbox tells the world and the audit keeps.
    Announced(Announcement),
}

/// A boleto that entered a campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolled {
    /// The campaign.
    pub campaign: CampaignId,
    /// The boleto.
    pub boleto: BoletoId,
    /// Its contact.
    pub contact: ContactId,
    /// Where it stands.
    pub cursor: Cursor,
    /// Steps whose slot had passed at the enrollment: they are recorded as skipped.
    pub passed: Vec<Ruled>,
}

/// The intent to hand a message over, on disk before the wire. It is the decision record, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The key: at most one hand-over begins under it.
    pub attempt: AttemptId,
    /// The attempt in whose message this one goes out, when it is a companion: the message is one
    /// send and holds one credit, those of its lead.
    pub lead: Option<AttemptId>,
    /// The boleto.
    pub boleto: BoletoId,
    /// The contact.
    pub contact: ContactId,
    /// The version of the contact to whom it is addressed: one that was changed since refuses it.
    /// 0 in a claim that was loaded again, of which nobody asks any more.
    pub contact_version: i64,
    /// The campaign.
    pub campaign: CampaignId,
    /// The campaign's version.
    pub campaign_version: u32,
    /// The rule pack's version.
    pub rules_version: u32,
    /// The code of its template: the step's, that of several boletos, or an introduction.
    pub template: String,
    /// The template's version.
    pub template_version: u32,
    /// The channel.
    pub channel: Channel,
    /// When it was claimed.
    pub at: Timestamp,
    /// No hand-over begins at or after this instant.
    pub deadline_at: Timestamp,
    /// The touch that is tried.
    pub touch: Touch,
    /// The cursor at which the touch was due, to go back to.
    pub from: Cursor,
    /// The cursor after it.
    pub to: Cursor,
}

/// A decision that is no attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruled {
    /// The reminder.
    pub reminder: ReminderId,
    /// The try that would have followed.
    pub try_no: u16,
    /// The campaign's version.
    pub campaign_version: u32,
    /// The rule pack's version.
    pub rules_version: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// When the touch was due.
    pub slot_at: Timestamp,
    /// What was decided, and why.
    pub verdict: Verdict,
    /// The cursor after it.
    pub to: Cursor,
}

/// An attempt that came to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct CameBack {
    /// The reminder.
    pub reminder: ReminderId,
    /// The try that follows, or would have followed.
    pub try_no: u16,
    /// The campaign's version.
    pub campaign_version: u32,
    /// The rule pack's version.
    pub rules_version: u32,
    /// When it was decided what follows.
    pub at: Timestamp,
    /// When the touch was due.
    pub slot_at: Timestamp,
    /// Why the touch has failed for good; the world hears of it.
    pub failed: Option<Reason>,
    /// The cursor after it.
    pub to: Cursor,
}

/// A cursor that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// The cursor.
    pub to: Cursor,
}

/// An outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The attempt.
    pub attempt: AttemptId,
    /// When the outcome was known.
    pub at: Timestamp,
    /// The outcome.
    pub outcome: Outcome,
    /// It went out in another attempt's message: there is no credit of its own to release.
    pub companion: bool,
}

/// Something the world and the audit hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A campaign has taken in every boleto that was there when it was launched.
    CampaignEnrolled(CampaignId),
    /// A boleto became a dead letter: the owner could not enroll it.
    BoletoSetAside(BoletoId, Harm),
}

/// Why something was set aside as a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Its tenant's actor died of it, each time that it was tried alone.
    Kills,
    /// Its row says nothing that this program knows.
    Unreadable,
}

impl Harm {
    /// Returns the name used in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Harm::Kills => "kills",
            Harm::Unreadable => "unreadable",
        }
    }
}
