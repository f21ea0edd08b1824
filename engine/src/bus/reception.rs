//! Takes messages in: who signed them is checked, what they say is committed, and what is no fact
//! is set aside with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actors::clock::Clock;
use schedules::time::{MINUTE_MS, Timestamp};

use super::envelope::Envelope;
use super::message::{Message, Read};
use super::refusal::Refusal;
use super::signature::Key;
use super::taking::{NotTaken, Taking};
use crate::doors::{Doors, Told};
use crate::keys::RootKey;
use crate::store::{PublisherKey, Store, StoreError};

/// What publishers' keys are derived for.
const PURPOSE: &str = "regua publisher 1";

/// Where messages are taken in.
#[derive(Clone)]
pub struct Reception {
    store: Store,
    doors: Doors,
    root: Arc<RootKey>,
    clock: Arc<dyn Clock>,
    /// When it was last told that something was refused.
    told_at: Arc<AtomicI64>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Became {
    /// It is durable: as a fact, or set aside.
    Kept(Result<Told, Refusal>),
    /// The store did not take it: it must come again.
    NotKept(StoreError),
}

impl Became {
    fn of(told: Result<Told, NotTaken>) -> Self {
        match told {
            Ok(Told::Conflict) => Self::Kept(Err(Refusal::Conflict)),
            Ok(Told::Unknown) => Self::Kept(Err(Refusal::Unknown)),
            Ok(told) => Self::Kept(Ok(told)),
            Err(NotTaken::Unusable(why)) => Self::Kept(Err(why.into())),
            Err(NotTaken::Store(error)) if error.may_pass() || error.is_of_the_whole() => {
                Self::NotKept(error)
            }
            // It would come back for ever, and hold up the others.
            Err(NotTaken::Store(error)) => {
                tracing::error!(code = error.code(), %error, "store refuses an event");
                Self::Kept(Err(Refusal::ByStore))
            }
            Err(NotTaken::Closed) => nothing_told(),
        }
    }
}

fn nothing_told() -> Became {
    Became::NotKept(StoreError::Unreachable)
}

/// Returns the key that belongs to an id.
pub fn publisher_key(root: &RootKey, id: &str) -> Key {
    root.derive(PURPOSE, id)
}

impl Reception {
    /// Joins the doors with what signatures are checked by.
    pub fn new(store: Store, doors: Doors, root: Arc<RootKey>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            doors,
            root,
            clock,
            told_at: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// Returns what publishers' keys are derived from.
    pub fn root(&self) -> &RootKey {
        &self.root
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Takes messages in, together, and says what became of each, in order. `listening_since` is an
    /// instant up to which all that was published is known to have been taken.
    ///
    /// # Errors
    /// [`StoreError`] when nobody knows what became of some: they are taken in again.
    pub async fn take(
        &self,
        messages: &[Message],
        listening_since: Timestamp,
    ) -> Result<Vec<Became>, StoreError> {
        let now = self.clock.now();
        let became = self.judge(messages, now, Some(listening_since)).await?;
        let both = messages.iter().zip(&became);
        let dead = both.filter_map(|(message, became)| match became {
            Became::Kept(Err(why)) => Some(message.set_aside(*why)),
            _ => None,
        });
        let dead: Vec<_> = dead.collect();
        if let Some(first) = dead.first() {
            let (count, code) = (dead.len(), first.code);
            let kept = self.store.bury_events(dead, now).await?;
            if kept < count {
                let lost = count - kept;
                tracing::error!(
                    count = lost,
                    code = "RG-EVENT-012",
                    "refused events were lost"
                );
            }
            if self.may_tell(now) {
                tracing::warn!(count, code, "events were set aside");
            }
        }
        Ok(became)
    }

    /// Takes one message that was set aside in again, whenever it was signed: an event counts once,
    /// however late. What is no fact stays where it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_again(&self, message: &Message) -> Result<Became, StoreError> {
        let messages = std::slice::from_ref(message);
        let became = self.judge(messages, self.clock.now(), None).await?;
        let one = became.into_iter().next();
        Ok(one.unwrap_or(Became::Kept(Err(Refusal::Unknown))))
    }

    /// Says whether what is refused is told of now: once a minute, however much there is.
    fn may_tell(&self, now: Timestamp) -> bool {
        let told_at = self.told_at.load(Ordering::Relaxed);
        let may = now.unix_ms() >= told_at.saturating_add(MINUTE_MS);
        may && self
            .told_at
            .compare_exchange(told_at, now.unix_ms(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    async fn judge(
        &self,
        messages: &[Message],
        now: Timestamp,
        listening_since: Option<Timestamp>,
    ) -> Result<Vec<Became>, StoreError> {
        let read: Vec<_> = messages.iter().map(Message::read).collect();
        let ids = read.iter().flatten().map(|it| it.key_id.as_str());
        let keys = self.store.named_publisher_keys(ids).await?;
        let read = read.into_iter().zip(messages).map(|(read, message)| {
            let read = read?;
            self.check(message, &read, &keys, now)?;
            if let Some(since) = listening_since {
                read.signed(message).is_in_time(now, since)?;
            }
            // Ids are known by their source: nobody speaks in the name of another door.
            let source = format!("bus/{}", read.event.source);
            Ok(Envelope {
                source,
                ..read.event
            })
        });
        let read: Vec<Result<_, Refusal>> = read.collect();
        let events: Vec<_> = read.iter().flatten().cloned().collect();
        let taking = Taking {
            doors: &self.doors,
            clock: &*self.clock,
            // Whoever holds the messages tells them again.
            again_max: 0,
        };
        let mut told = taking.take(&events).await.into_iter();
        let became = read.into_iter().map(|read| match read {
            Err(why) => Became::Kept(Err(why)),
            Ok(_) => told.next().map_or_else(nothing_told, Became::of),
        });
        Ok(became.collect())
    }

    /// Checks that a key of the event's own tenant has signed it.
    fn check(
        &self,
        message: &Message,
        read: &Read,
        keys: &BTreeMap<String, PublisherKey>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let key = keys.get(&read.key_id).filter(|key| key.counts(now));
        let key = key.filter(|key| key.tenant == read.event.tenant);
        let key = key.ok_or(Refusal::Key)?;
        if !read.is_signed_by(message, &publisher_key(&self.root, &key.id)) {
            return Err(Refusal::Signature);
        }
        Ok(())
    }
}
