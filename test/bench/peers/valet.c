/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * valet, through its library.
 *
 *   ONE_UNIT   the single file, compiled into the program that uses it
 *   LIBC_CLOCK the library's clock is the C library's, which asks no kernel (-Dhook=)
 *   DELEGATE   no parker, and the waker leaves the waking to the first that it wakes
 *   FUTEX      no parker, and the waiters wait on a word of their own, by valet_futex_wait
 */
#include "peer.h"
#include <assert.h>
#include <time.h>

#ifdef ONE_UNIT
#define VALET_STATIC
#include <valet.c> /* not this file */
#else
#include "valet.h"
#endif

#ifdef LIBC_CLOCK
#include "valet_sys.h"
uint64_t valet_sys_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
#endif

#define HAS_WAITERS 1
#define HAS_UNTIL   1
#define BLOCKS      1

#ifdef FUTEX
struct waiters {
    uint32_t word;
};
static struct waiters waiters;

static inline bool waiters_wait_until(unsigned expected, uint64_t deadline)
{
    int r = VALET_OK;
    while (__atomic_load_n(&waiters.word, __ATOMIC_ACQUIRE) == expected && r != VALET_TIMEDOUT)
        r = valet_futex_wait(&waiters.word, expected, deadline);
    return r != VALET_TIMEDOUT;
}

static inline void waiters_wait(unsigned expected)
{
    (void)waiters_wait_until(expected, VALET_FOREVER);
}

void peer_wake_other(unsigned number)
{
    static uint32_t other[256]; /* enough to be in each queue of a table */
    valet_futex_wake(&other[number % 256], 1);
}

static inline void waiters_set(unsigned state)
{
    __atomic_store_n(&waiters.word, state, __ATOMIC_RELEASE);
    valet_futex_wake(&waiters.word, UINT32_MAX);
}
#else
struct waiters {
    struct valet_waiters valet;
};
static struct waiters waiters = {VALET_WAITERS_INIT(0)};

static inline bool waiters_wait_until(unsigned expected, uint64_t deadline)
{
    return valet_compare_and_wait_until(&waiters.valet, expected, deadline) != VALET_TIMEDOUT;
}

static inline void waiters_wait(unsigned expected)
{
    (void)!valet_compare_and_wait(&waiters.valet, expected);
}

static inline void waiters_set(unsigned state)
{
#ifdef DELEGATE
    valet_store_and_delegate(&waiters.valet, state);
#else
    valet_store_and_wake(&waiters.valet, state);
#endif
}
#endif

static inline void waiters_prepare(unsigned count)
{
    (void)count;
}

#if defined DELEGATE || defined FUTEX
#define HAS_PARKER 0
#define HAS_TIMED  0
#else
#define HAS_PARKER 1
#define HAS_TIMED  1

struct parker {
    struct valet_parker valet;
};

static inline void parker_init(struct parker *p)
{
    *p = (struct parker){VALET_PARKER_INIT};
}

static inline void parker_park(struct parker *p)
{
    (void)!valet_park(&p->valet);
}

static inline bool parker_park_for(struct parker *p, uint64_t ns)
{
    return valet_park_for(&p->valet, ns) == VALET_OK;
}

static inline void parker_unpark(struct parker *p)
{
    valet_unpark(&p->valet);
}
#endif

#include "peer_tail.h"
