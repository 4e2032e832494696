/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The frame that green_switch leaves on the stack of a thread which it takes off the CPU: what a
 * called function must keep, and nothing else. The control registers of the floating-point unit
 * belong to that too, but nobody here changes them.
 *
 * Registers: System V ABI for AMD64 3.2.1; AAPCS64 6.1; RISC-V ELF psABI "Register Convention"; for
 * m68k gcc's config/m68k/m68k.h, CALL_USED_REGISTERS.
 */
#ifndef VALET_TEST_GREEN_SWITCH_H
#define VALET_TEST_GREEN_SWITCH_H

#if defined __x86_64__
#define SWITCH_WORDS 8 /* r15 r14 r13 r12 rbx rbp, return address, caller's return address */
#define SWITCH_PC    6
#elif defined __aarch64__
#define SWITCH_WORDS 20 /* x19 to x30, d8 to d15 */
#define SWITCH_PC    11
#elif defined __riscv && __riscv_xlen == 64
#define SWITCH_WORDS 26 /* ra, s0 to s11, fs0 to fs11; the stack pointer stays a multiple of 16 */
#define SWITCH_PC    0
#elif defined __m68k__
#define SWITCH_WORDS 30 /* fp2 to fp7, of three words each; d2 to d7, a2 to a6, return address */
#define SWITCH_PC    29
#define SWITCH_LEFT  2 /* the ABI aligns a stack to two bytes: this one to no more */
#else
#error "green threads: no context switch for this CPU"
#endif

#ifndef SWITCH_LEFT
#define SWITCH_LEFT 0 /* bytes of a stack before its first frame */
#endif

#ifndef __ASSEMBLER__
/* Save this thread and its stack pointer in *from; go on where the thread of `to` was saved. */
void green_switch(void **from, void *to);
#endif

#endif
