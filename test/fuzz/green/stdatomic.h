/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the place of <stdatomic.h>: before each atomic operation another green thread may run. */
#ifndef VALET_TEST_FUZZ_STDATOMIC_H
#define VALET_TEST_FUZZ_STDATOMIC_H

#include_next <stdatomic.h>

void program_step(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_or_explicit

#define atomic_load_explicit(...)     (program_step(), __c11_atomic_load(__VA_ARGS__))
#define atomic_store_explicit(...)    (program_step(), __c11_atomic_store(__VA_ARGS__))
#define atomic_exchange_explicit(...) (program_step(), __c11_atomic_exchange(__VA_ARGS__))
#define atomic_fetch_or_explicit(...) (program_step(), __c11_atomic_fetch_or(__VA_ARGS__))
#define atomic_compare_exchange_strong_explicit(...) \
    (program_step(), __c11_atomic_compare_exchange_strong(__VA_ARGS__))
#define atomic_compare_exchange_weak_explicit(...) \
    (program_step(), __c11_atomic_compare_exchange_weak(__VA_ARGS__))

#endif
