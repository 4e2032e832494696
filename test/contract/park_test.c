/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The parker: each sentence of its contract in valet.h. */
#include "load.h"
#include "test.h"

/* The three ways to park, and a call of one of them on a thread of its own. */
enum form { UNTIMED, UNTIL, FOR };

struct call {
    struct valet_parker *p;
    enum form form;
    uint64_t time; /* deadline or timeout */
    int result;
    atomic_bool returned;
};

static int park(struct valet_parker *p, enum form form, uint64_t time)
{
    switch (form) {
    case UNTIL:
        return valet_park_until(p, time);
    case FOR:
        return valet_park_for(p, time);
    default:
        return valet_park(p);
    }
}

static void run_call(void *argument)
{
    struct call *c = argument;
    c->result = park(c->p, c->form, c->time);
    atomic_store(&c->returned, true);
}

/* Start a call and wait until it is parked. */
static struct test_thread *start_parked(struct call *c)
{
    struct test_thread *t = test_start(run_call, c);
    test_until_parked(c->p);
    return t;
}

static void check_no_token(struct valet_parker *p)
{
    CHECK_EQ(valet_park_for(p, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_park_until(p, 0), VALET_TIMEDOUT);
}

/* ---- the token ------------------------------------------------------------------------------- */

static void test_park_takes_an_earlier_token(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    check_no_token(&p);
    for (int form = UNTIMED; form <= FOR; form++) {
        if (form == FOR && valet_now() == 0)
            continue; /* see test_without_a_clock */
        valet_unpark(&p);
        CHECK_EQ(park(&p, (enum form)form, VALET_FOREVER - 1), VALET_OK);
        check_no_token(&p);
    }
}

static void test_many_tokens_are_one(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    for (int i = 0; i < 5; i++)
        valet_unpark(&p);
    CHECK_EQ(valet_park(&p), VALET_OK);
    check_no_token(&p);
}

static void test_all_zero_is_a_parker_without_a_token(void)
{
    static struct valet_parker zero;
    struct valet_parker p = VALET_PARKER_INIT;
    CHECK_EQ((long long)zero.word, (long long)p.word);
    check_no_token(&zero);
    struct call c = {.p = &zero};
    struct test_thread *t = start_parked(&c);
    valet_unpark(&zero);
    test_join(t);
    CHECK_EQ(c.result, VALET_OK);
    check_no_token(&zero);
}

static void test_a_parker_may_be_moved(void)
{
    struct valet_parker p = VALET_PARKER_INIT, q = VALET_PARKER_INIT;
    struct call c = {.p = &p};
    struct test_thread *t = start_parked(&c); /* so that the word has held more than a token */
    valet_unpark(&p);
    test_join(t);
    valet_unpark(&p);
    q = p;
    CHECK_EQ(valet_park(&q), VALET_OK);
    check_no_token(&q);
}

static void test_unpark_wakes_a_parked_thread(void)
{
    for (int form = UNTIMED; form <= FOR; form++) {
        if (form != UNTIMED && valet_now() == 0)
            continue;
        struct valet_parker p = VALET_PARKER_INIT;
        struct call c = {.p = &p, .form = (enum form)form, .time = valet_now() + 3600 * S};
        struct test_thread *t = start_parked(&c);
        valet_unpark(&p);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
        check_no_token(&p);
    }
}

/* The token of an unpark that woke a thread may be taken by another before that thread runs: it
 * must then go on waiting. Tokens out are tokens in, whoever gets them. */
static void test_a_stolen_token_leaves_the_thread_parked(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    unsigned stolen = 0, rounds = test_many(300, 30);
    for (unsigned i = 0; i < rounds; i++) {
        struct call c = {.p = &p};
        struct test_thread *t = start_parked(&c);
        valet_unpark(&p);
        int r = valet_park_for(&p, 0);
        if (r == VALET_OK) {
            stolen++;
            test_until_parked(&p);
            CHECK(!atomic_load(&c.returned));
            valet_unpark(&p);
        } else {
            CHECK_EQ(r, VALET_TIMEDOUT);
        }
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
        check_no_token(&p);
    }
    test_report("tokens taken from under a waking thread", stolen, "");
}

/* ---- order ----------------------------------------------------------------------------------- */

#define WRITERS 8
static struct {
    struct valet_parker p;
    atomic_uint round, done;
    unsigned data[WRITERS];
    unsigned rounds;
} merge;

static void write_and_unpark(void *data)
{
    for (unsigned round = 1; round <= merge.rounds; round++) {
        while (atomic_load(&merge.round) != round)
            test_yield();
        *(unsigned *)data = round;
        valet_unpark(&merge.p);
        /* relaxed: must not be what orders the data */
        atomic_fetch_add_explicit(&merge.done, 1, memory_order_relaxed);
    }
}

/* All writers have unparked before the one park, so that their tokens are one. */
static void test_a_park_sees_what_was_written_before_every_merged_unpark(void)
{
    unsigned writers = test_least(WRITERS, test_threads_max());
    struct test_thread *t[WRITERS];
    merge.rounds = test_many(300, 16);
    for (unsigned i = 0; i < writers; i++)
        t[i] = test_start(write_and_unpark, &merge.data[i]);
    for (unsigned round = 1; round <= merge.rounds; round++) {
        atomic_store(&merge.round, round);
        test_until(&merge.done, round * writers);
        CHECK_EQ(valet_park(&merge.p), VALET_OK);
        for (unsigned i = 0; i < writers; i++)
            CHECK_EQ(merge.data[i], round);
        check_no_token(&merge.p);
    }
    for (unsigned i = 0; i < writers; i++)
        test_join(t[i]);
}

static struct {
    struct valet_parker ping, pong;
    unsigned turns; /* plain: the parkers order it */
    unsigned rounds;
} table;

static void return_balls(void *timed)
{
    for (unsigned i = 0; i < table.rounds; i++) {
        CHECK_EQ(timed ? valet_park_until(&table.ping, valet_now() + 3600 * S)
                       : valet_park(&table.ping),
                 VALET_OK);
        CHECK_EQ(table.turns, 2 * i + 1);
        table.turns++;
        valet_unpark(&table.pong);
    }
}

static void play(void *timed)
{
    table.turns = 0;
    table.rounds = test_many(3000, 200);
    struct test_thread *t = test_start(return_balls, timed);
    for (unsigned i = 0; i < table.rounds; i++) {
        table.turns++;
        valet_unpark(&table.ping);
        CHECK_EQ(valet_park(&table.pong), VALET_OK);
        CHECK_EQ(table.turns, 2 * i + 2);
    }
    test_join(t);
    check_no_token(&table.ping);
    check_no_token(&table.pong);
}

static void test_ping_pong(void)
{
    play(NULL);
    if (valet_now() != 0)
        play(&table);
}

/* ---- a second parker ------------------------------------------------------------------------- */

static void test_a_second_parker_is_busy_and_the_first_undisturbed(void)
{
    uint64_t now = valet_now();
    for (int first = UNTIMED; first <= FOR; first++) {
        if (first != UNTIMED && now == 0)
            continue;
        struct valet_parker p = VALET_PARKER_INIT;
        struct call c = {.p = &p, .form = (enum form)first, .time = now + 3600 * S};
        struct test_thread *t = start_parked(&c);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(valet_park(&p), VALET_ERR_BUSY);
            CHECK_EQ(valet_park_until(&p, 0), VALET_ERR_BUSY);
            CHECK_EQ(valet_park_until(&p, 1), VALET_ERR_BUSY);
            CHECK_EQ(valet_park_until(&p, now + 3600 * S), VALET_ERR_BUSY);
            CHECK_EQ(valet_park_until(&p, VALET_FOREVER), VALET_ERR_BUSY);
            CHECK_EQ(valet_park_for(&p, 0), VALET_ERR_BUSY);
            CHECK_EQ(valet_park_for(&p, VALET_FOREVER), VALET_ERR_BUSY);
            if (now != 0)
                CHECK_EQ(valet_park_for(&p, 3600 * S), VALET_ERR_BUSY);
            test_sleep(1 * MS);
        }
        CHECK(!atomic_load(&c.returned));
        valet_unpark(&p);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
        check_no_token(&p);
    }
}

/* ---- no spurious return ---------------------------------------------------------------------- */

static void test_interrupts_do_not_end_a_park(void)
{
    for (int form = UNTIMED; form <= FOR; form++) {
        if (form != UNTIMED && valet_now() == 0)
            continue;
        struct valet_parker p = VALET_PARKER_INIT;
        struct call c = {.p = &p, .form = (enum form)form, .time = valet_now() + 3600 * S};
        struct test_thread *t = start_parked(&c);
        CHECK(test_storm(t, &c.returned, test_many(200, 50)));
        CHECK(!atomic_load(&c.returned));
        valet_unpark(&p);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
        check_no_token(&p);
    }
}

static void test_interrupts_do_not_move_a_deadline(void)
{
    for (int form = UNTIL; form <= FOR && valet_now() != 0; form++) {
        bool interrupted = false;
        /* Longer where the machine was too busy for a handler to run meanwhile. */
        for (uint64_t timeout = 30 * MS; !interrupted; timeout *= 2) {
            CHECK(timeout < 60 * S);
            struct valet_parker p = VALET_PARKER_INIT;
            uint64_t start = valet_now();
            struct call c = {.p = &p,
                             .form = (enum form)form,
                             .time = form == UNTIL ? start + timeout : timeout};
            struct test_thread *t = test_start(run_call, &c);
            interrupted = test_storm(t, &c.returned, UINT32_MAX); /* until it is over */
            test_join(t);
            CHECK_EQ(c.result, VALET_TIMEDOUT);
            CHECK(valet_now() >= start + timeout);
            check_no_token(&p);
        }
    }
}

static void unpark_handler(void *p)
{
    valet_unpark(p);
}

static struct {
    struct valet_parker p;
    atomic_uint rounds;
    atomic_bool stop;
} self_service;

static void unpark_and_park(void *unused)
{
    (void)unused;
    while (!atomic_load(&self_service.stop)) {
        valet_unpark(&self_service.p);
        CHECK_EQ(valet_park(&self_service.p), VALET_OK);
        atomic_fetch_add(&self_service.rounds, 1);
        test_yield();
    }
}

static void test_unpark_from_a_handler(void)
{
    if (!VALET_TEST_FUTEX_KIND || !test_has_handlers()) {
        test_write("   not promised here: sema kind, or no handlers on this host\n");
        return;
    }
    for (unsigned i = 0, rounds = test_many(300, 30); i < rounds; i++) {
        struct valet_parker p = VALET_PARKER_INIT;
        struct call c = {.p = &p};
        struct test_thread *t = start_parked(&c);
        test_interrupt(t, unpark_handler, &p);
        test_join(t);
        CHECK_EQ(c.result, VALET_OK);
        check_no_token(&p);
    }
    /* and in the middle of the calls on the same parker */
    struct test_thread *t = test_start(unpark_and_park, NULL);
    while (atomic_load(&self_service.rounds) == 0)
        test_yield();
    unsigned sent = 0, enough = test_many(500, 50);
    for (; sent < enough; sent++) {
        test_interrupt(t, unpark_handler, &self_service.p);
        test_sleep(10 * US);
    }
    atomic_store(&self_service.stop, true);
    test_join(t);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void test_a_passed_deadline_does_not_block_and_a_token_beats_it(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    uint64_t now = valet_now();
    uint64_t passed[] = {0, 1, now - 1, now};
    for (unsigned i = 0; i < (now != 0 ? 4 : 1); i++) {
        CHECK_EQ(valet_park_until(&p, passed[i]), VALET_TIMEDOUT);
        valet_unpark(&p);
        CHECK_EQ(valet_park_until(&p, passed[i]), VALET_OK);
        CHECK_EQ(valet_park_until(&p, passed[i]), VALET_TIMEDOUT);
    }
    CHECK_EQ(valet_park_for(&p, 0), VALET_TIMEDOUT);
    valet_unpark(&p);
    CHECK_EQ(valet_park_for(&p, 0), VALET_OK);
    check_no_token(&p);
}

static void check_parks_until_unparked(enum form form, uint64_t time)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct call c = {.p = &p, .form = form, .time = time};
    struct test_thread *t = start_parked(&c);
    test_sleep(5 * MS);
    CHECK(!atomic_load(&c.returned));
    valet_unpark(&p);
    test_join(t);
    CHECK_EQ(c.result, VALET_OK);
    check_no_token(&p);
}

static void test_far_deadlines_and_sums_beyond_the_clock_do_not_end(void)
{
    uint64_t now = valet_now();
    const uint64_t far[] = {VALET_FOREVER,          VALET_FOREVER - 1,
                            (uint64_t)INT64_MAX,    (uint64_t)INT64_MAX + 1,
                            UINT32_MAX * S,         (uint64_t)INT32_MAX * S,
                            now + 86400 * S * 1000, now + UINT32_MAX * UINT64_C(1001)};
    for (unsigned i = 0; i < (now != 0 ? 8 : 1); i++) {
        check_parks_until_unparked(UNTIL, far[i]);
        check_parks_until_unparked(FOR, far[i]);
    }
    /* The greatest timeouts that do not overflow, and the least that do. None is a sum that wraps:
     * a machine's clock may be less than a second old. */
    const uint64_t most = UINT64_MAX - now;
    const uint64_t sums[] = {most - 1 * S, most, most + now / 2, most + now};
    for (unsigned i = 0; i < 4 && now != 0; i++)
        check_parks_until_unparked(FOR, sums[i]);
}

static void test_a_timeout_is_never_early(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    uint32_t random = 4711;
    unsigned rounds = test_many(400, 100), done = 0;
    uint64_t late = 0;
    if (valet_now() == 0)
        return; /* see test_without_a_clock */
    for (uint64_t end = test_end(2 * S); done < 10 || (done < rounds && test_before(end)); done++) {
        uint64_t timeout = 1 + test_random(&random) % (done % 8 == 0 ? 2 * MS : 100 * US);
        uint64_t deadline = valet_now() + timeout;
        CHECK_EQ(done % 2 ? valet_park_until(&p, deadline) : valet_park_for(&p, timeout),
                 VALET_TIMEDOUT);
        uint64_t now = valet_now();
        CHECK(now >= deadline);
        late += now - deadline;
    }
    test_report("a timeout is late by", late / done, "ns, mean");
}

/* What a thread that timed out leaves behind is a parker like any other. */
static void test_a_timeout_takes_nothing_and_leaves_nothing(void)
{
    for (unsigned i = 0; i < 20 && valet_now() != 0; i++) {
        struct valet_parker p = VALET_PARKER_INIT;
        CHECK_EQ(valet_park_for(&p, 100 * US), VALET_TIMEDOUT);
        if (i % 2) {
            valet_unpark(&p);
            CHECK_EQ(valet_park(&p), VALET_OK);
        } else {
            struct call c = {.p = &p};
            struct test_thread *t = start_parked(&c);
            valet_unpark(&p);
            test_join(t);
            CHECK_EQ(c.result, VALET_OK);
        }
        check_no_token(&p);
    }
}

static void test_without_a_clock(void)
{
    if (valet_now() != 0) {
        uint64_t last = valet_now();
        for (int i = 0; i < 10000; i++) {
            uint64_t now = valet_now();
            CHECK(now >= last);
            last = now;
        }
        return;
    }
    test_write("   no clock here: timed calls are unsupported, and tests of them end at once\n");
    struct valet_parker p = VALET_PARKER_INIT;
    for (int i = 0; i < 2; i++) { /* twice: the first call has withdrawn */
        CHECK_EQ(valet_park_for(&p, 1 * MS), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_park_for(&p, VALET_FOREVER - 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_park_until(&p, 1 * MS), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_park_until(&p, VALET_FOREVER - 1), VALET_ERR_UNSUPPORTED);
    }
    valet_unpark(&p);
    CHECK_EQ(valet_park_for(&p, 1 * MS), VALET_OK); /* a token needs no clock */
    check_no_token(&p);
}

/* ---- the end of a parker --------------------------------------------------------------------- */

static struct {
    _Atomic(struct valet_parker *) p;
    unsigned rounds;
} mortal;

static void park_and_unmap(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < mortal.rounds; i++) {
        void *page = test_map();
        struct valet_parker *p = page;
        atomic_store(&mortal.p, p);
        int r;
        if (i % 4 == 3 && valet_now() != 0)
            do
                r = valet_park_for(p, 20 * US);
            while (r == VALET_TIMEDOUT);
        else
            r = valet_park(p);
        test_unmap(page); /* first thing, while the unparker is still in its call */
        CHECK_EQ(r, VALET_OK);
    }
}

static void test_a_woken_thread_may_free_the_parker(void)
{
    mortal.rounds = test_many(4000, 16);
    struct test_thread *t = test_start(park_and_unmap, NULL);
    for (unsigned i = 0; i < mortal.rounds; i++) {
        struct valet_parker *p;
        while ((p = atomic_exchange(&mortal.p, NULL)) == NULL)
            test_yield();
        if (i % 4 < 2)
            test_until_parked(p);
        valet_unpark(p);
    }
    test_join(t);
}

/* ---- a look ---------------------------------------------------------------------------------- */

static void take_one(void *p)
{
    CHECK_EQ(valet_park(p), VALET_OK);
}

static void test_a_look_says_whether_there_is_a_token(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    CHECK(!valet_parker_is_set(&p));
    for (int i = 0; i < 2; i++) { /* the second token is the first */
        valet_unpark(&p);
        CHECK(valet_parker_is_set(&p));
        CHECK(valet_parker_is_set(&p)); /* and it takes nothing */
    }
    CHECK_EQ(valet_park(&p), VALET_OK);
    CHECK(!valet_parker_is_set(&p));
    struct test_thread *t = test_start(take_one, &p);
    test_until_parked(&p);
    CHECK(!valet_parker_is_set(&p)); /* a parked thread is no token */
    valet_unpark(&p);
    test_join(t);
    CHECK(!valet_parker_is_set(&p));
}

/* ---- flags ----------------------------------------------------------------------------------- */

#define INTERRUPTS (valet_features() & VALET_INTERRUPTIBLE)

static void test_flags_are_looked_at_first(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    CHECK(valet_features() & VALET_NO_POLL);
#if defined VALET_TEST_OS_posix || defined VALET_TEST_OS_external /* a libc's, an embedder's */
    const unsigned may = VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_REQUEUE | VALET_NO_POLL;
    CHECK_EQ(valet_features() & ~may, 0);
#elif defined VALET_TEST_FEATURES /* VALET_FEATURES of valet_config.h */
    CHECK_EQ(valet_features(), VALET_TEST_FEATURES);
#endif
    valet_unpark(&p);
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned flag = 1u << bit;
        if (!(flag & (VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL)))
            CHECK_EQ(valet_park_with(&p, 0, flag | VALET_NO_POLL), VALET_ERR_INVALID);
    }
    if (!INTERRUPTS)
        CHECK_EQ(valet_park_with(&p, 0, VALET_INTERRUPTIBLE), VALET_ERR_UNSUPPORTED);
    CHECK(valet_parker_is_set(&p));
}

static void test_a_park_with_flags_is_a_park(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    for (unsigned interrupts = 0; interrupts <= (INTERRUPTS ? 1 : 0); interrupts++)
        for (unsigned sleeps = 0; sleeps < 2; sleeps++) {
            unsigned flags = (interrupts ? VALET_INTERRUPTIBLE : 0) | (sleeps ? VALET_NO_POLL : 0);
            CHECK_EQ(valet_park_with(&p, 0, flags), VALET_TIMEDOUT);
            valet_unpark(&p);
            CHECK_EQ(valet_park_with(&p, VALET_FOREVER, flags), VALET_OK);
            valet_unpark(&p);
            CHECK_EQ(valet_park_with(&p, 1, flags), VALET_OK);
            check_no_token(&p);
            if (valet_now() == 0) {
                CHECK_EQ(valet_park_with(&p, 1, flags), VALET_ERR_UNSUPPORTED);
                continue;
            }
            for (unsigned i = 0; i < 11; i++) { /* a played kernel may say EINTR of itself */
                uint64_t deadline = i == 0 ? 1 : valet_now() + 200 * US;
                int r = valet_park_with(&p, deadline, flags);
                CHECK(r == VALET_TIMEDOUT || (interrupts && r == VALET_INTERRUPTED));
                CHECK(r != VALET_TIMEDOUT || valet_now() >= deadline);
            }
            check_no_token(&p);
        }
}

static struct {
    struct valet_parker p, taken;
    unsigned rounds;
    atomic_uint interrupted;
    atomic_bool done;
} shaken;

static void park_interruptibly(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < shaken.rounds; i++) {
        int r;
        while ((r = valet_park_with(&shaken.p, VALET_FOREVER, VALET_INTERRUPTIBLE)) != VALET_OK) {
            CHECK_EQ(r, VALET_INTERRUPTED);
            atomic_fetch_add(&shaken.interrupted, 1);
        }
        valet_unpark(&shaken.taken);
    }
    atomic_store(&shaken.done, true);
}

/* A handler ends the park; and whatever comes with it, each token is taken once. */
static void test_a_handler_ends_a_park_and_takes_no_token(void)
{
    if (!INTERRUPTS)
        return;
    uint32_t random = 5;
    shaken.rounds = test_many(2000, 200);
    struct test_thread *t = test_start(park_interruptibly, NULL);
    for (unsigned i = 0; i < shaken.rounds; i++) {
        unsigned before = atomic_load(&shaken.interrupted);
        if (i % 100 == 0) {
            do { /* only a handler can end it */
                test_interrupt(t, NULL, NULL);
                test_sleep(20 * US);
            } while (atomic_load(&shaken.interrupted) == before);
        } else if (test_random(&random) % 2) {
            test_interrupt(t, NULL, NULL);
        }
        valet_unpark(&shaken.p);
        if (test_random(&random) % 4 == 0)
            test_interrupt(t, NULL, NULL);
        CHECK_EQ(valet_park(&shaken.taken), VALET_OK);
    }
    test_join(t);
    CHECK(atomic_load(&shaken.done));
    check_no_token(&shaken.p);
    test_report("parks that a handler ended", atomic_load(&shaken.interrupted), "");
}

TEST_PROGRAM(TEST(test_park_takes_an_earlier_token), TEST(test_many_tokens_are_one),
             TEST(test_all_zero_is_a_parker_without_a_token), TEST(test_a_parker_may_be_moved),
             TEST(test_unpark_wakes_a_parked_thread),
             TEST(test_a_stolen_token_leaves_the_thread_parked),
             TEST(test_a_park_sees_what_was_written_before_every_merged_unpark),
             TEST(test_ping_pong), TEST(test_a_second_parker_is_busy_and_the_first_undisturbed),
             TEST(test_interrupts_do_not_end_a_park), TEST(test_interrupts_do_not_move_a_deadline),
             TEST(test_unpark_from_a_handler),
             TEST(test_a_passed_deadline_does_not_block_and_a_token_beats_it),
             TEST(test_far_deadlines_and_sums_beyond_the_clock_do_not_end),
             TEST(test_a_timeout_is_never_early),
             TEST(test_a_timeout_takes_nothing_and_leaves_nothing), TEST(test_without_a_clock),
             TEST(test_a_woken_thread_may_free_the_parker),
             TEST(test_a_look_says_whether_there_is_a_token), TEST(test_flags_are_looked_at_first),
             TEST(test_a_park_with_flags_is_a_park),
             TEST(test_a_handler_ends_a_park_and_takes_no_token));
