/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What is measured: a parker and a wake-all, made of what one library offers. A file of peers/ is
 * one library; it supplies the functions below, most by including peer_tail.h at its end. bench.c
 * drives them; a program is bench.c, pool.c and one peer.
 *
 *   parker    a token: unpark leaves it and wakes the one thread that waits, park takes it
 *   waiters   a state of 0 to 31, one for the program: threads wait while it is what they expect,
 * one thread sets it and wakes them all
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Room for any peer's parker, on cache lines of its own. */
struct peer_parker {
    unsigned char room[192];
} __attribute__((aligned(64)));

enum peer_loop { LOOP_NOTHING, LOOP_UNPARK, LOOP_PAIR, LOOP_WAIT, LOOP_SET };

struct peer {
    uint32_t parker_size;  /* bytes of one object; 0: this peer has none */
    uint32_t waiters_size; /* the same */
    uint32_t timed;        /* peer_park_for exists */
    uint32_t sets;         /* peer_set may be called without waiters, for LOOP_SET */
    uint32_t blocks;       /* park lets the thread sleep */
};
extern const struct peer peer;

void peer_init(struct peer_parker *p); /* by the thread that will park on it */
void peer_park(struct peer_parker *p);
bool peer_park_for(struct peer_parker *p, uint64_t ns); /* whether a token was taken */
void peer_unpark(struct peer_parker *p);

void peer_prepare(unsigned waiters); /* before the first peer_wait: how many threads will */
void peer_wait(unsigned expected);
void peer_set(unsigned state);

/* False: the deadline has come, in ns of CLOCK_MONOTONIC. Few peers have it. */
__attribute__((weak)) bool peer_wait_until(unsigned expected, uint64_t deadline);

/* Wake nobody, on one of many other words, any of which may share something with the waiters'. Of
 * the futex alone. */
__attribute__((weak)) void peer_wake_other(unsigned number);

/* n times, with all that is inline for a user of the library inline: unpark; unpark and park; wait
 * for a state that is there; set a state that nobody waits for. */
void peer_loop(enum peer_loop what, struct peer_parker *p, uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
