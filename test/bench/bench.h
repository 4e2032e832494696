/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Between bench.c and pool.c. */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>

#include "peer.h"

_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t bench_now(void);
pthread_t bench_start(void *(*run)(void *), void *argument);

/* Count FILE by the demo, and print ms, the time, and what the demo prints. */
void bench_pool(const char *workers, const char *chunk, const char *file);

#endif
