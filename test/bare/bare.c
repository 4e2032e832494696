/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The harness on bare metal: what is the same on each CPU. */
#include "bare.h"

#include "interrupt.h"
#include "test.h"

unsigned char bare_stacks[BARE_CPUS][BARE_STACK] __attribute__((aligned(BARE_STACK)));

struct job {
    void (*run)(void *);
    void *argument;
};

struct test_thread {
    /* FREE to TAKEN to GIVEN by test_start, to DONE by the CPU, to FREE by test_join */
    _Atomic int state;
    struct job job;
    struct interrupt interrupt;
    struct job timer;
};

enum { FREE, TAKEN, GIVEN, DONE };

static struct test_thread threads[BARE_CPUS]; /* one for each CPU; the first is GIVEN its program */
static _Atomic unsigned running;

#ifndef BARE_MACHINE
unsigned bare_cpu(void)
{
    /* Everything on a CPU, handlers included, is on that CPU's stack. */
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return (unsigned)((here - 1 - (uintptr_t)bare_stacks) / BARE_STACK);
}
#endif

/* Spin locks. Masked, since handlers write and map too. No atomic_flag: gcc sets it by a load and a
 * store on a CPU without atomic operations. */
static uintptr_t lock(atomic_uint *f)
{
    uintptr_t before = bare_mask();
    while (atomic_exchange_explicit(f, 1, memory_order_acquire) != 0)
        bare_relax();
    return before;
}

static void unlock(atomic_uint *f, uintptr_t before)
{
    atomic_store_explicit(f, 0, memory_order_release);
    bare_unmask(before);
}

#if ATOMIC_INT_LOCK_FREE == 2
static atomic_uint everything;

uintptr_t bare_begin(void)
{
    return lock(&everything);
}

void bare_end(uintptr_t before)
{
    unlock(&everything, before);
}
#endif

/* ---- output ---------------------------------------------------------------------------------- */

void test_write(const char *text)
{
    static atomic_uint writing;
    uintptr_t before = lock(&writing);
    for (; *text != '\0'; text++)
        bare_put(*text);
    unlock(&writing, before);
}

void test_exit(int status)
{
    bare_exit(status);
}

void bare_on_fault(const char *what, uintptr_t pc)
{
    char hex[2 + 16 + 2] = "0x";
    for (unsigned i = 0; i < 16; i++)
        hex[2 + i] = "0123456789abcdef"[(uint64_t)pc >> (60 - 4 * i) & 15];
    hex[18] = '\n';
    hex[19] = '\0';
    test_write(what);
    test_write(": FAULT at ");
    test_write(hex);
    bare_exit(1);
}

/* ---- pages ----------------------------------------------------------------------------------- */

/*
 * A page given back is filled with a pattern, which is looked for when the page is needed again and
 * at the end of the program: a late store is found, a late load is not. Pages are used again as
 * late as possible, oldest first.
 */
#ifdef BARE_MACHINE /* a microcontroller */
#define PAGES 512u
#else
#define PAGES 2048u
#endif
#define PATTERN 0xdeadfacedeadfaceu

extern unsigned char bare_pool[PAGES][TEST_PAGE]; /* behind the program: see the linker script */
static unsigned short given_back[PAGES];
static unsigned fresh, oldest, newest; /* pages never used; ends of the ring given_back */
static atomic_uint pool;

static void fill(void *page, uint64_t value)
{
    volatile uint64_t *words = page;
    for (unsigned i = 0; i < TEST_PAGE / sizeof *words; i++)
        words[i] = value;
}

static void *take_oldest(void)
{
    void *page = bare_pool[given_back[oldest++ % PAGES]];
    volatile uint64_t *words = page;
    for (unsigned i = 0; i < TEST_PAGE / sizeof *words; i++)
        if (words[i] != PATTERN)
            test_failed_eq(__FILE__, __LINE__, "a page was written to after test_unmap",
                           (long long)words[i], (long long)PATTERN);
    return page;
}

void *test_map(void)
{
    uintptr_t before = lock(&pool);
    void *page = NULL;
    if (fresh < PAGES)
        page = bare_pool[fresh++];
    else if (oldest != newest)
        page = take_oldest();
    unlock(&pool, before);
    CHECK(page != NULL);
    fill(page, 0);
    return page;
}

void test_unmap(void *page)
{
    fill(page, PATTERN);
    uintptr_t before = lock(&pool);
    given_back[newest++ % PAGES] =
        (unsigned short)(((uintptr_t)page - (uintptr_t)bare_pool) / TEST_PAGE);
    unlock(&pool, before);
}

/* ---- threads --------------------------------------------------------------------------------- */

unsigned test_threads_max(void)
{
    return BARE_CPUS - 1;
}

struct test_thread *test_self(void)
{
    return &threads[bare_cpu()];
}

struct test_thread *test_start(void (*run)(void *), void *argument)
{
    unsigned cpu = 0;
    int state;
    do {
        cpu++;
        CHECK(cpu < BARE_CPUS);
        state = FREE;
    } while (!atomic_compare_exchange_strong(&threads[cpu].state, &state, TAKEN));
    struct test_thread *t = &threads[cpu];
    t->job = (struct job){run, argument};
    atomic_store(&t->interrupt.handler, NULL);
    atomic_store(&t->state, GIVEN);
    bare_ipi(cpu);
    return t;
}

void test_join(struct test_thread *thread)
{
    while (atomic_load(&thread->state) != DONE)
        bare_relax();
    atomic_store(&thread->state, FREE);
}

void test_yield(void)
{
    bare_relax();
}

void test_sleep(uint64_t ns)
{
    uint64_t start = bare_clock();
    while (bare_clock() - start < ns)
        bare_relax();
}

/* ---- interrupts ------------------------------------------------------------------------------ */

void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument)
{
    if (!interrupt_send(&thread->interrupt, handler, argument))
        return;
    bare_ipi((unsigned)(thread - threads));
}

bool test_has_handlers(void)
{
    return VALET_TEST_FUTEX_KIND; /* a handler may unpark only on that kind: valet.h */
}

bool test_move_clock(int64_t ns)
{
    (void)ns;
    return false;
}

void bare_on_ipi(void)
{
    struct test_thread *self = test_self();
    void *argument = self->interrupt.argument;
    void (*handler)(void *) = atomic_exchange(&self->interrupt.handler, NULL);
    /* One that came too late for its thread is dropped: its argument may be dead. */
    if (handler != NULL && atomic_load(&self->state) == GIVEN)
        handler(argument);
}

void bare_timer(uint64_t ns, void (*handler)(void *), void *argument)
{
    test_self()->timer = (struct job){handler, argument};
    bare_timer_start(ns);
}

void bare_on_timer(void)
{
    struct job timer = test_self()->timer;
    timer.run(timer.argument);
}

/* ---- start ----------------------------------------------------------------------------------- */

static _Noreturn void serve(struct test_thread *self)
{
    for (;;) {
        while (atomic_load(&self->state) != GIVEN) {
            bare_halt();
            bare_mask();
        }
        bare_unmask(1);
        self->job.run(self->job.argument);
        bare_mask();
        atomic_store(&self->state, DONE);
    }
}

void bare_enter(unsigned cpu)
{
    if (cpu == 0)
        bare_machine_init();
    bare_cpu_init();
    atomic_fetch_add(&running, 1);
    if (BARE_CPUS > 1 && cpu != 0)
        serve(&threads[cpu]);

    atomic_store(&threads[0].state, GIVEN);
    bare_unmask(1);
    for (unsigned i = 1; i < BARE_CPUS; i++)
        bare_cpu_start(i);
    while (atomic_load(&running) != BARE_CPUS)
        bare_relax();

    int status = test_run(NULL);
    while (oldest != newest)
        take_oldest();
    if (status == 0)
        test_write("bare metal: passed\n"); /* run.sh wants to see this */
    bare_exit(status);
}

/* ---- what a compiler may call ---------------------------------------------------------------- */

void *memset(void *to, int value, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

void *memset(void *to, int value, size_t n)
{
    for (volatile unsigned char *p = to; n != 0; n--)
        *p++ = (unsigned char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    volatile unsigned char *p = to;
    for (const unsigned char *q = from; n != 0; n--)
        *p++ = *q++;
    return to;
}
