// SPDX-License-Identifier: MIT OR Apache-2.0
//! lock_api's raw mutex is valet's. In the place of parking_lot's src/raw_mutex.rs.

use crate::valet::*;
use std::time::{Duration, Instant};

pub struct RawMutex(pub(crate) Word);
unsafe impl Send for RawMutex {}
unsafe impl Sync for RawMutex {}

unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: RawMutex = RawMutex(Word::new(0));
    type GuardMarker = crate::GuardMarker;
    fn lock(&self) { assert!(came(unsafe { valet_mutex_lock(self.0.get()) })) }
    fn try_lock(&self) -> bool { unsafe { valet_mutex_try_lock(self.0.get()) } }
    unsafe fn unlock(&self) { valet_mutex_unlock(self.0.get()) }
}
unsafe impl lock_api::RawMutexFair for RawMutex {
    unsafe fn unlock_fair(&self) { valet_mutex_unlock_fair(self.0.get()) }
}
unsafe impl lock_api::RawMutexTimed for RawMutex {
    type Duration = Duration;
    type Instant = Instant;
    fn try_lock_for(&self, timeout: Duration) -> bool {
        came(unsafe { valet_mutex_lock_for(self.0.get(), ns(timeout)) })
    }
    fn try_lock_until(&self, until: Instant) -> bool {
        came(unsafe { valet_mutex_lock_for(self.0.get(), left(until)) })
    }
}
