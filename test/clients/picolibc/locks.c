/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * picolibc's retargetable locks: the ten functions and the variable of its <sys/lock.h> (eight of
 * them in 1.8.10). Linked before libc.a, they take the place of the empty ones in there.
 *
 *   bits  name   meaning                    changed by
 *   0     HELD   a CPU has the lock         the CPU that acquires or releases it
 *   1-    WAITS  these CPUs wait for it     set by a CPU before it parks; the CPU that releases
 *                                           the lock clears one, and unparks that CPU
 *
 * A CPU that was unparked tries again: another may have been faster. It has no use for a lock that
 * is handed over to it, since it may not be running just now (on a virtual machine), and all others
 * would have to wait until it does.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/lock.h>
#include <valet.h>

#include "board.h"

#define HELD       1u
#define WAITS(cpu) (2u << (cpu))

struct __lock {
    _Atomic uint32_t word;
    /* of recursive locks: */
    _Atomic unsigned owner; /* which CPU has it, counted from 1; 0: none */
    unsigned depth;         /* how often it has */
};

struct __lock __lock___libc_recursive_mutex; /* the one that guards malloc, the environment, ... */

static struct valet_parker parkers[CPUS]; /* a CPU waits for one lock at a time */

static int try_acquire(struct __lock *lock)
{
    return !(atomic_fetch_or_explicit(&lock->word, HELD, memory_order_acquire) & HELD);
}

static void acquire(struct __lock *lock)
{
    uint32_t seen = 0, next;
    for (;;) {
        do {
            next = seen | (seen & HELD ? WAITS(cpu) : HELD);
        } while (!atomic_compare_exchange_weak_explicit(
            &lock->word, &seen, next, memory_order_acquire, memory_order_relaxed));
        if (!(seen & HELD))
            return;
        (void)!valet_park(&parkers[cpu]); /* whatever it says: the loop looks */
    }
}

/* The next CPU that waits, in turn; this one if none does. */
static unsigned next_of(uint32_t word)
{
    unsigned next = cpu;
    do {
        next = (next + 1) % CPUS;
    } while (next != cpu && !(word & WAITS(next)));
    return next;
}

static void release(struct __lock *lock)
{
    uint32_t seen = HELD;
    unsigned next;
    do {
        next = next_of(seen);
    } while (!atomic_compare_exchange_weak_explicit(&lock->word, &seen,
                                                    seen & ~(HELD | WAITS(next)),
                                                    memory_order_release, memory_order_relaxed));
    if (next != cpu)
        valet_unpark(&parkers[next]);
}

/* ---- the functions --------------------------------------------------------------------------- */

void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof **lock);
    if (*lock == NULL)
        abort(); /* there is no way to say so */
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    __retarget_lock_init(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    acquire(lock);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return try_acquire(lock);
}

void __retarget_lock_release(_LOCK_T lock)
{
    release(lock);
}

/* relaxed: only this CPU ever makes the owner this CPU */
static int is_mine(struct __lock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == cpu + 1;
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (!is_mine(lock)) {
        acquire(lock);
        atomic_store_explicit(&lock->owner, cpu + 1, memory_order_relaxed);
    }
    lock->depth++;
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    if (!is_mine(lock)) {
        if (!try_acquire(lock))
            return 0;
        atomic_store_explicit(&lock->owner, cpu + 1, memory_order_relaxed);
    }
    lock->depth++;
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (--lock->depth != 0)
        return;
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    release(lock);
}
