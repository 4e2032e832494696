/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The struct timespec of every 64-bit kernel that has one, and of Linux' calls with a time of 64
 * bits on 32-bit CPUs. (Not sys/timespec.h: BSDs have theirs.) */
#ifndef VALET_SYS_KERNEL_TIMESPEC_H
#define VALET_SYS_KERNEL_TIMESPEC_H

#include <stdint.h>

#include "sys/seconds.h"

struct timespec {
    int64_t tv_sec, tv_nsec;
};

_Static_assert(sizeof(struct timespec) == 16, "the 64-bit ABI");

static inline uint64_t ns_of(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static inline struct timespec timespec_of(uint64_t ns)
{
    struct timespec t;
#if UINTPTR_MAX == UINT32_MAX
    uint64_t seconds = valet_seconds(ns);
    t.tv_sec = (int64_t)seconds;
    t.tv_nsec = (uint32_t)ns - (uint32_t)seconds * 1000000000u; /* modulo 2^32 */
#else
    t.tv_sec = (int64_t)(ns / 1000000000u);
    t.tv_nsec = (int64_t)(ns % 1000000000u);
#endif
    return t;
}

#endif
