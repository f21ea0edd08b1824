//! Identifiers: 64-bit integers that say what they identify, and the names people read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = UnreadableId;

            fn from_str(text: &str) -> Result<Self, UnreadableId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(|number| number.parse().ok())
                    .map(Self)
                    .filter(|id| id.to_string() == text)
                    .ok_or(UnreadableId)
            }
        }

        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                spelt(concat!("^", $prefix, "_-?[0-9]+$"))
            }
        }

        #[cfg(feature = "schema")]
        impl utoipa::ToSchema for $name {}
    };
}

/// Describes the name of an identifier, as people and the API have it.
#[cfg(feature = "schema")]
fn spelt(pattern: &str) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
    text.pattern(Some(pattern)).into()
}

/// The text is not an identifier of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct UnreadableId;

identifier!(
    /// A company that sends.
    TenantId,
    "ten"
);
identifier!(
    /// A person or company reached.
    ContactId,
    "con"
);
identifier!(
    /// A bank slip of a tenant.
    BoletoId,
    "bol"
);
identifier!(
    /// A tenant's rule set of steps.
    CampaignId,
    "cam"
);
identifier!(
    /// One boleto in one campaign.
    EnrollmentId,
    "enr"
);
identifier!(
    /// A file or request of boletos.
    ImportId,
    "imp"
);

/// One touch: an enrollment, a step and, for a recurring step, its occurrence (0 otherwise).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReminderId {
    /// The enrollment that is reminded.
    pub enrollment: EnrollmentId,
    /// The number of the step in its campaign; stable over versions of the campaign.
    pub step_no: u8,
    /// Counts the firings of a recurring step from 0.
    pub occurrence: u32,
}

/// One try to send a reminder on one channel: the key under which at most one hand-over begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The reminder that is tried.
    pub reminder: ReminderId,
    /// Counts the tries from 0.
    pub try_no: u16,
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for ReminderId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        spelt("^rem_-?[0-9]+(\\.[0-9]+){2}$")
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for ReminderId {}

impl fmt::Display for ReminderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rem_{}.{}.{}",
            self.enrollment.0, self.step_no, self.occurrence
        )
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for AttemptId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        spelt("^att_-?[0-9]+(\\.[0-9]+){3}$")
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for AttemptId {}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReminderId {
            enrollment,
            step_no,
            occurrence,
        } = self.reminder;
        write!(
            f,
            "att_{}.{step_no}.{occurrence}.{}",
            enrollment.0, self.try_no
        )
    }
}

impl FromStr for ReminderId {
    type Err = UnreadableId;

    fn from_str(text: &str) -> Result<Self, UnreadableId> {
        let mut parts = text.strip_prefix("rem_").ok_or(UnreadableId)?.split('.');
        one_spelling(reminder_of(&mut parts)?, text)
    }
}

impl FromStr for AttemptId {
    type Err = UnreadableId;

    fn from_str(text: &str) -> Result<Self, UnreadableId> {
        let mut parts = text.strip_prefix("att_").ok_or(UnreadableId)?.split('.');
        let id = AttemptId {
            reminder: reminder_of(&mut parts)?,
            try_no: number(parts.next())?,
        };
        one_spelling(id, text)
    }
}

/// Refuses a text that does not print back as itself: two spellings of an id would be two keys.
fn one_spelling<T: fmt::Display>(id: T, text: &str) -> Result<T, UnreadableId> {
    (id.to_string() == text).then_some(id).ok_or(UnreadableId)
}

fn reminder_of<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Result<ReminderId, UnreadableId> {
    Ok(ReminderId {
        enrollment: EnrollmentId(number(parts.next())?),
        step_no: number(parts.next())?,
        occurrence: number(parts.next())?,
    })
}

fn number<N: FromStr>(part: Option<&str>) -> Result<N, UnreadableId> {
    part.and_then(|digits| digits.parse().ok())
        .ok_or(UnreadableId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_what_it_names() {
        let reminder = ReminderId {
            enrollment: EnrollmentId(42),
            step_no: 3,
            occurrence: 1,
        };
        let attempt = AttemptId {
            reminder,
            try_no: 2,
        };
        assert_eq!(reminder.to_string().parse(), Ok(reminder));
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
        assert_eq!(TenantId(7).to_string().parse(), Ok(TenantId(7)));
        assert_eq!(TenantId(-7).to_string().parse(), Ok(TenantId(-7)));
        assert_eq!("con_7".parse::<TenantId>(), Err(UnreadableId));
        for text in ["ten_+7", "ten_007", "ten_-0", "ten_", "ten_ 7"] {
            assert_eq!(text.parse::<TenantId>(), Err(UnreadableId), "{text}");
        }
        assert_eq!("rem_42.03.1".parse::<ReminderId>(), Err(UnreadableId));
        assert_eq!("att_42.3.1.+2".parse::<AttemptId>(), Err(UnreadableId));
        assert_eq!("att_1.2.3".parse::<AttemptId>(), Err(UnreadableId));
        assert_eq!("rem_1.2.3.4".parse::<ReminderId>(), Err(UnreadableId));
    }
}
