//! What can be wrong with the settings; each kind has its heading in RUNBOOK.md.

use std::fmt;

/// How much of a key is repeated in a message.
const KEY_CHARS_MAX: usize = 100;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {key}: {kind}", kind.code())]
pub struct Problem {
    /// The key, such as `store.path`, or the file.
    pub key: String,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with a setting. Values are never repeated: any of them may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The file of the settings is missing, too large, or not readable.
    #[error("the file cannot be read")]
    ReadFile,
    /// The file is not TOML.
    #[error("the file is not toml, see line {line}")]
    ParseFile {
        /// The line of the first error, counted from 1.
        line: usize,
    },
    /// No such key, or none of this kind of store.
    #[error("there is no such key here")]
    KnowKey,
    /// The value is of the wrong kind or outside its range.
    #[error("the value is not {expected}")]
    ReadValue {
        /// What would be accepted.
        expected: String,
    },
    /// A value that has no default.
    #[error("a value is needed")]
    FindValue,
    /// A secret that is stated both in place and by file.
    #[error("the secret is stated twice, in place and by file")]
    ChooseSecret,
    /// A secret on the command line.
    #[error("secrets are not read from the command line")]
    HideSecret,
    /// The file of a secret is missing, empty, too large, or not readable.
    #[error("the file of the secret cannot be read")]
    ReadSecretFile,
    /// A lease that ends before it could be renewed.
    #[error("the lease is not longer than its margin and its renewal together")]
    AgreeLeaseTimes,
    /// More faults than messages.
    #[error("the shares of 10000 messages are more than all of them together")]
    AgreeFaults,
    /// Mail over a network in the clear.
    #[error(
        "mail goes in the clear to this machine alone, unless `insecure = true` says otherwise"
    )]
    SecureMail,
}

impl ProblemKind {
    /// Returns the code under which the runbook explains it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadFile => "RG-CONFIG-001",
            Self::ParseFile { .. } => "RG-CONFIG-002",
            Self::KnowKey => "RG-CONFIG-003",
            Self::ReadValue { .. } => "RG-CONFIG-004",
            Self::FindValue => "RG-CONFIG-005",
            Self::ChooseSecret => "RG-CONFIG-006",
            Self::HideSecret => "RG-CONFIG-007",
            Self::ReadSecretFile => "RG-CONFIG-008",
            Self::AgreeLeaseTimes => "RG-CONFIG-009",
            Self::AgreeFaults => "RG-CONFIG-010",
            Self::SecureMail => "RG-CONFIG-011",
        }
    }
}

impl Problem {
    /// Names the problem of a key; what could break a line or a terminal is escaped.
    pub fn new(key: &str, kind: ProblemKind) -> Self {
        let key = key
            .chars()
            .take(KEY_CHARS_MAX)
            .flat_map(char::escape_debug)
            .collect();
        Self { key, kind }
    }
}

/// Everything that is wrong with the settings, one problem a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
