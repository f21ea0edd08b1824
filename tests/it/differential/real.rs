//! A real store beside the model: the same operations, answers in the model's identifiers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actors::lease::Leases;
use actors::machine::change::Change;
use actors::machine::input::InboxFact;
use actors::ports::{Commit, Enrollment, Journal};
use engine::facts::{BoletoName, ContactName, Fact, FactAnswer, Saying};
use engine::store::{Edit, Import, NewBoleto, NewCampaign, Setting, Store, StoreError};
use schedules::id::{CampaignId, EnrollmentId, TenantId};
use schedules::time::Timestamp;
use tests::database::Database;
use tests::scene::two_steps;

use super::ids::Ids;
use super::operation::{Act, LEASE_MS, Operation, Said};
use super::reference::{Names, Reference, edited_name};

/// A store under test.
pub struct Real {
    pub store: Store,
    pub ids: Ids,
    database: Database,
    forgetting: Option<Forgetting>,
}

/// A store that forgets to stop enrollments, now and then.
struct Forgetting {
    every: u32,
    /// Counts over all seeds.
    stops: Arc<AtomicU32>,
}

const EVERYTHING: u32 = 1_000_000;

impl Real {
    pub fn new(database: Database) -> Self {
        Self {
            store: database.store.clone(),
            ids: Ids::default(),
            database,
            forgetting: None,
        }
    }

    /// Returns a store that leaves the enrollments of every so manieth stop active.
    pub fn forgetting(database: Database, every: u32, stops: Arc<AtomicU32>) -> Self {
        let mut real = Self::new(database);
        real.forgetting = Some(Forgetting { every, stops });
        real
    }

    /// Does an operation that the model has done, and returns its answer.
    pub async fn apply(&mut self, operation: &Operation, model: &Reference) -> String {
        let at = operation.at;
        let answer = self.act(at, &operation.act, model).await;
        self.learn(model).await;
        answer
    }

    async fn act(&mut self, at: Timestamp, act: &Act, model: &Reference) -> String {
        match act {
            Act::Tenant(tenant) => {
                let created = self.store.create_tenant(tenant, at).await;
                answer(created, |id| id.to_string())
            }
            Act::Import {
                tenant,
                key,
                boletos,
            } => self.import(at, *tenant, key, boletos, model).await,
            Act::Facts(said) => self.facts(at, said).await,
            Act::Draft { tenant, event_id } => self.draft(at, *tenant, event_id, model).await,
            Act::Edit {
                tenant,
                campaign,
                event_id,
            } => self.edit(at, *tenant, *campaign, event_id).await,
            Act::Set {
                tenant,
                event_id,
                setting,
            } => self.set(at, *tenant, event_id, setting).await,
            Act::Commit(commit) => self.commit(commit).await,
            Act::Lease { node, shard } => {
                let fence = self.store.take_or_renew(node, *shard, LEASE_MS).await;
                let fence = fence.expect("the database answers");
                format!("{:?}", fence.map(|fence| fence.epoch))
            }
            Act::Release { node, fence } => {
                let released = self.store.release(node, *fence).await;
                released.expect("the database answers");
                "released".to_owned()
            }
        }
    }

    async fn import(
        &mut self,
        at: Timestamp,
        tenant: TenantId,
        key: &str,
        boletos: &[NewBoleto],
        model: &Reference,
    ) -> String {
        let import = Import {
            key: key.to_owned(),
            source: "test".to_owned(),
            at,
        };
        let imported = self.store.import_boletos(tenant, import, boletos.to_vec());
        let imported = imported.await;
        if let (Ok(outcome), Some((_, number, _))) =
            (&imported, model.names[&tenant].imports.get(key))
        {
            self.ids.imports.learn(*number, outcome.import);
        }
        let ids = self.ids.to_model();
        answer(imported, |outcome| {
            format!(
                "{}: {} new, {} unchanged, {:?}",
                ids.import(outcome.import),
                outcome.accepted,
                outcome.unchanged,
                outcome.refused
            )
        })
    }

    async fn facts(&mut self, at: Timestamp, said: &[Said]) -> String {
        let facts: Vec<Fact> = said.iter().map(|one| self.fact(at, one)).collect();
        let answers = match self.store.commit_facts(&facts).await {
            Ok(answers) => answers,
            Err(error) => return class(&error),
        };
        for answer in &answers {
            self.forget(answer).await;
        }
        let ids = self.ids.to_model();
        let answers = answers.into_iter().map(|answer| match answer {
            FactAnswer::Duplicate => "duplicate".to_owned(),
            FactAnswer::Parked => "parked".to_owned(),
            FactAnswer::Unknown => "unknown".to_owned(),
            FactAnswer::Unchanged { subject } => format!("unchanged {:?}", ids.subject(subject)),
            FactAnswer::Applied {
                subject,
                in_flight,
                settles_at,
                ..
            } => {
                let subject = ids.subject(subject);
                format!("applied {subject:?} {in_flight} in flight until {settles_at:?}")
            }
        });
        answers.collect::<Vec<_>>().join("; ")
    }

    /// Takes a stop of enrollments back, behind the store's back.
    async fn forget(&self, answer: &FactAnswer) {
        let (Some(forgetting), FactAnswer::Applied { seq, .. }) = (&self.forgetting, answer) else {
            return;
        };
        let stopped = format!("SELECT id FROM enrollments WHERE stopped_by = {seq}");
        if self.database.numbers(&stopped).await.is_empty() {
            return;
        }
        let count = forgetting.stops.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(forgetting.every) {
            let forgotten = format!(
                "UPDATE enrollments SET state = 'active', stopped_by = NULL, stop_reason = NULL
                 WHERE stopped_by = {seq}"
            );
            self.database.tamper(&forgotten).await;
        }
    }

    fn fact(&self, at: Timestamp, said: &Said) -> Fact {
        let ids = self.ids.to_store();
        let mut saying = said.saying.clone();
        match &mut saying {
            Saying::BoletoPaid { boleto }
            | Saying::BoletoCancelled { boleto }
            | Saying::BoletoReopened { boleto }
            | Saying::BoletoChanged { boleto, .. } => {
                if let BoletoName::Id(id) = boleto {
                    *id = ids.boleto(*id);
                }
            }
            Saying::ContactOptedOut { contact, .. }
            | Saying::ContactOptedIn { contact, .. }
            | Saying::ContactReplied { contact }
            | Saying::ContactPromised { contact } => {
                if let ContactName::Id(id) = contact {
                    *id = ids.contact(*id);
                }
            }
            Saying::CampaignLaunched { campaign }
            | Saying::CampaignPaused { campaign }
            | Saying::CampaignResumed { campaign }
            | Saying::CampaignArchived { campaign } => *campaign = ids.campaign(*campaign),
            Saying::ChannelPaused { .. }
            | Saying::ChannelResumed { .. }
            | Saying::TenantPaused
            | Saying::TenantResumed
            | Saying::TenantHeld
            | Saying::TenantReleased
            | Saying::FeedHeard => {}
        }
        Fact {
            tenant: said.tenant,
            event_id: said.event_id.clone(),
            source: "test".to_owned(),
            occurred_at: said.occurred_at,
            received_at: at,
            saying,
        }
    }

    async fn draft(
        &mut self,
        at: Timestamp,
        tenant: TenantId,
        event_id: &str,
        model: &Reference,
    ) -> String {
        let edit = edit(at, event_id);
        let created = self.store.create_campaign(tenant, edit, two_steps()).await;
        if let Ok(id) = &created {
            self.ids.campaigns.learn(model.last_campaign, id.0);
        }
        let ids = self.ids.to_model();
        answer(created, |id| ids.campaign(id).to_string())
    }

    async fn edit(
        &self,
        at: Timestamp,
        tenant: TenantId,
        campaign: CampaignId,
        event_id: &str,
    ) -> String {
        let campaign = self.ids.to_store().campaign(campaign);
        let content = NewCampaign {
            name: edited_name(event_id),
            ..two_steps()
        };
        let edited = self
            .store
            .edit_campaign(tenant, campaign, edit(at, event_id), content);
        answer(edited.await, |version| format!("version {version}"))
    }

    async fn set(
        &self,
        at: Timestamp,
        tenant: TenantId,
        event_id: &str,
        setting: &Setting,
    ) -> String {
        let edit = edit(at, event_id);
        let set = self.store.put_setting(tenant, edit, setting.clone()).await;
        answer(set, |new| new.to_string())
    }

    async fn commit(&self, commit: &Commit) -> String {
        let ids = self.ids.to_store();
        let changes: Vec<Change> = commit.changes.iter().map(|one| ids.change(one)).collect();
        let commit = Commit {
            changes,
            ..commit.clone()
        };
        match self.store.commit(commit).await {
            Ok(committed) => {
                let ids = self.ids.to_model();
                let refused = committed.refused.iter().map(|id| ids.enrollment_id(*id));
                let mut refused: Vec<EnrollmentId> = refused.collect();
                refused.sort_unstable();
                format!("refused {refused:?}")
            }
            Err(error) => format!("{error:?}"),
        }
    }

    /// Pairs what is new with what the model has under the same business key.
    async fn learn(&mut self, model: &Reference) {
        for (tenant, names) in &model.names {
            for (reference, id) in &names.references {
                if !self.ids.boletos.knows(id.0) {
                    self.learn_boleto(*tenant, reference, id.0).await;
                }
            }
            self.learn_contacts(*tenant, names).await;
            self.learn_enrollments(*tenant, model).await;
            for fact in self.inbox(*tenant).await {
                let event_id = self.event_id(&fact);
                if let Some(seq) = model.rows(*tenant).event_ids.get(&event_id) {
                    self.ids.facts.learn(*seq, fact.seq);
                }
            }
        }
    }

    async fn learn_boleto(&mut self, tenant: TenantId, name: &str, id: i64) {
        let found = self.store.boleto_named(tenant, name).await;
        if let Some(theirs) = found.expect("the database answers") {
            self.ids.boletos.learn(id, theirs.0);
        }
    }

    /// A contact may be there without a boleto: nothing but the database itself names it then.
    async fn learn_contacts(&mut self, tenant: TenantId, names: &Names) {
        let new = self.new_points(names);
        if new.is_empty() {
            return;
        }
        let sql = format!(
            "SELECT id || ' ' || coalesce(phone_canonical, '') || ' ' ||
                 coalesce(email_canonical, '')
             FROM contacts WHERE tenant_id = {}",
            tenant.0
        );
        for row in self.database.texts(&sql).await {
            let mut words = row.split(' ');
            let theirs = words.next().and_then(|id| id.parse().ok());
            let theirs = theirs.expect("an identifier");
            for word in words.filter(|word| !word.is_empty()) {
                let known = new.iter().find(|(point, _)| point == word);
                if let Some((_, id)) = known {
                    self.ids.contacts.learn(*id, theirs);
                }
            }
        }
    }

    fn new_points(&self, names: &Names) -> Vec<(String, i64)> {
        let points = names.phones.iter().chain(&names.emails);
        let new = points.filter(|(_, id)| !self.ids.contacts.knows(id.0));
        new.map(|(point, id)| (point.clone(), id.0)).collect()
    }

    async fn learn_enrollments(&mut self, tenant: TenantId, model: &Reference) {
        let rows = model.rows(tenant).enrollments.values();
        let all = rows.map(|row| row.enrollment);
        let new: Vec<Enrollment> = all
            .filter(|one| !self.ids.enrollments.knows(one.id.0))
            .collect();
        if new.is_empty() {
            return;
        }
        let all = self
            .store
            .enrollments(tenant, EnrollmentId(0), EVERYTHING)
            .await
            .expect("the database answers");
        for one in new {
            let ids = self.ids.to_store();
            let key = (ids.campaign(one.campaign), ids.boleto(one.boleto));
            let theirs = all.iter().map(|record| record.enrollment);
            let mut theirs = theirs.filter(|row| (row.campaign, row.boleto) == key);
            if let Some(found) = theirs.next() {
                self.ids.enrollments.learn(one.id.0, found.id.0);
            }
        }
    }

    /// Reads the whole inbox of a tenant.
    pub async fn inbox(&self, tenant: TenantId) -> Vec<InboxFact> {
        let page = self.store.inbox_page(tenant, EVERYTHING).await;
        page.expect("the database answers").facts
    }

    /// Returns a fact's event id; that of an import has the import's number in it.
    pub fn event_id(&self, fact: &InboxFact) -> String {
        match fact.event_id.strip_prefix("import:") {
            Some(number) => {
                let number = number.parse().expect("the number of an import");
                format!("import:{}", self.ids.to_model().import(number))
            }
            None => fact.event_id.clone(),
        }
    }
}

fn edit(at: Timestamp, event_id: &str) -> Edit {
    Edit {
        event_id: event_id.to_owned(),
        source: "test".to_owned(),
        at,
    }
}

fn answer<A>(answered: Result<A, StoreError>, say: impl FnOnce(A) -> String) -> String {
    answered.map_or_else(|error| class(&error), say)
}

fn class(error: &StoreError) -> String {
    match error {
        StoreError::Conflict { .. } => "Conflict".to_owned(),
        StoreError::Absent { .. } => "Absent".to_owned(),
        StoreError::Fenced => "Fenced".to_owned(),
        other => format!("{other:?}"),
    }
}
