// SPDX-License-Identifier: MIT OR Apache-2.0
//! parking_lot's once is valet's. In the place of its src/once.rs, whose tests follow this.

use crate::valet::*;
use core::{fmt, mem, sync::atomic::{AtomicU8, Ordering::*}};

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum OnceState { New, Poisoned, InProgress, Done }
impl OnceState {
    pub fn poisoned(self) -> bool { self == OnceState::Poisoned }
    pub fn done(self) -> bool { self == OnceState::Done }
}

/// Who has begun it keeps beside it what its users are told: 0, as OnceState.
pub struct Once { once: Word, state: AtomicU8 }
unsafe impl Send for Once {}
unsafe impl Sync for Once {}

impl Once {
    pub const fn new() -> Once { Once { once: Word::new(0), state: AtomicU8::new(OnceState::New as u8) } }
    pub fn state(&self) -> OnceState {
        use OnceState::*;
        [New, Poisoned, InProgress, Done][usize::from(self.state.load(Acquire))]
    }
    pub fn call_once<F: FnOnce()>(&self, f: F) { self.call(false, |_| f()) }
    pub fn call_once_force<F: FnOnce(OnceState)>(&self, f: F) { self.call(true, f) }
    fn call<F: FnOnce(OnceState)>(&self, even_if_poisoned: bool, f: F) {
        const VALET_CHOSEN: i32 = 4;
        let o = self.once.get();
        if unsafe { valet_once_is_done(o) } {
            return;
        }
        match unsafe { valet_once_begin(o) } {
            0 => return,
            status => assert_eq!(status, VALET_CHOSEN),
        }
        struct Abandon<'a>(&'a Once);
        impl Drop for Abandon<'_> {
            fn drop(&mut self) {
                self.0.state.store(OnceState::Poisoned as u8, Release);
                unsafe { valet_once_abandon(self.0.once.get()) }
            }
        }
        let abandon = Abandon(self);
        let before = self.state();
        assert!(even_if_poisoned || !before.poisoned(), "Once instance has previously been poisoned");
        self.state.store(OnceState::InProgress as u8, Release);
        f(before);
        mem::forget(abandon);
        self.state.store(OnceState::Done as u8, Release);
        unsafe { valet_once_done(o) }
    }
}
impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("state", &self.state()).finish()
    }
}
