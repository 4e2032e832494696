/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU -M q35 finds the PVH note and starts the first CPU in 32-bit protected mode, paging off; the
 * others come from the trampoline after INIT-SIPI. All meet in protected mode, switch to long mode
 * with the same tables, and go to their stacks. .bss is zero: QEMU's loader writes it.
 * Source: xen-project/xen docs/misc/pvh.pandoc; Intel SDM 3A 9.4 (MP start-up), 10.8.5 (IA-32e mode).
 */
#include "bare.h"

#define CODE64 0x08
#define CODE32 0x10
#define DATA   0x18

    .section .note.Xen, "a", %note
    .long   4, 8, 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz  "Xen"
    .quad   _start

    .section .text.start, "ax"
    .code16
    .globl trampoline, trampoline_end
trampoline:                         /* copied to TRAMPOLINE, one page below 1 MiB */
    cli
    lgdtl   %cs:(1f - trampoline)
    movl    %cr0, %eax
    orl     $1, %eax
    movl    %eax, %cr0
    ljmpl   $CODE32, $protected
1:  .word   gdt_end - gdt - 1
    .long   gdt
trampoline_end:

    .code32
    .globl _start
_start:
    lgdtl   gdt_pointer
    ljmpl   $CODE32, $protected
protected:
    movw    $DATA, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movl    %cr4, %eax
    orl     $0x20, %eax             /* PAE */
    movl    %eax, %cr4
    movl    $pml4, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx       /* EFER.LME */
    rdmsr
    orl     $0x100, %eax
    wrmsr
    movl    %cr0, %eax
    andl    $0x9fffffff, %eax       /* CD and NW: caches are off after INIT */
    orl     $0x80010001, %eax       /* PG, WP, PE */
    movl    %eax, %cr0
    ljmpl   $CODE64, $long_mode

    .code64
long_mode:
    movl    $0xfee00020, %eax       /* the local APIC's id is the number of the CPU */
    movl    (%rax), %edi
    shrl    $24, %edi
    movl    %edi, %eax
    incl    %eax
    imull   $BARE_STACK, %eax, %eax
    leaq    bare_stacks(%rax), %rsp
    xorl    %ebp, %ebp
    pushq   $0
    jmp     bare_enter

    .section .data
    .balign 8
gdt:
    .quad   0
    .quad   0x00af9b000000ffff      /* CODE64 */
    .quad   0x00cf9b000000ffff      /* CODE32 */
    .quad   0x00cf93000000ffff      /* DATA */
gdt_end:
gdt_pointer:
    .word   gdt_end - gdt - 1
    .long   gdt

    .balign 4096                    /* 4 GiB, the virtual address is the real one */
pml4:
    .quad   pdpt + 3
    .fill   511, 8, 0
pdpt:
    .quad   pd + 0x0003, pd + 0x1003, pd + 0x2003, pd + 0x3003
    .fill   508, 8, 0
pd:                                 /* pages of 2 MiB; those of the last GiB, the devices, uncached */
    .set    page, 0
    .rept   2048
    .quad   page * 0x200000 + 0x83 + (page / 1536) * 0x10
    .set    page, page + 1
    .endr

    .section .note.GNU-stack, "", %progbits
