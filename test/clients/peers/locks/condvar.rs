// SPDX-License-Identifier: MIT OR Apache-2.0
//! parking_lot's condition variable is valet's. In the place of its src/condvar.rs, whose tests follow this. What its
//! users are told and valet does not know, is counted here: how many wait, and with which mutex.

use crate::{mutex::MutexGuard, raw_mutex::RawMutex, valet::*};
use core::{fmt, ptr, sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*}};
use std::{ops::DerefMut, time::{Duration, Instant}};

#[derive(Debug, PartialEq, Eq, Copy, Clone)]
pub struct WaitTimeoutResult(bool);
impl WaitTimeoutResult {
    pub fn timed_out(self) -> bool { self.0 }
}

pub struct Condvar { cond: Word, waiting: AtomicUsize, mutex: AtomicPtr<RawMutex> }
unsafe impl Send for Condvar {}
unsafe impl Sync for Condvar {}

impl Condvar {
    pub const fn new() -> Condvar {
        Condvar { cond: Word::new(0), waiting: AtomicUsize::new(0), mutex: AtomicPtr::new(ptr::null_mut()) }
    }
    fn one_less(&self) -> bool { self.waiting.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() }
    pub fn notify_one(&self) -> bool {
        let one = self.one_less();
        unsafe { valet_cond_notify_one(self.cond.get()) };
        one
    }
    pub fn notify_all(&self) -> usize {
        let all = self.waiting.swap(0, SeqCst);
        unsafe { valet_cond_notify_all(self.cond.get()) };
        all
    }
    fn wait_ns<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, timeout_ns: u64) -> WaitTimeoutResult {
        let mutex = unsafe { MutexGuard::mutex(guard).raw() };
        let with = mutex as *const RawMutex as *mut RawMutex;
        let others = self.waiting.fetch_add(1, SeqCst);
        if self.mutex.swap(with, SeqCst) != with && others != 0 {
            self.one_less();
            panic!("attempted to use a condition variable with more than one mutex");
        }
        let notified = came(unsafe { valet_cond_wait_for(self.cond.get(), mutex.0.get(), timeout_ns) });
        if !notified {
            self.one_less();
        }
        WaitTimeoutResult(!notified)
    }
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) { self.wait_ns(guard, u64::MAX); }
    pub fn wait_until<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, until: Instant) -> WaitTimeoutResult {
        self.wait_ns(guard, left(until))
    }
    pub fn wait_for<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> WaitTimeoutResult {
        self.wait_ns(guard, ns(timeout))
    }
    fn wait_while_until_internal<T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self, guard: &mut MutexGuard<'_, T>, mut condition: F, until: Option<Instant>,
    ) -> WaitTimeoutResult {
        let mut result = WaitTimeoutResult(false);
        while !result.timed_out() && condition(guard.deref_mut()) {
            result = self.wait_ns(guard, until.map_or(u64::MAX, left));
        }
        result
    }
}
impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad("Condvar { .. }") }
}
