/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * OpenBSD, dynamic programs and libraries: futex(2) through libc, futex kind. Only libc.so may make
 * calls there; see openbsd.h for the call itself, openbsd.c for the other way. Undefined symbols:
 * futex, clock_gettime and __errno, which is what errno expands to.
 * Source: openbsd/src lib/libc/sys/futex.2, include/errno.h.
 */
#include <stddef.h>

#include "sys/openbsd.h"

int futex(volatile uint32_t *word, int op, int value, const struct timespec *timeout,
          volatile uint32_t *word2);
int clock_gettime(int clock, struct timespec *t);
int *__errno(void);

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0; /* cannot fail */
    return ns_of(&t);
}

VALET_UNPROTECTED static uint64_t clock_ns(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOCK_REALTIME);
}

VALET_INLINE int sleep_for(uint32_t *word, uint32_t expected, const struct timespec *timeout,
                           uint64_t deadline, unsigned flags)
{
    int kept = *__errno();
    int r = futex(word, FUTEX_WAIT | private_flag(flags), (int)expected, timeout, NULL);
    if (r < 0) /* in old releases the errno is the result itself */
        r = *__errno();
    *__errno() = kept; /* errno is the user's: parking does not change it */
    int status = status_of(r, deadline, flags);
    return status == VALET_TIMEDOUT ? valet_deadline_over(clock_ns(), deadline) : status;
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    struct timespec t;
    const struct timespec *timeout = NULL;
    if (deadline != VALET_FOREVER) {
        int r = timeout_of(clock_ns(), deadline, &t);
        if (r != VALET_OK)
            return r;
        timeout = &t;
    }
    return sleep_for(word, expected, timeout, deadline, flags);
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    struct timespec t = timespec_of(SHORTEST_NS);
    return sleep_for(word, expected, &t, 0, VALET_INTERRUPTIBLE);
}

/* Cannot fail: the number woken, 0 also for an address that is gone. */
static inline int wake(uint32_t *word, int count, unsigned flags)
{
    return futex(word, FUTEX_WAKE | private_flag(flags), count, NULL, NULL);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    wake(word, valet_futex_count(count), 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    return valet_futex_woken(wake(word, valet_futex_count(count), flags));
}
