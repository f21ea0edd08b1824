//! Commands that work on a store, beside an engine that may be running on it.

use std::path::Path;

use tempfile::TempDir;

use super::{FAILED, run, runtime};
use crate::store::{SqliteSettings, Store};

/// A store that another process would hold, with its runtime.
struct Held {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
}

impl Held {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = runtime().expect("a runtime");
        let settings = SqliteSettings::at(folder.path());
        let opened = runtime.block_on(Store::open_sqlite(&settings));
        let store = opened.expect("a store");
        Self {
            folder,
            runtime,
            store,
        }
    }
}

fn at(path: &Path) -> String {
    format!("store.path={}", path.display())
}

#[test]
fn why_reads_beside_a_process_that_holds_the_folder() {
    let held = Held::new();
    let setting = at(&held.folder.path().join("regua.db"));
    let migrated = run(&["migrate", "--set", &setting]);
    assert!(migrated.err.contains("[RG-STORE-006]"), "{}", migrated.err);
    let absent = run(&["why", "bol_7", "--set", &setting]);
    assert!(absent.err.contains("[RG-STORE-011]"), "{}", absent.err);
    let absent = run(&["why", "no such reference", "--set", &setting]);
    assert!(absent.err.contains("[RG-STORE-011]"), "{}", absent.err);
    held.runtime.block_on(held.store.close());
}

#[test]
fn a_demo_on_a_folder_of_another_kind_is_refused_before_it_is_touched() {
    let held = Held::new();
    let folder = held.folder.path().to_string_lossy().into_owned();
    let answer = run(&["demo", "--data", &folder]);
    assert_eq!(answer.code, FAILED);
    assert!(answer.err.contains("no demo's"), "{}", answer.err);
    held.runtime.block_on(held.store.close());
}
