//! How the embedded database walks for a page: along an index, and in its order.

use super::{
    ahead, attempts, audit, boletos, campaigns, contacts, enrollments, histories, settings,
    templates, tenants,
};
use crate::store::sql::{Sql, both};
use crate::store::{SqliteSettings, Store};

/// Statements that walk an index in the order of the page.
const IN_ORDER: [(&str, Sql); 16] = [
    ("tenants", tenants::TENANTS),
    ("campaigns", campaigns::CAMPAIGNS),
    ("campaign", campaigns::CAMPAIGN),
    ("versions of a campaign", campaigns::VERSIONS),
    ("templates", templates::NEWEST),
    ("versions of a template", templates::VERSIONS),
    ("senders", settings::SENDERS),
    ("contacts", contacts::CONTACTS),
    ("boletos", boletos::ALL),
    ("boletos of a contact", boletos::OF_CONTACT),
    ("boletos by due date", boletos::BY_DUE),
    ("boleto by reference", boletos::NAMED),
    ("enrollments", enrollments::ALL),
    ("enrollment", enrollments::ONE),
    ("audit", audit::ROWS),
    ("what is ahead", ahead::AHEAD),
];

/// Statements that sort what an index has found: the few rows of one thing, or those that were
/// claimed at one instant.
const SORTED: [(&str, Sql); 9] = [
    ("newest of a template", templates::NEWEST_OF_CODE),
    ("suppressions", contacts::SUPPRESSED),
    ("enrollments of a boleto", enrollments::OF_BOLETO),
    ("enrollments of a contact", enrollments::OF_CONTACT),
    ("attempts", attempts::ALL),
    ("attempts of an enrollment", attempts::OF_ENROLLMENT),
    ("attempts of a contact", attempts::OF_CONTACT),
    ("attempts of histories", histories::ATTEMPTS),
    ("decisions of histories", histories::DECISIONS),
];

async fn plan(store: &Store, sql: &Sql) -> Vec<String> {
    let text: &'static str = format!("EXPLAIN QUERY PLAN {}", sql.sqlite).leak();
    let rows = store
        .read(async |conn| conn.rows(&both(text), Vec::new()).await)
        .await;
    let rows = rows.expect("a plan").into_iter();
    rows.map(|mut row| {
        for _ in 0..3 {
            row.int().expect("a number");
        }
        row.text().expect("a step")
    })
    .collect()
}

/// Says whether a step reads a whole table. Rows in bulk are read whole, and what a step before it
/// found is.
fn scans(step: &str) -> bool {
    let of = step.strip_prefix("SCAN ");
    let of = of.and_then(|of| of.split(' ').next());
    of.is_some_and(|of| !["jsonb_each", "page", "r"].contains(&of))
}

#[tokio::test]
async fn no_page_is_found_by_a_scan_or_sorted_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_sqlite(&SqliteSettings::at(folder.path())).await;
    let store = store.expect("a store");
    for (name, sql) in IN_ORDER.iter().chain(&SORTED) {
        let steps = plan(&store, sql).await;
        assert!(!steps.is_empty(), "{name}");
        let scan = steps.iter().find(|step| scans(step));
        assert_eq!(scan, None, "{name}: {steps:#?}");
    }
    for (name, sql) in &IN_ORDER {
        let steps = plan(&store, sql).await;
        let sort = steps.iter().find(|step| step.contains("TEMP B-TREE"));
        assert_eq!(sort, None, "{name}: {steps:#?}");
    }
    let all = plan(&store, &attempts::ALL).await;
    let whole = all
        .iter()
        .find(|step| *step == "USE TEMP B-TREE FOR ORDER BY");
    assert_eq!(whole, None, "{all:#?}");
    // The check sees a scan and a sort where there is one.
    let unsorted = both("SELECT actor FROM audit ORDER BY actor");
    let steps = plan(&store, &unsorted).await;
    assert!(steps.iter().any(|step| step.contains("TEMP B-TREE")));
    assert!(scans("SCAN boletos") && !scans("SCAN jsonb_each VIRTUAL TABLE INDEX 1:"));
    store.close().await;
}
