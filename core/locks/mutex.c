/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Mutex: the fast paths. What happens when they do not suffice is the queue's (queue.c). */
#include "core/deadline.h"
#include "core/locks/owner.h"
#include "core/locks/queue.h"
#include "valet_locks.h"

static valet_wordptr *word_of(struct valet_mutex *m)
{
    return (valet_wordptr *)&m->word;
}

/* Also past those who wait: one step, whatever else is in the word. On x86 it is a bit test and
 * set, which gcc (12) finds only where nothing says what is likely. */
VALET_INLINE bool take(valet_wordptr *word)
{
    /* acquire: LOCK, pairs with UNLOCK */
    bool held = atomic_fetch_or_explicit(word, VALET_LOCKED, memory_order_acquire) & VALET_LOCKED;
    return !held;
}

bool valet_mutex_try_lock(struct valet_mutex *m)
{
    return take(word_of(m)) && valet_owner_begins(m, VALET_OK) == VALET_OK;
}

int valet_mutex_lock(struct valet_mutex *m)
{
    valet_owner_is_another(m);
    return valet_owner_begins(
        m, take(word_of(m)) ? VALET_OK : valet_queue_lock(word_of(m), VALET_FOREVER, 0, 0));
}

static int lock_slow(struct valet_mutex *m, uint64_t deadline)
{
    if (deadline == 0)
        return valet_mutex_try_lock(m) ? VALET_OK : VALET_TIMEDOUT;
    return valet_queue_lock(word_of(m), deadline, 0, 0);
}

int valet_mutex_lock_until(struct valet_mutex *m, uint64_t deadline)
{
    valet_owner_is_another(m);
    return valet_owner_begins(m, take(word_of(m)) ? VALET_OK : lock_slow(m, deadline));
}

int valet_mutex_lock_for(struct valet_mutex *m, uint64_t timeout_ns)
{
    /* Before the clock is asked, which may be a system call. */
    valet_owner_is_another(m);
    if (take(word_of(m)))
        return valet_owner_begins(m, VALET_OK);
    uint64_t deadline;
    if (valet_deadline_by(valet_now, timeout_ns, &deadline))
        return valet_owner_begins(m, lock_slow(m, deadline));
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
    valet_owner_ends(m);
    give(word_of(m), false);
}

void valet_mutex_unlock_fair(struct valet_mutex *m)
{
    valet_owner_ends(m);
    give(word_of(m), true);
}
