/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Condition variable: the wait with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/locks/cond.c"
#endif
#include "core/with.h"

VALET_UNPROTECTED int valet_cond_wait_with(struct valet_cond *c, struct valet_mutex *m,
                                           uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    return r != VALET_OK ? r : wait_loop(c, m, deadline, flags);
}
