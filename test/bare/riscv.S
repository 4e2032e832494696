/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU -M virt -bios none: every hart starts here at once, in machine mode. .bss is zero: QEMU's
 * loader writes it before they start.
 */
#include "bare.h"

    .section .text.start, "ax"
    .globl _start
_start:
    csrr    a0, mhartid
    la      sp, bare_stacks
    li      t0, BARE_STACK
    addi    t1, a0, 1
    mul     t0, t0, t1
    add     sp, sp, t0
    la      t0, trap
    csrw    mtvec, t0
    tail    bare_enter

    .section .note.GNU-stack, "", %progbits
