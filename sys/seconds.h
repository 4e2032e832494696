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
    __asm__ volatile("div %[by]"
                     : "=a"(low), "=d"(*rest)
                     : "a"((uint32_t)n), "d"((uint32_t)(n >> 32) % by), [by] "r"(by)
                     : "cc");
    return (uint64_t)high << 32 | low;
}
#endif

/*
 * ns / 10^9. A second is 2^30 ns less 7 percent: so there are ns / 2^30 of them and 0.0737 of that
 * more, of which the factor is the part above the point, for ns / 2^32 and over 2^32. `near` is
 * never too much; the three fractions cut off, and that of the factor, make it at most 3.005 too
 * little. What is left is then below 2^32 ns, and is divided by 2^9 and by 5^9: 281475 is 2^39 /
 * 5^9 rounded up, exact for 23 bits. (Written out, since at -Os a compiler may call its runtime for
 * a division of 32 bits, too.)
 */
static inline uint64_t valet_seconds(uint64_t ns)
{
    uint64_t near = (ns >> 30) + ((ns >> 32) * 0x4b82fa09 >> 32);
    uint32_t left = (uint32_t)ns - (uint32_t)near * 1000000000u;
    return near + ((uint64_t)(left >> 9) * 281475 >> 39);
}

#endif
