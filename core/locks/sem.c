/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Semaphore: a count, and a mutex that those who wait stand in line for. The one that has the mutex
 * is the front: it alone waits for the count, with its parker, whose address takes the place of the
 * count while that is nothing.
 *
 *   count    meaning                         next, and by whom
 *   permits  as many are there, twice        permits by acquire, also past those who wait, and by
 *                                            release; FRONT by the front, where none is there
 *   FRONT    none is there, and the front    permits, or none, by release, which hands one to the
 *            sleeps: the address of its      front; none by the front, which gives up
 *            parker, and one
 *
 * Whoever takes the address out of the word decides: release then owes a token, and the front has a
 * permit; or the front is gone. A front that comes too late for that stays for the token. That is
 * the last touch of a release, and it is of the parker: the object may be gone.
 */
#include "core/assert.h"
#include "core/deadline.h"
#include "core/locks/list.h"
#include "valet_locks.h"

#define FRONT  ((uintptr_t)1)
#define PERMIT ((uintptr_t)2)

static inline bool take(valet_wordptr *count)
{
    uintptr_t seen = atomic_load_explicit(count, memory_order_relaxed); /* a guess for the CAS */
    while (seen != 0 && !(seen & FRONT))
        /* acquire: TAKE, pairs with GIVE */
        if (VALET_LIKELY(atomic_compare_exchange_weak_explicit(
                count, &seen, seen - PERMIT, memory_order_acquire, memory_order_relaxed)))
            return true;
    return false;
}

/* With the mutex: take one; sleep once, if there is none. */
VALET_INLINE int take_as_front(valet_wordptr *count, uint64_t deadline, unsigned flags)
{
    VALET_UNFILLED struct valet_parker parker;
    parker = (struct valet_parker)VALET_PARKER_INIT; /* as an initialiser it would be a memset */
    uintptr_t front = (uintptr_t)&parker | FRONT, seen;
    do {
        if (take(count))
            return VALET_OK;
        seen = 0;
        /* release: FRONT, pairs with GIVE: the parker is there before its address */
    } while (!atomic_compare_exchange_weak_explicit(count, &seen, front, memory_order_release,
                                                    memory_order_relaxed));
    int r = valet_list_park(&parker, deadline, flags);
    /* relaxed: it gives nothing to anyone */
    if (r == VALET_OK || atomic_compare_exchange_strong_explicit(
                             count, &front, 0, memory_order_relaxed, memory_order_relaxed))
        return r;
    valet_list_await(&parker); /* it is handed one */
    return VALET_OK;
}

VALET_INLINE int acquire_in_line(struct valet_sem *s, uint64_t deadline, unsigned flags)
{
    valet_wordptr *count = (valet_wordptr *)&s->count;
    int r = deadline == 0 ? VALET_TIMEDOUT
            : flags != 0  ? valet_mutex_lock_with(&s->line, deadline, flags)
                          : valet_mutex_lock_until(&s->line, deadline);
    if (r != VALET_OK)
        return take(count) ? VALET_OK : r;
    r = take_as_front(count, deadline, flags);
    valet_mutex_unlock(&s->line);
    return r;
}

#ifndef VALET_MACHINE_ONLY

VALET_SLOW static int acquire_slow(struct valet_sem *s, uint64_t deadline)
{
    return acquire_in_line(s, deadline, 0);
}

bool valet_sem_try_acquire(struct valet_sem *s)
{
    return take((valet_wordptr *)&s->count);
}

int valet_sem_acquire(struct valet_sem *s)
{
    return valet_sem_acquire_until(s, VALET_FOREVER);
}

int valet_sem_acquire_until(struct valet_sem *s, uint64_t deadline)
{
    return VALET_LIKELY(take((valet_wordptr *)&s->count)) ? VALET_OK : acquire_slow(s, deadline);
}

int valet_sem_acquire_for(struct valet_sem *s, uint64_t timeout_ns)
{
    /* Before the clock is asked, which may be a system call. */
    if (take((valet_wordptr *)&s->count))
        return VALET_OK;
    uint64_t deadline;
    if (!valet_deadline_by(valet_now, timeout_ns, &deadline))
        return VALET_ERR_UNSUPPORTED;
    return acquire_slow(s, deadline);
}

void valet_sem_release(struct valet_sem *s, uintptr_t n)
{
    valet_wordptr *count = (valet_wordptr *)&s->count;
    uintptr_t next, seen = atomic_load_explicit(count, memory_order_relaxed); /* a guess */
    do {
        next = (seen & FRONT) ? (n - 1) * PERMIT : seen + n * PERMIT;
        VALET_ASSERT(n != 0 && n <= VALET_SEM_MAX && (seen & FRONT || next > seen));
        /* release: GIVE, pairs with TAKE; acquire: pairs with FRONT. The last look at the word: who
         * takes a permit may free it. */
    } while (!atomic_compare_exchange_weak_explicit(count, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (seen & FRONT)
        valet_unpark((struct valet_parker *)(seen & ~FRONT));
}

#endif /* VALET_MACHINE_ONLY */
