/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * musl's waits and wakes by valet: included at the end of its pthread_impl.h, in place of the two
 * inline functions there. A word that processes share, or that the kernel wakes at a thread's end,
 * by the shared key, is VALET_SHARED.
 */
#ifndef VALET_IMPL_H
#define VALET_IMPL_H

/* A C library may define reserved names only: valet's objects have their symbols prefixed. */
#define valet_cancel_redirect        __valet_cancel_redirect
#define valet_futex_requeue          __valet_futex_requeue
#define valet_futex_wait_cancellable __valet_futex_wait_cancellable
#define valet_futex_wait_with        __valet_futex_wait_with
#define valet_futex_wake_with        __valet_futex_wake_with
#define VALET_API                    hidden
#include "valet.h"

static inline void __futexwait(volatile void *addr, int val, int priv)
{
    unsigned flags = priv ? 0 : VALET_SHARED;
    if (valet_futex_wait_with((uint32_t *)addr, (uint32_t)val, VALET_FOREVER, flags) < 0)
        a_crash(); /* no futex here: nothing above this could go on */
}

static inline void __wake(volatile void *addr, int cnt, int priv)
{
    valet_futex_wake_with((uint32_t *)addr, cnt < 0 ? VALET_FUTEX_ALL : (uint32_t)cnt,
                          priv ? 0 : VALET_SHARED);
}

#endif
