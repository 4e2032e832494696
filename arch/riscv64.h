/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef VALET_ARCH_RISCV64_H
#define VALET_ARCH_RISCV64_H

#include "arch/riscv.h" // IWYU pragma: export

/*
 * FreeBSD: ecall. Number in t0; arguments in a0 to a5. On return t0 is not 0 if a0 is an errno,
 * which here becomes -errno. a1 is a second result; the other registers that a function may lose
 * are taken as lost. Source: freebsd/freebsd-src lib/libsys/riscv/SYS.h,
 * sys/riscv/riscv/vm_machdep.c.
 */
static inline long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f)
{
    register long t0 __asm__("t0") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    __asm__ volatile("ecall\n\t"
                     "beqz t0, 1f\n\t"
                     "neg a0, a0\n"
                     "1:"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5), "+r"(t0)
                     :
                     : "a6", "a7", "t1", "t2", "t3", "t4", "t5", "t6", "memory" VALET_TRAP_LOSES_V);
    return a0;
}

#define VALET_CANCELLABLE_ERROR \
    "beqz t0, 4f\n\t"           \
    "neg a0, a0\n"              \
    "4:\t"
#define VALET_CANCELLABLE_BSD VALET_CANCELLABLE_BY("t0", "ecall\n", VALET_CANCELLABLE_ERROR)

/*
 * NetBSD: ecall. Number in t6; arguments in a0 to a6. A call that succeeded returns 12 bytes behind
 * the ecall, one that failed 4, with an errno in a0; so the error's way is two instructions, of 4
 * bytes each. a1 is a second result. Source: NetBSD/src sys/arch/riscv/riscv/syscall.c.
 */
static inline long valet_trap_netbsd(long number, long a, long b, long c, long d, long e, long f,
                                     long g)
{
    register long t6 __asm__("t6") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    register long a6 __asm__("a6") = g;
    __asm__ volatile(".option push\n\t"
                     ".option norvc\n\t"
                     "ecall\n\t"
                     "neg a0, a0\n\t"
                     "nop\n\t"
                     ".option pop"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5), "+r"(a6),
                       "+r"(t6)
                     :
                     : "a7", "t0", "t1", "t2", "t3", "t4", "t5", "memory" VALET_TRAP_LOSES_V);
    return a0;
}
#define VALET_TRAP_NETBSD valet_trap_netbsd /* a macro where the number is in the instruction */
#define VALET_CANCELLABLE_NETBSD(number)     \
    VALET_CANCELLABLE_BY("t6",               \
                         ".option push\n\t"  \
                         ".option norvc\n\t" \
                         "ecall\n",          \
                         "neg a0, a0\n\t"    \
                         "ret\n\t"           \
                         ".option pop\n\t")

/*
 * OpenBSD: ecall, number in t0, error as FreeBSD's. A static program may make a call only from the
 * one place that a record in .openbsd.syscalls names for its number. So this defines a whole
 * function, in assembly, which no compiler inlines or clones: long name(long a, ..., long f), of
 * hidden linkage; weak and in one group with its record, so files that each have it (VALET_STATIC)
 * link to one. Sources: openbsd/src lib/libc/arch/riscv64/SYS.h, DEFS.h (the record), cjeker/src
 * sys/arch/riscv64/riscv64/syscall.c.
 */
#define VALET_TRAP_OPENBSD(name, number)                                          \
    long name(long a, long b, long c, long d, long e, long f)                     \
        __attribute__((visibility("hidden")));                                    \
    __asm__(".ifndef " #name "\n"                                                 \
            ".pushsection .text." #name ",\"axG\",@progbits," #name ",comdat\n"   \
            ".p2align 2\n"                                                        \
            ".weak " #name "\n"                                                   \
            ".hidden " #name "\n"                                                 \
            ".type " #name ",@function\n" #name ":\n\t"                           \
            "li t0, " #number "\n"                                                \
            "1:\tecall\n\t"                                                       \
            ".pushsection .openbsd.syscalls,\"G\",@progbits," #name ",comdat\n\t" \
            ".p2align 2\n\t"                                                      \
            ".long 1b\n\t"                                                        \
            ".long " #number "\n\t"                                               \
            ".popsection\n\t"                                                     \
            "beqz t0, 2f\n\t"                                                     \
            "neg a0, a0\n"                                                        \
            "2:\tret\n"                                                           \
            ".size " #name ",.-" #name "\n"                                       \
            ".popsection\n"                                                       \
            ".endif")

#endif
