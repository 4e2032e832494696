/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* 32-bit Arm: Arm and Thumb instructions, profiles A (and R) and M. */
#ifndef VALET_ARCH_ARM_H
#define VALET_ARCH_ARM_H

#include <stdint.h>

/*
 * Linux, EABI: svc #0. Number in r7; arguments in r0 to r5; result in r0, an error as -4095..-1.
 * All other registers are kept, those of VFP and NEON too: a kernel that wants those for itself
 * saves a thread's first, and they come back at its next use. In Thumb r7 may be the frame pointer,
 * which no operand can name: so it is kept in another register meanwhile. Sources: torvalds/linux
 * arch/arm/kernel/entry-common.S, arch/arm/kernel/entry-header.S (restore_user_regs),
 * Documentation/arch/arm/kernel_mode_neon.rst, tools/include/nolibc/arch-arm.h.
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    register long r3 __asm__("r3") = d;
    register long r4 __asm__("r4") = e;
    register long r5 __asm__("r5") = f;
#ifdef __thumb__
    long kept;
    __asm__ volatile("mov %[kept], r7\n\t"
                     "mov r7, %[number]\n\t"
                     "svc #0\n\t"
                     "mov r7, %[kept]"
                     : "+r"(r0), [kept] "=&r"(kept)
                     : [number] "r"(number), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5)
                     : "memory");
#else
    register long r7 __asm__("r7") = number;
    __asm__ volatile("svc #0"
                     : "+r"(r0)
                     : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5)
                     : "memory");
#endif
    return r0;
}

/* The same as a sequence of sys/cancel.h, in Arm and in Thumb: cancel in r0, the call in r1. */
#define VALET_CANCELLABLE_LINUX    \
    "push {r4, r5, r6, r7}\n\t"    \
    "mov r6, r0\n\t"               \
    "ldr r7, [r1]\n\t"             \
    "ldr r0, [r1, #4]\n\t"         \
    "ldr r2, [r1, #12]\n\t"        \
    "ldr r3, [r1, #16]\n\t"        \
    "ldr r4, [r1, #20]\n\t"        \
    "ldr r5, [r1, #24]\n\t"        \
    "ldr r1, [r1, #8]\n"           \
    "1:\tldr r6, [r6]\n\t"         \
    "cmp r6, #0\n\t"               \
    "bne 3f\n\t"                   \
    "svc #0\n"                     \
    "2:\tpop {r4, r5, r6, r7}\n\t" \
    "bx lr\n"                      \
    "3:\tmov r0, #1\n\t"           \
    "b 2b\n"

/* yield, wfe and sev: every M profile and ARMv7. They are in ARMv6K, too, but its barrier is not an
 * instruction of that name. Source: ARM DDI 0406 A8.8 (YIELD, WFE, SEV), DDI 0419 (ARMv6-M). */
#if __ARM_ARCH >= 7 || (defined __ARM_ARCH_PROFILE && __ARM_ARCH_PROFILE == 'M')
#define VALET_ARM_HINT(instructions) __asm__ volatile(instructions ::: "memory")
#else
#define VALET_ARM_HINT(instructions) __asm__ volatile("" ::: "memory")
#endif

static inline void valet_arch_relax(void)
{
    VALET_ARM_HINT("yield");
}

/*
 * WFE waits for an event. A store is none (before ARMv8), so it is the waker's SEV that ends this:
 * it comes after the change of the word, at which the caller has looked, and is kept if it comes
 * before the WFE. An interrupt is an event, too: on the M profile its entry and its end, elsewhere
 * one that is pending. Sources: ARM DDI 0406 B1.8.13 (Wait For Event and Send Event), DDI 0403
 * B1.5.18; torvalds/linux arch/arm/include/asm/spinlock.h has the same loop.
 */
static inline void valet_arch_wait(const uint32_t *word, uint32_t expected)
{
    (void)word;
    (void)expected;
    VALET_ARM_HINT("wfe");
}

/* The barrier makes the change of the word visible before the event. */
static inline void valet_arch_event(void)
{
    VALET_ARM_HINT("dsb\n\tsev");
}

#if defined __ARM_ARCH_PROFILE && __ARM_ARCH_PROFILE == 'M' && __ARM_ARCH == 6
/* PRIMASK, which unprivileged code cannot change, and is not told so. Source: ARM DDI 0419 B5.2. */
static inline uintptr_t valet_arch_mask(void)
{
    uintptr_t before;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(before)::"memory");
    return before;
}

static inline void valet_arch_unmask(uintptr_t before)
{
    __asm__ volatile("msr primask, %0" ::"r"(before) : "memory");
}
#endif

/* The generic timer is optional in ARMv7-A, and M's SysTick is 24 bits of the board's rate. */
static inline uint64_t valet_arch_now(void)
{
    return 0;
}

#endif
