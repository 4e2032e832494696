/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Windows 8 and later: RtlWaitOnAddress and RtlWakeAddressSingle/All, futex kind. They are what
 * WaitOnAddress of the Win32 layer is made of, without its milliseconds.
 *
 * The queue is ntdll's own, in the process; what sleeps in the kernel is a thread, to be alerted by
 * its id. So it is ntdll that reads the word, in user mode: one that is not mapped is a fault of
 * the caller, not a status. An address that is passed to a wake is only a key. Both wakes begin
 * with a full fence (RtlWakeAddressSingleNoFence are those without): what the core changed comes
 * before the look for sleepers. Sources: winsiderss/phnt ntrtl.h, wine-mirror/wine
 * dlls/ntdll/sync.c, dlls/ntdll/tests/sync.c.
 */
#include <stddef.h>

#include "sys/deadline.h"
#include "sys/futex_word.h"
#include "sys/windows.h"
#include "valet_sys.h"

int32_t NTAPI RtlWaitOnAddress(const volatile void *word, const void *expected, size_t size,
                               const int64_t *timeout);
void NTAPI RtlWakeAddressSingle(const void *word);
void NTAPI RtlWakeAddressAll(const void *word);
uint8_t NTAPI RtlQueryPerformanceCounter(int64_t *ticks);
uint8_t NTAPI RtlQueryPerformanceFrequency(int64_t *frequency);

VALET_UNPROTECTED static uint64_t clock_ns(void)
{
    int64_t ticks, frequency;
    /* Neither can fail. The frequency is constant, and both are mostly read in user mode. */
    RtlQueryPerformanceCounter(&ticks);
    RtlQueryPerformanceFrequency(&frequency);
    return ns_of(ticks, frequency);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return wall_ns();
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    /* ntdll does not tell a word that differed from a wake, so look before it does. */
    if (valet_futex_look(word) != expected)
        return VALET_CHANGED;
    int64_t left;
    const int64_t *timeout = NULL;
    if (deadline != VALET_FOREVER) {
        int status = timeout_of(clock_ns(), deadline, &left);
        if (status != VALET_OK)
            return status;
        timeout = &left;
    }
    int32_t r = RtlWaitOnAddress(word, &expected, sizeof expected, timeout);
    if (r == STATUS_SUCCESS) /* woken, for no reason, or the word differed by then */
        return VALET_OK;
    if (r == STATUS_TIMEOUT && timeout != NULL) /* of another clock than ours: maybe early */
        return valet_deadline_over(clock_ns(), deadline);
    /* INVALID_PARAMETER is for sizes; nothing else is known. */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return valet_sys_futex_wait(word, expected, 0); /* it looks first, and does not sleep */
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    /* One or all is what there is; ones in a loop could be two thousand million calls. */
    if (count == 1)
        RtlWakeAddressSingle(word);
    else
        RtlWakeAddressAll(word);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME;
}

/* The rest is not called. */

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags;
    return valet_sys_futex_wait(word, expected, deadline);
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags;
    valet_sys_futex_wake(word, count);
    return VALET_FUTEX_UNKNOWN;
}
