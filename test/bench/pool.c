/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The demo, unchanged, on the C library, with a ring (pool/ring.h) of the peer's parkers
 * (pool/valet.h). */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEMO_RING "pool/ring.h"
#include "../demo/wc.c"

_Noreturn void demo_exit(int status)
{
    exit(status);
}

long demo_open(const char *name)
{
    int file = open(name, O_RDONLY);
    return file < 0 ? -errno : file;
}

long demo_read(long file, void *bytes, size_t size)
{
    ssize_t got = read((int)file, bytes, size);
    return got < 0 ? -errno : got;
}

const char *demo_error(long failure)
{
    return strerror((int)-failure);
}

void *demo_memory(size_t size)
{
    return calloc(1, size);
}

void demo_write(enum demo_output where, const char *text, size_t size)
{
    fwrite(text, 1, size, where == DEMO_OUT ? stdout : stderr);
}

/* A parker belongs to the thread that parks: nobody may unpark it before that has made it. */
static struct {
    void (*run)(void *);
    struct worker *worker;
    sem_t made;
} start;

static void *worker_thread(void *unused)
{
    void (*run)(void *) = start.run;
    struct worker *worker = start.worker;
    peer_init(&places[worker - workers].parker.peer);
    sem_post(&start.made);
    run(worker);
    return unused;
}

bool demo_start(void (*run)(void *argument), void *argument)
{
    start.run = run;
    start.worker = argument;
    sem_init(&start.made, 0, 0);
    pthread_detach(bench_start(worker_thread, NULL));
    while (sem_wait(&start.made) != 0)
        ;
    return true;
}

uint64_t valet_now(void)
{
    return bench_now();
}

void valet_store_and_wake(struct valet_waiters *w, unsigned to)
{
    __atomic_store_n(&w->state, to, __ATOMIC_RELEASE);
    peer_unpark(&place_of_reader.parker.peer);
}

int valet_compare_and_wait(struct valet_waiters *w, unsigned expected)
{
    while (__atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == expected)
        peer_park(&place_of_reader.parker.peer);
    return VALET_OK;
}

void bench_pool(const char *workers_text, const char *chunk, const char *file)
{
    char option_w[] = "-w", option_c[] = "-c", name[] = "wc";
    char *arguments[] = {name,         option_w, (char *)workers_text, option_c, (char *)chunk,
                         (char *)file, NULL};
    peer_init(&place_of_reader.parker.peer);
    uint64_t begin = bench_now();
    int status = demo_main(6, arguments);
    printf("ms %.3f\n", (double)(bench_now() - begin) / 1e6);
    if (status != 0)
        bench_fail("the demo failed");
}
