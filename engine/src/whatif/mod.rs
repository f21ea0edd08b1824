//! What would go out, and when: the tenant's own machine on virtual time.
//!
//! Nothing is decided here. [`rehearse`] gives the machine rows of the store as they are now, takes
//! every message for accepted at once, and lets time pass; books in memory stand in for the
//! journal. So caps, windows, cooldowns, moratoria, expiry, the choice of the channel and the pace
//! of the senders are those of the real run. Credits are counted and not enforced, the payment feed
//! is taken for alive, and nobody pays, replies or opts out meanwhile.

mod books;
pub mod confirm;
pub mod estimate;
pub mod load;
pub mod preview;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::change::{Change, Claim, Enrolled, Ruled};
use actors::machine::effect::{Effect, HandOver};
use actors::machine::input::{Input, Outcome, Sweep, SweepKind};
use actors::machine::{Machine, Need, Paces};
use actors::ports::{
    Boleto, Committed, Contact, Enrollment, Returned, Settings, Snapshot, TallyRow,
};
use schedules::id::{CampaignId, ContactId};
use schedules::time::Timestamp;
use tokio::sync::Semaphore;

use self::books::Books;

/// The most boletos that are considered; the others of a tenant are left out, which is told.
pub const BOLETOS_MAX: usize = 100_000;
/// The most boletos of the contacts that a preview shows.
pub const PREVIEWED_MAX: usize = 20_000;
/// The most enrollments that are considered, of all running campaigns.
pub const ENROLLMENTS_MAX: usize = 300_000;
/// The most steps of the machine: a sender whose pace is one message a second makes one for each.
const STEPS_MAX: u64 = 4_000_000;
/// How many estimates are made at a time: each holds a tenant's boletos in memory.
const ESTIMATES_MAX: usize = 1;
/// How many previews are made at a time.
const PREVIEWS_MAX: usize = 2;

/// The numbers of the sweeps that a rehearsal begins with.
const REPLAN: i64 = 1;
const ENROLL: i64 = 2;

/// How long a rehearsal may take that somebody waits for, in milliseconds.
const REQUEST_MS_MAX: i64 = 30_000;

/// How long a rehearsal may take.
#[derive(Clone)]
pub struct Patience(Option<(Arc<dyn Clock>, i64)>);

impl Patience {
    /// As long as it needs.
    pub const fn endless() -> Self {
        Self(None)
    }

    /// From now on as long as a request may: its turn is one of few, also when the caller hung up.
    pub fn of_a_request(clock: &Arc<dyn Clock>) -> Self {
        let until_ms = clock.monotonic_ms().saturating_add(REQUEST_MS_MAX);
        Self(Some((Arc::clone(clock), until_ms)))
    }

    fn is_over(&self) -> bool {
        let until = self.0.as_ref();
        until.is_some_and(|(clock, until_ms)| clock.monotonic_ms() >= *until_ms)
    }
}

/// The turns of those who ask what would go out.
#[derive(Clone)]
pub struct Rehearsals {
    /// Of whole campaigns.
    pub estimates: Arc<Semaphore>,
    /// Of single boletos.
    pub previews: Arc<Semaphore>,
}

impl Default for Rehearsals {
    fn default() -> Self {
        Self {
            estimates: Arc::new(Semaphore::new(ESTIMATES_MAX)),
            previews: Arc::new(Semaphore::new(PREVIEWS_MAX)),
        }
    }
}

/// What a rehearsal begins with.
pub struct World {
    /// The tenant's settings.
    pub settings: Settings,
    /// The campaign that is tried, one of the settings'; it runs, whatever its state says.
    pub campaign: CampaignId,
    /// Its content is not the one by which its enrollments were planned.
    pub replans: bool,
    /// Claims without an outcome; they are taken for accepted.
    pub unsettled: Vec<Claim>,
    /// The sends that count against campaign and tenant caps.
    pub tallies: Vec<TallyRow>,
    /// Open boletos of contacts that have not opted out, each once.
    pub boletos: Vec<Known>,
    /// The contacts of the boletos, each once, with their sends.
    pub contacts: Vec<Contact>,
    /// Active enrollments of the boletos, of this campaign and of those that run.
    pub standing: Vec<Enrollment>,
}

/// A boleto that may be enrolled.
pub struct Known {
    /// The boleto.
    pub boleto: Boleto,
    /// Its contact.
    pub contact: ContactId,
    /// It is in the campaign already, going on or not.
    pub is_in: bool,
}

/// Something that would happen.
pub enum Event<'a> {
    /// The campaign takes a boleto in.
    Enrolled(&'a Enrolled),
    /// A message goes out at this instant.
    Sent(Timestamp, &'a HandOver),
    /// A reminder waits, or does not go out.
    Ruled(&'a Enrollment, &'a Ruled),
}

/// How a rehearsal ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// There was more to do than is done for one request: the end of the time was not reached.
    pub cut_short: bool,
    /// Enrollments of the campaign that have a reminder to come after the end.
    pub left_over: u64,
}

/// Lets the tenant's machine do what it would do between two instants, and tells of it in order.
pub fn rehearse(
    world: World,
    from: Timestamp,
    until: Timestamp,
    patience: &Patience,
    tell: &mut impl FnMut(Event<'_>),
) -> Ended {
    let (mut run, unsettled) = Run::of(world, from, tell);
    run.step(&[Input::Returned(unsettled)]);
    let mut steps = 0_u64;
    let mut next = Next::GoesOn;
    while run.now < until && steps < STEPS_MAX && next == Next::GoesOn && !patience.is_over() {
        steps += 1;
        next = run.go_on();
    }
    Ended {
        cut_short: run.now < until && next != Next::Rests,
        left_over: run.books.left_over(run.campaign, until),
    }
}

/// How a rehearsal goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There may be more to do.
    GoesOn,
    /// Nothing is to come.
    Rests,
    /// The machine wants what is not here.
    IsStuck,
}

struct Run<'t, T> {
    machine: Machine,
    books: Books,
    campaign: CampaignId,
    now: Timestamp,
    tell: &'t mut T,
}

impl<'t, T: FnMut(Event<'_>)> Run<'t, T> {
    fn of(world: World, now: Timestamp, tell: &'t mut T) -> (Self, Vec<Returned>) {
        let campaign = world.campaign;
        let unsettled = world.unsettled.iter().map(|claim| accepted(claim, now));
        let unsettled = unsettled.collect();
        let snapshot = Snapshot {
            settings: as_if_running(world.settings, campaign),
            unsettled: world.unsettled,
            tallies: world.tallies,
            sweeps: sweeps(campaign, world.replans),
        };
        let run = Self {
            // The senders have rested: what they sent in the last seconds moves nothing by more.
            machine: Machine::restore(snapshot, Some(Paces::new()), now),
            books: Books::new(world.boletos, world.contacts, world.standing),
            campaign,
            now,
            tell,
        };
        (run, unsettled)
    }

    /// Does the next thing, or lets time pass until there is one.
    fn go_on(&mut self) -> Next {
        match self.machine.need(self.now) {
            Some(Need::DuePage(request)) => self.machine.admit(self.books.due_page(request)),
            Some(Need::Sweep(sweep)) => {
                let page = self.books.sweep_page(&sweep);
                self.step(&[Input::Swept(sweep.seq, page)]);
            }
            // Nothing tells the machine of other settings.
            Some(Need::Settings | Need::Reload) => return Next::IsStuck,
            None if self.machine.is_due(self.now) => self.step(&[Input::Tick]),
            None => match self.machine.next_wake_at(self.now) {
                Some(at) if at > self.now => self.now = at,
                Some(_) => return Next::IsStuck,
                None => return Next::Rests,
            },
        }
        Next::GoesOn
    }

    /// Makes a step, and the one of the outcomes that its messages have.
    fn step(&mut self, inputs: &[Input]) {
        let sent = self.half_step(inputs);
        if !sent.is_empty() {
            self.half_step(&[Input::Returned(sent)]);
        }
    }

    fn half_step(&mut self, inputs: &[Input]) -> Vec<Returned> {
        let decision = self.machine.decide(inputs, self.now);
        for change in &decision.changes {
            self.books.apply(change);
            match change {
                Change::Enrolled(enrolled) => (self.tell)(Event::Enrolled(enrolled)),
                Change::Ruled(ruled) => {
                    if let Some(enrollment) = self.books.enrollment(ruled.reminder.enrollment) {
                        (self.tell)(Event::Ruled(&enrollment, ruled));
                    }
                }
                _ => {}
            }
        }
        let committed = Committed::default();
        let effects = self.machine.conclude(decision, &committed, self.now);
        let mut sent = Vec::with_capacity(effects.len());
        for effect in &effects {
            if let Effect::HandOver(message) = effect {
                (self.tell)(Event::Sent(self.now, message));
                sent.push(Returned {
                    attempt: message.attempt,
                    at: self.now,
                    outcome: taken(),
                });
            }
        }
        sent
    }
}

/// The campaign runs, and so does its tenant; credits are the caller's to count.
fn as_if_running(mut settings: Settings, campaign: CampaignId) -> Settings {
    settings.tenant.running = true;
    settings.tenant.credits = None;
    settings.tenant.feed.silence_max_ms = None;
    let mut states = settings.campaigns.iter_mut();
    if let Some(state) = states.find(|state| state.campaign.id == campaign) {
        state.running = true;
    }
    settings
}

fn sweeps(campaign: CampaignId, replans: bool) -> Vec<Sweep> {
    let sweep = |seq, kind| Sweep {
        seq,
        kind,
        after: i64::MIN,
    };
    let replan = replans.then(|| sweep(REPLAN, SweepKind::ReplanCampaign { campaign }));
    let enroll = sweep(ENROLL, SweepKind::EnrollCampaign { campaign });
    replan.into_iter().chain([enroll]).collect()
}

fn accepted(claim: &Claim, at: Timestamp) -> Returned {
    Returned {
        attempt: claim.attempt,
        at,
        outcome: taken(),
    }
}

fn taken() -> Outcome {
    Outcome::Accepted {
        provider_ref: String::new(),
    }
}
