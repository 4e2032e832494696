/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Ends a peer in C or C++, which has defined an object `mutex` and others, of which each is named
 * by a macro, and, static and inline,
 *
 *   mutex_lock, mutex_unlock
 *   cond_wait, cond_one, cond_all                        COND
 *   read_lock, read_unlock, write_lock, write_unlock     RWLOCK
 *   sem_take, sem_give                                   SEM
 *   once_call                                            ONCE
 */
#include "loop.h"

const struct peer peer = {
    sizeof mutex,
#ifdef COND
    sizeof COND,
#else
    0,
#endif
#ifdef RWLOCK
    sizeof RWLOCK,
#else
    0,
#endif
#ifdef SEM
    sizeof SEM,
#else
    0,
#endif
#ifdef ONCE
    sizeof ONCE,
#else
    0,
#endif
};

void peer_loop(enum peer_loop what, uint64_t n)
{
    switch (what) {
    case LOOP_NOTHING:
        LOOP();
    case LOOP_MUTEX:
        LOOP(mutex_lock(); mutex_unlock());
#ifdef RWLOCK
    case LOOP_READ:
        LOOP(read_lock(); read_unlock());
    case LOOP_WRITE:
        LOOP(write_lock(); write_unlock());
#endif
#ifdef SEM
    case LOOP_SEM:
        LOOP(sem_take(); sem_give());
#endif
#ifdef COND
    case LOOP_NOTIFY:
        LOOP(cond_one());
#endif
#ifdef ONCE
    case LOOP_ONCE:
        LOOP(once_call());
#endif
    default:
        break;
    }
}

void peer_lock(void)
{
    mutex_lock();
}

void peer_unlock(void)
{
    mutex_unlock();
}

static inline bool stopped(void)
{
    return __atomic_load_n(&bench_stop, __ATOMIC_RELAXED) != 0;
}

uint64_t peer_contend(uint64_t inside, uint64_t outside)
{
    uint64_t n = 0;
    for (; !stopped(); n++) {
        mutex_lock();
        bench_count++;
        bench_work(inside);
        mutex_unlock();
        bench_work(outside);
    }
    return n;
}

uint64_t peer_mix(uint64_t every, uint64_t inside, uint64_t outside)
{
    uint64_t n = 0;
#ifdef RWLOCK
    for (; !stopped(); n++) {
        if (n % every == 0) {
            write_lock();
            bench_written[0]++;
            bench_work(inside);
            bench_written[1]++;
            write_unlock();
        } else {
            read_lock();
            bool differ = bench_written[0] != bench_written[1];
            bench_work(inside);
            read_unlock();
            if (differ)
                bench_differs();
        }
        bench_work(outside);
    }
#endif
    (void)every;
    (void)inside;
    (void)outside;
    return n;
}

static unsigned turn;
static uint64_t generation_now;

void peer_turns(unsigned mine, uint64_t rounds)
{
    (void)turn;
#ifdef COND
    for (; rounds != 0; rounds--) {
        mutex_lock();
        while (turn != mine)
            cond_wait();
        turn = !mine;
        mutex_unlock();
        cond_one();
    }
#endif
    (void)mine;
    (void)rounds;
}

void peer_wait(uint64_t generation)
{
#ifdef COND
    mutex_lock();
    while (generation_now != generation)
        cond_wait();
    mutex_unlock();
#endif
    (void)generation;
}

void peer_set(uint64_t generation)
{
    mutex_lock();
    generation_now = generation;
    mutex_unlock();
}

void peer_notify_all(void)
{
#ifdef COND
    cond_all();
#endif
}
