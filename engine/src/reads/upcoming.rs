//! Reminders to come: the planner's walk from where each enrollment stands. No row says them.
//!
//! Rules may still hold or skip each of them when its time comes: that is decided then.

use schedules::cadence::Cadence;
use schedules::calendar::Calendar;
use schedules::id::{BoletoId, CampaignId, ContactId, ReminderId, TenantId};
use schedules::plan::{PlanInput, Touch, condition_met, next_touch};
use schedules::time::Timestamp;

use crate::store::reads::{Ahead, AheadKey, Ask, Page};
use crate::store::{Store, StoreError};

/// How many enrollments are read at once.
const CHUNK: u32 = 50;
/// How many of them a page looks at, at the most.
const LOOKED_AT_MAX: u32 = 200;

/// A reminder to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The reminder.
    pub reminder: ReminderId,
    /// Its boleto.
    pub boleto: BoletoId,
    /// Its contact.
    pub contact: ContactId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// When the engine looks at it: its slot, or the end of what holds it.
    pub at: Timestamp,
    /// When the step falls.
    pub slot_at: Timestamp,
    /// From this instant on it is not sent any more.
    pub expires_at: Timestamp,
}

/// The enrollment, and of its touches the place of the last one that was shown: its slot, whether
/// its step falls once, and the step.
pub type UpcomingKey = (AheadKey, (i64, bool, u8));

/// Lists the reminders of a tenant that are to come up to `until`, by enrollment, the one that is
/// looked at next first. An enrollment whose touch is sent meanwhile is listed where it then is.
///
/// # Errors
/// [`StoreError`].
pub async fn upcoming(
    store: &Store,
    tenant: TenantId,
    until: Timestamp,
    ask: &Ask<UpcomingKey>,
) -> Result<Page<Upcoming, UpcomingKey>, StoreError> {
    let (mut items, mut last, mut looked_at) = (Vec::new(), ask.after, 0);
    let mut from = last.map_or((i64::MIN, i64::MIN), |(key, _)| key);
    loop {
        let page = store.list_ahead(tenant, from, until, CHUNK).await?;
        for row in &page.rows {
            let Some(cadence) = page.cadences.get(&row.enrollment.campaign) else {
                continue;
            };
            from = (row.next_at.unix_ms(), row.enrollment.id.0);
            for (place, touch) in walk(cadence, &page.calendar, row, until) {
                let key = (from, place);
                if ask.after.is_some_and(|after| key <= after) {
                    continue;
                }
                if items.len() >= ask.limit as usize {
                    return Ok(Page { items, next: last });
                }
                items.push(shown(row, &touch));
                last = Some(key);
            }
            // A walk may be long, and stops are answered on this thread, too.
            tokio::task::yield_now().await;
            // All of its touches are behind the page.
            last = Some((from, (i64::MAX, true, u8::MAX)));
            from.1 += 1;
        }
        looked_at += CHUNK;
        if !page.more || looked_at >= LOOKED_AT_MAX {
            let next = last.filter(|_| page.more);
            return Ok(Page { items, next });
        }
    }
}

/// Returns the touches of an enrollment up to an instant, each with its place, in their order.
fn walk(
    cadence: &Cadence,
    calendar: &Calendar,
    row: &Ahead,
    until: Timestamp,
) -> Vec<((i64, bool, u8), Touch)> {
    let cursor = row.enrollment.cursor;
    let mut input = PlanInput {
        cadence,
        calendar,
        zone: row.zone,
        due_on: row.due_on,
        amount_centavos: row.amount_centavos,
        progress: cursor.progress,
    };
    let (mut touches, mut next) = (Vec::new(), cursor.touch);
    while let Some(touch) = next {
        // The stored touch is to come by its own instant, which a hold may have moved.
        if touch.slot_at > until {
            break;
        }
        // What the verdict will skip counts as not sent, as it will then.
        let meets = condition_met(&input, &touch);
        if meets {
            let step = cadence.step(touch.step_no);
            let once = step.is_none_or(|step| !step.when.is_recurring());
            touches.push(((touch.slot_at.unix_ms(), once, touch.step_no), touch));
        }
        input.progress = input.progress.after(cadence, &touch, meets);
        next = next_touch(&input);
    }
    touches
}

fn shown(row: &Ahead, touch: &Touch) -> Upcoming {
    let enrollment = row.enrollment;
    let is_next = enrollment.cursor.touch == Some(*touch);
    Upcoming {
        reminder: ReminderId {
            enrollment: enrollment.id,
            step_no: touch.step_no,
            occurrence: touch.occurrence,
        },
        boleto: enrollment.boleto,
        contact: enrollment.contact,
        campaign: enrollment.campaign,
        at: if is_next { row.next_at } else { touch.slot_at },
        slot_at: touch.slot_at,
        expires_at: touch.expires_at,
    }
}
