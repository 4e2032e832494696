/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * wc: counts the lines, words and bytes of a file with a pool of threads, as `LC_ALL=C wc` does. It
 * shows how valet is used, by a program that has nothing but valet to let threads wait.
 *
 *   The first thread reads the file, chunk by chunk, into a ring that has one chunk for each
 *   worker; the workers count. Three waits:
 *
 *   a worker  that finds no chunk to count says that it is idle and parks on its own parker; the
 *             reader unparks one idle worker for each chunk
 *   reader    that finds the ring full parks on its parker; every worker that empties a chunk
 *             unparks it, which costs one atomic exchange while it is not parked
 *   the end   is a state that one waits for: the last worker sets DONE
 *
 * A ring this small makes both sides wait by turns. That is the purpose here; a program that is
 * meant to be fast would give each worker a second chunk.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "system.h"
#include "valet.h"

#define WORKERS_MAX 32 /* the bits of `idle` */
#define CHUNK_MAX   ((size_t)1 << 30)

/* Bugs for demo_test.sh to find: 1, a word across two chunks counts twice; 2, unparks are lost;
 * 3, unprintable bytes above 126 are space. */
#ifndef DEMO_PLANTED_BUG
#define DEMO_PLANTED_BUG 0
#endif

struct chunk {
    unsigned char *bytes;
    size_t size;
    bool in_word; /* the chunk before ends in the middle of a word, or at its end */
    /* true: from the reader to the workers; false: back again. The other fields belong to the side
     * that has the chunk. */
    atomic_bool full;
};

struct worker {
    struct valet_parker parker;
    uint64_t lines, words, bytes;
    uint64_t parks, unparks; /* calls */
};

enum { RUNNING, DONE };

static struct chunk ring[WORKERS_MAX];
static struct worker workers[WORKERS_MAX];
static struct worker reader; /* counts nothing but its parks and unparks */
static size_t workers_count = 4;
static size_t chunk_size = 65536;

/* How many chunks were put into the ring and taken from it; chunk n is ring[n % workers_count]. */
static atomic_size_t put_count, taken_count;
static _Atomic uint32_t idle; /* bit n: workers[n] has nothing to do and is, or will be, parked */
static atomic_bool at_end;    /* no more chunks will be put */
static _Atomic uint32_t running; /* workers that have not finished */
static struct valet_waiters state = VALET_WAITERS_INIT(RUNNING);

/* ---- output ---------------------------------------------------------------------------------- */

static void put_text(enum demo_output where, const char *text)
{
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    demo_write(where, text, size);
}

/* At least `width` characters, as wc does it. */
static void put_number(enum demo_output where, uint64_t number, size_t width)
{
    char digits[20]; /* 2^64 has 20 */
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    for (size_t length = sizeof digits - first; length < width; length++)
        put_text(where, " ");
    demo_write(where, digits + first, sizeof digits - first);
}

static _Noreturn void fail(const char *what, const char *name, const char *why)
{
    put_text(DEMO_ERR, "wc: ");
    put_text(DEMO_ERR, what);
    put_text(DEMO_ERR, name);
    put_text(DEMO_ERR, why);
    put_text(DEMO_ERR, "\n");
    demo_exit(1);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void park(struct worker *me)
{
    me->parks++;
    /* Other results than VALET_OK are mistakes, or a system that lets nobody park. */
    if (valet_park(&me->parker) != VALET_OK)
        fail("cannot park a thread", "", "");
}

static void unpark(struct worker *me, struct worker *other)
{
    me->unparks++;
    valet_unpark(&other->parker);
}

/* ---- the workers ----------------------------------------------------------------------------- */

/* As POSIX has it, in the C locale: a word is what lies between space, printable or not. */
static bool is_space(unsigned char c)
{
#if DEMO_PLANTED_BUG == 3
    if (c > '~')
        return true;
#endif
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void count(struct worker *me, const struct chunk *c)
{
    uint64_t lines = 0, words = 0;
    bool in_word = c->in_word;
#if DEMO_PLANTED_BUG == 1
    in_word = false;
#endif
    for (size_t i = 0; i < c->size; i++) {
        bool space = is_space(c->bytes[i]);
        lines += c->bytes[i] == '\n';
        words += !space && !in_word;
        in_word = !space;
    }
    me->lines += lines;
    me->words += words;
    me->bytes += c->size;
}

/* The oldest chunk that nobody has taken, or NULL. */
static struct chunk *take(void)
{
    size_t taken = atomic_load_explicit(&taken_count, memory_order_relaxed); /* a guess */
    do {
        /* Not ==: nothing orders the two looks, `taken` may be the newer. acquire: the chunk, pairs
         * with PUT. seq_cst: see worker_next */
        if (taken >= atomic_load_explicit(&put_count, memory_order_seq_cst))
            return NULL;
        /* relaxed: only decides who takes it */
    } while (!atomic_compare_exchange_weak_explicit(&taken_count, &taken, taken + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return &ring[taken % workers_count];
}

/*
 * The next chunk to count; parks until there is one. NULL: there will be none.
 *
 * No chunk may be put and no worker woken for it because none seems idle, while the worker parks
 * because there seems to be no chunk. seq_cst on these four forbids it: whichever of the two writes
 * comes second, the look after it sees the first.
 *
 *   worker: idle |= bit                reader: put_count++  (PUT)
 *           take, looks at put_count           looks at idle  (unpark_idle)
 *
 * An unpark that comes before the park is kept; one that is not needed any more makes a later park
 * return at once. Both are harmless, as a worker that returns from park only looks again.
 */
static struct chunk *worker_next(struct worker *me)
{
    uint32_t bit = (uint32_t)1 << (me - workers);
    for (;;) {
        /* Look in this order: after at_end nothing is put. acquire: pairs with END */
        bool end = atomic_load_explicit(&at_end, memory_order_acquire);
        struct chunk *c = take();
        if (c != NULL || end)
            return c;
        atomic_fetch_or_explicit(&idle, bit, memory_order_seq_cst);
        c = take();
        if (c == NULL)
            park(me);
        /* The reader may have cleared it already. relaxed: at worst the bit is set for a worker
         * that is awake, and it looks for chunks before it parks. */
        atomic_fetch_and_explicit(&idle, ~bit, memory_order_relaxed);
        if (c != NULL)
            return c;
    }
}

static void work(void *argument)
{
    struct worker *me = argument;
    struct chunk *c;
    while ((c = worker_next(me)) != NULL) {
        count(me, c);
        /* release: EMPTIED, the bytes may be overwritten */
        atomic_store_explicit(&c->full, false, memory_order_release);
        unpark(me, &reader);
    }
    /* acquire and release: the last worker passes on what all of them counted */
    if (atomic_fetch_sub_explicit(&running, 1, memory_order_acq_rel) == 1)
        valet_store_and_wake(&state, DONE);
}

/* ---- the reader ------------------------------------------------------------------------------ */

static void unpark_idle(void)
{
    uint32_t seen = atomic_load_explicit(&idle, memory_order_seq_cst);
    while (seen != 0) {
        uint32_t bit = seen & (0 - seen); /* the lowest */
        /* relaxed: the parker orders what the worker must see. Only this thread clears the bit of
         * a parked worker; a worker that found a chunk itself may come before us. */
        if (atomic_fetch_and_explicit(&idle, ~bit, memory_order_relaxed) & bit) {
#if DEMO_PLANTED_BUG != 2
            size_t n = 0;
            while (bit >> n != 1)
                n++;
            unpark(&reader, &workers[n]);
#endif
            return;
        }
        seen &= ~bit;
    }
}

/* Put all chunks of the file into the ring. Returns how many. */
static size_t read_file(const char *name)
{
    long file = demo_open(name);
    if (file < 0)
        fail(name, ": ", demo_error(file));
    bool in_word = false;
    for (size_t n = 0;; n++) {
        struct chunk *c = &ring[n % workers_count];
        /* acquire: pairs with EMPTIED */
        while (atomic_load_explicit(&c->full, memory_order_acquire))
            park(&reader);
        long size = demo_read(file, c->bytes, chunk_size);
        if (size < 0)
            fail(name, ": ", demo_error(size));
        if (size == 0)
            return n;
        c->size = (size_t)size;
        c->in_word = in_word;
        in_word = !is_space(c->bytes[c->size - 1]);
        /* relaxed: PUT comes after it and passes it on */
        atomic_store_explicit(&c->full, true, memory_order_relaxed);
        /* release: PUT. seq_cst: see worker_next */
        atomic_store_explicit(&put_count, n + 1, memory_order_seq_cst);
        unpark_idle();
    }
}

/* ---- the program ----------------------------------------------------------------------------- */

/* A number from 1 to max, else 0. */
static size_t number_from(const char *text, size_t max)
{
    size_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        number = number * 10 + (size_t)(*text - '0');
        if (number > max)
            return 0;
    }
    return *text == '\0' ? number : 0;
}

static _Noreturn void usage(void)
{
    put_text(DEMO_ERR, "usage: wc [-v] [-w WORKERS] [-c BYTES] FILE\n"
                       "  -v  print the time, and how often threads parked, on the standard error\n"
                       "  -w  how many threads count, 1 to 32 (4)\n"
                       "  -c  bytes of a chunk, 1 to 1073741824 (65536)\n");
    demo_exit(1);
}

/* Returns the name of the file. */
static const char *options(int argc, char **argv, bool *verbose)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        char letter = argv[i][1];
        if (letter == '\0' || argv[i][2] != '\0')
            usage();
        if (letter == 'v')
            *verbose = true;
        else if (letter == 'w' && i + 1 < argc)
            workers_count = number_from(argv[++i], WORKERS_MAX);
        else if (letter == 'c' && i + 1 < argc)
            chunk_size = number_from(argv[++i], CHUNK_MAX);
        else
            usage();
    }
    if (i + 1 != argc || workers_count == 0 || chunk_size == 0)
        usage();
    return argv[i];
}

int demo_main(int argc, char **argv)
{
    bool verbose = false;
    const char *name = options(argc, argv, &verbose);
    uint64_t begin = valet_now();

    unsigned char *bytes = NULL;
    if (chunk_size <= SIZE_MAX / workers_count)
        bytes = demo_memory(workers_count * chunk_size);
    if (bytes == NULL)
        fail("not enough memory for the chunks", "", "");
    atomic_store(&running, (uint32_t)workers_count);
    for (size_t i = 0; i < workers_count; i++) {
        ring[i].bytes = bytes + i * chunk_size;
        if (!demo_start(work, &workers[i]))
            fail("cannot start a thread", "", "");
    }

    size_t chunks = read_file(name);
    /* release: END, all chunks have been put */
    atomic_store_explicit(&at_end, true, memory_order_release);
    for (size_t i = 0; i < workers_count; i++)
        unpark(&reader, &workers[i]);
    if (valet_compare_and_wait(&state, RUNNING) != VALET_OK)
        fail("cannot wait for the workers", "", "");

    static struct worker all; /* compilers call memset to clear a local; there is none */
    for (size_t i = 0; i < workers_count; i++) {
        all.lines += workers[i].lines;
        all.words += workers[i].words;
        all.bytes += workers[i].bytes;
        all.parks += workers[i].parks;
        all.unparks += workers[i].unparks;
    }

    uint64_t milliseconds = (valet_now() - begin) / 1000000u;

    size_t width = 1;
    for (uint64_t n = all.bytes; n >= 10; n /= 10)
        width++;
    put_number(DEMO_OUT, all.lines, width);
    put_text(DEMO_OUT, " ");
    put_number(DEMO_OUT, all.words, width);
    put_text(DEMO_OUT, " ");
    put_number(DEMO_OUT, all.bytes, width);
    put_text(DEMO_OUT, " ");
    put_text(DEMO_OUT, name);
    put_text(DEMO_OUT, "\n");

    if (verbose) {
        put_number(DEMO_ERR, milliseconds, 0);
        put_text(DEMO_ERR, " ms, ");
        put_number(DEMO_ERR, chunks, 0);
        put_text(DEMO_ERR, " chunks, ");
        put_number(DEMO_ERR, all.parks + reader.parks, 0);
        put_text(DEMO_ERR, " parks, ");
        put_number(DEMO_ERR, all.unparks + reader.unparks, 0);
        put_text(DEMO_ERR, " unparks");
        put_text(DEMO_ERR, "\n");
    }
    return 0;
}
