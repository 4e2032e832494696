/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo, test/demo/wc.c, as it is: thread 0 is its first thread, thread 1 the one worker that
 * it starts. The file has two lines of one byte. Then its ring alone, with two workers.
 */
#include <stdatomic.h>

#include "test/demo/wc.c"

#include "scenarios.h"

void check_expect(bool good, const char *file, int line);
#define EXPECT(x) check_expect(x, __FILE__, __LINE__)

static struct {
    void (*run)(void *argument);
    void *argument;
    _Atomic int ready;
} start[4];
static int started, bytes_read;
static char output[64];
static size_t output_size;
static unsigned char memory[64];

bool demo_start(void (*run)(void *argument), void *argument)
{
    started++;
    start[started].run = run;
    start[started].argument = argument;
    atomic_store_explicit(&start[started].ready, 1, memory_order_release);
    return true;
}

static void started_thread(int i)
{
    while (atomic_load_explicit(&start[i].ready, memory_order_acquire) == 0)
        ;
    start[i].run(start[i].argument);
}

_Noreturn void demo_exit(int status)
{
    EXPECT(status != status); /* nothing here fails */
    for (;;)
        atomic_load_explicit(&start[0].ready, memory_order_relaxed);
}

long demo_open(const char *name)
{
    (void)name;
    return 3;
}

long demo_read(long file, void *bytes, size_t size)
{
    EXPECT(file == 3 && size == 1);
    if (bytes_read == 2)
        return 0;
    bytes_read++;
    *(char *)bytes = '\n';
    return 1;
}

const char *demo_error(long failure)
{
    (void)failure;
    return "";
}

void *demo_memory(size_t size)
{
    EXPECT(size <= sizeof memory);
    return memory;
}

void demo_write(enum demo_output where, const char *text, size_t size)
{
    EXPECT(where == DEMO_OUT && output_size + size <= sizeof output);
    for (size_t i = 0; i < size && output_size < sizeof output; i++)
        output[output_size++] = text[i];
}

static void count_lines(void)
{
    static char w[] = "-w", c[] = "-c", one[] = "1", name[] = "f";
    char *argument[] = {name, w, one, c, one, name, NULL};
    EXPECT(demo_main(6, argument) == 0);
    EXPECT(output[0] == '2' && output[1] == ' ' && output[2] == '0' && output[3] == ' ' &&
           output[4] == '2');
}

void demo_0(void)
{
    count_lines();
}
void demo_1(void)
{
    started_thread(1);
}

#ifndef demo_0 /* which pool.c has */
/* The ring alone, with two workers, each of which gets a chunk; and to its end. */
static void take_one(int i)
{
    const struct chunk *c = ring_take(&workers[i]);
    EXPECT(c != NULL);
    if (c != NULL)
        workers[i].bytes = c->size;
}
static void put_one(int i)
{
    ring[i].size = 1;
    ring_put(&reader, &ring[i]);
}
void setup_demo_2_workers(void)
{
    workers_count = 2;
}
void demo_2_workers_0(void)
{
    put_one(0);
    put_one(1);
}
void demo_2_workers_1(void)
{
    take_one(0);
}
void demo_2_workers_2(void)
{
    take_one(1);
}
void end_demo_2_workers(void)
{
    EXPECT(taken_count == 2 && workers[0].bytes == 1 && workers[1].bytes == 1);
}

static void take_none(int i)
{
    EXPECT(ring_take(&workers[i]) == NULL);
    ring_leave(&workers[i]);
}
void setup_demo_end(void)
{
    workers_count = 2;
}
void demo_end_0(void)
{
    ring_finish(&reader);
    EXPECT(left_count == 2);
}
void demo_end_1(void)
{
    take_none(0);
}
void demo_end_2(void)
{
    take_none(1);
}
#endif
