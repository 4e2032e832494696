/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* green_switch for each CPU: see switch.h. */
#include "switch.h"

    .text
    .globl green_switch
    .type green_switch, %function
    .p2align 4
green_switch:

#if defined __x86_64__
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

#elif defined __aarch64__
    sub sp, sp, #(SWITCH_WORDS * 8)
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #(SWITCH_WORDS * 8)
    ret

#elif defined __riscv
    .macro each_register integer, float
    \integer ra, 0(sp)
    \integer s0, 8(sp)
    \integer s1, 16(sp)
    \integer s2, 24(sp)
    \integer s3, 32(sp)
    \integer s4, 40(sp)
    \integer s5, 48(sp)
    \integer s6, 56(sp)
    \integer s7, 64(sp)
    \integer s8, 72(sp)
    \integer s9, 80(sp)
    \integer s10, 88(sp)
    \integer s11, 96(sp)
    \float fs0, 104(sp)
    \float fs1, 112(sp)
    \float fs2, 120(sp)
    \float fs3, 128(sp)
    \float fs4, 136(sp)
    \float fs5, 144(sp)
    \float fs6, 152(sp)
    \float fs7, 160(sp)
    \float fs8, 168(sp)
    \float fs9, 176(sp)
    \float fs10, 184(sp)
    \float fs11, 192(sp)
    .endm
    addi sp, sp, -(SWITCH_WORDS * 8)
    each_register sd, fsd
    sd sp, 0(a0)
    mv sp, a1
    each_register ld, fld
    addi sp, sp, SWITCH_WORDS * 8
    ret

#elif defined __m68k__
    move.l 4(%sp), %a0
    move.l 8(%sp), %a1
    movem.l %d2-%d7/%a2-%a6, -(%sp)
    fmovem.x %fp2-%fp7, -(%sp)
    move.l %sp, (%a0)
    move.l %a1, %sp
    fmovem.x (%sp)+, %fp2-%fp7
    movem.l (%sp)+, %d2-%d7/%a2-%a6
    rts
#endif

    .size green_switch, . - green_switch
    .section .note.GNU-stack, "", %progbits
