/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Latch: the wait with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/locks/latch.c"
#endif

int valet_latch_wait_with(struct valet_latch *l, uint64_t deadline, unsigned flags)
{
    return valet_compare_and_wait_with(&l->waiters, SHUT, deadline, flags);
}
