/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Latch: a count, and waiters whose state says whether it has come to nothing. Who waits looks at
 * the state alone, so of all who count, the one that sets it is the last that touches the object.
 */
#include "core/assert.h"
#include "core/word.h"
#include "valet_locks.h"

enum { SHUT = 0, OPEN = 1 };

#ifndef VALET_MACHINE_ONLY

void valet_latch_count_down(struct valet_latch *l, uintptr_t n)
{
    /* release: COUNT, for the last one, which acquires, and hands all of it on with the state */
    uintptr_t left = atomic_fetch_sub_explicit((valet_wordptr *)&l->count, n, memory_order_acq_rel);
    VALET_ASSERT(n != 0 && left >= n); /* else it is counted down too often */
    if (left == n)
        valet_store_and_wake(&l->waiters, OPEN);
}

int valet_latch_wait(struct valet_latch *l)
{
    return valet_compare_and_wait(&l->waiters, SHUT);
}

int valet_latch_wait_until(struct valet_latch *l, uint64_t deadline)
{
    return valet_compare_and_wait_until(&l->waiters, SHUT, deadline);
}

#endif /* VALET_MACHINE_ONLY */
