//! How many requests a caller may make on this node: each token has a bucket for each kind of path.
//!
//! Facts are counted and never refused: a stop that came too fast is still a stop. Whoever shows
//! tokens that are not good is counted by address: beyond its number it is answered 429, and its
//! unknown tokens are looked up one at a time, in a lane that few other addresses share. Nobody can
//! lock out by that whoever calls from the same address with a good one: a token that was found
//! good since the start never waits, and another one waits in its lane once.
//!
//! A link in a message has a bucket, too, in which leaving by it counts. Beyond it nobody is
//! refused: who leaves waits for others in a lane.

mod bucket;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::clock::Clock;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::bucket::{Buckets, Level, WINDOW_S};
use crate::access::{Scope, Token, TokenId};
use crate::config::LimitsConfig;

/// The most tokens, or addresses, that have a bucket of their own.
const KEYS_MAX: usize = 100_000;

/// In how many lanes the addresses wait whose tokens were not good too often.
const LANES: usize = 32;

/// The most tokens that are remembered as good ones.
const KNOWN_MAX: usize = 10_000;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits of one node.
pub struct Limits {
    /// In the order of [`Scope::ALL`].
    by_scope: [Buckets<TokenId, Ticks>; 5],
    strangers: Buckets<IpAddr, Ticks>,
    /// Tokens that were found good, as [`named`].
    known: Mutex<HashSet<String>>,
    /// Which lane an address has, nobody else can foresee.
    lane_of: RandomState,
    lanes: [Semaphore; LANES],
    /// By a hash of the link.
    links: Buckets<u64, Ticks>,
    link_lanes: [Semaphore; LANES],
}

/// The node's clock as governor reads it.
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let ms = self.0.monotonic_ms();
        Duration::from_millis(ms.try_into().unwrap_or_default())
    }
}

/// A request as it was counted.
pub(super) struct Counted {
    kind: &'static str,
    size: u32,
    level: Level,
}

/// What somebody who shows a token has to wait for.
pub(super) struct Turn<'a> {
    /// After how many seconds it may try again, if the token is not good.
    pub(super) wait_s: Option<u32>,
    _turn: Option<SemaphorePermit<'a>>,
}

impl Limits {
    /// Makes every bucket full.
    pub fn new(config: &LimitsConfig, clock: &Arc<dyn Clock>) -> Self {
        let ticks = || Ticks(Arc::clone(clock));
        let size = |per_minute| NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let by_scope = Scope::ALL.map(|scope| {
            let per_minute = match scope {
                Scope::Read => config.read_per_minute,
                Scope::Facts => config.facts_per_minute,
                Scope::Import => config.import_per_minute,
                Scope::Manage => config.write_per_minute,
                Scope::Admin => config.admin_per_minute,
            };
            Buckets::new(size(per_minute), KEYS_MAX, ticks())
        });
        Self {
            by_scope,
            strangers: Buckets::new(size(config.failures_per_minute), KEYS_MAX, ticks()),
            known: Mutex::default(),
            lane_of: RandomState::new(),
            lanes: std::array::from_fn(|_| Semaphore::new(1)),
            links: Buckets::new(size(config.links_per_minute), KEYS_MAX, ticks()),
            link_lanes: std::array::from_fn(|_| Semaphore::new(1)),
        }
    }

    /// Counts a request of a token.
    pub(super) fn count(&self, token: TokenId, wanted: Scope) -> Counted {
        let buckets = &self.by_scope[wanted as usize];
        let level = buckets.take(&token);
        let (kind, level) = match wanted {
            // Told, and not refused.
            Scope::Facts => (
                "facts",
                Level {
                    wait_s: None,
                    ..level
                },
            ),
            Scope::Manage => ("write", level),
            other => (other.as_str(), level),
        };
        Counted {
            kind,
            size: buckets.size.get(),
            level,
        }
    }

    /// Waits until a token may be looked up for a peer.
    pub(super) async fn turn(&self, peer: IpAddr, token: &Token) -> Turn<'_> {
        let peer = network(peer);
        let is_known = self.known().contains(&named(token));
        let wait_s = match is_known {
            true => None,
            false => self.strangers.take(&peer).wait_s,
        };
        let _turn = match wait_s {
            // Nobody closes it.
            Some(_) => self.lane(&peer).acquire().await.ok(),
            None => None,
        };
        Turn { wait_s, _turn }
    }

    /// Counts that somebody leaves by a good link, and waits while others do whose links came too
    /// often, if this one did.
    pub(super) async fn leave_by_link(&self, link: &str) -> Option<SemaphorePermit<'_>> {
        let hash = self.lane_of.hash_one(link);
        self.links.take(&hash).wait_s?;
        let lane = &self.link_lanes[(hash % LANES as u64) as usize];
        // Nobody closes it.
        lane.acquire().await.ok()
    }

    fn lane(&self, peer: &IpAddr) -> &Semaphore {
        let hash = self.lane_of.hash_one(peer);
        &self.lanes[(hash % LANES as u64) as usize]
    }

    /// Remembers a token that was found good.
    pub(super) fn found_good(&self, token: &Token) {
        let (mut known, name) = (self.known(), named(token));
        // Whoever is forgotten is found good again.
        if known.len() >= KNOWN_MAX && !known.contains(&name) {
            known.clear();
        }
        known.insert(name);
    }

    fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing that can panic runs under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what stands for a token: its prefix, and a hash of its secret.
fn named(token: &Token) -> String {
    format!("{}_{}", token.prefix(), token.hash().to_text())
}

/// Returns what stands for a peer: a site has a whole /64 of addresses (RFC 4291, section 2.5.4).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let site = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(site))
        }
        v4 => v4,
    }
}

impl Counted {
    /// Returns after how many seconds a request that is refused may be made again.
    pub(super) fn refused(&self) -> Option<u32> {
        self.level.wait_s
    }

    /// Writes the policy, what is left of it, and in how many seconds it is whole again
    /// (draft-ietf-httpapi-ratelimit-headers-10).
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let (kind, size, left) = (self.kind, self.size, self.level.left);
        let missing = u64::from(size.saturating_sub(left));
        let whole_in_s = (missing * u64::from(WINDOW_S)).div_ceil(u64::from(size));
        let policy = format!("\"{kind}\";q={size};w={WINDOW_S}");
        let rest = format!("\"{kind}\";r={left};t={whole_in_s}");
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, rest)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actors::clock::SystemClock;

    use super::*;

    fn limits() -> Limits {
        let config = LimitsConfig {
            read_per_minute: 1,
            write_per_minute: 2,
            import_per_minute: 3,
            admin_per_minute: 4,
            facts_per_minute: 5,
            failures_per_minute: 2,
            links_per_minute: 2,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        Limits::new(&config, &clock)
    }

    #[test]
    fn each_kind_has_its_own_number_and_facts_are_never_refused() {
        let limits = limits();
        for (scope, size) in Scope::ALL.into_iter().zip([1, 5, 3, 2, 4]) {
            let counted = (0..size).map(|_| limits.count(TokenId(7), scope));
            assert!(counted.into_iter().all(|it| it.refused().is_none()));
            let over = limits.count(TokenId(7), scope);
            assert_eq!(over.level.left, 0);
            assert_eq!(over.refused().is_some(), scope != Scope::Facts, "{scope}");
            let other = limits.count(TokenId(8), scope);
            assert_eq!(other.refused(), None);
        }
    }

    #[test]
    fn what_is_left_is_told_with_its_policy() {
        let limits = limits();
        let told = |counted: &Counted| {
            let mut headers = HeaderMap::new();
            counted.tell(&mut headers);
            let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
            [text(RATE_LIMIT_POLICY), text(RATE_LIMIT)].map(|it| it.unwrap_or_default().to_owned())
        };
        let first = told(&limits.count(TokenId(1), Scope::Manage));
        assert_eq!(first, ["\"write\";q=2;w=60", "\"write\";r=1;t=30"]);
        let second = told(&limits.count(TokenId(1), Scope::Manage));
        assert_eq!(second[1], "\"write\";r=0;t=60");
    }

    #[tokio::test]
    async fn whoever_leaves_by_a_link_that_comes_too_often_waits_in_turn() {
        let limits = limits();
        for _ in 0..2 {
            assert!(limits.leave_by_link("a").await.is_none());
        }
        let first = limits.leave_by_link("a").await;
        assert!(first.is_some(), "it has its turn");
        let mut second = Box::pin(limits.leave_by_link("a"));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(limits.leave_by_link("b").await.is_none(), "not too often");
        drop(first);
        assert!(second.await.is_some(), "it is never refused");
    }

    #[tokio::test]
    async fn a_peer_that_guesses_waits_and_whoever_is_known_there_does_not() {
        let limits = limits();
        let draw = || Token::draw().expect("randomness");
        let peer: IpAddr = "2001:db8::1".parse().expect("an address");
        let neighbour: IpAddr = "2001:db8::2".parse().expect("an address");
        let good = draw();
        limits.found_good(&good);
        for _ in 0..2 {
            assert_eq!(limits.turn(peer, &draw()).await.wait_s, None);
        }
        let held = limits.turn(neighbour, &draw()).await;
        assert_eq!(held.wait_s, Some(30), "one site is one peer");
        // The narrow way is taken, and nobody needs it who is known or elsewhere.
        assert_eq!(limits.turn(peer, &good).await.wait_s, None);
        let elsewhere: IpAddr = "192.0.2.1".parse().expect("an address");
        assert_eq!(limits.turn(elsewhere, &draw()).await.wait_s, None);
        // Whoever guesses elsewhere waits in another lane.
        let mut guessers = (1..=u8::MAX).map(|last| IpAddr::from([198, 51, 100, last]));
        let is_apart = |other: &IpAddr| {
            let [lane, theirs] = [peer, *other].map(|it| limits.lane(&network(it)));
            !std::ptr::eq(lane, theirs)
        };
        let other = guessers.find(is_apart).expect("more than one lane");
        for _ in 0..2 {
            assert_eq!(limits.turn(other, &draw()).await.wait_s, None);
        }
        assert!(limits.turn(other, &draw()).await.wait_s.is_some());
        let next = draw();
        let mut waiting = Box::pin(limits.turn(peer, &next));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        assert!(waiting.await.wait_s.is_some());
    }
}
