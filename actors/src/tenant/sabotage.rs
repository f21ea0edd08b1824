//! Ways for tests to harm an actor where the machine's net does not reach.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use actix::{ActorContext, AsyncContext, Context, Handler, WrapFuture};

use super::TenantActor;
use crate::fake::holds::Point;

#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
pub(crate) enum Sabotage {
    Panic,
    PanicInSpawned,
    Stop,
    /// The actor waits for ever.
    Freeze,
    /// The actor holds its thread until told.
    HoldThread(Receiver<()>),
}

impl TenantActor {
    /// Holds the thread here if a test wants it.
    pub(super) fn pass(&self, point: Point) {
        self.shared.faults.holds.pass(point, self.slot.tenant);
    }
}

impl Handler<Sabotage> for TenantActor {
    type Result = ();

    fn handle(&mut self, how: Sabotage, ctx: &mut Context<Self>) {
        match how {
            Sabotage::Panic => panic!("a planted bug"),
            Sabotage::PanicInSpawned => {
                ctx.spawn(async { panic!("a planted bug") }.into_actor(self));
            }
            Sabotage::Stop => ctx.stop(),
            Sabotage::Freeze => ctx.wait(std::future::pending::<()>().into_actor(self)),
            Sabotage::HoldThread(told) => {
                self.pulse.inside.store(true, Ordering::SeqCst);
                told.recv().unwrap_or_default();
            }
        }
    }
}
