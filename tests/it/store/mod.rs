//! The conformance suite of the store: one text, both engines.

mod archived;
mod aside;
mod audit;
mod bus;
mod commits;
mod contacts;
mod contract;
mod doors;
mod edits;
mod import_jobs;
mod keys;
mod launch;
mod leases;
mod merged;
mod pages;
mod postgres;
mod privacy;
mod races;
mod reading;
mod reads;
mod rehearsal;
mod reminders;
mod rounds;
mod schema;
mod sqlite;
mod stops;
mod stories;
mod switch;
mod tokens;

/// Runs each case on both engines.
macro_rules! store_suite {
    ($($case:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                tests::database::on(tests::database::Engine::Sqlite, super::$case).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                tests::database::on(tests::database::Engine::Postgres, super::$case).await;
            })*
        }
    };
}

pub(crate) use store_suite;
