/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Once: the begin with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/locks/once.c"
#endif
#include "core/with.h"

VALET_UNPROTECTED int valet_once_begin_with(struct valet_once *o, uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    return r != VALET_OK ? r : begin_loop(&o->waiters, deadline, flags);
}
