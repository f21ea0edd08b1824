//! What tenants, contacts and payers do during a run, aimed at the instants at which reminders are
//! due: a stop far from any claim proves nothing.

use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, TenantId};
use schedules::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};

use super::draw::{Draw, day};
use super::journal::{DoorEvent, NewBoleto, SimJournal, Write};
use super::rng::Rng;
use super::tenants;
use crate::machine::input::FactBody;
use crate::ports::ShardId;

/// One event on its way to a door.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) tenant: TenantId,
    /// When its sender first sends it.
    pub(super) at: Timestamp,
    pub(super) event: DoorEvent,
    /// The door has answered that it is durable.
    pub(super) acked: bool,
}

/// Who is there, for drawing events about them.
struct People {
    tenant: TenantId,
    contacts: Vec<ContactId>,
    boletos: Vec<BoletoId>,
    campaigns: Vec<CampaignId>,
}

/// A contact, and others who have its address.
type Sharing = (ContactId, Vec<ContactId>);

impl People {
    /// Every fourth word comes by an address that the next contact has, too. The instant says
    /// which, and no draw: seeds keep their course.
    fn sharing_with(&self, contact: ContactId, at: Timestamp) -> Vec<ContactId> {
        let shares = at.unix_ms().rem_euclid(4) == 0;
        let mut others = self.contacts.iter().filter(|one| **one > contact);
        others
            .next()
            .copied()
            .filter(|_| shares)
            .into_iter()
            .collect()
    }
}

/// The ids of a tenant begin here: ids of tenants never meet.
const IDS_A_TENANT: i64 = 1_000;
/// The most contacts of a tenant.
const CONTACTS_MAX: i64 = 5;

/// Stores the tenants of a run and draws what happens to them.
pub(super) fn draw(rng: &mut Rng, draw: &Draw, journal: &mut SimJournal) -> Vec<Op> {
    let mut ops = Vec::new();
    for number in 1..=rng.range(2, 3) {
        tenant(rng, draw, journal, TenantId(number), &mut ops);
    }
    ops
}

fn tenant(rng: &mut Rng, draw: &Draw, journal: &mut SimJournal, id: TenantId, ops: &mut Vec<Op>) {
    let shard = ShardId(i32::try_from(id.0).unwrap_or_default() % draw.shards);
    journal.create_tenant(shard, tenants::settings(rng, draw, id));
    let first = id.0 * IDS_A_TENANT;
    let contacts: Vec<ContactId> = (0..rng.range(1, CONTACTS_MAX))
        .map(|no| ContactId(first + no))
        .collect();
    if let Some(rows) = journal.tenants.get_mut(&id) {
        for contact in &contacts {
            rows.contacts
                .insert(*contact, tenants::contact(rng, draw, *contact));
        }
    }
    let mut people = People {
        tenant: id,
        contacts,
        boletos: Vec::new(),
        campaigns: Vec::new(),
    };
    let mut script = Script { rng, draw, ops };
    script.open(&mut people, first);
    for _ in 0..script.rng.range(10, 40) {
        script.happening(&mut people, first);
    }
}

/// The events of one tenant in the making.
struct Script<'a> {
    rng: &'a mut Rng,
    draw: &'a Draw,
    ops: &'a mut Vec<Op>,
}

impl Script<'_> {
    /// The first import and the launches come in the first minutes.
    fn open(&mut self, people: &mut People, first: i64) {
        let at = self.draw.start.plus_ms(self.rng.range(0, 60) * SECOND_MS);
        let most = self.rng.range(3, 12);
        self.import(people, at, first, most);
        for number in 0..self.rng.range(1, 2) {
            let campaign = CampaignId(first + number);
            people.campaigns.push(campaign);
            let written = tenants::campaign(self.rng, self.draw, campaign, 1);
            let at = at.plus_ms(self.rng.range(-30, 300) * SECOND_MS);
            let body = FactBody::CampaignLaunched { campaign };
            self.say(people.tenant, at, body, Some(Write::Campaign(written)));
        }
    }

    fn import(&mut self, people: &mut People, at: Timestamp, first: i64, count: i64) {
        let import = first + people.boletos.len() as i64;
        let boletos: Vec<NewBoleto> = (0..count)
            .map(|_| {
                let id = BoletoId(first + people.boletos.len() as i64);
                people.boletos.push(id);
                let contact = self.rng.pick(&people.contacts);
                tenants::boleto(self.rng, self.draw, id, contact)
            })
            .collect();
        let body = FactBody::BoletosImported { import };
        self.say(people.tenant, at, body, Some(Write::Boletos(boletos)));
    }

    fn say(&mut self, tenant: TenantId, at: Timestamp, body: FactBody, write: Option<Write>) {
        let event = DoorEvent {
            event_id: format!("ev-{}", self.ops.len()),
            occurred_at: at,
            body,
            write,
        };
        self.ops.push(Op {
            tenant,
            at,
            event,
            acked: false,
        });
    }

    /// Draws an instant at which something is likely to be due: whole quarters of an hour.
    fn instant(&mut self) -> Timestamp {
        let span_ms = self.draw.faults_until.since(self.draw.start);
        let quarters = span_ms / (15 * MINUTE_MS);
        let slot_at = self
            .draw
            .start
            .plus_ms(self.rng.range(1, quarters) * 15 * MINUTE_MS);
        match self.rng.range(0, 3) {
            0 => slot_at.plus_ms(self.rng.range(-HOUR_MS, HOUR_MS)),
            1 => slot_at.plus_ms(self.rng.range(-5_000, 35_000)),
            _ => slot_at.plus_ms(self.rng.range(-200, 400)),
        }
    }

    fn happening(&mut self, people: &mut People, first: i64) {
        let at = self.instant();
        let tenant = people.tenant;
        let boleto = self.rng.pick(&people.boletos);
        let contact = self.rng.pick(&people.contacts);
        let campaign = self.rng.pick(&people.campaigns);
        let also = people.sharing_with(contact, at);
        match self.rng.range(0, 19) {
            0..=3 => self.pay(tenant, at, boleto),
            4 => self.say(tenant, at, FactBody::BoletoCancelled { boleto }, None),
            5..=6 => self.opt_out(tenant, at, (contact, also)),
            7 => self.channel_word(tenant, at, (contact, also)),
            8..=9 => self.change(tenant, at, boleto),
            10 => self.pause_campaign(tenant, at, campaign),
            11 => self.pause_tenant(tenant, at),
            12..=13 => self.edit(tenant, at, campaign),
            14 => self.say(tenant, at, FactBody::ContactReplied { contact, also }, None),
            15 => self.settings(tenant, at),
            16 => self.calendar(tenant, at),
            17 if people.boletos.len() < 30 => {
                let count = self.rng.range(1, 4);
                self.import(people, at, first, count);
            }
            18 => {
                let more = Some(Write::TopUp(self.rng.range(1, 4)));
                self.say(tenant, at, FactBody::SettingsChanged, more);
            }
            _ => self.say(tenant, at, FactBody::FeedHeard, None),
        }
    }

    fn pay(&mut self, tenant: TenantId, at: Timestamp, boleto: BoletoId) {
        self.say(tenant, at, FactBody::BoletoPaid { boleto }, None);
        if self.rng.per_mille(500) {
            let later = at.plus_ms(self.later());
            self.say(tenant, later, FactBody::BoletoReopened { boleto }, None);
        }
    }

    fn opt_out(&mut self, tenant: TenantId, at: Timestamp, (contact, also): Sharing) {
        let channel = None;
        let back = FactBody::ContactOptedIn {
            contact,
            also: also.clone(),
            channel,
        };
        let out = FactBody::ContactOptedOut {
            contact,
            also,
            channel,
        };
        self.say(tenant, at, out, None);
        if self.rng.per_mille(600) {
            let later = at.plus_ms(self.later());
            self.say(tenant, later, back, None);
        }
    }

    fn channel_word(&mut self, tenant: TenantId, at: Timestamp, (contact, also): Sharing) {
        let channel = Some(self.rng.pick(&Channel::ALL));
        let body = match self.rng.per_mille(600) {
            true => FactBody::ContactOptedOut {
                contact,
                also,
                channel,
            },
            false => FactBody::ContactOptedIn {
                contact,
                also,
                channel,
            },
        };
        self.say(tenant, at, body, None);
    }

    fn change(&mut self, tenant: TenantId, at: Timestamp, boleto: BoletoId) {
        let body = FactBody::BoletoChanged {
            boleto,
            amount_centavos: self.rng.range(1, 900) * 100,
            due_on: day(self.draw, self.rng.range(-2, 5)),
        };
        self.say(tenant, at, body, None);
    }

    fn pause_campaign(&mut self, tenant: TenantId, at: Timestamp, campaign: CampaignId) {
        if self.rng.per_mille(60) {
            return self.say(tenant, at, FactBody::CampaignArchived { campaign }, None);
        }
        self.say(tenant, at, FactBody::CampaignPaused { campaign }, None);
        let later = at.plus_ms(self.later());
        self.say(tenant, later, FactBody::CampaignResumed { campaign }, None);
    }

    fn pause_tenant(&mut self, tenant: TenantId, at: Timestamp) {
        self.say(tenant, at, FactBody::TenantPaused, None);
        let later = at.plus_ms(self.later());
        self.say(tenant, later, FactBody::TenantResumed, None);
    }

    fn edit(&mut self, tenant: TenantId, at: Timestamp, campaign: CampaignId) {
        let edits = self
            .ops
            .iter()
            .filter(|op| matches!(op.event.body, FactBody::CampaignEdited { .. }));
        let version = 2 + u32::try_from(edits.count()).unwrap_or_default();
        let written = tenants::campaign(self.rng, self.draw, campaign, version % 40);
        let body = FactBody::CampaignEdited { campaign };
        self.say(tenant, at, body, Some(Write::Campaign(written)));
    }

    fn settings(&mut self, tenant: TenantId, at: Timestamp) {
        let version = u32::try_from(self.ops.len()).unwrap_or_default();
        let rules = tenants::rules(self.rng, self.draw.dense, version);
        self.say(
            tenant,
            at,
            FactBody::SettingsChanged,
            Some(Write::Rules(rules)),
        );
    }

    fn calendar(&mut self, tenant: TenantId, at: Timestamp) {
        let mut calendar = schedules::calendar::Calendar::brazil();
        let closed = day(self.draw, self.rng.range(0, 4));
        calendar.closed.insert(closed, "Fechado".to_owned());
        let body = FactBody::CalendarChanged;
        self.say(tenant, at, body, Some(Write::Calendar(calendar)));
    }

    fn later(&mut self) -> i64 {
        match self.rng.range(0, 2) {
            0 => self.rng.range(1, 2_000),
            1 => self.rng.range(1, 90) * SECOND_MS,
            _ => self.rng.range(1, 120) * MINUTE_MS,
        }
    }
}
