//! The simulated journal keeps the contract of the ports, and a seed is a whole run.

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::draw::Draw;
use super::journal::{Accepted, BoletoStatus, DoorEvent, EnrollmentState, SimJournal};
use super::rng::Rng;
use super::*;
use crate::lease::NodeId;
use crate::machine::input::FactBody;
use crate::ports::{Commit, Fence, JournalError, ShardId};

const TENANT: TenantId = TenantId(1);

/// A world that has been played, with rows of every kind.
fn played(seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let draw = Draw::new(&mut rng, Some(Mode::Liveness));
    let mut world = World::new(rng, draw, None);
    world.play();
    world
}

fn event(event_id: &str, at_ms: i64, body: FactBody) -> DoorEvent {
    DoorEvent {
        event_id: event_id.to_owned(),
        occurred_at: Timestamp::from_unix_ms(at_ms),
        body,
        write: None,
    }
}

/// Finds a played journal with an active enrollment of the first tenant.
fn journal() -> (SimJournal, crate::ports::Enrollment) {
    let found = (0..50).find_map(|seed| {
        let journal = played(seed).journal;
        let rows = journal.tenants.get(&TENANT)?;
        let mut active = rows
            .enrollments
            .values()
            .filter(|row| row.state == EnrollmentState::Active);
        let enrollment = active.next()?.enrollment;
        Some((journal, enrollment))
    });
    found.expect("a run that ends with an active enrollment")
}

#[test]
fn a_seed_plays_the_same_twice() {
    for seed in 0..20 {
        let (one, other) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!(
            (one.hash, one.events),
            (other.hash, other.events),
            "seed {seed}"
        );
        assert!(one.events > 100, "seed {seed} had {} events", one.events);
    }
}

#[test]
fn seeds_differ() {
    let hashes: std::collections::BTreeSet<u64> = (0..20)
        .map(|seed| run(seed, Options::default()).hash)
        .collect();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn a_stop_counts_once_and_an_older_word_does_not_take_it_back() {
    let (mut journal, enrollment) = journal();
    let boleto = enrollment.boleto;
    let far_ms = Timestamp::from_unix_ms(journal.now.unix_ms())
        .plus_ms(1_000)
        .unix_ms();
    let paid = event("paid", far_ms, FactBody::BoletoPaid { boleto });
    assert!(matches!(
        journal.accept(TENANT, &paid, 0),
        Ok(Accepted::New(_))
    ));
    assert_eq!(journal.accept(TENANT, &paid, 0), Ok(Accepted::Duplicate));
    let older = event("older", far_ms - 1, FactBody::BoletoReopened { boleto });
    assert!(matches!(
        journal.accept(TENANT, &older, 0),
        Ok(Accepted::Stale(_))
    ));
    let rows = &journal.tenants[&TENANT];
    assert_eq!(rows.boletos[&boleto].status, BoletoStatus::Paid);
    let state = rows.enrollments[&enrollment.id].state;
    assert!(matches!(state, EnrollmentState::Stopped(_)));
    let newer = event("newer", far_ms, FactBody::BoletoReopened { boleto });
    assert!(matches!(
        journal.accept(TENANT, &newer, 0),
        Ok(Accepted::New(_))
    ));
    assert_eq!(
        journal.tenants[&TENANT].boletos[&boleto].status,
        BoletoStatus::Open
    );
}

#[test]
fn a_commit_leaves_out_what_a_stop_has_ended() {
    let (mut journal, enrollment) = journal();
    let shard = journal.tenants[&TENANT].shard;
    let contact = enrollment.contact;
    let channel = None;
    let out = event(
        "out",
        i64::MAX,
        FactBody::ContactOptedOut {
            contact,
            also: Vec::new(),
            channel,
        },
    );
    journal.accept(TENANT, &out, 0).expect("accepted");
    let epoch = journal.leases[&shard].epoch;
    let moved = crate::machine::change::Moved {
        enrollment: enrollment.id,
        to: crate::ports::Cursor::default(),
    };
    let mut commit = Commit {
        tenant: TENANT,
        fence: Fence { shard, epoch },
        at: journal.now,
        changes: vec![crate::machine::change::Change::Moved(moved)],
    };
    let committed = journal.commit(&commit).expect("committed");
    assert_eq!(committed.refused, [enrollment.id]);
    let kept = journal.tenants[&TENANT].enrollments[&enrollment.id].enrollment;
    assert_eq!(kept.cursor, enrollment.cursor);
    commit.fence.epoch -= 1;
    assert_eq!(journal.commit(&commit), Err(JournalError::Fenced));
}

#[test]
fn a_lease_is_renewed_by_its_owner_and_taken_over_after_its_end() {
    let mut journal = SimJournal::default();
    let (one, other) = (NodeId("one".to_owned()), NodeId("other".to_owned()));
    let shard = ShardId(1);
    let epoch = |fence: Option<Fence>| fence.map(|fence| fence.epoch);
    assert_eq!(epoch(journal.take_or_renew(&one, shard, 10)), Some(1));
    assert_eq!(epoch(journal.take_or_renew(&other, shard, 10)), None);
    assert_eq!(epoch(journal.take_or_renew(&one, shard, 10)), Some(1));
    journal.now = journal.now.plus_ms(11);
    assert_eq!(epoch(journal.take_or_renew(&other, shard, 10)), Some(2));
    journal.release(&other, Fence { shard, epoch: 1 });
    assert_eq!(epoch(journal.take_or_renew(&one, shard, 10)), None);
    journal.release(&other, Fence { shard, epoch: 2 });
    assert_eq!(epoch(journal.take_or_renew(&one, shard, 10)), Some(3));
}

#[test]
fn a_page_of_due_enrollments_goes_on_where_the_last_one_ended() {
    let (journal, _) = journal();
    let mut after = crate::ports::Mark {
        next_at: Timestamp::from_unix_ms(i64::MIN),
        enrollment: schedules::id::EnrollmentId(i64::MIN),
    };
    let request = |after, limit| crate::ports::PageRequest {
        after,
        until: Timestamp::from_unix_ms(i64::MAX - 1),
        limit,
        sends_since: Timestamp::default(),
        ahead_ms: 0,
    };
    let whole = journal
        .due_page(TENANT, request(after, 1_000))
        .expect("a page");
    assert_eq!(whole.next_after_at, None);
    let mut one_by_one = Vec::new();
    loop {
        let page = journal.due_page(TENANT, request(after, 1)).expect("a page");
        one_by_one.extend(page.rows.iter().map(|row| row.enrollment.id));
        after = page.read_to;
        if page.next_after_at.is_none() {
            break;
        }
    }
    let ids: Vec<_> = whole.rows.iter().map(|row| row.enrollment.id).collect();
    assert_eq!(one_by_one, ids);
    assert!(!ids.is_empty());
}
