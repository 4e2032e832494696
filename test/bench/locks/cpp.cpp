// SPDX-License-Identifier: MIT OR Apache-2.0
// The standard library of C++20: libstdc++'s or libc++'s.
#include <condition_variable>
#include <mutex>
#include <semaphore>
#include <shared_mutex>

#include "peer.h"

static std::mutex mutex;
static std::condition_variable cond;
static std::shared_mutex rwlock;
static std::counting_semaphore<> sem(1);
static std::once_flag once;

#define COND   cond
#define RWLOCK rwlock
#define SEM    sem
#define ONCE   once

static inline void mutex_lock()
{
    mutex.lock();
}

static inline void mutex_unlock()
{
    mutex.unlock();
}

static inline void cond_wait()
{
    std::unique_lock hold(mutex, std::adopt_lock);
    cond.wait(hold);
    hold.release();
}

static inline void cond_one()
{
    cond.notify_one();
}

static inline void cond_all()
{
    cond.notify_all();
}

static inline void read_lock()
{
    rwlock.lock_shared();
}

static inline void read_unlock()
{
    rwlock.unlock_shared();
}

static inline void write_lock()
{
    rwlock.lock();
}

static inline void write_unlock()
{
    rwlock.unlock();
}

static inline void sem_take()
{
    sem.acquire();
}

static inline void sem_give()
{
    sem.release();
}

static inline void once_call()
{
    std::call_once(once, [] {});
}

#include "tail.h"
