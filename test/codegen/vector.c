/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A user's vector loops around each call of the library, for codegen/vector.py: jobs that are
 * finished one after the other, each then given to a thread that waits for it.
 *
 *   sum      a broadcast number, and a predicate of a constant length
 *   index    the numbers 0, 1, 2, ..., and a predicate of a length that is known at run time
 *   kept     a whole vector that only a register holds, so no compiler makes it anew after the call
 *
 * VALET_C: valet.c, which with VALET_STATIC is included in place of valet.h. USER: the attributes
 * of the user's functions.
 */
#ifdef VALET_C
#include VALET_C
#else
#include "valet.h"
#endif
/* clang 14 has SVE's types only where the whole file has SVE; gcc also for a function that has it.
 */
#if defined __ARM_FEATURE_SVE || (defined __aarch64__ && defined USER && !defined __clang__)
#include <arm_sve.h>
#define SCALABLE
#endif

#ifndef USER
#define USER
#endif

enum { LENGTH = 64 };

#define SUM(name, type, call)                                                         \
    USER void user_sum_##name(float(*restrict a)[LENGTH], float x, type *p, int jobs, \
                              uint64_t deadline)                                      \
    {                                                                                 \
        for (int k = 0; k < jobs; k++) {                                              \
            for (int i = 0; i < LENGTH; i++)                                          \
                a[k][i] += x;                                                         \
            (void)(call);                                                             \
        }                                                                             \
        (void)deadline;                                                               \
    }

#define INDEX(name, type, call)                                                             \
    USER void user_index_##name(uint32_t *restrict a, uint32_t x, int n, type *p, int jobs, \
                                uint64_t deadline)                                          \
    {                                                                                       \
        for (int k = 0; k < jobs; k++, a += n) {                                            \
            for (int i = 0; i < n; i++)                                                     \
                a[i] += x * (uint32_t)i;                                                    \
            (void)(call);                                                                   \
        }                                                                                   \
        (void)deadline;                                                                     \
    }

#ifdef SCALABLE
#define VECTOR      svfloat32_t
#define ALL         svptrue_b32()
#define LOAD(p)     svld1(ALL, (p))
#define ADD(x, y)   svadd_x(ALL, (x), (y))
#define STORE(p, x) svst1(ALL, (p), (x))
#elif !defined __aarch64__
typedef float vector __attribute__((vector_size(64), aligned(4)));
#define VECTOR      vector
#define LOAD(p)     (*(const VECTOR *)(p))
#define ADD(x, y)   ((x) + (y))
#define STORE(p, x) (*(VECTOR *)(p) = (x))
#endif
#ifdef VECTOR
#define KEPT(name, type, call)                                                               \
    USER void user_kept_##name(float(*restrict a)[LENGTH], const float *restrict b, type *p, \
                               int jobs, uint64_t deadline)                                  \
    {                                                                                        \
        VECTOR kept = LOAD(b);                                                               \
        kept = ADD(kept, kept);                                                              \
        for (int k = 0; k < jobs; k++) {                                                     \
            STORE(a[k], ADD(LOAD(a[k]), kept));                                              \
            (void)(call);                                                                    \
        }                                                                                    \
        (void)deadline;                                                                      \
    }

#else
#define KEPT(name, type, call)
#endif

#define ALL_THREE(name, type, call) \
    SUM(name, type, call)           \
    INDEX(name, type, call)         \
    KEPT(name, type, call)

ALL_THREE(unpark, struct valet_parker, (valet_unpark(&p[k]), 0))
ALL_THREE(store_and_wake, struct valet_waiters, (valet_store_and_wake(&p[k], 1), 0))
ALL_THREE(park_until, struct valet_parker, !valet_park_until(&p[k], deadline))
ALL_THREE(now, uint64_t, p[k] = valet_now())
SUM(store_and_delegate, struct valet_waiters, (valet_store_and_delegate(&p[k], 1), 0))
SUM(park, struct valet_parker, !valet_park(&p[k]))
SUM(park_for, struct valet_parker, !valet_park_for(&p[k], deadline))
SUM(compare_and_wait, struct valet_waiters, !valet_compare_and_wait(&p[k], 1))
SUM(compare_and_wait_until, struct valet_waiters, !valet_compare_and_wait_until(&p[k], 1, deadline))
SUM(futex_wake, uint32_t, (valet_futex_wake(&p[k], 1), 0))
SUM(futex_wait, uint32_t, !valet_futex_wait(&p[k], 1, deadline))
