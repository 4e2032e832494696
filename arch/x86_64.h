/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef VALET_ARCH_X86_64_H
#define VALET_ARCH_X86_64_H

#include <stdint.h>

/*
 * Every trap here: vector and mask registers are kept. Linux' ABI says so: all but rcx, r11 and
 * rax, and a kernel that changes the x87 and SSE units puts them back. FreeBSD and illumos switch a
 * thread's whole XSAVE state, wherever it was, and AVX-512 and APX' r16 to r31 are parts of that;
 * the others were not looked up. A trap is made in a VALET_SYS_CALL (valet_sys.h) all the same.
 * Sources: System V ABI, AMD64 supplement, A.2.1 and A.2.3; freebsd/freebsd-src
 * sys/amd64/amd64/fpu.c (ctx_switch_xsave); illumos/illumos-gate usr/src/uts/intel/os/fpu.c.
 */

/*
 * Linux: syscall. Number in rax; arguments in rdi, rsi, rdx, r10, r8, r9; result in rax, an error
 * as -4095..-1. The instruction itself puts the return address into rcx and the flags into r11.
 * Source: torvalds/linux arch/x86/entry/entry_64.S, tools/include/nolibc/arch-x86_64.h.
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "cc", "memory");
    return result;
}

/* The sequences of sys/cancel.h: cancel in rdi, the call in rsi. What goes to the stack before the
 * look, and off it behind the trap; and an error. */
// clang-format off
#define VALET_CANCELLABLE_BY(push, trap, pop, error) \
    "endbr64\n\t"                                    \
    "mov %rdi, %r11\n\t"                             \
    "mov (%rsi), %rax\n\t"                           \
    "mov 8(%rsi), %rdi\n\t"                          \
    "mov 24(%rsi), %rdx\n\t"                         \
    "mov 32(%rsi), %r10\n\t"                         \
    "mov 40(%rsi), %r8\n\t"                          \
    "mov 48(%rsi), %r9\n\t" push                     \
    "mov 16(%rsi), %rsi\n"                           \
    "1:\tcmpl $0, (%r11)\n\t"                        \
    "jne 3f\n\t" trap                                \
    "2:\t" pop error                                 \
    "ret\n"                                          \
    "3:\tmov $1, %eax\n\t" pop                       \
    "ret\n"
// clang-format on
#define VALET_CANCELLABLE_LINUX VALET_CANCELLABLE_BY("", "syscall\n", "", "")

/*
 * FreeBSD, DragonFly, CloudABI: syscall, registers in as on Linux. The carry flag marks an error, a
 * positive errno in rax; here it becomes -errno. rdx is a second result, and all that a function
 * may lose may be lost: FreeBSD returns zeros in r8 to r10, DragonFly kernel leftovers. Sources:
 * freebsd/freebsd-src sys/amd64/amd64/exception.S, DragonFlyBSD/DragonFlyBSD
 * sys/platform/pc64/x86_64/exception.S, NuxiNL/cloudabi vdsos/cloudabi_vdso_x86_64.S.
 */
static inline long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall\n\t"
                     "jnc 1f\n\t"
                     "neg %%rax\n"
                     "1:"
                     : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "cc", "memory");
    return number;
}

#define VALET_CANCELLABLE_CARRY \
    "jnc 4f\n\t"                \
    "neg %rax\n"                \
    "4:\t"
#define VALET_CANCELLABLE_BSD VALET_CANCELLABLE_BY("", "syscall\n", "", VALET_CANCELLABLE_CARRY)

/*
 * Darwin: the same; the high bits of the number are its class, 2 for BSD calls.
 * Source: apple/darwin-xnu libsyscall/custom/SYS.h, osfmk/mach/i386/syscall_sw.h.
 */
static inline long valet_trap_darwin(long number, long a, long b, long c, long d, long e, long f)
{
    return valet_trap_bsd(0x2000000 + number, a, b, c, d, e, f);
}

/*
 * NetBSD: as FreeBSD, and a seventh argument at 8(%rsp), above what would be a return address. The
 * stack pointer is first lowered past the red zone, where the compiler may keep things.
 * Source: NetBSD/src sys/arch/x86/x86/syscall.c, lib/libc/arch/x86_64/SYS.h.
 */
static inline long valet_trap_netbsd(long number, long a, long b, long c, long d, long e, long f,
                                     long g)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "push %[g]\n\t"
                     "push %[g]\n\t"
                     "syscall\n\t"
                     "lea 144(%%rsp), %%rsp\n\t" /* unlike add, it keeps the carry */
                     "jnc 1f\n\t"
                     "neg %%rax\n"
                     "1:"
                     : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     : [g] "r"(g)
                     : "rcx", "r11", "cc", "memory");
    return number;
}
#define VALET_TRAP_NETBSD valet_trap_netbsd /* a macro where the number is in the instruction */
#define VALET_CANCELLABLE_NETBSD(number)                                                          \
    VALET_CANCELLABLE_BY("push 56(%rsi)\n\tpush %rax\n\t", "syscall\n", "lea 16(%rsp), %rsp\n\t", \
                         VALET_CANCELLABLE_CARRY)

/*
 * OpenBSD: as FreeBSD, but a static program may make a call only from the one place that a record
 * in .openbsd.syscalls names for its number. So this defines a whole function, in assembly, which
 * no compiler inlines or clones: long name(long a, ..., long f), of hidden linkage; weak and in one
 * group with its record, so files that each have it (VALET_STATIC) link to one. The fourth argument
 * moves from where C puts it. An error becomes -errno. Sources: openbsd/src
 * lib/libc/arch/amd64/SYS.h, libexec/ld.so/amd64/syscall_amd64.h (the form of the record).
 */
#define VALET_TRAP_OPENBSD(name, number)                                          \
    long name(long a, long b, long c, long d, long e, long f)                     \
        __attribute__((visibility("hidden")));                                    \
    __asm__(".ifndef " #name "\n"                                                 \
            ".pushsection .text." #name ",\"axG\",@progbits," #name ",comdat\n"   \
            ".weak " #name "\n"                                                   \
            ".hidden " #name "\n"                                                 \
            ".type " #name ",@function\n" #name ":\n\t"                           \
            "endbr64\n\t"                                                         \
            "mov $" #number ", %eax\n\t"                                          \
            "mov %rcx, %r10\n"                                                    \
            "1:\tsyscall\n\t"                                                     \
            ".pushsection .openbsd.syscalls,\"G\",@progbits," #name ",comdat\n\t" \
            ".p2align 2\n\t"                                                      \
            ".long 1b\n\t"                                                        \
            ".long " #number "\n\t"                                               \
            ".popsection\n\t"                                                     \
            "jnc 2f\n\t"                                                          \
            "neg %rax\n"                                                          \
            "2:\tret\n"                                                           \
            ".size " #name ",.-" #name "\n"                                       \
            ".popsection\n"                                                       \
            ".endif")

/* 19 ns for a load and a pause, measured on two machines by AMD, 14 on one by Intel. By the model a
 * pause is 10 to 140 cycles: with the longest so many looks take 45 us, not 20. */
#define VALET_ARCH_LOOKS 1024

static inline void valet_arch_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/* WAITPKG and MONITORX would need CPUID and a state to keep its answer in: pause is always legal.
 */
static inline void valet_arch_wait(const uint32_t *word, uint32_t expected)
{
    (void)word;
    (void)expected;
    valet_arch_relax();
}

static inline void valet_arch_event(void)
{
}

/* The time-stamp counter's rate is not something the CPU tells everywhere. */
static inline uint64_t valet_arch_now(void)
{
    return 0;
}

#endif
