/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client of the installed library, in C and C++, which asks of each object what it is for: data
 * is handed over by a parker, by waiters and by a lock of a futex, without another order. ROUNDS
 * times.
 */
#include <pthread.h>
#include <stdio.h>
#include <valet.h>
#include <valet_config.h>

#ifndef ROUNDS
#define ROUNDS 200
#endif

static struct valet_parker there = VALET_PARKER_INIT, back = VALET_PARKER_INIT;
static struct valet_waiters gate = VALET_WAITERS_INIT(0);
static uint32_t word; /* 0: free; 1: taken; 2: taken, and somebody may sleep */
static long handed, opened, counted;

static void count(void)
{
#ifndef NO_LOCK /* helgrind does not know the client's own atomic operations */
    uint32_t seen = 0;
    if (!__atomic_compare_exchange_n(&word, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        while (__atomic_exchange_n(&word, 2, __ATOMIC_ACQUIRE) != 0)
            if (valet_futex_wait(&word, 2, VALET_FOREVER) < 0)
                return;
    counted++;
    if (__atomic_exchange_n(&word, 0, __ATOMIC_RELEASE) == 2)
        valet_futex_wake(&word, 1);
#endif
}

static void *other(void *unused)
{
    for (long i = 0; i < ROUNDS; i++) {
        if (valet_park(&there) != VALET_OK || handed != 2 * i + 1)
            break;
        handed++;
        valet_unpark(&back);
        count();
    }
    if (valet_compare_and_wait(&gate, 0) == VALET_OK)
        opened++;
    return unused;
}

int main(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, other, NULL) != 0)
        return 2;
    for (long i = 0; i < ROUNDS; i++) {
        handed++;
        valet_unpark(&there);
        if (valet_park_for(&back, 10000000000u) != VALET_OK || handed != 2 * i + 2)
            return 3;
        count();
    }
    unsigned seen = 0;
    opened = 41;
    if (valet_park_until(&back, valet_now() + 1000000) != VALET_TIMEDOUT ||
        !valet_waiters_compare_exchange(&gate, &seen, 0))
        return 4;
    valet_store_and_wake(&gate, 1);
    pthread_join(thread, NULL);
    printf("%s: %ld %ld\n", VALET_SYSTEM, opened, counted);
#ifdef NO_LOCK
    counted = 2 * ROUNDS;
#endif
    return opened == 42 && counted == 2 * ROUNDS && word == 0 ? 0 : 5;
}
