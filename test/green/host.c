/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The harness on green threads. GREEN_COOPERATIVE=1 in the environment turns preemption off: then a
 * test that waits without test_yield hangs.
 */
#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched.h"
#include "test.h"

#define THREADS 4200

struct test_thread {
    struct green green; /* first: the one's address is the other's */
    struct test_thread *next_free;
};

static struct test_thread first, threads[THREADS], *free_threads;
static unsigned used_threads;

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
    return THREADS;
}

struct test_thread *test_self(void)
{
    return (struct test_thread *)(void *)green_self();
}

struct test_thread *test_start(void (*run)(void *), void *argument)
{
    green_lock();
    struct test_thread *t = free_threads;
    if (t != NULL)
        free_threads = t->next_free;
    else
        t = used_threads < THREADS ? &threads[used_threads++] : NULL;
    green_unlock();
    CHECK(t != NULL);
    green_start(&t->green, run, argument);
    return t;
}

void test_join(struct test_thread *thread)
{
    green_join(&thread->green);
    green_lock();
    thread->next_free = free_threads;
    free_threads = thread;
    green_unlock();
}

void test_yield(void)
{
    green_yield();
}

void test_sleep(uint64_t ns)
{
    uint64_t until = green_now() + ns;
    green_lock();
    while (green_block(until)) /* interrupted */
        ;
    green_unlock();
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

static void nothing(void *argument)
{
    (void)argument;
}

void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument)
{
    green_interrupt(&thread->green, handler != NULL ? handler : nothing, argument);
}

bool test_has_handlers(void)
{
    return VALET_TEST_FUTEX_KIND; /* a handler may unpark only on that kind: valet.h */
}

bool test_move_clock(int64_t ns)
{
    green_move_clock(ns);
    return true;
}

int main(int argc, char **argv)
{
    const char *cooperative = getenv("GREEN_COOPERATIVE");
    green_init(&first.green);
    green_preempt(cooperative == NULL || strcmp(cooperative, "1") != 0);
    return test_run(argc > 1 ? argv[1] : NULL);
}
