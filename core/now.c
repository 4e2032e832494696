/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The clock; and what a system says that has none of the optional functions (valet_sys.h). */
#include "valet.h"
#include "valet_sys.h"

/* An embedder has them with VALET_WITH, where there is no weak symbol: in the one file, static.
 * Each system for Windows has them: its linkers find a weak function in its own object only. */
#ifdef _WIN32
#define VALET_WITH 1
#endif
#ifndef VALET_WITH
#define VALET_WITH 0
#endif
#if !VALET_WITH
__attribute__((weak)) unsigned valet_sys_features(void)
{
    return 0;
}

__attribute__((weak)) uint64_t valet_sys_now_realtime(void)
{
    return 0;
}

/* Those below are not called, where the features are 0. */
__attribute__((weak)) uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count,
                                                         unsigned flags)
{
    (void)word;
    (void)count;
    (void)flags;
    return VALET_FUTEX_UNKNOWN;
}

__attribute__((weak)) int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected,
                                                    uint64_t deadline, unsigned flags)
{
    (void)word;
    (void)expected;
    (void)deadline;
    (void)flags;
    return VALET_ERR_UNSUPPORTED;
}

__attribute__((weak)) int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline,
                                                   unsigned flags)
{
    (void)s;
    (void)deadline;
    (void)flags;
    return VALET_ERR_UNSUPPORTED;
}
#endif

uint64_t valet_now(void)
{
    return valet_sys_now();
}

uint64_t valet_now_realtime(void)
{
    return valet_sys_now_realtime();
}

unsigned valet_features(void)
{
    return (valet_sys_features() & ~(VALET_SYS_COUNTS | VALET_SYS_FOLLOWS | VALET_SYS_SET_BACK)) |
           VALET_NO_POLL;
}
