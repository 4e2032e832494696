/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef VALET_ARCH_AARCH64_H
#define VALET_ARCH_AARCH64_H

#include <stdint.h>

/*
 * Every trap here: the 128 bits of v0 to v31 are kept. The rest of z0 to z31, p0 to p15 and FFR are
 * not: Linux destroys them, and leaves streaming mode; FreeBSD drops them where a call sleeps;
 * OpenBSD and XNU keep what they let a program use; NetBSD lets none use SVE. CloudABI and Redox
 * were not looked up. So a trap is only made in a VALET_SYS_CALL (valet_sys.h), which is no part of
 * a user's function; there the list below says it, for a library that is compiled with SVE. (FFR
 * has no name in clang; no compiler uses it unasked.) Sources: torvalds/linux
 * Documentation/arch/arm64/sve.rst section 3, sme.rst; freebsd/freebsd-src sys/arm64/arm64/vfp.c
 * (vfp_save_state_common, vfp_new_thread); openbsd/src sys/arch/arm64/arm64/fpu.c;
 * apple-oss-distributions/xnu doc/arm/sme.md; NetBSD/src sys/arch/aarch64/aarch64/fpu.c.
 */
#if defined __ARM_FEATURE_SVE
#define VALET_TRAP_LOSES_SVE                                                                       \
    , "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",      \
        "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", \
        "v27", "v28", "v29", "v30", "v31", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8",   \
        "p9", "p10", "p11", "p12", "p13", "p14", "p15"
#else
#define VALET_TRAP_LOSES_SVE
#endif

/*
 * Linux: svc #0. Number in x8; arguments in x0 to x5; result in x0, an error as -4095..-1. All
 * other general registers are kept. Source: torvalds/linux arch/arm64/kernel/syscall.c,
 * tools/include/nolibc/arch-aarch64.h.
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "cc", "memory" VALET_TRAP_LOSES_SVE);
    return x0;
}

/* The sequences of sys/cancel.h: cancel in x0, the call in x1. hint #34 is bti c. */
// clang-format off
#define VALET_CANCELLABLE_BY(trap, behind) \
    "hint #34\n\t"                         \
    "mov x9, x0\n\t"                       \
    "mov x10, x1\n\t"                      \
    "ldp x8, x0, [x10]\n\t"                \
    "ldp x1, x2, [x10, #16]\n\t"           \
    "ldp x3, x4, [x10, #32]\n\t"           \
    "ldp x5, x6, [x10, #48]\n"             \
    "1:\tldr w9, [x9]\n\t"                 \
    "cbnz w9, 3f\n\t" trap                 \
    "2:\t" behind                          \
    "ret\n"                                \
    "3:\tmov x0, #1\n\t"                   \
    "ret\n"
// clang-format on
#define VALET_CANCELLABLE_LINUX VALET_CANCELLABLE_BY("svc #0\n", "")

/*
 * FreeBSD, CloudABI: svc #0. Number in x8; arguments in x0 to x5. The carry flag marks an error, a
 * positive errno in x0; here it becomes -errno. x1 is a second result; the other registers that a
 * function may lose are taken as lost. Sources: freebsd/freebsd-src lib/libsys/aarch64/SYS.h,
 * sys/arm64/arm64/vm_machdep.c, NuxiNL/cloudabi vdsos/cloudabi_vdso_aarch64.S.
 */
static inline long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0\n\t"
                     "cneg x0, x0, cs"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x8)
                     :
                     : "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                       "cc", "memory" VALET_TRAP_LOSES_SVE);
    return x0;
}

#define VALET_CANCELLABLE_BSD VALET_CANCELLABLE_BY("svc #0\n", "cneg x0, x0, cs\n\t")

/*
 * Darwin: svc #0x80. Number in x16; otherwise as valet_trap_bsd. x18 is the system's own.
 * Source: apple/darwin-xnu libsyscall/custom/SYS.h.
 */
static inline long valet_trap_darwin(long number, long a, long b, long c, long d, long e, long f)
{
    register long x16 __asm__("x16") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0x80\n\t"
                     "cneg x0, x0, cs"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x16)
                     :
                     : "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x17",
                       "cc", "memory" VALET_TRAP_LOSES_SVE);
    return x0;
}

/*
 * NetBSD: svc #number: the kernel takes it from the instruction, hence a macro. Arguments in x0 to
 * x6; otherwise as valet_trap_bsd. All arguments are evaluated before the first is put into its
 * register: one that calls a function would spoil those. Source: NetBSD/src
 * sys/arch/aarch64/aarch64/syscall.c.
 */
#define VALET_TRAP_NETBSD(number, a, b, c, d, e, f, g)                                          \
    (__extension__({                                                                            \
        const long valet_args[] = {(a), (b), (c), (d), (e), (f), (g)};                          \
        register long x0 __asm__("x0") = valet_args[0];                                         \
        register long x1 __asm__("x1") = valet_args[1];                                         \
        register long x2 __asm__("x2") = valet_args[2];                                         \
        register long x3 __asm__("x3") = valet_args[3];                                         \
        register long x4 __asm__("x4") = valet_args[4];                                         \
        register long x5 __asm__("x5") = valet_args[5];                                         \
        register long x6 __asm__("x6") = valet_args[6];                                         \
        __asm__ volatile("svc %[immediate]\n\t"                                                 \
                         "cneg x0, x0, cs"                                                      \
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6) \
                         : [immediate] "i"(number)                                              \
                         : "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",   \
                           "x17", "cc", "memory" VALET_TRAP_LOSES_SVE);                         \
        x0;                                                                                     \
    }))

#define VALET_CANCELLABLE_NETBSD(number) \
    VALET_CANCELLABLE_BY("svc #" #number "\n", "cneg x0, x0, cs\n\t")

/*
 * OpenBSD: svc #0, number in x8, error as FreeBSD's. The kernel returns behind the two instructions
 * that follow the svc: they keep the CPU from running ahead past it. A static program may make a
 * call only from the one place that a record in .openbsd.syscalls names for its number. So this
 * defines a whole function, in assembly, which no compiler inlines or clones: long name(long a,
 * ..., long f), of hidden linkage; weak and in one group with its record, so files that each have
 * it (VALET_STATIC) link to one. Sources: openbsd/src lib/libc/arch/aarch64/SYS.h, DEFS.h (the
 * record), cjeker/src sys/arch/arm64/arm64/syscall.c.
 */
#define VALET_TRAP_OPENBSD(name, number)                                          \
    long name(long a, long b, long c, long d, long e, long f)                     \
        __attribute__((visibility("hidden")));                                    \
    __asm__(".ifndef " #name "\n"                                                 \
            ".pushsection .text." #name ",\"axG\",%progbits," #name ",comdat\n"   \
            ".p2align 2\n"                                                        \
            ".weak " #name "\n"                                                   \
            ".hidden " #name "\n"                                                 \
            ".type " #name ",%function\n" #name ":\n\t"                           \
            "hint #34\n\t" /* bti c */                                            \
            "mov x8, #" #number "\n"                                              \
            "1:\tsvc #0\n\t"                                                      \
            ".pushsection .openbsd.syscalls,\"G\",%progbits," #name ",comdat\n\t" \
            ".p2align 2\n\t"                                                      \
            ".long 1b\n\t"                                                        \
            ".long " #number "\n\t"                                               \
            ".popsection\n\t"                                                     \
            "dsb nsh\n\t"                                                         \
            "isb\n\t"                                                             \
            "cneg x0, x0, cs\n\t"                                                 \
            "ret\n"                                                               \
            ".size " #name ",.-" #name "\n"                                       \
            ".popsection\n"                                                       \
            ".endif")

/*
 * Not measured. yield is a nop of about 1 ns on most cores, so a look is only a few; on one where
 * it is more, a poll is longer by as much.
 */
#define VALET_ARCH_LOOKS 8192

static inline void valet_arch_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

/*
 * The load-exclusive sets this CPU's monitor on the word; a store to it by anyone clears the
 * monitor, which is an event, and WFE waits for one. So no change falls between the look and the
 * wait: one that came since the look has left its event. WFE may return at once, for older events.
 * Source: Arm ARM (DDI 0487) D1.6 "Wait for Event", B2.12 "Synchronization and semaphores".
 */
static inline void valet_arch_wait(const uint32_t *word, uint32_t expected)
{
    uint32_t seen;
    __asm__ volatile("ldxr %w0, %1" : "=r"(seen) : "Q"(*word) : "memory");
    if (seen == expected)
        __asm__ volatile("wfe" ::: "memory");
    else
        __asm__ volatile("clrex" ::: "memory");
}

/* The barrier makes the change of the word visible before the event. */
static inline void valet_arch_event(void)
{
    __asm__ volatile("dsb ishst\n\tsev" ::: "memory");
}

/*
 * The generic timer: CNTVCT_EL0 counts at CNTFRQ_EL0 Hz. Start-up code must have set CNTFRQ_EL0
 * (firmware does); 0 there is "no clock". ISB: the counter is not read early.
 * Source: Arm ARM (DDI 0487) D11 "The Generic Timer in AArch64 state".
 */
static inline uint64_t valet_arch_now(void)
{
    uint64_t hz, ticks;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    if (hz == 0)
        return 0;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    /* Whole seconds first: the product of all the ticks would overflow after 18 s at 1 GHz. The 1
     * keeps the first tick from being "no clock". */
    return ticks / hz * 1000000000u + ticks % hz * 1000000000u / hz + 1;
}

#endif
