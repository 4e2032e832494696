/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Lock for readers and writers: a word that says who holds it, and a mutex that those who wait
 * stand in line for.
 *
 *   bit     meaning                        set by                     cleared by
 *   WRITER  one thread holds it alone      who takes it for writing   that thread
 *   DRAIN   who is first in line waits     who is first in line, and  who is first in line, and
 *           until it is free; nobody may   finds it held              takes the lock; or who calls
 *           come past the line                                        the drain off
 *   2-      readers that hold it           each of them               each of them
 *
 * Only the one that has the mutex is first in line. If it finds the lock held, it sets DRAIN, and
 * goes to sleep for the mutex that it has: it does not unlock it. DRAIN is the promise that another
 * one does so, and the rule is:
 *
 *   who takes the last hold away under DRAIN, or takes DRAIN away under a hold, unlocks the mutex
 *
 * The first is a holder that leaves: nothing but DRAIN is left, and only with the mutex can anybody
 * go on from there, so nobody gets the lock, or frees it, until that holder has let go of the mutex
 * too. The second is a thread whose deadline has come; or the writer that becomes a reader, since
 * the first in line may be a reader. Each is one step on the word, so it is one thread that
 * unlocks. It need not be the thread that has set DRAIN which then gets the mutex: whoever has it
 * finds the lock free, or sets DRAIN anew. So it does not matter, either, whose drain one calls
 * off. A fair unlock hands the mutex over, and so the lock to the first in line.
 */
#include "core/assert.h"
#include "core/deadline.h"
#include "core/locks/queue.h"
#include "valet_locks.h"

#define WRITER ((uintptr_t)1)
#define DRAIN  ((uintptr_t)2)
#define READER ((uintptr_t)4)

static valet_wordptr *word_of(struct valet_rwlock *l)
{
    return (valet_wordptr *)&l->holders;
}

/* Past the line, where nobody is in it. seen: what is in the word, or a guess. */
static inline bool take_from(valet_wordptr *word, uintptr_t what, uintptr_t seen)
{
    while (!(seen & (what == WRITER ? ~(uintptr_t)0 : WRITER | DRAIN)))
        /* acquire: LOCK, pairs with UNLOCK */
        if (VALET_LIKELY(atomic_compare_exchange_weak_explicit(
                word, &seen, seen + what, memory_order_acquire, memory_order_relaxed)))
            return true;
    return false;
}

static inline bool take(valet_wordptr *word, uintptr_t what)
{
    /* a writer's guess spares it the load */
    return take_from(word, what,
                     what == WRITER ? 0 : atomic_load_explicit(word, memory_order_relaxed));
}

/* First in line: take it, if nothing stands in the way; else, where the caller can wait, DRAIN. */
static bool take_as_first(valet_wordptr *word, uintptr_t what, uintptr_t drain)
{
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed), next; /* a guess */
    bool taken;
    do {
        taken = !(seen & (what == WRITER ? ~DRAIN : WRITER));
        next = taken ? (seen & ~DRAIN) + what : seen | drain;
        /* acquire: LOCK, pairs with UNLOCK; release: DRAIN, the mutex is taken before it is
         * promised */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return taken;
}

/* With nothing but DRAIN left, or for who has taken DRAIN away: do what it promises. */
static void unlock_line(struct valet_rwlock *l, bool fair)
{
    valet_wordptr *line = (valet_wordptr *)&l->line.word;
    /* relaxed: DRAIN has told of it */
    VALET_ASSERT(atomic_load_explicit(line, memory_order_relaxed) & VALET_LOCKED);
    valet_queue_unlock(line, fair);
}

/* A deadline has come: those who are in line need not wait for the holders on our behalf. */
static void call_off(struct valet_rwlock *l)
{
    valet_wordptr *word = word_of(l);
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    while ((seen & DRAIN) && seen != DRAIN)
        /* acquire: pairs with DRAIN */
        if (atomic_compare_exchange_weak_explicit(word, &seen, seen & ~DRAIN, memory_order_acquire,
                                                  memory_order_relaxed)) {
            unlock_line(l, false);
            return;
        }
}

/* Before it stands in line, which is in the way of all who come: it may be free soon. */
static bool poll(valet_wordptr *word, uintptr_t what)
{
    for (unsigned look = 0; look != VALET_LOCKS_POLL; look++) {
        valet_queue_poll(look);
        uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess */
        if (take_from(word, what, seen))
            return true;
        /* Somebody is first in line, so nobody can take it here. */
        if (seen & DRAIN)
            break;
    }
    return false;
}

static bool try_lock(struct valet_rwlock *l, uintptr_t what)
{
    valet_wordptr *word = word_of(l);
    if (VALET_LIKELY(take(word, what)))
        return true;
    /* relaxed: a hint. A drain that nobody has waited for to its end is in the way of nobody. */
    if (atomic_load_explicit(word, memory_order_relaxed) != DRAIN ||
        !valet_mutex_try_lock(&l->line))
        return false;
    bool taken = take_as_first(word, what, 0);
    valet_mutex_unlock(&l->line);
    return taken;
}

VALET_INLINE int line_loop(struct valet_rwlock *l, uintptr_t what, uint64_t deadline,
                           unsigned flags)
{
    valet_wordptr *line = (valet_wordptr *)&l->line.word;
    if (deadline != 0 && !(flags & VALET_NO_POLL) && poll(word_of(l), what))
        return VALET_OK;
    int r = VALET_TIMEDOUT;
    /* lost: how often it was first in line in vain; so it goes there again, and at last the mutex
     * is handed to it, with nothing but DRAIN in the word: then nobody is in its way. */
    for (uint32_t lost = 0; deadline != 0; lost += lost < VALET_LOCKS_LOSSES) {
        r = valet_queue_lock_by(line, deadline, flags, lost, 0);
        if (r != VALET_OK) {
            if (lost != 0)
                call_off(l);
            break;
        }
        if (take_as_first(word_of(l), what, DRAIN)) {
            valet_queue_unlock(line, false);
            return VALET_OK;
        }
    }
    return try_lock(l, what) ? VALET_OK : r; /* one that is free beats a deadline */
}

#ifndef VALET_MACHINE_ONLY

VALET_SLOW static int wait_in_line(struct valet_rwlock *l, uintptr_t what, uint64_t deadline)
{
    return line_loop(l, what, deadline, 0);
}

static inline int lock_until(struct valet_rwlock *l, uintptr_t what, uint64_t deadline)
{
    return VALET_LIKELY(take(word_of(l), what)) ? VALET_OK : wait_in_line(l, what, deadline);
}

static int lock_for(struct valet_rwlock *l, uintptr_t what, uint64_t timeout_ns)
{
    /* Before the clock is asked, which may be a system call. */
    if (try_lock(l, what))
        return VALET_OK;
    uint64_t deadline;
    if (!valet_deadline_by(valet_now, timeout_ns, &deadline))
        return VALET_ERR_UNSUPPORTED;
    return wait_in_line(l, what, deadline);
}

static inline void unlock(struct valet_rwlock *l, uintptr_t what, bool fair)
{
    /* release: UNLOCK, pairs with LOCK; acquire: pairs with DRAIN. The last look at the object,
     * which the next one may free, unless DRAIN is left. */
    uintptr_t was = atomic_fetch_sub_explicit(word_of(l), what, memory_order_acq_rel);
    VALET_ASSERT(what == WRITER ? was & WRITER : !(was & WRITER) && was >= READER); /* it is held */
    if (VALET_LIKELY(was != (what | DRAIN)))
        return;
    unlock_line(l, fair);
}

bool valet_rwlock_read_try_lock(struct valet_rwlock *l)
{
    return try_lock(l, READER);
}

int valet_rwlock_read_lock(struct valet_rwlock *l)
{
    return lock_until(l, READER, VALET_FOREVER);
}

int valet_rwlock_read_lock_until(struct valet_rwlock *l, uint64_t deadline)
{
    return lock_until(l, READER, deadline);
}

int valet_rwlock_read_lock_for(struct valet_rwlock *l, uint64_t timeout_ns)
{
    return lock_for(l, READER, timeout_ns);
}

void valet_rwlock_read_unlock(struct valet_rwlock *l)
{
    unlock(l, READER, false);
}

void valet_rwlock_read_unlock_fair(struct valet_rwlock *l)
{
    unlock(l, READER, true);
}

bool valet_rwlock_write_try_lock(struct valet_rwlock *l)
{
    return try_lock(l, WRITER);
}

int valet_rwlock_write_lock(struct valet_rwlock *l)
{
    return lock_until(l, WRITER, VALET_FOREVER);
}

int valet_rwlock_write_lock_until(struct valet_rwlock *l, uint64_t deadline)
{
    return lock_until(l, WRITER, deadline);
}

int valet_rwlock_write_lock_for(struct valet_rwlock *l, uint64_t timeout_ns)
{
    return lock_for(l, WRITER, timeout_ns);
}

void valet_rwlock_write_unlock(struct valet_rwlock *l)
{
    unlock(l, WRITER, false);
}

void valet_rwlock_write_unlock_fair(struct valet_rwlock *l)
{
    unlock(l, WRITER, true);
}

void valet_rwlock_downgrade(struct valet_rwlock *l)
{
    uintptr_t seen = WRITER;
    /* release: UNLOCK, pairs with LOCK; acquire: pairs with DRAIN */
    while (!atomic_compare_exchange_weak_explicit(word_of(l), &seen, READER, memory_order_acq_rel,
                                                  memory_order_relaxed))
        ;
    VALET_ASSERT(seen & WRITER); /* it was held for writing */
    if (seen & DRAIN)
        unlock_line(l, false);
}

#endif /* VALET_MACHINE_ONLY */
