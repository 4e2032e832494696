/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * musl's waits and wakes by valet: included at the end of its pthread_impl.h, whose own inline
 * functions the edits have renamed to __musl_wake and __musl_futexwait.
 *
 * valet's words are private to the process. A word that another process shares, or that the kernel
 * wakes at a thread's end with the shared key, stays with musl's own calls: the __shared functions.
 */
#ifndef VALET_IMPL_H
#define VALET_IMPL_H

/* A C library may define reserved names only: valet's object has its symbols prefixed. */
#define valet_futex_wait __valet_futex_wait
#define valet_futex_wake __valet_futex_wake
#define VALET_API        hidden
#include "valet.h"

hidden void __shared_wait(volatile void *, int);
hidden void __shared_wake(volatile void *, int);
hidden int __shared_timedwait(volatile int *, int, clockid_t, const struct timespec *, int);
hidden int __shared_timedwait_cp(volatile int *, int, clockid_t, const struct timespec *, int);

hidden int __valet_wait(volatile int *, int, uint64_t);
hidden int __valet_wait_cp(volatile int *, int, uint64_t);
hidden int __valet_leave(void *);
hidden void __valet_restore(void);

static inline void __futexwait(volatile void *addr, int val, int priv)
{
    if (!priv)
        __shared_wait(addr, val);
    else if (valet_futex_wait((uint32_t *)addr, (uint32_t)val, VALET_FOREVER) < 0)
        a_crash(); /* no futex here: nothing above this could go on */
}

static inline void __wake(volatile void *addr, int cnt, int priv)
{
    if (priv)
        valet_futex_wake((uint32_t *)addr, cnt < 0 ? UINT32_MAX : (uint32_t)cnt);
    else
        __shared_wake(addr, cnt);
}

#endif
