/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the calls with flags share. Their machines are those of the calls without, once more: both
 * are made of one function, by VALET_INLINE, so those without have no code for flags.
 *
 * A wait by the wall clock is the system's, where that follows the clock when it is set
 * (VALET_SYS_FOLLOWS). Elsewhere it is cut into sleeps of at most a second, each by the other
 * clock: so it is late by that much at most, and never early, as each begins with a look at the
 * wall clock.
 */
#ifndef VALET_CORE_WITH_H
#define VALET_CORE_WITH_H

#include <stdbool.h>

#include "valet.h"
#include "valet_sys.h"

#ifndef VALET_SLICE_NS
#define VALET_SLICE_NS UINT64_C(1000000000)
#endif

/* VALET_OK: the flags are such as this call and this system have. */
static inline int valet_with_flags(unsigned flags, unsigned of_the_call)
{
    if (flags & ~(VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL | of_the_call))
        return VALET_ERR_INVALID;
    return (flags & ~valet_features()) != 0 ? VALET_ERR_UNSUPPORTED : VALET_OK;
}

/* The next sleep of a wait: until when, and with which flags of the system's. VALET_OK; else the
 * wait is over. */
static inline int valet_with_slice(uint64_t *deadline, unsigned *flags)
{
    if (!(*flags & VALET_REALTIME) ||
        (*deadline != VALET_FOREVER && valet_sys_features() & VALET_SYS_FOLLOWS))
        return VALET_OK;
    *flags &= ~VALET_REALTIME;
    if (*deadline == VALET_FOREVER)
        return VALET_OK;
    uint64_t wall = valet_sys_now_realtime(), now = valet_sys_now();
    if (wall >= *deadline)
        return VALET_TIMEDOUT;
    if (wall == 0 || now == 0)
        return VALET_ERR_UNSUPPORTED; /* a sandbox took a clock away */
    uint64_t left = *deadline - wall;
    *deadline = now + (left < VALET_SLICE_NS ? left : VALET_SLICE_NS);
    return VALET_OK;
}

/* The end of a slice is no timeout: the wall clock says whether it is one. (Not by their times: the
 * two clocks may say the same.) */
static inline bool valet_with_goes_on(int r, uint64_t deadline, unsigned flags, unsigned how)
{
    return r == VALET_TIMEDOUT && deadline != VALET_FOREVER && ((flags ^ how) & VALET_REALTIME);
}

/* As valet_sys_futex_wait, with flags: not 0. own: the end of a slice is VALET_OK, since the core
 * counts how often in a row a wait on its own word is refused, and who has slept is not refused. */
static inline VALET_UNPROTECTED int valet_futex_sleep(uint32_t *word, uint32_t expected,
                                                      uint64_t deadline, unsigned flags, bool own)
{
    for (;;) {
        uint64_t until = deadline;
        unsigned how = flags;
        int r = valet_with_slice(&until, &how);
        if (r != VALET_OK)
            return r;
        r = how != 0 ? valet_sys_futex_wait_with(word, expected, until, how)
                     : valet_sys_futex_wait(word, expected, until);
        if (!valet_with_goes_on(r, deadline, flags, how))
            return r;
        if (own)
            return VALET_OK;
    }
}

/* As valet_sys_sema_wait, the same. */
static inline VALET_UNPROTECTED int valet_sema_sleep(struct valet_sema *s, uint64_t deadline,
                                                     unsigned flags)
{
    for (;;) {
        uint64_t until = deadline;
        unsigned how = flags;
        int r = valet_with_slice(&until, &how);
        if (r != VALET_OK)
            return r;
        r = how != 0 ? valet_sys_sema_wait_with(s, until, how) : valet_sys_sema_wait(s, until);
        if (!valet_with_goes_on(r, deadline, flags, how))
            return r;
    }
}

#endif
