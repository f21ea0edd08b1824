//! The least level of the log, and exceptions to it by module.

use std::str::FromStr;

use serde::{Serialize, Serializer};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Libraries that quote what strangers send, and the most that is heard of them: what reads
/// requests quotes their heads below `info`; what speaks with brokers quotes whole messages, and
/// says nothing that its errors do not say as well.
const QUOTING: [(&str, LevelFilter); 2] = [
    ("actix_http", LevelFilter::INFO),
    ("lapin", LevelFilter::OFF),
];

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
    /// Returns the levels as the log takes them. Whoever sends a request or a message shall not
    /// write the log: what quotes them is heard no more than that, unless it is named.
    pub fn targets(&self) -> Targets {
        let (named, general): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(module, _)| module.is_some());
        let general = general.last().map(|(_, level)| *level);
        let mut targets = Targets::new();
        if let Some(level) = general {
            targets = targets.with_default(level);
            for (module, most) in QUOTING {
                targets = targets.with_target(module, level.min(most));
            }
        }
        named.into_iter().fold(targets, |targets, (module, level)| {
            targets.with_target(module.as_deref().unwrap_or_default(), *level)
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_quotes_strangers_is_heard_only_when_it_is_named() {
        let heard = |levels: &str, module: &str, level: Level| {
            let levels: Levels = levels.parse().expect("levels");
            levels.targets().would_enable(module, &level)
        };
        assert!(!heard("trace", "lapin::returned_messages", Level::ERROR));
        assert!(!heard("trace", "actix_http::h1", Level::DEBUG));
        assert!(heard("warn", "engine::bus", Level::WARN));
        for levels in ["info,lapin=warn", "lapin=warn,info"] {
            assert!(heard(levels, "lapin::channel", Level::WARN), "{levels}");
        }
    }
}
