// SPDX-License-Identifier: MIT OR Apache-2.0
//! valet.h, as far as the crate needs it.

#[repr(C)]
pub struct Parker {
    pub word: usize,
}

#[repr(C)]
pub struct Waiters {
    pub word: usize,
}

pub const OK: i32 = 0;
pub const TIMEDOUT: i32 = 1;
pub const ERR_BUSY: i32 = -1;
pub const ERR_UNSUPPORTED: i32 = -3;
pub const FOREVER: u64 = u64::MAX;
pub const STATE_MAX: u32 = 31;

extern "C" {
    pub fn valet_park(p: *mut Parker) -> i32;
    pub fn valet_park_until(p: *mut Parker, deadline: u64) -> i32;
    pub fn valet_park_for(p: *mut Parker, timeout_ns: u64) -> i32;
    pub fn valet_unpark(p: *mut Parker);

    pub fn valet_waiters_state(w: *const Waiters) -> u32;
    pub fn valet_waiters_compare_exchange(w: *mut Waiters, expected: *mut u32, desired: u32) -> bool;
    pub fn valet_compare_and_wait(w: *mut Waiters, expected: u32) -> i32;
    pub fn valet_compare_and_wait_until(w: *mut Waiters, expected: u32, deadline: u64) -> i32;
    pub fn valet_store_and_wake(w: *mut Waiters, state: u32);

    pub fn valet_now() -> u64;
}
