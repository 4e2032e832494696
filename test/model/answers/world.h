/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A flat world for the models of kernels: some memory, a stack and a sleep for each thread, a
 * clock. It has no choices to explore: what a model asks to choose, the test has decided in
 * world.pick. A program that includes this feeds calls to models and compares what comes of them.
 *
 * Each single comparison is falsified in turn (honesty), and the test must notice: one that
 * compares nothing would be found so.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define MEMORY   0x10000u /* mapped from here on, the program's code first */
#define SIZE     0x10000u
#define WORD     (MEMORY + 0x8000u)
#define ARGUMENT (MEMORY + 0x8100u) /* where a time lies */
#define SCRATCH  (MEMORY + 0x8200u)
#define STACKS   (MEMORY + 0xc000u)
#define STACK    0x1000u
#define NOWHERE  0x8000u
#define START    UINT64_C(1000000000)
#define MS       UINT64_C(1000000)

enum outcome { NOTHING, RETURNED, FAILED, SLEEPS, STEPS, REFUSED, KILLED };

/* Besides -errno and results: what a call came to. */
#define ASLEEP LONG_MAX
#define DEAD   (LONG_MAX - 1)

struct kernel {
    const struct model *model;
    uint64_t clock, state[MODEL_STATE / 8];
    unsigned char memory[SIZE];
    struct model_sleep sleeps[MODEL_THREADS];
    struct model_call calls[MODEL_THREADS]; /* the arguments of those who sleep */
    enum outcome outcome[MODEL_THREADS];
    uint64_t result[MODEL_THREADS], second[MODEL_THREADS];
    int mistakes;
    unsigned pick; /* the answer to choices */
    bool refused;  /* a sandbox */
    struct {       /* the image's only one, if there is a name */
        const char *name;
        const void *bytes;
        size_t size;
    } section;
};

static struct kernel world;
static int passed, failed, answers, lie = -1;
static bool quiet;

static void record(struct model_call *c, enum outcome outcome, uint64_t result)
{
    if (c->kernel->outcome[c->thread] != NOTHING)
        abort(); /* a model that answers twice */
    c->kernel->outcome[c->thread] = outcome;
    c->kernel->result[c->thread] = result;
    if (outcome == RETURNED || outcome == FAILED || outcome == KILLED)
        memset(c->sleep, 0, sizeof *c->sleep);
}

void model_return(struct model_call *c, uint64_t result)
{
    record(c, RETURNED, result);
}

void model_return2(struct model_call *c, uint64_t result, uint64_t second)
{
    record(c, RETURNED, result);
    c->kernel->second[c->thread] = second;
}

void model_error(struct model_call *c, int error)
{
    record(c, FAILED, (uint64_t)error);
}

void model_sleep(struct model_call *c, uint64_t key, uint64_t deadline)
{
    record(c, SLEEPS, 0);
    c->sleep->key = key;
    c->sleep->deadline = deadline;
}

void model_step(struct model_call *c, uint64_t key)
{
    record(c, STEPS, 0);
    c->sleep->key = key;
}

void model_refuse(struct model_call *c)
{
    record(c, REFUSED, 0);
}

void model_violation(struct model_call *c, const char *format, ...)
{
    (void)format;
    record(c, KILLED, 0);
}

void model_mistake(struct model_call *c, const char *format, ...)
{
    (void)format;
    c->kernel->mistakes++;
}

static void resume(int thread, enum model_event why)
{
    world.outcome[thread] = NOTHING;
    world.model->resume(&world.calls[thread], why);
    while (world.outcome[thread] == STEPS) {
        world.outcome[thread] = NOTHING;
        world.model->resume(&world.calls[thread], MODEL_STEP);
    }
}

bool model_wake_thread(struct model_call *c, int thread, uint64_t key)
{
    if (thread == c->thread || world.outcome[thread] != SLEEPS || world.sleeps[thread].key != key)
        return false;
    resume(thread, MODEL_WOKEN);
    return true;
}

unsigned model_wake(struct model_call *c, uint64_t key, uint64_t count)
{
    unsigned woken = 0;
    for (int j = 0; j < c->threads && woken < count; j++)
        woken += model_wake_thread(c, j, key);
    return woken;
}

struct model_sleep *model_sleep_of(struct model_call *c, int thread)
{
    return &c->kernel->sleeps[thread];
}

unsigned model_move(struct model_call *c, uint64_t key, uint64_t to, uint64_t count)
{
    unsigned moved = 0;
    for (int j = 0; j < c->threads && moved < count; j++)
        if (j != c->thread && c->kernel->sleeps[j].inside && c->kernel->sleeps[j].key == key) {
            c->kernel->sleeps[j].key = to;
            moved++;
        }
    return moved;
}

static bool mapped(uint64_t address, size_t size)
{
    return address >= MEMORY && address + size <= MEMORY + SIZE;
}

unsigned model_choose(struct model_call *c, unsigned n, const char *what)
{
    if (strcmp(what, "the word is unmapped") == 0) /* here it is known */
        return !mapped(c->args[0], 4);
    return world.pick < n ? world.pick : 0;
}

uint64_t model_now(struct model_call *c)
{
    return c->kernel->clock;
}

bool model_read(struct model_call *c, uint64_t address, void *into, size_t size)
{
    if (mapped(address, size))
        memcpy(into, &c->kernel->memory[address - MEMORY], size);
    return mapped(address, size);
}

bool model_write(struct model_call *c, uint64_t address, const void *from, size_t size)
{
    if (mapped(address, size))
        memcpy(&c->kernel->memory[address - MEMORY], from, size);
    return mapped(address, size);
}

static uint64_t stack(int thread)
{
    return STACKS + STACK * (unsigned)thread;
}

bool model_on_stack(struct model_call *c, uint64_t address)
{
    return address >= stack(c->thread) && address < stack(c->thread) + STACK;
}

const void *model_section(struct model_call *c, const char *name, size_t *size, uint64_t *address)
{
    if (!c->kernel->section.name || strcmp(name, c->kernel->section.name) != 0)
        return NULL;
    *size = c->kernel->section.size;
    *address = 0;
    return c->kernel->section.bytes;
}

const char *model_function(struct model_call *c, uint64_t address)
{
    (void)c, (void)address;
    return "";
}

uint64_t model_scratch(struct model_call *c)
{
    return SCRATCH + 64 * (unsigned)c->thread;
}

bool model_sets_wall(struct model_call *c)
{
    (void)c;
    return false;
}

bool model_refused(struct model_call *c)
{
    return c->kernel->refused;
}

/* ---- calls ----------------------------------------------------------------------------------- */

extern const struct model *const __start_models[], *const __stop_models[];

static void boot(const char *name)
{
    memset(&world, 0, sizeof world);
    world.clock = START;
    for (const struct model *const *m = __start_models; m < __stop_models; m++)
        if (strcmp((*m)->name, name) == 0)
            world.model = *m;
    if (!world.model) {
        printf("no model %s\n", name);
        exit(2);
    }
}

static void put(uint64_t address, const void *bytes, size_t size)
{
    memcpy(&world.memory[address - MEMORY], bytes, size);
}

static uint32_t get(uint64_t address)
{
    uint32_t value;
    memcpy(&value, &world.memory[address - MEMORY], sizeof value);
    return value;
}

static void set_word(uint32_t value)
{
    put(WORD, &value, sizeof value);
}

/*
 * The thread traps, or calls a function; if it comes to sleep, its arguments are kept. The seventh
 * lies on the stack.
 */
static void enter(int thread, const char *symbol, uint64_t number, uint64_t a, uint64_t b,
                  uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    uint64_t sp = stack(thread) + STACK / 2;
    put(sp + 8, &h, sizeof h);
    world.calls[thread] = (struct model_call){.model = world.model,
                                              .kernel = &world,
                                              .cpu = MODEL_X86_64,
                                              .thread = thread,
                                              .threads = MODEL_THREADS,
                                              .number = number,
                                              .symbol = symbol,
                                              .args = {a, b, d, e, f, g, h},
                                              .pc = MEMORY + 0x100,
                                              .sp = sp,
                                              .state = world.state,
                                              .sleep = &world.sleeps[thread]};
    world.sleeps[thread] = (struct model_sleep){.deadline = MODEL_NEVER};
    world.outcome[thread] = NOTHING;
    world.mistakes = 0;
    world.model->call(&world.calls[thread]);
    while (world.outcome[thread] == STEPS) {
        world.outcome[thread] = NOTHING;
        world.model->resume(&world.calls[thread], MODEL_STEP);
    }
}

static void signal(int thread, unsigned pick)
{
    world.pick = pick;
    resume(thread, MODEL_SIGNAL);
    world.pick = 0;
}

/* The timer of a sleeping thread, if it has one, fires: the clock is there. */
static void expire(int thread)
{
    if (world.outcome[thread] != SLEEPS || world.sleeps[thread].deadline == MODEL_NEVER)
        return;
    if (world.sleeps[thread].deadline > world.clock)
        world.clock = world.sleeps[thread].deadline;
    resume(thread, MODEL_TIMEOUT);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static const char *words(long value, char buffer[32])
{
    snprintf(buffer, 32, "%ld", value);
    return value == ASLEEP ? "asleep" : value == DEAD ? "killed" : buffer;
}

static void check(const char *what, bool good, long got, long expected)
{
    char a[32], b[32];
    good ? passed++ : failed++;
    if (!quiet)
        printf("%-4s%-16s %-52s %s%s%s\n", good ? "ok" : "BAD", world.model->name, what,
               words(got, a), good ? "" : ", not ", good ? "" : words(expected, b));
}

/* What the thread's call has come to: -errno, a result, ASLEEP, DEAD. */
static void answer(const char *what, int thread, long expected)
{
    enum outcome o = world.outcome[thread];
    long got = o == SLEEPS     ? ASLEEP
               : o == FAILED   ? -(long)world.result[thread]
               : o == RETURNED ? (long)world.result[thread]
                               : DEAD;
    if (answers++ == lie)
        got ^= 1;
    check(what, got == expected, got, expected);
}

/* The same of a call that no correct caller makes. */
static void wrong(const char *what, int thread, long expected)
{
    int mistakes = world.mistakes;
    answer(what, thread, expected);
    if (answers++ == lie)
        mistakes = 0;
    check("  and that is a mistake", mistakes > 0, mistakes, 1);
}

static void number(const char *what, uint64_t got, uint64_t expected)
{
    if (answers++ == lie)
        got ^= 1;
    check(what, got == expected, (long)got, (long)expected);
}

/* When the timer of a sleeping thread fires, after now. */
static void ends(const char *what, int thread, uint64_t least, uint64_t most)
{
    uint64_t after = world.sleeps[thread].deadline - world.clock;
    if (answers++ == lie)
        after = least - 1;
    check(what, world.outcome[thread] == SLEEPS && after >= least && after <= most, (long)after,
          (long)least);
}

#define TRAP(thread, ...)     TRAP_(thread, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0, 0)
#define FUNCTION(thread, ...) FUNCTION_(thread, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0, 0)
#define TRAP_(thread, number, a, b, d, e, f, g, h, ...) \
    enter(thread, NULL, number, a, b, d, e, f, g, h)
#define FUNCTION_(thread, name, a, b, d, e, f, g, h, ...) \
    enter(thread, name, index_of(name), a, b, d, e, f, g, h)

static uint64_t index_of(const char *symbol)
{
    for (uint64_t i = 0; world.model->symbols && world.model->symbols[i]; i++)
        if (strcmp(world.model->symbols[i], symbol) == 0)
            return i;
    printf("%s has no function %s\n", world.model->name, symbol);
    exit(2);
}

/* Runs the test, then runs it once for each answer, which is false that time. */
static int honesty(void (*all)(void))
{
    all();
    int good = passed, bad = failed, total = answers, unnoticed = 0;
    quiet = true;
    for (lie = 0; lie < total; lie++) {
        passed = failed = answers = 0;
        all();
        if (failed == 0) {
            printf("BAD  answer %d of %d can be false and nothing notices\n", lie + 1, total);
            unnoticed++;
        }
    }
    printf("each of %d answers falsified in turn: %d noticed\n", total, total - unnoticed);
    printf("answers: %d passed, %d failed\n", good, bad + unnoticed);
    return bad + unnoticed != 0 || good == 0;
}
