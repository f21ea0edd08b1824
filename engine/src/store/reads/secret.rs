//! The secret with which the API signs where a page begins, and hides what an edit of a person says
//! in its id: one of the engine, made once, read by every node.

use std::fmt;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::access::NoRandomness;
use crate::hex;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::queue::Lane;
use crate::store::sql::{Sql, args, both};

const NAME: &str = "pages";
const BYTES: usize = 32;

const READ: Sql = both("SELECT secret FROM secrets WHERE name = $1");

/// Nodes that need it at once meet at the name.
const KEEP: Sql =
    both("INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");

/// The secret as this process has read it: it never changes.
pub(in crate::store) type Kept = OnceCell<PageSecret>;

/// 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PageSecret([u8; BYTES]);

/// Says nothing of the secret.
impl fmt::Debug for PageSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageSecret")
    }
}

impl PageSecret {
    /// Returns the bytes, for the code that signs.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    fn draw() -> Result<Self, NoRandomness> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    fn to_text(&self) -> String {
        hex::written(&self.0)
    }

    fn from_text(text: &str) -> Option<Self> {
        hex::read(text).map(Self)
    }
}

impl Store {
    /// Returns the secret of pages; it is made where there is none.
    ///
    /// # Errors
    /// [`StoreError`], among them [`StoreError::NoRandomness`].
    pub async fn page_secret(&self) -> Result<&PageSecret, StoreError> {
        let made = self.inner.page_secret.get_or_try_init(async || {
            if let Some(secret) = self.kept_page_secret().await? {
                return Ok(secret);
            }
            let drawn = Arc::<str>::from(PageSecret::draw()?.to_text());
            self.write(Lane::Doors, 1, move |conn| {
                let drawn = Arc::clone(&drawn);
                Box::pin(async move { conn.execute(&KEEP, args![NAME, &*drawn]).await })
            })
            .await?;
            // Another node may have been first.
            let kept = self.kept_page_secret().await?;
            kept.ok_or(StoreError::Absent { what: "secret" })
        });
        made.await
    }

    async fn kept_page_secret(&self) -> Result<Option<PageSecret>, StoreError> {
        const UNREADABLE: StoreError = StoreError::Unreadable { what: "secret" };
        self.read(async |conn| {
            let Some(mut row) = conn.first(&READ, args![NAME]).await? else {
                return Ok(None);
            };
            let secret = PageSecret::from_text(&row.text()?);
            secret.map(Some).ok_or(UNREADABLE)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_as_written_and_is_never_shown() {
        let secret = PageSecret::draw().expect("random numbers");
        let text = secret.to_text();
        assert_eq!(PageSecret::from_text(&text).as_ref(), Some(&secret));
        assert_ne!(PageSecret::draw().expect("random numbers"), secret);
        for wrong in ["", &text[1..], &text.replace(|_: char| true, "g"), "é"] {
            assert_eq!(PageSecret::from_text(wrong), None);
        }
        assert_eq!(format!("{secret:?}"), "PageSecret");
    }
}
