/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* There are no traps here: a module imports functions, or waits by instruction (sys/wasm.c). */
#ifndef VALET_ARCH_WASM32_H
#define VALET_ARCH_WASM32_H

#include <stdint.h>

/* WebAssembly has no pause. */
static inline void valet_arch_relax(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void valet_arch_wait(const uint32_t *word, uint32_t expected)
{
    (void)word;
    (void)expected;
    valet_arch_relax();
}

static inline void valet_arch_event(void)
{
}

static inline uint64_t valet_arch_now(void)
{
    return 0;
}

#endif
