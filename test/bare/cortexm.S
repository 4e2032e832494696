/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Cortex-M: the vectors, the start of each core, and the switch of threads. Instructions of armv6-M
 * only. Sources: ARM DDI 0419 (armv6-M), DDI 0553 (armv8-M), B1.5 and B3.
 */
#include "bare.h"
#include "cortexm.h"

    .syntax unified
    .thumb

    .section .vectors, "a"
    .globl vectors
vectors:
    .word   handler_stacks + HANDLER_STACK      /* start sets its own */
    .word   start
    .word   on_fault                            /* NMI */
    .word   on_fault                            /* HardFault, and what comes to it: all the others */
    .rept   10
    .word   on_fault
    .endr
    .word   on_pendsv
    .word   on_systick
    .rept   32
    .word   on_interrupt
    .endr

    .section .text.start, "ax"
    .globl start
    .type start, %function
    .thumb_func
start:
    cpsid   i
#ifdef CORE_ID
    ldr     r0, =CORE_ID
    ldr     r0, [r0]
#else
    movs    r0, #0
#endif
    adds    r1, r0, #1
    ldr     r2, =HANDLER_STACK
    muls    r2, r1, r2
    ldr     r3, =handler_stacks
    adds    r3, r3, r2
    msr     msp, r3
    ldr     r2, =BARE_STACK
    muls    r2, r1, r2
    ldr     r3, =bare_stacks
    adds    r3, r3, r2
    msr     psp, r3
    movs    r1, #2                              /* threads have a stack of their own */
    msr     control, r1
    isb
    ldr     r1, =bare_enter                     /* a core's first thread has the core's number */
    bx      r1

/* What the exception has not saved: r4 to r11. on_switch gives the stack of the next thread. */
    .globl on_pendsv
    .type on_pendsv, %function
    .thumb_func
on_pendsv:
    mrs     r0, psp
    subs    r0, #32
    mov     r1, r0
    stmia   r1!, {r4-r7}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    stmia   r1!, {r4-r7}
    push    {r3, lr}
    ldr     r1, =on_switch
    blx     r1
    pop     {r2, r3}
    mov     lr, r3
    mov     r1, r0
    adds    r1, #16
    ldmia   r1!, {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    msr     psp, r1
    ldmia   r0!, {r4-r7}
    bx      lr

    .type on_fault, %function
    .thumb_func
on_fault:
    mrs     r0, psp
    ldr     r1, =on_exception
    bx      r1

    .bss
    .p2align 3
handler_stacks:
    .space  HANDLER_STACK * BARE_CORES

    .section .note.GNU-stack, "", %progbits
