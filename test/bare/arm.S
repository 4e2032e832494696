/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU -M virt, armv7-A: the first CPU starts here in SVC mode, the others after PSCI's CPU_ON, with
 * the caches and the MMU off. .bss is zero: QEMU's loader writes it.
 *
 * The MMU goes on before the first C: exclusive accesses are defined on normal memory, and without
 * an MMU all of it is strongly ordered. Source: Arm ARM (DDI 0406) A3.4, B3.5, B4.1.
 */
#include "bare.h"

    .arm
    .section .text.start, "ax"
    .globl _start
    .type _start, %function
_start:
    cpsid   if
    mov     r0, #1
    mcr     p15, 0, r0, c3, c0, 0   /* DACR: of domain 0 the permissions count */
    mov     r0, #0
    mcr     p15, 0, r0, c2, c0, 2   /* TTBCR: one table, of sections of 1 MiB */
    ldr     r0, =tables + 0x4a      /* TTBR0: walks cacheable, shareable */
    mcr     p15, 0, r0, c2, c0, 0
    mov     r0, #0
    mcr     p15, 0, r0, c8, c7, 0   /* TLBIALL */
    mcr     p15, 0, r0, c7, c5, 0   /* ICIALLU */
    dsb
    isb
    mrc     p15, 0, r0, c1, c0, 0
    ldr     r1, =0x1005             /* SCTLR: M, C, I */
    orr     r0, r0, r1
    mcr     p15, 0, r0, c1, c0, 0
    isb
    ldr     r0, =vectors
    mcr     p15, 0, r0, c12, c0, 0  /* VBAR */
    mrc     p15, 0, r0, c0, c0, 5   /* MPIDR */
    and     r0, r0, #0xff
    add     r1, r0, #1
    ldr     sp, =bare_stacks
    mov     r2, #BARE_STACK
    mla     sp, r1, r2, sp
    mov     r11, #0
    b       bare_enter

    /* On the stack of the thread, in its mode. What it has reserved is gone. */
on_irq:
    sub     lr, lr, #4
    srsdb   sp!, #0x13
    cps     #0x13
    push    {r0-r4, r12, lr}
    mov     r4, sp
    bic     sp, sp, #7
    bl      on_interrupt
    clrex
    mov     sp, r4
    pop     {r0-r4, r12, lr}
    rfeia   sp!

on_fault:
    mov     r0, lr
    cps     #0x13
    b       on_exception

    .balign 32
vectors:
    .rept   6
    b       on_fault
    .endr
    b       on_irq
    b       on_fault

    .section .rodata
    .balign 16384
tables:                             /* the virtual address is the real one */
    .set    megabyte, 0
    .rept   4096
    .if     megabyte >= 0x400 && megabyte < 0x440
    .word   megabyte << 20 | 0x11c0e /* RAM: normal, write-back, shareable */
    .else
    .word   megabyte << 20 | 0xc16  /* devices: never executed */
    .endif
    .set    megabyte, megabyte + 1
    .endr

    .section .note.GNU-stack, "", %progbits
