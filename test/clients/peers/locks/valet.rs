// SPDX-License-Identifier: MIT OR Apache-2.0
//! What parking_lot's other files of this directory need of valet_locks.h.

use std::time::{Duration, Instant};

pub(crate) type Word = core::cell::UnsafeCell<usize>;

#[link(name = "valet")]
extern "C" {
    pub(crate) fn valet_mutex_lock(m: *mut usize) -> i32;
    pub(crate) fn valet_mutex_try_lock(m: *mut usize) -> bool;
    pub(crate) fn valet_mutex_lock_for(m: *mut usize, timeout_ns: u64) -> i32;
    pub(crate) fn valet_mutex_unlock(m: *mut usize);
    pub(crate) fn valet_mutex_unlock_fair(m: *mut usize);
    pub(crate) fn valet_cond_wait_for(c: *mut usize, m: *mut usize, timeout_ns: u64) -> i32;
    pub(crate) fn valet_cond_notify_one(c: *mut usize);
    pub(crate) fn valet_cond_notify_all(c: *mut usize);
    pub(crate) fn valet_rwlock_read_lock(l: *mut [usize; 2]) -> i32;
    pub(crate) fn valet_rwlock_read_try_lock(l: *mut [usize; 2]) -> bool;
    pub(crate) fn valet_rwlock_read_unlock(l: *mut [usize; 2]);
    pub(crate) fn valet_rwlock_write_lock(l: *mut [usize; 2]) -> i32;
    pub(crate) fn valet_rwlock_write_try_lock(l: *mut [usize; 2]) -> bool;
    pub(crate) fn valet_rwlock_write_unlock(l: *mut [usize; 2]);
    pub(crate) fn valet_rwlock_downgrade(l: *mut [usize; 2]);
    pub(crate) fn valet_once_is_done(o: *const usize) -> bool;
    pub(crate) fn valet_once_begin(o: *mut usize) -> i32;
    pub(crate) fn valet_once_done(o: *mut usize);
    pub(crate) fn valet_once_abandon(o: *mut usize);
}

/// Whether it is held, not timed out.
pub(crate) fn came(status: i32) -> bool {
    assert!(status == 0 || status == 1, "valet: {status}"); // VALET_OK, VALET_TIMEDOUT
    status == 0
}
pub(crate) fn ns(timeout: Duration) -> u64 { timeout.as_nanos().min(u64::MAX.into()) as u64 }
pub(crate) fn left(until: Instant) -> u64 { ns(until.saturating_duration_since(Instant::now())) }
