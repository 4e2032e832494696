/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Parker, futex kind: the kernel compares the word.
 *
 *   value      meaning                      next, and by whom
 *   EMPTY      no token, nobody parked      PARKED by park; NOTIFIED by unpark
 *   NOTIFIED   a token                      EMPTY by park, which takes it; NOTIFIED by unpark
 *   PARKED     no token, one thread parked  NOTIFIED by unpark, which then wakes;
 *                                           EMPTY by the parked thread, which gives up
 *
 * A wake-up cannot be lost: unpark changes the word before it wakes, and the kernel sleeps only
 * while the word is PARKED. unpark never reads the word after its exchange, so the parked thread
 * may return and free it meanwhile; the wake is then for a dead address, or for a stranger that was
 * given the memory, and every wait here survives being woken for nothing.
 */
#include <stdbool.h>

#include "core/assert.h"
#include "core/deadline.h"
#include "core/with.h"
#include "core/word.h"
#if VALET_SPIN
#include "core/spin.h"
#endif
#include "valet.h"
#include "valet_sys.h"

#define EMPTY    0u
#define NOTIFIED 1u
#define PARKED   UINT32_MAX /* EMPTY - 1: park steps down by one from either other state */

/* Else the parker was never initialised, or is gone. */
#define IS_STATE(word) ((word) == EMPTY || (word) == NOTIFIED || (word) == PARKED)

static valet_word32 *word_of(const struct valet_parker *p)
{
    return (valet_word32 *)&p->word + VALET_LOW_HALF;
}

/* flags: of park_with_futex.c; else 0 */
VALET_INLINE int park_loop(valet_word32 *word, uint64_t deadline, unsigned flags)
{
    for (;;) {
        uint32_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
        do {
            VALET_ASSERT(IS_STATE(seen));
            if (seen == PARKED)
                return VALET_ERR_BUSY;
            if (seen == EMPTY && deadline == 0)
                return VALET_TIMEDOUT;
            /* NOTIFIED -> EMPTY or EMPTY -> PARKED. acquire: TAKE, pairs with UNPARK */
        } while (!atomic_compare_exchange_strong_explicit(
            word, &seen, seen - 1, memory_order_acquire, memory_order_relaxed));
        if (seen == NOTIFIED)
            return VALET_OK;

        int r, tries = VALET_TRIES;
        for (;;) {
            if (flags != 0)
                r = valet_futex_sleep((uint32_t *)word, PARKED, deadline, flags, true);
            else
                r = valet_sys_futex_wait((uint32_t *)word, PARKED, deadline);
            /* relaxed: the exchange below is what acquires */
            if (atomic_load_explicit(word, memory_order_relaxed) != PARKED)
                break;
            if (valet_look_again(r))
                tries = VALET_TRIES;
            else if (r == VALET_ERR_SYSTEM)
                tries--;
            else
                break;
            if (tries == 0)
                break;
        }

        /* Withdraw and look in one step: a token that came with the deadline, or with a refusal of
         * the kernel, is taken. acquire: TAKE, pairs with UNPARK */
        if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)
            return VALET_OK;
        if (!valet_look_again(r))
            return r;
        /* Our token is gone: a second parker came between the unpark and us, and took it (misuse
         * that the header allows). Park anew. */
    }
}

VALET_SLOW static int park_slow(valet_word32 *word, uint64_t deadline)
{
    return park_loop(word, deadline, 0);
}

#if VALET_SPIN
/*
 * Look for a token for as long as the account allows, then sleep. The word stays EMPTY meanwhile,
 * so that unpark needs no system call. The account is in the other half of the word (core/spin.h);
 * its accesses are atomic because a second parker, who will be told BUSY, may make them too.
 */
VALET_SLOW static int poll_then_park(valet_word32 *word, uint64_t deadline)
{
    valet_word32 *half = word + VALET_OTHER_HALF;
    /* relaxed: a guess; park_slow looks again. Not EMPTY: a token, or somebody else's account. */
    if (atomic_load_explicit(word, memory_order_relaxed) != EMPTY)
        return park_slow(word, deadline);

    /* relaxed, also where it is stored: it is this thread's, and gives nothing to anyone */
    uint32_t account = valet_spin_account(atomic_load_explicit(half, memory_order_relaxed));
    uint32_t looks = valet_spin_looks(account);
    for (uint32_t i = 1; i <= looks; i++) {
        valet_arch_relax();
        /* relaxed: the compare-exchange is what acquires */
        uint32_t token = atomic_load_explicit(word, memory_order_relaxed);
        if (token == PARKED)
            return park_slow(word, deadline);
        /* Not a store: another unpark, or another taker, may have come in between. acquire: TAKE,
         * pairs with UNPARK */
        if (token == NOTIFIED &&
            atomic_compare_exchange_strong_explicit(word, &token, EMPTY, memory_order_acquire,
                                                    memory_order_relaxed)) {
            atomic_store_explicit(half, valet_spin_hit(account, i), memory_order_relaxed);
            return VALET_OK;
        }
    }
    account = looks == 0 ? valet_spin_slept(account) : valet_spin_missed(account, looks);
    atomic_store_explicit(half, account, memory_order_relaxed);
    return park_slow(word, deadline);
}

/*
 * Is it worth polling? Not if the deadline has passed. The clock, which may be a system call, is
 * asked only by a thread that would poll; a hit saves more than that.
 */
VALET_SLOW static bool is_worth_a_poll(valet_word32 *word, uint64_t deadline)
{
    /* relaxed: as in poll_then_park, which decides */
    uint32_t account =
        valet_spin_account(atomic_load_explicit(word + VALET_OTHER_HALF, memory_order_relaxed));
    return deadline != 0 && (valet_spin_looks(account) == 0 || valet_sys_now() < deadline);
}
#endif

/* Take the token that is there. False: there is none. */
static inline bool take_token(valet_word32 *word)
{
    uint32_t seen = NOTIFIED;
    /* acquire: TAKE, pairs with UNPARK */
    return VALET_LIKELY(atomic_compare_exchange_strong_explicit(
        word, &seen, EMPTY, memory_order_acquire, memory_order_relaxed));
}

/* When take_token found none. */
static inline int park(valet_word32 *word, uint64_t deadline)
{
#if VALET_SPIN
    if (deadline == VALET_FOREVER || is_worth_a_poll(word, deadline))
        return poll_then_park(word, deadline);
#endif
    return park_slow(word, deadline);
}

#ifndef VALET_MACHINE_ONLY

int valet_park(struct valet_parker *p)
{
    return take_token(word_of(p)) ? VALET_OK : park(word_of(p), VALET_FOREVER);
}

int valet_park_until(struct valet_parker *p, uint64_t deadline)
{
    return take_token(word_of(p)) ? VALET_OK : park(word_of(p), deadline);
}

int valet_park_for(struct valet_parker *p, uint64_t timeout_ns)
{
    /* Before the clock is asked, which may be a system call. */
    if (take_token(word_of(p)))
        return VALET_OK;
#if VALET_SPIN
    if (timeout_ns != 0) {
        int polled = poll_then_park(word_of(p), 0); /* in vain: it does not park yet */
        if (polled != VALET_TIMEDOUT)
            return polled;
    }
#endif
    uint64_t deadline;
    if (valet_deadline_after(timeout_ns, &deadline))
        return park_slow(word_of(p), deadline);
    int r = park_slow(word_of(p), 0); /* no clock to wait by: a token still wins */
    return r == VALET_TIMEDOUT ? VALET_ERR_UNSUPPORTED : r;
}

void valet_unpark(struct valet_parker *p)
{
    valet_word32 *word = word_of(p);
    /* release: UNPARK, pairs with TAKE. An exchange even when the word is NOTIFIED already, so that
     * the taker also sees what this thread wrote. */
    uint32_t old = atomic_exchange_explicit(word, NOTIFIED, memory_order_release);
    VALET_ASSERT(IS_STATE(old));
    if (VALET_LIKELY(old != PARKED))
        return;
    valet_sys_futex_wake((uint32_t *)word, VALET_WAKE_PARKED);
}

bool valet_parker_is_set(const struct valet_parker *p)
{
    return atomic_load_explicit(word_of(p), memory_order_relaxed) == NOTIFIED; /* a hint */
}

#endif /* VALET_MACHINE_ONLY */
