/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Sema kind, where the system wakes a thread by its id, and keeps one such wake-up for a thread
 * that is not asleep.
 *
 * What it keeps belongs to the thread, not to our semaphore: other code of the program uses it too,
 * and a poster that is late leaves one behind for the thread's next sleep, of whatever kind. So the
 * truth is a flag in the semaphore; a wake-up only ends a sleep, and the flag is looked at again.
 */
#ifndef VALET_SYS_BY_ID_H
#define VALET_SYS_BY_ID_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "valet_sys.h"

struct os_sema {
    atomic_bool posted;
    uint64_t owner; /* its id, for the poster */
} __attribute__((may_alias));

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

static inline void by_id_init(struct valet_sema *s, uint64_t owner)
{
    struct os_sema *sema = (struct os_sema *)(void *)s;
    sema->owner = owner;
    atomic_init(&sema->posted, false);
}

/* sleep_until: until a wake-up, the deadline, or for no reason. All but VALET_OK ends the wait. */
static inline int by_id_wait(struct valet_sema *s, uint64_t deadline, int (*sleep_until)(uint64_t))
{
    struct os_sema *sema = (struct os_sema *)(void *)s;
    /* acquire: pairs with POSTED */
    int r = VALET_OK;
    while (r == VALET_OK && !atomic_load_explicit(&sema->posted, memory_order_acquire)) {
        /* Else what sleep_until makes of the deadline is kept from turn to turn, on the stack. */
        __asm__("" : "+r"(deadline));
        r = sleep_until(deadline);
    }
    return r;
}

/* Sets the flag. The id of whom to wake: the owner may have returned, and its frame is gone. */
static inline uint64_t by_id_post(struct valet_sema *s)
{
    struct os_sema *sema = (struct os_sema *)(void *)s;
    uint64_t owner = sema->owner;
    atomic_store_explicit(&sema->posted, true, memory_order_release); /* POSTED */
    return owner;
}

#endif
