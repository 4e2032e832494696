// SPDX-License-Identifier: MIT OR Apache-2.0
//! The locks of Rust's standard library or, with the feature `lot`, of parking_lot; what each function is for is in
//! peer.h. The guards are used as their users do; only peer_lock keeps one, for peer_unlock.
#![allow(clippy::missing_safety_doc)]

use std::sync::atomic::{AtomicI32, Ordering};

#[cfg(not(feature = "lot"))]
mod library {
    pub use std::sync::{Condvar, Mutex, MutexGuard, Once, RwLock};

    macro_rules! locked {
        ($guard:expr) => {
            $guard.unwrap()
        };
    }
    pub(crate) use locked;

    #[inline]
    pub fn wait<'a, T>(cond: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        cond.wait(guard).unwrap()
    }
}

#[cfg(feature = "lot")]
mod library {
    pub use parking_lot::{Condvar, Mutex, MutexGuard, Once, RwLock};

    macro_rules! locked {
        ($guard:expr) => {
            $guard
        };
    }
    pub(crate) use locked;

    #[inline]
    pub fn wait<'a, T>(cond: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        cond.wait(&mut guard);
        guard
    }
}

use library::{locked, wait, Condvar, Mutex, MutexGuard, Once, RwLock};

#[repr(C)]
pub struct Peer {
    mutex: u32,
    cond: u32,
    rwlock: u32,
    sem: u32,
    once: u32,
}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static peer: Peer = Peer {
    mutex: std::mem::size_of::<Mutex<()>>() as u32,
    cond: std::mem::size_of::<Condvar>() as u32,
    rwlock: std::mem::size_of::<RwLock<()>>() as u32,
    sem: 0,
    once: std::mem::size_of::<Once>() as u32,
};

extern "C" {
    static bench_stop: AtomicI32;
    static mut bench_count: u64;
    static mut bench_written: [u64; 2];
    fn bench_work(steps: u64);
    fn bench_differs();
}

static MUTEX: Mutex<()> = Mutex::new(());
static RWLOCK: RwLock<()> = RwLock::new(());
static COND: Condvar = Condvar::new();
static ONCE: Once = Once::new();
static mut HELD: Option<MutexGuard<'static, ()>> = None;
static mut TURN: u32 = 0;
static mut GENERATION: u64 = 0;

fn stopped() -> bool {
    unsafe { bench_stop.load(Ordering::Relaxed) != 0 }
}

#[no_mangle]
pub unsafe extern "C" fn peer_lock() {
    HELD = Some(locked!(MUTEX.lock()));
}

#[no_mangle]
pub unsafe extern "C" fn peer_unlock() {
    let guard = HELD.take(); // before others can
    drop(guard);
}

/// As in tail.h.
#[no_mangle]
pub unsafe extern "C" fn peer_loop(what: u32, n: u64) {
    #[inline]
    fn each(n: u64, body: impl Fn()) {
        for _ in 0..n {
            body();
            unsafe { std::arch::asm!("") };
        }
    }
    match what {
        1 => each(n, || drop(locked!(MUTEX.lock()))),
        2 => each(n, || drop(locked!(RWLOCK.read()))),
        3 => each(n, || drop(locked!(RWLOCK.write()))),
        5 => each(n, || {
            COND.notify_one();
        }),
        6 => each(n, || ONCE.call_once(|| ())),
        _ => each(n, || ()),
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_contend(inside: u64, outside: u64) -> u64 {
    let mut n = 0;
    while !stopped() {
        {
            let _held = locked!(MUTEX.lock());
            bench_count += 1;
            bench_work(inside);
        }
        bench_work(outside);
        n += 1;
    }
    n
}

#[no_mangle]
pub unsafe extern "C" fn peer_mix(every: u64, inside: u64, outside: u64) -> u64 {
    let mut n = 0;
    while !stopped() {
        if n % every == 0 {
            let _held = locked!(RWLOCK.write());
            bench_written[0] += 1;
            bench_work(inside);
            bench_written[1] += 1;
        } else {
            let held = locked!(RWLOCK.read());
            let differ = bench_written[0] != bench_written[1];
            bench_work(inside);
            drop(held);
            if differ {
                bench_differs();
            }
        }
        bench_work(outside);
        n += 1;
    }
    n
}

#[no_mangle]
pub unsafe extern "C" fn peer_turns(mine: u32, rounds: u64) {
    for _ in 0..rounds {
        let mut held = locked!(MUTEX.lock());
        while TURN != mine {
            held = wait(&COND, held);
        }
        TURN = 1 - mine;
        drop(held);
        COND.notify_one();
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_wait(generation: u64) {
    let mut held = locked!(MUTEX.lock());
    while GENERATION != generation {
        held = wait(&COND, held);
    }
    drop(held);
}

#[no_mangle]
pub unsafe extern "C" fn peer_set(generation: u64) {
    let _held = locked!(MUTEX.lock());
    GENERATION = generation;
}

#[no_mangle]
pub extern "C" fn peer_notify_all() {
    COND.notify_all();
}
