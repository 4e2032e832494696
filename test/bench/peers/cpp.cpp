// SPDX-License-Identifier: MIT OR Apache-2.0
// C++20, of libstdc++ or of libc++: std::binary_semaphore, and std::atomic with wait and
// notify_all. With ATOMIC the parker is made of the atomic, too; it has no timed wait.
#include <atomic>
#include <chrono>
#include <new>
#include <semaphore>

#include "peer.h"

#define HAS_PARKER 1
#define BLOCKS     1

#ifdef ATOMIC
#define HAS_TIMED   0
#define HAS_WAITERS 1

struct parker {
    std::atomic<uint32_t> token;
};

static inline void parker_init(parker *p)
{
    new (p) parker{{0}};
}

static inline void parker_park(parker *p)
{
    while (p->token.exchange(0, std::memory_order_acquire) == 0)
        p->token.wait(0, std::memory_order_relaxed);
}

// An exchange, not a store: libstdc++ 12 counts its waiters, and only a read-modify-write keeps the
// look at that count behind the store.
static inline void parker_unpark(parker *p)
{
    p->token.exchange(1, std::memory_order_acq_rel);
    p->token.notify_one();
}
struct waiters {
    std::atomic<uint32_t> state;
};
static waiters all;

static inline void waiters_prepare(unsigned count)
{
    (void)count;
}

static inline void waiters_wait(unsigned expected)
{
    all.state.wait(expected, std::memory_order_acquire);
}

static inline void waiters_set(unsigned state)
{
    all.state.exchange(state, std::memory_order_acq_rel);
    all.state.notify_all();
}
#else
#define HAS_TIMED   1
#define HAS_WAITERS 0

struct parker {
    std::binary_semaphore semaphore;
};

static inline void parker_init(parker *p)
{
    new (p) parker{std::binary_semaphore(0)};
}

static inline void parker_park(parker *p)
{
    p->semaphore.acquire();
}

static inline bool parker_park_for(parker *p, uint64_t ns)
{
    return p->semaphore.try_acquire_for(std::chrono::nanoseconds(ns));
}

// Not quite a token: a second release is beyond its maximum. Both libraries just count it.
static inline void parker_unpark(parker *p)
{
    p->semaphore.release();
}
#endif

#include "peer_tail.h"
