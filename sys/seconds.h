/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Divisions of 64 bits, where the compiler would call its runtime for them: on CPUs of 32 bits. */
#ifndef VALET_SYS_SECONDS_H
#define VALET_SYS_SECONDS_H

#include <stdint.h>

#ifdef __i386__
/* n / by, and the rest. The CPU divides 64 bits if the quotient has 32: two steps. */
static inline uint64_t valet_divide(uint64_t n, uint32_t by, uint32_t *rest)
{
    uint32_t high = (uint32_t)(n >> 32) / by, low;
    __asm__("div %[by]"
            : "=a"(low), "=d"(*rest)
            : "a"((uint32_t)n), "d"((uint32_t)(n >> 32) % by), [by] "r"(by)
            : "cc");
    return (uint64_t)high << 32 | low;
}
#endif

/*
 * ns / 10^9. It is the upper half of (ns / 2^9) * (2^75 / 5^9), over 2^11, by four products of 32
 * bits. Exact for every ns: the factor, times 5^9, is 399807 more than 2^75, which for ns / 2^9,
 * below 2^55, adds less than would reach the next second.
 */
static inline uint64_t valet_seconds(uint64_t ns)
{
    const uint32_t factor_low = 0xa09b5a53, factor_high = 0x0044b82f;
    uint32_t low = (uint32_t)(ns >> 9), high = (uint32_t)(ns >> 41);
    uint64_t first = (uint64_t)high * factor_low + ((uint64_t)low * factor_low >> 32);
    uint64_t second = (uint64_t)low * factor_high + (uint32_t)first;
    return ((uint64_t)high * factor_high + (first >> 32) + (second >> 32)) >> 11;
}

#endif
