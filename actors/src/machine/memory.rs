//! The near horizon: due enrollments, their boletos and contacts, and what counts against caps.
//!
//! Invariant: every active enrollment of a running campaign whose place is at or before `read_to`
//! is in memory, or in flight, or was forgotten because of a fact that ends or re-reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use schedules::cap::Tally;
use schedules::id::{CampaignId, ContactId, EnrollmentId};
use schedules::time::Timestamp;
use schedules::verdict::{PastSend, Reason};

use super::ENTRIES_MAX;
use super::effect::Subject;
use crate::due_queue::DueQueue;
use crate::ports::{Boleto, Contact, Cursor, DuePage, DueRow, Enrollment, Mark, TallyRow};

/// One enrollment in memory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) enrollment: Enrollment,
    pub(super) boleto: Arc<Boleto>,
    /// Its touch waits for its sender's pace, and has the record that says so.
    pub(super) waits_its_turn: bool,
    /// It lies beyond what was read, and is here to go out with another of its contact.
    ahead: bool,
}

#[derive(Clone, Debug)]
struct KnownContact {
    contact: Contact,
    /// Ascending.
    entries: Vec<EnrollmentId>,
    /// How many of them are ahead of what was read.
    ahead: usize,
}

/// The machine's memory of due enrollments.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    entries: BTreeMap<EnrollmentId, Entry>,
    /// Those that wait for an event.
    held: BTreeMap<EnrollmentId, Reason>,
    queue: DueQueue,
    contacts: BTreeMap<ContactId, KnownContact>,
    /// How many contacts have more than one entry.
    shared: usize,
    campaign_tallies: BTreeMap<CampaignId, Tally>,
    tenant_tally: Tally,
    no_sends: Tally,
    read_to: Mark,
    next_after_at: Option<Timestamp>,
}

const NOTHING_READ: Mark = Mark {
    next_at: Timestamp::from_unix_ms(i64::MIN),
    enrollment: EnrollmentId(i64::MIN),
};

impl Memory {
    pub(super) fn new(rows: &[TallyRow]) -> Self {
        let mut memory = Self {
            entries: BTreeMap::new(),
            held: BTreeMap::new(),
            queue: DueQueue::default(),
            contacts: BTreeMap::new(),
            shared: 0,
            campaign_tallies: BTreeMap::new(),
            tenant_tally: Tally::default(),
            no_sends: Tally::default(),
            read_to: NOTHING_READ,
            next_after_at: Some(NOTHING_READ.next_at),
        };
        for row in rows {
            memory.tenant_tally.add(row.minute_at, row.sends);
            memory
                .campaign_tallies
                .entry(row.campaign)
                .or_default()
                .add(row.minute_at, row.sends);
        }
        memory
    }

    pub(super) fn entry(&self, enrollment: EnrollmentId) -> Option<&Entry> {
        self.entries.get(&enrollment)
    }

    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn queue(&self) -> &DueQueue {
        &self.queue
    }

    pub(super) fn read_to(&self) -> Mark {
        self.read_to
    }

    pub(super) fn next_after_at(&self) -> Option<Timestamp> {
        self.next_after_at
    }

    pub(super) fn contact(&self, contact: ContactId) -> Option<&Contact> {
        self.contacts.get(&contact).map(|known| &known.contact)
    }

    /// Says whether any contact has more than one entry.
    pub(super) fn has_shared_contacts(&self) -> bool {
        self.shared > 0
    }

    /// Returns the contact of an entry if it has others.
    pub(super) fn shared_contact_of(&self, enrollment: EnrollmentId) -> Option<ContactId> {
        let contact = self.entries.get(&enrollment)?.enrollment.contact;
        let known = self.contacts.get(&contact)?;
        (known.entries.len() > 1).then_some(contact)
    }

    /// Walks the other entries of the contact of one: those after it, then those before it.
    pub(super) fn others_of(&self, one: &Enrollment) -> impl Iterator<Item = EnrollmentId> {
        let known = self.contacts.get(&one.contact);
        let entries = known.map_or(&[][..], |known| &known.entries);
        let (id, place) = (one.id, entries.partition_point(|other| *other < one.id));
        let (before, from) = entries.split_at(place);
        let others = from.iter().chain(before).copied();
        others.filter(move |other| *other != id)
    }

    pub(super) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values().map(|known| &known.contact)
    }

    pub(super) fn tenant_tally(&self) -> &Tally {
        &self.tenant_tally
    }

    pub(super) fn campaign_tally(&self, campaign: CampaignId) -> &Tally {
        self.campaign_tallies
            .get(&campaign)
            .unwrap_or(&self.no_sends)
    }

    /// Says whether rows due at or before `until` may still lie in the journal only.
    pub(super) fn lacks_rows(&self, until: Timestamp) -> bool {
        self.next_row_at().is_some_and(|at| at <= until)
    }

    /// Returns the instant of the first row that lies in the journal only, if there is room for it.
    pub(super) fn next_row_at(&self) -> Option<Timestamp> {
        self.next_after_at
            .filter(|_| self.entries.len() < ENTRIES_MAX)
    }

    pub(super) fn admit(&mut self, page: DuePage) {
        let mut contacts: BTreeMap<ContactId, Contact> = page
            .contacts
            .into_iter()
            .map(|contact| (contact.id, contact))
            .collect();
        // The page was read after the last commit: what it says of a contact is newer.
        for contact in contacts.values() {
            self.change_contact(contact.id, |known| *known = contact.clone());
        }
        for row in page.rows {
            let contact = row.enrollment.contact;
            let contact = match self.contacts.contains_key(&contact) {
                true => None,
                false => contacts.remove(&contact),
            };
            self.take_in(row, contact, false);
        }
        for row in page.ahead {
            self.take_in(row, None, true);
        }
        self.read_to = self.read_to.max(page.read_to);
        self.next_after_at = page.next_after_at;
    }

    /// Takes a row in, with its contact if that is new.
    fn take_in(&mut self, row: DueRow, contact: Option<Contact>, ahead: bool) {
        let id = row.enrollment.id;
        if self.entries.contains_key(&id) {
            if !ahead {
                self.has_come(id);
            }
            return;
        }
        if let Some(contact) = contact {
            let known = KnownContact {
                contact,
                entries: Vec::new(),
                ahead: 0,
            };
            self.contacts.insert(row.enrollment.contact, known);
        }
        let Some(known) = self.contacts.get_mut(&row.enrollment.contact) else {
            return;
        };
        let place = known.entries.partition_point(|one| *one < id);
        known.entries.insert(place, id);
        known.ahead += usize::from(ahead);
        self.shared += usize::from(known.entries.len() == 2);
        if let Some(at) = row.enrollment.cursor.next_at {
            self.queue.put(id, at);
        }
        let entry = Entry {
            enrollment: row.enrollment,
            boleto: Arc::new(row.boleto),
            waits_its_turn: false,
            ahead,
        };
        self.entries.insert(id, entry);
    }

    /// Notes that an entry which was ahead of what was read is not any more.
    fn has_come(&mut self, enrollment: EnrollmentId) {
        let Some(entry) = self.entries.get_mut(&enrollment) else {
            return;
        };
        if std::mem::take(&mut entry.ahead)
            && let Some(known) = self.contacts.get_mut(&entry.enrollment.contact)
        {
            known.ahead -= 1;
        }
    }

    /// Forgets that anything was read: enrollments that are not in memory are read again.
    pub(super) fn read_again(&mut self) {
        self.read_to = NOTHING_READ;
        self.next_after_at = Some(NOTHING_READ.next_at);
    }

    /// Takes an enrollment that waits for an outcome out of the queue: its next touch comes after.
    pub(super) fn park(&mut self, enrollment: EnrollmentId) {
        self.queue.remove(enrollment);
    }

    /// Follows a cursor that moved; `busy` entries stay in memory wherever they went, and are not
    /// queued before [`Memory::release`].
    pub(super) fn moved(&mut self, enrollment: EnrollmentId, to: Cursor, busy: bool) {
        let place = to.next_at.map(|next_at| Mark {
            next_at,
            enrollment,
        });
        self.has_come(enrollment);
        if let Some(entry) = self.entries.get_mut(&enrollment) {
            entry.enrollment.cursor = to;
            entry.waits_its_turn = false;
            self.held.remove(&enrollment);
            match place {
                _ if busy => self.queue.remove(enrollment),
                Some(place) if place <= self.read_to => self.queue.put(enrollment, place.next_at),
                _ => self.drop_entry(enrollment),
            }
        }
        if let Some(place) = place {
            self.expect(place);
        }
    }

    /// Makes sure that an enrollment at `place` which is not in memory will be read.
    pub(super) fn expect(&mut self, place: Mark) {
        let known = self.entries.contains_key(&place.enrollment);
        if place <= self.read_to && !known {
            self.read_to = Mark {
                next_at: place.next_at.plus_ms(-1),
                ..NOTHING_READ
            };
        }
        if place > self.read_to {
            let next = self
                .next_after_at
                .map_or(place.next_at, |at| at.min(place.next_at));
            self.next_after_at = Some(next);
        }
    }

    /// Makes sure that an enrollment which has no id here yet will be read.
    pub(super) fn expect_new(&mut self, next_at: Option<Timestamp>) {
        if let Some(next_at) = next_at {
            self.expect(Mark {
                next_at,
                ..NOTHING_READ
            });
        }
    }

    /// Queues an entry that is not in flight any more, or lets it go if it is not due within what
    /// was read.
    pub(super) fn release(&mut self, enrollment: EnrollmentId) {
        let Some(entry) = self.entries.get(&enrollment) else {
            return;
        };
        let place = entry.enrollment.cursor.next_at.map(|next_at| Mark {
            next_at,
            enrollment,
        });
        match place {
            Some(place) if place <= self.read_to => self.queue.put(enrollment, place.next_at),
            _ => self.drop_entry(enrollment),
        }
    }

    /// Lets go of an entry, and of those of its contact that were here for its company alone.
    pub(super) fn drop_entry(&mut self, enrollment: EnrollmentId) {
        let contact = self.take_out(enrollment);
        let known = contact.and_then(|contact| self.contacts.get(&contact));
        let alone = known.filter(|known| known.ahead == known.entries.len());
        for one in alone.map(|known| known.entries.clone()).unwrap_or_default() {
            self.take_out(one);
        }
    }

    fn take_out(&mut self, enrollment: EnrollmentId) -> Option<ContactId> {
        self.queue.remove(enrollment);
        self.held.remove(&enrollment);
        let entry = self.entries.remove(&enrollment)?;
        let contact = entry.enrollment.contact;
        let known = self.contacts.get_mut(&contact)?;
        known.entries.retain(|one| *one != enrollment);
        known.ahead -= usize::from(entry.ahead);
        match known.entries.len() {
            0 => drop(self.contacts.remove(&contact)),
            1 => self.shared -= 1,
            _ => {}
        }
        Some(contact)
    }

    /// Says whether no contact is here only for what lies ahead of what was read.
    pub(super) fn nobody_is_only_ahead(&self) -> bool {
        let mut known = self.contacts.values();
        known.all(|known| known.ahead < known.entries.len())
    }

    /// Lets go of an entry whose change was refused; if it is still active, it is read again, and
    /// its contact with it: a channel may be barred that memory thinks free.
    pub(super) fn read_anew(&mut self, enrollment: EnrollmentId) {
        let entry = self.entries.get(&enrollment);
        let next_at = entry.and_then(|entry| entry.enrollment.cursor.next_at);
        self.drop_entry(enrollment);
        if let Some(next_at) = next_at {
            self.expect(Mark {
                next_at,
                enrollment,
            });
        }
    }

    /// Drops every entry of a subject.
    pub(super) fn forget(&mut self, subject: Subject) {
        let gone: Vec<EnrollmentId> = self
            .entries
            .values()
            .map(|entry| entry.enrollment)
            .filter(|one| subject.covers(one.boleto, one.contact, one.campaign))
            .map(|enrollment| enrollment.id)
            .collect();
        for enrollment in gone {
            self.drop_entry(enrollment);
        }
    }

    /// Looks at an enrollment later, in memory only.
    pub(super) fn defer(&mut self, enrollment: EnrollmentId, until: Timestamp) {
        if self.entries.contains_key(&enrollment) {
            self.queue.put(enrollment, until);
        }
    }

    /// Follows a cursor that waits for an event: the entry stays, wherever the cursor went, so that
    /// the event finds it.
    pub(super) fn held(&mut self, enrollment: EnrollmentId, to: Cursor, reason: Reason) {
        let has_room = self.entries.len() < ENTRIES_MAX;
        if !has_room || !self.stays(enrollment, to, false) {
            return self.moved(enrollment, to, false);
        }
        self.held.insert(enrollment, reason);
    }

    /// Follows a cursor that waits for its sender's pace: the entry stays, wherever the cursor went
    /// and however full memory is. Read again it would wait anew, and a crowd at one instant would
    /// be recorded and read again and again.
    pub(super) fn waits_its_turn(&mut self, enrollment: EnrollmentId, to: Cursor) {
        self.held.remove(&enrollment);
        if !self.stays(enrollment, to, true) {
            self.moved(enrollment, to, false);
        }
    }

    /// Follows a cursor without letting go of its entry; returns whether there is one.
    fn stays(&mut self, enrollment: EnrollmentId, to: Cursor, waits_its_turn: bool) -> bool {
        self.has_come(enrollment);
        let Some(entry) = self.entries.get_mut(&enrollment) else {
            return false;
        };
        entry.enrollment.cursor = to;
        entry.waits_its_turn = waits_its_turn;
        if let Some(next_at) = to.next_at {
            self.queue.put(enrollment, next_at);
            self.expect(Mark {
                next_at,
                enrollment,
            });
        }
        true
    }

    /// Returns those that wait for their sender's pace.
    pub(super) fn waiting(&self) -> impl Iterator<Item = EnrollmentId> {
        let waiting = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.waits_its_turn);
        waiting.map(|(enrollment, _)| *enrollment)
    }

    /// Makes due what waited for this event.
    pub(super) fn wake(&mut self, reason: Reason) {
        let woken: Vec<EnrollmentId> = self
            .held
            .extract_if(.., |_, held| *held == reason)
            .map(|(enrollment, _)| enrollment)
            .collect();
        for enrollment in woken {
            let entry = self.entries.get(&enrollment);
            if let Some(touch) = entry.and_then(|entry| entry.enrollment.cursor.touch) {
                self.queue.put(enrollment, touch.slot_at);
            }
        }
    }

    /// Says whether anything waits for an event.
    pub(super) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn change_contact(&mut self, contact: ContactId, change: impl FnOnce(&mut Contact)) {
        if let Some(known) = self.contacts.get_mut(&contact) {
            change(&mut known.contact);
        }
    }

    /// Counts a send, before its outcome is known.
    pub(super) fn count_send(&mut self, contact: ContactId, send: PastSend) {
        if !send.merged {
            self.tenant_tally.add(send.at, 1);
            self.campaign_tallies
                .entry(send.campaign)
                .or_default()
                .add(send.at, 1);
        }
        self.change_contact(contact, |contact| {
            let place = contact.sends.partition_point(|past| past.at <= send.at);
            contact.sends.insert(place, send);
        });
    }

    /// Takes a send back that certainly did not reach anyone.
    pub(super) fn refund_send(&mut self, contact: ContactId, send: PastSend) {
        if !send.merged {
            self.tenant_tally.remove(send.at, 1);
            self.campaign_tallies
                .entry(send.campaign)
                .or_default()
                .remove(send.at, 1);
        }
        self.change_contact(contact, |contact| {
            if let Some(place) = contact.sends.iter().position(|past| *past == send) {
                contact.sends.remove(place);
            }
        });
    }

    /// Lets go of sends that no rule looks back to.
    pub(super) fn prune(&mut self, before: Timestamp) {
        self.tenant_tally.prune(before);
        self.campaign_tallies
            .values_mut()
            .for_each(|tally| tally.prune(before));
    }
}
