/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The public word as the core sees it: atomic, and of one width per build.
 *
 *   futex   the low half of 64 bits, since 32 bits are what a kernel compares; the other half is
 *           never touched, but by whoever polls: an atomic word of its own
 *   sema    the whole word, since it holds an address
 *
 * Each machine lists the values of its word at its head. One width everywhere means that no two
 * accesses to a word are of different sizes, which neither C11 nor the processors order.
 */
#ifndef VALET_CORE_WORD_H
#define VALET_CORE_WORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/atomic.h"
#include "valet.h"
#include "valet_sys.h"

/* Public structs hold plain integers, so that they are C++ too; may_alias makes this view legal.
 * Aligned: as the compiler has it anyhow, but on m68k. */
typedef _Atomic uint32_t __attribute__((may_alias, aligned(4))) valet_word32;
typedef _Atomic uintptr_t __attribute__((may_alias, aligned(sizeof(uintptr_t)))) valet_wordptr;

/* Futex kind: from the public word to its low half, and from there to the other, in steps of 32
 * bits. The low half has the state that VALET_WAITERS_INIT puts there, whatever the byte order. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && UINTPTR_MAX > UINT32_MAX
#define VALET_LOW_HALF   1
#define VALET_OTHER_HALF (-1)
#else
#define VALET_LOW_HALF   0
#define VALET_OTHER_HALF 1
#endif

_Static_assert(_Alignof(struct valet_parker) >= 4 && _Alignof(struct valet_waiters) >= 4,
               "a kernel compares aligned words only");
_Static_assert(sizeof(valet_word32) == 4 && sizeof(valet_wordptr) == sizeof(uintptr_t),
               "an atomic word has no lock beside it");
_Static_assert(VALET_SYS_ATOMIC || (ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_POINTER_LOCK_FREE == 2),
               "atomic operations must be instructions");

/*
 * gcc before 14 loses orders of a compare-exchange on RISC-V. It takes the release, and the acquire
 * of the LR, from the order of failure, and puts an acquire of success on the SC, where it orders
 * nothing for certain (gcc 12, config/riscv/sync.md: %F5, %A5; RISC-V manual, "A" extension). So
 * failure gets the order of success, and seq_cst stands for a release; test/codegen looks for each.
 */
#if defined __riscv && defined __GNUC__ && !defined __clang__ && __GNUC__ < 14 && !VALET_SYS_ATOMIC
#define VALET_RISCV_CAS(word, seen, new, weak, order)                                            \
    __atomic_compare_exchange_n(                                                                 \
        word, seen, new, weak,                                                                   \
        (order) == __ATOMIC_RELAXED || (order) == __ATOMIC_ACQUIRE ? (order) : __ATOMIC_SEQ_CST, \
        (order) == __ATOMIC_RELAXED || (order) == __ATOMIC_ACQUIRE ? (order) : __ATOMIC_SEQ_CST)
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_strong_explicit(word, seen, new, order, failure) \
    VALET_RISCV_CAS(word, seen, new, false, order)
#define atomic_compare_exchange_weak_explicit(word, seen, new, order, failure) \
    VALET_RISCV_CAS(word, seen, new, true, order)
#endif

/* Whether it can be a futex: it is not null, and aligned. */
static inline bool valet_is_word(const uint32_t *word)
{
    return word != 0 && (uintptr_t)word % sizeof *word == 0;
}

/* Whether a futex wait ended in a way that says nothing about the word. */
static inline bool valet_look_again(int r)
{
    return r == VALET_OK || r == VALET_CHANGED;
}

/*
 * Futex kind: how often in a row a system has to refuse a wait before that is believed, where the
 * word is the library's own. A kernel may fail to read a word that we have used just now, since its
 * page is protected for a moment (a collector's write barrier) or is not there where the kernel
 * cannot wait for it, or it lacks memory. Our look at the word, before it is asked again, runs the
 * handler that undoes the one, and fetches the other.
 */
#ifndef VALET_TRIES
#define VALET_TRIES 4
#endif

/* Whether parks and waits poll before they sleep (core/spin.h): set by -Dspin= (auto: on for
 * Linux); 0 where it is not defined. */
#ifndef VALET_SPIN
#define VALET_SPIN 0
#endif

/*
 * How many threads unpark wakes. One at most is parked; but a stranger's wait may be queued on the
 * address before it, of what the memory was earlier (Atomics.waitAsync, which cannot be cancelled),
 * and would take the wake. On WebAssembly all cost no more than one. A kernel may walk a whole hash
 * chain for all: Linux 6.18 took 27 % longer with 1,000 parked threads, 120 % with 10,000.
 */
#ifdef __wasm__
#define VALET_WAKE_PARKED VALET_SYS_ALL
#else
#define VALET_WAKE_PARKED 1
#endif

#define VALET_LIKELY(x) __builtin_expect(!!(x), 1)

/*
 * What -fstack-protector-strong would protect, once the rest is inlined, is VALET_UNPROTECTED. The
 * one file switches it off for all; VALET_STATIC leaves the user's functions as he has them.
 */
#if !defined VALET_ONE_FILE && !__STDC_HOSTED__
#if defined __SSP_ALL__ || (defined __NO_INLINE__ && (defined __SSP_STRONG__ || defined __SSP__))
#error "valet: a stack protector for all functions, and no runtime: add -fno-stack-protector"
#endif
#endif

/* What is left of a call when its fast path, which is inlined, has found nothing. */
#define VALET_SLOW __attribute__((noinline, cold)) VALET_UNPROTECTED

#endif
