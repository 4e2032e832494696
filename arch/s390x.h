/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef VALET_ARCH_S390X_H
#define VALET_ARCH_S390X_H

/*
 * Linux: svc 0. Number in r1; arguments in r2 to r7; result in r2, an error as -4095..-1. All other
 * registers are kept, those of floating point and vectors too: a kernel that wants those for itself
 * saves a thread's first, and puts them back. r7 may not be the C function's own, but is named
 * here. Sources: torvalds/linux arch/s390/kernel/entry.S, arch/s390/kernel/syscall.c,
 * arch/s390/include/asm/fpu.h (kernel_fpu_begin), tools/include/nolibc/arch-s390.h.
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    register long r1 __asm__("r1") = number;
    register long r2 __asm__("r2") = a;
    register long r3 __asm__("r3") = b;
    register long r4 __asm__("r4") = c;
    register long r5 __asm__("r5") = d;
    register long r6 __asm__("r6") = e;
    register long r7 __asm__("r7") = f;
    __asm__ volatile("svc 0"
                     : "+r"(r2)
                     : "r"(r1), "r"(r3), "r"(r4), "r"(r5), "r"(r6), "r"(r7)
                     : "cc", "memory");
    return r2;
}

/* The same as a sequence of sys/cancel.h: cancel in r2, the call in r3. r6 to r8 are kept where the
 * caller's frame has room for them. */
#define VALET_CANCELLABLE_LINUX      \
    "stmg %r6, %r8, 48(%r15)\n\t"    \
    "lgr %r8, %r2\n\t"               \
    "lgr %r1, %r3\n\t"               \
    "lmg %r2, %r7, 8(%r1)\n\t"       \
    "lg %r1, 0(%r1)\n"               \
    "1:\ticm %r0, 15, 0(%r8)\n\t"    \
    "jnz 3f\n\t"                     \
    "svc 0\n"                        \
    "2:\tlmg %r6, %r8, 48(%r15)\n\t" \
    "br %r14\n"                      \
    "3:\tlghi %r2, 1\n\t"            \
    "j 2b\n"

/* Not measured: a look is a load and a branch. */
#define VALET_ARCH_LOOKS 8192

/* No instruction of a program's tells the other thread of the core, or the hypervisor: diagnose,
 * which does, is privileged. Source: torvalds/linux arch/s390/lib/spinlock.c. */
static inline void valet_arch_relax(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
