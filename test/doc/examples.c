/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Runs the examples of the pages, as doc.sh takes them out of there, and those of valet.h. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <ucontext.h>

#include "valet.h"
#include "valet_locks.h"

#include "valet.h.h"
#include "valet_barrier.3.h"
#include "valet_cond.3.h"
#include "valet_futex.3.h"
#include "valet_latch.3.h"
#include "valet_locks.h.h"
#include "valet_mutex.3.h"
#include "valet_once.3.h"
#include "valet_park.3.h"
#include "valet_rwlock.3.h"
#include "valet_sem.3.h"
#include "valet_waiters.3.h"

enum { THREADS = 4, ROUNDS = 2000 };

static int count, initialised, filled, failures;

static void init(void)
{
    initialised++;
}

static void fill(void)
{
    filled++;
}

static void work(void)
{
}

static void *worker(void *first)
{
    int r = run_once(init) | initialise(fill), seen = initialised + filled, had = 0;
    unsigned squared = 0;
    r |= get_setting(&had) | square(5, &squared) | with_a_seat(work);
    letter_has_come();
    helper_is_ready();
    for (int i = 0; i < ROUNDS; i++) {
        r |= lock();
        count++;
        failures += i == 0 && (r != VALET_OK || seen != 2 || had != 7 || squared != 25);
        failures += count_one() != VALET_OK || count_up() != VALET_OK;
        unlock();
    }
    if (first != NULL) {
        for (int i = 0; i < 3; i++)
            part_is_done();
        (void)sum_of_halves(0, 3);
        take_steps(ROUNDS);
        compute();
        produce();
    }
    return NULL;
}

/* A wait that finds the cancellation; the signal is pending then, and comes to nothing after it. */
static int comes_out(void)
{
    static uint32_t word;
    struct sigaction action = {.sa_sigaction = on_cancel, .sa_flags = SA_SIGINFO};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigaction(SIGUSR1, &action, NULL) != 0)
        return -1;
    cancelled = 1;
    raise(SIGUSR1);
    int r = valet_futex_wait_cancellable(&word, 0, VALET_FOREVER, 0, &cancelled);
    sigset_t pending;
    sigpending(&pending);
    cancelled = 0;
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return r == VALET_INTERRUPTED && sigismember(&pending, SIGUSR1) ? 0 : -1;
}

int main(void)
{
    pthread_t threads[THREADS];
    failures += comes_out() != 0;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, worker, i == 0 ? &count : NULL) != 0)
            return 1;
    }
    int r = wait_for_helpers(VALET_FOREVER) | wait_for_parts() | wait_for_a_letter(VALET_FOREVER),
        sum = sum_of_halves(1, 4);
    take_steps(ROUNDS);
    if (r != VALET_OK || sum != 7 || steps != ROUNDS)
        return 1;
    do
        r = wait_a_second();
    while (r == 0);
    if (r == 42)
        r = consume();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("answer %d, count %d, initialised %d, failures %d\n", r, count, initialised, failures);
    failures += put(7) != VALET_OK || get() != 7;
    failures += counted != THREADS * ROUNDS || counter != THREADS * ROUNDS;
    return r == 42 && count == THREADS * ROUNDS && initialised == 1 && failures == 0 ? 0 : 1;
}
