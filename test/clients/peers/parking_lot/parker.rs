// SPDX-License-Identifier: MIT OR Apache-2.0
//! parking_lot_core's thread parker is a parker of valet. In the place of its src/thread_parker/linux.rs.

use core::cell::{Cell, UnsafeCell};
use std::time::Instant;

#[link(name = "valet")]
extern "C" {
    fn valet_park(p: *mut usize) -> i32;
    fn valet_park_for(p: *mut usize, timeout_ns: u64) -> i32;
    fn valet_unpark(p: *mut usize);
}

/// A token comes for each `unpark_lock`, and is taken before the thread goes on: what it parks on stays until then.
pub struct ThreadParker { parker: UnsafeCell<usize>, queued: Cell<bool> }
pub struct UnparkHandle(*mut usize);

impl super::ThreadParkerT for ThreadParker {
    type UnparkHandle = UnparkHandle;
    const IS_CHEAP_TO_CONSTRUCT: bool = true;

    fn new() -> ThreadParker { ThreadParker { parker: UnsafeCell::new(0), queued: Cell::new(false) } }
    unsafe fn prepare_park(&self) { self.queued.set(true) }
    unsafe fn timed_out(&self) -> bool { self.queued.get() || { self.park(); false } }
    unsafe fn park(&self) { assert_eq!(valet_park(self.parker.get()), 0) }
    unsafe fn park_until(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).as_nanos();
        let status = valet_park_for(self.parker.get(), left.min(u64::MAX.into()) as u64);
        assert!(status == 0 || status == 1); // VALET_OK, VALET_TIMEDOUT
        status == 0
    }
    unsafe fn unpark_lock(&self) -> UnparkHandle { self.queued.set(false); UnparkHandle(self.parker.get()) }
}
impl super::UnparkHandleT for UnparkHandle {
    unsafe fn unpark(self) { valet_unpark(self.0) }
}
pub fn thread_yield() { std::thread::yield_now() }
