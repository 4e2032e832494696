/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Stress: wake-ups against deadlines, and exact accounts. Most rounds aim at one race, a deadline
 * that comes in the same moment as the wake: the waker knows the deadline and moves its aim towards
 * whichever side lost the last round, so that about half of the waits end either way.
 */
#include "load.h"
#include "test.h"

/* When to wake, relative to the deadline. */
struct aim {
    int64_t offset_ns;
    unsigned woken, timedout;
};

/* An offset of any sign is added to an unsigned time. */
static void wait_for_aim(const struct aim *a, uint64_t deadline)
{
    while (valet_now() < deadline + (uint64_t)a->offset_ns)
        test_yield();
}

/* A large step finds the edge, small ones stay at it. */
static void correct_aim(struct aim *a, bool timedout)
{
    int64_t step = a->woken != 0 && a->timedout != 0 ? 1000 : 10000;
    a->offset_ns += timedout ? -step : step;
    (timedout ? &a->timedout : &a->woken)[0]++;
}

static void report_aim(const char *what, const struct aim *a)
{
    test_write("   ");
    test_write(what);
    test_write("\n");
    test_report("waits that ended by a wake-up", a->woken, "");
    test_report("waits that ended by their deadline", a->timedout, "");
    /* A few rounds may all fall on one side, where the other thread's CPU is not running. */
    CHECK(a->woken + a->timedout < 1000 || (a->woken != 0 && a->timedout != 0));
}

static bool no_clock(void)
{
    if (valet_now() != 0)
        return false;
    test_write("   no clock here, so no deadlines to race with\n");
    return true;
}

/* A deadline from the one who waits to the one who wakes, once a round. It is not atomic itself: on
 * many CPUs of 32 bits that would be a lock, in a library of the compiler's. */
struct message {
    uint64_t deadline; /* plain; ordered by sent */
    atomic_uint sent;  /* not a bool: gcc on riscv has no exchange of a byte */
};

static void send(struct message *m, uint64_t deadline)
{
    m->deadline = deadline;
    atomic_store(&m->sent, 1);
}

static uint64_t receive(struct message *m)
{
    while (atomic_exchange(&m->sent, 0) == 0)
        test_yield();
    return m->deadline;
}

/* ---- parker ---------------------------------------------------------------------------------- */

static struct {
    struct valet_parker p;
    struct message message;
    atomic_uint taken, sent;
    atomic_bool stop;
    bool timedout; /* of this round; ordered by taken */
    unsigned data; /* plain; ordered by the parker */
} duel;

/* One token a round, taken by the timed park or, if that timed out, by the one after it. */
static void park_in_duel(void *unused)
{
    (void)unused;
    uint32_t random = 2463;
    for (unsigned round = 1; !atomic_load(&duel.stop); round++) {
        uint64_t deadline = valet_now() + 20 * US + test_random(&random) % (40 * US);
        send(&duel.message, deadline);
        int r = valet_park_until(&duel.p, deadline);
        bool timedout = r == VALET_TIMEDOUT;
        if (timedout) {
            CHECK(valet_now() >= deadline);
            r = valet_park(&duel.p);
        }
        CHECK_EQ(r, VALET_OK);
        CHECK_EQ(duel.data, round);
        CHECK_EQ(atomic_load_explicit(&duel.sent, memory_order_relaxed), round);
        duel.timedout = timedout;
        atomic_store(&duel.taken, round);
    }
}

static void test_unpark_against_deadline(void)
{
    if (no_clock())
        return;
    struct aim aim = {.offset_ns = 0};
    struct test_thread *t = test_start(park_in_duel, NULL);
    unsigned rounds = test_many(10000, 300), round = 0;
    uint64_t end = test_end(3 * S);
    bool last;
    do {
        wait_for_aim(&aim, receive(&duel.message));
        last = ++round >= rounds || !test_before(end);
        atomic_store(&duel.stop, last);
        duel.data = round;
        atomic_fetch_add_explicit(&duel.sent, 1, memory_order_relaxed);
        valet_unpark(&duel.p);
        test_until(&duel.taken, round);
        correct_aim(&aim, duel.timedout);
    } while (!last);
    test_join(t);
    CHECK_EQ(valet_park_for(&duel.p, 0), VALET_TIMEDOUT); /* tokens out are tokens in */
    report_aim("valet_park_until against valet_unpark", &aim);
}

static struct {
    struct valet_parker p;
    atomic_uint items, producing;
    unsigned each;
} shop;

static void produce(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed;
    for (unsigned i = 0; i < shop.each; i++) {
        atomic_fetch_add_explicit(&shop.items, 1, memory_order_relaxed);
        valet_unpark(&shop.p);
        if (test_random(&random) % 8 == 0)
            test_yield();
    }
    atomic_fetch_sub(&shop.producing, 1);
}

/* Tokens merge, so they cannot be counted. But each item is followed by a token, so an item that is
 * not seen after a park has its token still to come: all are consumed and nobody hangs. */
static void test_many_producers_and_one_consumer(void)
{
    struct test_thread *t[8];
    uint32_t random = 77;
    unsigned n = test_least(8, test_threads_max()), consumed = 0, ended[2] = {0, 0};
    shop.each = test_many(20000, 1000);
    atomic_store(&shop.producing, n);
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(produce, (void *)(uintptr_t)(i + 1));
    while (consumed < n * shop.each) {
        int r;
        uint32_t kind = test_random(&random) % 8;
        if (kind == 0 && valet_now() != 0)
            r = valet_park_for(&shop.p, test_random(&random) % (20 * US));
        else if (kind == 1)
            r = valet_park_until(&shop.p, 0);
        else
            r = valet_park(&shop.p);
        CHECK(r == VALET_OK || r == VALET_TIMEDOUT);
        ended[r]++;
        /* relaxed: the parker orders it */
        consumed += atomic_exchange_explicit(&shop.items, 0, memory_order_relaxed);
    }
    CHECK_EQ(consumed, n * shop.each);
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
    (void)!valet_park_for(&shop.p,
                          0); /* at most one token is left, of an item that was taken early */
    CHECK_EQ(valet_park_for(&shop.p, 0), VALET_TIMEDOUT);
    test_report("items", consumed, "");
    test_report("parks that took a token", ended[VALET_OK], "");
    test_report("parks that timed out", ended[VALET_TIMEDOUT], "");
}

/* ---- waiters --------------------------------------------------------------------------------- */

static struct {
    struct valet_waiters w;
    uint64_t deadline; /* plain; ordered by round, and by left */
    atomic_uint round, left, timedout;
    atomic_uint begun, finished; /* changes of the state, for the account of those below */
    atomic_bool stop;
    unsigned waiters;
    unsigned data; /* plain */
} arena;

static void wait_in_duel(void *jitter)
{
    for (unsigned round = 1;; round++) {
        unsigned seen;
        while ((seen = atomic_load(&arena.round)) < round)
            test_yield();
        if (atomic_load(&arena.stop))
            return;
        uint64_t deadline = arena.deadline + (uintptr_t)jitter;
        int r = valet_compare_and_wait_until(&arena.w, 0, deadline);
        if (r == VALET_TIMEDOUT) {
            CHECK(valet_now() >= deadline);
            atomic_fetch_add(&arena.timedout, 1);
            r = valet_compare_and_wait(&arena.w, 0);
        }
        CHECK_EQ(r, VALET_OK);
        CHECK_EQ(arena.data, round);
        CHECK_EQ(valet_waiters_state(&arena.w), 1);
        atomic_fetch_add(&arena.left, 1);
    }
}

/* Several deadlines, a microsecond apart, around one store_and_wake. */
static void test_store_and_wake_against_deadlines(void)
{
    if (no_clock())
        return;
    struct test_thread *t[6];
    struct aim aim = {.offset_ns = 0};
    unsigned n = test_least(6, test_threads_max()), woken = 0, timedout = 0;
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(wait_in_duel, (void *)(uintptr_t)(i * US));
    unsigned rounds = test_many(4000, 200), round = 1;
    for (uint64_t end = test_end(3 * S); round <= rounds && test_before(end); round++) {
        uint64_t deadline = valet_now() + 60 * US;
        arena.deadline = deadline;
        atomic_store(&arena.timedout, 0);
        atomic_store(&arena.round, round);
        wait_for_aim(&aim, deadline);
        arena.data = round;
        valet_store_and_wake(&arena.w, 1);
        test_until(&arena.left, n * round);
        unsigned late = atomic_load(&arena.timedout);
        correct_aim(&aim, late * 2 > n);
        timedout += late;
        woken += n - late;
        valet_store_and_wake(&arena.w, 0);
    }
    atomic_store(&arena.stop, true);
    atomic_store(&arena.round, round);
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
    aim.woken = woken;
    aim.timedout = timedout;
    report_aim("valet_compare_and_wait_until against valet_store_and_wake", &aim);
    CHECK_EQ(test_word(&arena.w.word), 0); /* nobody is on record */
}

#define STOP 31u
static atomic_uint outcomes[2]; /* by result */

/* Each change counts itself before and after. So a wait that saw a difference must find that a
 * change was begun which had not finished before it looked at the state. */
static void wait_at_random(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed;
    for (;;) {
        unsigned finished = atomic_load(&arena.finished);
        unsigned s = valet_waiters_state(&arena.w);
        if (s == STOP)
            break;
        uint64_t deadline = VALET_FOREVER;
        uint32_t kind = test_random(&random) % 4;
        if (kind == 0)
            deadline = 0;
        else if (kind != 1 && valet_now() != 0)
            deadline = valet_now() + test_random(&random) % (100 * US);
        int r = valet_compare_and_wait_until(&arena.w, s, deadline);
        CHECK(r == VALET_OK || r == VALET_TIMEDOUT);
        if (r == VALET_OK)
            CHECK(atomic_load(&arena.begun) > finished);
        else
            CHECK(valet_now() >= deadline);
        atomic_fetch_add_explicit(&outcomes[r], 1, memory_order_relaxed);
    }
}

/* One thread changes the state in both ways; the end is a store, after which all must leave. */
static void test_random_states_and_deadlines(void)
{
    enum { THREADS = 24 };
    struct test_thread *t[THREADS];
    uint32_t random = 31415;
    unsigned n = test_least(THREADS, test_threads_max()), changes = 0, last = 0;
    arena.w = (struct valet_waiters)VALET_WAITERS_INIT(0);
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(wait_at_random, (void *)(uintptr_t)(i + 1));
    unsigned rounds = test_many(20000, 500);
    /* and on, where all were over before the others had begun */
    for (uint64_t end = test_end(2 * S), last_end = test_end(60 * S);
         (changes < rounds && test_before(end)) ||
         (atomic_load(&outcomes[VALET_OK]) == 0 && test_before(last_end));
         changes++) {
        unsigned to = test_random(&random) % STOP, e = valet_waiters_state(&arena.w);
        CHECK_EQ(e, last); /* no waiter that comes or goes brings an old state back */
        last = to;
        atomic_fetch_add(&arena.begun, 1);
        if (test_random(&random) % 3 == 0)
            CHECK(valet_waiters_compare_exchange(&arena.w, &e, to)); /* nobody else changes it */
        else
            valet_store_and_wake(&arena.w, to);
        atomic_fetch_add(&arena.finished, 1);
        if (test_random(&random) % 4 == 0)
            test_yield();
    }
    atomic_fetch_add(&arena.begun, 1);
    valet_store_and_wake(&arena.w, STOP);
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
    test_report("changes of the state", changes, "");
    test_report("waits that saw one", atomic_load(&outcomes[VALET_OK]), "");
    test_report("waits that timed out", atomic_load(&outcomes[VALET_TIMEDOUT]), "");
    CHECK(atomic_load(&outcomes[VALET_OK]) != 0);
}

/* ---- futex ----------------------------------------------------------------------------------- */

typedef _Atomic uint32_t __attribute__((aligned(4))) futex;

static int wait_on(futex *word, uint32_t expected, uint64_t deadline)
{
    return valet_futex_wait((uint32_t *)word, expected, deadline);
}

static void wake(futex *word, uint32_t count)
{
    valet_futex_wake((uint32_t *)word, count);
}

static struct {
    futex word;
    struct message message;
    atomic_uint taken;
    atomic_bool stop;
    bool timedout;
} ring;

static void wait_on_futex(void *unused)
{
    (void)unused;
    for (uint32_t round = 1; !atomic_load(&ring.stop); round++) {
        uint64_t deadline = valet_now() + 40 * US;
        send(&ring.message, deadline);
        bool timedout = false;
        while (atomic_load(&ring.word) != round) {
            int r = wait_on(&ring.word, round - 1, timedout ? VALET_FOREVER : deadline);
            CHECK(r == VALET_OK || r == VALET_CHANGED || (r == VALET_TIMEDOUT && !timedout));
            if (r == VALET_TIMEDOUT) {
                CHECK(valet_now() >= deadline);
                timedout = true;
            }
        }
        ring.timedout = timedout;
        atomic_store(&ring.taken, round);
    }
}

static void test_futex_wake_against_deadline(void)
{
    if (no_clock())
        return;
    struct aim aim = {.offset_ns = 0};
    struct test_thread *t = test_start(wait_on_futex, NULL);
    unsigned rounds = test_many(5000, 300), round = 0;
    uint64_t end = test_end(2 * S);
    bool last;
    do {
        wait_for_aim(&aim, receive(&ring.message));
        last = ++round >= rounds || !test_before(end);
        atomic_store(&ring.stop, last);
        atomic_store(&ring.word, round);
        wake(&ring.word, 1);
        test_until(&ring.taken, round);
        correct_aim(&aim, ring.timedout);
    } while (!last);
    test_join(t);
    report_aim("valet_futex_wait against valet_futex_wake", &aim);
}

/* A mutex whose lock may time out, and a condition variable on a sequence number. */
enum { FREE, HELD, CONTENDED };

static bool lock(futex *m, uint64_t deadline)
{
    uint32_t seen = FREE;
    if (atomic_compare_exchange_strong(m, &seen, HELD))
        return true;
    while (atomic_exchange(m, CONTENDED) != FREE) {
        int r = wait_on(m, CONTENDED, deadline);
        CHECK(r == VALET_OK || r == VALET_CHANGED || r == VALET_TIMEDOUT);
        if (r == VALET_TIMEDOUT) {
            CHECK(valet_now() >= deadline);
            return false;
        }
    }
    return true;
}

static void unlock(futex *m)
{
    if (atomic_exchange(m, FREE) == CONTENDED)
        wake(m, 1);
}

static void signal_all(futex *sequence)
{
    atomic_fetch_add(sequence, 1);
    wake(sequence, UINT32_MAX);
}

#define SLOTS 4u
static struct {
    futex mutex, not_empty, not_full;
    /* all under the mutex */
    unsigned slots[SLOTS], used;
    uint64_t put, got;
    unsigned taken, total;
    unsigned timeouts;
} queue;

/* Lock, now and then with a deadline that often comes first. */
static void lock_queue(uint32_t *random)
{
    unsigned timeouts = 0;
    if (test_random(random) % 4 == 0 && valet_now() != 0)
        while (!lock(&queue.mutex, valet_now() + test_random(random) % (20 * US)))
            timeouts++;
    else
        CHECK(lock(&queue.mutex, VALET_FOREVER));
    queue.timeouts += timeouts;
}

static void wait_in_queue(futex *sequence, uint32_t *random)
{
    uint32_t seen = atomic_load(sequence); /* under the mutex: no signal comes in between */
    uint64_t deadline = VALET_FOREVER;
    if (test_random(random) % 2 == 0 && valet_now() != 0)
        deadline = valet_now() + test_random(random) % (50 * US);
    unlock(&queue.mutex);
    int r = wait_on(sequence, seen, deadline);
    CHECK(r == VALET_OK || r == VALET_CHANGED || r == VALET_TIMEDOUT);
    lock_queue(random);
    queue.timeouts += r == VALET_TIMEDOUT;
}

static void put_items(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed, item = 0;
    unsigned each = queue.total / 2;
    for (unsigned i = 0; i < each; i++) {
        item = test_random(&random) % 1000;
        lock_queue(&random);
        while (queue.used == SLOTS)
            wait_in_queue(&queue.not_full, &random);
        queue.slots[queue.used++] = item;
        queue.put += item;
        signal_all(&queue.not_empty);
        unlock(&queue.mutex);
    }
}

static void get_items(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed;
    lock_queue(&random);
    for (;;) {
        while (queue.used == 0 && queue.taken < queue.total)
            wait_in_queue(&queue.not_empty, &random);
        if (queue.taken == queue.total)
            break;
        queue.got += queue.slots[--queue.used];
        if (++queue.taken == queue.total)
            signal_all(&queue.not_empty);
        signal_all(&queue.not_full);
        unlock(&queue.mutex);
        lock_queue(&random);
    }
    unlock(&queue.mutex);
}

static void test_a_queue_with_a_mutex_and_two_conditions(void)
{
    struct test_thread *t[6];
    unsigned n = test_threads_max() >= 6 ? 6 : 3;
    queue.total = test_many(20000, 1000);
    for (unsigned i = 0; i < n; i++)
        t[i] = test_start(i < 2 ? put_items : get_items, (void *)(uintptr_t)(i + 11));
    for (unsigned i = 0; i < n; i++)
        test_join(t[i]);
    CHECK_EQ(queue.taken, queue.total);
    CHECK_EQ(queue.used, 0);
    CHECK_EQ(queue.got, queue.put);
    test_report("items through a queue", queue.taken, "");
    test_report("waits and locks that timed out", queue.timeouts, "");
}

TEST_PROGRAM(TEST(test_unpark_against_deadline), TEST(test_many_producers_and_one_consumer),
             TEST(test_store_and_wake_against_deadlines), TEST(test_random_states_and_deadlines),
             TEST(test_futex_wake_against_deadline),
             TEST(test_a_queue_with_a_mutex_and_two_conditions));
