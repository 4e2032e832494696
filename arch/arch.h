/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The only place that picks a CPU. Each header gives:
 *
 *   valet_arch_relax()              one look is done, another follows: be kind to the other thread
 *   VALET_ARCH_LOOKS                how many such looks take about 20 us; not where nothing polls
 *   valet_trap_*()                  one system call, by calling convention
 *   VALET_CANCELLABLE_*             the same as a sequence that a handler may take a thread out of:
 *                                   instructions (sys/cancel.h)
 *
 * and for bare metal, where that is a row of the CPU's:
 *
 *   valet_arch_wait(word, expected) wait, in any way and for any reason to end, while *word may
 *                                   still be expected: its untimed wait
 *   valet_arch_event()              end the valet_arch_wait of every other CPU
 *   valet_arch_now()                monotonic ns from a counter that each CPU of the kind has; or 0
 *   valet_arch_mask()               interrupts off, where the CPU has no atomic operations; returns
 *   valet_arch_unmask(before)       what puts them back
 */
#ifndef VALET_ARCH_H
#define VALET_ARCH_H

#if defined __ILP32__ && (defined __x86_64__ || defined __aarch64__)
#error "valet: system calls here take pointers of 64 bits; this is x32 or ILP32"
#endif

#if defined __x86_64__
#include "arch/x86_64.h" // IWYU pragma: export
#elif defined __aarch64__
#include "arch/aarch64.h" // IWYU pragma: export
#elif defined __riscv && __riscv_xlen == 64
#include "arch/riscv64.h" // IWYU pragma: export
#elif defined __riscv && __riscv_xlen == 32
#include "arch/riscv32.h" // IWYU pragma: export
#elif defined __arm__
#include "arch/arm.h" // IWYU pragma: export
#elif defined __i386__
#include "arch/x86.h" // IWYU pragma: export
#elif defined __powerpc64__
#include "arch/ppc64.h" // IWYU pragma: export
#elif defined __s390x__
#include "arch/s390x.h" // IWYU pragma: export
#elif defined __wasm32__
#include "arch/wasm32.h" // IWYU pragma: export
#elif defined __GNUC__
#include "arch/generic.h" // IWYU pragma: export
#else
#error "valet: no header in arch/ for this CPU"
#endif

#endif
