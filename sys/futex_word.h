/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Futex kind: a look at the word, where no kernel compares it; and the count of a wake. */
#ifndef VALET_SYS_FUTEX_WORD_H
#define VALET_SYS_FUTEX_WORD_H

#include <stdatomic.h>
#include <stdint.h>

#include "valet_sys.h"

/* The user's object may be declared as something else: may_alias. */
#if VALET_SYS_ATOMIC /* a load is an instruction there, too, but not all compilers know that */
typedef const volatile uint32_t __attribute__((may_alias)) valet_futex_word;
#else
typedef const _Atomic uint32_t __attribute__((may_alias)) valet_futex_word;
#endif

static inline uint32_t valet_futex_look(const uint32_t *word)
{
#if VALET_SYS_ATOMIC
    return *(valet_futex_word *)word;
#else
    /* relaxed: the core has its own ordering */
    return atomic_load_explicit((valet_futex_word *)word, memory_order_relaxed);
#endif
}

/* For kernels that take a signed int, of which a negative one is not "all": VALET_SYS_ALL becomes
 * the largest. */
static inline int valet_futex_count(uint32_t count)
{
    return (int)(count & INT32_MAX);
}

/* What a kernel's wake answers: the number woken, or an error. An error is no count: an address
 * that is gone, or a sandbox. */
static inline uint32_t valet_futex_woken(long answer)
{
    return answer < 0 ? VALET_FUTEX_UNKNOWN : (uint32_t)answer;
}

#endif
