//! A tenant with a campaign, boletos and an owner, made through the store's own doors.

use actors::lease::{Leases, NodeId};
use actors::machine::change::{CameBack, Change, Claim, Enrolled, Settled};
use actors::machine::input::{InboxFact, Outcome, Sweep, SweepKind};
use actors::ports::{Commit, Committed, Cursor, Fence, Journal, JournalError, Sender, ShardId};
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use engine::facts::{BoletoName, ContactName, Fact, FactAnswer, Saying};
use engine::store::{
    Edit, EnrollmentRecord, Import, ImportOutcome, NewBoleto, NewCampaign, NewContact, NewTenant,
    Point, SHARDS, Store,
};
use schedules::cadence::{Cadence, Step};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, EnrollmentId, ReminderId, TenantId};
use schedules::pace::Pace;
use schedules::plan::{Progress, Touch};
use schedules::reference::Reference;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::time::Timestamp;
use schedules::verdict::Reason;

/// The instant at which scenes begin.
pub const START: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

/// A tenant with a running campaign, and the fence of its owner.
#[derive(Clone)]
pub struct Scene {
    /// The store.
    pub store: Store,
    /// The tenant.
    pub tenant: TenantId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its owner's right to commit.
    pub fence: Fence,
}

/// Returns a tenant to begin with.
pub fn new_tenant() -> NewTenant {
    NewTenant {
        name: "Escola Aurora".to_owned(),
        document: None,
        address: None,
        zone: Tz::America__Sao_Paulo,
        rules: RulePack {
            name: "none".to_owned(),
            version: 1,
            rules: Vec::new(),
        },
        calendar: Calendar::brazil(),
        charges: None,
        retry: RetryPolicy::default(),
        feed_silence_max_ms: None,
        credits: None,
        senders: vec![Sender {
            channel: Channel::Sms,
            provider: "mailbox".to_owned(),
            pace: Pace {
                per_second: 100,
                burst: 10,
            },
        }],
    }
}

/// Returns a campaign of two steps.
pub fn two_steps() -> NewCampaign {
    let nine = NaiveTime::from_hms_opt(9, 0, 0).expect("a time of day");
    let step = |no, days| Step {
        expires_after_ms: 3_600_000,
        ..Step::on_calendar_day(no, days, nine, &[Channel::Sms], "lembrete")
    };
    NewCampaign {
        name: "Lembretes".to_owned(),
        cadence: Cadence::of(vec![step(1, -3), step(2, 1)], 10),
    }
}

/// Returns boleto number `n`, of contact number `contact`.
pub fn boleto(n: u32, contact: u32) -> NewBoleto {
    let phone = format!("+55119{contact:08}");
    NewBoleto {
        reference: format!("NF-{n}"),
        amount_centavos: 12_345,
        due_on: NaiveDate::from_ymd_opt(2027, 1, 20).expect("a date"),
        digitable_line: None,
        pix_code: None,
        payment_link: None,
        contact: NewContact {
            name: format!("Contato {contact}"),
            phone: Some(Point {
                address: phone.clone(),
                canonical: phone,
            }),
            email: None,
            zones: vec![Tz::America__Sao_Paulo],
        },
    }
}

/// Returns an edit under an id.
pub fn edit(event_id: &str) -> Edit {
    Edit {
        event_id: event_id.to_owned(),
        source: "test".to_owned(),
        at: START,
    }
}

impl Scene {
    /// Sets a tenant up, with its campaign launched; the first is on shard 1, the second on 2.
    pub async fn set(store: &Store) -> Self {
        Self::set_with(store, &new_tenant()).await
    }

    /// As [`Scene::set`], with a tenant of one's own.
    pub async fn set_with(store: &Store, tenant: &NewTenant) -> Self {
        let tenant = store.create_tenant(tenant, START).await.expect("a tenant");
        let shard = ShardId::of(tenant, SHARDS);
        let campaign = store
            .create_campaign(tenant, edit("campaign"), two_steps())
            .await;
        let campaign = campaign.expect("a campaign");
        let node = NodeId(format!("node-of-{}", shard.0));
        let fence = store
            .take_or_renew(&node, shard, 60_000)
            .await
            .expect("the database answers");
        let fence = fence.expect("the shard is free");
        let scene = Self {
            store: store.clone(),
            tenant,
            campaign,
            fence,
        };
        scene
            .say("launch", Saying::CampaignLaunched { campaign })
            .await;
        scene
    }

    /// Returns the scene with a second campaign, launched.
    pub async fn with_another_campaign(self) -> Self {
        let store = &self.store;
        let campaign = store
            .create_campaign(self.tenant, edit("another campaign"), two_steps())
            .await;
        let campaign = campaign.expect("a campaign");
        self.say("another launch", Saying::CampaignLaunched { campaign })
            .await;
        Self { campaign, ..self }
    }

    /// Commits one fact.
    pub async fn say(&self, event_id: &str, saying: Saying) -> FactAnswer {
        let answers = self
            .store
            .commit_facts(&[self.fact(event_id, saying)])
            .await;
        answers.expect("the fact is committed").remove(0)
    }

    /// Returns a fact of this tenant.
    pub fn fact(&self, event_id: &str, saying: Saying) -> Fact {
        Fact {
            tenant: self.tenant,
            event_id: event_id.to_owned(),
            source: "test".to_owned(),
            occurred_at: START,
            received_at: START,
            saying,
        }
    }

    /// Imports boletos under a key.
    pub async fn import(&self, key: &str, boletos: Vec<NewBoleto>) -> ImportOutcome {
        let import = Import {
            key: key.to_owned(),
            source: "test".to_owned(),
            at: START,
        };
        self.store
            .import_boletos(self.tenant, import, boletos)
            .await
            .expect("the import")
    }

    /// Imports boletos `0..count`, each of a contact of its own, and enrolls them at `next_at`.
    pub async fn enroll(&self, count: u32, next_at: Timestamp) -> Vec<EnrollmentRecord> {
        self.import("chunk", (0..count).map(|n| boleto(n, n)).collect())
            .await;
        let kind = SweepKind::EnrollCampaign {
            campaign: self.campaign,
        };
        let sweep = Sweep {
            seq: 1,
            kind,
            after: i64::MIN,
        };
        let page = self
            .store
            .sweep_page(self.tenant, &sweep, count)
            .await
            .expect("a page");
        let candidates = page.candidates.iter();
        let changes = candidates
            .map(|one| self.enrolled(one.boleto, next_at))
            .collect();
        self.commit(changes).await.expect("the enrollment");
        self.enrollments().await
    }

    /// Returns the id of boleto number `n`.
    pub async fn boleto_id(&self, n: u32) -> BoletoId {
        let found = self
            .store
            .boleto_named(self.tenant, &format!("NF-{n}"))
            .await;
        found
            .expect("the database answers")
            .expect("the boleto is there")
    }

    /// Returns the change that enrolls a boleto.
    pub fn enrolled(&self, boleto: BoletoId, next_at: Timestamp) -> Change {
        Change::Enrolled(Enrolled {
            campaign: self.campaign,
            boleto,
            contact: schedules::id::ContactId(0),
            cursor: cursor(1, next_at),
            passed: Vec::new(),
        })
    }

    /// Returns the facts that the owner has not applied.
    pub async fn inbox(&self) -> Vec<InboxFact> {
        let page = self.store.inbox_page(self.tenant, 100).await;
        page.expect("the database answers").facts
    }

    /// Returns every enrollment of the tenant.
    pub async fn enrollments(&self) -> Vec<EnrollmentRecord> {
        let all = self
            .store
            .enrollments(self.tenant, EnrollmentId(0), 100_000)
            .await;
        all.expect("the database answers")
    }

    /// Commits changes under the owner's fence.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Committed, JournalError> {
        self.store.commit(self.as_commit(changes)).await
    }

    /// Returns a commit under the owner's fence.
    pub fn as_commit(&self, changes: Vec<Change>) -> Commit {
        Commit {
            tenant: self.tenant,
            fence: self.fence,
            at: START,
            changes,
        }
    }

    /// Says that boleto number `n` was paid.
    pub async fn pay(&self, event_id: &str, n: u32) -> FactAnswer {
        self.say(
            event_id,
            Saying::BoletoPaid {
                boleto: reference(n),
            },
        )
        .await
    }
}

/// Names boleto number `n` by its reference.
pub fn reference(n: u32) -> BoletoName {
    BoletoName::Reference(Reference::parse(&format!("NF-{n}")).expect("a reference"))
}

/// Says that boleto number `n` was cancelled.
pub fn cancelled(n: u32) -> Saying {
    Saying::BoletoCancelled {
        boleto: reference(n),
    }
}

/// Says that boleto number `n` is open again.
pub fn reopened(n: u32) -> Saying {
    Saying::BoletoReopened {
        boleto: reference(n),
    }
}

/// Says that contact number `n` wants no more messages on a channel, or at all.
pub fn opted_out(n: u32, channel: Option<Channel>) -> Saying {
    Saying::ContactOptedOut {
        contact: contact(n),
        channel,
    }
}

/// Says that contact number `n` wants messages again on a channel, or on all.
pub fn opted_in(n: u32, channel: Option<Channel>) -> Saying {
    Saying::ContactOptedIn {
        contact: contact(n),
        channel,
    }
}

/// Names contact number `n` by its phone.
pub fn contact(n: u32) -> ContactName {
    ContactName::Point(format!("+55119{n:08}"))
}

/// Returns a cursor at a step.
pub fn cursor(step_no: u8, next_at: Timestamp) -> Cursor {
    Cursor {
        progress: Progress::default(),
        touch: Some(Touch {
            step_no,
            occurrence: 0,
            slot_at: next_at,
            expires_at: next_at.plus_ms(3_600_000),
        }),
        next_at: Some(next_at),
        ..Cursor::default()
    }
}

/// Returns the claim of the touch that an enrollment is at, at an instant.
pub fn claim(record: &EnrollmentRecord, try_no: u16, at: Timestamp) -> Change {
    let enrollment = record.enrollment;
    let touch = enrollment.cursor.touch.expect("a touch is next");
    Change::Claimed(Claim {
        attempt: attempt(record, try_no),
        lead: None,
        boleto: enrollment.boleto,
        contact: enrollment.contact,
        contact_version: 1,
        campaign: enrollment.campaign,
        campaign_version: 1,
        rules_version: 1,
        template: "lembrete".to_owned(),
        template_version: 1,
        channel: Channel::Sms,
        at,
        deadline_at: at.plus_ms(3_000),
        touch,
        from: enrollment.cursor,
        to: Cursor {
            next_at: None,
            ..enrollment.cursor
        },
    })
}

/// Returns a claim as it is loaded again: nobody asks any more to what it was addressed.
pub fn loaded(change: &Change) -> Change {
    let mut change = change.clone();
    if let Change::Claimed(claim) = &mut change {
        claim.contact_version = 0;
    }
    change
}

/// Returns what follows from a first try that came to nothing: another look at once, or failure.
pub fn came_back(record: &EnrollmentRecord, failed: Option<Reason>) -> Change {
    let cursor = record.enrollment.cursor;
    let first = attempt(record, 0);
    Change::CameBack(CameBack {
        reminder: first.reminder,
        try_no: 1,
        campaign_version: 1,
        rules_version: 1,
        at: START,
        slot_at: cursor.touch.expect("a touch is next").slot_at,
        failed,
        to: Cursor {
            try_no: 1,
            ..cursor
        },
    })
}

/// Returns the key of a try of the touch that an enrollment is at.
pub fn attempt(record: &EnrollmentRecord, try_no: u16) -> AttemptId {
    let touch = record.enrollment.cursor.touch.expect("a touch is next");
    let enrollment = record.enrollment.id;
    let reminder = ReminderId {
        enrollment,
        step_no: touch.step_no,
        occurrence: touch.occurrence,
    };
    AttemptId { reminder, try_no }
}

/// Returns an outcome of an attempt.
pub fn settled(attempt: AttemptId, outcome: Outcome) -> Change {
    Change::Settled(Settled {
        attempt,
        at: START,
        outcome,
        companion: false,
    })
}

/// Returns the outcome of a message that was taken.
pub fn accepted() -> Outcome {
    Outcome::Accepted {
        provider_ref: "ref".to_owned(),
    }
}
