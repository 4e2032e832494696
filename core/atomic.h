/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * <stdatomic.h>; and what the library uses of it, made of plain accesses, where the CPU has no
 * atomic read-modify-write (VALET_SYS_ATOMIC, valet_sys.h): a compiler would call a runtime there.
 *
 * What writes does so between valet_sys_atomic_begin and _end, a store too, as it must not come in
 * the middle of another thread's step. Both are full barriers, so each of these has every order. A
 * load needs neither: a word is read in one access.
 */
#ifndef VALET_CORE_ATOMIC_H
#define VALET_CORE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "valet_sys.h"

#if VALET_SYS_ATOMIC

typedef uint32_t __attribute__((may_alias)) valet_plain32; /* uintptr_t may be another type */

static inline uint32_t valet_plain_load(const volatile void *word, memory_order order)
{
    uint32_t value = *(const volatile valet_plain32 *)word;
    if (order != memory_order_relaxed)
        atomic_thread_fence(memory_order_acquire);
    return value;
}

static inline uint32_t valet_plain_exchange(volatile void *word, uint32_t desired)
{
    uintptr_t before = valet_sys_atomic_begin();
    uint32_t old = *(volatile valet_plain32 *)word;
    *(volatile valet_plain32 *)word = desired;
    valet_sys_atomic_end(before);
    return old;
}

/* The old value; the new one is ((old & kept) | set) + added. */
static inline uint32_t valet_plain_change(volatile void *word, uint32_t kept, uint32_t set,
                                          uint32_t added)
{
    uintptr_t before = valet_sys_atomic_begin();
    uint32_t old = *(volatile valet_plain32 *)word;
    *(volatile valet_plain32 *)word = ((old & kept) | set) + added;
    valet_sys_atomic_end(before);
    return old;
}

static inline bool valet_plain_compare_exchange(volatile void *word, void *expected,
                                                uint32_t desired)
{
    uintptr_t before = valet_sys_atomic_begin();
    uint32_t old = *(volatile valet_plain32 *)word;
    bool same = old == *(valet_plain32 *)expected;
    if (same)
        *(volatile valet_plain32 *)word = desired;
    valet_sys_atomic_end(before);
    if (!same)
        *(valet_plain32 *)expected = old;
    return same;
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#define atomic_load_explicit(word, order)              valet_plain_load(word, order)
#define atomic_store_explicit(word, desired, order)    (void)valet_plain_exchange(word, desired)
#define atomic_exchange_explicit(word, desired, order) valet_plain_exchange(word, desired)
#define atomic_compare_exchange_strong_explicit(word, expected, desired, order, order_failed) \
    valet_plain_compare_exchange(word, expected, desired)
#define atomic_compare_exchange_weak_explicit(word, expected, desired, order, order_failed) \
    valet_plain_compare_exchange(word, expected, desired)
#define atomic_fetch_and_explicit(word, value, order) valet_plain_change(word, value, 0, 0)
#define atomic_fetch_or_explicit(word, value, order)  valet_plain_change(word, UINT32_MAX, value, 0)
#define atomic_fetch_add_explicit(word, value, order) valet_plain_change(word, UINT32_MAX, 0, value)
#define atomic_fetch_sub_explicit(word, value, order) \
    valet_plain_change(word, UINT32_MAX, 0, 0u - (uint32_t)(value))

#endif
#endif
