//! Pieces of work for a writer: facts and commits, which are done together, and jobs.

use actors::ports::{Commit, Committed};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::conn::Conn;
use super::error::StoreError;
use super::mailbox::{self, Letter};
use super::{commit, doors};
use crate::facts::{Fact, FactAnswer};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One request to write, with the place for its result until the transaction is through.
pub(super) struct Asked<Q, A> {
    pub(super) what: Q,
    pub(super) reply: Reply<A>,
    pub(super) result: Option<Result<A, StoreError>>,
    /// About how many rows it writes.
    pub(super) weight: usize,
}

impl<Q, A> Asked<Q, A> {
    pub(super) fn new(what: Q, weight: usize, reply: Reply<A>) -> Self {
        Self {
            what,
            reply,
            result: None,
            weight,
        }
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn refuse(&mut self, error: &StoreError) {
        self.result = Some(Err(error.clone()));
    }

    fn answer(self, transaction: &Result<(), StoreError>) {
        let result = match (self.result, transaction) {
            // What was refused before the commit is refused whatever became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            (None, Ok(())) => Err(StoreError::Unreachable),
        };
        // Nobody may be waiting any more; what is written stands.
        let _ = self.reply.send(result);
    }
}

/// What waits in a lane.
pub(super) enum Work {
    Facts(Asked<Vec<Fact>, Vec<FactAnswer>>),
    Commit(Box<Asked<Commit, Committed>>),
    Letter(Asked<Letter, ()>),
    Job(Box<dyn Job>),
}

impl Work {
    /// Returns about how many rows it writes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Work::Facts(asked) => asked.weight,
            Work::Commit(asked) => asked.weight,
            Work::Letter(asked) => asked.weight,
            Work::Job(job) => job.weight(),
        }
    }

    /// Says whether somebody still waits for the answer.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Work::Facts(asked) => asked.is_wanted(),
            Work::Commit(asked) => asked.is_wanted(),
            Work::Letter(asked) => asked.is_wanted(),
            Work::Job(job) => job.is_wanted(),
        }
    }
}

/// A function of a transaction that may be run again after a rollback.
pub(super) trait Job: Send {
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> BoxFuture<'c, Result<(), StoreError>>;
    fn weight(&self) -> usize;
    fn is_wanted(&self) -> bool;
    fn refuse(&mut self, error: &StoreError);
    fn answer(self: Box<Self>, transaction: &Result<(), StoreError>);
}

impl<A, F> Job for Asked<F, A>
where
    A: Send,
    F: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<A, StoreError>> + Send + Sync,
{
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> BoxFuture<'c, Result<(), StoreError>> {
        Box::pin(async move {
            let answer = (self.what)(conn).await?;
            self.result = Some(Ok(answer));
            Ok(())
        })
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn is_wanted(&self) -> bool {
        Asked::is_wanted(self)
    }

    fn refuse(&mut self, error: &StoreError) {
        Asked::refuse(self, error);
    }

    fn answer(self: Box<Self>, transaction: &Result<(), StoreError>) {
        Asked::answer(*self, transaction);
    }
}

/// What stands or falls together in a transaction.
pub(super) enum Part {
    Facts(Vec<Asked<Vec<Fact>, Vec<FactAnswer>>>),
    Commits(Vec<Asked<Commit, Committed>>),
    Letters(Vec<Asked<Letter, ()>>),
    Job(Box<dyn Job>),
}

impl Part {
    /// Puts facts with facts and commits with commits; jobs stand alone.
    pub(super) fn gather(works: Vec<Work>) -> Vec<Part> {
        let (mut facts, mut commits) = (Vec::new(), Vec::new());
        let (mut letters, mut jobs) = (Vec::new(), Vec::new());
        for work in works {
            match work {
                Work::Facts(asked) => facts.push(asked),
                Work::Commit(asked) => commits.push(*asked),
                Work::Letter(asked) => letters.push(asked),
                Work::Job(job) => jobs.push(Part::Job(job)),
            }
        }
        let mut parts = Vec::with_capacity(jobs.len() + 2);
        if !facts.is_empty() {
            parts.push(Part::Facts(facts));
        }
        if !commits.is_empty() {
            parts.push(Part::Commits(commits));
        }
        if !letters.is_empty() {
            parts.push(Part::Letters(letters));
        }
        parts.extend(jobs);
        parts
    }

    /// Writes the part; on an error nothing of it may stand.
    pub(super) async fn run(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        match self {
            Part::Facts(all) => {
                let facts: Vec<&Fact> = all.iter().flat_map(|asked| &asked.what).collect();
                let mut answers = doors::facts::together(conn, &facts).await?.into_iter();
                for asked in all {
                    asked.result = Some(Ok(answers.by_ref().take(asked.what.len()).collect()));
                }
            }
            Part::Commits(all) => {
                let commits: Vec<&Commit> = all.iter().map(|asked| &asked.what).collect();
                let results = commit::together(conn, &commits).await?;
                for (asked, result) in all.iter_mut().zip(results) {
                    asked.result = Some(result);
                }
            }
            Part::Letters(all) => {
                let letters: Vec<&Letter> = all.iter().map(|asked| &asked.what).collect();
                mailbox::together(conn, &letters).await?;
                all.iter_mut().for_each(|asked| asked.result = Some(Ok(())));
            }
            Part::Job(job) => job.run(conn).await?,
        }
        Ok(())
    }

    /// Takes a part apart, so that what cannot be done leaves the rest alone.
    pub(super) fn split(self) -> Vec<Part> {
        match self {
            Part::Facts(all) => all
                .into_iter()
                .map(|asked| Part::Facts(vec![asked]))
                .collect(),
            Part::Commits(all) => all
                .into_iter()
                .map(|asked| Part::Commits(vec![asked]))
                .collect(),
            Part::Letters(all) => all
                .into_iter()
                .map(|asked| Part::Letters(vec![asked]))
                .collect(),
            Part::Job(_) => vec![self],
        }
    }

    pub(super) fn is_single(&self) -> bool {
        match self {
            Part::Facts(all) => all.len() == 1,
            Part::Commits(all) => all.len() == 1,
            Part::Letters(all) => all.len() == 1,
            Part::Job(_) => true,
        }
    }

    /// Records that the part was rolled back.
    pub(super) fn refuse(&mut self, error: &StoreError) {
        match self {
            Part::Facts(all) => all.iter_mut().for_each(|asked| asked.refuse(error)),
            Part::Commits(all) => all.iter_mut().for_each(|asked| asked.refuse(error)),
            Part::Letters(all) => all.iter_mut().for_each(|asked| asked.refuse(error)),
            Part::Job(job) => job.refuse(error),
        }
    }

    pub(super) fn answer(self, transaction: &Result<(), StoreError>) {
        match self {
            Part::Facts(all) => all.into_iter().for_each(|asked| asked.answer(transaction)),
            Part::Commits(all) => all.into_iter().for_each(|asked| asked.answer(transaction)),
            Part::Letters(all) => all.into_iter().for_each(|asked| asked.answer(transaction)),
            Part::Job(job) => job.answer(transaction),
        }
    }
}
