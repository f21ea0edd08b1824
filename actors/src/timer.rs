//! One timer per node, outside the actors: it wakes tenants at their instants.
//!
//! It knows instants and keys only. A later word about a key replaces the earlier one. A wall
//! clock that is set back is answered with a look-ahead: what was put off by minutes must not wait
//! for hours.

use std::sync::{Arc, Mutex};

use schedules::id::TenantId;
use schedules::time::{SECOND_MS, Timestamp};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::due_queue::DueQueue;
use crate::locked::lock;
use crate::observe::{Activity, Token};

/// How far the wall clock must have been set back to be answered, in milliseconds.
const SET_BACK_MS: i64 = 5 * SECOND_MS;
/// How often the clocks are compared while nothing is due, in milliseconds.
const COMPARE_EVERY_MS: i64 = 30 * SECOND_MS;

/// Who is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// The node looks for tenants with something to do.
    LookAhead,
    /// A tenant looks at what is due.
    Tenant(TenantId),
}

/// The instants at which somebody is woken.
#[derive(Debug)]
pub(crate) struct Timer {
    queue: Mutex<DueQueue<Wake>>,
    changed: Notify,
    activity: Arc<Activity>,
}

impl Timer {
    pub(crate) fn new(activity: Arc<Activity>) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            activity,
        }
    }

    /// Wakes at `at`, whatever was said before; never for `None`.
    pub(crate) fn set(&self, wake: Wake, at: Option<Timestamp>) {
        let mut queue = lock(&self.queue);
        match at {
            Some(at) => queue.put(wake, at),
            None => queue.remove(wake),
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Wakes at `at`, or at the instant already known if that comes first.
    pub(crate) fn bring_forward(&self, wake: Wake, at: Timestamp) {
        let mut queue = lock(&self.queue);
        let at = queue.at(wake).map_or(at, |known| known.min(at));
        queue.put(wake, at);
        drop(queue);
        self.changed.notify_one();
    }

    /// Returns the first instant.
    pub(crate) fn first_at(&self) -> Option<Timestamp> {
        lock(&self.queue).first_at()
    }

    /// Takes out who is due, with a token that was taken before they left.
    fn take_due(&self, now: Timestamp) -> Option<(Token, Vec<Wake>)> {
        let mut queue = lock(&self.queue);
        let due: Vec<Wake> = queue.due(now).collect();
        let token = (!due.is_empty()).then(|| self.activity.token())?;
        due.iter().for_each(|wake| queue.remove(*wake));
        Some((token, due))
    }

    /// Wakes for ever.
    pub(crate) async fn run(&self, clock: &dyn Clock, fire: impl Fn(Wake)) {
        let mut offset_ms = offset_ms(clock);
        loop {
            if let Some((_token, due)) = self.take_due(clock.now()) {
                due.into_iter().for_each(&fire);
                continue;
            }
            let at = self.first_at().unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = self.changed.notified() => {}
                () = clock.wait_until(at) => {}
                () = clock.elapse(COMPARE_EVERY_MS) => {}
            }
            let before_ms = std::mem::replace(&mut offset_ms, self::offset_ms(clock));
            if offset_ms < before_ms - SET_BACK_MS {
                self.bring_forward(Wake::LookAhead, clock.now());
            }
        }
    }
}

fn offset_ms(clock: &dyn Clock) -> i64 {
    clock.now().unix_ms() - clock.monotonic_ms()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::sync::mpsc;

    use super::*;
    use crate::clock::JumpClock;

    const ANA: Wake = Wake::Tenant(TenantId(1));
    const BIA: Wake = Wake::Tenant(TenantId(2));

    fn running(
        clock: &Arc<impl Clock + 'static>,
        activity: &Arc<Activity>,
    ) -> (Arc<Timer>, mpsc::UnboundedReceiver<Wake>) {
        let timer = Arc::new(Timer::new(Arc::clone(activity)));
        let (fired, woken) = mpsc::unbounded_channel();
        let (run, clock) = (Arc::clone(&timer), Arc::clone(clock));
        tokio::spawn(async move {
            run.run(&*clock, |wake| fired.send(wake).expect("a listener"))
                .await;
        });
        (timer, woken)
    }

    #[tokio::test]
    async fn the_latest_word_about_a_tenant_wins() {
        let origin = Timestamp::from_unix_ms(1_000_000);
        let clock = Arc::new(JumpClock::starting_at(origin));
        let activity = Arc::new(Activity::default());
        let (timer, mut woken) = running(&clock, &activity);
        timer.set(ANA, Some(origin.plus_ms(100_000)));
        timer.set(BIA, Some(origin.plus_ms(200_000)));
        timer.set(ANA, Some(origin.plus_ms(300_000)));
        timer.bring_forward(BIA, origin.plus_ms(900_000));
        clock.jump_to(origin.plus_ms(250_000));
        assert_eq!(woken.recv().await, Some(BIA));
        assert_eq!(timer.first_at(), Some(origin.plus_ms(300_000)));
        clock.jump_to(origin.plus_ms(300_000));
        assert_eq!(woken.recv().await, Some(ANA));
        timer.set(ANA, Some(origin.plus_ms(400_000)));
        timer.set(ANA, None);
        assert_eq!(timer.first_at(), None);
    }

    #[test]
    fn who_leaves_the_timer_is_under_way_before() {
        let activity = Arc::new(Activity::default());
        let timer = Timer::new(Arc::clone(&activity));
        timer.set(ANA, Some(Timestamp::from_unix_ms(5)));
        assert!(timer.take_due(Timestamp::from_unix_ms(4)).is_none());
        let (token, due) = timer.take_due(Timestamp::from_unix_ms(5)).expect("due");
        assert_eq!(due, [ANA]);
        assert!(!activity.is_calm(|| true));
        drop(token);
        assert!(activity.is_calm(|| true));
    }

    /// A wall clock that can be set.
    struct SetClock(JumpClock, AtomicI64);

    #[async_trait::async_trait]
    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            self.0.now().plus_ms(self.1.load(Ordering::SeqCst))
        }

        fn monotonic_ms(&self) -> i64 {
            self.0.monotonic_ms()
        }

        async fn wait_until(&self, at: Timestamp) {
            self.0.wait_until(at).await;
        }
    }

    #[tokio::test]
    async fn a_wall_clock_that_was_set_back_makes_the_node_look_around() {
        let origin = Timestamp::from_unix_ms(1_000_000_000);
        let clock = JumpClock::starting_at(origin);
        let clock = Arc::new(SetClock(clock, AtomicI64::new(0)));
        let activity = Arc::new(Activity::default());
        let (timer, mut woken) = running(&clock, &activity);
        timer.set(Wake::LookAhead, Some(origin.plus_ms(60_000)));
        tokio::task::yield_now().await;
        clock.1.store(-3_600_000, Ordering::SeqCst);
        timer.set(ANA, Some(origin.plus_ms(60_000)));
        assert_eq!(woken.recv().await, Some(Wake::LookAhead));
    }
}
