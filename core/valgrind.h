/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Tells valgrind's helgrind and drd about atomic operations, which they take for plain accesses;
 * and they do not see futexes. With -Dvalgrind=true it is included before each file of the library
 * (-include), as in the tests' own: the operations of <stdatomic.h> do the same as before and
 *
 *   - keep the word itself out of the search for races;
 *   - with a release, say that all before it happens before whoever acquires from the word;
 *   - with an acquire, say that all after it happens after those.
 *
 * A relaxed order says nothing, so that a release which the source lacks is a race. It goes further
 * than C11 in one point: an acquire takes from every release to the word so far.
 *
 * A wake on Linux may come when the owner has left the word, a parker on a stack, say. The kernel
 * reads nothing there, but valgrind does, by order of the waker. So what lies there by then is kept
 * out of the search, too: else that would be a race with the owner's next write.
 */
#ifndef VALET_CORE_VALGRIND_H
#define VALET_CORE_VALGRIND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <valgrind/drd.h>
/* The two headers have the same names for requests of their own: drd's are made by number. */
#undef ANNOTATE_HAPPENS_BEFORE
#undef ANNOTATE_HAPPENS_AFTER
#undef ANNOTATE_NEW_MEMORY
#undef ANNOTATE_IGNORE_READS_BEGIN
#undef ANNOTATE_IGNORE_READS_END
#undef ANNOTATE_IGNORE_WRITES_BEGIN
#undef ANNOTATE_IGNORE_WRITES_END
#undef ANNOTATE_IGNORE_READS_AND_WRITES_BEGIN
#undef ANNOTATE_IGNORE_READS_AND_WRITES_END
#include <valgrind/helgrind.h>

static inline void annotate_before(const volatile void *word, unsigned long size, int order)
{
    VALGRIND_HG_DISABLE_CHECKING(word, size);
    VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_START_SUPPRESSION, word, size, 0, 0, 0);
    if (order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST) {
        ANNOTATE_HAPPENS_BEFORE(word);
        VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_ANNOTATE_HAPPENS_BEFORE, word, 0, 0, 0, 0);
    }
}

static inline void annotate_after(const volatile void *word, int order)
{
    if (order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE) {
        ANNOTATE_HAPPENS_AFTER(word);
        VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_ANNOTATE_HAPPENS_AFTER, word, 0, 0, 0, 0);
    }
}

#ifdef VALET_ARCH_H /* included before, where the system is linux */
/* b: the operation of futex(2), of which the low bits are 1 for a wake; or an aligned address */
#define valet_trap_linux(number, a, b, ...)                   \
    __extension__({                                           \
        long a_ = (a), b_ = (b);                              \
        if ((b_ & 127) == 1)                                  \
            annotate_before((void *)a_, sizeof(unsigned), 0); \
        valet_trap_linux(number, a_, b_, __VA_ARGS__);        \
    })
#endif

#undef atomic_load_explicit
#define atomic_load_explicit(word, order)              \
    __extension__({                                    \
        __auto_type w_ = (word);                       \
        annotate_before(w_, sizeof *w_, 0);            \
        __auto_type v_ = __atomic_load_n(w_, (order)); \
        annotate_after(w_, (order));                   \
        v_;                                            \
    })

#undef atomic_store_explicit
#define atomic_store_explicit(word, value, order) \
    __extension__({                               \
        __auto_type w_ = (word);                  \
        annotate_before(w_, sizeof *w_, (order)); \
        __atomic_store_n(w_, (value), (order));   \
    })

#define ANNOTATED(operation, word, value, order)          \
    __extension__({                                       \
        __auto_type w_ = (word);                          \
        annotate_before(w_, sizeof *w_, (order));         \
        __auto_type v_ = operation(w_, (value), (order)); \
        annotate_after(w_, (order));                      \
        v_;                                               \
    })
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#define atomic_exchange_explicit(word, value, order) \
    ANNOTATED(__atomic_exchange_n, word, value, order)
#define atomic_fetch_add_explicit(word, value, order) \
    ANNOTATED(__atomic_fetch_add, word, value, order)
#define atomic_fetch_sub_explicit(word, value, order) \
    ANNOTATED(__atomic_fetch_sub, word, value, order)
#define atomic_fetch_or_explicit(word, value, order) \
    ANNOTATED(__atomic_fetch_or, word, value, order)
#define atomic_fetch_and_explicit(word, value, order) \
    ANNOTATED(__atomic_fetch_and, word, value, order)

#define ANNOTATED_CAS(word, expected, desired, weak, order, failure)                            \
    __extension__({                                                                             \
        __auto_type w_ = (word);                                                                \
        __typeof__(*(expected)) d_ = (desired); /* what it reads is before the release */       \
        annotate_before(w_, sizeof *w_, (order));                                               \
        bool done_ = __atomic_compare_exchange_n(w_, (expected), d_, weak, (order), (failure)); \
        annotate_after(w_, done_ ? (order) : (failure));                                        \
        done_;                                                                                  \
    })
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_strong_explicit(word, expected, desired, order, failure) \
    ANNOTATED_CAS(word, expected, desired, false, order, failure)
#define atomic_compare_exchange_weak_explicit(word, expected, desired, order, failure) \
    ANNOTATED_CAS(word, expected, desired, true, order, failure)

/* The short forms are seq_cst. */
#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_fetch_or
#undef atomic_fetch_and
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#define atomic_load(word)             atomic_load_explicit(word, __ATOMIC_SEQ_CST)
#define atomic_store(word, value)     atomic_store_explicit(word, value, __ATOMIC_SEQ_CST)
#define atomic_exchange(word, value)  atomic_exchange_explicit(word, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_add(word, value) atomic_fetch_add_explicit(word, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_sub(word, value) atomic_fetch_sub_explicit(word, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_or(word, value)  atomic_fetch_or_explicit(word, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_and(word, value) atomic_fetch_and_explicit(word, value, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_strong(word, expected, desired) \
    ANNOTATED_CAS(word, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_weak(word, expected, desired) \
    ANNOTATED_CAS(word, expected, desired, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#endif
