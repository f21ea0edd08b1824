//! How the model and a store are looked at.

use actors::machine::input::Sweep;
use actors::ports::{
    CampaignState, Candidate, Contact, DuePage, DueRow, Journal, Mark, PageRequest, Snapshot,
    Standing, SweepPage, TallyRow,
};
use actors::sim::journal::EnrollmentState;
use schedules::cadence::Campaign;
use schedules::id::{BoletoId, EnrollmentId, TenantId};
use schedules::time::{DAY_MS, Timestamp};
use schedules::verdict::PastSend;

use super::ids::Way;
use super::real::Real;
use super::reference::Reference;
use super::view::{
    Look, View, attempt_line, boleto_text, decision_line, enrollment_line, enrolls, fact_line,
    inbox_order, is_recent, page_lines, put_snapshot, ruled_line, sweep_lines,
};

const ALL: EnrollmentId = EnrollmentId(i64::MAX);

fn request(look: &Look, limit: u32) -> PageRequest {
    PageRequest {
        after: Mark {
            next_at: Timestamp::from_unix_ms(0),
            enrollment: EnrollmentId(0),
        },
        until: look.until,
        limit,
        sends_since: look.now.plus_ms(-DAY_MS),
        ahead_ms: DAY_MS / 4,
    }
}

impl Reference {
    pub fn see(&mut self, look: &Look) -> View {
        let mut view = View::default();
        self.journal.now = look.now;
        let tenants: Vec<TenantId> = self.journal.tenants.keys().copied().collect();
        for tenant in tenants {
            self.see_tenant(&mut view, look, tenant);
        }
        for (at, (tenant, sweep)) in look.sweeps.iter().enumerate() {
            let page = self.journal.sweep_page(*tenant, sweep, look.limit);
            let lines = sweep_lines(&page.expect("a page"));
            view.put(*tenant, &format!("sweep {at} {sweep:?}"), lines);
        }
        view
    }

    fn see_tenant(&self, view: &mut View, look: &Look, tenant: TenantId) {
        let mut snapshot = self.journal.load(tenant).expect("a tenant");
        let rows = self.rows(tenant);
        let newest = rows.attempts.values().map(|row| row.claim.at).max();
        snapshot
            .unsettled
            .retain(|claim| is_recent(claim.at, newest));
        put_snapshot(view, look.now, snapshot);
        let enrollments = rows.enrollments.values().map(|row| {
            let (state, reason) = match row.state {
                EnrollmentState::Active => ("active", None),
                EnrollmentState::Stopped(reason) => ("stopped", Some(reason)),
                EnrollmentState::Finished => ("finished", None),
            };
            enrollment_line(row.enrollment, state, reason, row.stopped_by)
        });
        view.put(tenant, "enrollments", enrollments.collect());
        let rulings = rows.rulings.iter().map(ruled_line).collect();
        view.put_sorted(tenant, "decisions", rulings);
        let attempts = rows.attempts.iter().map(|(id, row)| {
            let claim = &row.claim;
            let versions = [
                claim.campaign_version,
                claim.rules_version,
                claim.template_version,
            ];
            let about = (
                (claim.boleto, claim.contact),
                (claim.campaign, claim.template.as_str()),
                claim.channel,
            );
            let outcome = row
                .settled
                .as_ref()
                .map(|one| (one.at, one.outcome.clone()));
            let when = (claim.at, claim.deadline_at, row.epoch, claim.lead);
            attempt_line(*id, &(about, versions.map(i64::from), when, outcome))
        });
        view.put_sorted(tenant, "attempts", attempts.collect());
        self.see_pages(view, look, tenant);
    }

    fn see_pages(&self, view: &mut View, look: &Look, tenant: TenantId) {
        let rows = self.rows(tenant);
        let inbox = self.journal.inbox_page(tenant, u32::MAX).expect("a page");
        let events: Vec<String> = inbox.iter().map(|fact| fact.event_id.clone()).collect();
        let facts = inbox.iter().map(|fact| fact_line(&fact.event_id, fact));
        view.put_sorted(tenant, "inbox", facts.collect());
        view.put(tenant, "inbox order", inbox_order(self, tenant, &events));
        for limit in [look.limit, u32::MAX / 2] {
            let page = self.journal.due_page(tenant, request(look, limit));
            let lines = page_lines(&page.expect("a page"));
            view.put(tenant, &format!("due {limit}"), lines);
        }
        let dead = |row: &&actors::sim::journal::InboxRow| row.dead.is_some();
        let count = rows.inbox.values().filter(dead).count();
        let parked = self.names[&tenant].parked.len();
        view.put(
            tenant,
            "facts",
            vec![format!("{count} dead, {parked} parked")],
        );
        let shards = [rows.shard];
        let mut settled = self.journal.clone();
        let tenants = settled.tenants.values_mut();
        tenants.for_each(|rows| rows.attempts.clear());
        let wakes = settled.look_ahead(&shards, look.until);
        let wakes = has_open_claims(self, tenant)
            .then(Vec::new)
            .unwrap_or(wakes);
        view.put(tenant, "look ahead", vec![format!("{wakes:?}")]);
    }

    /// Returns what is known of the boletos.
    pub fn see_boletos(&self) -> View {
        let mut view = View::default();
        for (tenant, rows) in &self.journal.tenants {
            let lines = rows.boletos.values().map(|row| {
                let status = format!("{:?}", row.status).to_lowercase();
                let out = rows.contacts[&row.contact].opted_out;
                let (text, contact) = (boleto_text(&row.boleto), row.contact);
                format!("{text} {status} {contact} out {out}")
            });
            view.put(*tenant, "boletos", lines.collect());
        }
        view
    }
}

/// Which of a tenant's open claims wake it is the store's own choice: the newest ones do.
fn has_open_claims(model: &Reference, tenant: TenantId) -> bool {
    model
        .rows(tenant)
        .attempts
        .values()
        .any(|row| row.settled.is_none())
}

impl Real {
    pub async fn see(&self, look: &Look, model: &Reference) -> View {
        let mut view = View::default();
        for tenant in model.journal.tenants.keys() {
            self.see_tenant(&mut view, look, *tenant).await;
            self.see_records(&mut view, *tenant).await;
            self.see_pages(&mut view, look, *tenant, model).await;
        }
        for (at, (tenant, sweep)) in look.sweeps.iter().enumerate() {
            let asked = self.ids.to_store().sweep(sweep);
            let page = self.store.sweep_page(*tenant, &asked, look.limit).await;
            let page = sweep_page(self.ids.to_model(), sweep, page.expect("a page"));
            let section = format!("sweep {at} {sweep:?}");
            view.put(*tenant, &section, sweep_lines(&page));
        }
        view
    }

    async fn see_tenant(&self, view: &mut View, look: &Look, tenant: TenantId) {
        let ids = self.ids.to_model();
        let snapshot = self.store.load(tenant).await.expect("a tenant");
        let mut settings = snapshot.settings;
        settings.campaigns = settings
            .campaigns
            .into_iter()
            .map(|state| CampaignState {
                campaign: Campaign {
                    id: ids.campaign(state.campaign.id),
                    ..state.campaign
                },
                ..state
            })
            .collect();
        let tally = |row: &TallyRow| TallyRow {
            campaign: ids.campaign(row.campaign),
            ..*row
        };
        let snapshot = Snapshot {
            settings,
            unsettled: snapshot.unsettled.iter().map(|it| ids.claim(it)).collect(),
            tallies: snapshot.tallies.iter().map(tally).collect(),
            sweeps: snapshot.sweeps.iter().map(|it| ids.sweep(it)).collect(),
        };
        put_snapshot(view, look.now, snapshot);
    }

    async fn see_records(&self, view: &mut View, tenant: TenantId) {
        let (ids, store) = (self.ids.to_model(), &self.store);
        let none = EnrollmentId(0);
        let mut enrollments = store
            .enrollments(tenant, none, 1_000_000)
            .await
            .expect("rows");
        enrollments.sort_by_key(|record| ids.enrollment_id(record.enrollment.id));
        let lines = enrollments.iter().map(|record| {
            let enrollment = ids.enrollment(record.enrollment);
            let by = record.stopped_by.map(|seq| ids.fact(seq));
            enrollment_line(enrollment, &record.state, record.stopped, by)
        });
        view.put(tenant, "enrollments", lines.collect());
        let decisions = store.decisions(tenant, none, ALL).await.expect("rows");
        let lines = decisions.into_iter().map(|one| {
            decision_line(
                format!("{:?} try {}", ids.reminder(one.reminder), one.try_no),
                one.versions,
                (one.decided_at, one.slot_at),
                (one.ruling, one.reason),
                one.rule,
            )
        });
        view.put_sorted(tenant, "decisions", lines.collect());
        let attempts = store.attempts(tenant, none, ALL).await.expect("rows");
        let lines = attempts.into_iter().map(|one| {
            let campaign = ids.campaign(one.campaign);
            let contact = ids.contact(one.contact);
            let about = (
                (ids.boleto(one.boleto), contact),
                (campaign, one.template.as_str()),
                one.channel,
            );
            let lead = one.lead.map(|lead| ids.attempt(lead));
            let when = (one.claimed_at, one.deadline_at, one.epoch, lead);
            attempt_line(
                ids.attempt(one.attempt),
                &(about, one.versions, when, one.outcome),
            )
        });
        view.put_sorted(tenant, "attempts", lines.collect());
    }

    async fn see_pages(&self, view: &mut View, look: &Look, tenant: TenantId, model: &Reference) {
        let ids = self.ids.to_model();
        let inbox = self.inbox(tenant).await;
        let events: Vec<String> = inbox.iter().map(|fact| self.event_id(fact)).collect();
        let facts = inbox.iter().zip(&events).map(|(fact, event_id)| {
            let mut fact = fact.clone();
            fact.body = ids.body(&fact.body);
            fact_line(event_id, &fact)
        });
        view.put_sorted(tenant, "inbox", facts.collect());
        view.put(tenant, "inbox order", inbox_order(model, tenant, &events));
        for limit in [look.limit, u32::MAX / 2] {
            let page = self.store.due_page(tenant, request(look, limit)).await;
            let lines = page_lines(&due_page(ids, page.expect("a page")));
            view.put(tenant, &format!("due {limit}"), lines);
        }
        let facts = self.store.report(tenant).await.expect("figures").facts;
        let (dead, parked) = (facts.of("dead"), facts.of("parked"));
        view.put(
            tenant,
            "facts",
            vec![format!("{dead} dead, {parked} parked")],
        );
        let shards = [model.rows(tenant).shard];
        let wakes = self.store.look_ahead(&shards, look.until).await;
        let wakes = wakes.expect("the database answers");
        let wakes = has_open_claims(model, tenant)
            .then(Vec::new)
            .unwrap_or(wakes);
        view.put(tenant, "look ahead", vec![format!("{wakes:?}")]);
    }

    /// Returns what is known of the boletos.
    pub async fn see_boletos(&self, model: &Reference) -> View {
        let (mut view, ids) = (View::default(), self.ids.to_model());
        for (tenant, rows) in &model.journal.tenants {
            let mut lines = Vec::new();
            for id in rows.boletos.keys() {
                let theirs = self.ids.to_store().boleto(*id);
                let why = self.store.why_boleto(*tenant, theirs).await;
                let mut record = why.expect("the boleto is there").boleto;
                record.boleto.id = ids.boleto(record.boleto.id);
                let (text, status) = (boleto_text(&record.boleto), record.status);
                let contact = ids.contact(record.contact);
                let out = record.opted_out_at.is_some();
                lines.push(format!("{text} {status} {contact} out {out}"));
            }
            view.put(*tenant, "boletos", lines);
        }
        view
    }
}

fn due_page(ids: Way<'_>, page: DuePage) -> DuePage {
    let mark = |mark: Mark| Mark {
        enrollment: ids.enrollment_id(mark.enrollment),
        ..mark
    };
    let send = |send: &PastSend| PastSend {
        boleto: ids.boleto(send.boleto),
        campaign: ids.campaign(send.campaign),
        ..*send
    };
    let of_row = |mut row: DueRow| {
        row.boleto.id = ids.boleto(row.boleto.id);
        DueRow {
            enrollment: ids.enrollment(row.enrollment),
            ..row
        }
    };
    let contacts = page.contacts.into_iter().map(|one| Contact {
        id: ids.contact(one.id),
        sends: one.sends.iter().map(send).collect(),
        ..one
    });
    let mut contacts: Vec<Contact> = contacts.collect();
    contacts.sort_by_key(|one| one.id);
    DuePage {
        rows: page.rows.into_iter().map(of_row).collect(),
        ahead: page.ahead.into_iter().map(of_row).collect(),
        contacts,
        read_to: mark(page.read_to),
        next_after_at: page.next_after_at,
        unreadable: page.unreadable,
    }
}

fn sweep_page(ids: Way<'_>, sweep: &Sweep, page: SweepPage) -> SweepPage {
    let read_to = match enrolls(&sweep.kind) {
        true => ids.boleto(BoletoId(page.read_to)).0,
        false => ids.enrollment_id(EnrollmentId(page.read_to)).0,
    };
    let candidates = page.candidates.into_iter().map(|one| Candidate {
        boleto: ids.boleto(one.boleto),
        contact: ids.contact(one.contact),
        ..one
    });
    let standing = page.standing.into_iter().map(|one| Standing {
        enrollment: ids.enrollment(one.enrollment),
        ..one
    });
    SweepPage {
        candidates: candidates.collect(),
        standing: standing.collect(),
        read_to,
        last: page.last,
        unreadable: page.unreadable,
    }
}
