/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the place of arch/arch.h: a system call is one of the explorer (hooks.c). */
long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f);

static inline void valet_arch_relax(void)
{
}
