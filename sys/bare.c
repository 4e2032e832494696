/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Bare metal: a loop on the word with the CPU's wait instruction, futex kind. Nobody schedules
 * here: a parked thread keeps its CPU. Also the fallback for a system that has no row.
 *
 * Unparking is an atomic operation, a barrier and an event: interrupt handlers may do it.
 */
#include "arch/arch.h"
#include "sys/deadline.h"
#include "sys/futex_word.h"
#include "sys/hook.h"
#include "valet_sys.h"

/*
 * The clock hook. aarch64 has a clock that needs no board knowledge; elsewhere there is none until
 * the integrator defines this function, which then takes the place of this one (hook.h). It must
 * never return 0 (see valet_sys.h), and all CPUs must agree on it.
 */
#if !VALET_HOOK
VALET_WEAK uint64_t valet_sys_now(void)
{
    return valet_arch_now();
}
#endif

/*
 * A CPU without atomic operations: right for one of them. Where there are more, the integrator's
 * own take the place of these.
 */
#if VALET_SYS_ATOMIC
#if !VALET_HOOK
VALET_WEAK uintptr_t valet_sys_atomic_begin(void)
{
    return valet_arch_mask();
}
#endif
#if !VALET_HOOK
VALET_WEAK void valet_sys_atomic_end(uintptr_t before)
{
    valet_arch_unmask(before);
}
#endif
#endif

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    while (valet_futex_look(word) == expected) {
        if (deadline == VALET_FOREVER) {
            valet_arch_wait(word, expected);
            continue;
        }
        /* With a deadline the CPU must not wait for an event that may never come. */
        uint64_t left;
        int r = valet_deadline_sleep(valet_sys_now(), deadline, UINT64_MAX, &left);
        if (r != VALET_OK)
            return r;
        valet_arch_relax();
    }
    return VALET_CHANGED;
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return valet_sys_futex_wait(word, expected, 0); /* it looks, and nobody is queued */
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    (void)word; /* the change of the word is the wake-up: it ends every loop */
    (void)count;
    valet_arch_event();
}
