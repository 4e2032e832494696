/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The floors, written by hand in assembly as far as it matters, without libc. One of
 *
 *   RAW     a pair over futex(2) that knows whether somebody sleeps: what is compared with
 *   EACH    RAW, but each waiter sleeps on a word of its own, as where the kernel can only wake one
 *           thread that is known: the floor of a wake-all there. A table in the place of a list
 *   ATOMIC  the atomic instruction that no correct parker can do without, and nothing else
 *   SPIN    a token and a state that are waited for by looking at them: the fastest hand-off, and
 *           barrier, of two threads that both run
 *
 * Errors are left out, a wait may end for any reason, and there is no second parker to refuse: less
 * than a library needs. x86_64 Linux.
 */
#include "peer.h"
#include <assert.h>

#define BLOCKS RAW

#ifndef EACH
#define EACH 0
#endif
#if !RAW + !ATOMIC + !SPIN != 2
#error "choose one of RAW, ATOMIC, SPIN"
#endif

#define HAS_PARKER  1
#define HAS_TIMED   RAW
#define HAS_WAITERS 1

struct parker {
    uint32_t word;
};

static inline uint32_t swap(uint32_t *word, uint32_t value)
{
    __asm__ volatile("xchg %0, %1" : "+r"(value), "+m"(*word) : : "memory");
    return value;
}

static inline uint32_t load(const uint32_t *word)
{
    uint32_t value;
    __asm__ volatile("mov %1, %0" : "=r"(value) : "m"(*word) : "memory");
    return value;
}

static inline void parker_init(struct parker *p)
{
    p->word = 0;
}

struct waiters {
    uint32_t word;
};
static struct waiters waiters;

static inline void waiters_prepare(unsigned count)
{
    (void)count;
}

#if RAW
#include <time.h>

enum { EMPTY, TOKEN, PARKED = -1 };

/* returns what was added to: PARKED + 1 is EMPTY */
static inline uint32_t add(uint32_t *word, uint32_t value)
{
    __asm__ volatile("lock xadd %0, %1" : "+r"(value), "+m"(*word) : : "memory", "cc");
    return value;
}

/* the same by comparing: returns what was there */
static inline uint32_t replace(uint32_t *word, uint32_t old, uint32_t new)
{
    __asm__ volatile("lock cmpxchg %2, %1" : "+a"(old), "+m"(*word) : "r"(new) : "memory", "cc");
    return old;
}

#define WAIT_PRIVATE        128L
#define WAKE_PRIVATE        129L
#define WAIT_BITSET_PRIVATE 137L

static inline long futex(uint32_t *word, long operation, long value, const void *until)
{
    long result;
    register const void *r10 __asm__("r10") = until;
    register long r9 __asm__("r9") = 0xffffffff;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(202L), "D"(word), "S"(operation), "d"(value), "r"(r10), "r"(r9)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static inline void parker_park(struct parker *p)
{
    if (add(&p->word, -1U) == TOKEN)
        return;
    do
        futex(&p->word, WAIT_PRIVATE, PARKED, 0);
    while (load(&p->word) == (uint32_t)PARKED);
    swap(&p->word, EMPTY);
}

static inline bool parker_park_for(struct parker *p, uint64_t ns)
{
    if (add(&p->word, -1U) == TOKEN)
        return true;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += (uint64_t)t.tv_nsec;
    t.tv_sec += (long)(ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    long result;
    do
        result = futex(&p->word, WAIT_BITSET_PRIVATE, PARKED, &t);
    while (result != -110 && load(&p->word) == (uint32_t)PARKED); /* ETIMEDOUT */
    return swap(&p->word, EMPTY) == TOKEN;
}

static inline void parker_unpark(struct parker *p)
{
    if (swap(&p->word, TOKEN) == (uint32_t)PARKED)
        futex(&p->word, WAKE_PRIVATE, 1, 0);
}

#if EACH
#define MOST 4096u
static struct {
    struct parker parker;
} __attribute__((aligned(64))) waiter[MOST];
static uint32_t waiter_count;
static __thread struct parker *mine;

/* Whoever is counted before the state is set gets a token; who comes later sees the state. */
static inline void waiters_wait(unsigned expected)
{
    if (mine == 0)
        mine = &waiter[add(&waiter_count, 1)].parker;
    while (load(&waiters.word) == expected)
        parker_park(mine);
}

static inline void waiters_set(unsigned state)
{
    swap(&waiters.word, state);
    for (uint32_t i = load(&waiter_count); i-- != 0;)
        if (&waiter[i].parker != mine)
            parker_unpark(&waiter[i].parker);
}
#else
#define HAS_UNTIL 1
#define SLEEPERS  32u

/* False: ETIMEDOUT, and the state has not changed */
static inline bool waiters_wait_until(unsigned expected, uint64_t deadline)
{
    struct timespec t = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    for (long result = 0;;) {
        uint32_t seen = load(&waiters.word);
        if ((seen & 31) != expected)
            return true;
        if (result == -110)
            return false;
        if (seen == expected)
            seen = replace(&waiters.word, expected, expected | SLEEPERS);
        if ((seen & 31) == expected)
            result = futex(&waiters.word, WAIT_BITSET_PRIVATE, expected | SLEEPERS, &t);
    }
}

static inline void waiters_wait(unsigned expected)
{
    for (;;) {
        uint32_t seen = load(&waiters.word);
        if ((seen & 31) != expected)
            return;
        if (seen == expected)
            seen = replace(&waiters.word, expected, expected | SLEEPERS);
        if ((seen & 31) == expected)
            futex(&waiters.word, WAIT_PRIVATE, expected | SLEEPERS, 0);
    }
}

static inline void waiters_set(unsigned state)
{
    if (swap(&waiters.word, state) & SLEEPERS)
        futex(&waiters.word, WAKE_PRIVATE, INT32_MAX, 0);
}
#endif
#endif

#if ATOMIC
/* Both exchange. These two wait for nobody; only LOOP_* calls them. */
static inline void parker_park(struct parker *p)
{
    swap(&p->word, 0);
}

static inline void parker_unpark(struct parker *p)
{
    swap(&p->word, 1);
}

static inline void waiters_wait(unsigned expected)
{
    (void)expected;
    load(&waiters.word);
}

static inline void waiters_set(unsigned state)
{
    swap(&waiters.word, state);
}
#endif

#if SPIN
static inline void parker_park(struct parker *p)
{
    while (load(&p->word) == 0)
        __asm__ volatile("pause");
    swap(&p->word, 0);
}

static inline void parker_unpark(struct parker *p)
{
    swap(&p->word, 1);
}

static inline void waiters_wait(unsigned expected)
{
    while ((load(&waiters.word) & 31) == expected)
        __asm__ volatile("pause");
}

static inline void waiters_set(unsigned state)
{
    swap(&waiters.word, state);
}
#endif

#include "peer_tail.h"
