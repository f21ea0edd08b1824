//! The least level of the log, and exceptions to it by module.

use std::str::FromStr;

use serde::{Serialize, Serializer};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The library that reads requests: below `info` it quotes what stands in their heads.
const QUOTES_REQUESTS: &str = "actix_http";

/// Levels such as `info,engine::store=debug`.
///
/// Stricter than [`Targets`], which takes any misspelt level for the name of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<(Option<String>, LevelFilter)>);

/// A text that does not state levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a level, or levels by module")]
pub struct UnreadableLevels;

impl FromStr for Levels {
    type Err = UnreadableLevels;

    fn from_str(text: &str) -> Result<Self, UnreadableLevels> {
        text.split(',')
            .map(read_directive)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(UnreadableLevels)
    }
}

impl From<LevelFilter> for Levels {
    fn from(level: LevelFilter) -> Self {
        Self(vec![(None, level)])
    }
}

fn read_directive(text: &str) -> Option<(Option<String>, LevelFilter)> {
    let Some((module, level)) = text.split_once('=') else {
        return Some((None, read_level(text)?));
    };
    let module = module.trim();
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    (!module.is_empty() && module.chars().all(is_path))
        .then_some((Some(module.to_owned()), read_level(level)?))
}

fn read_level(text: &str) -> Option<LevelFilter> {
    let name = text.trim();
    // `LevelFilter` also reads numbers and the empty text.
    name.chars()
        .all(|c| c.is_ascii_alphabetic())
        .then_some(())?;
    (!name.is_empty()).then(|| name.parse().ok())?
}

impl Levels {
    /// Returns the levels as the log takes them. Whoever sends a request shall not write the log:
    /// what quotes requests is heard at `info` at the most, unless it is named.
    pub fn targets(&self) -> Targets {
        self.0
            .iter()
            .fold(Targets::new(), |targets, (module, level)| match module {
                Some(module) => targets.with_target(module, *level),
                None => {
                    let quotes = (*level).min(LevelFilter::INFO);
                    let targets = targets.with_default(*level);
                    targets.with_target(QUOTES_REQUESTS, quotes)
                }
            })
    }
}

impl Serialize for Levels {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let directives = self.0.iter().map(|(module, level)| match module {
            Some(module) => format!("{module}={level}"),
            None => level.to_string(),
        });
        to.serialize_str(&directives.collect::<Vec<_>>().join(","))
    }
}
