//! Refuses a reference that comes twice.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use super::header::Column;
use super::row::{ImportRow, Located, RowError};

/// The references that have come so far, 16 bytes each however long they are.
#[derive(Default)]
pub(in crate::imports) struct Once(HashSet<u128>);

impl Once {
    /// Refuses a row whose reference a row before it has.
    pub(in crate::imports) fn check(&mut self, row: ImportRow) -> Result<ImportRow, Located> {
        if self.0.insert(fingerprint(&row.reference)) {
            Ok(row)
        } else {
            Err((RowError::RepeatReference, Some(Column::Reference)))
        }
    }
}

/// Returns the first 128 bits of a reference's SHA-256: hard to bring about twice.
fn fingerprint(reference: &str) -> u128 {
    let digest = Sha256::digest(reference);
    digest
        .iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}
