//! The data folder of an embedded database: one process at a time, and its user's alone.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The right to work on a data folder; given back when it is dropped, or when the process ends.
#[derive(Debug)]
pub(super) struct Folder {
    database: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder, making it and an empty database file if need be.
    pub(super) fn take(path: &Path, file: &str) -> Result<Self, StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(of_io)?;
        let lock = private(&path.join("regua.lock"))?;
        let database = path.join(file);
        // The files beside the database take its permissions over.
        private(&database)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                database,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => Err(of_io(error)),
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.database.clone()
    }
}

/// Opens a file that only its user can read, for there are names and debts in it.
fn private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path).map_err(of_io)
}

fn of_io(error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::DiskFull,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Refused
        }
        _ => StoreError::Unreachable,
    }
}
