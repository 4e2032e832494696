/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libgomp's waits and wakes by valet's futex. In the place of its config/linux/futex.h, and of
 * x86/futex.h there. Who includes this has made all that is declared hidden, which valet is not.
 */
#pragma GCC visibility push(default)
#include <valet.h>
#pragma GCC visibility pop

static inline void futex_wait(int *word, int expected)
{
    if (valet_futex_wait((uint32_t *)word, (uint32_t)expected, VALET_FOREVER) < 0)
        __builtin_trap();
}

static inline void futex_wake(int *word, int count)
{
    valet_futex_wake((uint32_t *)word, (uint32_t)count);
}

static inline void cpu_relax(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#else
    __asm volatile("" ::: "memory");
#endif
}
