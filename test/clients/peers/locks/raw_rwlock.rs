// SPDX-License-Identifier: MIT OR Apache-2.0
//! lock_api's raw lock for readers and writers is valet's. In the place of parking_lot's src/raw_rwlock.rs. What valet
//! has not is made of two of its locks: one that reads and may write later holds a mutex, which writers take first, so
//! that no other writes in between. To read again while a writer waits is not to be had.

use crate::{raw_mutex::RawMutex, valet::*};
use core::cell::UnsafeCell;
use lock_api::RawMutex as _;

pub struct RawRwLock { lock: UnsafeCell<[usize; 2]>, writers: RawMutex }
unsafe impl Send for RawRwLock {}
unsafe impl Sync for RawRwLock {}

impl RawRwLock {
    fn only_if(&self, taken: bool) -> bool {
        if !taken {
            unsafe { self.writers.unlock() }
        }
        taken
    }
}

unsafe impl lock_api::RawRwLock for RawRwLock {
    const INIT: RawRwLock = RawRwLock { lock: UnsafeCell::new([0; 2]), writers: RawMutex::INIT };
    type GuardMarker = crate::GuardMarker;
    fn lock_shared(&self) { assert!(came(unsafe { valet_rwlock_read_lock(self.lock.get()) })) }
    fn try_lock_shared(&self) -> bool { unsafe { valet_rwlock_read_try_lock(self.lock.get()) } }
    unsafe fn unlock_shared(&self) { valet_rwlock_read_unlock(self.lock.get()) }
    fn lock_exclusive(&self) {
        self.writers.lock();
        assert!(came(unsafe { valet_rwlock_write_lock(self.lock.get()) }))
    }
    fn try_lock_exclusive(&self) -> bool {
        self.writers.try_lock() && self.only_if(unsafe { valet_rwlock_write_try_lock(self.lock.get()) })
    }
    unsafe fn unlock_exclusive(&self) {
        valet_rwlock_write_unlock(self.lock.get());
        self.writers.unlock()
    }
}
unsafe impl lock_api::RawRwLockDowngrade for RawRwLock {
    unsafe fn downgrade(&self) {
        valet_rwlock_downgrade(self.lock.get());
        self.writers.unlock()
    }
}
unsafe impl lock_api::RawRwLockUpgrade for RawRwLock {
    fn lock_upgradable(&self) {
        self.writers.lock();
        lock_api::RawRwLock::lock_shared(self)
    }
    fn try_lock_upgradable(&self) -> bool {
        self.writers.try_lock() && self.only_if(lock_api::RawRwLock::try_lock_shared(self))
    }
    unsafe fn unlock_upgradable(&self) {
        lock_api::RawRwLock::unlock_shared(self);
        self.writers.unlock()
    }
    unsafe fn upgrade(&self) {
        lock_api::RawRwLock::unlock_shared(self);
        assert!(came(valet_rwlock_write_lock(self.lock.get())))
    }
    unsafe fn try_upgrade(&self) -> bool { unimplemented!("no test has it") }
}
unsafe impl lock_api::RawRwLockRecursive for RawRwLock {
    fn lock_shared_recursive(&self) { lock_api::RawRwLock::lock_shared(self) }
    fn try_lock_shared_recursive(&self) -> bool { lock_api::RawRwLock::try_lock_shared(self) }
}
