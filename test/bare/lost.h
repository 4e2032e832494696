/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A planted bug, put in front of core/park_futex.c: its compare-exchanges are a load and a store. A
 * token that comes between the two, from a handler or another CPU, is lost.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/word.h" /* which may have a compare-exchange of its own, and must not come later */

#undef atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong_explicit(word, seen, desired, order, order_failed) \
    lossy_compare_exchange((volatile uint32_t *)(word), seen, desired)

void lost_gap(void);

static inline bool lossy_compare_exchange(volatile uint32_t *word, uint32_t *seen, uint32_t desired)
{
    uint32_t now = *word;
    if (now != *seen) {
        *seen = now;
        return false;
    }
    lost_gap();
    *word = desired;
    return true;
}
