//! Probes: the engine's own messages through the queue of events. Some node's consumer gets each.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::consuming::close;
use super::link::{confirming, publish};
use super::reader::{self, PROBE_KEY};
use super::topology::EVENTS_IN;
use super::{Lost, Node};

/// How often a probe is sent.
const EVERY: Duration = Duration::from_secs(5);

impl Node {
    /// Sends probes, until one is not kept or the node stops.
    pub(super) async fn probe(&self) -> Result<(), Lost> {
        let connection = self.broker.connect(&format!("{} probe", self.name)).await?;
        let ended = async {
            let channel = confirming(&connection).await?;
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while self.unless_stopped(ticks.tick()).await.is_some() {
                let now = self.reception.clock().now();
                let probe = reader::probe(now, self.reception.root());
                publish(&channel, (EVENTS_IN, PROBE_KEY), &[], probe).await?;
            }
            Ok(())
        };
        let ended = ended.await;
        close(connection).await;
        ended
    }
}
