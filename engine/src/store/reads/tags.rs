//! Tags of what can be edited: two readings have the same tag when they have the same content, and
//! an edit that names one is made only while it holds.

use sha2::{Digest as _, Sha256};

use schedules::id::TenantId;

use super::settings::{CALENDAR, CHARGES, RETRY, RULES};
use super::templates::NEWEST_OF_CODE;
use crate::hex;
use crate::store::Setting;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, locking};

/// The tag of a content: 128 bits of its SHA-256, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// Something with its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged<T> {
    /// What was read.
    pub what: T,
    /// Its tag.
    pub tag: Tag,
}

impl Tag {
    /// Reads a tag that somebody states; one that no content has is as good as any other.
    pub fn stated(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the tag of a content that consists of parts.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        Self(hex::written(&digest[..16]))
    }
}

/// Returns the tag of a campaign: every edit is a version.
pub(in crate::store) fn campaign_tag(version: i64, status: &str) -> Tag {
    Tag::of([version.to_string().as_str(), status])
}

/// Says that what is edited has one of the tags that the editor expects; without any, it may have
/// any.
///
/// # Errors
/// [`StoreError::Outdated`].
pub(in crate::store) fn expect(expected: Option<&[Tag]>, found: &Tag) -> Result<(), StoreError> {
    match expected {
        Some(expected) if !expected.contains(found) => Err(StoreError::Outdated),
        _ => Ok(()),
    }
}

/// Held until the end of the transaction: of two who expect the same content one is the first.
const LOCK: Sql = locking!("SELECT id FROM tenants WHERE id = $1", "FOR NO KEY UPDATE");

impl Setting {
    /// Holds the tenant's settings, and says that this one's content is as expected.
    ///
    /// # Errors
    /// [`StoreError::Outdated`].
    pub(in crate::store) async fn expect(
        &self,
        conn: &mut Conn,
        tenant: TenantId,
        expected: Option<&[Tag]>,
    ) -> Result<(), StoreError> {
        // What is never read has no tag that anybody could expect.
        if matches!(
            self,
            Self::Profile(_) | Self::CreditsBought(_) | Self::FeedSilence(_)
        ) {
            return expected.map_or(Ok(()), |_| Err(StoreError::Outdated));
        }
        conn.first(&LOCK, args![tenant.0]).await?;
        match expected {
            Some(_) => expect(expected, &self.standing(conn, tenant).await?),
            None => Ok(()),
        }
    }

    /// Returns the tag of what stands in this setting's place.
    async fn standing(&self, conn: &mut Conn, tenant: TenantId) -> Result<Tag, StoreError> {
        match self {
            Self::Rules(_) => tag_in(conn, &RULES, tenant).await,
            Self::Calendar(_) => tag_in(conn, &CALENDAR, tenant).await,
            Self::Charges(_) => tag_in(conn, &CHARGES, tenant).await,
            Self::Retry(_) => tag_in(conn, &RETRY, tenant).await,
            Self::Sender(_) => Ok(super::settings::senders(conn, tenant).await?.tag),
            Self::Template(template) => {
                let rows = conn.rows(&NEWEST_OF_CODE, args![tenant.0, template.code.as_str()]);
                super::templates::tag(rows.await?)
            }
            Self::Profile(_) | Self::CreditsBought(_) | Self::FeedSilence(_) => Ok(Tag::of([])),
        }
    }
}

async fn tag_in(conn: &mut Conn, sql: &Sql, tenant: TenantId) -> Result<Tag, StoreError> {
    let row = conn.first(sql, args![tenant.0]).await?;
    let text = row
        .ok_or(StoreError::Absent { what: "tenant" })?
        .text_or_null()?;
    Ok(Tag::of(text.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_that_differ_have_tags_that_differ() {
        let contents: [&[&str]; 6] = [&[], &[""], &["a"], &["ab"], &["a", "b"], &["", "ab"]];
        for (at, one) in contents.iter().enumerate() {
            for (other_at, other) in contents.iter().enumerate() {
                let (one, other) = (one.iter().copied(), other.iter().copied());
                assert_eq!(Tag::of(one) == Tag::of(other), at == other_at);
            }
        }
        assert_eq!(Tag::of(["a"]).as_str().len(), 32);
    }

    #[test]
    fn an_edit_that_expects_something_else_is_outdated() {
        let (found, other) = (Tag::of(["a"]), Tag::of(["b"]));
        assert_eq!(expect(None, &found), Ok(()));
        let any = [other.clone(), found.clone()];
        assert_eq!(expect(Some(&any), &found), Ok(()));
        for expected in [&[][..], &[other]] {
            assert_eq!(expect(Some(expected), &found), Err(StoreError::Outdated));
        }
    }
}
