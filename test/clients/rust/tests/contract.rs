// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the safe types promise beyond the seed's tests.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use valet::{Deadline, Error, OnceCell, Outcome, Parker, Waiters};

/// Whether a thread is parked: then, and only then, another one is refused.
fn until_parked(p: &Parker) {
    while p.park_timeout(Duration::ZERO) != Err(Error::Busy) {
        thread::yield_now();
    }
}

#[test]
fn one_word_each() {
    assert_eq!(std::mem::size_of::<Parker>(), std::mem::size_of::<usize>());
    assert_eq!(std::mem::size_of::<Waiters>(), std::mem::size_of::<usize>());
}

#[test]
fn a_second_thread_is_refused() {
    let parker = Parker::new();
    thread::scope(|s| {
        let t = s.spawn(|| parker.park());
        until_parked(&parker);
        assert_eq!(parker.park(), Err(Error::Busy));
        parker.unpark();
        assert_eq!(t.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_token_wins_over_a_passed_deadline_and_is_one() {
    let parker = Parker::new();
    parker.unpark();
    parker.unpark();
    let passed = Deadline::after(Duration::ZERO).unwrap();
    assert_eq!(parker.park_until(passed), Ok(Outcome::Came));
    assert_eq!(parker.park_until(passed), Ok(Outcome::TimedOut));
}

#[test]
fn endless_timeouts_are_no_deadline() {
    assert_eq!(Deadline::after(Duration::MAX), Ok(Deadline::NEVER));
    let parker = Parker::new();
    thread::scope(|s| {
        let t = s.spawn(|| parker.park_timeout(Duration::MAX));
        until_parked(&parker);
        parker.unpark();
        assert_eq!(t.join().unwrap(), Ok(Outcome::Came));
    });
}

#[test]
fn waiters_see_each_change() {
    let gate = Waiters::new(0);
    assert_eq!(gate.compare_exchange(1, 2), Err(0));
    let soon = Deadline::after(Duration::from_millis(5)).unwrap();
    assert_eq!(gate.wait_while_until(0, soon), Ok(Outcome::TimedOut));
    let data = AtomicUsize::new(0);
    thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                gate.wait_while(0).unwrap();
                assert_eq!(data.load(Ordering::Relaxed), 42);
            });
        }
        data.store(42, Ordering::Relaxed);
        gate.store_and_wake(Waiters::MAX);
    });
    assert_eq!(gate.state(), Waiters::MAX);
}

#[test]
#[should_panic]
fn a_state_out_of_range_is_a_panic() {
    Waiters::new(0).store_and_wake(Waiters::MAX + 1);
}

/// The second one comes while the first computes, and has a second's time to compute, too.
#[test]
fn one_thread_at_a_time_computes_a_cell() {
    let cell = OnceCell::new();
    let (asks, computes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|s| {
        cell.get_or_init(|| {
            s.spawn(|| {
                asks.store(1, Ordering::Relaxed);
                cell.get_or_init(|| computes.fetch_add(1, Ordering::Relaxed));
            });
            while asks.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            for _ in 0..100 {
                if computes.load(Ordering::Relaxed) == 0 {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            7
        });
    });
    assert_eq!(computes.load(Ordering::Relaxed), 0);
    assert_eq!(cell.get(), Some(&7));
}

#[test]
fn a_panic_leaves_the_cell_to_the_next() {
    let cell = OnceCell::new();
    let tries = AtomicUsize::new(0);
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    cell.get_or_init(|| {
                        if tries.fetch_add(1, Ordering::Relaxed) < 2 {
                            std::panic::resume_unwind(Box::new("not yet"));
                        }
                        7
                    });
                }));
            });
        }
    });
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    assert_eq!(cell.get(), Some(&7));
}

#[test]
fn a_cell_drops_its_value_once() {
    let value = Arc::new(());
    let cell = OnceCell::new();
    cell.get_or_init(|| value.clone());
    assert_eq!(Arc::strong_count(&value), 2);
    drop(cell);
    assert_eq!(Arc::strong_count(&value), 1);

    let mut cell = OnceCell::new();
    assert_eq!(cell.take(), None);
    cell.get_or_init(|| value.clone());
    assert_eq!(cell.take(), Some(value.clone()));
    assert_eq!(cell.get(), None);
    assert_eq!(cell.into_inner(), None);
    assert_eq!(Arc::strong_count(&value), 1);
}
