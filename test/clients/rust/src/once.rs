// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cell that is written once, by whoever comes first; the others wait for it.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use crate::Waiters;

const EMPTY: u8 = 0;
const RUNNING: u8 = 1;
const COMPLETE: u8 = 2;

/// A value that is computed at most once at a time and never changes after that.
pub struct OnceCell<T> {
    state: Waiters,
    value: UnsafeCell<MaybeUninit<T>>, // written by the thread that took EMPTY to RUNNING
}

// SAFETY: `&T` goes to many threads, and the T may be dropped on another one than it was made on.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

impl<T> OnceCell<T> {
    /// An empty cell.
    pub const fn new() -> OnceCell<T> {
        OnceCell {
            state: Waiters::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        if self.state.state() == COMPLETE {
            // SAFETY: reading COMPLETE acquired what the writer released, and nobody writes again.
            Some(unsafe { (*self.value.get()).assume_init_ref() })
        } else {
            None
        }
    }

    /// The value; computed by `f` if there is none, while all others who ask for it sleep. An `f`
    /// that asks this cell waits for itself, for ever.
    ///
    /// # Panics
    /// If `f` does: the cell is empty again, and one of those who wait computes it. Also where the
    /// system does not let a thread wait.
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        let mut f = Some(f);
        loop {
            match self.state.compare_exchange(EMPTY, RUNNING) {
                Ok(_) => {
                    let mut undo = Undo {
                        cell: self,
                        to: EMPTY,
                    };
                    let value = (f.take().expect("EMPTY is taken once by each call"))();
                    // SAFETY: only the thread that took EMPTY to RUNNING writes, and nobody reads.
                    unsafe { (*self.value.get()).write(value) };
                    undo.to = COMPLETE;
                }
                Err(COMPLETE) => return self.get().expect("it is complete"),
                Err(_) => self.state.wait_while(RUNNING).expect("wait for a OnceCell"),
            }
        }
    }

    /// The value, out of the cell.
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// The value, out of the cell, which is empty again.
    pub fn take(&mut self) -> Option<T> {
        if self.state.state() != COMPLETE {
            return None;
        }
        self.state = Waiters::new(EMPTY);
        // SAFETY: it was complete, and is no longer.
        Some(unsafe { self.value.get_mut().assume_init_read() })
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T> Drop for OnceCell<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Leaves RUNNING, also when `f` panics.
struct Undo<'a, T> {
    cell: &'a OnceCell<T>,
    to: u8,
}

impl<T> Drop for Undo<'_, T> {
    fn drop(&mut self) {
        self.cell.state.store_and_wake(self.to);
    }
}
