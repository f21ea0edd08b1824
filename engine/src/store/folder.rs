//! The data folder of an embedded database: one process at a time, and its user's alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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
        let lock_path = path.join("regua.lock");
        let lock = private().create(true).open(&lock_path).map_err(of_io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse,
            TryLockError::Error(error) => of_io(error),
        })?;
        // Not before the lock: closing any handle on a database file gives up all locks that this
        // process has on it. Source: <https://www.sqlite.org/howtocorrupt.html>, 2.2.
        let database = path.join(file);
        match private().create_new(true).open(&database) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(of_io(error)),
            _ => {}
        }
        close_to_others(path, file).map_err(of_io)?;
        Ok(Self {
            database,
            _lock: lock,
        })
    }

    pub(super) fn database(&self) -> PathBuf {
        self.database.clone()
    }

    /// Says whether there is no room for a small database; writes a file to find out.
    pub(super) fn is_full(&self) -> bool {
        const ROOM_BYTES: usize = 512 << 10;
        let path = self.database.with_extension("room");
        let written = private()
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&vec![0; ROOM_BYTES]));
        // What is left of it has no room either, and is written over the next time.
        let _ = fs::remove_file(&path);
        written.is_err_and(|error| of_io(error) == StoreError::DiskFull)
    }
}

/// Finds a database file that is there; nothing is made, locked or opened.
pub(super) fn find(path: &Path, file: &str) -> Result<PathBuf, StoreError> {
    let database = path.join(file);
    match fs::metadata(&database) {
        Ok(_) => Ok(database),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(StoreError::Missing)
        }
        Err(error) => Err(of_io(error)),
    }
}

/// Makes files that only their user can read, for there are names and debts in them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.truncate(false).write(true).mode(0o600);
    options
}

/// Takes the rights of others away from what was there before, as a copy or a restore leaves it.
///
/// A folder that also holds other things, or that everyone may write to, is left as it is: it is
/// not the store's alone.
fn close_to_others(path: &Path, file: &str) -> io::Result<()> {
    let mut is_ours_alone = true;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match name.strip_prefix(file) {
            Some("" | "-wal" | "-shm" | "-journal") => close(&entry.path(), 0o600)?,
            _ if name == "regua.lock" => close(&entry.path(), 0o600)?,
            _ => is_ours_alone = false,
        }
    }
    if is_ours_alone {
        close(path, 0o700)?;
    }
    Ok(())
}

/// Keeps no more rights than these; what belongs to another user stays as it is.
fn close(path: &Path, kept: u32) -> io::Result<()> {
    const STICKY: u32 = 0o1000;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & STICKY != 0 || mode & 0o777 & !kept == 0 {
        return Ok(());
    }
    let closed = mode & (kept | !0o777);
    match fs::set_permissions(path, fs::Permissions::from_mode(closed)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        closed => closed,
    }
}

fn of_io(error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::DiskFull
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Refused,
        _ => StoreError::Unreachable,
    }
}
