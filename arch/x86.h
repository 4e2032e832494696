/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* x86 with 32 bits, from the 486 on: the first that has cmpxchg. */
#ifndef VALET_ARCH_X86_H
#define VALET_ARCH_X86_H

/*
 * Linux: int $0x80. Number in eax; arguments in ebx, ecx, edx, esi, edi, ebp; result in eax, an
 * error as -4095..-1. All other registers are kept, those of floating point and vectors too. ebp
 * may be the frame pointer, and every other register has an argument: so the sixth goes by the
 * stack, as does what ebp held. Sources: torvalds/linux arch/x86/entry/entry_32.S,
 * entry_64_compat.S, tools/include/nolibc/arch-i386.h.
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

static inline void valet_arch_relax(void)
{
    __asm__ volatile("pause" ::: "memory"); /* a nop where there is none */
}

#endif
