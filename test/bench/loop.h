/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A case of peer_loop: body, n times, none of which the compiler leaves out; i counts them. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdint.h>

#define LOOP(body)                         \
    for (uint64_t i = 0; i < n; i++) {     \
        body;                              \
        __asm__ volatile("" ::: "memory"); \
    }                                      \
    break

#endif
