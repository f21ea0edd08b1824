//! The model: [`SimJournal`], with what stands before it at the stores' doors: names, merged
//! contacts, keys of imports, parked facts, drafts.

use std::collections::{BTreeMap, BTreeSet};

use actors::machine::effect::Subject;
use actors::machine::input::FactBody;
use actors::ports::{CampaignState, Commit, JournalError, Settings, ShardId, Tenant};
use actors::sim::journal::{DoorEvent, Logged, SimJournal, TenantRows, Write};
use engine::store::{NewBoleto, NewTenant, SHARDS, Setting};
use schedules::cadence::Campaign;
use schedules::id::{BoletoId, CampaignId, ContactId, TenantId};
use schedules::time::Timestamp;
use schedules::verdict::Feed;
use tests::scene::two_steps;

use super::operation::{Act, LEASE_MS, Operation, Said};

/// The model of a run.
#[derive(Default)]
pub struct Reference {
    pub journal: SimJournal,
    pub names: BTreeMap<TenantId, Names>,
    /// In which operation an event first stood in the inbox.
    pub born: BTreeMap<(TenantId, String), usize>,
    pub operations: usize,
    pub last_boleto: i64,
    pub last_contact: i64,
    pub last_campaign: i64,
    pub last_import: i64,
}

/// What the doors of a tenant know.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub references: BTreeMap<String, BoletoId>,
    pub phones: BTreeMap<String, ContactId>,
    pub emails: BTreeMap<String, ContactId>,
    /// Chunks by their key, with the number and the answer that they got.
    pub imports: BTreeMap<String, (Vec<NewBoleto>, i64, String)>,
    /// Facts that wait for their subject, with their name and the instant they came.
    pub parked: Vec<(String, Said, Timestamp)>,
    /// Events that waited: they keep the place in the inbox that they had when they came.
    pub waited: BTreeSet<String>,
    pub drafts: BTreeSet<CampaignId>,
    /// The campaign and the version that an edit made.
    pub made: BTreeMap<String, (CampaignId, u32)>,
    pub archived: BTreeSet<CampaignId>,
}

impl Reference {
    /// Does an operation, and returns its answer.
    pub fn apply(&mut self, operation: &Operation) -> String {
        self.operations += 1;
        self.journal.now = operation.at;
        let answer = self.act(&operation.act);
        self.note_births();
        answer
    }

    fn act(&mut self, act: &Act) -> String {
        match act {
            Act::Tenant(tenant) => self.create(tenant),
            Act::Import {
                tenant,
                key,
                boletos,
            } => self.import(*tenant, key, boletos),
            Act::Facts(said) => self.facts(said),
            Act::Draft { tenant, event_id } => self.draft(*tenant, event_id),
            Act::Edit {
                tenant,
                campaign,
                event_id,
            } => self.edit(*tenant, *campaign, event_id),
            Act::Set {
                tenant,
                event_id,
                setting,
            } => self.set(*tenant, event_id, setting),
            Act::Commit(commit) => self.commit(commit),
            Act::Lease { node, shard } => {
                let fence = self.journal.take_or_renew(node, *shard, LEASE_MS);
                format!("{:?}", fence.map(|fence| fence.epoch))
            }
            Act::Release { node, fence } => {
                self.journal.release(node, *fence);
                "released".to_owned()
            }
        }
    }

    pub fn rows(&self, tenant: TenantId) -> &TenantRows {
        &self.journal.tenants[&tenant]
    }

    pub(super) fn rows_mut(&mut self, tenant: TenantId) -> &mut TenantRows {
        let rows = self.journal.tenants.get_mut(&tenant);
        rows.expect("a tenant of the run")
    }

    pub(super) fn names_mut(&mut self, tenant: TenantId) -> &mut Names {
        self.names.entry(tenant).or_default()
    }

    fn note_births(&mut self) {
        for (tenant, rows) in &self.journal.tenants {
            for event_id in rows.event_ids.keys() {
                self.born
                    .entry((*tenant, event_id.clone()))
                    .or_insert(self.operations);
            }
        }
    }

    fn create(&mut self, new: &NewTenant) -> String {
        let id = TenantId(self.journal.tenants.len() as i64 + 1);
        let tenant = Tenant {
            id,
            name: new.name.clone(),
            document: new.document.clone(),
            address: new.address.clone(),
            zone: new.zone,
            running: true,
            paused_channels: Vec::new(),
            rules: new.rules.clone(),
            calendar: new.calendar.clone(),
            charges: new.charges,
            feed: Feed {
                silence_max_ms: new.feed_silence_max_ms,
                heard_at: self.journal.now,
            },
            credits: new
                .credits
                .map(|balance| actors::ports::Credits { balance, held: 0 }),
            senders: new.senders.clone(),
            retry: new.retry,
        };
        let settings = Settings {
            tenant,
            campaigns: Vec::new(),
            templates: Vec::new(),
        };
        let shard = ShardId::of(id, SHARDS);
        self.journal.create_tenant(shard, settings);
        self.names.insert(id, Names::default());
        id.to_string()
    }

    /// Says whether an event of this id came before.
    pub(super) fn knows(&self, tenant: TenantId, event_id: &str) -> bool {
        let parked = &self.names[&tenant].parked;
        self.rows(tenant).event_ids.contains_key(event_id)
            || parked.iter().any(|(_, said, _)| said.event_id == event_id)
    }

    /// Puts a fact through the model's door.
    pub(super) fn accept(
        &mut self,
        tenant: TenantId,
        event_id: &str,
        occurred_at: Timestamp,
        body: FactBody,
        write: Option<Write>,
    ) {
        let event = DoorEvent {
            event_id: event_id.to_owned(),
            occurred_at,
            body,
            write,
        };
        let accepted = self.journal.accept(tenant, &event, 0);
        accepted.expect("a tenant of the run");
    }

    fn draft(&mut self, tenant: TenantId, event_id: &str) -> String {
        if self.knows(tenant, event_id) {
            return match self.names[&tenant].made.get(event_id) {
                Some((made, 1)) => made.to_string(),
                _ => "Conflict".to_owned(),
            };
        }
        self.last_campaign += 1;
        let id = CampaignId(self.last_campaign);
        let now = self.journal.now;
        self.accept(tenant, event_id, now, FactBody::SettingsChanged, None);
        let content = two_steps();
        let campaign = Campaign {
            id,
            version: 1,
            name: content.name,
            cadence: content.cadence,
        };
        let state = CampaignState {
            campaign,
            running: false,
        };
        self.rows_mut(tenant).settings.campaigns.push(state);
        let names = self.names_mut(tenant);
        names.drafts.insert(id);
        names.made.insert(event_id.to_owned(), (id, 1));
        id.to_string()
    }

    /// Returns a campaign that is not archived.
    pub(super) fn campaign(&self, tenant: TenantId, id: CampaignId) -> Option<&CampaignState> {
        let mut campaigns = self.rows(tenant).settings.campaigns.iter();
        campaigns.find(|state| state.campaign.id == id)
    }

    fn edit(&mut self, tenant: TenantId, id: CampaignId, event_id: &str) -> String {
        let Some(state) = self.campaign(tenant, id) else {
            return "Absent".to_owned();
        };
        let version = state.campaign.version + 1;
        if self.knows(tenant, event_id) {
            return match self.names[&tenant].made.get(event_id) {
                Some((made, version)) if *made == id => format!("version {version}"),
                _ => "Conflict".to_owned(),
            };
        }
        let campaign = Campaign {
            version,
            name: edited_name(event_id),
            ..state.campaign.clone()
        };
        let body = FactBody::CampaignEdited { campaign: id };
        let now = self.journal.now;
        self.accept(tenant, event_id, now, body, Some(Write::Campaign(campaign)));
        let made = (id, version);
        self.names_mut(tenant)
            .made
            .insert(event_id.to_owned(), made);
        format!("version {version}")
    }

    fn set(&mut self, tenant: TenantId, event_id: &str, setting: &Setting) -> String {
        if self.knows(tenant, event_id) {
            return "false".to_owned();
        }
        let body = match setting {
            Setting::Calendar(_) => FactBody::CalendarChanged,
            _ => FactBody::SettingsChanged,
        };
        let write = match setting {
            Setting::Rules(rules) => Some(Write::Rules(rules.clone())),
            Setting::Calendar(calendar) => Some(Write::Calendar(calendar.clone())),
            Setting::CreditsBought(more) => Some(Write::TopUp(*more)),
            _ => None,
        };
        let now = self.journal.now;
        self.accept(tenant, event_id, now, body, write);
        put_directly(&mut self.rows_mut(tenant).settings, setting);
        "true".to_owned()
    }

    /// A store refuses a key that was used, and a hold without a credit; the model notes both, and
    /// what it did is taken back here.
    fn commit(&mut self, commit: &Commit) -> String {
        let before = self.journal.clone();
        match self.journal.commit(commit) {
            Ok(_) if self.contradicts(commit.tenant, before.log.len()) => {
                self.journal = before;
                format!("{:?}", JournalError::Conflict)
            }
            Ok(committed) => format!("refused {:?}", committed.refused),
            Err(error) => format!("{error:?}"),
        }
    }

    fn contradicts(&self, tenant: TenantId, since: usize) -> bool {
        let new = self.journal.log[since..].iter();
        let claims: Vec<bool> = new
            .filter_map(|logged| match logged {
                Logged::Claimed { again, .. } => Some(*again),
                _ => None,
            })
            .collect();
        let credits = self.rows(tenant).settings.tenant.credits;
        let overdrawn = credits.is_some_and(|credits| credits.balance < credits.held);
        claims.contains(&true) || (overdrawn && !claims.is_empty())
    }
}

/// Settings for which the model has no write of its own.
fn put_directly(settings: &mut Settings, setting: &Setting) {
    match setting {
        Setting::Profile(profile) => {
            let tenant = &mut settings.tenant;
            tenant.name.clone_from(&profile.name);
            tenant.document.clone_from(&profile.document);
            tenant.address.clone_from(&profile.address);
        }
        Setting::Charges(charges) => settings.tenant.charges = *charges,
        Setting::Retry(retry) => settings.tenant.retry = *retry,
        Setting::Sender(sender) => {
            let senders = &mut settings.tenant.senders;
            senders.retain(|one| one.channel != sender.channel);
            senders.push(sender.clone());
        }
        Setting::Template(template) => {
            let same = |one: &schedules::template::Template| {
                (&one.code, one.channel) == (&template.code, template.channel)
            };
            let before = settings.templates.iter().find(|one| same(one));
            let version = before.map_or(0, |one| one.version) + 1;
            settings.templates.retain(|one| !same(one));
            settings.templates.push(schedules::template::Template {
                version,
                ..template.clone()
            });
        }
        Setting::FeedSilence(silence) => settings.tenant.feed.silence_max_ms = *silence,
        Setting::Rules(_) | Setting::Calendar(_) | Setting::CreditsBought(_) => {}
    }
}

/// The name that an edit gives a campaign.
pub fn edited_name(event_id: &str) -> String {
    format!("Lembretes {event_id}")
}

/// Returns the subject of a fact that was resolved by its identifier, if it is there.
pub(super) fn by_id(rows: &TenantRows, names: &Names, subject: Subject) -> bool {
    match subject {
        Subject::Boleto(id) => rows.boletos.contains_key(&id),
        Subject::Contact(id) => rows.contacts.contains_key(&id),
        Subject::Campaign(id) => {
            let mut known = rows.settings.campaigns.iter();
            known.any(|state| state.campaign.id == id) || names.archived.contains(&id)
        }
        Subject::Channel(_) | Subject::Tenant => true,
    }
}
