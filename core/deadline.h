/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The deadline of a timeout: a sum that saturates. What is left of one: sys/deadline.h. */
#ifndef VALET_CORE_DEADLINE_H
#define VALET_CORE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "valet_sys.h"

/*
 * The deadline of a timeout that starts now, by a clock. 0 and VALET_FOREVER are themselves, and
 * need none; a sum beyond the clock's range is VALET_FOREVER. False: there is no clock here.
 */
static inline bool valet_deadline_by(uint64_t (*clock)(void), uint64_t timeout_ns,
                                     uint64_t *deadline)
{
    *deadline = timeout_ns;
    if (timeout_ns == 0 || timeout_ns == VALET_FOREVER)
        return true;
    uint64_t now = clock();
    if (now == 0)
        return false;
    if (__builtin_add_overflow(now, timeout_ns, deadline))
        *deadline = VALET_FOREVER;
    return true;
}

static inline bool valet_deadline_after(uint64_t timeout_ns, uint64_t *deadline)
{
    return valet_deadline_by(valet_sys_now, timeout_ns, deadline);
}

#endif
