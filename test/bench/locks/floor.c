/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Floors written by hand. Without ATOMIC, a lock on a futex as textbooks have it: 0 free, 1 held, 2
 * held and perhaps waited for (U. Drepper, "Futexes Are Tricky"), and a condition variable on a
 * count of notifies. ATOMIC: the two atomic operations alone; nobody may wait for it.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"

static _Atomic uint32_t mutex;

#ifdef ATOMIC
static inline void mutex_lock(void)
{
    atomic_exchange_explicit(&mutex, 1, memory_order_acquire);
}

static inline void mutex_unlock(void)
{
    atomic_exchange_explicit(&mutex, 0, memory_order_release);
}
#else
static struct {
    _Atomic uint32_t notifies, waiters;
} cond;
#define COND cond

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count);
}

static __attribute__((noinline)) void mutex_lock_slowly(void)
{
    while (atomic_exchange_explicit(&mutex, 2, memory_order_acquire) != 0)
        futex_wait(&mutex, 2);
}

static inline void mutex_lock(void)
{
    uint32_t seen = 0;
    if (!atomic_compare_exchange_strong_explicit(&mutex, &seen, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        mutex_lock_slowly();
}

static inline void mutex_unlock(void)
{
    if (atomic_exchange_explicit(&mutex, 0, memory_order_release) == 2)
        futex_wake(&mutex, 1);
}

static inline void cond_wait(void)
{
    atomic_fetch_add_explicit(&cond.waiters, 1, memory_order_relaxed);
    uint32_t seen = atomic_load_explicit(&cond.notifies, memory_order_relaxed);
    mutex_unlock();
    futex_wait(&cond.notifies, seen);
    mutex_lock_slowly(); /* there may be others */
    atomic_fetch_sub_explicit(&cond.waiters, 1, memory_order_relaxed);
}

static inline void notify(int count)
{
    if (atomic_load_explicit(&cond.waiters, memory_order_relaxed) == 0)
        return;
    atomic_fetch_add_explicit(&cond.notifies, 1, memory_order_relaxed);
    futex_wake(&cond.notifies, count);
}

static inline void cond_one(void)
{
    notify(1);
}

static inline void cond_all(void)
{
    notify(INT_MAX);
}
#endif

#include "tail.h"
