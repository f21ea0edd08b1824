//! One way to take a lock: a panic of someone who held it does not spread to everyone else.
//!
//! Everything behind such a lock is changed in steps that leave it whole.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, whoever panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
