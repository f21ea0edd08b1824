//! Draws operations from a seed and from what the model holds, so that most of them mean something
//! and some of them come too late.

use actors::lease::NodeId;
use actors::machine::input::{Sweep, SweepKind};
use actors::ports::{Fence, ShardId};
use chrono::Days;
use engine::facts::{BoletoName, ContactName, Saying};
use engine::store::{NewBoleto, NewTenant, Point, Setting};
use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::rule::{Rule, RuleBody, RulePack};
use schedules::time::{DAY_MS, HOUR_MS, Timestamp};
use tests::chance::Chance;
use tests::scene::{START, boleto, contact, new_tenant, reference};

use super::operation::{Act, Operation, Said};
use super::reference::Reference;
use super::view::{Look, enrolls};

/// A generator of one seed.
pub struct Generator {
    pub(super) chance: Chance,
    pub(super) now: Timestamp,
    events: u32,
    keys: u32,
}

const TENANTS: usize = 3;
const UNKNOWN: i64 = 900_000;

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            now: START,
            events: 0,
            keys: 0,
        }
    }

    /// Draws the next operation.
    pub fn next(&mut self, model: &Reference) -> Operation {
        // Never less than two seconds, or nothing: a feed's row is written once a second.
        if self.chance.percent(70) {
            self.now = self.now.plus_ms(2_000 * self.chance.range(1, 300));
        }
        Operation {
            at: self.now,
            act: self.act(model),
        }
    }

    fn act(&mut self, model: &Reference) -> Act {
        let tenants = model.journal.tenants.len();
        if tenants < TENANTS {
            return Act::Tenant(Box::new(self.tenant(tenants)));
        }
        let tenant = TenantId(self.chance.range(1, TENANTS as i64));
        if self.chance.percent(40)
            && let Some(act) = self.set_up(model, tenant)
        {
            return act;
        }
        match self.chance.range(0, 99) {
            0..14 => self.import(model, tenant),
            14..36 => self.facts(model),
            36..38 => Act::Draft {
                tenant,
                event_id: self.event_id(),
            },
            38..41 => Act::Edit {
                tenant,
                campaign: self.campaign(model, tenant),
                event_id: self.event_id(),
            },
            41..45 => self.set(model, tenant),
            45..48 => self.lease(model),
            48..50 => self.set_aside(model, tenant),
            _ => self.commit(model, tenant),
        }
    }

    /// Brings a tenant to where most things mean something: an owner, two running campaigns,
    /// boletos.
    fn set_up(&mut self, model: &Reference, tenant: TenantId) -> Option<Act> {
        let (rows, names) = (model.rows(tenant), &model.names[&tenant]);
        if !model.journal.leases.contains_key(&rows.shard) {
            return Some(self.lease(model));
        }
        if rows.settings.campaigns.len() < 2 {
            let event_id = self.event_id();
            return Some(Act::Draft { tenant, event_id });
        }
        if let Some(campaign) = names.drafts.first() {
            let said = Said {
                tenant,
                event_id: self.event_id(),
                occurred_at: self.now,
                saying: Saying::CampaignLaunched {
                    campaign: *campaign,
                },
            };
            return Some(Act::Facts(vec![said]));
        }
        (rows.boletos.len() < 10).then(|| self.import(model, tenant))
    }

    fn tenant(&mut self, number: usize) -> NewTenant {
        NewTenant {
            name: format!("Escola {number}"),
            rules: rules(1, self.chance.range(0, 2)),
            feed_silence_max_ms: self.chance.percent(50).then_some(HOUR_MS),
            credits: (number == 1).then_some(12),
            ..new_tenant()
        }
    }

    /// Returns an event's id, at times one that was used.
    pub(super) fn event_id(&mut self) -> String {
        if self.events > 0 && self.chance.percent(8) {
            return format!("e{}", self.chance.range(1, i64::from(self.events)));
        }
        self.events += 1;
        format!("e{}", self.events)
    }

    fn import(&mut self, model: &Reference, tenant: TenantId) -> Act {
        let keys: Vec<&String> = model.names[&tenant].imports.keys().collect();
        if self.chance.percent(12)
            && let Some(key) = self.chance.any(&keys)
        {
            let chunk = &model.names[&tenant].imports[key].0;
            let boletos = match self.chance.percent(70) {
                true => chunk.clone(),
                false => self.chunk(),
            };
            return Act::Import {
                tenant,
                key: key.clone(),
                boletos,
            };
        }
        self.keys += 1;
        Act::Import {
            tenant,
            key: format!("chunk {}", self.keys),
            boletos: self.chunk(),
        }
    }

    fn chunk(&mut self) -> Vec<NewBoleto> {
        (0..self.chance.range(1, 8)).map(|_| self.row()).collect()
    }

    fn row(&mut self) -> NewBoleto {
        let (n, owner) = (self.chance.range(0, 50), self.chance.range(0, 14));
        let mut row = boleto(n as u32, owner as u32);
        row.due_on = row.due_on + Days::new(n as u64 % 9);
        // Who is known by an address has no phone: how the two meet is a case of the suite's own.
        let email = |kind: &str| {
            Some(Point {
                address: format!("{kind}{owner}@Example.com"),
                canonical: format!("{kind}{owner}@example.com"),
            })
        };
        match self.chance.range(0, 19) {
            0 => row.amount_centavos = -1,
            1 => row.amount_centavos += 1,
            2 => row.contact.phone = None,
            3 => row.contact.zones.clear(),
            4 => row.pix_code = Some("000201".to_owned()),
            5..9 => row.contact.email = email("c"),
            9..12 => (row.contact.phone, row.contact.email) = (None, email("solo")),
            _ => {}
        }
        row
    }

    fn facts(&mut self, model: &Reference) -> Act {
        let said: Vec<Said> = (0..self.chance.range(1, 5))
            .map(|_| self.said(model))
            .collect();
        Act::Facts(said)
    }

    fn said(&mut self, model: &Reference) -> Said {
        let tenant = TenantId(self.chance.range(1, TENANTS as i64));
        Said {
            tenant,
            event_id: self.event_id(),
            occurred_at: self.now.plus_ms(-self.chance.range(0, 120) * 60_000),
            saying: self.saying(model, tenant),
        }
    }

    /// Names at times a boleto whose claim is open: a stop that meets none shows little.
    fn boleto_under_way(&mut self, model: &Reference, tenant: TenantId) -> BoletoName {
        let attempts = model.rows(tenant).attempts.values();
        let open = attempts.filter(|row| row.settled.is_none());
        let newest = open.max_by_key(|row| (row.claim.at, row.claim.attempt));
        match newest.map(|row| row.claim.boleto) {
            Some(boleto) if self.chance.percent(40) => BoletoName::Id(boleto),
            _ => self.boleto(model, tenant),
        }
    }

    fn saying(&mut self, model: &Reference, tenant: TenantId) -> Saying {
        let channel = match self.chance.range(0, 3) {
            0 => Some(Channel::Sms),
            1 => Some(Channel::Email),
            _ => None,
        };
        match self.chance.range(0, 29) {
            0..7 => Saying::BoletoPaid {
                boleto: self.boleto_under_way(model, tenant),
            },
            7..9 => Saying::BoletoCancelled {
                boleto: self.boleto(model, tenant),
            },
            9..13 => Saying::BoletoReopened {
                boleto: self.boleto(model, tenant),
            },
            13 => Saying::BoletoChanged {
                boleto: self.boleto(model, tenant),
                amount_centavos: self.chance.range(0, 50_000),
                due_on: START.local_date(chrono_tz::Tz::America__Sao_Paulo),
            },
            14..17 => Saying::ContactOptedOut {
                contact: self.contact(model, tenant),
                channel,
            },
            17..20 => Saying::ContactOptedIn {
                contact: self.contact(model, tenant),
                channel,
            },
            20 => Saying::ContactReplied {
                contact: self.contact(model, tenant),
            },
            21 => Saying::ContactPromised {
                contact: self.contact(model, tenant),
            },
            22 => Saying::FeedHeard,
            23 => self.of_tenant(),
            _ => self.of_campaign(model, tenant),
        }
    }

    fn of_tenant(&mut self) -> Saying {
        let channel = Channel::ALL[self.chance.range(0, 2) as usize];
        match (self.chance.range(0, 2), self.chance.percent(25)) {
            (0, true) => Saying::TenantPaused,
            (0, false) => Saying::TenantResumed,
            (1, true) => Saying::TenantHeld,
            (1, false) => Saying::TenantReleased,
            (_, true) => Saying::ChannelPaused { channel },
            (_, false) => Saying::ChannelResumed { channel },
        }
    }

    fn of_campaign(&mut self, model: &Reference, tenant: TenantId) -> Saying {
        let campaign = self.campaign(model, tenant);
        match self.chance.range(0, 11) {
            0..6 => Saying::CampaignLaunched { campaign },
            6..8 => Saying::CampaignPaused { campaign },
            8..11 => Saying::CampaignResumed { campaign },
            _ => Saying::CampaignArchived { campaign },
        }
    }

    fn boleto(&mut self, model: &Reference, tenant: TenantId) -> BoletoName {
        match self.chance.range(0, 9) {
            0 => BoletoName::Id(BoletoId(UNKNOWN)),
            // Perhaps another tenant's.
            1 if model.last_boleto > 0 => {
                BoletoName::Id(BoletoId(self.chance.range(1, model.last_boleto)))
            }
            2..7 => {
                let ids: Vec<BoletoId> = model.rows(tenant).boletos.keys().copied().collect();
                BoletoName::Id(self.chance.any(&ids).unwrap_or(BoletoId(UNKNOWN)))
            }
            _ => reference(self.chance.range(0, 55) as u32),
        }
    }

    fn contact(&mut self, model: &Reference, tenant: TenantId) -> ContactName {
        match self.chance.range(0, 9) {
            0 => ContactName::Id(ContactId(UNKNOWN)),
            1..5 => {
                let ids: Vec<ContactId> = model.rows(tenant).contacts.keys().copied().collect();
                ContactName::Id(self.chance.any(&ids).unwrap_or(ContactId(UNKNOWN)))
            }
            5 => ContactName::Point(format!("c{}@example.com", self.chance.range(0, 14))),
            _ => contact(self.chance.range(0, 16) as u32),
        }
    }

    /// Picks a campaign of the tenant, at times an archived one or none.
    pub(super) fn campaign(&mut self, model: &Reference, tenant: TenantId) -> CampaignId {
        let known = model.rows(tenant).settings.campaigns.iter();
        let mut ids: Vec<CampaignId> = known.map(|state| state.campaign.id).collect();
        if self.chance.percent(8) {
            ids = model.names[&tenant].archived.iter().copied().collect();
        }
        self.chance.any(&ids).unwrap_or(CampaignId(UNKNOWN))
    }

    fn set(&mut self, model: &Reference, tenant: TenantId) -> Act {
        let settings = &model.rows(tenant).settings;
        let version = settings.tenant.rules.version + 1;
        let metered = settings.tenant.credits.is_some();
        let setting = match self.chance.range(0, 6) {
            0..2 => Setting::Rules(rules(version, self.chance.range(0, 2))),
            2 => Setting::FeedSilence(self.chance.percent(50).then_some(DAY_MS)),
            3 => {
                let mut sender = new_tenant().senders.remove(0);
                sender.pace.burst = self.chance.range(1, 50) as u32;
                sender.channel = *self.chance.pick(&[Channel::Sms, Channel::Email]);
                Setting::Sender(sender)
            }
            4 => Setting::Template(schedules::template::Template {
                code: format!("lembrete-{}", self.chance.range(1, 2)),
                channel: Channel::Sms,
                version: 1,
                subject: None,
                body: format!("Olá {}", self.now.unix_ms()),
                variables: Vec::new(),
                ttl_ms: 0,
                approved: schedules::template::Approved::default(),
            }),
            // A tenant is metered from its beginning, or not at all.
            5.. if metered => Setting::CreditsBought(self.chance.range(1, 20)),
            _ => {
                let mut calendar = settings.tenant.calendar.clone();
                calendar.version += 1;
                Setting::Calendar(calendar)
            }
        };
        // Few settings are changed: they are told twice more often than other things.
        let event_id = match self.events > 0 && self.chance.percent(25) {
            true => format!("e{}", self.chance.range(1, i64::from(self.events))),
            false => self.event_id(),
        };
        Act::Set {
            tenant,
            event_id,
            setting: Box::new(setting),
        }
    }

    fn lease(&mut self, model: &Reference) -> Act {
        let node = NodeId(format!("node {}", self.chance.range(1, 2)));
        let shard = ShardId(self.chance.range(1, TENANTS as i64) as i32);
        let held = model.journal.leases.get(&shard);
        match held {
            Some(lease) if self.chance.percent(50) => Act::Release {
                node,
                fence: Fence {
                    shard,
                    epoch: lease.epoch - i64::from(self.chance.percent(20)),
                },
            },
            _ => Act::Lease { node, shard },
        }
    }

    /// Returns the fence of a tenant's owner; at times an old one, or another shard's.
    pub(super) fn fence(&mut self, model: &Reference, tenant: TenantId) -> Fence {
        let tenant = match self.chance.percent(2) {
            true => TenantId(self.chance.range(1, TENANTS as i64)),
            false => tenant,
        };
        let shard = model.rows(tenant).shard;
        let lease = model.journal.leases.get(&shard);
        let epoch = lease.map_or(1, |lease| lease.epoch);
        let off = match self.chance.range(0, 19) {
            0 => -1,
            1 => 1,
            _ => 0,
        };
        Fence {
            shard,
            epoch: epoch + off,
        }
    }

    /// Draws what pages are asked for.
    pub fn look(&mut self, model: &Reference) -> Look {
        let sweeps = (0..4).map(|_| {
            let tenant = TenantId(self.chance.range(1, TENANTS as i64));
            (tenant, self.sweep(model, tenant))
        });
        let sweeps = sweeps.collect();
        Look {
            now: self.now,
            until: self.now.plus_ms(self.chance.range(-6, 48) * HOUR_MS),
            limit: self.chance.range(1, 6) as u32,
            sweeps,
        }
    }

    pub(super) fn sweep(&mut self, model: &Reference, tenant: TenantId) -> Sweep {
        let rows = model.rows(tenant);
        let boletos: Vec<BoletoId> = rows.boletos.keys().copied().collect();
        let contacts: Vec<ContactId> = rows.contacts.keys().copied().collect();
        let boleto = self.chance.any(&boletos).unwrap_or_default();
        let contact = self.chance.any(&contacts).unwrap_or_default();
        let campaign = self.campaign(model, tenant);
        let kind = match self.chance.range(0, 8) {
            0 => SweepKind::EnrollImport {
                import: self.chance.range(1, model.last_import.max(1)),
            },
            1 => SweepKind::EnrollCampaign { campaign },
            2 => SweepKind::ReplanBoleto { boleto },
            3 => SweepKind::ReplanContact {
                contact,
                also: Vec::new(),
            },
            4 => SweepKind::ReplanCampaign { campaign },
            5 => SweepKind::StopCampaign { campaign },
            6 => SweepKind::EnrollBoleto { boleto },
            7 => SweepKind::EnrollContact {
                contact,
                also: Vec::new(),
            },
            _ => SweepKind::ReplanTenant,
        };
        let enrollments: Vec<EnrollmentId> = rows.enrollments.keys().copied().collect();
        let after = match kind {
            _ if self.chance.percent(60) => 0,
            _ if enrolls(&kind) => boleto.0,
            _ => self.chance.any(&enrollments).unwrap_or_default().0,
        };
        let seqs: Vec<i64> = rows.inbox.keys().copied().collect();
        Sweep {
            seq: self.chance.any(&seqs).unwrap_or_default(),
            kind,
            after,
        }
    }
}

/// A pack that counts sends back by none, an hour or a day.
fn rules(version: u32, reach: i64) -> RulePack {
    let cap = |ms: i64| Rule {
        code: "cap.tenant".to_owned(),
        version,
        channels: Vec::new(),
        body: RuleBody::Cap(Cap {
            scope: CapScope::Tenant,
            window: CapWindow::RollingMs(ms),
            max: 1_000,
        }),
    };
    RulePack {
        name: "none".to_owned(),
        version,
        rules: match reach {
            0 => Vec::new(),
            1 => vec![cap(HOUR_MS)],
            _ => vec![cap(DAY_MS)],
        },
    }
}
