/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The harness on a C library with threads. */
#define _GNU_SOURCE

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "test.h"

/* Fewer than 64 choose the short form of every test: see load.h. So does VALET_TEST_SHORT in the
 * environment. */
#ifndef VALET_TEST_THREADS
#define VALET_TEST_THREADS 4200
#endif
#define THREADS VALET_TEST_THREADS
#define STACK   (256u * 1024) /* glibc's least is 128 KiB on some CPUs */

/* ThreadSanitizer holds a handler back until the thread next calls the C library, which a parked
 * thread does not. The signals still interrupt. */
#if defined __SANITIZE_THREAD__
#define HANDLERS_RUN 0
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define HANDLERS_RUN 0
#endif
#endif
#ifndef HANDLERS_RUN
#define HANDLERS_RUN 1
#endif

struct test_thread {
    pthread_t id;
    void (*run)(void *);
    void *argument;
    struct interrupt interrupt;
    struct test_thread *next_free;
};

static struct test_thread threads[THREADS];
static struct test_thread *free_threads;
static unsigned used_threads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct test_thread first;
static _Thread_local struct test_thread *self = &first;

void test_write(const char *text)
{
    size_t length = strlen(text);
    if (write(STDOUT_FILENO, text, length) != (ssize_t)length)
        _exit(1);
}

void test_exit(int status)
{
    _exit(status);
}

unsigned test_threads_max(void)
{
    return THREADS > 63 && getenv("VALET_TEST_SHORT") != NULL ? 63 : THREADS;
}

struct test_thread *test_self(void)
{
    return self;
}

/* A new thread starts with signals blocked: the handler needs its `self`. */
static void block_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static void *enter(void *thread)
{
    self = thread;
    block_signals(SIG_UNBLOCK);
    self->run(self->argument);
    return NULL;
}

struct test_thread *test_start(void (*run)(void *), void *argument)
{
    pthread_mutex_lock(&lock);
    struct test_thread *t = free_threads;
    if (t != NULL)
        free_threads = t->next_free;
    else
        t = used_threads < THREADS ? &threads[used_threads++] : NULL;
    pthread_mutex_unlock(&lock);
    CHECK(t != NULL);
    t->run = run;
    t->argument = argument;
    /* One that the last thread here left without running it. */
    atomic_store(&t->interrupt.handler, NULL);
    pthread_attr_t attributes;
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, STACK), 0);
    block_signals(SIG_BLOCK);
    CHECK_EQ(pthread_create(&t->id, &attributes, enter, t), 0);
    block_signals(SIG_UNBLOCK);
    pthread_attr_destroy(&attributes);
    return t;
}

void test_join(struct test_thread *thread)
{
    CHECK_EQ(pthread_join(thread->id, NULL), 0);
    pthread_mutex_lock(&lock);
    thread->next_free = free_threads;
    free_threads = thread;
    pthread_mutex_unlock(&lock);
}

void test_yield(void)
{
    sched_yield();
}

void test_sleep(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    while (nanosleep(&t, &t) != 0)
        ;
}

void *test_map(void)
{
    void *page = mmap(NULL, TEST_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

void test_unmap(void *page)
{
    /* Not given back: nothing else may get the address, or a late touch would go unseen. */
    CHECK_EQ(mprotect(page, TEST_PAGE, PROT_NONE), 0);
}

static void on_signal(int number)
{
    (void)number;
    interrupt_take(&self->interrupt);
}

void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument)
{
    if (HANDLERS_RUN && !interrupt_send(&thread->interrupt, handler, argument))
        return;
    CHECK_EQ(pthread_kill(thread->id, SIGUSR1), 0);
}

bool test_has_handlers(void)
{
    return HANDLERS_RUN;
}

/* Only where whoever started the program says that it may: the clock is the machine's. */
bool test_move_clock(int64_t ns)
{
    if (getenv("VALET_TEST_CLOCK") == NULL)
        return false;
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_REALTIME, &t), 0);
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec += (long)(ns % 1000000000);
    if (t.tv_nsec >= 1000000000 || t.tv_nsec < 0) {
        int carry = t.tv_nsec < 0 ? -1 : 1;
        t.tv_sec += carry;
        t.tv_nsec -= carry * 1000000000L;
    }
    if (ns != 0)
        CHECK_EQ(clock_settime(CLOCK_REALTIME, &t), 0);
    return true;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: calls are interrupted */
    sigaction(SIGUSR1, &action, NULL);
    first.id = pthread_self();
    int status = test_run(argc > 1 ? argv[1] : NULL);
    for (int i = 2; i < argc; i++)
        status |= test_run(argv[i]);
    return status;
}
