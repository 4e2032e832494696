/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU -M virt: the first CPU starts here in EL1, the others after PSCI's CPU_ON, with the caches
 * and the MMU off. .bss is zero: QEMU's loader writes it.
 *
 * The MMU goes on before the first C: exclusive accesses are defined on normal cacheable memory
 * only, and without an MMU all of it is device memory. Source: Arm ARM (DDI 0487) B2.12, D8.
 */
#include "bare.h"

    .section .text.start, "ax"
    .globl _start
_start:
    ldr     x0, =0xff00             /* MAIR: 0 is device nGnRnE, 1 is normal write-back */
    msr     mair_el1, x0
    ldr     x0, =0x803520           /* TCR: 4 KiB, 32 bits, walks cacheable, inner shareable; no TTBR1 */
    msr     tcr_el1, x0
    adrp    x0, tables
    add     x0, x0, :lo12:tables
    msr     ttbr0_el1, x0
    isb
    tlbi    vmalle1
    dsb     nsh
    ic      iallu
    isb
    mrs     x0, sctlr_el1
    mov     x1, #0x1005             /* M, C, I */
    orr     x0, x0, x1
    msr     sctlr_el1, x0
    isb
    adrp    x0, vectors
    add     x0, x0, :lo12:vectors
    msr     vbar_el1, x0
    msr     spsel, #1
    mrs     x0, mpidr_el1
    and     x0, x0, #0xff           /* Aff0 */
    adrp    x1, bare_stacks
    add     x1, x1, :lo12:bare_stacks
    add     x2, x0, #1
    mov     x3, #BARE_STACK
    madd    x1, x2, x3, x1
    mov     sp, x1
    mov     x29, #0
    mov     x30, #0
    b       bare_enter

    /* Same EL, own stack: the only interrupts there are. */
on_irq:
    stp     x0, x1, [sp, #-192]!
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x29, [sp, #144]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #160]
    str     x1, [sp, #176]
    bl      on_interrupt
    ldp     x30, x0, [sp, #160]
    ldr     x1, [sp, #176]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x18, x29, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp], #192
    eret

    .balign 2048
vectors:
    .set    entry, 0
    .rept   16
    .balign 128
    .if     entry == 5              /* IRQ, current EL, SP_EL1 */
    b       on_irq
    .else
    mrs     x0, elr_el1
    b       on_exception
    .endif
    .set    entry, entry + 1
    .endr

    .section .rodata
    .balign 4096
tables:                             /* one level: blocks of 1 GiB, the virtual address is the real one */
    .quad   0x0060000000000401      /* devices: never executed */
    .quad   0x0000000040000705      /* RAM: inner shareable */
    .quad   0, 0

    .section .note.GNU-stack, "", %progbits
