/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* POWER, 64 bits, little-endian and big-endian. */
#ifndef VALET_ARCH_PPC64_H
#define VALET_ARCH_PPC64_H

#include <stdint.h>

/*
 * Linux: sc. Number in r0; arguments in r3 to r8. The bit SO of cr0 marks an error, a positive
 * errno in r3; here it becomes -errno. What a function may lose is lost, but for cr1, cr5 to cr7,
 * lr, and the registers of floating point and vectors, which are kept: data, control and status.
 * VSX has no others than these. Sources: torvalds/linux
 * Documentation/arch/powerpc/syscall64-abi.rst, arch/powerpc/kernel/process.c (enable_kernel_vsx).
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    register long r6 __asm__("r6") = d;
    register long r7 __asm__("r7") = e;
    register long r8 __asm__("r8") = f;
    __asm__ volatile("sc\n\t"
                     "bns+ 1f\n\t"
                     "neg 3, 3\n"
                     "1:"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8)
                     :
                     : "r9", "r10", "r11", "r12", "ctr", "xer", "cr0", "memory");
    return r3;
}

/* The same as a sequence of sys/cancel.h: cancel in r3, the call in r4. */
#define VALET_CANCELLABLE_LINUX \
    "mr 9, 3\n\t"               \
    "ld 0, 0(4)\n\t"            \
    "ld 3, 8(4)\n\t"            \
    "ld 5, 24(4)\n\t"           \
    "ld 6, 32(4)\n\t"           \
    "ld 7, 40(4)\n\t"           \
    "ld 8, 48(4)\n\t"           \
    "ld 4, 16(4)\n"             \
    "1:\tlwz 9, 0(9)\n\t"       \
    "cmpwi 9, 0\n\t"            \
    "bne 3f\n\t"                \
    "sc\n"                      \
    "2:\tbnslr+\n\t"            \
    "neg 3, 3\n\t"              \
    "blr\n"                     \
    "3:\tli 3, 1\n\t"           \
    "blr\n"

/* How it is called: the big-endian ABI calls C functions by a descriptor, and this has none. */
static inline long valet_cancellable(const uint32_t *cancel, const long *call)
{
    register const uint32_t *r3 __asm__("r3") = cancel;
    register const long *r4 __asm__("r4") = call;
    __asm__ volatile("bl valet_sys_cancellable_1"
                     : "+r"(r3), "+r"(r4)
                     :
                     : "r0", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "ctr", "xer",
                       "cr0", "memory");
    return (long)r3;
}
#define VALET_CALL_CANCELLABLE valet_cancellable

/* Not measured. */
#define VALET_ARCH_LOOKS 8192

/* This thread's priority, low and then medium as before: the core runs its other threads meanwhile.
 * Source: Power ISA 3.0 book II, 3.2 "or" as a hint; torvalds/linux
 * arch/powerpc/include/asm/vdso/processor.h. */
static inline void valet_arch_relax(void)
{
    __asm__ volatile("or 1,1,1\n\tor 2,2,2" ::: "memory");
}

#endif
