/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the place of arch/arch.h: a loop that waits lets the others run. */
#ifndef VALET_TEST_FUZZ_GREEN_ARCH_H
#define VALET_TEST_FUZZ_GREEN_ARCH_H

void program_relax(void);

static inline void valet_arch_relax(void)
{
    program_relax();
}

#endif
