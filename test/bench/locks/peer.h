/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What `bench.sh locks` measures: the locks that one library offers. A file of this directory is
 * one library; it supplies the functions below, those in C and C++ by including tail.h at its end.
 * locks.c drives them; a program is locks.c and one peer. Each has one object of a kind. The loops
 * are the peer's, so that what its users have inline is inline.
 */
#ifndef BENCH_LOCKS_PEER_H
#define BENCH_LOCKS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of an object; 0: this peer has none. */
struct peer {
    uint32_t mutex, cond, rwlock, sem, once;
};
extern const struct peer peer;

enum peer_loop {
    LOOP_NOTHING,
    LOOP_MUTEX,
    LOOP_READ,
    LOOP_WRITE,
    LOOP_SEM,
    LOOP_NOTIFY,
    LOOP_ONCE
};

/* n times, by one thread: lock and unlock; read_lock and read_unlock; the same for writing; take
 * and give a permit that is there; notify nobody; call what has been done. */
void peer_loop(enum peer_loop what, uint64_t n);

/* The mutex, for loops that look at the clock. */
void peer_lock(void);
void peer_unlock(void);

/* Until bench_stop: lock, count up, work, unlock, work. Returns how many times. */
uint64_t peer_contend(uint64_t inside, uint64_t outside);

/* Until bench_stop: read_lock, look, read_unlock, and each so many times change it as a writer. */
uint64_t peer_mix(uint64_t every, uint64_t inside, uint64_t outside);

/* By turns with another thread, on a condition variable: my turn is 0 or 1. */
void peer_turns(unsigned mine, uint64_t rounds);

/* Wait on it until the generation is that; set it, without a notify; notify all. */
void peer_wait(uint64_t generation);
void peer_set(uint64_t generation);
void peer_notify_all(void);

/* Of locks.c: whether to stop; what they count with the mutex held, and as writers, both; so many
 * steps of work, the same in each program. */
extern int bench_stop;
extern uint64_t bench_count, bench_written[2];
void bench_work(uint64_t steps);
void bench_differs(void); /* the two are not the same, or a turn was wrong */

#ifdef __cplusplus
}
#endif

#endif
