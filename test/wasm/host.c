/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The harness on WebAssembly. A thread is a worker of Node or of a browser, with an instance of the
 * module over the one shared memory. All are started in advance: the first runs the program, the
 * others sleep until test_start gives them something to run. agent.mjs enters here.
 *
 * There are no interrupts, and a wait never ends for no reason: test_interrupt notifies the word
 * that the thread waits on, which the linker lets us see (--wrap). What it sees is kept in `lanes`,
 * too, for the page that draws it.
 */
#include "test.h"

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("host"), import_name(name)))

#define THREADS 8 /* with the first; agent.mjs has the same number */
#define STACK   0x10000u

IMPORT("write") void host_write(const char *text, size_t size);
IMPORT("exit") _Noreturn void host_exit(int status);

static _Alignas(STACK) unsigned char stacks[THREADS][STACK];

struct test_thread {
    /* FREE to TAKEN to GIVEN by test_start, to DONE by the worker, to FREE by test_join */
    _Atomic uint32_t state;
    void (*run)(void *);
    void *argument;
    _Atomic(uint32_t *) word; /* that it waits on, if it does */
};

enum { FREE, TAKEN, GIVEN, DONE };

static struct test_thread threads[THREADS];

/* What each thread is doing, as picture.mjs reads it: four times 64 bits. */
struct lane {
    _Atomic uint64_t busy;   /* 1: it has something to run */
    _Atomic uint64_t waits;  /* how many have ended */
    _Atomic uint64_t waited; /* how long, ns */
    _Atomic uint64_t since;  /* it has been waiting since; 0: it is not */
};
static struct lane lanes[THREADS];

/* Each of these is a leaf for the reason that sys/wasm.c gives. */
__attribute__((noinline)) static void wait32(_Atomic uint32_t *word, uint32_t expected, int64_t ns)
{
    __builtin_wasm_memory_atomic_wait32((int *)word, (int)expected, ns);
}

static void notify(void *word)
{
    __builtin_wasm_memory_atomic_notify(word, UINT32_MAX);
}

static unsigned number(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return (unsigned)((here - 1 - (uintptr_t)stacks) / STACK);
}

/* ---- output ---------------------------------------------------------------------------------- */

void test_write(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    host_write(text, size);
}

void test_exit(int status)
{
    host_exit(status);
}

/* ---- threads --------------------------------------------------------------------------------- */

unsigned test_threads_max(void)
{
    return THREADS - 1;
}

struct test_thread *test_self(void)
{
    return &threads[number()];
}

struct test_thread *test_start(void (*run)(void *), void *argument)
{
    unsigned i = 0;
    uint32_t state;
    do {
        i++;
        CHECK(i < THREADS);
        state = FREE;
    } while (!atomic_compare_exchange_strong(&threads[i].state, &state, TAKEN));
    threads[i].run = run;
    threads[i].argument = argument;
    atomic_store(&threads[i].state, GIVEN);
    notify(&threads[i].state);
    return &threads[i];
}

static void until(struct test_thread *thread, uint32_t wanted)
{
    uint32_t state;
    while ((state = atomic_load(&thread->state)) != wanted)
        wait32(&thread->state, state, -1);
}

void test_join(struct test_thread *thread)
{
    until(thread, DONE);
    atomic_store(&thread->state, FREE);
}

/* Nothing gives up the CPU but a sleep, which is many times longer than a look at a word. */
void test_yield(void)
{
    static unsigned calls[THREADS];
    if (++calls[number()] % 1024 == 0)
        test_sleep(1000);
}

void test_sleep(uint64_t ns)
{
    static _Atomic uint32_t never;
    uint64_t now = valet_now(), end = now + ns;
    for (; now < end; now = valet_now())
        wait32(&never, 0, (int64_t)(end - now));
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* No address is used twice. A page given back is filled with a pattern, which must be there at the
 * end: a late store is found, a late load is not. */
#define PAGES   5000u
#define PATTERN 0xdeadfacedeadfaceu

static uint64_t pages[PAGES][TEST_PAGE / sizeof(uint64_t)];
static atomic_bool given_back[PAGES];
static atomic_uint used;

void *test_map(void)
{
    unsigned i = atomic_fetch_add(&used, 1);
    CHECK(i < PAGES);
    return pages[i];
}

void test_unmap(void *page)
{
    volatile uint64_t *words = page;
    for (unsigned i = 0; i < TEST_PAGE / sizeof *words; i++)
        words[i] = PATTERN;
    atomic_store(&given_back[((uintptr_t)page - (uintptr_t)pages) / TEST_PAGE], true);
}

static void check_pages(void)
{
    for (unsigned i = 0; i < PAGES; i++)
        for (unsigned j = 0; given_back[i] && j < TEST_PAGE / sizeof pages[0][0]; j++)
            if (pages[i][j] != PATTERN)
                test_failed(__FILE__, __LINE__, "a page was written to after test_unmap");
}

/* ---- interrupts ------------------------------------------------------------------------------ */

int __real_valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline);
int __wrap_valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline);

int __wrap_valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    struct lane *lane = &lanes[number()];
    uint64_t start = valet_now();
    atomic_store(&test_self()->word, word);
    atomic_store(&lane->since, start);
    int r = __real_valet_sys_futex_wait(word, expected, deadline);
    atomic_store(&test_self()->word, NULL);
    atomic_store(&lane->since, 0);
    atomic_fetch_add(&lane->waits, 1);
    atomic_fetch_add(&lane->waited, valet_now() - start);
    return r;
}

void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument)
{
    (void)handler;
    (void)argument;
    uint32_t *word = atomic_load(&thread->word);
    if (word != NULL)
        notify(word);
}

bool test_has_handlers(void)
{
    return false;
}

bool test_move_clock(int64_t ns)
{
    (void)ns;
    return false;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* The caller sets the stack pointer, so these two stand on no stack yet. */
EXPORT("host_stack") unsigned char *host_stack(unsigned thread)
{
    return stacks[thread] + STACK;
}

EXPORT("host_lanes") struct lane *host_lanes(void)
{
    return lanes;
}

EXPORT("host_run") int host_run(void)
{
    atomic_store(&lanes[0].busy, 1);
    int status = test_run(NULL);
    atomic_store(&lanes[0].busy, 0);
    check_pages();
    return status;
}

EXPORT("host_serve") _Noreturn void host_serve(void)
{
    struct test_thread *self = test_self();
    for (;;) {
        until(self, GIVEN);
        atomic_store(&lanes[number()].busy, 1);
        self->run(self->argument);
        atomic_store(&lanes[number()].busy, 0);
        atomic_store(&self->state, DONE);
        notify(&self->state);
    }
}
