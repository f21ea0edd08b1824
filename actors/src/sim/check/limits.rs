//! I5, I6, I7, I9, I13: caps, cooldowns, windows and slots, on the provider's clock.
//!
//! When the nodes' clocks are off, windows are narrowed by twice the furthest that one may be off:
//! a promise about rolling windows cannot be sharper than the clocks it is kept with.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDateTime, Timelike};
use chrono_tz::Tz;
use schedules::calendar::Calendar;
use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::cooldown::{Cooldown, CooldownAfter};
use schedules::id::{EnrollmentId, TenantId};
use schedules::rule::{Rule, RuleBody, RulePack, ZoneUncertainty};
use schedules::send_window::{SendWindow, Stretch};
use schedules::time::Timestamp;

use super::Found;
use crate::sim::journal::{AttemptRow, TenantRows, Write};
use crate::sim::world::{HandedOver, World};

/// A hand-over with what is known of it.
struct Case<'w> {
    world: &'w World,
    rows: &'w TenantRows,
    row: &'w AttemptRow,
    handed: &'w HandedOver,
    rules: &'w RulePack,
    /// The hand-overs of the tenant that were taken, up to and with this one.
    before: &'w [&'w HandedOver],
    blur_ms: i64,
}

pub(super) fn check(world: &World, found: &mut Found) {
    for (tenant, rows) in &world.journal.tenants {
        let taken: Vec<&HandedOver> = world
            .history
            .handed_over
            .iter()
            .filter(|handed| handed.tenant == *tenant && handed.taken && !handed.residual)
            .collect();
        for (index, handed) in taken.iter().enumerate() {
            let Some(row) = rows.attempts.get(&handed.attempt) else {
                continue;
            };
            let Some(rules) = world.history.rules.get(&(*tenant, row.claim.rules_version)) else {
                found.add(
                    "I11",
                    format!("{} was claimed under unknown rules", handed.attempt),
                );
                continue;
            };
            let case = Case {
                world,
                rows,
                row,
                handed,
                rules,
                before: &taken[..=index],
                blur_ms: 2 * world.draw.faults.skew_ms,
            };
            case.check(found);
        }
        slots_fire_once(*tenant, rows, found);
    }
}

impl Case<'_> {
    fn check(&self, found: &mut Found) {
        // What is not the lead of its message counts for its boleto alone.
        let counts = |rule: &&Rule| match &rule.body {
            RuleBody::Cap(cap) => self.is_message() || cap.scope == CapScope::Boleto,
            RuleBody::Cooldown(_) => self.is_message(),
            _ => true,
        };
        for rule in self
            .rules
            .rules
            .iter()
            .filter(|rule| rule.applies_to(self.handed.channel))
            .filter(counts)
        {
            match &rule.body {
                RuleBody::Cap(cap) => self.cap(cap, found),
                RuleBody::Cooldown(cooldown) => self.cooldown(rule, cooldown, found),
                RuleBody::SendWindow(window) => self.window(window, found),
                _ => {}
            }
        }
        let forward_ms = if self.is_message() {
            0
        } else {
            self.forward_ms()
        };
        let earliest = self.row.claim.touch.slot_at.plus_ms(-forward_ms);
        if self.handed.at.plus_ms(self.blur_ms) < earliest {
            found.add(
                "I9",
                format!("{} came before its slot", self.handed.attempt),
            );
        }
        if self.handed.at.plus_ms(-self.blur_ms) >= self.row.claim.touch.expires_at {
            found.add("I9", format!("{} came after its end", self.handed.attempt));
        }
    }

    fn is_message(&self) -> bool {
        self.handed.lead.is_none()
    }

    /// Returns how far the step may bring a touch forward, by the versions of its campaign that
    /// somebody wrote.
    fn forward_ms(&self) -> i64 {
        let claim = &self.row.claim;
        let written = self
            .world
            .ops
            .iter()
            .filter_map(|op| match &op.event.write {
                Some(Write::Campaign(campaign)) => Some(campaign),
                _ => None,
            });
        let claimed_in = written.filter(|campaign| {
            campaign.id == claim.campaign && campaign.version == claim.campaign_version
        });
        let merges = claimed_in
            .filter_map(|campaign| campaign.cadence.step(claim.touch.step_no)?.merge.as_ref());
        merges
            .map(|merge| merge.within_ms)
            .max()
            .unwrap_or_default()
    }

    fn cap(&self, cap: &Cap, found: &mut Found) {
        let in_scope = |other: &&&HandedOver| match cap.scope {
            CapScope::Boleto => other.boleto == self.handed.boleto,
            _ if other.lead.is_some() => false,
            CapScope::Contact => other.contact == self.handed.contact,
            CapScope::Channel => {
                other.contact == self.handed.contact && other.channel == self.handed.channel
            }
            CapScope::Campaign => other.campaign == self.handed.campaign,
            CapScope::Tenant => true,
        };
        let zone = self.rows.settings.tenant.zone;
        let in_window = |other: &&&HandedOver| match cap.window {
            CapWindow::RollingMs(ms) => other.at > self.handed.at.plus_ms(self.blur_ms - ms),
            CapWindow::TenantDay => same_day(zone, other.at, self.handed.at, self.blur_ms),
        };
        let count = self
            .before
            .iter()
            .filter(in_scope)
            .filter(in_window)
            .count();
        if count > cap.max as usize {
            let invariant = if cap.scope.is_tallied() { "I6" } else { "I5" };
            let key = self.handed.attempt;
            found.add(
                invariant,
                format!("{key} at {} is number {count} of {cap:?}", self.handed.at),
            );
        }
    }

    fn cooldown(&self, rule: &Rule, cooldown: &Cooldown, found: &mut Found) {
        if cooldown.after != CooldownAfter::Send {
            return;
        }
        let earlier = &self.before[..self.before.len() - 1];
        let last = earlier
            .iter()
            .rev()
            .filter(|other| other.lead.is_none())
            .find(|other| other.contact == self.handed.contact && rule.applies_to(other.channel));
        let Some(last) = last else {
            return;
        };
        let apart_ms = self.handed.at.since(last.at);
        if apart_ms + self.blur_ms < cooldown.lasts_ms {
            let (key, lasts_ms) = (self.handed.attempt, cooldown.lasts_ms);
            found.add(
                "I7",
                format!(
                    "{key} came {apart_ms} ms after {} ({lasts_ms})",
                    last.attempt
                ),
            );
        }
    }

    fn window(&self, window: &SendWindow, found: &mut Found) {
        let Some(contact) = self.rows.contacts.get(&self.handed.contact) else {
            return;
        };
        let zones = match self.rules.zone_uncertainty() {
            ZoneUncertainty::EveryZone => &contact.contact.zones[..],
            ZoneUncertainty::LikeliestZone => &contact.contact.zones[..1],
        };
        let calendars = self.world.history.calendars.get(&self.handed.tenant);
        let open_at = |at: Timestamp| {
            let mut calendars = calendars.into_iter().flatten();
            calendars.any(|calendar| {
                zones
                    .iter()
                    .all(|zone| is_open(window, calendar, *zone, at))
            })
        };
        let around = [-self.blur_ms, 0, self.blur_ms];
        if !around
            .iter()
            .any(|blur_ms| open_at(self.handed.at.plus_ms(*blur_ms)))
        {
            let key = self.handed.attempt;
            found.add(
                "I9",
                format!("{key} at {} is outside the window", self.handed.at),
            );
        }
    }
}

fn same_day(zone: Tz, one: Timestamp, other: Timestamp, blur_ms: i64) -> bool {
    let day = other.local_date(zone);
    let near = [-blur_ms, 0, blur_ms];
    near.iter()
        .all(|ms| one.plus_ms(*ms).local_date(zone) == day)
        && near
            .iter()
            .all(|ms| other.plus_ms(*ms).local_date(zone) == day)
}

/// Reads a window off the wall clock, in the simplest way there is.
fn is_open(window: &SendWindow, calendar: &Calendar, zone: Tz, at: Timestamp) -> bool {
    let local = at.local(zone);
    let stretches: &[Stretch] = match calendar.is_holiday(local.date()) {
        true => &window.holidays,
        false => &window.weekdays[local.weekday().num_days_from_monday() as usize],
    };
    let minute = local.hour() * 60 + local.minute();
    let inside =
        |stretch: &Stretch| (u32::from(stretch.from)..u32::from(stretch.until)).contains(&minute);
    stretches.iter().any(inside)
}

/// I13: a reading of the wall clock fires a step once, whether it comes once, twice or never.
fn slots_fire_once(tenant: TenantId, rows: &TenantRows, found: &mut Found) {
    let mut fired: BTreeMap<(EnrollmentId, u8, NaiveDateTime), u32> = BTreeMap::new();
    for (key, row) in &rows.attempts {
        let outcome = row.settled.as_ref().map(|settled| &settled.outcome);
        if outcome.is_some_and(|outcome| !outcome.counts()) {
            continue;
        }
        let contact = rows.contacts.get(&row.claim.contact);
        let Some(zone) = contact.and_then(|row| row.contact.zones.first()) else {
            continue;
        };
        let local = row.claim.touch.slot_at.local(*zone);
        let reminder = key.reminder;
        let slot = (reminder.enrollment, reminder.step_no, local);
        let first = fired.entry(slot).or_insert(reminder.occurrence);
        if *first != reminder.occurrence {
            found.add(
                "I13",
                format!("tenant {tenant}: {reminder} fires again at {local}"),
            );
        }
    }
}
