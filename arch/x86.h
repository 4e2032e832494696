/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* x86 with 32 bits, from the 486 on: the first that has cmpxchg. */
#ifndef VALET_ARCH_X86_H
#define VALET_ARCH_X86_H

/*
 * Linux: int $0x80. Number in eax; arguments in ebx, ecx, edx, esi, edi, ebp; result in eax, an
 * error as -4095..-1. All other registers are kept, those of floating point and vectors too: a
 * kernel that wants those for itself saves a thread's first, and puts them back. ebp may be the
 * frame pointer, and every other register has an argument: so the sixth goes by the stack, as does
 * what ebp held. Sources: torvalds/linux arch/x86/entry/entry_32.S, entry_64_compat.S,
 * arch/x86/kernel/fpu/core.c (kernel_fpu_begin), tools/include/nolibc/arch-i386.h.
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    __asm__ volatile("push %[f]\n\t"
                     "push %%ebp\n\t"
                     "mov 4(%%esp), %%ebp\n\t"
                     "int $0x80\n\t"
                     "pop %%ebp\n\t"
                     "lea 4(%%esp), %%esp"
                     : "+a"(number)
                     : "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "im"(f)
                     : "memory");
    return number;
}

/* The same as a sequence of sys/cancel.h: cancel and the call on the stack, as C has them. Once a
 * register is free for no pointer, the number is on the stack, too. */
#define VALET_CANCELLABLE_LINUX \
    "push %ebp\n\t"             \
    "push %edi\n\t"             \
    "push %esi\n\t"             \
    "push %ebx\n\t"             \
    "mov 24(%esp), %eax\n\t"    \
    "push (%eax)\n\t"           \
    "mov 4(%eax), %ebx\n\t"     \
    "mov 8(%eax), %ecx\n\t"     \
    "mov 12(%eax), %edx\n\t"    \
    "mov 16(%eax), %esi\n\t"    \
    "mov 20(%eax), %edi\n\t"    \
    "mov 24(%eax), %ebp\n\t"    \
    "mov 24(%esp), %eax\n"      \
    "1:\tcmpl $0, (%eax)\n\t"   \
    "jne 3f\n\t"                \
    "mov (%esp), %eax\n\t"      \
    "int $0x80\n"               \
    "2:\tlea 4(%esp), %esp\n\t" \
    "pop %ebx\n\t"              \
    "pop %esi\n\t"              \
    "pop %edi\n\t"              \
    "pop %ebp\n\t"              \
    "ret\n"                     \
    "3:\tmov $1, %eax\n\t"      \
    "jmp 2b\n"

/*
 * NetBSD: int $0x80. Number in eax; arguments on the stack, above what would be a return address.
 * The carry flag marks an error, a positive errno in eax; here it becomes -errno. edx is a second
 * result, and ecx, which a function may lose, is taken as lost. Sources: NetBSD/src
 * sys/arch/x86/x86/syscall.c. Always inline: in a function of its own a stack protector would see
 * the array.
 */
static inline long valet_trap_netbsd(long number, long a, long b, long c, long d, long e, long f,
                                     long g) __attribute__((always_inline));
static inline long valet_trap_netbsd(long number, long a, long b, long c, long d, long e, long f,
                                     long g)
{
    long arguments[7];
    arguments[0] = a;
    arguments[1] = b;
    arguments[2] = c;
    arguments[3] = d;
    arguments[4] = e;
    arguments[5] = f;
    arguments[6] = g;
    __asm__ volatile("pushl 24(%[from])\n\t"
                     "pushl 20(%[from])\n\t"
                     "pushl 16(%[from])\n\t"
                     "pushl 12(%[from])\n\t"
                     "pushl 8(%[from])\n\t"
                     "pushl 4(%[from])\n\t"
                     "pushl (%[from])\n\t"
                     "pushl %[from]\n\t" /* for the return address */
                     "int $0x80\n\t"
                     "lea 32(%%esp), %%esp\n\t" /* unlike add, it keeps the carry */
                     "jnc 1f\n\t"
                     "neg %%eax\n"
                     "1:"
                     : "+a"(number)
                     : [from] "r"(arguments)
                     : "ecx", "edx", "cc", "memory");
    return number;
}
#define VALET_TRAP_NETBSD valet_trap_netbsd /* a macro where the number is in the instruction */

/* The same as a sequence of sys/cancel.h. */
// clang-format off
#define VALET_CANCELLABLE_BY(trap)              \
    "mov 4(%esp), %edx\n\t"                     \
    "mov 8(%esp), %ecx\n\t"                     \
    "mov (%ecx), %eax\n\t"                      \
    "pushl 28(%ecx)\n\t"                        \
    "pushl 24(%ecx)\n\t"                        \
    "pushl 20(%ecx)\n\t"                        \
    "pushl 16(%ecx)\n\t"                        \
    "pushl 12(%ecx)\n\t"                        \
    "pushl 8(%ecx)\n\t"                         \
    "pushl 4(%ecx)\n\t"                         \
    "pushl %ecx\n" /* for the return address */ \
    "1:\tcmpl $0, (%edx)\n\t"                   \
    "jne 3f\n\t" trap                           \
    "2:\tlea 32(%esp), %esp\n\t"                \
    "jnc 4f\n\t"                                \
    "neg %eax\n"                                \
    "4:\tret\n"                                 \
    "3:\tmov $1, %eax\n\t"                      \
    "lea 32(%esp), %esp\n\t"                    \
    "ret\n"
// clang-format on
#define VALET_CANCELLABLE_NETBSD(number) VALET_CANCELLABLE_BY("int $0x80\n")

/* FreeBSD: the same, of six arguments. Sources: freebsd/freebsd-src sys/i386/i386/trap.c
 * (cpu_fetch_syscall_args), lib/libsys/i386/SYS.h. */
static inline long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f)
    __attribute__((always_inline));
static inline long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f)
{
    return valet_trap_netbsd(number, a, b, c, d, e, f, 0);
}
#define VALET_CANCELLABLE_BSD VALET_CANCELLABLE_BY("int $0x80\n")

/*
 * OpenBSD: the same, but a static program may make a call only from the one place that a record in
 * .openbsd.syscalls names for its number. So this defines a whole function, in assembly, which no
 * compiler inlines or clones: long name(long a, ..., long f), of hidden linkage; weak and in one
 * group with its record, so files that each have it (VALET_STATIC) link to one. C puts its
 * arguments where the kernel looks for them, also under -mregparm. Sources: openbsd/src
 * lib/libc/arch/i386/SYS.h (the record), cjeker/src sys/arch/i386/i386/trap.c.
 */
#define VALET_TRAP_OPENBSD(name, number)                                          \
    long name(long a, long b, long c, long d, long e, long f)                     \
        __attribute__((visibility("hidden"), regparm(0)));                        \
    __asm__(".ifndef " #name "\n"                                                 \
            ".pushsection .text." #name ",\"axG\",@progbits," #name ",comdat\n"   \
            ".weak " #name "\n"                                                   \
            ".hidden " #name "\n"                                                 \
            ".type " #name ",@function\n" #name ":\n\t"                           \
            "mov $" #number ", %eax\n"                                            \
            "1:\tint $0x80\n\t"                                                   \
            ".pushsection .openbsd.syscalls,\"G\",@progbits," #name ",comdat\n\t" \
            ".p2align 2\n\t"                                                      \
            ".long 1b\n\t"                                                        \
            ".long " #number "\n\t"                                               \
            ".popsection\n\t"                                                     \
            "jnc 2f\n\t"                                                          \
            "neg %eax\n"                                                          \
            "2:\tret\n"                                                           \
            ".size " #name ",.-" #name "\n"                                       \
            ".popsection\n"                                                       \
            ".endif")

static inline void valet_arch_relax(void)
{
    __asm__ volatile("pause" ::: "memory"); /* a nop where there is none */
}

#endif
