/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waiters: each sentence of their contract in valet.h. */
#include "load.h"
#include "test.h"

#define MANY 4096

/* A wait on a thread of its own. */
struct wait {
    struct valet_waiters *w;
    unsigned expected;
    uint64_t deadline;
    int result;
    atomic_uint *returned; /* counts those that have */
    atomic_bool done;
};

static void run_wait(void *argument)
{
    struct wait *c = argument;
    c->result = c->deadline == VALET_FOREVER
                    ? valet_compare_and_wait(c->w, c->expected)
                    : valet_compare_and_wait_until(c->w, c->expected, c->deadline);
    atomic_fetch_add(c->returned, 1);
    atomic_store(&c->done, true);
}

typedef void store(struct valet_waiters *w, unsigned state);

/* Start a wait and see it go on record. On futex kinds the word only says "somebody". */
static struct test_thread *start_waiting(struct wait *c)
{
    uintptr_t before = test_word(&c->w->word);
    struct test_thread *t = test_start(run_wait, c);
    if (VALET_TEST_FUTEX_KIND)
        test_until_waited(c->w);
    else
        while (test_word(&c->w->word) == before && !atomic_load(&c->done)) /* came, and timed out */
            test_yield();
    return t;
}

/* Whether the system under test keeps waiters asleep until it is told. A bare CPU looks all the
 * time. */
#ifdef VALET_TEST_OS_bare
#define SLEEPS false
#else
#define SLEEPS true
#endif

/* ---- the state ------------------------------------------------------------------------------- */

static void test_state_is_what_was_stored(void)
{
    static struct valet_waiters zero;
    CHECK_EQ(valet_waiters_state(&zero), 0);
    for (unsigned s = 0; s <= VALET_STATE_MAX; s++) {
        struct valet_waiters w = VALET_WAITERS_INIT(s);
        CHECK_EQ(valet_waiters_state(&w), s);
        for (unsigned to = 0; to <= VALET_STATE_MAX; to++) {
            valet_store_and_wake(&w, to);
            CHECK_EQ(valet_waiters_state(&w), to);
        }
        struct valet_waiters moved = w;
        CHECK_EQ(valet_waiters_state(&moved), VALET_STATE_MAX);
        struct valet_waiters begun = {UINTPTR_MAX}, first = VALET_WAITERS_INIT(s);
        valet_waiters_init(&begun, s);
        CHECK_EQ(begun.word, first.word);
    }
}

static void test_exchange_changes_what_it_expects_and_reports_the_rest(void)
{
    for (unsigned s = 0; s <= VALET_STATE_MAX; s++)
        for (unsigned expected = 0; expected <= VALET_STATE_MAX; expected++)
            for (unsigned to = 0; to <= VALET_STATE_MAX; to += 5) {
                struct valet_waiters w = VALET_WAITERS_INIT(s);
                unsigned e = expected;
                bool done = valet_waiters_compare_exchange(&w, &e, to);
                CHECK_EQ(done, s == expected);
                CHECK_EQ(e, done ? expected : s);
                CHECK_EQ(valet_waiters_state(&w), done ? to : s);
            }
}

static const unsigned out_of_range[] = {VALET_STATE_MAX + 1, 33, 63, 64, 1u << 31, UINT32_MAX};

static void test_a_state_out_of_range_never_matches(void)
{
    for (unsigned s = 0; s <= VALET_STATE_MAX; s++)
        for (unsigned i = 0; i < sizeof out_of_range / sizeof *out_of_range; i++) {
            struct valet_waiters w = VALET_WAITERS_INIT(s);
            unsigned e = out_of_range[i];
            CHECK(!valet_waiters_compare_exchange(&w, &e, (s + 1) & VALET_STATE_MAX));
            CHECK_EQ(e, s);
            e = s | (VALET_STATE_MAX + 1);
            CHECK(!valet_waiters_compare_exchange(&w, &e, (s + 1) & VALET_STATE_MAX));
            CHECK_EQ(valet_waiters_state(&w), s);
            CHECK_EQ(valet_compare_and_wait(&w, out_of_range[i]), VALET_ERR_INVALID);
            CHECK_EQ(valet_compare_and_wait_until(&w, out_of_range[i], 0), VALET_ERR_INVALID);
            CHECK_EQ(valet_compare_and_wait_until(&w, out_of_range[i], VALET_FOREVER),
                     VALET_ERR_INVALID);
            CHECK_EQ(test_word(&w.word), s);
        }
}

/* w is in state s. */
static void check_that_a_difference_beats_every_deadline(struct valet_waiters *w, unsigned s)
{
    uint64_t now = valet_now();
    const uint64_t deadlines[] = {0, 1, now, now + S, VALET_FOREVER};
    for (unsigned expected = 0; expected <= VALET_STATE_MAX; expected++) {
        if (expected == s)
            continue;
        CHECK_EQ(valet_compare_and_wait(w, expected), VALET_OK);
        for (unsigned i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
            CHECK_EQ(valet_compare_and_wait_until(w, expected, deadlines[i]), VALET_OK);
    }
}

static void test_a_difference_beats_every_deadline(void)
{
    for (unsigned s = 0; s <= VALET_STATE_MAX; s++) {
        struct valet_waiters w = VALET_WAITERS_INIT(s);
        check_that_a_difference_beats_every_deadline(&w, s);
        CHECK_EQ(test_word(&w.word), s);
    }
}

/* Then the word is more than its state, and is looked at elsewhere. */
static void test_a_difference_with_another_on_record(void)
{
    for (unsigned s = 1; s <= VALET_STATE_MAX; s++) {
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        struct wait c = {&w, 0, VALET_FOREVER, -1, &returned, false};
        struct test_thread *t = start_waiting(&c);
        test_until_waited(&w);
        unsigned e = 0;
        CHECK(valet_waiters_compare_exchange(&w, &e, s)); /* keeps the record */
        check_that_a_difference_beats_every_deadline(&w, s);
        valet_store_and_wake(&w, s);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
        CHECK_EQ(test_word(&w.word), s);
    }
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void test_deadlines(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    uint64_t now = valet_now();
    CHECK_EQ(valet_compare_and_wait_until(&w, 3, 0), VALET_TIMEDOUT);
    CHECK_EQ(test_word(&w.word), 3); /* not even on record */
    if (now == 0) {
        test_write(
            "   no clock here: timed calls are unsupported, and tests of them end at once\n");
        CHECK_EQ(valet_compare_and_wait_until(&w, 3, 1 * MS), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_compare_and_wait_until(&w, 3, VALET_FOREVER - 1), VALET_ERR_UNSUPPORTED);
        return;
    }
    CHECK_EQ(valet_compare_and_wait_until(&w, 3, 1), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_until(&w, 3, now - 1), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_until(&w, 3, now), VALET_TIMEDOUT);

    uint32_t random = 815;
    unsigned rounds = test_many(400, 100), done = 0;
    for (uint64_t end = test_end(2 * S); done < 10 || (done < rounds && test_before(end)); done++) {
        uint64_t deadline =
            valet_now() + test_random(&random) % (done % 8 == 0 ? 2 * MS : 100 * US);
        CHECK_EQ(valet_compare_and_wait_until(&w, 3, deadline), VALET_TIMEDOUT);
        CHECK(valet_now() >= deadline);
    }
    CHECK_EQ(valet_waiters_state(&w), 3);
}

static void test_far_deadlines_do_not_end(void)
{
    uint64_t now = valet_now();
    const uint64_t far[] = {
        VALET_FOREVER,       VALET_FOREVER - 1,           INT64_MAX,
        UINT32_MAX * S,      now + 86400 * S * 1000,      (uint64_t)INT64_MAX + 1,
        INT32_MAX * S + now, UINT32_MAX * US * 1001 + now};
    for (unsigned i = 0; i < (now != 0 ? 8 : 1); i++) {
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        struct wait c = {&w, 0, far[i], -1, &returned, false};
        struct test_thread *t = start_waiting(&c);
        test_sleep(5 * MS);
        CHECK_EQ(atomic_load(&returned), 0);
        valet_store_and_wake(&w, 1);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
    }
}

/* One of three waiters times out: the one that came first, second or third. The others stay. */
static void test_a_timed_out_waiter_disturbs_no_other(void)
{
    for (unsigned timed = 0; timed < 3 && valet_now() != 0; timed++) {
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        struct wait c[3];
        struct test_thread *t[3];
        for (unsigned i = 0; i < 3; i++) {
            uint64_t deadline = i == timed ? valet_now() + 20 * MS : VALET_FOREVER;
            c[i] = (struct wait){&w, 0, deadline, -1, &returned, false};
            t[i] = start_waiting(&c[i]);
        }
        test_join(t[timed]);
        CHECK_EQ(c[timed].result, VALET_TIMEDOUT);
        CHECK(valet_now() >= c[timed].deadline);
        test_sleep(5 * MS);
        CHECK_EQ(atomic_load(&returned), 1);
        valet_store_and_wake(&w, 1);
        for (unsigned i = 0; i < 3; i++)
            if (i != timed) {
                test_join(t[i]);
                CHECK_EQ(c[i].result, VALET_OK);
            }
        CHECK_EQ(test_word(&w.word), 1); /* and nobody is on record */
    }
}

/* The same in a crowd: every second waiter has a deadline, all close together. */
static void test_a_crowd_that_times_out_leaves_the_rest(void)
{
    enum { CROWD = 64 };
    if (valet_now() == 0)
        return;
    for (unsigned round = 0; round < test_many(20, 4); round++) {
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        static struct wait c[CROWD];
        static struct test_thread *t[CROWD];
        unsigned n = test_least(CROWD, test_threads_max()), timedout = 0;
        uint32_t random = round + 1;
        for (unsigned i = 0; i < n; i++) {
            uint64_t deadline =
                i % 2 ? valet_now() + 2 * MS + test_random(&random) % (500 * US) : VALET_FOREVER;
            c[i] = (struct wait){&w, 0, deadline, -1, &returned, false};
            t[i] = test_start(run_wait, &c[i]);
        }
        test_until(&returned, n / 2);
        valet_store_and_wake(&w, 1);
        for (unsigned i = 0; i < n; i++) {
            test_join(t[i]);
            CHECK_EQ(c[i].result, i % 2 ? VALET_TIMEDOUT : VALET_OK);
            timedout += c[i].result == VALET_TIMEDOUT;
        }
        CHECK_EQ(timedout, n / 2);
    }
}

/* ---- waking ---------------------------------------------------------------------------------- */

static void one_call_wakes_all(store *store, unsigned most_threads)
{
    static struct wait c[MANY];
    static struct test_thread *t[MANY];
    struct valet_waiters w = VALET_WAITERS_INIT(7);
    atomic_uint returned = 0;
    unsigned n = 0, most = test_least(most_threads, test_threads_max());
    for (uint64_t end = test_end(10 * S); n < most && (n < 64 || test_before(end)); n++) {
        c[n] = (struct wait){&w, 7, VALET_FOREVER, -1, &returned, false};
        t[n] = test_start(run_wait, &c[n]);
    }
    test_until_waited(&w);
    test_sleep(50 * MS);
    CHECK_EQ(atomic_load(&returned), 0);
    store(&w, 8);
    for (unsigned i = 0; i < n; i++) {
        test_join(t[i]);
        CHECK_EQ(c[i].result, VALET_OK);
    }
    test_report("woken by one call", n, "threads");
    CHECK_EQ(test_word(&w.word), 8);
}

static void test_one_call_wakes_all(void)
{
    one_call_wakes_all(valet_store_and_wake, MANY);
}

static void test_one_delegate_wakes_all(void)
{
    one_call_wakes_all(valet_store_and_delegate, MANY);
    for (unsigned n = 1; n <= 64; n *= 2)
        one_call_wakes_all(valet_store_and_delegate, n);
}

/* The thread that the first wakes waits again, and nobody is left to the record. */
static void test_a_delegate_of_the_same_state_leaves_nobody_asleep(void)
{
    for (unsigned n = 1; n <= test_least(3, test_threads_max()); n++) {
        struct wait c[3];
        struct test_thread *t[3];
        struct valet_waiters w = VALET_WAITERS_INIT(7);
        atomic_uint returned = 0;
        for (unsigned i = 0; i < n; i++) {
            c[i] = (struct wait){&w, 7, VALET_FOREVER, -1, &returned, false};
            t[i] = test_start(run_wait, &c[i]);
        }
        test_until_waited(&w);
        test_sleep(10 * MS);
        valet_store_and_delegate(&w, 7);
        valet_store_and_delegate(&w, 8);
        for (unsigned i = 0; i < n; i++) {
            test_join(t[i]);
            CHECK_EQ(c[i].result, VALET_OK);
        }
    }
}

/* Deadlines at the time of the store: whoever is woken for all may be the one whose deadline comes.
 */
static void test_a_delegate_that_times_out_leaves_nobody_asleep(void)
{
    struct wait c[4];
    struct test_thread *t[4];
    unsigned n = test_least(4, test_threads_max());
    for (unsigned round = 0; round < test_many(500, 20); round++) {
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        for (unsigned i = 0; i < n; i++) {
            uint64_t deadline =
                i % 2 ? VALET_FOREVER : valet_now() + 150 * US + round % 16 * 10 * US;
            c[i] = (struct wait){&w, 0, deadline, -1, &returned, false};
            t[i] = test_start(run_wait, &c[i]);
        }
        test_sleep(200 * US);
        valet_store_and_delegate(&w, 1);
        for (unsigned i = 0; i < n; i++) {
            test_join(t[i]);
            CHECK(c[i].result == VALET_OK || (i % 2 == 0 && c[i].result == VALET_TIMEDOUT));
        }
        CHECK_EQ(valet_waiters_state(&w), 1);
    }
}

/* Who only looks makes no system call, and so leaves the rest to whoever was woken. */
static void test_trying_leaves_the_rest_alone(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    CHECK_EQ(valet_compare_and_wait_until(&w, 0, valet_now()), VALET_TIMEDOUT);
    valet_store_and_delegate(&w, 1);
    uintptr_t word = test_word(&w.word);
    CHECK_EQ(valet_compare_and_wait_until(&w, 1, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_until(&w, 0, 0), VALET_OK);
    CHECK_EQ(test_word(&w.word), word);
    CHECK_EQ(valet_compare_and_wait_until(&w, 1, valet_now()), VALET_TIMEDOUT);
    valet_store_and_delegate(&w, 2);
    valet_store_and_wake(&w, 3);
    CHECK_EQ(test_word(&w.word), 3);
}

static void test_interrupts_do_not_end_a_wait(void)
{
    for (int timed = 0; timed < 2; timed++) {
        if (timed && valet_now() == 0)
            continue;
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        struct wait c = {&w, 0,         timed ? valet_now() + 3600 * S : VALET_FOREVER,
                         -1, &returned, false};
        struct test_thread *t = start_waiting(&c);
        CHECK(test_storm(t, &c.done, test_many(200, 50)));
        CHECK_EQ(atomic_load(&returned), 0);
        valet_store_and_wake(&w, 1);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
    }
}

static void test_interrupts_do_not_move_a_deadline(void)
{
    if (valet_now() == 0)
        return;
    bool interrupted = false;
    /* Longer where the machine was too busy for a handler to run meanwhile. */
    for (uint64_t timeout = 30 * MS; !interrupted; timeout *= 2) {
        CHECK(timeout < 60 * S);
        struct valet_waiters w = VALET_WAITERS_INIT(0);
        atomic_uint returned = 0;
        struct wait c = {&w, 0, valet_now() + timeout, -1, &returned, false};
        struct test_thread *t = test_start(run_wait, &c);
        interrupted = test_storm(t, &c.done, UINT32_MAX); /* until it is over */
        test_join(t);
        CHECK_EQ(c.result, VALET_TIMEDOUT);
        CHECK(valet_now() >= c.deadline);
    }
}

/*
 * Sleepers on 0 stay on record over any number of exchanges; what wakes them is store_and_wake. If
 * that brings 0 back, they have seen nothing and register again. Returns whether the exchanges left
 * all asleep: on futex kinds nothing shows that a thread has come from "on record" to "asleep", and
 * one that has not looks again, and rightly returns.
 */
static bool exchange_before_sleepers(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    atomic_uint returned = 0;
    unsigned n = test_least(8, test_threads_max()), e;
    struct wait c[8];
    struct test_thread *t[8];
    for (unsigned i = 0; i < n; i++) {
        c[i] = (struct wait){&w, 0, VALET_FOREVER, -1, &returned, false};
        t[i] = start_waiting(&c[i]);
    }
    test_sleep(20 * MS);
    bool asleep = true;
    if (SLEEPS) {
        for (unsigned to = 1; to <= 5; to++) {
            e = to - 1;
            CHECK(valet_waiters_compare_exchange(&w, &e, to));
            CHECK(test_word(&w.word) >> VALET_STATE_BITS != 0);
            CHECK_EQ(valet_waiters_state(&w), to);
        }
        test_sleep(5 * MS);
        asleep = atomic_load(&returned) == 0;
        valet_store_and_wake(&w, 0); /* nothing that anybody waits for */
        if (asleep) {
            test_until_waited(&w); /* so they come back */
            test_sleep(5 * MS);
            asleep = atomic_load(&returned) == 0; /* else one was on its way out before */
        }
    }
    e = 0;
    CHECK(valet_waiters_compare_exchange(&w, &e, 9));
    valet_store_and_wake(&w, 9); /* the state they have all missed */
    for (unsigned i = 0; i < n; i++) {
        test_join(t[i]);
        CHECK_EQ(c[i].result, VALET_OK);
    }
    return asleep;
}

static void test_exchange_wakes_nobody_and_keeps_the_record(void)
{
    unsigned tries = 1;
    while (!exchange_before_sleepers())
        CHECK(tries++ < 5);
}

/* A wake tells the sleepers of an exchange; without a change they sleep on, and on record. */
static void test_a_wake_tells_of_an_exchange(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    valet_waiters_wake(&w); /* nobody */
    CHECK_EQ(test_word(&w.word), 0);
    unsigned rounds = test_many(20, 4), n = test_least(8, test_threads_max());
    for (unsigned round = 0; round < rounds; round++) {
        atomic_uint returned = 0;
        struct wait c[8];
        struct test_thread *t[8];
        unsigned e = round % 32, to = (round + 1) % 32;
        for (unsigned i = 0; i < n; i++) {
            c[i] = (struct wait){&w, e, VALET_FOREVER, -1, &returned, false};
            t[i] = start_waiting(&c[i]);
        }
        test_sleep(MS);
        valet_waiters_wake(&w);
        CHECK_EQ(valet_waiters_state(&w), e);
        test_until_waited(&w); /* they come back */
        test_sleep(MS);
        CHECK_EQ(atomic_load(&returned), 0);
        CHECK(valet_waiters_compare_exchange(&w, &e, to));
        valet_waiters_wake(&w);
        CHECK_EQ(valet_waiters_state(&w), to);
        for (unsigned i = 0; i < n; i++) {
            test_join(t[i]);
            CHECK_EQ(c[i].result, VALET_OK);
        }
    }
}

/* ---- flags ----------------------------------------------------------------------------------- */

static void run_wait_with(void *argument)
{
    struct wait *c = argument;
    c->result = valet_compare_and_wait_with(c->w, c->expected, c->deadline, VALET_INTERRUPTIBLE);
    atomic_fetch_add(c->returned, 1);
    atomic_store(&c->done, true);
}

static void test_a_wait_with_flags(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned flag = 1u << bit;
        if (!(flag & (VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL)))
            CHECK_EQ(valet_compare_and_wait_with(&w, 4, 0, flag), VALET_ERR_INVALID);
    }
    CHECK_EQ(valet_compare_and_wait_with(&w, 4, VALET_FOREVER, VALET_NO_POLL), VALET_OK);
    CHECK_EQ(valet_compare_and_wait_with(&w, 3, 0, VALET_NO_POLL), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_with(&w, 32, 0, VALET_NO_POLL), VALET_ERR_INVALID);
    if (valet_now() != 0) {
        uint64_t deadline = valet_now() + 300 * US;
        CHECK_EQ(valet_compare_and_wait_with(&w, 3, deadline, VALET_NO_POLL), VALET_TIMEDOUT);
        CHECK(valet_now() >= deadline);
    }
    if (!(valet_features() & VALET_INTERRUPTIBLE)) {
        CHECK_EQ(valet_compare_and_wait_with(&w, 4, 0, VALET_INTERRUPTIBLE), VALET_ERR_UNSUPPORTED);
        return;
    }
    /* One of two is interrupted; the other waits on, until the state is another. */
    for (unsigned round = 0; round < test_many(50, 10); round++) {
        atomic_uint returned = 0;
        struct wait c[2];
        valet_store_and_wake(&w, 3);
        for (unsigned i = 0; i < 2; i++)
            c[i] = (struct wait){&w, 3, VALET_FOREVER, -1, &returned, false};
        struct test_thread *stays = start_waiting(&c[0]);
        struct test_thread *leaves = test_start(run_wait_with, &c[1]);
        do {
            test_interrupt(leaves, NULL, NULL);
            test_interrupt(stays, NULL, NULL);
            test_sleep(20 * US);
        } while (!atomic_load(&c[1].done));
        test_join(leaves);
        CHECK_EQ(c[1].result, VALET_INTERRUPTED);
        CHECK(!atomic_load(&c[0].done));
        valet_store_and_wake(&w, 5);
        test_join(stays);
        CHECK_EQ(c[0].result, VALET_OK);
    }
}

/* ---- many waiters, many wakers --------------------------------------------------------------- */

#define STOP 31u

static struct {
    struct valet_waiters w;
    atomic_uint wakes, left;
    unsigned wakers_rounds;
    atomic_uint round, go, seen;
} crowd;

static void wait_until_stopped(void *unused)
{
    (void)unused;
    unsigned wakes = 0;
    for (unsigned s; (s = valet_waiters_state(&crowd.w)) != STOP; wakes++)
        CHECK_EQ(valet_compare_and_wait(&crowd.w, s), VALET_OK);
    atomic_fetch_add(&crowd.wakes, wakes);
    atomic_fetch_add(&crowd.left, 1);
}

static void wake_at_random(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed;
    for (unsigned i = 0; i < crowd.wakers_rounds; i++) {
        unsigned e = test_random(&random) % STOP;
        if (e % 4 == 0)
            (void)!valet_waiters_compare_exchange(&crowd.w, &e, test_random(&random) % STOP);
        if (e % 8 == 0)
            valet_waiters_wake(&crowd.w);
        else if (e % 4 != 0)
            valet_store_and_wake(&crowd.w, e);
        if (i % 16 == 0)
            test_yield();
    }
    atomic_fetch_add(&crowd.left, 1);
}

/* States come and go faster than they are seen; after the last one nobody sleeps. */
static void test_cycling_states_leave_nobody_asleep(void)
{
    enum { THREADS = 64 };
    struct test_thread *t[THREADS];
    unsigned n = test_least(THREADS, test_threads_max());
    unsigned wakers = n >= 32 ? 4 : 1;
    for (unsigned repeat = 0; repeat < test_many(10, 2); repeat++) {
        crowd.w = (struct valet_waiters)VALET_WAITERS_INIT(0);
        atomic_store(&crowd.left, 0);
        crowd.wakers_rounds = test_many(200, 100);
        for (unsigned i = 0; i < n; i++)
            t[i] = i < wakers
                       ? test_start(wake_at_random, (void *)(uintptr_t)(i + 1 + 100 * repeat))
                       : test_start(wait_until_stopped, NULL);
        test_until(&crowd.left, wakers);
        valet_store_and_wake(&crowd.w, STOP);
        for (unsigned i = 0; i < n; i++)
            test_join(t[i]);
    }
    test_report("times a waiter saw a new state", atomic_load(&crowd.wakes), "");
}

/* Any store that differs from what a waiter expects wakes it, in whatever order concurrent stores
 * come: when all have returned, nobody sleeps on 0, and no further call helps. */
static void wait_for_rounds(void *unused)
{
    (void)unused;
    for (unsigned round = 1; round <= crowd.wakers_rounds; round++) {
        while (atomic_load(&crowd.round) != round)
            test_yield();
        CHECK_EQ(valet_compare_and_wait(&crowd.w, 0), VALET_OK);
        atomic_fetch_add(&crowd.seen, 1);
    }
}

static void wake_for_rounds(void *state)
{
    for (unsigned round = 1; round <= crowd.wakers_rounds; round++) {
        while (atomic_load(&crowd.go) != round)
            test_yield();
        valet_store_and_wake(&crowd.w, (unsigned)(uintptr_t)state);
        atomic_fetch_add(&crowd.left, 1);
    }
}

static void test_concurrent_wakers_leave_nobody_asleep(void)
{
    unsigned waiters = test_least(6, test_threads_max() - 1);
    unsigned wakers = test_least(4, test_threads_max() - waiters);
    struct test_thread *t[10];
    crowd.w = (struct valet_waiters)VALET_WAITERS_INIT(0);
    atomic_store(&crowd.round, 0);
    atomic_store(&crowd.go, 0);
    atomic_store(&crowd.seen, 0);
    atomic_store(&crowd.left, 0);
    crowd.wakers_rounds = test_many(500, 24);
    for (unsigned i = 0; i < waiters + wakers; i++)
        t[i] = i < waiters ? test_start(wait_for_rounds, NULL)
                           : test_start(wake_for_rounds, (void *)(uintptr_t)(i - waiters + 1));
    for (unsigned round = 1; round <= crowd.wakers_rounds; round++) {
        atomic_store(&crowd.round, round);
        if (round % 2)
            test_until_waited(&crowd.w);
        atomic_store(&crowd.go, round);
        (round / 2 % 2 ? valet_store_and_delegate : valet_store_and_wake)(&crowd.w, 30);
        test_until(&crowd.left, wakers * round);
        test_until(&crowd.seen, waiters * round);
        valet_store_and_wake(&crowd.w, 0);
    }
    for (unsigned i = 0; i < waiters + wakers; i++)
        test_join(t[i]);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Plain data, written before a state is stored or exchanged, and read after it was seen. */
static struct {
    struct valet_waiters w;
    unsigned data, rounds;
    atomic_uint read;
} page;

static void check_data(unsigned round)
{
    CHECK_EQ(page.data, round);
    atomic_fetch_add(&page.read, 1);
}

static void read_by_waiting(void *unused)
{
    (void)unused;
    for (unsigned round = 1; round <= page.rounds; round++) {
        unsigned last = (round - 1) % 32;
        CHECK_EQ(valet_compare_and_wait(&page.w, last), VALET_OK);
        check_data(round);
    }
}

static void read_by_looking(void *failing_exchange)
{
    for (unsigned round = 1; round <= page.rounds; round++) {
        unsigned last = (round - 1) % 32, seen;
        do {
            test_yield();
            seen = (last + 16) % 32; /* the state of no round near this one */
            if (failing_exchange)
                CHECK(!valet_waiters_compare_exchange(&page.w, &seen, 0));
            else
                seen = valet_waiters_state(&page.w);
        } while (seen == last);
        check_data(round);
    }
}

static void test_data_written_before_a_state_is_visible_with_it(void)
{
    struct test_thread *t[3];
    page.rounds = test_many(2000, 32); /* each state once */
    for (int by_exchange = 0; by_exchange < 2; by_exchange++) {
        page.w = (struct valet_waiters)VALET_WAITERS_INIT(0);
        atomic_store(&page.read, 0);
        t[0] = test_start(read_by_waiting, NULL);
        t[1] = test_start(read_by_looking, NULL);
        t[2] = test_start(read_by_looking, &page);
        for (unsigned round = 1; round <= page.rounds; round++) {
            page.data = round;
            if (by_exchange) {
                unsigned e = (round - 1) % 32;
                CHECK(valet_waiters_compare_exchange(&page.w, &e, round % 32));
                /* those who look see it by this alone */
                while (atomic_load(&page.read) < 3 * (round - 1) + 2)
                    test_yield();
            }
            valet_store_and_wake(&page.w, round % 32);
            test_until(&page.read, 3 * round); /* so their reads come before our next write */
        }
        for (int i = 0; i < 3; i++)
            test_join(t[i]);
    }
}

/* The same, and nothing left to chance: in odd rounds the store comes when the reader is on record,
 * in even ones the reader comes when the state is there, told of it by what orders nothing. */
static struct {
    struct valet_waiters w;
    unsigned data, rounds;
    atomic_uint told, read;
} one;

static void read_on_record_and_late(void *unused)
{
    (void)unused;
    for (unsigned round = 1; round <= one.rounds; round++) {
        while (round % 2 == 0 && atomic_load_explicit(&one.told, memory_order_relaxed) != round)
            test_yield();
        CHECK_EQ(valet_compare_and_wait(&one.w, (round - 1) % 32), VALET_OK);
        CHECK_EQ(one.data, round);
        atomic_fetch_add(&one.read, 1);
    }
}

static void test_data_is_visible_to_who_waits_and_to_who_need_not(void)
{
    one.rounds = test_many(500, 50);
    struct test_thread *t = test_start(read_on_record_and_late, NULL);
    for (unsigned round = 1; round <= one.rounds; round++) {
        one.data = round;
        if (round % 2 != 0)
            test_until_waited(&one.w);
        valet_store_and_wake(&one.w, round % 32);
        atomic_store_explicit(&one.told, round, memory_order_relaxed);
        test_until(&one.read, round); /* so its read comes before our next write */
    }
    test_join(t);
}

/* ---- a once-cell ----------------------------------------------------------------------------- */

enum { NEW, RUNNING, DONE };
static struct {
    struct valet_waiters w;
    unsigned value; /* plain */
    atomic_uint ran, left;
    atomic_uint round;
    unsigned rounds;
} once;

static void call_once(void)
{
    unsigned e = NEW;
    if (valet_waiters_compare_exchange(&once.w, &e, RUNNING)) {
        once.value++;
        test_yield(); /* let the others come and wait */
        atomic_fetch_add(&once.ran, 1);
        valet_store_and_wake(&once.w, DONE);
    } else if (e == RUNNING) {
        CHECK_EQ(valet_compare_and_wait(&once.w, RUNNING), VALET_OK);
    }
    CHECK_EQ(valet_waiters_state(&once.w), DONE);
}

static void call_once_a_round(void *unused)
{
    (void)unused;
    for (unsigned round = 1; round <= once.rounds; round++) {
        while (atomic_load(&once.round) != round)
            test_yield();
        call_once();
        CHECK_EQ(once.value, round);
        atomic_fetch_add(&once.left, 1);
    }
}

static void test_a_once_cell_runs_once(void)
{
    struct test_thread *t[8];
    unsigned n = test_least(8, test_threads_max());
    once.rounds = test_many(500, 24);
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(call_once_a_round, NULL);
    for (unsigned round = 1; round <= once.rounds; round++) {
        once.w = (struct valet_waiters)VALET_WAITERS_INIT(NEW);
        atomic_store(&once.round, round);
        test_until(&once.left, n * round);
        CHECK_EQ(atomic_load(&once.ran), round);
    }
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
}

/* ---- the end of a word ----------------------------------------------------------------------- */

static struct {
    _Atomic(struct valet_waiters *) w;
    atomic_uint round, left;
    unsigned rounds, waiters;
} mortal;

static void wait_and_unmap(void *unused)
{
    (void)unused;
    for (unsigned round = 1; round <= mortal.rounds; round++) {
        while (atomic_load(&mortal.round) != round)
            test_yield();
        struct valet_waiters *w = atomic_load(&mortal.w);
        CHECK_EQ(valet_compare_and_wait(w, 0), VALET_OK);
        if (atomic_fetch_add(&mortal.left, 1) == mortal.waiters * round - 1)
            test_unmap(w); /* the last one, while the waker is still in its call */
    }
}

static void test_the_last_woken_waiter_may_free_the_word(void)
{
    struct test_thread *t[3];
    mortal.rounds = test_many(2000, 16);
    for (unsigned waiters = 1; waiters <= 3; waiters += 2) {
        mortal.waiters = waiters;
        atomic_store(&mortal.left, 0);
        atomic_store(&mortal.round, 0);
        for (unsigned i = 0; i < waiters; i++)
            t[i] = test_start(wait_and_unmap, NULL);
        for (unsigned round = 1; round <= mortal.rounds; round++) {
            struct valet_waiters *w = test_map();
            atomic_store(&mortal.w, w);
            atomic_store(&mortal.round, round);
            if (round % 2)
                test_until_waited(w);
            (round / 2 % 2 ? valet_store_and_delegate : valet_store_and_wake)(w, 1);
            test_until(&mortal.left, waiters * round);
        }
        for (unsigned i = 0; i < waiters; i++)
            test_join(t[i]);
    }
}

TEST_PROGRAM(TEST(test_state_is_what_was_stored),
             TEST(test_exchange_changes_what_it_expects_and_reports_the_rest),
             TEST(test_a_state_out_of_range_never_matches),
             TEST(test_a_difference_beats_every_deadline),
             TEST(test_a_difference_with_another_on_record), TEST(test_deadlines),
             TEST(test_far_deadlines_do_not_end), TEST(test_a_timed_out_waiter_disturbs_no_other),
             TEST(test_a_crowd_that_times_out_leaves_the_rest), TEST(test_one_call_wakes_all),
             TEST(test_one_delegate_wakes_all),
             TEST(test_a_delegate_of_the_same_state_leaves_nobody_asleep),
             TEST(test_a_delegate_that_times_out_leaves_nobody_asleep),
             TEST(test_trying_leaves_the_rest_alone), TEST(test_interrupts_do_not_end_a_wait),
             TEST(test_interrupts_do_not_move_a_deadline),
             TEST(test_exchange_wakes_nobody_and_keeps_the_record),
             TEST(test_a_wake_tells_of_an_exchange), TEST(test_a_wait_with_flags),
             TEST(test_cycling_states_leave_nobody_asleep),
             TEST(test_concurrent_wakers_leave_nobody_asleep),
             TEST(test_data_written_before_a_state_is_visible_with_it),
             TEST(test_data_is_visible_to_who_waits_and_to_who_need_not),
             TEST(test_a_once_cell_runs_once), TEST(test_the_last_woken_waiter_may_free_the_word));
