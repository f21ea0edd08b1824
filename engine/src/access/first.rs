//! The first token: how an operator gets in where nobody has one yet.

use schedules::time::Timestamp;

use super::token::Token;
use crate::store::{Store, StoreError};

/// Makes the first token of an engine, with the scope `admin`, where there never was one of the
/// whole engine; otherwise returns `None`, also when all of them have ended.
///
/// Of nodes that start together one makes it. It is shown once, by the node that made it.
///
/// # Errors
/// [`StoreError`].
pub async fn first_token(store: &Store, now: Timestamp) -> Result<Option<Token>, StoreError> {
    store.create_first_token(now).await
}
