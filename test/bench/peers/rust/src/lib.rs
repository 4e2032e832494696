// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rust's standard library: thread::park, and a Mutex and a Condvar as waiters. With the feature `lot`,
//! parking_lot's Mutex and Condvar for both.
#![allow(clippy::missing_safety_doc)]

use std::time::Duration;

#[repr(C)]
pub struct Peer {
    parker_size: u32,
    waiters_size: u32,
    timed: u32,
    sets: u32,
    blocks: u32,
}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static peer: Peer = Peer {
    parker_size: std::mem::size_of::<Parker>() as u32,
    waiters_size: std::mem::size_of::<Waiters>() as u32,
    timed: 1,
    sets: 1,
    blocks: 1,
};

#[cfg(not(feature = "lot"))]
mod library {
    use std::sync::{Condvar, Mutex};
    use std::thread::{self, Thread};
    use std::time::Duration;

    /// The token belongs to the thread; this is a handle of it.
    pub struct Parker(Thread);

    impl Parker {
        pub fn new() -> Parker {
            Parker(thread::current())
        }
        #[inline]
        pub fn park(&self) {
            thread::park();
        }
        /// park does not say whether there was a token: a return before the timeout is one here.
        pub fn park_for(&self, timeout: Duration) -> bool {
            let begin = std::time::Instant::now();
            thread::park_timeout(timeout);
            begin.elapsed() < timeout
        }
        #[inline]
        pub fn unpark(&self) {
            self.0.unpark();
        }
    }

    pub struct Waiters {
        pub state: Mutex<u32>,
        pub changed: Condvar,
    }

    impl Waiters {
        pub const fn new() -> Waiters {
            Waiters { state: Mutex::new(0), changed: Condvar::new() }
        }
        #[inline]
        pub fn wait(&self, expected: u32) {
            let mut state = self.state.lock().unwrap();
            while *state == expected {
                state = self.changed.wait(state).unwrap();
            }
        }
        #[inline]
        pub fn set(&self, to: u32) {
            *self.state.lock().unwrap() = to;
            self.changed.notify_all();
        }
    }
}

#[cfg(feature = "lot")]
mod library {
    use parking_lot::{const_mutex, Condvar, Mutex};
    use std::time::{Duration, Instant};

    pub struct Parker {
        token: Mutex<bool>,
        left: Condvar,
    }

    impl Parker {
        pub fn new() -> Parker {
            Parker { token: const_mutex(false), left: Condvar::new() }
        }
        #[inline]
        pub fn park(&self) {
            let mut token = self.token.lock();
            while !*token {
                self.left.wait(&mut token);
            }
            *token = false;
        }
        pub fn park_for(&self, timeout: Duration) -> bool {
            let until = Instant::now() + timeout;
            let mut token = self.token.lock();
            while !*token && !self.left.wait_until(&mut token, until).timed_out() {}
            std::mem::replace(&mut *token, false)
        }
        #[inline]
        pub fn unpark(&self) {
            *self.token.lock() = true;
            self.left.notify_one();
        }
    }

    pub struct Waiters {
        state: Mutex<u32>,
        changed: Condvar,
    }

    impl Waiters {
        pub const fn new() -> Waiters {
            Waiters { state: const_mutex(0), changed: Condvar::new() }
        }
        #[inline]
        pub fn wait(&self, expected: u32) {
            let mut state = self.state.lock();
            while *state == expected {
                self.changed.wait(&mut state);
            }
        }
        #[inline]
        pub fn set(&self, to: u32) {
            *self.state.lock() = to;
            self.changed.notify_all();
        }
    }
}

use library::{Parker, Waiters};

static WAITERS: Waiters = Waiters::new();

#[no_mangle]
pub unsafe extern "C" fn peer_init(p: *mut Parker) {
    p.write(Parker::new());
}

#[no_mangle]
pub unsafe extern "C" fn peer_park(p: *mut Parker) {
    (*p).park();
}

#[no_mangle]
pub unsafe extern "C" fn peer_park_for(p: *mut Parker, ns: u64) -> bool {
    (*p).park_for(Duration::from_nanos(ns))
}

#[no_mangle]
pub unsafe extern "C" fn peer_unpark(p: *mut Parker) {
    (*p).unpark();
}

#[no_mangle]
pub extern "C" fn peer_prepare(_waiters: u32) {}

#[no_mangle]
pub extern "C" fn peer_wait(expected: u32) {
    WAITERS.wait(expected);
}

#[no_mangle]
pub extern "C" fn peer_set(state: u32) {
    WAITERS.set(state);
}

/// As in peer_tail.h.
#[no_mangle]
pub unsafe extern "C" fn peer_loop(what: u32, p: *mut Parker, n: u64) {
    fn each(n: u64, mut body: impl FnMut(u64)) {
        for i in 0..n {
            body(i);
            unsafe { std::arch::asm!("") };
        }
    }
    let parker = &*p;
    match what {
        0 => each(n, |_| ()),
        1 => each(n, |_| parker.unpark()),
        2 => each(n, |_| {
            parker.unpark();
            parker.park();
        }),
        3 => each(n, |_| WAITERS.wait(31)),
        _ => each(n, |i| WAITERS.set(i as u32 & 1)),
    }
}
