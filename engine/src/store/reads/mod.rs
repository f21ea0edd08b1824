//! What people read page by page: each list in the order of an index, each page bounded.
//!
//! A page begins after a key, never after a number of rows: what is added while somebody turns the
//! pages moves nothing. Rows that were there when the first page was read are on one page each.

mod ahead;
mod attempts;
mod audit;
mod boletos;
mod campaigns;
mod contacts;
mod enrollments;
mod histories;
mod secret;
mod settings;
mod tags;
mod templates;
mod tenants;

#[cfg(test)]
mod plans;

pub use ahead::{Ahead, AheadKey, AheadPage};
pub use attempts::{AttemptKey, AttemptsOf};
pub use audit::{AuditKey, AuditOf, AuditRow, SealRow};
pub use boletos::{BoletoKey, BoletoRow, BoletosOf};
pub use campaigns::{CampaignRow, CampaignVersionRow};
pub use contacts::ContactRow;
pub use enrollments::EnrollmentsOf;
pub use histories::History;
pub use secret::PageSecret;
pub use tags::{Tag, Tagged};
pub use templates::{TemplateKey, TemplateRow, TemplateVersionKey};
pub use tenants::TenantRow;

pub(super) use contacts::one as contact;
pub(super) use secret::Kept;
pub(super) use tags::{campaign_tag, expect};

/// How many rows a page looks at, at the most, when its filter may pass over many.
const LOOKED_AT_MAX: u32 = 1_000;

/// Where a page begins, and how long it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask<K> {
    /// The key of the last row of the page before.
    pub after: Option<K>,
    /// The most rows of the page, at least one.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, K> {
    /// The rows. Behind a filter that passes over many there may be few of them, or none, and yet
    /// a next page.
    pub items: Vec<T>,
    /// Where the next page begins; nothing when the list ends here.
    pub next: Option<K>,
}

impl<K> Ask<K> {
    /// Returns how many rows are read: one more than is shown tells whether more follow.
    fn reads(&self, is_filtered: bool) -> u32 {
        let limit = self.limit.saturating_add(1);
        if is_filtered {
            limit.max(LOOKED_AT_MAX)
        } else {
            limit
        }
    }

    /// Makes a page of the rows that were read, up to `reads` of them, in order.
    fn page<T>(&self, reads: u32, rows: Vec<(K, T)>, shows: impl Fn(&T) -> bool) -> Page<T, K> {
        let may_go_on = rows.len() >= reads as usize;
        let (mut items, mut last) = (Vec::new(), None);
        for (key, item) in rows {
            if items.len() >= self.limit as usize {
                return Page { items, next: last };
            }
            if shows(&item) {
                items.push(item);
            }
            last = Some(key);
        }
        let next = last.filter(|_| may_go_on);
        Page { items, next }
    }
}

impl<T, K> Page<T, K> {
    /// Returns the page with its rows in another shape.
    pub fn map<U>(self, shape: impl FnMut(T) -> U) -> Page<U, K> {
        Page {
            items: self.items.into_iter().map(shape).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns the pages of `0..rows` that are multiples of `of`, and returns what they show.
    fn turned(rows: u32, limit: u32, of: u32) -> (Vec<u32>, u32) {
        let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let ask = Ask { after, limit };
            let reads = ask.reads(of > 1);
            let first = ask.after.map_or(0, |it| it + 1);
            let read = (first..rows).take(reads as usize).map(|it| (it, it));
            let page = ask.page(reads, read.collect(), |it| it % of == 0);
            assert!(page.items.len() <= limit as usize);
            seen.extend(page.items);
            pages += 1;
            after = page.next;
            if after.is_none() {
                return (seen, pages);
            }
        }
    }

    #[test]
    fn the_pages_together_show_every_row_once() {
        for rows in [0, 1, 2, 3, 4, 999, 1_000, 1_001, 2_500] {
            for limit in [1, 2, 200] {
                for of in [1, 2, 700, 9_999] {
                    let expected: Vec<u32> = (0..rows).filter(|it| it % of == 0).collect();
                    let (seen, _) = turned(rows, limit, of);
                    assert_eq!(seen, expected, "{rows} rows, {limit} a page, 1 of {of}");
                }
            }
        }
    }

    #[test]
    fn a_page_ends_the_list_when_nothing_follows_and_looks_at_no_more_than_it_may() {
        assert_eq!(turned(4, 2, 1), ((0..4).collect(), 2));
        assert_eq!(turned(5, 2, 1), ((0..5).collect(), 3));
        // Of 2,500 rows one is shown, and three pages looked at a thousand each.
        assert_eq!(turned(2_500, 200, 9_999), (vec![0], 3));
    }
}
