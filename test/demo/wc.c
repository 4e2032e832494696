/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * wc: counts the lines, words and bytes of a file with a pool of threads, as `LC_ALL=C wc` does. It
 * shows how valet is used, by a program that has nothing but valet to let threads wait.
 *
 * The first thread reads the file, chunk by chunk, into a ring that has one chunk for each worker;
 * the workers count. How they wait for each other is in ring.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "system.h"
#include "valet.h"

#define WORKERS_MAX 32
#define CHUNK_MAX   ((size_t)1 << 30)

/* Bugs for demo_test.sh to find: 1, a word across two chunks counts twice; 2, the reader wakes no
 * worker; 3, unprintable bytes above 126 are space. */
#ifndef DEMO_PLANTED_BUG
#define DEMO_PLANTED_BUG 0
#endif

struct chunk {
    unsigned char *bytes;
    size_t size;
    bool in_word; /* the chunk before ends in the middle of a word, or at its end */
};

struct worker {
    uint64_t lines, words, bytes;
    uint64_t locks, waits, wakes; /* calls, in ring.h */
};

static struct chunk ring[WORKERS_MAX];
static struct worker workers[WORKERS_MAX];
static struct worker reader; /* counts nothing but its calls */
static size_t workers_count = 4;
static size_t chunk_size = 65536;

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

#ifndef DEMO_RING
#define DEMO_RING "ring.h" /* a benchmark of parkers has another */
#endif
#include DEMO_RING

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

static void work(void *argument)
{
    struct worker *me = argument;
    struct chunk *c;
    while ((c = ring_take(me)) != NULL) {
        count(me, c);
        ring_give_back(me, c);
    }
    ring_leave(me);
}

/* ---- the reader ------------------------------------------------------------------------------ */

/* Put all chunks of the file into the ring. Returns how many. */
static size_t read_file(const char *name)
{
    long file = demo_open(name);
    if (file < 0)
        fail(name, ": ", demo_error(file));
    bool in_word = false;
    for (size_t n = 0;; n++) {
        struct chunk *c = ring_empty(&reader);
        long size = demo_read(file, c->bytes, chunk_size);
        if (size < 0)
            fail(name, ": ", demo_error(size));
        if (size == 0)
            return n;
        c->size = (size_t)size;
        c->in_word = in_word;
        in_word = !is_space(c->bytes[c->size - 1]);
        ring_put(&reader, c);
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
                       "  -v  print the time, and how often threads waited, on the standard error\n"
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
    for (size_t i = 0; i < workers_count; i++) {
        ring[i].bytes = bytes + i * chunk_size;
        if (!demo_start(work, &workers[i]))
            fail("cannot start a thread", "", "");
    }

    size_t chunks = read_file(name);
    ring_finish(&reader);

    static struct worker all; /* compilers call memset to clear a local; there is none */
    for (size_t i = 0; i < workers_count; i++) {
        all.lines += workers[i].lines;
        all.words += workers[i].words;
        all.bytes += workers[i].bytes;
        all.locks += workers[i].locks;
        all.waits += workers[i].waits;
        all.wakes += workers[i].wakes;
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
        put_number(DEMO_ERR, all.locks + reader.locks, 0);
        put_text(DEMO_ERR, " locks, ");
        put_number(DEMO_ERR, all.waits + reader.waits, 0);
        put_text(DEMO_ERR, " waits, ");
        put_number(DEMO_ERR, all.wakes + reader.wakes, 0);
        put_text(DEMO_ERR, " wakes\n");
    }
    return 0;
}
