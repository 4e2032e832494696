/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a compiler calls for the atomic operations that a 32-bit CPU lacks: those of 64 bits, and
 * all of them where there is no atomic read-modify-write. The test programs use them; the library
 * calls none (test/compile/freestanding.sh). The names are those of gcc's libatomic, clang's too.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bare.h"

enum operation { LOAD, STORE, ADD, SUB, COMPARE };

/* All that these functions do, in one step with respect to each other. The old value. */
static uint64_t step(volatile void *object, unsigned size, enum operation operation, uint64_t value,
                     uint64_t expected)
{
    volatile uint8_t *o1 = object;
    volatile uint32_t *o4 = object;
    volatile uint64_t *o8 = object;
    uintptr_t before = bare_begin();
    uint64_t old = size == 8 ? *o8 : size == 4 ? *o4 : *o1;
    if (operation == ADD)
        value = old + value;
    else if (operation == SUB)
        value = old - value;
    if (operation == LOAD || (operation == COMPARE && old != expected))
        value = old;
    else if (size == 8)
        *o8 = value;
    else if (size == 4)
        *o4 = (uint32_t)value;
    else
        *o1 = (uint8_t)value;
    bare_end(before);
    return old;
}

/* By a name of ours: a compiler takes its own for builtins, of which it knows the types. */
#define NAMED(name, size) __asm__("__atomic_" #name "_" #size)

#define OF_SIZE(size, type)                                                                   \
    type load_##size(volatile void *object, int order) NAMED(load, size);                     \
    type load_##size(volatile void *object, int order)                                        \
    {                                                                                         \
        (void)order; /* as strong as any: bare_begin and bare_end order everything */         \
        return (type)step(object, size, LOAD, 0, 0);                                          \
    }                                                                                         \
    void store_##size(volatile void *object, type value, int order) NAMED(store, size);       \
    void store_##size(volatile void *object, type value, int order)                           \
    {                                                                                         \
        (void)order;                                                                          \
        step(object, size, STORE, value, 0);                                                  \
    }                                                                                         \
    type exchange_##size(volatile void *object, type value, int order) NAMED(exchange, size); \
    type exchange_##size(volatile void *object, type value, int order)                        \
    {                                                                                         \
        (void)order;                                                                          \
        return (type)step(object, size, STORE, value, 0);                                     \
    }                                                                                         \
    type add_##size(volatile void *object, type value, int order) NAMED(fetch_add, size);     \
    type add_##size(volatile void *object, type value, int order)                             \
    {                                                                                         \
        (void)order;                                                                          \
        return (type)step(object, size, ADD, value, 0);                                       \
    }                                                                                         \
    type sub_##size(volatile void *object, type value, int order) NAMED(fetch_sub, size);     \
    type sub_##size(volatile void *object, type value, int order)                             \
    {                                                                                         \
        (void)order;                                                                          \
        return (type)step(object, size, SUB, value, 0);                                       \
    }                                                                                         \
    bool compare_##size(volatile void *object, type *expected, type value, int o, int o2)     \
        NAMED(compare_exchange, size);                                                        \
    bool compare_##size(volatile void *object, type *expected, type value, int o, int o2)     \
    {                                                                                         \
        (void)o;                                                                              \
        (void)o2;                                                                             \
        type old = (type)step(object, size, COMPARE, value, *expected), wanted = *expected;   \
        *expected = old;                                                                      \
        return old == wanted;                                                                 \
    }

OF_SIZE(1, uint8_t)
OF_SIZE(4, uint32_t)
OF_SIZE(8, uint64_t)
