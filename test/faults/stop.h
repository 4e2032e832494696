/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Threads that are stopped wherever they are, as a collector does it: by a signal, whose handler
 * waits until the world goes on. */
#ifndef VALET_TEST_FAULTS_STOP_H
#define VALET_TEST_FAULTS_STOP_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_int stopped;
static atomic_bool world_stopped;

static void on_stop(int number)
{
    (void)number;
    int saved = errno;
    atomic_fetch_add(&stopped, 1);
    while (atomic_load(&world_stopped))
        sched_yield();
    atomic_fetch_sub(&stopped, 1);
    errno = saved;
}

/* Returns when all of them are. */
static void stop_the_world(const pthread_t *thread, int threads)
{
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    atomic_store(&world_stopped, true);
    for (int i = 0; i < threads; i++)
        pthread_kill(thread[i], SIGUSR1);
    while (atomic_load(&stopped) != threads)
        sched_yield();
}

static void start_the_world(void)
{
    atomic_store(&world_stopped, false);
    while (atomic_load(&stopped) != 0)
        sched_yield();
}

#endif
