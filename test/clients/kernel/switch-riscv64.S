/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a called function must keep is saved on the stack of the thread, and where the interrupt
 * returns to that the thread may be in: test/bare/riscv.c leaves that in mepc and mstatus, and
 * other threads take interrupts meanwhile. There is no floating point. Registers: RISC-V ELF psABI
 * "Register Convention".
 */
    .text

/* void kernel_switch(void **from, void *to) */
    .globl kernel_switch
kernel_switch:
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    csrr    t0, mepc
    sd      t0, 104(sp)
    csrr    t0, mstatus
    sd      t0, 112(sp)
    sd      sp, 0(a0)
    mv      sp, a1
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    ld      t0, 104(sp)
    csrw    mepc, t0
    ld      t0, 112(sp)
    csrw    mstatus, t0
    addi    sp, sp, 128
    ret

/* void *kernel_new_frame(void *stack_end, void (*enter)(void)) */
    .globl kernel_new_frame
kernel_new_frame:
    addi    a0, a0, -128
    sd      a1, 0(a0)
    csrr    t0, mstatus
    andi    t0, t0, ~8              /* MIE: switches are made with interrupts off */
    sd      t0, 112(a0)
    ret

/*
 * void kernel_leave_handler(void): the thread that the handler returns to may stand between a
 * load-reserved and its store-conditional, and must not find a reservation that somebody else has
 * left. Source: riscv-isa-manual, "Zalrsc"; torvalds/linux arch/riscv/kernel/entry.S.
 */
    .globl kernel_leave_handler
kernel_leave_handler:
    addi    sp, sp, -16
    sc.d    zero, zero, (sp)
    addi    sp, sp, 16
    ret

/* unsigned bare_cpu(void) */
    .globl bare_cpu
bare_cpu:
    csrr    a0, mhartid
    ret

    .section .note.GNU-stack, "", %progbits
