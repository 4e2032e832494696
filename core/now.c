/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The clock; and what a system says that has none of the optional functions (valet_sys.h). */
#include "valet.h"
#include "valet_sys.h"

/* An embedder has them with VALET_WITH, where there is no weak symbol: in the one file, static. */
#ifndef VALET_WITH
#define VALET_WITH 0
#endif
#if !VALET_WITH
__attribute__((weak)) unsigned valet_sys_features(void)
{
    return 0;
}

__attribute__((weak)) uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count)
{
    (void)word; /* is not called */
    (void)count;
    return VALET_FUTEX_UNKNOWN;
}
#endif

uint64_t valet_now(void)
{
    return valet_sys_now();
}
