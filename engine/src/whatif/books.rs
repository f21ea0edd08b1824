//! Books in memory, in place of the journal: where every enrollment stands, and what was sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use actors::machine::change::Change;
use actors::machine::input::{Sweep, SweepKind};
use actors::ports::{
    AHEAD_ROWS_MAX, Boleto, Candidate, Contact, Cursor, DuePage, DueRow, Enrollment, Mark,
    PageRequest, Standing, SweepPage,
};
use chrono_tz::Tz;
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId};
use schedules::time::Timestamp;

use super::Known;

/// The most rows of a sweep's page.
const PAGE: usize = 1_000;

/// The books.
pub(super) struct Books {
    boletos: BTreeMap<BoletoId, Known>,
    contacts: HashMap<ContactId, Contact>,
    enrollments: BTreeMap<EnrollmentId, Enrollment>,
    of_contacts: HashMap<ContactId, Vec<EnrollmentId>>,
    due: BTreeSet<Mark>,
}

impl Books {
    /// Opens books. Enrollments of boletos that are not in them are left out, and so are boletos
    /// whose contact is not.
    pub(super) fn new(
        boletos: Vec<Known>,
        contacts: Vec<Contact>,
        standing: Vec<Enrollment>,
    ) -> Self {
        let contacts: HashMap<_, _> = contacts.into_iter().map(|one| (one.id, one)).collect();
        let known = boletos.into_iter();
        let known = known.filter(|one| contacts.contains_key(&one.contact));
        let boletos = known.map(|one| (one.boleto.id, one)).collect();
        let mut books = Self {
            boletos,
            contacts,
            enrollments: BTreeMap::new(),
            of_contacts: HashMap::new(),
            due: BTreeSet::new(),
        };
        for enrollment in standing {
            if books.boletos.contains_key(&enrollment.boleto) {
                books.put(enrollment);
            }
        }
        books
    }

    pub(super) fn enrollment(&self, id: EnrollmentId) -> Option<Enrollment> {
        self.enrollments.get(&id).copied()
    }

    /// Counts the enrollments of a campaign with a touch to come at or after `from`.
    pub(super) fn left_over(&self, campaign: CampaignId, from: Timestamp) -> u64 {
        let later = |mark: &&Mark| {
            let standing = self.enrollments.get(&mark.enrollment);
            mark.next_at >= from && standing.is_some_and(|one| one.campaign == campaign)
        };
        self.due.iter().filter(later).count() as u64
    }

    /// Follows a change, as the journal would.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Enrolled(enrolled) => {
                let last = self.enrollments.last_key_value();
                let id = last.map_or(0, |(id, _)| id.0).saturating_add(1).max(1);
                self.put(Enrollment {
                    id: EnrollmentId(id),
                    campaign: enrolled.campaign,
                    boleto: enrolled.boleto,
                    contact: enrolled.contact,
                    cursor: enrolled.cursor,
                });
            }
            Change::Claimed(claim) => {
                self.move_to(claim.attempt.reminder.enrollment, claim.to);
                if let Some(contact) = self.contacts.get_mut(&claim.contact) {
                    let send = claim.as_send();
                    let place = contact.sends.partition_point(|past| past.at <= send.at);
                    contact.sends.insert(place, send);
                }
            }
            Change::Ruled(ruled) => self.move_to(ruled.reminder.enrollment, ruled.to),
            Change::CameBack(back) => self.move_to(back.reminder.enrollment, back.to),
            Change::Moved(moved) | Change::Reactivated(moved) => {
                self.move_to(moved.enrollment, moved.to);
            }
            _ => {}
        }
    }

    fn put(&mut self, enrollment: Enrollment) {
        self.due.extend(mark(&enrollment));
        let of_contact = self.of_contacts.entry(enrollment.contact).or_default();
        of_contact.push(enrollment.id);
        self.enrollments.insert(enrollment.id, enrollment);
    }

    fn move_to(&mut self, enrollment: EnrollmentId, to: Cursor) {
        if let Some(one) = self.enrollments.get_mut(&enrollment) {
            if let Some(before) = mark(one) {
                self.due.remove(&before);
            }
            one.cursor = to;
            self.due.extend(mark(one));
        }
    }

    /// Reads a page of due enrollments.
    pub(super) fn due_page(&self, request: PageRequest) -> DuePage {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let last = Mark {
            next_at: request.until,
            enrollment: EnrollmentId(i64::MAX),
        };
        let all = (Bound::Excluded(request.after), Bound::Unbounded);
        let due = self.due.range(all).take_while(|mark| **mark <= last);
        let marks: Vec<Mark> = due.take(limit).copied().collect();
        let read_to = match marks.last() {
            Some(mark) if marks.len() == limit => *mark,
            _ => last,
        };
        let after = (Bound::Excluded(read_to), Bound::Unbounded);
        let rows: Vec<DueRow> = marks.iter().filter_map(|mark| self.row(mark)).collect();
        let wanted: BTreeSet<ContactId> = rows.iter().map(|row| row.enrollment.contact).collect();
        let since = request.sends_since;
        DuePage {
            ahead: self.ahead(&rows, read_to, request),
            contacts: wanted
                .iter()
                .filter_map(|id| self.seen(*id, since))
                .collect(),
            rows,
            read_to,
            next_after_at: self.due.range(after).next().map(|mark| mark.next_at),
            unreadable: Vec::new(),
        }
    }

    /// Reads what touches of a page may bring forward.
    fn ahead(&self, rows: &[DueRow], read_to: Mark, request: PageRequest) -> Vec<DueRow> {
        if request.ahead_ms == 0 {
            return Vec::new();
        }
        let until = request.until.plus_ms(request.ahead_ms);
        let of = |row: &DueRow| (row.enrollment.contact, row.enrollment.campaign);
        let wanted: BTreeSet<(ContactId, CampaignId)> = rows.iter().map(of).collect();
        let of_contact = |(contact, campaign): (ContactId, CampaignId)| {
            let ids = self.of_contacts.get(&contact).into_iter().flatten();
            let enrollments = ids.filter_map(|id| self.enrollments.get(id));
            enrollments.filter(move |one| one.campaign == campaign)
        };
        let marks = wanted.into_iter().flat_map(of_contact).filter_map(mark);
        let ahead = |mark: &Mark| *mark > read_to && mark.next_at <= until;
        let marks: BTreeSet<Mark> = marks.filter(ahead).collect();
        let marks = marks.iter().take(AHEAD_ROWS_MAX);
        marks.filter_map(|mark| self.row(mark)).collect()
    }

    fn row(&self, mark: &Mark) -> Option<DueRow> {
        let enrollment = *self.enrollments.get(&mark.enrollment)?;
        let boleto = self.boletos.get(&enrollment.boleto)?.boleto.clone();
        Some(DueRow { enrollment, boleto })
    }

    /// Returns a contact with its sends since an instant.
    fn seen(&self, id: ContactId, since: Timestamp) -> Option<Contact> {
        let known = self.contacts.get(&id)?;
        let sends = known.sends.iter().filter(|send| send.at >= since);
        Some(Contact {
            id,
            version: known.version,
            name: known.name.clone(),
            phone: known.phone.clone(),
            email: known.email.clone(),
            zones: known.zones.clone(),
            suppressed: known.suppressed.clone(),
            events: known.events,
            confirmed: known.confirmed,
            sends: sends.copied().collect(),
        })
    }

    /// Reads a page of a sweep.
    pub(super) fn sweep_page(&self, sweep: &Sweep) -> SweepPage {
        let mut page = SweepPage {
            read_to: sweep.after,
            ..SweepPage::default()
        };
        match sweep.kind {
            SweepKind::ReplanCampaign { campaign } => self.standing(campaign, &mut page),
            _ => self.candidates(&mut page),
        }
        page
    }

    fn candidates(&self, page: &mut SweepPage) {
        let after = (Bound::Excluded(BoletoId(page.read_to)), Bound::Unbounded);
        let mut boletos = self.boletos.range(after).map(|(_, known)| known);
        for known in boletos.by_ref().filter(|known| !known.is_in).take(PAGE) {
            let Boleto {
                id,
                due_on,
                amount_centavos,
                ..
            } = known.boleto;
            page.read_to = id.0;
            page.candidates.push(Candidate {
                boleto: id,
                contact: known.contact,
                due_on,
                amount_centavos,
                zone: self.zone(known.contact),
            });
        }
        page.last = boletos.all(|known| known.is_in);
    }

    fn standing(&self, campaign: CampaignId, page: &mut SweepPage) {
        let after = (
            Bound::Excluded(EnrollmentId(page.read_to)),
            Bound::Unbounded,
        );
        let all = self.enrollments.range(after).map(|(_, one)| one);
        let mut all = all.filter(|one| one.campaign == campaign);
        for enrollment in all.by_ref().take(PAGE) {
            page.read_to = enrollment.id.0;
            let Some(Known { boleto, .. }) = self.boletos.get(&enrollment.boleto) else {
                continue;
            };
            page.standing.push(Standing {
                enrollment: *enrollment,
                stopped: false,
                due_on: boleto.due_on,
                amount_centavos: boleto.amount_centavos,
                zone: self.zone(enrollment.contact),
            });
        }
        page.last = all.next().is_none();
    }

    fn zone(&self, contact: ContactId) -> Tz {
        let zones = self.contacts.get(&contact).map(|one| &one.zones);
        let likeliest = zones.and_then(|zones| zones.first()).copied();
        likeliest.unwrap_or(Tz::America__Sao_Paulo)
    }
}

fn mark(enrollment: &Enrollment) -> Option<Mark> {
    let next_at = enrollment.cursor.next_at?;
    Some(Mark {
        next_at,
        enrollment: enrollment.id,
    })
}
