/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The struct timespec of every 64-bit kernel that has one. (Not sys/timespec.h: BSDs have theirs.)
 */
#ifndef VALET_SYS_KERNEL_TIMESPEC_H
#define VALET_SYS_KERNEL_TIMESPEC_H

#include <stdint.h>

struct timespec {
    int64_t tv_sec, tv_nsec;
};

_Static_assert(sizeof(struct timespec) == 16 && sizeof(long) == 8, "the 64-bit ABI");

static inline uint64_t ns_of(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static inline struct timespec timespec_of(uint64_t ns)
{
    struct timespec t;
    t.tv_sec = (int64_t)(ns / 1000000000u);
    t.tv_nsec = (int64_t)(ns % 1000000000u);
    return t;
}

#endif
