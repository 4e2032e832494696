// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parking for threads, without `std`: what the C library [valet](../include/valet.h) offers, as
//! safe types of one machine word each.
//!
//! ```
//! use std::{sync::Arc, thread};
//! use valet::Parker;
//!
//! let parker = Arc::new(Parker::new());
//! let sleeper = Arc::clone(&parker);
//! let t = thread::spawn(move || sleeper.park());
//! parker.unpark();
//! assert_eq!(t.join().unwrap(), Ok(()));
//! ```
//!
//! A borrow is what the C contract asks of its caller: an object stays where it is, and alive, for
//! as long as a call that was given a reference to it runs.
#![no_std]
#![warn(missing_docs)]

use core::cell::UnsafeCell;
use core::fmt;
use core::time::Duration;

mod once;
mod sys;

pub use once::OnceCell;

/// Why a thread could not park or wait. Nothing was consumed and nobody is left on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Another thread is parked on the parker.
    Busy,
    /// This system has no clock, or this thread may not block.
    Unsupported,
    /// The kernel refused, as a sandbox does, or answered nonsense.
    System,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Busy => "another thread is parked on this parker",
            Error::Unsupported => "not supported by this system or thread",
            Error::System => "refused by the system",
        })
    }
}

/// Whether what was waited for came before the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It came: a token, a state.
    Came,
    /// The deadline came first.
    TimedOut,
}

fn outcome(status: i32) -> Result<Outcome, Error> {
    match status {
        sys::OK => Ok(Outcome::Came),
        sys::TIMEDOUT => Ok(Outcome::TimedOut),
        sys::ERR_BUSY => Err(Error::Busy),
        sys::ERR_UNSUPPORTED => Err(Error::Unsupported),
        // ERR_INVALID needs an argument out of range, which these types do not pass on.
        _ => Err(Error::System),
    }
}

/// A call without a deadline has no second outcome.
fn came(status: i32) -> Result<(), Error> {
    outcome(status).map(|o| debug_assert_eq!(o, Outcome::Came))
}

/// A moment on the clock that valet counts deadlines on: monotonic, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// Never.
    pub const NEVER: Deadline = Deadline(sys::FOREVER);

    /// `timeout` from now; `NEVER` if that is more than about 584 years after the clock's start.
    /// An error where there is no clock.
    pub fn after(timeout: Duration) -> Result<Deadline, Error> {
        // SAFETY: no precondition.
        match unsafe { sys::valet_now() } {
            0 => Err(Error::Unsupported),
            now => Ok(Deadline(
                u64::try_from(u128::from(now) + timeout.as_nanos()).unwrap_or(sys::FOREVER),
            )),
        }
    }
}

/// One thread parks, any other wakes it; a token remembers a wake-up that came first.
#[repr(transparent)]
pub struct Parker(UnsafeCell<sys::Parker>);

// SAFETY: every call may be made from any thread at any time; two that park get `Error::Busy`.
unsafe impl Sync for Parker {}
// SAFETY: there is nothing of a thread in it while nobody is parked, and moving it needs ownership.
unsafe impl Send for Parker {}

impl Parker {
    /// A parker without a token.
    pub const fn new() -> Parker {
        Parker(UnsafeCell::new(sys::Parker { word: 0 }))
    }

    /// Takes the token, and sleeps until there is one. Never returns for no reason.
    ///
    /// All that came before the `unpark` that made the token happens before the return.
    pub fn park(&self) -> Result<(), Error> {
        // SAFETY: the word is valid and at its place for the length of the borrow.
        came(unsafe { sys::valet_park(self.0.get()) })
    }

    /// The same until `deadline`; a token wins over a deadline that has passed.
    pub fn park_until(&self, deadline: Deadline) -> Result<Outcome, Error> {
        // SAFETY: as above.
        outcome(unsafe { sys::valet_park_until(self.0.get(), deadline.0) })
    }

    /// The same for `timeout`; zero only looks for a token and needs no clock.
    pub fn park_timeout(&self, timeout: Duration) -> Result<Outcome, Error> {
        let ns = u64::try_from(timeout.as_nanos()).unwrap_or(sys::FOREVER);
        // SAFETY: as above.
        outcome(unsafe { sys::valet_park_for(self.0.get(), ns) })
    }

    /// Makes the token, and wakes the thread that is parked. Never blocks, and may be called from a
    /// signal handler, where the system is of the futex kind (the C library's README says which are).
    pub fn unpark(&self) {
        // SAFETY: as above.
        unsafe { sys::valet_unpark(self.0.get()) }
    }
}

impl Default for Parker {
    fn default() -> Parker {
        Parker::new()
    }
}

/// A small state that many threads wait on until one changes it and wakes them all.
#[repr(transparent)]
pub struct Waiters(UnsafeCell<sys::Waiters>);

// SAFETY: every call may be made from any thread at any time.
unsafe impl Sync for Waiters {}
// SAFETY: nobody waits while it is moved: waiting borrows it.
unsafe impl Send for Waiters {}

impl Waiters {
    /// The greatest state.
    pub const MAX: u8 = sys::STATE_MAX as u8;

    /// Nobody waits yet.
    ///
    /// # Panics
    /// If `state` is greater than [`Waiters::MAX`], as do all calls below.
    pub const fn new(state: u8) -> Waiters {
        assert!(state <= Waiters::MAX);
        Waiters(UnsafeCell::new(sys::Waiters {
            word: state as usize,
        }))
    }

    /// The state; acquires what the thread that set it had released.
    pub fn state(&self) -> u8 {
        // SAFETY: the word is valid and at its place for the length of the borrow.
        (unsafe { sys::valet_waiters_state(self.0.get()) }) as u8
    }

    /// Sets the state to `new` if it is `current`, and wakes nobody; else `Err` with what it is.
    /// Acquires and releases.
    pub fn compare_exchange(&self, current: u8, new: u8) -> Result<u8, u8> {
        assert!(current <= Waiters::MAX && new <= Waiters::MAX);
        let mut seen = u32::from(current);
        // SAFETY: as above, and `seen` outlives the call.
        if unsafe { sys::valet_waiters_compare_exchange(self.0.get(), &mut seen, new.into()) } {
            Ok(current)
        } else {
            Err(seen as u8)
        }
    }

    /// Sleeps until the state is not `state`, and acquires.
    pub fn wait_while(&self, state: u8) -> Result<(), Error> {
        assert!(state <= Waiters::MAX);
        // SAFETY: as above.
        came(unsafe { sys::valet_compare_and_wait(self.0.get(), state.into()) })
    }

    /// The same until `deadline`; a change wins over a deadline that has passed.
    pub fn wait_while_until(&self, state: u8, deadline: Deadline) -> Result<Outcome, Error> {
        assert!(state <= Waiters::MAX);
        // SAFETY: as above.
        outcome(unsafe {
            sys::valet_compare_and_wait_until(self.0.get(), state.into(), deadline.0)
        })
    }

    /// Releases, sets the state, and wakes everyone who waits.
    pub fn store_and_wake(&self, state: u8) {
        assert!(state <= Waiters::MAX);
        // SAFETY: as above.
        unsafe { sys::valet_store_and_wake(self.0.get(), state.into()) }
    }
}
