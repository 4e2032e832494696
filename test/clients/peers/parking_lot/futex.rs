// SPDX-License-Identifier: MIT OR Apache-2.0
//! parking_lot_core's thread parker on a futex of valet. In the place of its src/thread_parker/linux.rs.

use core::sync::atomic::{AtomicU32, Ordering::*};
use std::time::Instant;

#[link(name = "valet")]
extern "C" {
    fn valet_futex_wait(word: *const AtomicU32, expected: u32, deadline: u64) -> i32;
    fn valet_futex_wake(word: *const AtomicU32, count: u32) -> u32;
    fn valet_now() -> u64;
}

/// 1 from `prepare_park` until `unpark_lock`
pub struct ThreadParker(AtomicU32);
pub struct UnparkHandle(*const AtomicU32);

impl super::ThreadParkerT for ThreadParker {
    type UnparkHandle = UnparkHandle;
    const IS_CHEAP_TO_CONSTRUCT: bool = true;

    fn new() -> ThreadParker { ThreadParker(AtomicU32::new(0)) }
    unsafe fn prepare_park(&self) { self.0.store(1, Relaxed) }
    unsafe fn timed_out(&self) -> bool { self.0.load(Relaxed) != 0 }
    unsafe fn park(&self) { assert!(wait(&self.0, u64::MAX)) }
    unsafe fn park_until(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).as_nanos();
        wait(&self.0, (left + u128::from(valet_now())).min(u64::MAX.into()) as u64)
    }
    unsafe fn unpark_lock(&self) -> UnparkHandle { self.0.store(0, Release); UnparkHandle(&self.0) }
}
/// Whether the word has become 0. That load pairs with the store of `unpark_lock`.
unsafe fn wait(word: &AtomicU32, deadline: u64) -> bool {
    while word.load(Acquire) != 0 && valet_futex_wait(word, 1, deadline) != 1 {} // VALET_TIMEDOUT
    word.load(Acquire) == 0
}
impl super::UnparkHandleT for UnparkHandle {
    unsafe fn unpark(self) { valet_futex_wake(self.0, 1); } // an address: it may be gone by now
}
pub fn thread_yield() { std::thread::yield_now() }
