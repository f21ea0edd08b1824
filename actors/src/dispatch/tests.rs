//! What goes out, in which turn, and what a stop still meets.

mod merged;

use std::sync::Weak;

use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId};
use schedules::template::{Approved, Rendered, Template};
use schedules::time::Timestamp;

use super::*;
use crate::fake::{ORIGIN, World};
use crate::lease::Trust;
use crate::ports::{Fence, ShardId};

const TENANT: TenantId = TenantId(1);
/// Lives of its owner.
const BEFORE: u64 = 1;
const NOW: u64 = 2;

/// A dispatcher in the fake world, and the outcomes it brought home.
struct Desk {
    world: Arc<World>,
    dispatcher: Arc<Dispatcher>,
    activity: Arc<Activity>,
    tenure: Arc<Tenure>,
    home: Arc<Outcomes>,
}

#[derive(Default)]
struct Outcomes(Mutex<Vec<(TenantId, Returned)>>);

impl Home for Outcomes {
    fn returned(&self, tenant: TenantId, returned: Vec<Returned>) {
        let returned = returned.into_iter().map(|one| (tenant, one));
        lock(&self.0).extend(returned);
    }
}

fn desk(limits: DispatchLimits) -> Desk {
    let world = World::new();
    let activity = Arc::new(Activity::default());
    let dispatcher = Arc::new(Dispatcher::new(
        limits,
        Arc::clone(&world) as _,
        Arc::clone(&world.clock) as _,
        Handle::current(),
        Arc::clone(&activity),
    ));
    let home = Arc::new(Outcomes::default());
    let at: Weak<Outcomes> = Arc::downgrade(&home);
    dispatcher.settle_at(at);
    let fence = Fence {
        shard: ShardId(0),
        epoch: 1,
    };
    let trust = Trust {
        fence,
        until_mono_ms: i64::MAX,
    };
    Desk {
        world,
        dispatcher,
        activity,
        tenure: Arc::new(Tenure::new(trust)),
        home,
    }
}

impl Desk {
    fn message(&self, tenant: TenantId, id: i64) -> Arc<HandOver> {
        let reminder = ReminderId {
            enrollment: EnrollmentId(id),
            step_no: 0,
            occurrence: 0,
        };
        Arc::new(HandOver {
            attempt: AttemptId {
                reminder,
                try_no: 0,
            },
            tenant,
            boleto: BoletoId(id),
            companions: Vec::new(),
            contact: ContactId(id),
            campaign: CampaignId(1),
            channel: Channel::Sms,
            provider: "mailbox".into(),
            to: "+5511987654321".into(),
            template: Arc::new(Template {
                code: "lembrete".into(),
                channel: Channel::Sms,
                version: 1,
                subject: None,
                body: "Vence hoje.".into(),
                variables: Vec::new(),
                ttl_ms: 0,
                approved: Approved::default(),
            }),
            rendered: Rendered {
                subject: None,
                body: "Vence hoje.".into(),
                parameters: Vec::new(),
                buttons: Vec::new(),
            },
            deadline_at: self.world.clock.now().plus_ms(60_000),
        })
    }

    fn announce(&self, messages: &[Arc<HandOver>]) -> Announced {
        self.announce_in(NOW, messages)
    }

    fn announce_in(&self, life: u64, messages: &[Arc<HandOver>]) -> Announced {
        self.dispatcher
            .announce(&self.tenure, life, messages.iter().cloned())
    }

    fn send(&self, messages: &[Arc<HandOver>]) {
        let durable = messages.iter().map(|message| message.attempt).collect();
        self.announce(messages).release(&durable);
    }

    fn send_one(&self, id: i64) -> Arc<HandOver> {
        let message = self.message(TENANT, id);
        self.send(std::slice::from_ref(&message));
        message
    }

    fn mood(&self, change: impl FnOnce(&mut crate::fake::GatewayMood)) {
        self.world.with(|state| change(&mut state.gateway));
    }

    async fn connecting(&self, count: usize) {
        self.world
            .until(|state| (state.connecting.len() == count).then_some(()))
            .await;
    }

    async fn on_the_wire(&self, count: usize) {
        self.world
            .until(|state| (state.wire.len() == count).then_some(()))
            .await;
    }

    /// Waits until everything came back, and returns the outcomes.
    async fn outcomes(&self) -> Vec<(i64, Outcome)> {
        self.activity.calm(|| true).await;
        let outcomes = std::mem::take(&mut *lock(&self.home.0));
        let keyed =
            |(_, one): (TenantId, Returned)| (one.attempt.reminder.enrollment.0, one.outcome);
        outcomes.into_iter().map(keyed).collect()
    }

    fn wire_len(&self) -> usize {
        self.world.with(|state| state.wire.len())
    }
}

fn abandoned(why: Abandoned) -> Outcome {
    Outcome::Abandoned { why }
}

fn boleto(id: i64) -> Subject {
    Subject::Boleto(BoletoId(id))
}

#[tokio::test]
async fn a_stop_between_the_commit_of_a_claim_and_its_release_still_meets_the_message() {
    let desk = desk(DispatchLimits::default());
    let messages = [desk.message(TENANT, 1), desk.message(TENANT, 2)];
    let announced = desk.announce(&messages);
    // The claims are durable by now; their owner has not heard of it.
    assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(1)), 0);
    let durable = messages.iter().map(|message| message.attempt).collect();
    announced.release(&durable);
    let outcomes = desk.outcomes().await;
    assert!(
        outcomes.contains(&(1, abandoned(Abandoned::Stopped))),
        "{outcomes:?}"
    );
    assert_eq!(outcomes.len(), 2);
    assert_eq!(desk.wire_len(), 1);
}

#[tokio::test]
async fn what_was_not_committed_is_forgotten_without_an_outcome() {
    let desk = desk(DispatchLimits::default());
    let messages = [desk.message(TENANT, 1), desk.message(TENANT, 2)];
    desk.announce(&messages)
        .release(&BTreeSet::from([messages[1].attempt]));
    drop(desk.announce(&[desk.message(TENANT, 3)]));
    let outcomes = desk.outcomes().await;
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].0, 2);
    assert_eq!(desk.dispatcher.in_flight(TENANT), 0);
}

#[tokio::test]
async fn an_outdated_owner_hides_no_message_of_the_present_one_from_a_stop() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.connects_slowly = true);
    let sent = desk.send_one(1);
    desk.connecting(1).await;
    // The former owner thaws, decides the same claim from what it remembers, and is ended.
    drop(desk.announce_in(BEFORE, &[desk.message(TENANT, 1)]));
    assert_eq!(
        desk.dispatcher.inherit(TENANT, NOW),
        BTreeSet::from([sent.attempt])
    );
    assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(1)), 0);
    desk.mood(|mood| mood.connects_slowly = false);
    assert_eq!(desk.outcomes().await, [(1, abandoned(Abandoned::Stopped))]);
    assert_eq!(desk.wire_len(), 0);
}

#[tokio::test]
async fn a_new_life_of_the_owner_inherits_what_was_released_only() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.connects_slowly = true);
    let sent = desk.send_one(1);
    let announced = desk.message(TENANT, 2);
    let of_a_frozen_owner = desk.announce_in(BEFORE, std::slice::from_ref(&announced));
    assert_eq!(
        desk.dispatcher.inherit(TENANT, NOW),
        BTreeSet::from([sent.attempt])
    );
    // The former owner thaws: nothing of its claim may go out, and the new one hears that.
    of_a_frozen_owner.release(&BTreeSet::from([announced.attempt]));
    desk.mood(|mood| mood.connects_slowly = false);
    let outcomes = desk.outcomes().await;
    assert_eq!(outcomes[0], (2, abandoned(Abandoned::TooLate)));
    assert_eq!(
        outcomes.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(desk.wire_len(), 1);
}

#[tokio::test]
async fn an_outdated_owner_replaces_and_forgets_nothing_that_the_present_one_announced() {
    let desk = desk(DispatchLimits::default());
    let message = desk.message(TENANT, 1);
    let outdated = desk.announce_in(BEFORE, &[desk.message(TENANT, 1)]);
    let present = desk.announce_in(NOW, std::slice::from_ref(&message));
    drop(outdated);
    drop(desk.announce_in(BEFORE, &[desk.message(TENANT, 1)]));
    assert_eq!(desk.dispatcher.inherit(TENANT, BEFORE).len(), 1);
    assert_eq!(desk.dispatcher.in_flight(TENANT), 1);
    present.release(&BTreeSet::from([message.attempt]));
    let outcomes = desk.outcomes().await;
    assert!(matches!(outcomes[..], [(1, Outcome::Accepted { .. })]));
}

#[tokio::test]
async fn a_message_that_waits_for_its_turn_is_taken_back_at_once() {
    let limits = DispatchLimits {
        total_max: 1,
        ..DispatchLimits::default()
    };
    let desk = desk(limits);
    desk.mood(|mood| mood.answers_slowly = true);
    desk.send(&[
        desk.message(TENANT, 1),
        desk.message(TENANT, 2),
        desk.message(TENANT, 3),
    ]);
    desk.on_the_wire(1).await;
    assert_eq!(
        desk.dispatcher
            .withdraw(TENANT, Subject::Contact(ContactId(2))),
        0
    );
    let back: Vec<_> = lock(&desk.home.0)
        .iter()
        .map(|(_, one)| one.outcome.clone())
        .collect();
    assert_eq!(back, [abandoned(Abandoned::Stopped)]);
    desk.mood(|mood| mood.answers_slowly = false);
    assert_eq!(desk.outcomes().await.len(), 3);
    assert_eq!(desk.wire_len(), 2);
}

#[tokio::test]
async fn a_message_that_was_taken_from_its_queue_does_not_begin_after_a_stop() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.connects_slowly = true);
    desk.send_one(1);
    desk.connecting(1).await;
    assert_eq!(desk.dispatcher.withdraw(TENANT, Subject::Tenant), 0);
    desk.mood(|mood| mood.connects_slowly = false);
    assert_eq!(desk.outcomes().await, [(1, abandoned(Abandoned::Stopped))]);
    assert_eq!(desk.wire_len(), 0);
}

#[tokio::test]
async fn a_hand_over_that_has_begun_is_counted_until_it_comes_back() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.answers_slowly = true);
    desk.send_one(1);
    desk.on_the_wire(1).await;
    assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(1)), 1);
    assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(2)), 0);
    desk.mood(|mood| mood.answers_slowly = false);
    let outcomes = desk.outcomes().await;
    assert!(matches!(outcomes[..], [(1, Outcome::Accepted { .. })]));
    assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(1)), 0);
}

#[tokio::test]
async fn after_its_deadline_a_hand_over_does_not_begin() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.connects_slowly = true);
    let message = desk.send_one(1);
    desk.connecting(1).await;
    desk.world.clock.jump_to(message.deadline_at);
    desk.mood(|mood| mood.connects_slowly = false);
    assert_eq!(desk.outcomes().await, [(1, abandoned(Abandoned::TooLate))]);
    assert_eq!(desk.wire_len(), 0);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_back_gives_no_more_time() {
    let desk = desk(DispatchLimits::default());
    let clock = SetBackClock(AtomicBool::new(false));
    let ticket = Ticket::new(desk.message(TENANT, 1), Arc::clone(&desk.tenure), &clock);
    assert_eq!(ticket.barred(&clock, false), None);
    clock.0.store(true, Ordering::SeqCst);
    assert_eq!(ticket.barred(&clock, false), Some(Abandoned::TooLate));
}

/// A minute later by its monotonic clock, an hour earlier by its wall clock.
struct SetBackClock(AtomicBool);

#[async_trait::async_trait]
impl Clock for SetBackClock {
    fn now(&self) -> Timestamp {
        let back_ms = if self.0.load(Ordering::SeqCst) {
            3_600_000
        } else {
            0
        };
        ORIGIN.plus_ms(-back_ms)
    }

    fn monotonic_ms(&self) -> i64 {
        if self.0.load(Ordering::SeqCst) {
            61_000
        } else {
            0
        }
    }

    async fn wait_until(&self, _at: Timestamp) {}
}

#[tokio::test]
async fn under_a_lost_or_leaving_lease_a_hand_over_does_not_begin() {
    for (end, why) in [
        (Tenure::end as fn(&Tenure), Abandoned::TrustLost),
        (Tenure::leave, Abandoned::Draining),
    ] {
        let desk = desk(DispatchLimits::default());
        desk.mood(|mood| mood.connects_slowly = true);
        desk.send_one(1);
        desk.connecting(1).await;
        end(&desk.tenure);
        desk.mood(|mood| mood.connects_slowly = false);
        assert_eq!(desk.outcomes().await, [(1, abandoned(why))]);
        // Nor is one taken up.
        desk.send_one(2);
        assert_eq!(desk.outcomes().await, [(2, abandoned(why))]);
        assert_eq!(desk.wire_len(), 0);
    }
}

#[tokio::test]
async fn a_draining_dispatcher_gives_back_what_has_not_begun() {
    let limits = DispatchLimits {
        total_max: 1,
        ..DispatchLimits::default()
    };
    let desk = desk(limits);
    desk.mood(|mood| mood.answers_slowly = true);
    desk.send(&[desk.message(TENANT, 1), desk.message(TENANT, 2)]);
    desk.on_the_wire(1).await;
    desk.dispatcher.drain();
    desk.send_one(3);
    desk.mood(|mood| mood.answers_slowly = false);
    let mut outcomes = desk.outcomes().await;
    outcomes.sort_by_key(|(id, _)| *id);
    assert!(matches!(outcomes[0], (1, Outcome::Accepted { .. })));
    let draining = abandoned(Abandoned::Draining);
    assert_eq!(outcomes[1..], [(2, draining.clone()), (3, draining)]);
}

#[tokio::test]
async fn what_began_and_never_answered_is_unknown() {
    let limits = DispatchLimits {
        hand_over_ms: 20,
        ..DispatchLimits::default()
    };
    let desk = desk(limits);
    desk.mood(|mood| mood.answers_slowly = true);
    desk.send_one(1);
    assert_eq!(desk.outcomes().await, [(1, Outcome::Unknown)]);
    // What has not begun in that time was certainly not sent.
    desk.mood(|mood| mood.connects_slowly = true);
    desk.send_one(2);
    assert_eq!(desk.outcomes().await, [(2, Outcome::Unavailable)]);
    assert_eq!(desk.wire_len(), 1);
}

#[tokio::test]
async fn a_gateway_that_panics_leaves_the_outcome_unknown_and_the_way_free() {
    let limits = DispatchLimits {
        total_max: 1,
        ..DispatchLimits::default()
    };
    let desk = desk(limits);
    desk.mood(|mood| mood.panics = true);
    desk.send_one(1);
    assert_eq!(desk.outcomes().await, [(1, Outcome::Unknown)]);
    desk.mood(|mood| mood.panics = false);
    desk.send_one(2);
    assert!(matches!(
        desk.outcomes().await[..],
        [(2, Outcome::Accepted { .. })]
    ));
}

#[tokio::test]
async fn a_message_is_handed_over_once_even_if_the_gateway_asks_twice() {
    let desk = desk(DispatchLimits::default());
    let clock = &*desk.world.clock;
    let ticket = Ticket::new(desk.message(TENANT, 1), Arc::clone(&desk.tenure), clock);
    assert!(ticket.begin());
    assert!(!ticket.begin());
    assert!(!ticket.withdraw());
}

#[tokio::test]
async fn ten_messages_are_not_starved_by_ten_thousand() {
    let limits = DispatchLimits {
        total_max: 4,
        ..DispatchLimits::default()
    };
    let desk = desk(limits);
    let (noisy, quiet) = (TenantId(8), TenantId(9));
    desk.mood(|mood| mood.answers_slowly = true);
    let many: Vec<_> = (0..10_000).map(|id| desk.message(noisy, id)).collect();
    desk.send(&many);
    let few: Vec<_> = (0..10).map(|id| desk.message(quiet, id)).collect();
    desk.send(&few);
    desk.mood(|mood| mood.answers_slowly = false);
    desk.outcomes().await;
    let last = desk.world.with(|state| {
        state
            .wire
            .iter()
            .rposition(|(tenant, _)| *tenant == quiet)
            .expect("sent")
    });
    // Four were under way before the others came; then they take turns, give or take a flight.
    assert!(last < 4 + 2 * 10 + 4, "the last of ten was number {last}");
    assert_eq!(desk.wire_len(), 10_010);
}

#[tokio::test]
async fn a_provider_gets_no_more_at_once_than_its_share_and_does_not_hold_up_another() {
    let limits = DispatchLimits {
        total_max: 8,
        per_provider_max: 3,
        ..DispatchLimits::default()
    };
    let desk = desk(limits);
    desk.mood(|mood| mood.answers_slowly = true);
    let to = |provider: &str, id| {
        let message = desk.message(TENANT, id);
        let mut message = Arc::try_unwrap(message).expect("the only one");
        message.provider = provider.into();
        Arc::new(message)
    };
    let slow: Vec<_> = (0..20).map(|id| to("slow", id)).collect();
    desk.send(&slow);
    desk.send(&[to("other", 100), to("other", 101)]);
    desk.on_the_wire(5).await;
    assert_eq!(desk.dispatcher.load(), (17, 5));
    desk.mood(|mood| mood.answers_slowly = false);
    assert_eq!(desk.outcomes().await.len(), 22);
    assert_eq!(desk.dispatcher.load(), (0, 0));
}
