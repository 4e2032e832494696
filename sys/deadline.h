/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Deadlines, for systems that count a sleep from the call, or that may end one early. The caller
 * asks its clock: `now` is what it said. (Not sys/time.h: a C library's headers include that.)
 */
#ifndef VALET_SYS_DEADLINE_H
#define VALET_SYS_DEADLINE_H

#include <stdint.h>

#include "sys/seconds.h"
#include "valet.h"

/*
 * How long to sleep, at most `longest`. VALET_OK, and 1 or more; or what the wait answers instead.
 * A deadline of 0 has come also where there is no clock.
 */
static inline int valet_deadline_sleep(uint64_t now, uint64_t deadline, uint64_t longest,
                                       uint64_t *ns)
{
    if (now >= deadline)
        return VALET_TIMEDOUT;
    if (now == 0)
        return VALET_ERR_UNSUPPORTED;
    *ns = deadline - now < longest ? deadline - now : longest;
    return VALET_OK;
}

/* What a wait answers when the system calls its time over: that sleep may have been cut, or early.
 */
static inline int valet_deadline_over(uint64_t now, uint64_t deadline)
{
    return now < deadline ? VALET_OK : VALET_TIMEDOUT;
}

/* The same, for who has asked no clock before the sleep: where there is none, to sleep again would
 * be to turn for ever. */
static inline int valet_deadline_over_unasked(uint64_t now, uint64_t deadline)
{
    if (now < deadline)
        return now != 0 ? VALET_OK : VALET_ERR_UNSUPPORTED;
    return VALET_TIMEDOUT;
}

/* A sleep of valet_deadline_sleep, cut well below 2^64 ns, in larger units, rounded up. */
static inline uint64_t valet_deadline_units(uint64_t ns, uint32_t unit)
{
#ifdef __i386__
    uint32_t rest;
    return valet_divide(ns + unit - 1, unit, &rest);
#else
    return (ns + unit - 1) / unit;
#endif
}

#endif
