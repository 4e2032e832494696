/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a called function must keep is saved on the stack of the thread; an interrupt has saved the
 * rest there already, with the address that it returns to (test/bare/aarch64.S). There is no
 * floating point. Registers: AAPCS64 6.1.
 */
    .text

/* void kernel_switch(void **from, void *to) */
    .globl kernel_switch
kernel_switch:
    sub     sp, sp, #96
    stp     x19, x20, [sp]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    add     sp, sp, #96
    ret

/* void *kernel_new_frame(void *stack_end, void (*enter)(void)) */
    .globl kernel_new_frame
kernel_new_frame:
    sub     x0, x0, #96
    stp     xzr, x1, [x0, #80]
    ret

/* void kernel_leave_handler(void): nothing, eret drops the reservation of a load-exclusive */
    .globl kernel_leave_handler
kernel_leave_handler:
    ret

/* unsigned bare_cpu(void) */
    .globl bare_cpu
bare_cpu:
    mrs     x0, mpidr_el1
    and     x0, x0, #0xff
    ret

    .section .note.GNU-stack, "", %progbits
