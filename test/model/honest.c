/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whether the model of Linux is true: the same calls, right ones and wrong ones, go to the kernel
 * of this machine and to the model's function, and must be answered alike. A thread that sleeps
 * while the calls go on is a real thread on one side and a struct model_sleep on the other.
 *
 * The model sees this program's own memory; its other services are replaced here by the simplest
 * ones that will do. Runs on any CPU that Linux and the model have, also under qemu-user.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "plain.h"

#define WAIT        128
#define WAKE        129
#define WAIT_BITSET 137
#define WAKE_BITSET 138
#define CMP_REQUEUE 132
#define NO_SUCH_OP  99
#define SLEEPING    LONG_MIN /* the answer of a call that has not come back */
#define LONG_AGO    1
#define SECOND      1000000000

const uint64_t model_caller_saved[MODEL_CPUS];

/* ---- the model's side ------------------------------------------------------------------------ */

static struct model_sleep sleeps[MODEL_THREADS];
static long answers[MODEL_THREADS];
static char *gone; /* a page that is not mapped */
static const struct model *model;
extern const struct model *const __start_models[];

static void set(struct model_call *c, long answer)
{
    answers[c->thread] = answer;
    memset(c->sleep, 0, sizeof *c->sleep);
}

void model_return(struct model_call *c, uint64_t result)
{
    set(c, (long)result);
}

void model_return2(struct model_call *c, uint64_t result, uint64_t second)
{
    (void)second;
    set(c, (long)result);
}

void model_error(struct model_call *c, int error)
{
    set(c, -(long)error);
}

void model_sleep(struct model_call *c, uint64_t key, uint64_t deadline)
{
    c->sleep->key = key;
    c->sleep->deadline = deadline;
    c->sleep->inside = 1;
    answers[c->thread] = SLEEPING;
}

static void resume(int thread, enum model_event why)
{
    struct model_call c = {.model = model, .thread = thread, .sleep = &sleeps[thread]};
    model->resume(&c, why);
}

unsigned model_wake(struct model_call *c, uint64_t key, uint64_t count)
{
    unsigned woken = 0;
    (void)c;
    for (int j = 0; j < MODEL_THREADS && woken < count; j++)
        if (sleeps[j].inside && sleeps[j].key == key) {
            resume(j, MODEL_WOKEN);
            woken++;
        }
    return woken;
}

unsigned model_move(struct model_call *c, uint64_t key, uint64_t to, uint64_t count)
{
    unsigned moved = 0;
    (void)c;
    for (int j = 0; j < MODEL_THREADS && moved < count; j++)
        if (sleeps[j].inside && sleeps[j].key == key) {
            sleeps[j].key = to;
            moved++;
        }
    return moved;
}

bool model_read(struct model_call *c, uint64_t address, void *into, size_t size)
{
    (void)c;
    if (address < 4096 || (address >= (uintptr_t)gone && address < (uintptr_t)gone + 4096))
        return false;
    memcpy(into, (const void *)address, size);
    return true;
}

bool model_write(struct model_call *c, uint64_t address, const void *from, size_t size)
{
    char old[64];
    if (!model_read(c, address, old, size))
        return false;
    memcpy((void *)address, from, size);
    return true;
}

uint64_t model_now(struct model_call *c)
{
    struct timespec t;
    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

unsigned model_choose(struct model_call *c, unsigned n, const char *what)
{
    (void)c, (void)n, (void)what;
    return 0;
}

void model_uncounted(struct model_call *c)
{
    (void)c;
}

bool model_refused(struct model_call *c)
{
    (void)c;
    return false;
}

void model_step(struct model_call *c, uint64_t key)
{
    (void)key;
    set(c, LONG_MAX); /* Linux has none */
}

void model_refuse(struct model_call *c)
{
    set(c, LONG_MAX);
}

void model_violation(struct model_call *c, const char *format, ...)
{
    (void)format;
    set(c, LONG_MAX);
}

void model_mistake(struct model_call *c, const char *format, ...)
{
    (void)c, (void)format; /* this program makes them on purpose */
}

static long ask_model(int thread, const long args[6])
{
    struct model_call c = {.model = model,
                           .thread = thread,
                           .threads = MODEL_THREADS,
                           .number = SYS_futex,
                           .sleep = &sleeps[thread]};
#if defined __x86_64__
    c.cpu = MODEL_X86_64;
#elif defined __aarch64__
    c.cpu = MODEL_AARCH64;
#else
    c.cpu = MODEL_RISCV64;
#endif
    for (int i = 0; i < 6; i++)
        c.args[i] = (uint64_t)args[i];
    answers[thread] = LONG_MAX;
    model->call(&c);
    /* A deadline that has passed: the kernel's timer fires before the thread sleeps. */
    if (answers[thread] == SLEEPING && sleeps[thread].deadline <= model_now(&c))
        resume(thread, MODEL_TIMEOUT);
    return answers[thread];
}

/* ---- the kernel's side ----------------------------------------------------------------------- */

static long ask_kernel(const long args[6])
{
    long r = syscall(SYS_futex, args[0], args[1], args[2], args[3], args[4], args[5]);
    return r < 0 ? -errno : r;
}

struct sleeper {
    pthread_t thread;
    long args[6], answer;
    _Atomic int tid;
    _Atomic bool back;
};

static void *sleeper_main(void *argument)
{
    struct sleeper *s = argument;
    s->tid = (int)syscall(SYS_gettid);
    s->answer = ask_kernel(s->args);
    s->back = true;
    return NULL;
}

/* Begin a call that sleeps, and wait until the kernel says that it does. */
static void fall_asleep(struct sleeper *s)
{
    char path[64], state = 0;
    s->tid = 0;
    s->back = false;
    if (pthread_create(&s->thread, NULL, sleeper_main, s) != 0)
        abort();
    while (s->tid == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", s->tid);
    while (state != 'S') { /* in user code nothing sleeps, so this is the futex */
        FILE *f = fopen(path, "r");
        if (f) {
            if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
                state = 0;
            fclose(f);
        }
        sched_yield();
    }
}

/* ---- the calls ------------------------------------------------------------------------------- */

static int checks, wrong;

static void same(const char *what, long kernel, long modelled)
{
    checks++;
    if (kernel == modelled)
        return;
    wrong++;
    printf("honest: %s: the kernel answers %ld, the model %ld\n", what, kernel, modelled);
}

static _Alignas(8) uint32_t word = 7;

static void at_once(const char *what, long address, long op, long value, const void *time,
                    long mask)
{
    const long args[6] = {address, op, value, (long)time, 0, mask};
    same(what, ask_kernel(args), ask_model(0, args));
}

/* n threads sleep on the word; wake by op, count and mask; then wake the rest. */
static void wake_of(const char *what, int n, long op, long count, long mask)
{
    struct sleeper sleepers[3];
    long args[6] = {(long)&word, op, count, 0, 0, mask}, all[6] = {(long)&word, WAKE, INT_MAX};
    for (int i = 0; i < n; i++) {
        sleepers[i] =
            (struct sleeper){.args = {(long)&word, WAIT_BITSET, 7, 0, 0, (long)0xffffffff}};
        fall_asleep(&sleepers[i]);
        same("a wait sleeps", SLEEPING, ask_model(1 + i, sleepers[i].args));
    }
    same(what, ask_kernel(args), ask_model(0, args));
    same("the rest are woken", ask_kernel(all), ask_model(0, all));
    for (int i = 0; i < n; i++) {
        pthread_join(sleepers[i].thread, NULL);
        same("a woken wait", sleepers[i].answer, answers[1 + i]);
    }
}

static _Alignas(8) uint32_t other = 9;

static void requeue_at_once(const char *what, long from, long count, long moved, long to,
                            long expected)
{
    const long args[6] = {from, CMP_REQUEUE, count, moved, to, expected};
    same(what, ask_kernel(args), ask_model(0, args));
}

/* Two of three threads, or all, leave the word: woken, or moved. Who it is may differ. */
static void requeue_of(const char *what, long count, long moved)
{
    struct sleeper sleepers[3];
    const long on_word[6] = {(long)&word, WAKE, INT_MAX},
               on_other[6] = {(long)&other, WAKE, INT_MAX};
    for (int i = 0; i < 3; i++) {
        sleepers[i] =
            (struct sleeper){.args = {(long)&word, WAIT_BITSET, 7, 0, 0, (long)0xffffffff}};
        fall_asleep(&sleepers[i]);
        same("a wait sleeps", SLEEPING, ask_model(1 + i, sleepers[i].args));
    }
    requeue_at_once("requeue, value differs", (long)&word, count, moved, (long)&other, 8);
    requeue_at_once(what, (long)&word, count, moved, (long)&other, 7);
    same("those that moved are woken", ask_kernel(on_other), ask_model(0, on_other));
    same("those that stayed are woken", ask_kernel(on_word), ask_model(0, on_word));
    for (int i = 0; i < 3; i++) {
        pthread_join(sleepers[i].thread, NULL);
        same("a woken wait", sleepers[i].answer, answers[1 + i]);
    }
}

int main(void)
{
    const struct timespec past = {0, LONG_AGO}, none = {0, 0}, negative = {-1, 0};
    const struct timespec too_many = {0, SECOND}, minus = {0, -1}, soon = {0, 1000000};
    const long w = (long)&word, all = (long)0xffffffff;
    model = __start_models[0];
    gone = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (gone == MAP_FAILED || munmap(gone, 4096) != 0)
        abort();

    at_once("wait, value differs", w, WAIT, 8, NULL, 0);
    at_once("wait_bitset, value differs", w, WAIT_BITSET, 8, NULL, all);
    at_once("the value is an int", w, WAIT_BITSET, (long)((uint64_t)1 << 32 | 8), NULL, all);
    at_once("wait_bitset, value differs, time has passed", w, WAIT_BITSET, 8, &past, all);
    at_once("wait_bitset, time has passed", w, WAIT_BITSET, 7, &past, all);
    at_once("upper half of the value", w, WAIT_BITSET, (long)((uint64_t)1 << 32 | 7), &past, all);
    at_once("upper half of the op", w, (long)((uint64_t)1 << 32 | WAIT_BITSET), 7, &past, all);
    at_once("wait, zero time", w, WAIT, 7, &none, 0);
    at_once("wait_bitset, zero time", w, WAIT_BITSET, 7, &none, all);
    at_once("bitset 0", w, WAIT_BITSET, 7, NULL, 0);
    at_once("bitset 0, value differs", w, WAIT_BITSET, 8, NULL, 0);
    at_once("wake, bitset 0", w, WAKE_BITSET, 1, NULL, 0);
    at_once("negative seconds", w, WAIT_BITSET, 7, &negative, all);
    at_once("negative seconds, value differs", w, WAIT_BITSET, 8, &negative, all);
    at_once("nanoseconds of a second", w, WAIT_BITSET, 7, &too_many, all);
    at_once("negative nanoseconds", w, WAIT, 7, &minus, 0);
    at_once("time at an unmapped address", w, WAIT_BITSET, 7, gone, all);
    at_once("time unmapped, value differs", w, WAIT_BITSET, 8, gone, all);
    at_once("time unmapped, word misaligned", w + 1, WAIT_BITSET, 8, gone, all);
    at_once("word unmapped", (long)gone, WAIT_BITSET, 7, NULL, all);
    at_once("word null", 0, WAIT_BITSET, 7, NULL, all);
    at_once("word misaligned", w + 1, WAIT_BITSET, 7, NULL, all);
    at_once("word misaligned and unmapped", (long)gone + 2, WAIT_BITSET, 7, NULL, all);
    at_once("bitset 0, word misaligned", w + 1, WAIT_BITSET, 7, NULL, 0);
    at_once("wake, word unmapped", (long)gone, WAKE, 1, NULL, 0);
    at_once("wake, word null", 0, WAKE, 1, NULL, 0);
    at_once("wake, word misaligned", w + 2, WAKE, 1, NULL, 0);
    at_once("wake, nobody", w, WAKE, INT_MAX, NULL, 0);
    at_once("no such op", w, NO_SUCH_OP | 128, 1, NULL, 0);
    at_once("no such op, private or not", w, NO_SUCH_OP, 1, NULL, 0);

    wake_of("wake 1 of 2", 2, WAKE, 1, 0);
    wake_of("wake 2 of 3", 3, WAKE, 2, 0);
    wake_of("wake INT_MAX of 3", 3, WAKE, INT_MAX, 0);
    wake_of("wake 0 of 2", 2, WAKE, 0, 0);
    wake_of("wake -1 of 3", 3, WAKE, -1, 0);
    wake_of("wake UINT32_MAX of 3", 3, WAKE, (long)UINT32_MAX, 0);
    wake_of("wake_bitset 1 of 2", 2, WAKE_BITSET, 1, all);

    const long o = (long)&other;
    requeue_at_once("requeue, nobody", w, 1, INT_MAX, o, 7);
    requeue_at_once("requeue, value differs", w, 1, 1, o, 8);
    requeue_at_once("requeue, the value is an int", w, 1, 1, o, (long)((uint64_t)1 << 32 | 7));
    requeue_at_once("requeue as a look", w, 0, 0, w, 7);
    requeue_at_once("requeue as a look, value differs", w, 0, 0, w, 8);
    requeue_at_once("requeue, wake -1", w, -1, 1, o, 7);
    requeue_at_once("requeue, move -1", w, 1, -1, o, 7);
    requeue_at_once("requeue, wake -1, value differs", w, -1, 1, o, 8);
    requeue_at_once("requeue, misaligned", w + 1, 1, 1, o, 7);
    requeue_at_once("requeue, to misaligned", w, 1, 1, o + 2, 7);
    requeue_at_once("requeue, unmapped", (long)gone, 1, 1, o, 7);
    requeue_at_once("requeue, to unmapped", w, 1, 1, (long)gone, 7);
    requeue_at_once("requeue, unmapped, to misaligned", (long)gone, 1, 1, o + 1, 7);
    requeue_at_once("requeue, null", 0, 1, 1, o, 7);
    requeue_of("requeue 0 and 1 of 3", 0, 1);
    requeue_of("requeue 0 and 2 of 3", 0, 2);
    requeue_of("requeue 1 and 1 of 3", 1, 1);
    requeue_of("requeue 1 and INT_MAX of 3", 1, INT_MAX);
    requeue_of("requeue INT_MAX and 1 of 3", INT_MAX, 1);
    requeue_of("requeue 2 and 0 of 3", 2, 0);

    /* A timeout that has to be waited for. */
    const long args[6] = {w, WAIT, 7, (long)&soon};
    long modelled = ask_model(1, args);
    same("a wait with time left sleeps", SLEEPING, modelled);
    resume(1, MODEL_TIMEOUT);
    same("the time is over", ask_kernel(args), answers[1]);

    printf("honest: %d answers, %d differ\n", checks, wrong);
    return wrong != 0;
}
