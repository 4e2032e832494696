/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What windows.c and windows_keyed.c share: NT's statuses, clock and timeouts. Both call ntdll by
 * name and nothing else: the numbers of NT's system calls change with every build of Windows.
 */
#ifndef VALET_SYS_WINDOWS_H
#define VALET_SYS_WINDOWS_H

#include <stdint.h>

#include "sys/deadline.h"
#include "sys/seconds.h"
#include "valet_sys.h"

/* How ntdll's functions are called. On x86 with 32 bits they take their arguments off the stack,
 * and a linker knows them as _NAME@BYTES. */
#ifdef __i386__
#define NTAPI __attribute__((stdcall))
#else
#define NTAPI
#endif

/* Compare statuses for equality only: a timeout is a success by its sign. */
#define STATUS_SUCCESS 0x000
#define STATUS_TIMEOUT 0x102

#define YEAR_1970 INT64_C(116444736000000000)

/* Ticks of the performance counter in ns. Split, or the product would overflow after days. */
static inline uint64_t ns_of(int64_t ticks, int64_t frequency)
{
    uint64_t t = (uint64_t)ticks, f = (uint64_t)frequency;
#ifdef __i386__
    for (; f > UINT32_MAX; f >>= 1) /* XP: it may be the CPU's own, of more than 4.2 GHz */
        t >>= 1;
    uint32_t rest;
    uint64_t seconds = valet_divide(t, (uint32_t)f, &rest);
    return seconds * 1000000000u + valet_divide(rest * UINT64_C(1000000000), (uint32_t)f, &rest);
#else
    return t / f * 1000000000u + t % f * 1000000000u / f;
#endif
}

/* The system's clock counts units of 100 ns since 1601, and can be asked without fail. */
int32_t NTAPI NtQuerySystemTime(int64_t *time);

VALET_UNPROTECTED static inline uint64_t wall_ns(void)
{
    int64_t time;
    NtQuerySystemTime(&time);
    return time > YEAR_1970 ? (uint64_t)(time - YEAR_1970) * 100 : 1;
}

/*
 * The timeout of a wait: units of 100 ns, negative since a positive one would be a date of the
 * system's clock. Not VALET_OK: the answer of the wait.
 */
static inline int timeout_of(uint64_t now, uint64_t deadline, int64_t *timeout)
{
    uint64_t ns = 0;
    int status = valet_deadline_sleep(now, deadline, INT64_MAX, &ns);
    *timeout = -(int64_t)valet_deadline_units(ns, 100);
    return status;
}

#endif
