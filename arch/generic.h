/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A CPU without a header of its own: the compiler's atomic operations, and no instruction besides.
 * So it has the rows that make no trap. On hppa, which has no compare-exchange, they are functions
 * of libgcc (__sync_*_4), which ask the kernel for each. */
#ifndef VALET_ARCH_GENERIC_H
#define VALET_ARCH_GENERIC_H

/* Not known: a look is a load and a branch. */
#define VALET_ARCH_LOOKS 8192

static inline void valet_arch_relax(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
