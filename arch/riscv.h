/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What riscv32 and riscv64 have alike. In the one file it stands before a CPU is chosen, hence
 * __riscv.
 */
#ifndef VALET_ARCH_RISCV_H
#define VALET_ARCH_RISCV_H

#include <stdint.h>

#if defined __riscv

/*
 * Every trap here: Linux destroys all of the vector state, v0 to v31, vl, vtype and vcsr. So a trap
 * is only made in a VALET_SYS_CALL (valet_sys.h), which is no part of a user's function; there the
 * list below says it, for a library that is compiled with V. (gcc 12 takes V's flag, but has none
 * of its registers. clang 14 has no name for vl and vtype; it holds neither over any asm.) Source:
 * torvalds/linux Documentation/arch/riscv/vector.rst section 3.
 */
#if defined __riscv_vector && (defined __clang__ || __GNUC__ >= 13)
#define VALET_TRAP_LOSES_V                                                                         \
    , "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",      \
        "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", \
        "v27", "v28", "v29", "v30", "v31" VALET_TRAP_LOSES_VTYPE
#if defined __clang__
#define VALET_TRAP_LOSES_VTYPE
#else
#define VALET_TRAP_LOSES_VTYPE , "vl", "vtype"
#endif
#else
#define VALET_TRAP_LOSES_V
#endif

/*
 * Linux: ecall. Number in a7; arguments in a0 to a5; result in a0, an error as -4095..-1. All other
 * general registers are kept.
 * Source: torvalds/linux arch/riscv/kernel/entry.S, tools/include/nolibc/arch-riscv.h.
 */
static inline long valet_trap_linux(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
                     : "memory" VALET_TRAP_LOSES_V);
    return a0;
}

/* The sequences of sys/cancel.h: cancel in a0, the call in a1; the number goes to where the trap
 * has it, which is none of t1 and t2. */
#if __riscv_xlen == 64
#define VALET_CANCELLABLE_LOADS(number) \
    "ld " number ", (t1)\n\t"           \
    "ld a0, 8(t1)\n\t"                  \
    "ld a1, 16(t1)\n\t"                 \
    "ld a2, 24(t1)\n\t"                 \
    "ld a3, 32(t1)\n\t"                 \
    "ld a4, 40(t1)\n\t"                 \
    "ld a5, 48(t1)\n\t"                 \
    "ld a6, 56(t1)\n"
#else
#define VALET_CANCELLABLE_LOADS(number) \
    "lw " number ", (t1)\n\t"           \
    "lw a0, 4(t1)\n\t"                  \
    "lw a1, 8(t1)\n\t"                  \
    "lw a2, 12(t1)\n\t"                 \
    "lw a3, 16(t1)\n\t"                 \
    "lw a4, 20(t1)\n\t"                 \
    "lw a5, 24(t1)\n\t"                 \
    "lw a6, 28(t1)\n"
#endif
// clang-format off
#define VALET_CANCELLABLE_BY(number, trap, behind)  \
    "mv t2, a0\n\t"                                 \
    "mv t1, a1\n\t" VALET_CANCELLABLE_LOADS(number) \
    "1:\tlw t2, (t2)\n\t"                           \
    "bnez t2, 3f\n\t" trap                          \
    "2:\t" behind                                   \
    "ret\n"                                         \
    "3:\tli a0, 1\n\t"                              \
    "ret\n"
// clang-format on
#define VALET_CANCELLABLE_LINUX VALET_CANCELLABLE_BY("a7", "ecall\n", "")

/* Not measured: how long a pause is is the core's choice, which may be nothing. */
#define VALET_ARCH_LOOKS 1024

/* pause (Zihintpause) by its encoding, fence w,0: legal on every core. Source: riscv-isa-manual. */
static inline void valet_arch_relax(void)
{
    __asm__ volatile(".4byte 0x0100000f" ::: "memory");
}

/*
 * With Zawrs: the load-reserved holds the word's line until somebody stores to it, and wrs.sto
 * waits for that, for a bounded time. Without: a pause. Source: riscv-isa-manual src/zawrs.adoc;
 * the encoding is wrs.sto's.
 */
static inline void valet_arch_wait(const uint32_t *word, uint32_t expected)
{
#ifdef __riscv_zawrs
    uint32_t seen;
    __asm__ volatile("lr.w %0, (%1)" : "=r"(seen) : "r"(word) : "memory");
    if (seen == expected)
        __asm__ volatile(".4byte 0x01d00073" ::: "memory");
#else
    (void)word;
    (void)expected;
    valet_arch_relax();
#endif
}

static inline void valet_arch_event(void)
{
}

#ifndef __riscv_atomic
/*
 * MIE of mstatus, in machine mode. csrrci and csrrs by their encodings: an assembler may want to be
 * told of Zicsr. Source: riscv-isa-manual src/machine.adoc, src/zicsr.adoc.
 */
static inline uintptr_t valet_arch_mask(void)
{
    uintptr_t before;
    __asm__ volatile(".insn i 0x73, 7, %0, x8, 0x300" : "=r"(before)::"memory"); /* x8: a number */
    return before & 8;
}

static inline void valet_arch_unmask(uintptr_t before)
{
    __asm__ volatile(".insn i 0x73, 2, x0, %0, 0x300" ::"r"(before) : "memory");
}
#endif

/* rdtime's rate is the board's: the integrator knows it. */
static inline uint64_t valet_arch_now(void)
{
    return 0;
}

#endif
#endif
