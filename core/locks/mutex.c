/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Mutex: the fast paths. What happens when they do not suffice is the queue's (queue.c). */
#include "core/deadline.h"
#include "core/locks/queue.h"
#include "valet_locks.h"

static valet_wordptr *word_of(struct valet_mutex *m)
{
    return (valet_wordptr *)&m->word;
}

static inline bool take(valet_wordptr *word)
{
    uintptr_t seen = 0; /* nobody waits, either */
    /* acquire: LOCK, pairs with UNLOCK */
    return VALET_LIKELY(atomic_compare_exchange_strong_explicit(
        word, &seen, VALET_LOCKED, memory_order_acquire, memory_order_relaxed));
}

bool valet_mutex_try_lock(struct valet_mutex *m)
{
    valet_wordptr *word = word_of(m);
    uintptr_t seen = 0; /* a guess for the CAS */
    do {
        /* acquire: LOCK, pairs with UNLOCK */
        if (VALET_LIKELY(atomic_compare_exchange_strong_explicit(
                word, &seen, seen | VALET_LOCKED, memory_order_acquire, memory_order_relaxed)))
            return true;
    } while (!(seen & VALET_LOCKED));
    return false;
}

int valet_mutex_lock(struct valet_mutex *m)
{
    return take(word_of(m)) ? VALET_OK : valet_queue_lock(word_of(m), VALET_FOREVER, 0, 0);
}

static int lock_slow(struct valet_mutex *m, uint64_t deadline)
{
    if (deadline == 0)
        return valet_mutex_try_lock(m) ? VALET_OK : VALET_TIMEDOUT;
    return valet_queue_lock(word_of(m), deadline, 0, 0);
}

int valet_mutex_lock_until(struct valet_mutex *m, uint64_t deadline)
{
    return take(word_of(m)) ? VALET_OK : lock_slow(m, deadline);
}

int valet_mutex_lock_for(struct valet_mutex *m, uint64_t timeout_ns)
{
    /* Before the clock is asked, which may be a system call. */
    if (take(word_of(m)))
        return VALET_OK;
    uint64_t deadline;
    if (valet_deadline_by(valet_now, timeout_ns, &deadline))
        return lock_slow(m, deadline);
    int r = lock_slow(m, 0); /* no clock to wait by: a mutex that is free still wins */
    return r == VALET_TIMEDOUT ? VALET_ERR_UNSUPPORTED : r;
}

static inline void give(valet_wordptr *word, bool fair)
{
    uintptr_t seen = VALET_LOCKED;
    /* release: UNLOCK, pairs with LOCK. The last look at the word, which the next one may free. */
    if (!VALET_LIKELY(atomic_compare_exchange_strong_explicit(word, &seen, 0, memory_order_release,
                                                              memory_order_relaxed)))
        valet_queue_unlock(word, fair);
}

void valet_mutex_unlock(struct valet_mutex *m)
{
    give(word_of(m), false);
}

void valet_mutex_unlock_fair(struct valet_mutex *m)
{
    give(word_of(m), true);
}
