/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Semaphore: the acquire with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/locks/sem.c"
#endif
#include "core/with.h"

VALET_UNPROTECTED int valet_sem_acquire_with(struct valet_sem *s, uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    if (r != VALET_OK)
        return r;
    return take((valet_wordptr *)&s->count) ? VALET_OK : acquire_in_line(s, deadline, flags);
}
