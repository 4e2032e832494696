/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Litmus tests: that the model allows what C11 allows and forbids what it forbids, by the usual
 * names. Each ends with SEEN(the outcome in question), and scenarios.h says whether some execution
 * must have it, or none, or which violation must be found.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "valet.h"

#define T(name)      void name(void)
#define SEEN(x)      ((x) ? check_seen() : (void)0)
#define SET(x, n, o) atomic_store_explicit(&(x), n, memory_order_##o)
#define GET(x, o)    atomic_load_explicit(&(x), memory_order_##o)
#define ADD(x, n, o) atomic_fetch_add_explicit(&(x), n, memory_order_##o)
#define FENCE(o)     atomic_thread_fence(memory_order_##o)
#define END(name, see) \
    T(end_##name)      \
    {                  \
        SEEN(see);     \
    }

void check_seen(void);

static _Atomic int x, y;
static struct {
    _Alignas(8) int is;
} r[8], plain;

/* Store buffering: both look before either has stored. */
#define SB(name, order, between)     \
    T(name##_0)                      \
    {                                \
        SET(x, 1, order##_W);        \
        between;                     \
        r[0].is = GET(y, order##_R); \
    }                                \
    T(name##_1)                      \
    {                                \
        SET(y, 1, order##_W);        \
        between;                     \
        r[1].is = GET(x, order##_R); \
    }                                \
    END(name, r[0].is == 0 && r[1].is == 0)
#define memory_order_relaxed_W memory_order_relaxed
#define memory_order_relaxed_R memory_order_relaxed
#define memory_order_acq_rel_W memory_order_release
#define memory_order_acq_rel_R memory_order_acquire
#define memory_order_seq_cst_W memory_order_seq_cst
#define memory_order_seq_cst_R memory_order_seq_cst
#define memory_order_store_W   memory_order_seq_cst
#define memory_order_store_R   memory_order_acquire
#define memory_order_load_W    memory_order_release
#define memory_order_load_R    memory_order_seq_cst
SB(sb_relaxed, relaxed, )
SB(sb_acq_rel, acq_rel, )
SB(sb_fences, relaxed, FENCE(seq_cst))
SB(sb_seq_cst, seq_cst, )
SB(sb_seq_cst_store, store, )
SB(sb_seq_cst_load, load, )

/* One side by a fence, the other by its accesses. */
T(sb_mixed_0)
{
    SET(x, 1, relaxed);
    FENCE(seq_cst);
    r[0].is = GET(y, relaxed);
}
T(sb_mixed_1)
{
    SET(y, 1, seq_cst);
    r[1].is = GET(x, seq_cst);
}
END(sb_mixed, r[0].is == 0 && r[1].is == 0)

/* Message passing: the flag is seen, the message is not. */
#define MP(name, w, before_w, r_, after_r) \
    T(name##_0)                            \
    {                                      \
        SET(x, 1, relaxed);                \
        before_w;                          \
        SET(y, 1, w);                      \
    }                                      \
    T(name##_1)                            \
    {                                      \
        r[0].is = GET(y, r_);              \
        after_r;                           \
        r[1].is = GET(x, relaxed);         \
    }                                      \
    END(name, r[0].is == 1 && r[1].is == 0)
MP(mp_relaxed, relaxed, , relaxed, )
MP(mp_release_only, release, , relaxed, )
MP(mp_acq_rel, release, , acquire, )
MP(mp_fences, relaxed, FENCE(release), relaxed, FENCE(acquire))
MP(mp_fence_one_side, relaxed, FENCE(release), relaxed, )

#define MP_PLAIN(name, w, r_)   \
    T(name##_0)                 \
    {                           \
        plain.is = 1;           \
        SET(y, 1, w);           \
    }                           \
    T(name##_1)                 \
    {                           \
        if (GET(y, r_))         \
            r[0].is = plain.is; \
    }
MP_PLAIN(mp_plain, release, acquire)
MP_PLAIN(mp_plain_race, release, relaxed)

/* The other way round: the reader has done, and the writer may not know it. */
T(mp_plain_back_0)
{
    r[0].is = plain.is;
    SET(y, 1, relaxed);
}
T(mp_plain_back_1)
{
    if (GET(y, acquire))
        plain.is = 1;
}

/* An atomic write is no less a race, with a plain read that need not come before it. */
T(race_plain_atomic_0)
{
    r[0].is = *(int *)&x;
    SET(y, 1, relaxed);
}
T(race_plain_atomic_1)
{
    if (GET(y, acquire))
        SET(x, 1, relaxed);
}

/* Coherence: two reads, a write and a read, of one word. */
T(corr_0)
{
    SET(x, 1, relaxed);
}
T(corr_1)
{
    r[0].is = GET(x, relaxed);
    r[1].is = GET(x, relaxed);
}
END(corr, r[0].is == 1 && r[1].is == 0)

T(cowr_0)
{
    SET(x, 1, relaxed);
    r[0].is = GET(x, relaxed);
}
T(cowr_1)
{
    SET(x, 2, relaxed);
}
END(cowr, r[0].is == 0)

/* Write to read causality: what one has seen and told, another sees. */
#define WRC(name, w, r_)           \
    T(name##_0)                    \
    {                              \
        SET(x, 1, w);              \
    }                              \
    T(name##_1)                    \
    {                              \
        r[0].is = GET(x, r_);      \
        SET(y, 1, w);              \
    }                              \
    T(name##_2)                    \
    {                              \
        r[1].is = GET(y, r_);      \
        r[2].is = GET(x, relaxed); \
    }                              \
    END(name, r[0].is == 1 && r[1].is == 1 && r[2].is == 0)
WRC(wrc_relaxed, relaxed, relaxed)
WRC(wrc_acq_rel, release, acquire)

/* Independent reads of independent writes: two readers see them in different orders. */
#define IRIW(name, w, r_, between) \
    T(name##_0)                    \
    {                              \
        SET(x, 1, w);              \
    }                              \
    T(name##_1)                    \
    {                              \
        SET(y, 1, w);              \
    }                              \
    T(name##_2)                    \
    {                              \
        r[0].is = GET(x, r_);      \
        between;                   \
        r[1].is = GET(y, r_);      \
    }                              \
    T(name##_3)                    \
    {                              \
        r[2].is = GET(y, r_);      \
        between;                   \
        r[3].is = GET(x, r_);      \
    }                              \
    END(name, r[0].is == 1 && r[1].is == 0 && r[2].is == 1 && r[3].is == 0)
IRIW(iriw_acq_rel, release, acquire, )
IRIW(iriw_fences, relaxed, relaxed, FENCE(seq_cst))
IRIW(iriw_seq_cst, seq_cst, seq_cst, )

/* Release sequences: a relaxed read-modify-write passes on what it replaces; a store does not. */
T(sequence_rmw_0)
{
    SET(x, 1, relaxed);
    SET(y, 1, release);
}
T(sequence_rmw_1)
{
    ADD(y, 1, relaxed);
}
T(sequence_rmw_2)
{
    r[0].is = GET(y, acquire);
    r[1].is = GET(x, relaxed);
}
END(sequence_rmw, r[0].is == 2 && r[1].is == 0)

T(sequence_store_0)
{
    SET(x, 1, relaxed);
    SET(y, 1, release);
    SET(y, 2, relaxed);
}
T(sequence_store_1)
{
    r[0].is = GET(y, acquire);
    r[1].is = GET(x, relaxed);
}
END(sequence_store, r[0].is == 2 && r[1].is == 0)

T(sequence_broken_0)
{
    SET(x, 1, relaxed);
    SET(y, 1, release);
}
T(sequence_broken_1)
{
    if (GET(y, relaxed) == 1)
        SET(y, 2, relaxed);
}
T(sequence_broken_2)
{
    r[0].is = GET(y, acquire);
    r[1].is = GET(x, relaxed);
}
END(sequence_broken, r[0].is == 2 && r[1].is == 0)

/* A read-modify-write is one step, even if relaxed. */
T(rmw_atomic_0)
{
    r[0].is = ADD(x, 1, relaxed);
}
T(rmw_atomic_1)
{
    r[1].is = ADD(x, 1, relaxed);
}
END(rmw_atomic, r[0].is == r[1].is)

static bool swap(_Atomic int *a, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(a, &from, to, memory_order_relaxed,
                                                   memory_order_relaxed);
}
T(cas_atomic_0)
{
    r[0].is = swap(&x, 0, 1);
}
T(cas_atomic_1)
{
    r[1].is = swap(&x, 0, 1);
}
END(cas_atomic, r[0].is == r[1].is)

/* Only a weak one fails for no reason. */
T(cas_strong_0)
{
    r[0].is = swap(&x, 0, 1);
}
END(cas_strong, r[0].is == 0)

T(cas_weak_0)
{
    int from = 0;
    r[0].is = atomic_compare_exchange_weak_explicit(&x, &from, 1, memory_order_relaxed,
                                                    memory_order_relaxed);
}
END(cas_weak, r[0].is == 0)

/* One that fails is a load, and may be stale: it misses the 1 that the flag announces. */
T(cas_stale_0)
{
    SET(x, 1, relaxed);
    SET(y, 1, relaxed);
}
T(cas_stale_1)
{
    r[0].is = GET(y, relaxed);
    r[1].is = swap(&x, 1, 2);
}
END(cas_stale, r[0].is == 1 && r[1].is == 0)

/* The system. A wake-up for no reason is not to be counted on. */
T(futex_lost_0)
{
    valet_futex_wait((uint32_t *)&x, 0, VALET_FOREVER);
}

/* A wait may not miss what its waker knew, though all is relaxed. */
T(futex_kept_0)
{
    while (GET(x, relaxed) == 0)
        valet_futex_wait((uint32_t *)&x, 0, VALET_FOREVER);
}
T(futex_kept_1)
{
    SET(x, 1, relaxed);
    valet_futex_wake((uint32_t *)&x, 1);
}

/* Being woken tells nothing. */
T(futex_no_order_0)
{
    futex_kept_0();
    r[0].is = plain.is;
}
T(futex_no_order_1)
{
    plain.is = 1;
    futex_kept_1();
}

/* An address outlives its frame. */
static _Atomic(_Atomic int *) published;

__attribute__((noinline)) static void publish_local(void)
{
    _Atomic int local;
    atomic_init(&local, 0);
    SET(published, &local, release);
    GET(local, relaxed);
}
T(dead_frame_0)
{
    publish_local();
    GET(x, relaxed);
}
T(dead_frame_1)
{
    _Atomic int *p = GET(published, acquire);
    if (p != NULL)
        GET(*p, relaxed);
}

/* Load buffering: each sees what the other has not yet written. A model that goes by execution does
 * not show it. */
T(lb_relaxed_0)
{
    r[0].is = GET(x, relaxed);
    SET(y, 1, relaxed);
}
T(lb_relaxed_1)
{
    r[1].is = GET(y, relaxed);
    SET(x, 1, relaxed);
}
END(lb_relaxed, r[0].is == 1 && r[1].is == 1)

/* Two stores each, in different orders: the first of each is the last in its word. */
T(two_plus_two_w_0)
{
    SET(x, 1, relaxed);
    SET(y, 2, relaxed);
}
T(two_plus_two_w_1)
{
    SET(y, 1, relaxed);
    SET(x, 2, relaxed);
}
END(two_plus_two_w, GET(x, relaxed) == 1 && GET(y, relaxed) == 1)
