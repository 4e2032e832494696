/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A futex word that processes share, in each at another address. */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "test.h"

enum { FREE, LOCKED, CONTENDED };

/* One page, which is mapped twice here; a child gets a third mapping. */
struct page {
    _Alignas(4) _Atomic uint32_t word, turn, mutex;
    unsigned counter; /* plain */
};
static struct page *page, *again;
static int file;

static struct page *map(void)
{
    struct page *p = mmap(NULL, TEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static int wait_on(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return valet_futex_wait_with((uint32_t *)word, expected, deadline, flags);
}

static uint32_t wake(_Atomic uint32_t *word, uint32_t count, unsigned flags)
{
    return valet_futex_wake_with((uint32_t *)word, count, flags);
}

static bool begin(void)
{
    if (!(valet_features() & VALET_SHARED)) {
        static _Alignas(4) uint32_t word;
        CHECK_EQ(valet_futex_wait_with(&word, 0, 0, VALET_SHARED), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_futex_wait_with(&word, 1, 0, VALET_SHARED), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_futex_wake_with(&word, 1, VALET_SHARED), 0);
        return false;
    }
    if (page == NULL) {
        file = memfd_create("valet", 0);
        CHECK(file >= 0);
        CHECK_EQ(ftruncate(file, TEST_PAGE), 0);
        page = map();
        again = map();
        CHECK(page != again);
    }
    *page = (struct page){0};
    return true;
}

static void test_answers(void)
{
    if (!begin())
        return;
    const unsigned flags[] = {VALET_SHARED, VALET_SHARED | VALET_REALTIME,
                              VALET_SHARED | VALET_INTERRUPTIBLE | VALET_NO_POLL};
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(wait_on(&page->word, 1, VALET_FOREVER, flags[i]), VALET_CHANGED);
        CHECK_EQ(wait_on(&page->word, 0, 0, flags[i]), VALET_TIMEDOUT);
        CHECK_EQ(wait_on(&page->word, 0, 1, flags[i]), VALET_TIMEDOUT);
        uint64_t now = flags[i] & VALET_REALTIME ? valet_now_realtime() : valet_now();
        CHECK_EQ(wait_on(&page->word, 0, now + MS, flags[i]), VALET_TIMEDOUT);
        CHECK_EQ(valet_futex_wait_with(NULL, 0, 0, flags[i]), VALET_ERR_INVALID);
    }
    CHECK_EQ(wake(&page->word, 0, VALET_SHARED), 0);
    CHECK_EQ(wake(&page->word, VALET_FUTEX_ALL, VALET_SHARED), 0);
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    CHECK_EQ(valet_park_with(&p, 0, VALET_SHARED), VALET_ERR_INVALID);
    CHECK_EQ(valet_compare_and_wait_with(&w, 1, 0, VALET_SHARED), VALET_ERR_INVALID);
}

struct sleeper {
    unsigned flags;
    atomic_uint returned;
};

static void sleep_on_the_page(void *argument)
{
    struct sleeper *s = argument;
    while (atomic_load(&page->word) == 0)
        CHECK(wait_on(&page->word, 0, VALET_FOREVER, s->flags) >= 0);
    atomic_store(&s->returned, 1);
}

/* Wakes until one has been woken, by the count; so the thread was asleep. */
static void wake_until_woken(_Atomic uint32_t *word, unsigned flags)
{
    while (wake(word, 1, flags) == 0)
        test_yield();
}

/* By the other mapping; and what is not said to be shared does not meet what is. */
static void test_two_addresses_of_a_process(void)
{
    if (!begin())
        return;
    for (unsigned shared = 0; shared < 2; shared++) {
        struct sleeper s = {shared ? VALET_SHARED : VALET_NO_POLL, 0};
        atomic_store(&page->word, 0);
        struct test_thread *t = test_start(sleep_on_the_page, &s);
        /* The right one wakes it; it finds the word unchanged, and sleeps again. */
        wake_until_woken(shared ? &again->word : &page->word, s.flags);
        test_sleep(20 * MS); /* where it does not, what follows proves less */
        CHECK_EQ(wake(&page->word, 1, shared ? 0 : VALET_SHARED), 0);
        CHECK_EQ(wake(&again->word, 1, shared ? 0 : VALET_SHARED), 0);
        CHECK_EQ(atomic_load(&s.returned), 0);
        atomic_store(&again->word, 1);
        wake(shared ? &again->word : &page->word, VALET_FUTEX_ALL, s.flags);
        test_join(t);
    }
}

/* Moved by the other mapping, and woken by it; a private requeue does not meet it. */
static void test_a_requeue_by_two_addresses(void)
{
    if (!begin() || !(valet_features() & VALET_REQUEUE))
        return;
    struct sleeper s = {VALET_SHARED, 0};
    struct test_thread *t = test_start(sleep_on_the_page, &s);
    uint32_t *from = (uint32_t *)&again->word, *to = (uint32_t *)&again->turn;
    CHECK_EQ(valet_futex_requeue(from, 1, 1, to, 1, VALET_SHARED), VALET_CHANGED);
    /* Until it has been found on the second word: so it has moved. It finds the first unchanged. */
    do {
        CHECK_EQ(valet_futex_requeue(from, 0, 1, to, 1, 0), VALET_OK);
        CHECK_EQ(valet_futex_requeue(from, 0, 0, to, 1, VALET_SHARED), VALET_OK);
        test_yield();
    } while (wake(&page->turn, 1, VALET_SHARED) == 0);
    CHECK_EQ(atomic_load(&s.returned), 0);
    atomic_store(&again->word, 1);
    CHECK_EQ(valet_futex_requeue(from, 1, VALET_FUTEX_ALL, to, 0, VALET_SHARED), VALET_OK);
    test_join(t);
}

static void lock_shared(struct page *p)
{
    uint32_t seen = FREE;
    if (atomic_compare_exchange_strong(&p->mutex, &seen, LOCKED))
        return;
    while (atomic_exchange(&p->mutex, CONTENDED) != FREE)
        CHECK(wait_on(&p->mutex, CONTENDED, VALET_FOREVER, VALET_SHARED) >= 0);
}

static void unlock_shared(struct page *p)
{
    if (atomic_exchange(&p->mutex, FREE) == CONTENDED)
        wake(&p->mutex, 1, VALET_SHARED);
}

/* Take turns a while, each sleeping until it is its; then count under one mutex. */
static void work(struct page *p, uint32_t me, unsigned turns, unsigned rounds)
{
    for (unsigned i = 0; i < turns; i++) {
        uint32_t seen;
        while ((seen = atomic_load(&p->turn)) % 2 != me)
            CHECK(wait_on(&p->turn, seen, VALET_FOREVER, VALET_SHARED) >= 0);
        atomic_fetch_add(&p->turn, 1);
        wake(&p->turn, 1, VALET_SHARED);
    }
    for (unsigned i = 0; i < rounds; i++) {
        lock_shared(p);
        p->counter++;
        if (i % 64 == 0)
            test_yield();
        unlock_shared(p);
    }
}

static void test_two_processes(void)
{
    if (!begin())
        return;
    unsigned turns = test_many(500, 100), rounds = test_many(5000, 1000);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct page *third = map();
        CHECK(third != page && third != again);
        munmap(page, TEST_PAGE);
        munmap(again, TEST_PAGE);
        work(third, 1, turns, rounds);
        _exit(0);
    }
    work(page, 0, turns, rounds);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(page->turn, 2 * turns);
    CHECK_EQ(page->counter, 2 * rounds);
}

TEST_PROGRAM(TEST(test_answers), TEST(test_two_addresses_of_a_process),
             TEST(test_a_requeue_by_two_addresses), TEST(test_two_processes));
