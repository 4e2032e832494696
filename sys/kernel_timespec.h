/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The struct timespec of every 64-bit kernel that has one, and of Linux' calls with a time of 64
 * bits on 32-bit CPUs. A system whose own is narrower there says so before it includes this: the
 * type of seconds, or of ns, or both. (Not sys/timespec.h: BSDs have theirs.)
 */
#ifndef VALET_SYS_KERNEL_TIMESPEC_H
#define VALET_SYS_KERNEL_TIMESPEC_H

#include <stdint.h>

#include "sys/seconds.h"

#ifndef VALET_TV_SEC
#define VALET_TV_SEC int64_t
#endif
#ifndef VALET_TV_NSEC
#define VALET_TV_NSEC int64_t
#endif

struct timespec {
    VALET_TV_SEC tv_sec;
    VALET_TV_NSEC tv_nsec;
};

_Static_assert(sizeof(struct timespec) == sizeof(VALET_TV_SEC) + sizeof(VALET_TV_NSEC),
               "16 bytes in the 64-bit ABI");

static inline uint64_t ns_of(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static inline struct timespec timespec_of(uint64_t ns)
{
    struct timespec t;
#if UINTPTR_MAX == UINT32_MAX
    uint64_t seconds = valet_seconds(ns);
    t.tv_sec = (VALET_TV_SEC)seconds;
    t.tv_nsec = (VALET_TV_NSEC)((uint32_t)ns - (uint32_t)seconds * 1000000000u); /* modulo 2^32 */
#else
    t.tv_sec = (VALET_TV_SEC)(ns / 1000000000u);
    t.tv_nsec = (VALET_TV_NSEC)(ns % 1000000000u);
#endif
    return t;
}

#endif
