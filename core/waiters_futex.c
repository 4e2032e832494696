/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Waiters, futex kind: the kernel compares the word and keeps the queue.
 *
 *   bits     meaning
 *   0-4      the user's state: compare_exchange and the two stores change it
 *   5, 6     a flag, WAITERS or OWED, or neither
 *   7-31     0
 *
 *   value    meaning                         next, and by whom
 *   neither  nobody has registered           WAITERS by a waiter, which then sleeps
 *   WAITERS  somebody may sleep on it        neither by store_and_wake, which then wakes all;
 *                                            neither by wake, which does the same;
 *                                            OWED by store_and_delegate, which then wakes one
 *   OWED     of those who slept, a store     neither by a waiter, which then wakes all;
 *            woke one at most                neither by store_and_wake, which then wakes all;
 *                                            neither by wake, which does the same
 *
 * A waiter sets WAITERS and sleeps while the word is exactly `expected | WAITERS`. So what the
 * kernel compares contains the state. Where it does not (the seed of this library compared only its
 * WAITERS bit on 64-bit systems) a wake-up is lost: A registers on state 1 and is delayed; B stores
 * 2 and wakes nobody yet asleep; C registers on state 2; A enters the kernel, finds the bit set,
 * and sleeps on a state that is gone.
 *
 * store_and_wake clears WAITERS and wakes all, so whoever must go on waiting registers again; and
 * so does wake, which leaves the state.
 *
 * store_and_delegate leaves the waking to the waiters. Its rules:
 *
 *   1  whoever may have slept looks at the word before it sleeps again, returns or times out; if
 *      OWED is set, it clears it and wakes all first
 *   2  a newcomer does the same before it sleeps: WAITERS and OWED are never set together, and the
 *      kernel never compares a word with OWED
 *   3  a second store_and_delegate keeps OWED; store_and_wake and wake clear it and wake all
 *
 * Example: A and B sleep. The waker sets OWED, wakes A, and is free. A clears OWED and wakes B. If
 * A's deadline came instead, A still looks, by rule 1. If the waker found nobody asleep, A and B
 * were on their way into the kernel, which finds the word changed: both look, and one of them
 * clears OWED. The word is alive while A wakes: A is a waiter that has not returned.
 *
 * With VALET_SPIN a wait polls before it registers for the first time. There is no value of the
 * word for that, since a poll is loads: a store finds no WAITERS of that thread, and makes no call
 * for it. The account that all the waiters share (core/spin.h) is in the other half of the word,
 * which no kernel compares. Its rules:
 *
 *   4  a wait takes from the account what its poll may cost, in one step, or sleeps at once
 *   5  the poll ends with another state, or with the looks; then the account is settled, and the
 *      wait goes on as if there had been no poll: what it saw, it looks at again, with SEEN
 *   6  the half is the waiters'; who stores or wakes never touches it, as the word may be gone
 */
#include "core/assert.h"
#include "core/with.h"
#include "core/word.h"
#if VALET_SPIN
#include "core/spin.h"
#endif
#include "valet.h"
#include "valet_sys.h"

#define STATE   ((uint32_t)VALET_STATE_MAX)
#define WAITERS ((uint32_t)1 << VALET_STATE_BITS)
#define OWED    (WAITERS << 1)

/* Else the waiters were never initialised, or are gone; or both flags are set. */
#define IS_WORD(word) ((word) < (WAITERS | OWED))

static valet_word32 *word_of(const struct valet_waiters *w)
{
    return (valet_word32 *)&w->word + VALET_LOW_HALF;
}

#if VALET_SPIN
/*
 * Look for another state, for as long as the account allows. Nothing is registered meanwhile, so a
 * store needs no system call for this thread. It decides nothing: wait_until looks again.
 */
VALET_SLOW static void poll_first(valet_word32 *word, unsigned expected, uint64_t deadline)
{
    valet_word32 *half = word + VALET_OTHER_HALF;
    /* relaxed, here and below: numbers, which give nothing to anyone */
    uint32_t seen = atomic_load_explicit(half, memory_order_relaxed), account, looks;
    do { /* take what the poll may cost before it begins: nobody else has that */
        account = valet_spin_account(seen);
        looks = valet_spin_looks(account);
        if (looks != 0 && deadline != VALET_FOREVER && valet_sys_now() >= deadline)
            return;
        account = looks == 0 ? valet_spin_slept(account) : account - looks;
    } while (!atomic_compare_exchange_weak_explicit(half, &seen, account, memory_order_relaxed,
                                                    memory_order_relaxed));
    if (looks == 0)
        return;

    uint32_t i = 0;
    bool hit;
    do {
        valet_arch_relax();
        hit = (atomic_load_explicit(word, memory_order_relaxed) & STATE) != expected;
    } while (++i < looks && !hit);

    seen = atomic_load_explicit(half, memory_order_relaxed);
    do {
        account = seen + looks; /* as if it had not been taken */
        account = hit ? valet_spin_hit(account, i) : valet_spin_missed(account, looks);
    } while (!atomic_compare_exchange_weak_explicit(half, &seen, account, memory_order_relaxed,
                                                    memory_order_relaxed));
}
#endif

VALET_INLINE int wait_loop(valet_word32 *word, unsigned expected, uint64_t deadline, bool poll,
                           unsigned flags)
{
    if (expected > STATE)
        return VALET_ERR_INVALID;
    int r = deadline == 0 ? VALET_TIMEDOUT : VALET_OK, tries = VALET_TRIES;
#if VALET_SPIN
    /* relaxed: the loop looks again */
    if (poll && deadline != 0 &&
        (atomic_load_explicit(word, memory_order_relaxed) & STATE) == expected)
        poll_first(word, expected, deadline);
#else
    (void)poll;
#endif
    for (;;) {
        /* acquire: SEEN, pairs with SET */
        uint32_t seen = atomic_load_explicit(word, memory_order_acquire);
        VALET_ASSERT(IS_WORD(seen));
        /* Who only looks has never slept, and makes no system call: OWED is another's. */
        if ((seen & OWED) && deadline != 0) {
            /* relaxed: as for WAITERS; those who wake look for themselves */
            if (atomic_compare_exchange_weak_explicit(word, &seen, seen & ~OWED,
                                                      memory_order_relaxed, memory_order_relaxed))
                valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);
            continue;
        }
        if ((seen & STATE) != expected)
            return VALET_OK;
        if (!valet_look_again(r))
            return r;
        /* relaxed: the bit carries no data; it and the state are one word, so no order is needed */
        if (!(seen & WAITERS) &&
            !atomic_compare_exchange_weak_explicit(word, &seen, seen | WAITERS,
                                                   memory_order_relaxed, memory_order_relaxed))
            continue;
        if (flags != 0)
            r = valet_futex_sleep((uint32_t *)word, expected | WAITERS, deadline, flags, true);
        else
            r = valet_sys_futex_wait((uint32_t *)word, expected | WAITERS, deadline);
        if (r != VALET_ERR_SYSTEM)
            tries = VALET_TRIES;
        else if (--tries != 0)
            r = VALET_OK; /* look, and ask again */
    }
}

#ifndef VALET_MACHINE_ONLY

void valet_waiters_init(struct valet_waiters *w, unsigned state)
{
    VALET_ASSERT(state <= STATE);
    w->word = state & STATE;
}

unsigned valet_waiters_state(const struct valet_waiters *w)
{
    /* acquire: SEEN, pairs with SET */
    return atomic_load_explicit(word_of(w), memory_order_acquire) & STATE;
}

bool valet_waiters_compare_exchange(struct valet_waiters *w, unsigned *expected, unsigned desired)
{
    VALET_ASSERT(desired <= STATE);
    valet_word32 *word = word_of(w);
    /* acquire, here and where the CAS fails: SEEN, pairs with SET */
    uint32_t seen = atomic_load_explicit(word, memory_order_acquire);
    do {
        if ((seen & STATE) != *expected) {
            *expected = seen & STATE;
            return false;
        }
        /* release: SET, pairs with SEEN */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen,
                                                    (seen & ~STATE) | (desired & STATE),
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

VALET_SLOW static int wait_until(valet_word32 *word, unsigned expected, uint64_t deadline)
{
    return wait_loop(word, expected, deadline, true, 0);
}

/* A leaf where there is nothing to wait for. All that is not a plain state is for wait_until. */
static inline int compare_and_wait(valet_word32 *word, unsigned expected, uint64_t deadline)
{
    /* acquire: SEEN, pairs with SET */
    uint32_t seen = atomic_load_explicit(word, memory_order_acquire);
    if (VALET_LIKELY((seen | expected) <= STATE && seen != expected))
        return VALET_OK;
    return wait_until(word, expected, deadline);
}

int valet_compare_and_wait(struct valet_waiters *w, unsigned expected)
{
    return compare_and_wait(word_of(w), expected, VALET_FOREVER);
}

int valet_compare_and_wait_until(struct valet_waiters *w, unsigned expected, uint64_t deadline)
{
    return compare_and_wait(word_of(w), expected, deadline);
}

void valet_store_and_wake(struct valet_waiters *w, unsigned state)
{
    VALET_ASSERT(state <= STATE);
    valet_word32 *word = word_of(w);
    /* release: SET, pairs with SEEN. The last look at the word: a woken waiter may free it. */
    uint32_t old = atomic_exchange_explicit(word, state & STATE, memory_order_release);
    VALET_ASSERT(IS_WORD(old));
    if (VALET_LIKELY(!(old & (WAITERS | OWED))))
        return;
    valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);
}

void valet_store_and_delegate(struct valet_waiters *w, unsigned state)
{
    VALET_ASSERT(state <= STATE);
    valet_word32 *word = word_of(w);
    uint32_t next,
        seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    do {
        next = state & STATE;
        if (seen & (WAITERS | OWED))
            next |= OWED;
        /* release: SET, pairs with SEEN. The last look at the word: a woken waiter may free it. */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_release,
                                                    memory_order_relaxed));
    VALET_ASSERT(IS_WORD(seen));
    /* OWED alone: whoever is to clear it is awake already, or there is nobody. */
    if (seen & WAITERS)
        valet_sys_futex_wake((uint32_t *)word, 1);
}

void valet_waiters_wake(struct valet_waiters *w)
{
    valet_word32 *word = word_of(w);
    /* relaxed, here and below: the change of the state has the order. This load sees the flag of
     * whoever registered before that change, unless it is cleared since, by who wakes them. */
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    do {
        VALET_ASSERT(IS_WORD(seen));
        if (VALET_LIKELY(!(seen & (WAITERS | OWED))))
            return;
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, seen & STATE, memory_order_relaxed,
                                                    memory_order_relaxed));
    valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);
}

#endif /* VALET_MACHINE_ONLY */
