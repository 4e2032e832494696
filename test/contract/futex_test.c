/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The futex: each sentence of its contract in valet.h. */
#include "load.h"
#include "test.h"

/* Whether a wake without a change of the word counts exactly: these have a real queue, the
 * system's or core/futex_sema.c's. Elsewhere only a change of the word is promised to be seen. */
#if defined VALET_TEST_OS_linux || defined VALET_TEST_OS_wasm || !VALET_TEST_FUTEX_KIND
#define EXACT true
#else
#define EXACT false
#endif

typedef _Atomic uint32_t __attribute__((aligned(4))) futex;

static int wait_on(futex *word, uint32_t expected, uint64_t deadline)
{
    return valet_futex_wait((uint32_t *)word, expected, deadline);
}

static uint32_t wake(futex *word, uint32_t count)
{
    return valet_futex_wake((uint32_t *)word, count);
}

/* Threads that sleep on a word until they are woken once. */
struct sleeper {
    futex *word;
    uint64_t deadline;
    int result;
    unsigned place; /* the how-manieth to return, from 1 */
    atomic_uint *entered, *returned;
};

static void sleep_once(void *argument)
{
    struct sleeper *s = argument;
    atomic_fetch_add(s->entered, 1);
    s->result = wait_on(s->word, 0, s->deadline);
    s->place = atomic_fetch_add(s->returned, 1) + 1;
}

static void until_returned(atomic_uint *returned, unsigned n)
{
    while (atomic_load(returned) < n)
        test_yield();
}

/* ---- results --------------------------------------------------------------------------------- */

static void test_invalid_words(void)
{
    static _Alignas(8) uint32_t words[2];
    for (unsigned offset = 1; offset < 4; offset++) {
        uint32_t *odd = (uint32_t *)(void *)((char *)words + offset);
        CHECK_EQ(valet_futex_wait(odd, 0, 0), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait(odd, 1, 1), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait(odd, 0, VALET_FOREVER), VALET_ERR_INVALID);
    }
    CHECK_EQ(valet_futex_wait(NULL, 0, VALET_FOREVER), VALET_ERR_INVALID);
    CHECK_EQ(valet_futex_wait(NULL, 1, 0), VALET_ERR_INVALID);
}

static void test_a_word_that_is_not_as_expected_is_changed(void)
{
    const uint32_t values[] = {0, 1, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < 5; j++) {
            futex word = values[i];
            if (i != j) {
                CHECK_EQ(wait_on(&word, values[j], VALET_FOREVER), VALET_CHANGED);
                if (valet_now() != 0)
                    CHECK_EQ(wait_on(&word, values[j], valet_now() + 3600 * S), VALET_CHANGED);
            } else if (valet_now() != 0) {
                CHECK_EQ(wait_on(&word, values[j], valet_now() + 20 * US), VALET_TIMEDOUT);
            }
            CHECK_EQ(word, values[i]);
        }
}

/* A timeout: the library looks first, and asks the clock only where the word is as expected. */
static void test_timeouts(void)
{
    futex word = 5;
    uint32_t *w = (uint32_t *)&word;
    const uint64_t any[] = {0, 1, S, VALET_FOREVER - 1, VALET_FOREVER};
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(valet_futex_wait_for(w, 6, any[i]), VALET_CHANGED);
        CHECK_EQ(valet_futex_wait_for(NULL, 0, any[i]), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait_for((uint32_t *)(void *)((char *)w + 1), 5, any[i]),
                 VALET_ERR_INVALID);
    }
    CHECK_EQ(valet_futex_wait_for(w, 5, 0), VALET_TIMEDOUT);
    if (valet_now() == 0) {
        CHECK_EQ(valet_futex_wait_for(w, 5, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_futex_wait_for(w, 5, VALET_FOREVER - 1), VALET_ERR_UNSUPPORTED);
        return;
    }
    const uint64_t timeouts[] = {1, 10 * US, MS, 3 * MS};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t began = valet_now();
        CHECK_EQ(valet_futex_wait_for(w, 5, timeouts[i]), VALET_TIMEDOUT);
        CHECK(valet_now() >= began + timeouts[i]);
    }
}

struct timed_sleeper {
    futex word;
    uint64_t timeout;
    int result;
    atomic_uint entered;
};

static void sleep_for(void *argument)
{
    struct timed_sleeper *s = argument;
    atomic_store(&s->entered, 1);
    do
        s->result = valet_futex_wait_for((uint32_t *)&s->word, 0, s->timeout);
    while (s->result == VALET_OK && atomic_load(&s->word) == 0);
}

static void test_a_timeout_beyond_the_clock_is_none(void)
{
    const uint64_t far[] = {VALET_FOREVER, VALET_FOREVER - 1, (uint64_t)INT64_MAX + 1};
    for (unsigned i = 0; i < (valet_now() != 0 ? 3 : 1); i++) {
        struct timed_sleeper s = {0, far[i], -1, 0};
        struct test_thread *t = test_start(sleep_for, &s);
        test_until(&s.entered, 1);
        test_sleep(2 * MS);
        atomic_store(&s.word, 1);
        wake(&s.word, 1);
        test_join(t);
        CHECK(s.result == VALET_OK || s.result == VALET_CHANGED);
    }
}

static void sleep_interruptibly(void *argument)
{
    struct sleeper *s = argument;
    atomic_fetch_add(s->entered, 1);
    do /* also for no reason */
        s->result = valet_futex_wait_with((uint32_t *)s->word, 0, s->deadline, VALET_INTERRUPTIBLE);
    while (s->result == VALET_OK && atomic_load(s->word) == 0);
    s->place = atomic_fetch_add(s->returned, 1) + 1;
}

static void test_a_wait_with_flags(void)
{
    futex word = 0;
    uint32_t *w = (uint32_t *)&word;
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned flag = 1u << bit;
        if (!(flag & (VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_NO_POLL)))
            CHECK_EQ(valet_futex_wait_with(w, 1, VALET_FOREVER, flag), VALET_ERR_INVALID);
    }
    CHECK_EQ(valet_futex_wait_with(w, 1, VALET_FOREVER, VALET_NO_POLL), VALET_CHANGED);
    CHECK_EQ(valet_futex_wait_with(w, 0, 0, VALET_NO_POLL), VALET_TIMEDOUT);
    CHECK_EQ(valet_futex_wait_with(NULL, 0, 0, VALET_NO_POLL), VALET_ERR_INVALID);
    if (!(valet_features() & VALET_INTERRUPTIBLE)) {
        CHECK_EQ(valet_futex_wait_with(w, 1, 0, VALET_INTERRUPTIBLE), VALET_ERR_UNSUPPORTED);
        return;
    }
    CHECK_EQ(valet_futex_wait_with(NULL, 0, 1, VALET_INTERRUPTIBLE), VALET_ERR_INVALID);
    CHECK_EQ(valet_futex_wait_with((uint32_t *)(void *)((char *)w + 1), 0, 1, VALET_INTERRUPTIBLE),
             VALET_ERR_INVALID);
    CHECK_EQ(valet_futex_wait_with(w, 0, 0, VALET_INTERRUPTIBLE), VALET_TIMEDOUT);
    int r; /* a wait may end for no reason, and a played kernel may say EINTR of itself */
    while ((r = valet_futex_wait_with(w, 0, 1, VALET_INTERRUPTIBLE)) != VALET_TIMEDOUT)
        CHECK(r == VALET_OK || r == VALET_INTERRUPTED);
    for (int i = 0; i < 40; i++) { /* a handler ends the wait; a change beats it */
        atomic_uint entered = 0, returned = 0;
        struct sleeper s = {&word, VALET_FOREVER, -1, 0, &entered, &returned};
        atomic_store(&word, 0);
        struct test_thread *t = test_start(sleep_interruptibly, &s);
        test_until(&entered, 1);
        test_sleep(200 * US);
        if (i % 2)
            atomic_store(&word, 1);
        do {
            test_interrupt(t, NULL, NULL);
            test_sleep(20 * US);
        } while (atomic_load(&returned) == 0);
        test_join(t);
        CHECK(s.result == (i % 2 ? VALET_CHANGED : VALET_INTERRUPTED) ||
              (!VALET_TEST_FUTEX_KIND && s.result == VALET_INTERRUPTED));
    }
}

struct cancellable_sleeper {
    futex word, cancel;
    int result;
    atomic_uint entered, returned;
};

static void sleep_cancellably(void *argument)
{
    struct cancellable_sleeper *s = argument;
    atomic_store(&s->entered, 1);
    do /* also for no reason */
        s->result = valet_futex_wait_cancellable((uint32_t *)&s->word, 0, VALET_FOREVER, 0,
                                                 (const uint32_t *)&s->cancel);
    while (s->result == VALET_OK && atomic_load(&s->word) == 0);
    atomic_store(&s->returned, 1);
}

/* A played kernel ends a wait, or says that a handler ran, for no reason. */
static int wait_cancellably(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags,
                            const uint32_t *cancel)
{
    int r;
    do
        r = valet_futex_wait_cancellable(word, expected, deadline, flags, cancel);
    while (r == VALET_OK || (r == VALET_INTERRUPTED && *cancel == 0));
    return r;
}

/* What needs no signal of a known context: cancel_test.c has the rest. */
static void test_a_wait_that_may_be_cancelled(void)
{
    futex word = 0, cancel = 0;
    uint32_t *w = (uint32_t *)&word, *c = (uint32_t *)&cancel;
    uint32_t *odd = (uint32_t *)(void *)((char *)w + 1);
    const uint64_t any[] = {0, 1, VALET_FOREVER - 1, VALET_FOREVER};
    uintptr_t pc = (uintptr_t)w;
    CHECK(!valet_cancel_redirect(&pc)); /* where no wait is */
    CHECK_EQ(pc, (uintptr_t)w);
    if (!(valet_features() & VALET_CANCELLABLE)) {
        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(valet_futex_wait_cancellable(w, 0, any[i], 0, c), VALET_ERR_UNSUPPORTED);
            CHECK_EQ(valet_futex_wait_cancellable(NULL, 0, any[i], ~0u, NULL),
                     VALET_ERR_UNSUPPORTED);
        }
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned bit = 0; bit < 32; bit++)
            if (!(1u << bit &
                  (VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_NO_POLL)))
                CHECK_EQ(valet_futex_wait_cancellable(w, 0, any[i], 1u << bit, c),
                         VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait_cancellable(NULL, 0, any[i], 0, c), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait_cancellable(odd, 0, any[i], 0, c), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait_cancellable(w, 0, any[i], 0, NULL), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_wait_cancellable(w, 0, any[i], 0, odd), VALET_ERR_INVALID);
        for (unsigned flags = 0; flags < 16; flags++) {
            int r = wait_cancellably(w, 1, any[i], flags, c);
            CHECK(r == VALET_CHANGED || (any[i] == 1 && r == VALET_TIMEDOUT));
            cancel = 1u << 31;
            CHECK_EQ(wait_cancellably(w, 0, any[i], flags, c), VALET_INTERRUPTED);
            CHECK_EQ(wait_cancellably(w, 1, any[i], flags, c), VALET_CHANGED);
            cancel = 0;
            if (i < 2)
                CHECK_EQ(wait_cancellably(w, 0, any[i], flags, c), VALET_TIMEDOUT);
        }
    }
    uint64_t deadline = valet_now() + 2 * MS;
    CHECK_EQ(wait_cancellably(w, 0, deadline, 0, c), VALET_TIMEDOUT);
    CHECK(valet_now() >= deadline);
    for (unsigned i = 0; i < 8; i++) { /* a wake ends it; so does a handler that cancels */
        struct cancellable_sleeper s = {0, 0, -1, 0, 0};
        struct test_thread *t = test_start(sleep_cancellably, &s);
        test_until(&s.entered, 1);
        test_sleep(MS);
        atomic_store(i % 2 ? &s.word : &s.cancel, 1);
        if (i % 2)
            wake(&s.word, 1);
        while (i % 2 == 0 && atomic_load(&s.returned) == 0) {
            test_interrupt(t, NULL, NULL); /* this handler takes nobody out: one may be too early */
            test_sleep(20 * US);
        }
        test_join(t);
        CHECK(i % 2 ? s.result == VALET_OK || s.result == VALET_CHANGED
                    : s.result == VALET_INTERRUPTED);
    }
}

static void test_deadlines(void)
{
    futex word = 5;
    uint64_t now = valet_now();
    if (now == 0) {
        test_write(
            "   no clock here: timed calls are unsupported, and tests of them end at once\n");
        CHECK_EQ(wait_on(&word, 5, 1 * MS), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(wait_on(&word, 5, VALET_FOREVER - 1), VALET_ERR_UNSUPPORTED);
        return;
    }
    const uint64_t passed[] = {0, 1, now - 1, now};
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(wait_on(&word, 5, passed[i]), VALET_TIMEDOUT);
        int r = wait_on(&word, 6, passed[i]); /* both are true: either answer */
        CHECK(r == VALET_CHANGED || r == VALET_TIMEDOUT);
    }
    uint32_t random = 333;
    unsigned rounds = test_many(400, 100), done = 0;
    for (uint64_t end = test_end(2 * S); done < 10 || (done < rounds && test_before(end)); done++) {
        uint64_t deadline =
            valet_now() + test_random(&random) % (done % 8 == 0 ? 2 * MS : 100 * US);
        CHECK_EQ(wait_on(&word, 5, deadline), VALET_TIMEDOUT);
        CHECK(valet_now() >= deadline);
    }
}

static void test_far_deadlines_do_not_end(void)
{
    uint64_t now = valet_now();
    const uint64_t far[] = {VALET_FOREVER,           VALET_FOREVER - 1, (uint64_t)INT64_MAX,
                            (uint64_t)INT64_MAX + 1, UINT32_MAX * S,    (uint64_t)INT32_MAX * S,
                            now + 86400 * S * 1000};
    for (unsigned i = 0; i < (now != 0 ? 7 : 1); i++) {
        futex word = 0;
        atomic_uint entered = 0, returned = 0;
        struct sleeper s = {&word, far[i], -1, 0, &entered, &returned};
        struct test_thread *t = test_start(sleep_once, &s);
        test_until(&entered, 1);
        test_sleep(5 * MS);
        CHECK_EQ(atomic_load(&returned), 0);
        atomic_store(&word, 1);
        wake(&word, 1);
        test_join(t);
        CHECK(s.result == VALET_OK || s.result == VALET_CHANGED);
    }
}

static void test_interrupts_do_not_end_a_wait_early_with_a_timeout(void)
{
    if (valet_now() == 0)
        return;
    for (int i = 0; i < 20; i++) {
        futex word = 0;
        atomic_uint entered = 0, returned = 0;
        struct sleeper s = {&word, valet_now() + 5 * MS, -1, 0, &entered, &returned};
        struct test_thread *t = test_start(sleep_once, &s);
        test_until(&entered, 1);
        test_interrupt(t, NULL, NULL);
        test_join(t);
        CHECK(s.result == VALET_OK || s.result == VALET_TIMEDOUT);
        CHECK(s.result != VALET_TIMEDOUT || valet_now() >= s.deadline);
    }
}

static void test_an_unmapped_word_is_an_error_and_no_fault(void)
{
#ifdef VALET_TEST_OS_linux
    void *page = test_map();
    test_unmap(page);
    CHECK_EQ(valet_futex_wait(page, 0, VALET_FOREVER), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_futex_wait(page, 0, valet_now() + S), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_futex_wait(page, 0, 0), VALET_ERR_SYSTEM);
    /* It may be gone when the deadline comes, and the word is looked at. */
    atomic_uint entered = 0, returned = 0;
    struct sleeper s = {test_map(), valet_now() + 30 * MS, -1, 0, &entered, &returned};
    struct test_thread *t = test_start(sleep_once, &s);
    test_until(&entered, 1);
    test_sleep(5 * MS);
    test_unmap(s.word);
    test_join(t);
    CHECK(s.result == VALET_ERR_SYSTEM || s.result == VALET_TIMEDOUT); /* a late test_unmap */
    valet_futex_wake(page, 1);
    valet_futex_wake(page, VALET_FUTEX_ALL);
    uint32_t other = 0;
    CHECK_EQ(valet_futex_requeue(page, 0, 1, &other, 1, 0), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_futex_requeue(&other, 0, 1, page, 1, 0), VALET_OK); /* it is not read */
#else
    test_write("   promised where a kernel compares the word; not by this system\n");
#endif
}

/* ---- wake counts ----------------------------------------------------------------------------- */

#define SLEEPERS 12

/* Starts n sleepers on one word and gives them time to fall asleep, and more with each try; nothing
 * shows when they have. */
static struct {
    futex word;
    atomic_uint entered, returned;
    struct sleeper s[SLEEPERS];
    struct test_thread *t[SLEEPERS];
    unsigned n;
} dorm;

static void fill_dorm(uint64_t nap, unsigned tries)
{
    atomic_store(&dorm.word, 0);
    atomic_store(&dorm.entered, 0);
    atomic_store(&dorm.returned, 0);
    dorm.n = test_least(SLEEPERS, test_threads_max());
    for (unsigned i = 0; i < dorm.n; i++) {
        dorm.s[i] =
            (struct sleeper){&dorm.word, VALET_FOREVER, -1, 0, &dorm.entered, &dorm.returned};
        dorm.t[i] = test_start(sleep_once, &dorm.s[i]);
        test_until(&dorm.entered, i + 1);
        test_sleep(nap);
    }
    test_sleep(20 * MS << tries);
}

static void empty_dorm(void)
{
    atomic_store(&dorm.word, 1);
    wake(&dorm.word, VALET_FUTEX_ALL);
    for (unsigned i = 0; i < dorm.n; i++) {
        test_join(dorm.t[i]);
        CHECK(dorm.s[i].result == VALET_OK || dorm.s[i].result == VALET_CHANGED);
    }
}

static void test_a_count_wakes_so_many(void)
{
    if (EXACT) {
        const uint32_t counts[] = {0, 1, 2, 0, 3, 0}; /* 6 in all */
        unsigned awake = 0;
        fill_dorm(0, 0); /* half of them at least sleep by then */
        for (unsigned i = 0; i < sizeof counts / sizeof *counts && dorm.n > 6; i++) {
            CHECK_EQ(wake(&dorm.word, counts[i]), counts[i]); /* and it says so */
            awake += counts[i];
            until_returned(&dorm.returned, awake);
            test_sleep(5 * MS);
            CHECK_EQ(atomic_load(&dorm.returned), awake);
        }
        empty_dorm();
    }
    for (unsigned n = 1; n <= test_least(4, test_threads_max()); n++) { /* at least so many */
        fill_dorm(0, 0);
        atomic_store(&dorm.word, 1);
        wake(&dorm.word, n);
        until_returned(&dorm.returned, n);
        empty_dorm();
    }
}

static void test_a_count_above_int32_max_is_all(void)
{
    const uint32_t counts[] = {SLEEPERS, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX - 1,
                               UINT32_MAX};
    for (unsigned i = 0; i < 5; i++) {
        bool all = false;
        for (unsigned tries = 0; !all; tries++) { /* again, where one had no CPU to fall asleep */
            CHECK(tries < 6);
            fill_dorm(0, tries);
            if (!EXACT)
                atomic_store(&dorm.word, 1);
            uint32_t woken = wake(&dorm.word, counts[i]);
            CHECK(woken <= dorm.n || (!EXACT && woken == VALET_FUTEX_UNKNOWN));
            all = !EXACT || woken == dorm.n;
            if (all)
                until_returned(&dorm.returned, dorm.n);
            empty_dorm();
        }
    }
}

/* Naps between the starts order the queue; a machine under load may spoil that, so one clean run of
 * several is asked for. A wrong order of 12 does not come out right by chance. */
static void test_first_in_first_out(void)
{
    if (VALET_TEST_FUTEX_KIND) {
        test_write("   the kernel's own order, if any\n");
        return;
    }
    for (int tries = 0; tries < 8; tries++) {
        bool in_order = true;
        fill_dorm((uint64_t)(2 + 3 * tries) * MS, 0);
        for (unsigned i = 0; i < dorm.n; i++) {
            while (wake(&dorm.word, 1) == 0) /* the last ones may not sleep yet */
                test_yield();
            until_returned(&dorm.returned, i + 1);
        }
        for (unsigned i = 0; i < dorm.n; i++) {
            test_join(dorm.t[i]);
            CHECK_EQ(dorm.s[i].result, VALET_OK);
            in_order = in_order && dorm.s[i].place == i + 1;
        }
        if (in_order)
            return;
    }
    CHECK(!"first in, first out");
}

/* A waiter that timed out is no longer in the queue: it takes no wake-up from another. */
static void test_a_timed_out_waiter_leaves_the_queue(void)
{
    for (unsigned timed = 0; timed < 3 && EXACT; timed++) {
        futex word = 0;
        atomic_uint entered = 0, returned = 0;
        struct sleeper s[3];
        struct test_thread *t[3];
        for (unsigned i = 0; i < 3; i++) {
            uint64_t deadline = i == timed ? valet_now() + 20 * MS : VALET_FOREVER;
            s[i] = (struct sleeper){&word, deadline, -1, 0, &entered, &returned};
            t[i] = test_start(sleep_once, &s[i]);
            test_until(&entered, i + 1);
            test_sleep(2 * MS);
        }
        test_join(t[timed]);
        CHECK_EQ(s[timed].result, VALET_TIMEDOUT);
        CHECK(valet_now() >= s[timed].deadline);
        test_sleep(20 * MS);
        for (uint32_t asleep = 2; asleep != 0;) { /* one may not sleep yet */
            uint32_t woken = wake(&word, asleep);
            CHECK(woken <= asleep);
            asleep -= woken;
            test_yield();
        }
        for (unsigned i = 0; i < 3; i++)
            if (i != timed) {
                test_join(t[i]);
                CHECK_EQ(s[i].result, VALET_OK);
            }
    }
}

/*
 * A lock with timeouts: who gives up wakes nobody, and who is woken wakes the next. One waits until
 * a deadline, another behind it for ever, and the wake of one comes at that deadline: a timeout
 * that used it up would leave the other asleep.
 */
static struct {
    struct valet_parker first, second, first_done, second_done;
    futex word;
    uint64_t deadline;
    int result;
    unsigned rounds;
} late;

static void give_up(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < late.rounds; i++) {
        CHECK_EQ(valet_park(&late.first), VALET_OK);
        late.result = wait_on(&late.word, 2, late.deadline);
        CHECK(late.result >= 0);
        if (late.result != VALET_TIMEDOUT)
            wake(&late.word, 1);
        else
            CHECK(valet_now() >= late.deadline);
        valet_unpark(&late.first_done);
    }
}

static void wait_behind(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < late.rounds; i++) {
        CHECK_EQ(valet_park(&late.second), VALET_OK);
        while (atomic_load(&late.word) == 2)
            CHECK(wait_on(&late.word, 2, VALET_FOREVER) >= 0);
        valet_unpark(&late.second_done);
    }
}

static void test_a_timeout_uses_up_no_wake(void)
{
    if (valet_now() == 0 || test_threads_max() < 2)
        return;
    uint32_t random = 4;
    uint64_t early = 500 * US; /* moved towards whichever side lost, so that either is as likely */
    unsigned timeouts = 0;
    late.rounds = test_many(600, 150);
    struct test_thread *a = test_start(give_up, NULL), *b = test_start(wait_behind, NULL);
    for (unsigned i = 0; i < late.rounds; i++) {
        atomic_store(&late.word, 2);
        late.deadline = valet_now() + 3 * MS;
        valet_unpark(&late.first);
        test_sleep(200 * US);
        valet_unpark(&late.second);
        uint64_t at = late.deadline + 500 * US - early + test_random(&random) % (100 * US);
        test_sleep(MS); /* as long as that is sure to be too early */
        while (valet_now() < at)
            test_yield();
        atomic_store(&late.word, 0);
        wake(&late.word, 1);
        CHECK_EQ(valet_park(&late.first_done), VALET_OK);
        CHECK_EQ(valet_park_for(&late.second_done, 20 * S), VALET_OK);
        timeouts += late.result == VALET_TIMEDOUT;
        if (late.result == VALET_TIMEDOUT)
            early += early < 2 * MS ? 10 * US : 0;
        else
            early -= early > 0 ? 10 * US : 0;
    }
    test_join(a);
    test_join(b);
    test_report("wakes that came too late", timeouts, "");
}

/* More words than core/futex_sema.c has buckets: some share one. Each wake is for one word. */
static void test_words_do_not_disturb_each_other(void)
{
    enum { WORDS = 130 };
    static futex words[WORDS];
    static struct sleeper s[WORDS];
    static struct test_thread *t[WORDS];
    static atomic_uint returned[WORDS];
    atomic_uint entered = 0;
    unsigned n = test_least(WORDS, test_threads_max());
    for (unsigned i = 0; i < n; i++) {
        s[i] = (struct sleeper){&words[i], VALET_FOREVER, -1, 0, &entered, &returned[i]};
        t[i] = test_start(sleep_once, &s[i]);
    }
    test_until(&entered, n);
    test_sleep(50 * MS);
    for (unsigned i = 0; i < n; i++) {
        unsigned this = n - 1 - i;
        atomic_store(&words[this], 1);
        wake(&words[this], VALET_FUTEX_ALL);
        test_join(t[this]);
        CHECK(s[this].result == VALET_OK || s[this].result == VALET_CHANGED);
        for (unsigned j = 0; j < this; j++)
            CHECK_EQ(atomic_load(&returned[j]), 0);
    }
}

/* Three on one word, of which one gives up, and behind them one on another word: it must be found,
 * and so must the next one there. Words so far apart nearly always share a queue of
 * core/futex_sema.c, whose hash steps by the golden ratio: 1597 is of Fibonacci's numbers. */
static void test_who_waits_behind_a_row_of_others_is_woken(void)
{
    enum { APART = 1597, ROW = 3, BEHIND = ROW, LATER, AGAIN, ALL };
    static futex words[APART + 1];
    futex *one = &words[0], *other = &words[APART];
    for (unsigned gone = 0; gone < ROW && valet_now() != 0 && test_threads_max() >= ALL; gone++) {
        atomic_uint entered = 0, returned = 0;
        struct sleeper s[ALL];
        struct test_thread *t[ALL];
        atomic_store(one, 0);
        for (unsigned i = 0; i < ALL; i++) {
            bool of_others = i == BEHIND || i == AGAIN;
            uint64_t deadline = i == gone ? valet_now() + 15 * MS : VALET_FOREVER;
            if (i == LATER)
                test_join(t[gone]);
            if (i == AGAIN) {
                atomic_store(other, 1);
                wake(other, 1);
                test_join(t[BEHIND]);
            }
            if (of_others)
                atomic_store(other, 0);
            s[i] = (struct sleeper){of_others ? other : one, deadline, -1, 0, &entered, &returned};
            t[i] = test_start(sleep_once, &s[i]);
            test_until(&entered, i + 1);
            test_sleep(2 * MS);
        }
        CHECK_EQ(s[gone].result, VALET_TIMEDOUT);
        atomic_store(other, 1);
        wake(other, 1);
        test_join(t[AGAIN]);
        atomic_store(one, 1);
        wake(one, VALET_FUTEX_ALL);
        for (unsigned i = 0; i <= LATER; i++)
            if (i != gone && i != BEHIND)
                test_join(t[i]);
    }
}

/* A wake is not for the future: one that finds nobody is gone. */
static void test_a_wake_is_not_kept(void)
{
    futex word = 0;
    CHECK_EQ(wake(&word, 0), 0);
    for (int all = 0; all < 2; all++) {
        uint32_t woken = wake(&word, all ? VALET_FUTEX_ALL : 1);
        CHECK(woken == 0 || (woken == VALET_FUTEX_UNKNOWN && !EXACT));
    }
    if (valet_now() != 0 && EXACT)
        CHECK_EQ(wait_on(&word, 0, valet_now() + 2 * MS), VALET_TIMEDOUT);
}

/* ---- a lock ---------------------------------------------------------------------------------- */

enum { FREE, HELD, CONTENDED };
static futex mutex;
static unsigned counter, times; /* counter is plain: the mutex orders it */

static void lock(void)
{
    uint32_t seen = FREE;
    if (atomic_compare_exchange_strong(&mutex, &seen, HELD))
        return;
    while (atomic_exchange(&mutex, CONTENDED) != FREE) {
        int r = wait_on(&mutex, CONTENDED, VALET_FOREVER);
        CHECK(r == VALET_OK || r == VALET_CHANGED);
    }
}

static void unlock(void)
{
    if (atomic_exchange(&mutex, FREE) == CONTENDED)
        wake(&mutex, 1);
}

static void count(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < times; i++) {
        lock();
        counter++;
        if (i % 512 == 0)
            test_yield(); /* with the lock held: the others must wait */
        unlock();
    }
}

static void test_a_mutex_guards_a_counter(void)
{
    struct test_thread *t[8];
    unsigned n = test_least(8, test_threads_max());
    times = test_many(20000, 2000);
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(count, NULL);
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
    CHECK_EQ(counter, n * times);
    CHECK_EQ(mutex, FREE);
}

/* ---- requeue --------------------------------------------------------------------------------- */

static int requeue(futex *from, uint32_t expected, uint32_t count, futex *to, uint32_t moved)
{
    return valet_futex_requeue((uint32_t *)from, expected, count, (uint32_t *)to, moved, 0);
}

static void test_answers_of_a_requeue(void)
{
    static _Alignas(4) uint32_t words[3] = {7, 8, 9};
    uint32_t *odd = (uint32_t *)(void *)((char *)words + 2);
    for (uint32_t n = 0; n < 2; n++) {
        CHECK_EQ(valet_futex_requeue(words, 7, n, words, n, 0), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_requeue(odd, 7, n, words, n, 0), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_requeue(words, 7, n, odd, n, 0), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_requeue(NULL, 7, n, words, n, 0), VALET_ERR_INVALID);
        CHECK_EQ(valet_futex_requeue(words, 7, n, NULL, n, 0), VALET_ERR_INVALID);
    }
    for (unsigned bit = 0; bit < 32; bit++)
        if (1u << bit != VALET_SHARED)
            CHECK_EQ(valet_futex_requeue(words, 7, 1, words + 1, 1, 1u << bit), VALET_ERR_INVALID);
    CHECK_EQ(valet_futex_requeue(words, 7, 0, words + 1, 0, VALET_SHARED),
             valet_features() & VALET_SHARED ? VALET_OK : VALET_ERR_UNSUPPORTED);
    const uint32_t counts[] = {0, 1, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < 5; j++) {
            CHECK_EQ(valet_futex_requeue(words, 7, counts[i], words + 1, counts[j], 0), VALET_OK);
            CHECK_EQ(valet_futex_requeue(words, 8, counts[i], words + 1, counts[j], 0),
                     VALET_CHANGED);
        }
    const uint32_t values[] = {0, 1, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < 5; j++) {
            words[0] = values[i];
            CHECK_EQ(valet_futex_requeue(words, values[j], 1, words + 1, 1, 0),
                     i == j ? VALET_OK : VALET_CHANGED);
            CHECK_EQ(words[0], values[i]);
        }
    CHECK(words[1] == 8 && words[2] == 9);
}

/* The second lies in another queue of core/futex_sema.c, or, so far apart, nearly always in the
 * same: its hash steps by the golden ratio, and 1597 is of Fibonacci's numbers. */
static futex *second_word(const futex *first, unsigned same)
{
    static futex others[1597];
    ptrdiff_t words = (ptrdiff_t)((uintptr_t)first - (uintptr_t)others) / 4;
    return same ? &others[(words % 1597 + 1597) % 1597] : &others[1];
}

/* So many return, the first of them; so many are found on the other word; the rest are where they
 * were. Nothing shows when a thread has fallen asleep, so one good run of several is asked for: a
 * wrong count is never a right one. */
static bool moves(futex *to, uint32_t count, uint32_t moved, uint64_t nap)
{
    uint32_t all = dorm.n, woken = test_least(all, count);
    uint32_t on_other = test_least(all - woken, moved);
    CHECK_EQ(requeue(&dorm.word, 0, count, to, moved), VALET_OK);
    for (unsigned i = 0; i < 300 && atomic_load(&dorm.returned) < woken; i++)
        test_sleep(MS);
    test_sleep(nap);
    bool good = atomic_load(&dorm.returned) == woken;
    CHECK_EQ(requeue(to, 1, VALET_FUTEX_ALL, &dorm.word, VALET_FUTEX_ALL), VALET_CHANGED);
    good &= wake(to, VALET_FUTEX_ALL) == on_other; /* whatever it says: none is left there */
    good &= wake(&dorm.word, VALET_FUTEX_ALL) == all - woken - on_other;
    if (good)
        until_returned(&dorm.returned, all);
    return good;
}

static void test_a_requeue_wakes_so_many_and_moves_so_many(void)
{
    const uint32_t counts[][2] = {{0, 1}, {0, VALET_FUTEX_ALL}, {2, 3},
                                  {1, 0}, {SLEEPERS, 1},        {1, INT32_MAX}};
    if (!EXACT || !(valet_features() & VALET_REQUEUE)) {
        test_write("   who would move is woken, or nobody counts them\n");
        return;
    }
    for (unsigned i = 0; i < 2 * sizeof counts / sizeof *counts; i++) {
        bool good = false;
        for (unsigned tries = 0; tries < 8 && !good; tries++) {
            fill_dorm(tries * MS, test_least(tries, 5));
            good = moves(second_word(&dorm.word, i % 2), counts[i / 2][0], counts[i / 2][1],
                         (1 + tries) * MS);
            empty_dorm();
        }
        CHECK(good);
    }
}

/* Who has moved gives up at its deadline, or for a handler, in the queue where it is by then: the
 * wake there is for the next one. */
static void test_a_moved_waiter_leaves_the_queue_where_it_is(void)
{
    if (!EXACT || !(valet_features() & VALET_REQUEUE) || valet_now() == 0)
        return;
    for (unsigned i = 0; i < 4; i++) {
        static futex word;
        futex *to = second_word(&word, i % 2);
        bool interrupted = i >= 2 && valet_features() & VALET_INTERRUPTIBLE;
        atomic_uint entered = 0, returned = 0, last_returned = 0;
        struct sleeper s[3] = {
            {&word, VALET_FOREVER, -1, 0, &entered, &last_returned},
            {&word, interrupted ? VALET_FOREVER : valet_now() + 30 * MS, -1, 0, &entered,
             &returned},
            {to, VALET_FOREVER, -1, 0, &entered, &last_returned},
        };
        struct test_thread *t[3];
        for (unsigned j = 0; j < 3; j++) {
            t[j] = test_start(interrupted && j == 1 ? sleep_interruptibly : sleep_once, &s[j]);
            test_until(&entered, j + 1);
            test_sleep(2 * MS);
            if (j == 1)
                CHECK_EQ(requeue(&word, 0, 0, to, VALET_FUTEX_ALL), VALET_OK);
        }
        while (interrupted && atomic_load(&returned) == 0) {
            test_interrupt(t[1], NULL, NULL);
            test_sleep(100 * US);
        }
        test_join(t[1]);
        CHECK_EQ(s[1].result, interrupted ? VALET_INTERRUPTED : VALET_TIMEDOUT);
        while (atomic_load(&last_returned) != 2) { /* wherever the first one is */
            CHECK(wake(to, 1) <= 1 && wake(&word, 1) <= 1);
            test_yield();
        }
        test_join(t[0]);
        test_join(t[2]);
    }
}

/* A condition variable of one word: who is told of a change moves to the mutex, or wakes. */
static struct {
    futex sequence;
    unsigned round, waiting, gone; /* the mutex guards them */
    unsigned rounds, threads;
} bell;

static void wait_for_bell(void)
{
    uint32_t seen = atomic_load(&bell.sequence);
    unlock();
    CHECK(wait_on(&bell.sequence, seen, VALET_FOREVER) >= 0);
    while (atomic_exchange(&mutex, CONTENDED) != FREE)
        CHECK(wait_on(&mutex, CONTENDED, VALET_FOREVER) >= 0);
}

static void ring(void)
{
    atomic_store(&mutex, CONTENDED); /* held: those that move are to be woken by its unlock */
    uint32_t next = atomic_fetch_add(&bell.sequence, 1) + 1;
    CHECK_EQ(requeue(&bell.sequence, next, 1, &mutex, VALET_FUTEX_ALL), VALET_OK);
}

static void meet(void *unused)
{
    (void)unused;
    for (unsigned i = 1; i <= bell.rounds; i++) {
        lock();
        if (++bell.waiting == bell.threads) {
            bell.waiting = 0;
            bell.round = i;
            ring();
        }
        while (bell.round < i)
            wait_for_bell();
        if (i % 16 == 0)
            test_yield();
        unlock();
    }
    lock();
    bell.gone++;
    unlock();
}

static void test_a_condition_variable_requeues(void)
{
    struct test_thread *t[6];
    bell.threads = test_least(6, test_threads_max());
    bell.rounds = test_many(2000, 200);
    for (unsigned i = 0; i < bell.threads; i++)
        t[i] = test_start(meet, NULL);
    for (unsigned i = 0; i < bell.threads; i++)
        test_join(t[i]);
    CHECK_EQ(bell.gone, bell.threads);
    CHECK_EQ(mutex, FREE);
}

/* ---- a lock that forgets --------------------------------------------------------------------- */

/*
 * One whose unlock wakes while a bit says that somebody may sleep, and clears the bit when a wake
 * has found nobody: Boost.Atomic's. The upper bits count the unlocks, so whoever is about to sleep
 * sees that it is too late. Were a wake to say "nobody" of a thread that sleeps, it would sleep on.
 */
enum { LOCKED = 1, CONTENDED_BIT = 2, UNLOCK = 4 };
static struct {
    futex word;
    unsigned counter, rounds; /* counter is plain */
    atomic_uint wakes, misses, left;
} forgetful;

static void lock_forgetful(void)
{
    uint32_t seen = atomic_load(&forgetful.word);
    for (;;) {
        if (!(seen & LOCKED)) {
            if (atomic_compare_exchange_weak(&forgetful.word, &seen, seen | LOCKED))
                return;
        } else if (atomic_compare_exchange_weak(&forgetful.word, &seen, seen | CONTENDED_BIT)) {
            CHECK(wait_on(&forgetful.word, seen | CONTENDED_BIT, VALET_FOREVER) >= 0);
            seen = atomic_load(&forgetful.word);
        }
    }
}

static void unlock_forgetful(void)
{
    uint32_t seen = atomic_load(&forgetful.word), next;
    do
        next = (seen & ~(uint32_t)LOCKED) + UNLOCK;
    while (!atomic_compare_exchange_weak(&forgetful.word, &seen, next));
    if (!(seen & CONTENDED_BIT))
        return;
    atomic_fetch_add(&forgetful.wakes, 1);
    if (wake(&forgetful.word, 1) == 0) {
        atomic_fetch_add(&forgetful.misses, 1);
        atomic_compare_exchange_strong(&forgetful.word, &next, next & ~(uint32_t)CONTENDED_BIT);
    }
}

static void count_forgetful(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < forgetful.rounds; i++) {
        lock_forgetful();
        forgetful.counter++;
        if (i % 64 == 0)
            test_yield();
        unlock_forgetful();
    }
    atomic_fetch_add(&forgetful.left, 1);
}

static void test_a_lock_forgets_its_waiters(void)
{
    struct test_thread *t[4];
    unsigned n = test_least(4, test_threads_max());
    forgetful.rounds = test_many(20000, 1000);
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(count_forgetful, NULL);
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
    CHECK_EQ(forgetful.counter, n * forgetful.rounds);
    test_report("wakes", atomic_load(&forgetful.wakes), "");
    test_report("... that found nobody", atomic_load(&forgetful.misses), "");
    unsigned wakes = atomic_load(&forgetful.wakes);
    for (int i = 0; i < 100; i++) { /* alone: one wake at most, where the system tells */
        lock_forgetful();
        unlock_forgetful();
    }
    CHECK(!EXACT || atomic_load(&forgetful.wakes) - wakes <= 1);
}

TEST_PROGRAM(TEST(test_invalid_words), TEST(test_a_word_that_is_not_as_expected_is_changed),
             TEST(test_a_wait_with_flags), TEST(test_a_wait_that_may_be_cancelled),
             TEST(test_timeouts), TEST(test_a_timeout_beyond_the_clock_is_none),
             TEST(test_deadlines), TEST(test_far_deadlines_do_not_end),
             TEST(test_interrupts_do_not_end_a_wait_early_with_a_timeout),
             TEST(test_an_unmapped_word_is_an_error_and_no_fault), TEST(test_a_count_wakes_so_many),
             TEST(test_a_count_above_int32_max_is_all), TEST(test_first_in_first_out),
             TEST(test_a_timed_out_waiter_leaves_the_queue), TEST(test_a_timeout_uses_up_no_wake),
             TEST(test_words_do_not_disturb_each_other),
             TEST(test_who_waits_behind_a_row_of_others_is_woken), TEST(test_a_wake_is_not_kept),
             TEST(test_a_mutex_guards_a_counter), TEST(test_answers_of_a_requeue),
             TEST(test_a_requeue_wakes_so_many_and_moves_so_many),
             TEST(test_a_moved_waiter_leaves_the_queue_where_it_is),
             TEST(test_a_condition_variable_requeues), TEST(test_a_lock_forgets_its_waiters));
