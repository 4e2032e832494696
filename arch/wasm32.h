/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* There are no traps here: a module imports functions, or waits by instruction (sys/wasm.c). */
#ifndef VALET_ARCH_WASM32_H
#define VALET_ARCH_WASM32_H

/* WebAssembly has no pause. */
static inline void valet_arch_relax(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
