/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Parker, sema kind: the system wakes the one thread that owns a semaphore (valet_sys.h).
 *
 *   value      meaning                      next, and by whom
 *   EMPTY      no token, nobody parked      an address by park; NOTIFIED by unpark
 *   NOTIFIED   a token to take              EMPTY by park, which takes it; NOTIFIED by unpark
 *   address    of the struct valet_sema     NOTIFIED by unpark, which then owes one post;
 *              of the one parked thread     EMPTY by the parked thread, which gives up
 *
 * The word holds the token. The system's semaphore only says "look again", and lies on the stack of
 * the parked thread. Whoever takes its address out of the word posts it or, being its owner, drops
 * it: exactly one does, since both use one atomic step. A thread that finds its address taken must
 * not return before the post has come.
 */
#include <stdbool.h>

#include "arch/arch.h"
#include "core/assert.h"
#include "core/deadline.h"
#include "core/with.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

#define EMPTY    ((uintptr_t)0)
#define NOTIFIED ((uintptr_t)1)

_Static_assert(_Alignof(struct valet_sema) > 1, "no address of a semaphore is NOTIFIED");

/* Else the parker was never initialised, or is gone. */
#define IS_STATE(word) ((word) == NOTIFIED || (word) % _Alignof(struct valet_sema) == 0)

static valet_wordptr *word_of(const struct valet_parker *p)
{
    return (valet_wordptr *)&p->word;
}

/* Sleep once, if the word is EMPTY. VALET_OK: look at the word again. flags: of park_with_sema.c;
 * else 0 */
VALET_INLINE int sleep_once(valet_wordptr *word, uint64_t deadline, unsigned flags)
{
    VALET_UNFILLED struct valet_sema sema;
    int r = valet_sys_sema_init(&sema);
    if (r != VALET_OK)
        return r;
    uintptr_t self = (uintptr_t)&sema, seen = EMPTY;
    /* release: PUBLISH the semaphore, pairs with UNPARK, which reads it */
    if (atomic_compare_exchange_strong_explicit(word, &seen, self, memory_order_release,
                                                memory_order_relaxed)) {
        r = flags != 0 ? valet_sema_sleep(&sema, deadline, flags)
                       : valet_sys_sema_wait(&sema, deadline);
        seen = self;
        /* relaxed: gives nothing to anyone and takes nothing from anyone */
        if (r != VALET_OK && !atomic_compare_exchange_strong_explicit(
                                 word, &seen, EMPTY, memory_order_relaxed, memory_order_relaxed)) {
            /* The post is on its way and is going to touch this frame. A system that refuses to
             * wait leaves only this loop; it lasts from an unparker's exchange to its post. */
            while (valet_sys_sema_wait(&sema, VALET_FOREVER) != VALET_OK)
                valet_arch_relax();
            r = VALET_OK;
        }
    }
    valet_sys_sema_fini(&sema);
    return r;
}

VALET_INLINE int park_loop(valet_wordptr *word, uint64_t deadline, unsigned flags)
{
    int r = VALET_OK;
    for (;;) {
        uintptr_t seen = NOTIFIED;
        /* acquire: TAKE, pairs with UNPARK. Also after a deadline or a refusal: a token wins. */
        if (atomic_compare_exchange_strong_explicit(word, &seen, EMPTY, memory_order_acquire,
                                                    memory_order_relaxed))
            return VALET_OK;
        VALET_ASSERT(IS_STATE(seen));
        if (r != VALET_OK)
            return r;
        if (seen != EMPTY)
            return VALET_ERR_BUSY;
        if (deadline == 0)
            return VALET_TIMEDOUT;
        r = sleep_once(word, deadline, flags);
    }
}

VALET_SLOW static int park_slow(valet_wordptr *word, uint64_t deadline)
{
    return park_loop(word, deadline, 0);
}

/* A token that is there. */
static inline bool take_token(valet_wordptr *word)
{
    uintptr_t seen = NOTIFIED;
    /* acquire: TAKE, pairs with UNPARK */
    return VALET_LIKELY(atomic_compare_exchange_strong_explicit(
        word, &seen, EMPTY, memory_order_acquire, memory_order_relaxed));
}

#ifndef VALET_MACHINE_ONLY

int valet_park(struct valet_parker *p)
{
    return take_token(word_of(p)) ? VALET_OK : park_slow(word_of(p), VALET_FOREVER);
}

int valet_park_until(struct valet_parker *p, uint64_t deadline)
{
    return take_token(word_of(p)) ? VALET_OK : park_slow(word_of(p), deadline);
}

int valet_park_for(struct valet_parker *p, uint64_t timeout_ns)
{
    /* Before the clock is asked, which may be a system call. */
    if (take_token(word_of(p)))
        return VALET_OK;
    uint64_t deadline;
    if (valet_deadline_after(timeout_ns, &deadline))
        return park_slow(word_of(p), deadline);
    int r = park_slow(word_of(p), 0); /* no clock to wait by: a token still wins */
    return r == VALET_TIMEDOUT ? VALET_ERR_UNSUPPORTED : r;
}

void valet_unpark(struct valet_parker *p)
{
    /* release: UNPARK, pairs with TAKE, also for tokens merged into one; acquire: with PUBLISH */
    uintptr_t old = atomic_exchange_explicit(word_of(p), NOTIFIED, memory_order_acq_rel);
    VALET_ASSERT(IS_STATE(old));
    if (VALET_LIKELY(old <= NOTIFIED))
        return;
    valet_sys_sema_post((struct valet_sema *)old);
}

bool valet_parker_is_set(const struct valet_parker *p)
{
    return atomic_load_explicit(word_of(p), memory_order_relaxed) == NOTIFIED; /* a hint */
}

#endif /* VALET_MACHINE_ONLY */
