//! Where facts come in: committed first, then the owner is told, then the caller is answered.
//!
//! A door decides nothing. By the time it answers, the fact is durable, no claim of a stopped
//! subject can commit any more, and what this node had not begun to hand over never begins.

mod engine;

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::Subject;
use actors::ports::ShardId;
use actors::supervision::node::Node;
use schedules::id::{CampaignId, ContactId, TenantId};
use schedules::time::Timestamp;

use crate::facts::{Fact, FactAnswer};
use crate::store::reads::Tag;
use crate::store::{
    ContactChange, Edit, Import, ImportOutcome, ImportPart, InFlight, Kept, NewBoleto, NewCampaign,
    PartOutcome, Registered, Registration, SHARDS, Setting, Standing, Store, StoreError,
};

pub use self::engine::ToldAll;

/// The doors of one node.
#[derive(Clone)]
pub struct Doors {
    store: Store,
    node: Arc<Node>,
    clock: Arc<dyn Clock>,
}

/// What a caller is told of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The event was known; nothing changed. What it stopped may go on since, by another event.
    Duplicate,
    /// The event's id was used for something else: nothing of this event was stored.
    Conflict,
    /// The fact waits for its subject to be imported.
    Parked,
    /// There is no such subject.
    Unknown,
    /// The subject is in that state already, or cannot get there.
    Unchanged,
    /// The fact is durable, and it is none that stops anything.
    Taken,
    /// The fact is durable (or holds already), and no hand-over of its subject is under way.
    Stopped {
        /// The subject as it was resolved.
        subject: Subject,
    },
    /// The fact is durable; hand-overs that had begun, or may yet on another node, are under way.
    Settling {
        /// The subject as it was resolved.
        subject: Subject,
        /// How many there were.
        in_flight: u32,
        /// From this instant on none begins; one that began right before it may still end later.
        settled_by: Timestamp,
    },
}

impl Doors {
    /// Joins a store and the node that owns its tenants.
    pub fn new(store: Store, node: Arc<Node>, clock: Arc<dyn Clock>) -> Self {
        Self { store, node, clock }
    }

    /// Commits the facts in one transaction and answers each, in order.
    ///
    /// # Errors
    /// [`StoreError`] when nothing was committed, or nobody knows ([`StoreError::Unknown`]): the
    /// caller tells the same events again, and their ids make that harmless.
    pub async fn tell(&self, facts: &[Fact]) -> Result<Vec<Told>, StoreError> {
        let answers = self.store.commit_facts(facts).await?;
        self.follow(facts, &answers).await
    }

    /// Follows facts that were committed, and says what becomes of each.
    async fn follow(
        &self,
        facts: &[Fact],
        answers: &[FactAnswer],
    ) -> Result<Vec<Told>, StoreError> {
        // What is durable takes its effect before anything else is read: that may fail.
        let followed: Vec<_> = facts
            .iter()
            .zip(answers)
            .map(|(fact, answer)| self.followed(fact, answer))
            .collect();
        let mut told = Vec::with_capacity(facts.len());
        for (fact, followed) in facts.iter().zip(followed) {
            told.push(match followed {
                Ok(told) => told,
                Err(otherwise) => self.told_again(fact, otherwise).await?,
            });
        }
        Ok(told)
    }

    /// Keeps an estimate, for a launch to confirm it.
    ///
    /// # Errors
    /// As [`Store::keep_estimate`].
    pub async fn keep_estimate(&self, estimate: Kept) -> Result<(), StoreError> {
        self.store.keep_estimate(estimate).await
    }

    /// Launches a campaign by a fact that confirms an estimate; nothing is answered, and nothing
    /// happened, when the estimate does not hold (any more).
    ///
    /// # Errors
    /// As [`Doors::tell`].
    pub async fn launch(&self, fact: &Fact, estimate: &str) -> Result<Option<Told>, StoreError> {
        let Some(answer) = self.store.launch(fact, estimate).await? else {
            return Ok(None);
        };
        Ok(Some(match self.followed(fact, &answer) {
            Ok(told) => told,
            Err(otherwise) => self.told_again(fact, otherwise).await?,
        }))
    }

    /// Imports a chunk of boletos in one transaction.
    ///
    /// Whoever paid or opted out before the import is stopped by it: when this answers, nothing of
    /// theirs that this node had not begun to hand over begins any more.
    ///
    /// # Errors
    /// As [`Store::import_boletos`]; after [`StoreError::Unknown`] the same chunk may be given
    /// again under its key.
    pub async fn import(
        &self,
        tenant: TenantId,
        import: Import,
        boletos: Vec<NewBoleto>,
    ) -> Result<ImportOutcome, StoreError> {
        let outcome = self.store.import_boletos(tenant, import, boletos).await?;
        self.imported(tenant, &outcome.matched);
        Ok(outcome)
    }

    /// Imports the next part of a file or request, as [`Doors::import`] does a chunk.
    ///
    /// # Errors
    /// As [`Store::import_part`]; after [`StoreError::Unknown`] the same part may be given again.
    pub async fn import_part(
        &self,
        tenant: TenantId,
        part: ImportPart,
        boletos: Vec<NewBoleto>,
    ) -> Result<PartOutcome, StoreError> {
        let part = self.store.import_part(tenant, part, boletos).await?;
        self.imported(tenant, &part.outcome.matched);
        Ok(part)
    }

    /// Finds or adds contacts ahead of their boletos.
    ///
    /// # Errors
    /// As [`Store::register_contacts`]; after [`StoreError::Unknown`] the same may be given again.
    pub async fn register(
        &self,
        tenant: TenantId,
        registration: Registration,
    ) -> Result<Registered, StoreError> {
        let registered = self.store.register_contacts(tenant, registration).await?;
        self.imported(tenant, &registered.matched);
        Ok(registered)
    }

    /// Takes back what a stop had waited for, and tells the owner.
    fn imported(&self, tenant: TenantId, matched: &[Subject]) {
        for subject in matched {
            self.node.withdraw(tenant, *subject);
        }
        self.node.hint(tenant);
    }

    /// Changes a setting of a tenant, if it is as expected; returns false when the edit was known.
    ///
    /// # Errors
    /// As [`Store::put_setting_if`].
    pub async fn put_setting(
        &self,
        tenant: TenantId,
        edit: Edit,
        setting: Setting,
        expected: Option<Vec<Tag>>,
    ) -> Result<bool, StoreError> {
        let put = self.store.put_setting_if(tenant, edit, setting, expected);
        let changed = put.await;
        self.node.hint(tenant);
        changed
    }

    /// Adds a campaign as a draft.
    ///
    /// # Errors
    /// As [`Store::create_campaign`].
    pub async fn create_campaign(
        &self,
        tenant: TenantId,
        edit: Edit,
        content: NewCampaign,
    ) -> Result<CampaignId, StoreError> {
        let id = self.store.create_campaign(tenant, edit, content).await?;
        self.node.hint(tenant);
        Ok(id)
    }

    /// Replaces a campaign's content, if it is as expected, and returns its new version.
    ///
    /// # Errors
    /// As [`Store::edit_campaign_if`].
    pub async fn edit_campaign(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        edit: Edit,
        content: NewCampaign,
        expected: Option<Vec<Tag>>,
    ) -> Result<u32, StoreError> {
        let edited = self
            .store
            .edit_campaign_if(tenant, campaign, edit, content, expected);
        let edited = edited.await;
        // What was planned by the former version, and has not begun, is judged again, also when
        // nobody knows whether there is a newer one.
        self.node.withdraw(tenant, Subject::Campaign(campaign));
        self.node.hint(tenant);
        edited
    }

    /// Changes a contact, if it is as expected; returns false when the edit was known, or changes
    /// nothing.
    ///
    /// What was addressed to what the contact was before, and this node had not begun to hand
    /// over, never begins; and no claim of it commits any more, on any node.
    ///
    /// # Errors
    /// As [`Store::edit_contact`].
    pub async fn edit_contact(
        &self,
        tenant: TenantId,
        contact: ContactId,
        edit: Edit,
        change: ContactChange,
        expected: Option<Vec<Tag>>,
    ) -> Result<bool, StoreError> {
        let edited = self
            .store
            .edit_contact(tenant, contact, edit, change, expected)
            .await;
        let may_be_another = match &edited {
            // Who tells it again may not have had the first answer, nor this node its effect.
            Ok(edited) => edited.changed || edited.again,
            Err(error) => *error == StoreError::Unknown,
        };
        if may_be_another {
            self.node.withdraw(tenant, Subject::Contact(contact));
            let matched = edited.as_ref().map(|it| it.matched.as_slice());
            self.imported(tenant, matched.unwrap_or_default());
        }
        Ok(edited?.changed)
    }

    /// Follows an answer; one that depends on what stands already is the error.
    fn followed(&self, fact: &Fact, answer: &FactAnswer) -> Result<Told, Told> {
        match answer {
            FactAnswer::Parked => Ok(Told::Parked),
            FactAnswer::Unknown => Ok(Told::Unknown),
            // Who tells a stop again may not have had the first answer, nor this node its effect.
            FactAnswer::Duplicate => Err(Told::Duplicate),
            FactAnswer::Unchanged { .. } => Err(Told::Unchanged),
            FactAnswer::Applied {
                subject,
                also,
                in_flight,
                settles_at,
                ..
            } => {
                let subjects = [&[*subject], also.as_slice()].concat();
                Ok(self.applied(fact, &subjects, (*in_flight, *settles_at)))
            }
        }
    }

    async fn told_again(&self, fact: &Fact, otherwise: Told) -> Result<Told, StoreError> {
        Ok(match self.store.standing(fact).await? {
            Standing::Of(subjects, in_flight) if fact.saying.stops() => {
                self.applied(fact, &subjects, in_flight)
            }
            Standing::Of(..) | Standing::Awaited | Standing::Lifted => otherwise,
            Standing::OfAnother => Told::Conflict,
        })
    }

    /// Follows a fact that is durable: what it may concern and has not begun is judged again.
    fn applied(&self, fact: &Fact, subjects: &[Subject], in_flight: InFlight) -> Told {
        if !fact.saying.concerns_sends() {
            self.node.hint(fact.tenant);
            return Told::Taken;
        }
        let told = self.stopped(fact.tenant, subjects, in_flight);
        if fact.saying.stops() {
            told
        } else {
            Told::Taken
        }
    }

    /// Takes back what this node has not begun; what it has begun, or another node may have,
    /// settles by its deadline.
    fn stopped(
        &self,
        tenant: TenantId,
        subjects: &[Subject],
        (in_flight, settles_at): InFlight,
    ) -> Told {
        let begun: usize = subjects
            .iter()
            .map(|one| self.node.withdraw(tenant, *one))
            .sum();
        let begun = u32::try_from(begun).unwrap_or(u32::MAX);
        self.node.hint(tenant);
        // Only an owner that trusts its lease knows of every hand-over that may be under way.
        let is_owner = self.node.shards().contains(&ShardId::of(tenant, SHARDS));
        let under_way = if is_owner { begun } else { in_flight };
        let subject = subjects.first().copied().unwrap_or(Subject::Tenant);
        if under_way == 0 {
            return Told::Stopped { subject };
        }
        let settled_by = settles_at.unwrap_or_else(|| self.clock.now());
        Told::Settling {
            subject,
            in_flight: under_way,
            settled_by,
        }
    }
}
