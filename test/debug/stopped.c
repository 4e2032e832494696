/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * For debug.sh: one thread parks, three wait, one after another, and once all of them are on
 * record main stops at `stopped`. As gdb numbers threads, 2 parks and 3, 4 and 5 wait.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <valet.h>

#define STATE   19u /* the highest bit and low ones */
#define THREADS 4

struct valet_parker parked, token = VALET_PARKER_INIT, empty = VALET_PARKER_INIT;
struct valet_waiters waited = VALET_WAITERS_INIT(STATE), alone = VALET_WAITERS_INIT(STATE);
/* what no call of the library leaves behind, on either kind */
struct valet_parker not_a_parker = {0x1237};
struct valet_waiters not_waiters = {0x1280};

void stopped(void);
__attribute__((noinline)) void stopped(void)
{
    __asm__ volatile("" ::: "memory");
}

static void *park(void *unused)
{
    if (valet_park(&parked) != VALET_OK)
        abort();
    return unused;
}

static void *wait_for_change(void *unused)
{
    if (valet_compare_and_wait(&waited, STATE) != VALET_OK)
        abort();
    return unused;
}

/* Futex kind: without the half that is the account of polls, which a thread writes before it is on
 * record. */
static uint32_t low_half(const uintptr_t *word)
{
    return (uint32_t)__atomic_load_n(word, __ATOMIC_RELAXED);
}

int main(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        uintptr_t *word = i == 0 ? &parked.word : &waited.word;
        uint32_t before = low_half(word);
        if (pthread_create(&thread[i], NULL, i == 0 ? park : wait_for_change, NULL) != 0)
            return 1;
        /* The futex kind has one bit for all waiters: only the first one can be waited for. */
        while (low_half(word) == before && (before & ~31u) == 0)
            sched_yield();
        /* Sema kind: the order of the queue is the threads'. */
        while (i >= 2 && before >> 6 != 0 && low_half(word) == before)
            sched_yield();
    }
    valet_unpark(&token);
    stopped();
    valet_unpark(&parked);
    valet_store_and_wake(&waited, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
