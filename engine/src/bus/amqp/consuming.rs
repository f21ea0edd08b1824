//! The consumers: of the inbox, and of what was delivered too often.

use std::time::Duration;

use futures::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Connection, Consumer};
use schedules::time::{MINUTE_MS, Timestamp};
use tokio::time::{sleep, timeout};

use super::link::{LinkError, in_time};
use super::reader::{self, Came};
use super::topology::{DEAD, INBOX};
use super::{Lost, Node, State};
use crate::bus::message::Message;
use crate::bus::reception::Became;
use crate::bus::refusal::Refusal;
use crate::bus::taking::BATCH_MAX;
use crate::store::StoreError;

/// How many messages the broker gives out before they are acknowledged. A crash makes all of them
/// come again, and counts against each.
const PREFETCH: u16 = 50;
/// How long nothing may come: not even probes, of which the nodes take turns to get each other's.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How far behind a probe all is known to have been taken: other nodes hold some for a while, and
/// clocks differ.
const MARGIN_MS: i64 = MINUTE_MS;
/// How long the store is left alone that takes nothing. The messages stay with this node: given
/// back, each would count as delivered once more.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A batch, told apart.
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    probed_at: Option<Timestamp>,
    last: Option<Acker>,
}

impl Node {
    /// Takes in what is published, until the link is lost or the node stops.
    pub(super) async fn consume_inbox(&self) -> Result<(), Lost> {
        let connection = self.broker.connect(&self.name).await?;
        let ended = self.take_batches(&connection).await;
        self.say(State::Down);
        close(connection).await;
        ended
    }

    async fn take_batches(&self, connection: &Connection) -> Result<(), Lost> {
        let (store, clock) = (self.reception.store(), self.reception.clock());
        let heard_at = store.bus_heard_at().await?;
        // A clock that was wrong once may have noted an instant that is to come. Before the first
        // probe of an installation nobody listened.
        let heard_at = heard_at.map(|at| at.min(clock.now()));
        let mut listening_since = heard_at.unwrap_or(Timestamp::from_unix_ms(i64::MIN));
        let mut batches = consumer(connection, INBOX).await?.ready_chunks(BATCH_MAX);
        loop {
            // The node stops between two batches: what is durable has its effect first.
            let next = self.unless_stopped(timeout(SILENCE_MAX, batches.next()));
            let Some(next) = next.await else {
                return Ok(());
            };
            let batch = next.map_err(|_| Lost::Silent)?.ok_or(LinkError::Ended)?;
            let deliveries: Vec<Delivery> = batch.into_iter().collect::<lapin::Result<_>>()?;
            let batch = self.told_apart(deliveries);
            if !self.take_in(batch.messages, listening_since).await {
                return Ok(());
            }
            acknowledge(batch.last.as_ref()).await?;
            if let Some(probed_at) = batch.probed_at {
                self.say(State::Up);
                let heard_at = probed_at.plus_ms(-MARGIN_MS);
                if heard_at > listening_since && store.hear_bus(heard_at).await.is_ok() {
                    listening_since = heard_at;
                }
            }
        }
    }

    fn told_apart(&self, deliveries: Vec<Delivery>) -> Batch {
        let now = self.reception.clock().now();
        let mut batch = Batch::default();
        for mut delivery in deliveries {
            let body = std::mem::take(&mut delivery.data);
            match reader::came(&delivery.properties, body, self.reception.root()) {
                // Nobody has heard more than there is.
                Came::Probe(sent_at) => {
                    batch.probed_at = batch.probed_at.max(Some(sent_at.min(now)));
                }
                Came::Message(message) => batch.messages.push(message),
            }
            batch.last = Some(delivery.acker);
        }
        batch
    }

    /// Takes messages in, however long the store needs to be there for it; returns false when the
    /// node stops before: they come again.
    async fn take_in(&self, mut messages: Vec<Message>, listening_since: Timestamp) -> bool {
        loop {
            let taken = self.reception.take(&messages, listening_since).await;
            let error = match taken {
                Ok(became) => {
                    let mut became = became.into_iter();
                    let mut refused = None;
                    messages.retain(|_| match became.next() {
                        Some(Became::NotKept(error)) => {
                            refused = Some(error);
                            true
                        }
                        _ => false,
                    });
                    match refused {
                        Some(error) => error,
                        None => return true,
                    }
                }
                Err(error) => error,
            };
            if !self.waits_for_store(&error).await {
                return false;
            }
        }
    }

    /// Waits for the store to be there again; returns false when the node stops.
    async fn waits_for_store(&self, error: &StoreError) -> bool {
        self.say(State::Down);
        tracing::warn!(code = error.code(), %error, "store took no event of the bus");
        self.unless_stopped(sleep(STORE_PAUSE)).await.is_some()
    }

    /// Deals with what the broker gave out too often, until the link is lost or the node stops.
    pub(super) async fn consume_dead(&self) -> Result<(), Lost> {
        let name = format!("{} dead", self.name);
        let connection = self.broker.connect(&name).await?;
        let ended = self.set_all_aside(&connection).await;
        close(connection).await;
        ended
    }

    async fn set_all_aside(&self, connection: &Connection) -> Result<(), Lost> {
        // Nothing is given out to a node whose store does not answer.
        self.reception.store().bus_heard_at().await?;
        let mut dead = consumer(connection, DEAD).await?;
        loop {
            let Some(next) = self.unless_stopped(dead.next()).await else {
                return Ok(());
            };
            let mut delivery = next.ok_or(LinkError::Ended)??;
            let body = std::mem::take(&mut delivery.data);
            let came = reader::came(&delivery.properties, body, self.reception.root());
            if let Came::Message(message) = came {
                while let Err(error) = self.set_aside(&message, &delivery).await {
                    match error {
                        Lost::Store(error) if self.waits_for_store(&error).await => {}
                        Lost::Store(_) => return Ok(()),
                        error => return Err(error),
                    }
                }
            }
            acknowledge(Some(&delivery.acker)).await?;
        }
    }

    /// Sets a message aside, and then tries it once by itself: a crash counts against all messages
    /// that were given out together. One that comes here again may have been the cause.
    async fn set_aside(&self, message: &Message, delivery: &Delivery) -> Result<(), Lost> {
        let (store, now) = (self.reception.store(), self.reception.clock().now());
        let event = message.set_aside(Refusal::TooOften);
        let digest = event.digest.clone();
        let is_kept = store.bury_events(vec![event], now).await? > 0;
        if !delivery.redelivered {
            match self.reception.take_again(message).await? {
                Became::Kept(Ok(_)) => return Ok(store.forget_dead_event(&digest).await?),
                Became::Kept(Err(_)) => {}
                Became::NotKept(error) => return Err(error.into()),
            }
        }
        // Where there is no room it stays with the broker.
        is_kept.then_some(()).ok_or(Lost::Full)
    }
}

/// Acknowledges a message and all before it.
async fn acknowledge(last: Option<&Acker>) -> Result<(), Lost> {
    let Some(last) = last else {
        return Ok(());
    };
    let all = BasicAckOptions { multiple: true };
    match in_time(last.ack(all)).await? {
        true => Ok(()),
        false => Err(Lost::Stale),
    }
}

async fn consumer(connection: &Connection, queue: &str) -> Result<Consumer, LinkError> {
    let channel = in_time(connection.create_channel()).await?;
    in_time(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let (tag, options) = ("".into(), BasicConsumeOptions::default());
    in_time(channel.basic_consume(queue.into(), tag, options, FieldTable::default())).await
}

/// The broker gives out anew what is not acknowledged; whether it hears of the end changes nothing.
pub(super) async fn close(connection: Connection) {
    let closing = connection.close(200, "bye".into());
    let _ = timeout(Duration::from_secs(1), closing).await;
}
