/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Usage: handoff sem|cond any|one ROUNDS. Two threads hand over to each other, by two semaphores or
 * by a mutex and a condition variable, on any CPUs or on one, where each hand-off is a sleep.
 * Prints the time of a round, which is two hand-offs, in ns.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static sem_t ping, pong;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;
static long rounds;

static char yes; /* the second thread's argument */

static void *by_sem(void *second)
{
    for (long i = 0; i < rounds; i++) {
        if (second) {
            sem_wait(&ping);
            sem_post(&pong);
        } else {
            sem_post(&ping);
            sem_wait(&pong);
        }
    }
    return NULL;
}

static void *by_cond(void *second)
{
    int mine = second != NULL;
    for (long i = 0; i < rounds; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != mine)
            pthread_cond_wait(&cond, &mutex);
        turn = !mine;
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    void *(*run)(void *) = strcmp(argv[1], "sem") == 0 ? by_sem : by_cond;
    rounds = atol(argv[3]);
    if (strcmp(argv[2], "one") == 0) {
        cpu_set_t all, one;
        sched_getaffinity(0, sizeof all, &all);
        CPU_ZERO(&one);
        for (int i = 0; CPU_COUNT(&one) == 0; i++)
            if (CPU_ISSET(i, &all))
                CPU_SET(i, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    struct timespec from, to;
    pthread_t second;
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (pthread_create(&second, NULL, run, &yes) != 0)
        return 1;
    run(NULL);
    pthread_join(second, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%ld\n", ((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec) / rounds);
    return 0;
}
