/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long a thread looks at a word before it sleeps: an account of looks, kept in the half of the
 * object's word that the kernel does not compare. Written by whoever parks or waits; never by a
 * waker, who may look at the object no more.
 *
 *   low 16 bits    credit, the looks that it may still burn
 *   high 16 bits   typical, the running mean of the looks until a token came
 *   0              fresh: a little credit, not quite enough for one poll
 *
 * The rules:
 *
 *   1  a wait that does not poll earns LOOKS_PER_SLEEP, for the sleep; also one that is too late to
 *      sleep, since only the clock would tell
 *   2  a poll whose token came, or another state, earns LOOKS_PER_HIT; it saved more, a sleep and a
 *      wake-up
 *   3  a poll in vain costs the looks that it took
 *   4  a poll takes 4 * typical + LOOKS_EXTRA looks, at most LOOKS_LONGEST, and is only made with
 *      credit for all of them
 *
 * So the looks that failed, over an object's life, are at most
 *
 *   LOOKS_FRESH + LOOKS_PER_SLEEP * waits that did not poll + LOOKS_PER_HIT * hits
 *
 * which is 80 ns a wait in the long run. Example, LOOKS being 1024: a fresh account
 * has 256, and its first poll would take 4 * 64 + 32 = 288; a sleep earns 4, so it polls after 8.
 * Where no poll ever sees a token, one of 3072 looks is made every 768 waits.
 *
 * A parker has one thread, which pays after its poll. Waiters share an account, so each takes what
 * its poll may cost before it begins, and puts back what a hit did not need: no two burn the same
 * credit, and as many poll at a time as the account can pay for.
 *
 * A poll is long and rare rather than short and often: where both threads sleep, the answer is a
 * whole wake-up late, and a poll that is shorter would never find out that it need not be. An idle
 * CPU wakes up in 10 to 20 us, in many virtual machines in 40: hence the 60 us of LOOKS_LONGEST.
 *
 * All in looks, as fractions of those that take about 20 us, which arch/ knows; so the times are
 * as much longer or shorter as these are. Pure; no value becomes 0 again.
 */
#ifndef VALET_CORE_SPIN_H
#define VALET_CORE_SPIN_H

#include <stdint.h>

#include "arch/arch.h"

#if UINTPTR_MAX == UINT32_MAX
#error "valet: no half of the word is free for VALET_SPIN (-Dspin=disabled)"
#endif

#ifndef VALET_SPIN_LOOKS /* a checker's are few */
#define VALET_SPIN_LOOKS VALET_ARCH_LOOKS
#endif
#ifndef VALET_SPIN_LOOKS_FRESH
#define VALET_SPIN_LOOKS_FRESH (VALET_SPIN_LOOKS / 4)
#endif
#ifndef VALET_SPIN_LOOKS_LONGEST
#define VALET_SPIN_LOOKS_LONGEST (3u * VALET_SPIN_LOOKS)
#endif
/* Rounded up: none is 0. */
#define VALET_SPIN_LOOKS_PER_SLEEP ((VALET_SPIN_LOOKS + 255u) / 256)
#define VALET_SPIN_LOOKS_PER_HIT   ((VALET_SPIN_LOOKS + 15u) / 16)
#define VALET_SPIN_LOOKS_TYPICAL   ((VALET_SPIN_LOOKS + 15u) / 16)
#define VALET_SPIN_LOOKS_EXTRA     ((VALET_SPIN_LOOKS + 31u) / 32)
#define VALET_SPIN_LOOKS_STEP      ((VALET_SPIN_LOOKS + 127u) / 128)
#define VALET_SPIN_LOOKS_UNKNOWN   ((VALET_SPIN_LOOKS_LONGEST + 3u) / 4)
#define VALET_SPIN_LOOKS_CAP       (VALET_SPIN_LOOKS_LONGEST + VALET_SPIN_LOOKS)

_Static_assert(VALET_SPIN_LOOKS > 0 &&
                   VALET_SPIN_LOOKS_CAP + VALET_SPIN_LOOKS_LONGEST <= UINT16_MAX,
               "credit has 16 bits, also with what a poll of waiters puts back");

static inline uint32_t valet_spin_smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t valet_spin_account(uint32_t half)
{
    return half != 0 ? half : VALET_SPIN_LOOKS_TYPICAL << 16 | VALET_SPIN_LOOKS_FRESH;
}

/* How many looks a poll may take now; 0, if it cannot pay for all that would make sense. */
static inline uint32_t valet_spin_looks(uint32_t account)
{
    uint32_t n =
        valet_spin_smaller(4 * (account >> 16) + VALET_SPIN_LOOKS_EXTRA, VALET_SPIN_LOOKS_LONGEST);
    return (account & UINT16_MAX) >= n ? n : 0;
}

static inline uint32_t valet_spin_add(uint32_t typical, uint32_t credit)
{
    return typical << 16 | valet_spin_smaller(credit, VALET_SPIN_LOOKS_CAP);
}

/* It sleeps without a poll. */
static inline uint32_t valet_spin_slept(uint32_t account)
{
    return valet_spin_add(account >> 16, (account & UINT16_MAX) + VALET_SPIN_LOOKS_PER_SLEEP);
}

/* What it waits for came after so many looks. */
static inline uint32_t valet_spin_hit(uint32_t account, uint32_t looks)
{
    return valet_spin_add((3 * (account >> 16) + looks) / 4,
                          (account & UINT16_MAX) + VALET_SPIN_LOOKS_PER_HIT);
}

/* It did not: all that valet_spin_looks said are burnt. */
static inline uint32_t valet_spin_missed(uint32_t account, uint32_t looks)
{
    return valet_spin_add(
        valet_spin_smaller(2 * (account >> 16) + VALET_SPIN_LOOKS_STEP, VALET_SPIN_LOOKS_UNKNOWN),
        (account & UINT16_MAX) - looks);
}

#endif
