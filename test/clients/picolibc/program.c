/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program for picolibc on four CPUs: all of them use the environment, the heap and the same
 * stream at the same time. */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lock.h>
#include <valet.h>

#include "board.h"

#define CHECK(x) ((x) ? (void)0 : check_failed(__LINE__, #x))

static _Noreturn void check_failed(int line, const char *text)
{
    printf("FAILED: cpu %u: line %d: %s\n", cpu, line, text);
    exit(1);
}

/* ---- recursion: a lock acquired twice is released twice ---------------------------------------
 */

static atomic_uint coming, through;

static void use_recursion(void)
{
    if (cpu != 0) {
        atomic_fetch_add(&coming, 1);
        void *volatile block = malloc(1); /* volatile: else the compiler needs no malloc */
        free(block);
        atomic_fetch_add(&through, 1);
        return;
    }
    __LIBC_LOCK();
    __LIBC_LOCK();
    while (atomic_load(&coming) != CPUS - 1)
        ;
    __LIBC_UNLOCK();
    for (uint64_t until = valet_now() + 200000000; valet_now() < until;)
        CHECK(atomic_load(&through) == 0);
    __LIBC_UNLOCK();
}

/* ---- a recursive lock of the program's own --------------------------------------------------- */

#define TURNS 3000

/* picolibc 1.8.10 has no name any more for a lock that is only tried; locks.c has it still. */
#ifndef __lock_try_acquire
int __retarget_lock_try_acquire(_LOCK_T lock);
int __retarget_lock_try_acquire_recursive(_LOCK_T lock);
#define __lock_try_acquire           __retarget_lock_try_acquire
#define __lock_try_acquire_recursive __retarget_lock_try_acquire_recursive
#endif

static _LOCK_RECURSIVE_T own;
static unsigned long turns; /* under the lock */
static atomic_uint tried;

static void use_own_lock(void)
{
    for (unsigned i = 0; i < TURNS; i++) {
        if (i % 2 == 0)
            __lock_acquire_recursive(own);
        else
            while (!__lock_try_acquire_recursive(own))
                ;
        CHECK(__lock_try_acquire_recursive(own)); /* it is this CPU's already */
        turns++;
        __lock_release_recursive(own);
        turns++;
        __lock_release_recursive(own);
    }
}

/* While the first CPU has it, the others do not get it. */
static void try_own_lock(void)
{
    if (cpu == 0) {
        while (atomic_load(&tried) != CPUS - 1)
            ;
        return;
    }
    CHECK(!__lock_try_acquire_recursive(own));
    atomic_fetch_add(&tried, 1);
}

/* ---- environment: setenv holds the lock and calls malloc, which takes it again ----------------
 */

#define VARIABLES 30

static void use_environment(void)
{
    char name[16], value[16];
    for (int i = 0; i < VARIABLES; i++) {
        sprintf(name, "CPU%u_%d", cpu, i);
        sprintf(value, "%u", cpu * 1000 + (unsigned)i);
        CHECK(setenv(name, value, 1) == 0);
    }
    for (int i = 0; i < VARIABLES; i++) {
        sprintf(name, "CPU%u_%d", cpu, i);
        sprintf(value, "%u", cpu * 1000 + (unsigned)i);
        CHECK(getenv(name) != NULL && strcmp(getenv(name), value) == 0);
    }
}

/* ---- heap: blocks of any size, each full of a byte of its own ---------------------------------
 */

#define BLOCKS   32
#define ROUNDS   2000
#define AT_LEAST 300000000u /* ns */

static atomic_uint at_work = CPUS; /* CPUs that have rounds left */

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char content;
};

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 16;
}

static void check_block(const struct block *b)
{
    for (size_t i = 0; i < b->size; i++)
        CHECK(b->bytes[i] == b->content);
}

static void use_heap(void)
{
    struct block blocks[BLOCKS] = {0};
    unsigned random = cpu;
    uint64_t until = valet_now() + AT_LEAST;
    errno = 1000 + (int)cpu;
    /* Nobody ends before all have had their rounds: all are at it at the same time. */
    for (unsigned i = 0; atomic_load(&at_work) != 0 || valet_now() < until; i++) {
        if (i == ROUNDS)
            atomic_fetch_sub(&at_work, 1);
        struct block *b = &blocks[next_random(&random) % BLOCKS];
        size_t size = 1 + next_random(&random) % 300;
        check_block(b);
        if (b->bytes != NULL && i % 4 != 0) {
            free(b->bytes);
            *b = (struct block){0};
            continue;
        }
        b->bytes = realloc(b->bytes, size);
        CHECK(b->bytes != NULL);
        for (size_t k = 0; k < size && k < b->size; k++)
            CHECK(b->bytes[k] == b->content);
        b->size = size;
        b->content = (unsigned char)(i * CPUS + cpu);
        memset(b->bytes, b->content, size);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        check_block(&blocks[i]);
        free(blocks[i].bytes);
    }
    CHECK(errno == 1000 + (int)cpu); /* each CPU has its own */
    if (cpu == 1) {
        CHECK(malloc(1 << 30) == NULL && errno == ENOMEM);
    }
}

/* ---- streams --------------------------------------------------------------------------------- */

#define LINES 300

static FILE *stream; /* buffered, with a lock of its own in the libc */
static _LOCK_T serial;

static void use_streams(void)
{
    char letter = (char)('a' + cpu);
    for (int i = 0; i < LINES; i++)
        fprintf(stream, "%c%c%c%c%c%c%c\n", letter, letter, letter, letter, letter, letter, letter);

    while (!__lock_try_acquire(serial))
        ;
    printf("cpu %u has written %d lines\n", cpu, LINES);
    __lock_release(serial);
}

static void check_streams(void)
{
    for (unsigned i = 0; i < CPUS; i++)
        CHECK(sink_bytes['a' + i] == 7 * LINES);
    CHECK(sink_bytes['\n'] == CPUS * LINES);
}

int main(void)
{
    puts("recursion");
    board_run(use_recursion);

    puts("a lock of the program's own");
    __lock_init_recursive(own);
    board_run(use_own_lock);
    CHECK(turns == 2 * CPUS * TURNS);
    __lock_acquire_recursive(own);
    board_run(try_own_lock);
    __lock_release_recursive(own);
    __lock_close_recursive(own);

    puts("environment");
    board_run(use_environment);

    size_t used = mallinfo().uordblks;
    puts("heap");
    board_run(use_heap);

    puts("streams");
    stream = fdopen(SINK, "w");
    CHECK(stream != NULL);
    /* picolibc 1.8.10 makes a buffer's lock at its first use, and two CPUs would make one each. */
    CHECK(fflush(stream) == 0);
    __lock_init(serial);
    board_run(use_streams);
    __lock_close(serial);
    CHECK(fclose(stream) == 0);
    check_streams();

    struct mallinfo heap = mallinfo(); /* looks at every free block */
    printf("heap: %lu bytes used, as before; %lu free\n", (unsigned long)heap.uordblks,
           (unsigned long)heap.fordblks);
    CHECK(heap.uordblks == used);
    return 0;
}
