// SPDX-License-Identifier: MIT OR Apache-2.0
// Abseil: a Mutex is for readers and writers, too.
#include <absl/base/call_once.h>
#include <absl/synchronization/mutex.h>

#include "peer.h"

static absl::Mutex mutex;
static absl::Mutex rwlock;
static absl::CondVar cond;
static absl::once_flag once;

#define COND   cond
#define RWLOCK rwlock
#define ONCE   once

static inline void mutex_lock()
{
    mutex.Lock();
}

static inline void mutex_unlock()
{
    mutex.Unlock();
}

static inline void cond_wait()
{
    cond.Wait(&mutex);
}

static inline void cond_one()
{
    cond.Signal();
}

static inline void cond_all()
{
    cond.SignalAll();
}

static inline void read_lock()
{
    rwlock.ReaderLock();
}

static inline void read_unlock()
{
    rwlock.ReaderUnlock();
}

static inline void write_lock()
{
    rwlock.WriterLock();
}

static inline void write_unlock()
{
    rwlock.WriterUnlock();
}

static inline void once_call()
{
    absl::call_once(once, [] {});
}

#include "tail.h"
