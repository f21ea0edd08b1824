//! Reads: what a machine starts from, what is due, what came in, what a sweep looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use chrono_tz::Tz;
use schedules::id::{CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::stop::StopReason;
use schedules::time::{MINUTE_MS, Timestamp};
use schedules::verdict::PastSend;

use super::SimJournal;
use super::rows::{BoletoRow, EnrollmentRow, EnrollmentState, TenantRows};
use crate::machine::input::{InboxFact, Sweep, SweepKind};
use crate::ports::{
    AHEAD_ROWS_MAX, Candidate, Contact, DuePage, DueRow, JournalError, Mark, PageRequest, Settings,
    ShardId, Snapshot, Standing, SweepPage, TallyRow,
};
use crate::sim::plant::distort_settings;

impl SimJournal {
    /// Reads what a machine starts from.
    ///
    /// # Errors
    /// [`JournalError::Absent`].
    pub fn load(&self, tenant: TenantId) -> Result<Snapshot, JournalError> {
        let rows = self.rows(tenant)?;
        let unsettled = rows
            .attempts
            .values()
            .filter(|row| row.settled.is_none())
            .map(|row| row.claim.clone())
            .collect();
        Ok(Snapshot {
            settings: self.settings(tenant)?,
            unsettled,
            tallies: rows.tallies(self.now),
            sweeps: rows.sweeps.values().cloned().collect(),
        })
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// [`JournalError::Absent`].
    pub fn settings(&self, tenant: TenantId) -> Result<Settings, JournalError> {
        let mut settings = self.rows(tenant)?.settings.clone();
        distort_settings(self.bug, &mut settings);
        Ok(settings)
    }

    /// Reads the next due enrollments.
    ///
    /// # Errors
    /// [`JournalError::Absent`].
    pub fn due_page(
        &self,
        tenant: TenantId,
        request: PageRequest,
    ) -> Result<DuePage, JournalError> {
        let rows = self.rows(tenant)?;
        let marks = rows.marks();
        let ahead = || marks.range((Bound::Excluded(request.after), Bound::Unbounded));
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let mut page: Vec<Mark> = ahead()
            .take_while(|mark| mark.next_at <= request.until)
            .take(limit.saturating_add(1))
            .copied()
            .collect();
        let complete = page.len() <= limit;
        page.truncate(limit);
        let read_to = match page.last() {
            Some(last) if !complete => *last,
            _ => Mark {
                next_at: request.until,
                enrollment: EnrollmentId(i64::MAX),
            },
        };
        let next_after_at = ahead().find(|mark| **mark > read_to).map(|at| at.next_at);
        let due: Vec<DueRow> = page.iter().filter_map(|mark| rows.due_row(*mark)).collect();
        let later = marks.range((Bound::Excluded(read_to), Bound::Unbounded));
        let near = later.filter_map(|mark| rows.due_row(*mark));
        let ahead = ahead_of(&request, &due, near);
        let contacts: BTreeSet<ContactId> = due.iter().map(|row| row.enrollment.contact).collect();
        let contacts = contacts
            .into_iter()
            .filter_map(|contact| rows.contact(contact, request.sends_since))
            .collect();
        Ok(DuePage {
            rows: due,
            ahead,
            contacts,
            read_to,
            next_after_at,
            unreadable: Vec::new(),
        })
    }

    /// Reads the oldest facts that are not applied.
    ///
    /// # Errors
    /// [`JournalError::Absent`].
    pub fn inbox_page(&self, tenant: TenantId, limit: u32) -> Result<Vec<InboxFact>, JournalError> {
        let waiting = self.rows(tenant)?.inbox.values();
        Ok(waiting
            .filter(|row| !row.applied && row.dead.is_none())
            .take(limit as usize)
            .map(|row| row.fact.clone())
            .collect())
    }

    /// Reads the next rows of a sweep.
    ///
    /// # Errors
    /// [`JournalError::Absent`].
    pub fn sweep_page(
        &self,
        tenant: TenantId,
        sweep: &Sweep,
        limit: u32,
    ) -> Result<SweepPage, JournalError> {
        let rows = self.rows(tenant)?;
        let limit = limit as usize;
        Ok(match sweep.kind {
            SweepKind::EnrollImport { import } => {
                rows.candidates(sweep.after, limit, |row| row.import == import)
            }
            SweepKind::EnrollCampaign { .. } => rows.candidates(sweep.after, limit, |_| true),
            SweepKind::EnrollBoleto { boleto } => {
                rows.candidates(sweep.after, limit, |row| row.boleto.id == boleto)
            }
            SweepKind::EnrollContact { contact, .. } => {
                rows.candidates(sweep.after, limit, |row| row.contact == contact)
            }
            SweepKind::ReplanBoleto { boleto } => rows.standing(sweep.after, limit, true, |row| {
                row.enrollment.boleto == boleto
            }),
            SweepKind::ReplanContact { contact, .. } => {
                rows.standing(sweep.after, limit, true, |row| {
                    row.enrollment.contact == contact
                })
            }
            SweepKind::ReplanCampaign { campaign } | SweepKind::StopCampaign { campaign } => rows
                .standing(sweep.after, limit, false, |row| {
                    row.enrollment.campaign == campaign
                }),
            SweepKind::ReplanTenant => rows.standing(sweep.after, limit, false, |_| true),
        })
    }

    /// Names the tenants of the shards that want to be woken until then.
    pub fn look_ahead(&self, shards: &[ShardId], until: Timestamp) -> Vec<(TenantId, Timestamp)> {
        let tenants = self.tenants.iter();
        tenants
            .filter(|(_, rows)| shards.contains(&rows.shard))
            .filter_map(|(tenant, rows)| Some((*tenant, rows.wakes_at()?)))
            .filter(|(_, at)| *at <= until)
            .collect()
    }
}

/// Returns those of the rows after a page that touches of it may bring forward.
fn ahead_of(
    request: &PageRequest,
    due: &[DueRow],
    later: impl Iterator<Item = DueRow>,
) -> Vec<DueRow> {
    if request.ahead_ms == 0 {
        return Vec::new();
    }
    let until = request.until.plus_ms(request.ahead_ms);
    let of = |row: &DueRow| (row.enrollment.contact, row.enrollment.campaign);
    let wanted: BTreeSet<(ContactId, CampaignId)> = due.iter().map(of).collect();
    let near = |row: &DueRow| row.enrollment.cursor.next_at.is_some_and(|at| at <= until);
    later
        .take_while(near)
        .filter(|row| wanted.contains(&of(row)))
        .take(AHEAD_ROWS_MAX)
        .collect()
}

impl TenantRows {
    /// Returns the places of all active enrollments of running campaigns, in order.
    fn marks(&self) -> BTreeSet<Mark> {
        let running: BTreeSet<CampaignId> = self
            .settings
            .campaigns
            .iter()
            .filter(|state| state.running && self.settings.tenant.running)
            .map(|state| state.campaign.id)
            .collect();
        let active = self.enrollments.values().filter(|row| {
            row.state == EnrollmentState::Active && running.contains(&row.enrollment.campaign)
        });
        active
            .filter_map(|row| {
                Some(Mark {
                    next_at: row.enrollment.cursor.next_at?,
                    enrollment: row.enrollment.id,
                })
            })
            .collect()
    }

    fn due_row(&self, mark: Mark) -> Option<DueRow> {
        let enrollment = self.enrollments.get(&mark.enrollment)?.enrollment;
        let boleto = self.boletos.get(&enrollment.boleto)?.boleto.clone();
        Some(DueRow { enrollment, boleto })
    }

    /// Returns a contact with the sends that count.
    fn contact(&self, contact: ContactId, since: Timestamp) -> Option<Contact> {
        let mut known = self.contacts.get(&contact)?.contact.clone();
        known.sends = self
            .counted_sends()
            .filter(|(of, send)| *of == contact && send.at >= since)
            .map(|(_, send)| send)
            .collect();
        known.sends.sort_by_key(|send| send.at);
        Some(known)
    }

    /// Walks the sends that were not given back.
    fn counted_sends(&self) -> impl Iterator<Item = (ContactId, PastSend)> {
        self.attempts
            .values()
            .filter(|row| {
                let outcome = row.settled.as_ref().map(|settled| &settled.outcome);
                outcome.is_none_or(|outcome| outcome.counts())
            })
            .map(|row| (row.claim.contact, row.claim.as_send()))
    }

    fn tallies(&self, now: Timestamp) -> Vec<TallyRow> {
        let since = now.plus_ms(-self.settings.tenant.rules.tally_lookback_ms() - MINUTE_MS);
        let mut sums: BTreeMap<(CampaignId, i64), u32> = BTreeMap::new();
        let messages = self.counted_sends().filter(|(_, send)| !send.merged);
        for (_, send) in messages.filter(|(_, send)| send.at >= since) {
            let minute = send.at.unix_ms().div_euclid(MINUTE_MS);
            *sums.entry((send.campaign, minute)).or_default() += 1;
        }
        let row = |((campaign, minute), sends)| TallyRow {
            campaign,
            minute_at: Timestamp::from_unix_ms(minute * MINUTE_MS),
            sends,
        };
        sums.into_iter().map(row).collect()
    }

    fn likeliest_zone(&self, contact: ContactId) -> Tz {
        let zones = self.contacts.get(&contact).map(|row| &row.contact.zones);
        zones
            .and_then(|zones| zones.first().copied())
            .unwrap_or(Tz::America__Sao_Paulo)
    }

    fn candidates(
        &self,
        after: i64,
        limit: usize,
        wanted: impl Fn(&BoletoRow) -> bool,
    ) -> SweepPage {
        let open: Vec<&BoletoRow> = self
            .boletos
            .values()
            .filter(|row| row.boleto.id.0 > after)
            .filter(|row| self.may_be_reminded(row.boleto.id, row.contact) && wanted(row))
            .take(limit + 1)
            .collect();
        let last = open.len() <= limit;
        let page = &open[..open.len().min(limit)];
        let candidate = |row: &&BoletoRow| Candidate {
            boleto: row.boleto.id,
            contact: row.contact,
            due_on: row.boleto.due_on,
            amount_centavos: row.boleto.amount_centavos,
            zone: self.likeliest_zone(row.contact),
        };
        SweepPage {
            candidates: page.iter().map(candidate).collect(),
            read_to: page.last().map_or(after, |row| row.boleto.id.0),
            last,
            ..SweepPage::default()
        }
    }

    fn standing(
        &self,
        after: i64,
        limit: usize,
        stopped_too: bool,
        wanted: impl Fn(&EnrollmentRow) -> bool,
    ) -> SweepPage {
        let open: Vec<&EnrollmentRow> = self
            .enrollments
            .values()
            .filter(|row| row.enrollment.id.0 > after && wanted(row))
            .filter(|row| self.stands(row, stopped_too))
            .take(limit + 1)
            .collect();
        let last = open.len() <= limit;
        let page = &open[..open.len().min(limit)];
        SweepPage {
            standing: page
                .iter()
                .filter_map(|row| self.standing_row(row))
                .collect(),
            read_to: page.last().map_or(after, |row| row.enrollment.id.0),
            last,
            ..SweepPage::default()
        }
    }

    fn stands(&self, row: &EnrollmentRow, stopped_too: bool) -> bool {
        match row.state {
            EnrollmentState::Active => true,
            EnrollmentState::Stopped(_) => stopped_too && self.may_go_on(row),
            EnrollmentState::Finished => false,
        }
    }

    /// Says whether nothing stops an enrollment any more.
    pub(super) fn may_go_on(&self, row: &EnrollmentRow) -> bool {
        if row.state == EnrollmentState::Stopped(StopReason::SetAside) {
            return false;
        }
        let campaigns = &self.settings.campaigns;
        let known = campaigns
            .iter()
            .any(|state| state.campaign.id == row.enrollment.campaign);
        known && self.may_be_reminded(row.enrollment.boleto, row.enrollment.contact)
    }

    fn standing_row(&self, row: &EnrollmentRow) -> Option<Standing> {
        let boleto = &self.boletos.get(&row.enrollment.boleto)?.boleto;
        Some(Standing {
            enrollment: row.enrollment,
            stopped: row.state != EnrollmentState::Active,
            due_on: boleto.due_on,
            amount_centavos: boleto.amount_centavos,
            zone: self.likeliest_zone(row.enrollment.contact),
        })
    }

    fn wakes_at(&self) -> Option<Timestamp> {
        let waiting = self
            .inbox
            .values()
            .any(|row| !row.applied && row.dead.is_none());
        let unsettled = self.attempts.values().any(|row| row.settled.is_none());
        if waiting || unsettled || !self.sweeps.is_empty() {
            return Some(Timestamp::default());
        }
        self.marks().first().map(|mark| mark.next_at)
    }
}
