// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the crate valet_parking tests (repository pitdicker/valet_parking, src/lib.rs and
//! examples/test_synchronization.rs), and its timeout, asked of this one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use valet::{OnceCell, Outcome, Parker};

#[test]
fn ordering_over_20000_rounds() {
    static FLAG: AtomicBool = AtomicBool::new(false);
    static PARKER: Parker = Parker::new();
    for _ in 0..20_000 {
        let t = thread::spawn(|| {
            PARKER.unpark(); // a token for nothing
            FLAG.store(true, Ordering::Relaxed);
            PARKER.unpark();
        });
        while !FLAG.load(Ordering::Relaxed) {
            PARKER.park().unwrap();
        }
        FLAG.store(false, Ordering::Relaxed);
        t.join().unwrap();
    }
}

#[test]
fn a_timeout_ends_a_park_and_never_early() {
    let parker = Parker::new();
    for timeout in [1u64, 1_000, 1_000_000, 30_000_000].map(Duration::from_nanos) {
        let start = Instant::now();
        assert_eq!(parker.park_timeout(timeout), Ok(Outcome::TimedOut));
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn a_million_cells_raced_by_32_threads() {
    const THREADS: usize = 32;
    const ROUNDS: usize = 1_000_000;
    static CELLS: OnceCell<Vec<OnceCell<usize>>> = OnceCell::new();
    static SUM: OnceCell<usize> = OnceCell::new();
    CELLS.get_or_init(|| (0..ROUNDS).map(|_| OnceCell::new()).collect());
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            thread::spawn(move || {
                let cells = CELLS.get().unwrap();
                let sum = cells.iter().map(|c| *c.get_or_init(|| i)).sum();
                assert_eq!(*SUM.get_or_init(|| sum), sum);
                sum
            })
        })
        .collect();
    let sums: Vec<usize> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(sums.iter().all(|s| *s == sums[0]), "all agree: {sums:?}");
    let cells = CELLS.get().unwrap();
    assert!(cells.iter().all(|c| c.get().is_some()));
}
