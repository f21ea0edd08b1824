//! The model's doors: imports and facts by the names that callers use.
//!
//! Facts of one call are taken in the rounds that a store makes of them: no two about one subject,
//! and in a round campaigns and tenants, then boletos, then contacts. Their order in a call says
//! nothing about which of two stops of one enrollment came first.

use std::collections::{BTreeMap, BTreeSet};

use actors::machine::CLOCKS_APART_MAX_MS;
use actors::machine::effect::Subject;
use actors::machine::input::FactBody;
use actors::ports::{Boleto, Contact};
use actors::sim::journal::{ContactRow, NewBoleto as Landed, Write};
use engine::facts::{BoletoName, ContactName, Saying};
use engine::store::{ImportRefusal, NewBoleto, NewContact, Refused};
use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::time::Timestamp;

use super::operation::Said;
use super::reference::{Names, Reference, by_id};

#[derive(Clone, Debug, PartialEq)]
enum Resolved {
    Found(Subject),
    Awaited(String),
    Unknown,
}

impl Reference {
    pub(super) fn facts(&mut self, said: &[Said]) -> String {
        for one in said.iter().filter(|one| one.saying.is_of_payment()) {
            let now = self.journal.now;
            let feed = &mut self.rows_mut(one.tenant).settings.tenant.feed;
            feed.heard_at = feed.heard_at.max(now);
        }
        let resolved: Vec<Resolved> = said.iter().map(|one| self.resolve(one)).collect();
        let mut answers = vec!["unknown".to_owned(); said.len()];
        let mut left: Vec<usize> = (0..said.len())
            .filter(|ord| resolved[*ord] != Resolved::Unknown)
            .collect();
        while !left.is_empty() {
            let mut seen = BTreeSet::new();
            let (round, later): (Vec<usize>, Vec<usize>) = left
                .into_iter()
                .partition(|ord| seen.insert((said[*ord].tenant, format!("{:?}", resolved[*ord]))));
            self.round(said, &resolved, &round, &mut answers);
            left = later;
        }
        answers.join("; ")
    }

    fn resolve(&self, said: &Said) -> Resolved {
        let (rows, names) = (self.rows(said.tenant), &self.names[&said.tenant]);
        let saying = &said.saying;
        let subject = match (saying.boleto(), saying.contact(), saying.campaign()) {
            (Some(BoletoName::Reference(name)), ..) => match names.references.get(name.as_str()) {
                Some(id) => Subject::Boleto(*id),
                None => return Resolved::Awaited(format!("boleto {}", name.as_str())),
            },
            (_, Some(ContactName::Point(point)), _) => match names.contact_at(point) {
                Some(id) => Subject::Contact(id),
                None => return Resolved::Awaited(format!("contact {point}")),
            },
            (Some(BoletoName::Id(id)), ..) => Subject::Boleto(*id),
            (_, Some(ContactName::Id(id)), _) => Subject::Contact(*id),
            (.., Some(campaign)) => Subject::Campaign(campaign),
            (None, None, None) => match said.saying.tenant_channel() {
                Some(channel) => Subject::Channel(channel),
                None => Subject::Tenant,
            },
        };
        match by_id(rows, names, subject) {
            true => Resolved::Found(subject),
            false => Resolved::Unknown,
        }
    }

    fn round(
        &mut self,
        said: &[Said],
        resolved: &[Resolved],
        round: &[usize],
        answers: &mut [String],
    ) {
        let (mut acts, mut taken) = (Vec::new(), BTreeSet::new());
        for ord in round {
            let one = &said[*ord];
            let key = (one.tenant, one.event_id.clone());
            if self.knows(one.tenant, &one.event_id) || !taken.insert(key) {
                answers[*ord] = "duplicate".to_owned();
                continue;
            }
            match &resolved[*ord] {
                Resolved::Found(subject) => acts.push((*ord, *subject)),
                Resolved::Awaited(name) => {
                    let waits = (name.clone(), one.clone(), self.journal.now);
                    self.names_mut(one.tenant).parked.push(waits);
                    answers[*ord] = "parked".to_owned();
                }
                Resolved::Unknown => {}
            }
        }
        acts.sort_by_key(|(_, subject)| class(*subject));
        for (ord, subject) in acts {
            let changed = self.take(&said[ord], subject);
            answers[ord] = match changed {
                true => self.applied(&said[ord], subject),
                false => format!("unchanged {subject:?}"),
            };
        }
    }

    /// Takes a fact whose subject is known; false when it changes no status.
    fn take(&mut self, said: &Said, subject: Subject) -> bool {
        let (tenant, event, at) = (said.tenant, &said.event_id, said.occurred_at);
        if self.changes_nothing(said) {
            self.accept(tenant, event, at, FactBody::SettingsChanged, None);
            let rows = self.rows_mut(tenant);
            let seq = rows.event_ids[event];
            rows.inbox.get_mut(&seq).expect("a row").applied = true;
            return false;
        }
        let mut write = None;
        match said.saying {
            Saying::CampaignLaunched { campaign } => {
                self.names_mut(tenant).drafts.remove(&campaign);
                let campaigns = &mut self.rows_mut(tenant).settings.campaigns;
                let at = campaigns.iter().position(|one| one.campaign.id == campaign);
                let draft = campaigns.remove(at.expect("a draft"));
                write = Some(Write::Campaign(draft.campaign));
            }
            Saying::CampaignArchived { campaign } => {
                let names = self.names_mut(tenant);
                names.drafts.remove(&campaign);
                names.archived.insert(campaign);
            }
            _ => {}
        }
        self.accept(tenant, event, at, body(&said.saying, subject), write);
        true
    }

    fn changes_nothing(&self, said: &Said) -> bool {
        let tenant = said.tenant;
        let running = |campaign| self.campaign(tenant, campaign).map(|state| state.running);
        let is_draft = |campaign| self.names[&tenant].drafts.contains(&campaign);
        let rows = self.rows(tenant);
        let paused = |channel| rows.settings.tenant.paused_channels.contains(&channel);
        match said.saying {
            Saying::TenantPaused => rows.paused,
            Saying::TenantResumed => !rows.paused,
            Saying::TenantHeld => rows.held,
            Saying::TenantReleased => !rows.held,
            Saying::ChannelPaused { channel } => paused(channel),
            Saying::ChannelResumed { channel } => !paused(channel),
            Saying::CampaignLaunched { campaign } => !is_draft(campaign),
            Saying::CampaignPaused { campaign } => running(campaign) != Some(true),
            Saying::CampaignResumed { campaign } => {
                is_draft(campaign) || running(campaign) != Some(false)
            }
            Saying::CampaignArchived { campaign } => running(campaign).is_none(),
            _ => false,
        }
    }

    fn applied(&self, said: &Said, subject: Subject) -> String {
        let stops = matches!(
            said.saying,
            Saying::BoletoPaid { .. }
                | Saying::BoletoCancelled { .. }
                | Saying::ContactOptedOut { .. }
                | Saying::CampaignPaused { .. }
                | Saying::CampaignArchived { .. }
                | Saying::ChannelPaused { .. }
                | Saying::TenantPaused
                | Saying::TenantHeld
        );
        let after = self.journal.now.plus_ms(-CLOCKS_APART_MAX_MS);
        let attempts = self.rows(said.tenant).attempts.values();
        let deadlines: Vec<Timestamp> = attempts
            .filter(|row| row.settled.is_none() && row.claim.deadline_at > after && stops)
            .map(|row| &row.claim)
            .filter(|claim| {
                subject == Subject::Channel(claim.channel)
                    || subject.covers(claim.boleto, claim.contact, claim.campaign)
            })
            .map(|claim| claim.deadline_at.plus_ms(CLOCKS_APART_MAX_MS))
            .collect();
        let (count, last) = (deadlines.len(), deadlines.iter().max().copied());
        format!("applied {subject:?} {count} in flight until {last:?}")
    }

    pub(super) fn import(&mut self, tenant: TenantId, key: &str, chunk: &[NewBoleto]) -> String {
        if let Some((before, _, answer)) = self.names[&tenant].imports.get(key) {
            return match before == chunk {
                true => answer.clone(),
                false => "Conflict".to_owned(),
            };
        }
        self.last_import += 1;
        let import = self.last_import;
        let mut refused = Vec::new();
        let contacts = self.merge_contacts(tenant, chunk, &mut refused);
        let (new, unchanged) = self.land(tenant, chunk, &contacts, &mut refused);
        refused.sort_by_key(|one| one.row);
        let accepted = new.len();
        if accepted > 0 {
            let event = format!("import:{import}");
            let body = FactBody::BoletosImported { import };
            let now = self.journal.now;
            self.accept(tenant, &event, now, body, Some(Write::Boletos(new.clone())));
        }
        self.take_up_parked(tenant, chunk, &contacts, &new);
        let answer = format!("{import}: {accepted} new, {unchanged} unchanged, {refused:?}");
        let kept = (chunk.to_vec(), import, answer.clone());
        self.names_mut(tenant).imports.insert(key.to_owned(), kept);
        answer
    }

    /// Merges by phone, else by e-mail address: first with those that are known, then among
    /// themselves.
    fn merge_contacts(
        &mut self,
        tenant: TenantId,
        chunk: &[NewBoleto],
        refused: &mut Vec<Refused>,
    ) -> BTreeMap<usize, ContactId> {
        let mut takeable = Vec::new();
        for (row, boleto) in chunk.iter().enumerate() {
            let contact = &boleto.contact;
            let why = if contact.phone.is_none() && contact.email.is_none() {
                ImportRefusal::ContactWithoutPoint
            } else if contact.zones.is_empty() || boleto.amount_centavos < 0 {
                ImportRefusal::Malformed
            } else {
                takeable.push((row, contact));
                continue;
            };
            refused.push(Refused { row, why });
        }
        let names = &self.names[&tenant];
        let fresh: Vec<NewContact> = takeable
            .iter()
            .filter(|(_, contact)| names.contact(contact).is_none())
            .map(|(_, contact)| (*contact).clone())
            .collect();
        for contact in fresh {
            if !self.names[&tenant].clashes(&contact) {
                self.add_contact(tenant, &contact);
            }
        }
        let names = &self.names[&tenant];
        let known = takeable.into_iter();
        known
            .filter_map(|(row, contact)| Some((row, names.contact(contact)?)))
            .collect()
    }

    fn add_contact(&mut self, tenant: TenantId, new: &NewContact) {
        self.last_contact += 1;
        let id = ContactId(self.last_contact);
        let names = self.names_mut(tenant);
        let point = |point: &engine::store::Point| point.canonical.clone();
        names
            .phones
            .extend(new.phone.iter().map(|one| (point(one), id)));
        names
            .emails
            .extend(new.email.iter().map(|one| (point(one), id)));
        let contact = Contact {
            id,
            version: 1,
            name: new.name.clone(),
            phone: new.phone.as_ref().map(|point| point.address.clone()),
            email: new.email.as_ref().map(|point| point.address.clone()),
            zones: new.zones.clone(),
            suppressed: Vec::new(),
            events: schedules::verdict::ContactEvents::default(),
            confirmed: false,
            sends: Vec::new(),
        };
        let row = ContactRow {
            contact,
            opted_out: false,
            said_at: Timestamp::default(),
            barred_at: BTreeMap::new(),
        };
        self.rows_mut(tenant).contacts.insert(id, row);
    }

    fn land(
        &mut self,
        tenant: TenantId,
        chunk: &[NewBoleto],
        contacts: &BTreeMap<usize, ContactId>,
        refused: &mut Vec<Refused>,
    ) -> (Vec<Landed>, usize) {
        let (mut landed, mut unchanged): (Vec<Landed>, usize) = (Vec::new(), 0);
        for (row, contact) in contacts {
            let new = &chunk[*row];
            if let Some(id) = self.names[&tenant].references.get(&new.reference) {
                let earlier = landed.iter().find(|one| one.boleto.id == *id);
                let (there, whose) = match earlier {
                    Some(one) => (one.boleto.clone(), one.contact),
                    None => {
                        let known = &self.rows(tenant).boletos[id];
                        (known.boleto.clone(), known.contact)
                    }
                };
                let why = match (there == as_boleto(*id, new), whose == *contact) {
                    (true, true) => {
                        unchanged += 1;
                        continue;
                    }
                    (true, false) => ImportRefusal::ContactDiffers,
                    (false, _) => ImportRefusal::ReferenceTaken,
                };
                refused.push(Refused { row: *row, why });
                continue;
            }
            self.last_boleto += 1;
            let id = BoletoId(self.last_boleto);
            let names = self.names_mut(tenant);
            names.references.insert(new.reference.clone(), id);
            landed.push(Landed {
                boleto: as_boleto(id, new),
                contact: *contact,
            });
        }
        (landed, unchanged)
    }

    fn take_up_parked(
        &mut self,
        tenant: TenantId,
        chunk: &[NewBoleto],
        contacts: &BTreeMap<usize, ContactId>,
        new: &[Landed],
    ) {
        let mut found: BTreeMap<String, Subject> = BTreeMap::new();
        for one in new {
            let name = format!("boleto {}", one.boleto.reference);
            found.insert(name, Subject::Boleto(one.boleto.id));
        }
        for (row, id) in contacts {
            let contact = &chunk[*row].contact;
            for point in contact.phone.iter().chain(&contact.email) {
                let name = format!("contact {}", point.canonical);
                found.insert(name, Subject::Contact(*id));
            }
        }
        let now = self.journal.now;
        let parked = std::mem::take(&mut self.names_mut(tenant).parked);
        for (name, said, came_at) in parked {
            let Some(subject) = found.get(&name) else {
                self.names_mut(tenant).parked.push((name, said, came_at));
                continue;
            };
            self.names_mut(tenant).waited.insert(said.event_id.clone());
            self.journal.now = came_at;
            self.take(&said, *subject);
            self.journal.now = now;
        }
    }
}

impl Names {
    fn contact_at(&self, point: &str) -> Option<ContactId> {
        let found = self.phones.get(point).or_else(|| self.emails.get(point));
        found.copied()
    }

    fn contact(&self, contact: &NewContact) -> Option<ContactId> {
        let phone = contact.phone.as_ref();
        let email = contact.email.as_ref();
        let by_phone = phone.and_then(|point| self.phones.get(&point.canonical));
        let by_email = email.and_then(|point| self.emails.get(&point.canonical));
        by_phone.or(by_email).copied()
    }

    /// Says whether one of the points is somebody's already.
    fn clashes(&self, contact: &NewContact) -> bool {
        let mut points = contact.phone.iter().chain(&contact.email);
        points.any(|point| self.contact_at(&point.canonical).is_some())
    }
}

fn class(subject: Subject) -> u8 {
    match subject {
        Subject::Campaign(_) | Subject::Channel(_) | Subject::Tenant => 0,
        Subject::Boleto(_) => 1,
        Subject::Contact(_) => 2,
    }
}

fn as_boleto(id: BoletoId, new: &NewBoleto) -> Boleto {
    Boleto {
        id,
        reference: new.reference.clone(),
        amount_centavos: new.amount_centavos,
        due_on: new.due_on,
        digitable_line: new.digitable_line.clone(),
        pix_code: new.pix_code.clone(),
        payment_link: new.payment_link.clone(),
    }
}

/// Returns a fact as an owner reads it.
fn body(saying: &Saying, subject: Subject) -> FactBody {
    let mut body = serde_json::to_value(saying).expect("a fact is JSON");
    let fields = body.as_object_mut().expect("a fact has fields");
    match subject {
        Subject::Boleto(id) => fields.insert("boleto".to_owned(), id.0.into()),
        Subject::Contact(id) => fields.insert("contact".to_owned(), id.0.into()),
        Subject::Campaign(_) | Subject::Channel(_) | Subject::Tenant => None,
    };
    serde_json::from_value(body).expect("a fact reads back")
}
