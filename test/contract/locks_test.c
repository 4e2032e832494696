/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The locks: each sentence of valet_locks.h. */
#include "load.h"
#include "test.h"
#include "valet_locks.h"

/* What the word of a mutex says, for handshakes (core/locks/queue.c). */
enum { WAKING = 4, BITS = 15 };

static uintptr_t word_of(const struct valet_mutex *m)
{
    return __atomic_load_n(&m->word, __ATOMIC_RELAXED);
}

static void lock(struct valet_mutex *m)
{
    CHECK_EQ(valet_mutex_lock(m), VALET_OK);
}

static void check_free(struct valet_mutex *m)
{
    CHECK_EQ((long long)word_of(m), 0); /* nobody holds it, and nobody is left in it */
    CHECK(valet_mutex_try_lock(m));
    valet_mutex_unlock(m);
}

/* A thread that locks once. It is given its turn number by a counter that the mutex guards. */
struct locker {
    struct valet_mutex *m;
    uint64_t deadline;
    unsigned *turns, turn;
    int result;
    atomic_bool returned;
    struct test_thread *thread;
};

static void run_locker(void *argument)
{
    struct locker *l = argument;
    l->result = valet_mutex_lock_until(l->m, l->deadline);
    if (l->result == VALET_OK) {
        l->turn = ++*l->turns;
        valet_mutex_unlock(l->m);
    }
    atomic_store(&l->returned, true);
}

/* Start it, and wait until it is the newest in the queue. */
static void start_queued(struct locker *l)
{
    uintptr_t newest = word_of(l->m) & ~(uintptr_t)BITS;
    l->thread = test_start(run_locker, l);
    /* (On a machine that is slow its deadline may have come meanwhile.) */
    while ((word_of(l->m) & ~(uintptr_t)BITS) == newest && !atomic_load(&l->returned))
        test_yield();
}

static void join(struct locker *l, int result)
{
    test_join(l->thread);
    CHECK_EQ(l->result, result);
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void test_all_zero_is_a_mutex_that_is_free(void)
{
    static struct valet_mutex zero;
    struct valet_mutex m = VALET_MUTEX_INIT;
    CHECK_EQ(sizeof m, sizeof(void *));
    CHECK_EQ((long long)zero.word, (long long)m.word);
    check_free(&zero);
    lock(&m);
    CHECK(!valet_mutex_try_lock(&m));
    struct valet_mutex moved = m; /* while no thread uses it */
    CHECK(!valet_mutex_try_lock(&moved));
    valet_mutex_unlock_fair(&moved);
    check_free(&moved);
}

static void test_a_free_mutex_beats_a_deadline(void)
{
    struct valet_mutex m = VALET_MUTEX_INIT;
    CHECK_EQ(valet_mutex_lock_until(&m, 0), VALET_OK);
    valet_mutex_unlock(&m);
    CHECK_EQ(valet_mutex_lock_until(&m, 1), VALET_OK);
    valet_mutex_unlock(&m);
    CHECK_EQ(valet_mutex_lock_for(&m, 0), VALET_OK);
    valet_mutex_unlock(&m);
    CHECK_EQ(valet_mutex_lock_for(&m, S), VALET_OK);
    valet_mutex_unlock(&m);
    check_free(&m);
}

static void test_a_deadline_ends_a_wait_and_not_early(void)
{
    struct valet_mutex m = VALET_MUTEX_INIT;
    lock(&m);
    CHECK_EQ(valet_mutex_lock_until(&m, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_mutex_lock_for(&m, 0), VALET_TIMEDOUT);
    uint64_t before = valet_now();
    if (before == 0) {
        CHECK_EQ(valet_mutex_lock_until(&m, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_mutex_lock_for(&m, 1), VALET_ERR_UNSUPPORTED);
    } else {
        CHECK_EQ(valet_mutex_lock_until(&m, before), VALET_TIMEDOUT);
        CHECK_EQ(valet_mutex_lock_until(&m, before + 3 * MS), VALET_TIMEDOUT);
        uint64_t after = valet_now();
        CHECK(after >= before + 3 * MS);
        CHECK_EQ(valet_mutex_lock_for(&m, 3 * MS), VALET_TIMEDOUT);
        CHECK(valet_now() >= after + 3 * MS);
    }
    CHECK_EQ((long long)word_of(&m), 1); /* held, and nobody is left in it */
    valet_mutex_unlock(&m);
    check_free(&m);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void test_a_locked_mutex_blocks(void)
{
    struct valet_mutex m = VALET_MUTEX_INIT;
    unsigned turns = 0;
    struct locker l = {.m = &m, .deadline = VALET_FOREVER, .turns = &turns};
    lock(&m);
    start_queued(&l);
    test_sleep(2 * MS);
    CHECK(!atomic_load(&l.returned));
    valet_mutex_unlock(&m);
    join(&l, VALET_OK);
    CHECK_EQ(turns, 1);
    check_free(&m);
}

static void test_threads_are_woken_in_the_order_in_which_they_came(void)
{
    for (int fair = 0; fair < 2; fair++) {
        struct valet_mutex m = VALET_MUTEX_INIT;
        unsigned turns = 0;
        struct locker l[3];
        lock(&m);
        for (unsigned i = 0; i < 3; i++) {
            l[i] = (struct locker){.m = &m, .deadline = VALET_FOREVER, .turns = &turns};
            start_queued(&l[i]);
        }
        (fair ? valet_mutex_unlock_fair : valet_mutex_unlock)(&m);
        for (unsigned i = 0; i < 3; i++) {
            join(&l[i], VALET_OK);
            CHECK_EQ(l[i].turn, i + 1);
        }
        check_free(&m);
    }
}

/* Whoever of three gives up, newest, oldest or the one between, the others are woken in order. */
static void test_a_deadline_leaves_the_rest_of_the_queue_alone(void)
{
    if (valet_now() == 0)
        return;
    uint64_t patience = 30 * MS;
    for (unsigned leaves = 0; leaves < 8;) { /* a set */
        struct valet_mutex m = VALET_MUTEX_INIT;
        unsigned turns = 0, expected = 0;
        struct locker l[3];
        lock(&m);
        uint64_t deadline = valet_now() + patience;
        for (unsigned i = 0; i < 3; i++) {
            l[i] = (struct locker){.m = &m, .deadline = VALET_FOREVER, .turns = &turns};
            if (leaves & 1u << i)
                l[i].deadline = deadline;
            start_queued(&l[i]);
        }
        /* Else the machine is slow, and the others may have come in any order. */
        bool in_time = valet_now() < deadline;
        for (unsigned i = 0; i < 3; i++)
            if (leaves & 1u << i)
                join(&l[i], VALET_TIMEDOUT);
        valet_mutex_unlock(&m);
        for (unsigned i = 0; i < 3; i++) {
            if (leaves & 1u << i)
                continue;
            join(&l[i], VALET_OK);
            if (in_time)
                CHECK_EQ(l[i].turn, ++expected);
        }
        check_free(&m);
        if (in_time)
            leaves++;
        else
            patience *= 2;
    }
}

static void test_unlock_fair_hands_the_mutex_over(void)
{
    struct valet_mutex m = VALET_MUTEX_INIT;
    unsigned rounds = test_many(200, 20);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned turns = 0;
        struct locker l = {.m = &m, .deadline = VALET_FOREVER, .turns = &turns};
        lock(&m);
        start_queued(&l);
        valet_mutex_unlock_fair(&m);
        if (valet_mutex_try_lock(&m)) {
            CHECK_EQ(turns, 1); /* only after the other one has had it */
            valet_mutex_unlock(&m);
        }
        join(&l, VALET_OK);
    }
    check_free(&m);
}

/* Two that take it whenever it is free, each until the one that was woken has lost and sleeps
 * again: after four losses it is handed over, and before those that came later. */
static struct {
    struct valet_mutex m;
    unsigned turns, losses; /* guarded */
    atomic_bool over;
} contest;

static void barge(void *unused)
{
    (void)unused;
    while (!atomic_load(&contest.over)) {
        if (!valet_mutex_try_lock(&contest.m)) {
            test_yield();
            continue;
        }
        if (contest.turns == 0 && (word_of(&contest.m) & WAKING)) {
            while (word_of(&contest.m) & WAKING)
                test_yield();
            CHECK(++contest.losses <= 4);
        }
        bool contested = contest.turns == 0;
        if (contest.turns == 2)
            atomic_store(&contest.over, true);
        valet_mutex_unlock(&contest.m);
        if (!contested)
            test_yield(); /* else, where nobody is preempted, nobody else runs */
    }
}

static void test_who_has_lost_four_times_is_handed_the_mutex(void)
{
    unsigned tries = 0;
    do {
#ifdef BARE_MACHINE /* where they take turns on one core, it may never be passed over so often */
        if (tries >= 50)
            break;
#endif
        CHECK(tries++ < 20000); /* some 10 s; one where a thread that is woken is slow to come */
        struct locker first = {.m = &contest.m, .deadline = VALET_FOREVER, .turns = &contest.turns};
        struct locker later = first;
        contest.turns = contest.losses = 0;
        atomic_store(&contest.over, false);
        lock(&contest.m);
        start_queued(&first);
        start_queued(&later);
        struct test_thread *t = test_start(barge, NULL);
        valet_mutex_unlock(&contest.m);
        barge(NULL);
        test_join(t);
        join(&first, VALET_OK);
        join(&later, VALET_OK);
        CHECK_EQ(first.turn, 1);
        check_free(&contest.m);
    } while (contest.losses < 4);
    test_report("tries until one has lost four times", tries, "");
}

/* ---- many threads ---------------------------------------------------------------------------- */

static struct crowd {
    struct valet_mutex m;
    unsigned long count; /* guarded */
    unsigned rounds;
    atomic_ulong got, late;
    atomic_uint inside; /* a word: riscv64 exchanges no bytes */
} crowd;

static void enter_and_leave(bool fair)
{
    CHECK(!atomic_exchange_explicit(&crowd.inside, true, memory_order_relaxed));
    crowd.count++;
    atomic_store_explicit(&crowd.inside, false, memory_order_relaxed);
    (fair ? valet_mutex_unlock_fair : valet_mutex_unlock)(&crowd.m);
}

static void run_crowd(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    uint64_t end = test_end(S / 2);
    bool clock = valet_now() != 0;
    unsigned long got = 0, late = 0;
    for (unsigned i = 0; i < crowd.rounds && test_before(end); i++) {
        uint32_t r = test_random(&random);
        int result = VALET_OK;
        if (r % 8 == 0)
            result = valet_mutex_try_lock(&crowd.m) ? VALET_OK : VALET_TIMEDOUT;
        else if (r % 8 < 5 && clock)
            result = valet_mutex_lock_for(&crowd.m, r / 8 % 20 * US + 1);
        else
            lock(&crowd.m);
        if (result != VALET_OK) {
            CHECK_EQ(result, VALET_TIMEDOUT);
            late++;
            continue;
        }
        got++;
        if (r >> 16 & 1)
            for (unsigned k = r >> 24; k != 0; k--)
                __asm__ volatile("");
        if ((r >> 17 & 63) == 0)
            test_yield(); /* another one comes while it is held */
        enter_and_leave((r >> 23 & 15) == 0);
    }
    atomic_fetch_add(&crowd.got, got);
    atomic_fetch_add(&crowd.late, late);
}

static void test_a_crowd_with_deadlines(void)
{
    struct test_thread *t[16];
    unsigned threads = test_least(test_threads_max(), 16);
    atomic_store(&crowd.got, 0);
    atomic_store(&crowd.late, 0);
    crowd.count = 0;
    crowd.rounds = test_many(20000, 3000);
    for (unsigned i = 0; i < threads; i++)
        t[i] = test_start(run_crowd, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < threads; i++)
        test_join(t[i]);
    CHECK_EQ((long long)crowd.count, (long long)atomic_load(&crowd.got));
    test_report("taken", atomic_load(&crowd.got), "times");
    test_report("given up", atomic_load(&crowd.late), "times");
    check_free(&crowd.m);
}

/* ---- memory that is freed -------------------------------------------------------------------- */

struct shared {
    struct valet_mutex m;
    unsigned users; /* guarded */
    atomic_uint ready;
};

/* Whoever gives it up last frees it, while the others may still be in their unlock. */
static void run_user(void *argument)
{
    struct shared *s = argument;
    atomic_fetch_add(&s->ready, 1);
    while (atomic_load(&s->ready) != 3)
        test_yield();
    lock(&s->m);
    bool last = --s->users == 0;
    valet_mutex_unlock(&s->m);
    if (last)
        test_unmap(s);
}

static void test_who_gets_it_last_may_free_it(void)
{
    unsigned rounds = test_many(1000, 12);
    uint64_t end = test_end(S);
    for (unsigned i = 0; i < rounds && test_before(end); i++) {
        struct shared *s = test_map();
        struct test_thread *t[2];
        s->users = 3;
        for (unsigned k = 0; k < 2; k++)
            t[k] = test_start(run_user, s);
        run_user(s);
        for (unsigned k = 0; k < 2; k++)
            test_join(t[k]);
    }
}

/* ---- handlers -------------------------------------------------------------------------------- */

static struct {
    struct valet_mutex m;
    unsigned long count; /* guarded */
    atomic_ulong handled;
    atomic_bool done;
} interrupted;

/* What a handler may do anywhere: take the mutex if it is free; and give it up, where unpark may be
 * called from one. The thread that it interrupts may be in the middle of any call. */
static void try_in_handler(void *unused)
{
    (void)unused;
    if (!valet_mutex_try_lock(&interrupted.m))
        return;
    interrupted.count++;
    atomic_fetch_add(&interrupted.handled, 1);
    valet_mutex_unlock(&interrupted.m);
}

static void run_interrupted(void *argument)
{
    unsigned long *mine = argument;
    while (!atomic_load(&interrupted.done)) {
        int r = valet_mutex_lock_for(&interrupted.m, 5 * US);
        if (r != VALET_OK)
            continue;
        interrupted.count++;
        ++*mine;
        valet_mutex_unlock(&interrupted.m);
        test_yield();
    }
}

static void test_try_lock_in_a_handler(void)
{
    if (!test_has_handlers() || valet_now() == 0)
        return;
    static unsigned long mine[2];
    struct test_thread *t[2];
    unsigned rounds = test_many(2000, 200);
    uint64_t end = test_end(S / 2);
    for (unsigned i = 0; i < 2; i++)
        t[i] = test_start(run_interrupted, &mine[i]);
    for (unsigned i = 0; i < rounds && test_before(end); i++) {
        test_interrupt(t[i % 2], try_in_handler, NULL);
        test_sleep(20 * US);
    }
    atomic_store(&interrupted.done, true);
    for (unsigned i = 0; i < 2; i++)
        test_join(t[i]);
    CHECK_EQ((long long)interrupted.count,
             (long long)(mine[0] + mine[1] + atomic_load(&interrupted.handled)));
    check_free(&interrupted.m);
}

/* ---- condition variable ---------------------------------------------------------------------- */

/* Threads that wait until they are let through, with the number in which they got the mutex. */
static struct {
    struct valet_mutex m;
    struct valet_cond c;
    unsigned open, inside, turns; /* guarded */
} gate;

struct passer {
    uint64_t deadline;
    int result;
    unsigned turn;
    atomic_bool returned;
    struct test_thread *thread;
};

static void run_passer(void *argument)
{
    struct passer *p = argument;
    lock(&gate.m);
    gate.inside++;
    p->result = VALET_OK;
    while (p->result == VALET_OK && gate.open == 0)
        p->result = valet_cond_wait_until(&gate.c, &gate.m, p->deadline);
    if (p->result == VALET_OK)
        gate.open--;
    p->turn = ++gate.turns;
    valet_mutex_unlock(&gate.m);
    atomic_store(&p->returned, true);
}

/* Start it, and wait until it waits: it gives the mutex up only then. */
static void start_passer(struct passer *p, uint64_t deadline)
{
    *p = (struct passer){.deadline = deadline};
    lock(&gate.m);
    unsigned before = gate.inside;
    valet_mutex_unlock(&gate.m);
    p->thread = test_start(run_passer, p);
    for (bool waits = false; !waits; test_yield()) {
        lock(&gate.m);
        waits = gate.inside != before;
        valet_mutex_unlock(&gate.m);
    }
}

static void begin_gate(void)
{
    gate.open = gate.inside = gate.turns = 0;
}

static void check_nobody_waits(void)
{
    CHECK_EQ((long long)__atomic_load_n(&gate.c.word, __ATOMIC_RELAXED), 0);
    check_free(&gate.m);
}

static void open_gate(unsigned many, bool held, void (*notify)(struct valet_cond *))
{
    lock(&gate.m);
    gate.open = many;
    if (held)
        notify(&gate.c);
    valet_mutex_unlock(&gate.m);
    if (!held)
        notify(&gate.c);
}

static void test_a_notify_without_a_waiter_is_for_nobody(void)
{
    struct valet_cond c = VALET_COND_INIT;
    CHECK_EQ(sizeof c, sizeof(void *));
    valet_cond_notify_one(&c);
    valet_cond_notify_all(&c);
    CHECK_EQ((long long)c.word, 0);
    begin_gate();
    lock(&gate.m);
    if (valet_now() == 0) {
        CHECK_EQ(valet_cond_wait_for(&gate.c, &gate.m, 1), VALET_ERR_UNSUPPORTED);
        CHECK(!valet_mutex_try_lock(&gate.m));
        valet_mutex_unlock(&gate.m);
        return;
    }
    uint64_t before = valet_now();
    CHECK_EQ(valet_cond_wait_until(&gate.c, &gate.m, before + 3 * MS), VALET_TIMEDOUT);
    CHECK(valet_now() >= before + 3 * MS);
    CHECK_EQ(valet_cond_wait_until(&gate.c, &gate.m, 0), VALET_TIMEDOUT);
    before = valet_now();
    CHECK_EQ(valet_cond_wait_for(&gate.c, &gate.m, 3 * MS), VALET_TIMEDOUT);
    CHECK(valet_now() >= before + 3 * MS);
    CHECK_EQ(valet_cond_wait_for(&gate.c, &gate.m, 0), VALET_TIMEDOUT);
    CHECK(!valet_mutex_try_lock(&gate.m)); /* it is held again */
    valet_mutex_unlock(&gate.m);
    check_nobody_waits();
}

static void test_notify_one_wakes_who_has_waited_longest(void)
{
    for (int held = 0; held < 2; held++) {
        struct passer p[3];
        begin_gate();
        for (unsigned i = 0; i < 3; i++)
            start_passer(&p[i], VALET_FOREVER);
        for (unsigned i = 0; i < 3; i++) {
            open_gate(1, held != 0, valet_cond_notify_one);
            test_join(p[i].thread);
            CHECK_EQ(p[i].turn, i + 1);
            CHECK(i == 2 || !atomic_load(&p[2].returned));
        }
        check_nobody_waits();
    }
}

/* All get the mutex once, whoever of them has given up before. */
static void test_notify_all_wakes_all(void)
{
    unsigned n = test_least(6, test_threads_max());
    for (unsigned leaves = 0; leaves < (valet_now() != 0 ? 8 : 1); leaves++) {
        struct passer p[6];
        unsigned waiting = 0, turn = 0, turns = 0;
        begin_gate();
        for (unsigned i = 0; i < n; i++) {
            bool leaver = leaves & 1u << i;
            start_passer(&p[i], leaver ? valet_now() + 30 * MS : VALET_FOREVER);
            waiting += !leaver;
        }
        for (unsigned i = 0; i < n; i++) {
            if (!(leaves & 1u << i))
                continue;
            test_join(p[i].thread);
            CHECK_EQ(p[i].result, VALET_TIMEDOUT);
            turn++;
        }
        open_gate(waiting, true, valet_cond_notify_all);
        for (unsigned i = 0; i < n; i++) {
            if (leaves & 1u << i)
                continue;
            test_join(p[i].thread);
            CHECK_EQ(p[i].result, VALET_OK);
            CHECK(p[i].turn > turn && p[i].turn <= n && !(turns & 1u << p[i].turn));
            turns |= 1u << p[i].turn;
        }
        check_nobody_waits();
    }
}

/* Items through a box for one, with deadlines that come at any moment: none is lost, and nobody
 * sleeps on while there is one for him. */
static struct {
    struct valet_mutex m;
    struct valet_cond filled, emptied;
    unsigned item; /* guarded, as all here; 0: none */
    unsigned long got, sum, late;
    unsigned takers;
} box;

static void run_taker(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    bool clock = valet_now() != 0;
    lock(&box.m);
    for (;;) {
        while (box.item == 0) {
            uint64_t deadline = VALET_FOREVER;
            if (clock && test_random(&random) % 2)
                deadline = valet_now() + random % 50 * US;
            int r = valet_cond_wait_until(&box.filled, &box.m, deadline);
            CHECK(r == VALET_OK || r == VALET_TIMEDOUT);
            box.late += r == VALET_TIMEDOUT;
        }
        if (box.item == UINT32_MAX)
            break; /* the last one stays for the others */
        box.got++;
        box.sum += box.item;
        box.item = 0;
        valet_cond_notify_one(&box.emptied);
    }
    box.takers--;
    valet_cond_notify_all(&box.filled);
    valet_mutex_unlock(&box.m);
}

static void test_items_through_a_box(void)
{
    struct test_thread *t[8];
    unsigned threads = test_least(test_threads_max(), 8), items = test_many(5000, 500);
    uint64_t end = test_end(S);
    unsigned long sum = 0, count = 0;
    box.got = box.sum = box.late = box.item = 0;
    box.takers = threads;
    for (unsigned i = 0; i < threads; i++)
        t[i] = test_start(run_taker, (void *)(uintptr_t)(i + 1));
    lock(&box.m);
    for (unsigned i = 1; i <= items && test_before(end); i++) {
        while (box.item != 0)
            CHECK_EQ(valet_cond_wait(&box.emptied, &box.m), VALET_OK);
        box.item = i;
        sum += i;
        count++;
        valet_cond_notify_one(&box.filled);
    }
    while (box.item != 0)
        CHECK_EQ(valet_cond_wait(&box.emptied, &box.m), VALET_OK);
    box.item = UINT32_MAX;
    valet_cond_notify_all(&box.filled);
    valet_mutex_unlock(&box.m);
    for (unsigned i = 0; i < threads; i++)
        test_join(t[i]);
    CHECK_EQ((long long)box.got, (long long)count);
    CHECK_EQ((long long)box.sum, (long long)sum);
    CHECK_EQ(box.takers, 0);
    test_report("items", box.got, "");
    test_report("waits that timed out", box.late, "");
    CHECK_EQ((long long)(box.filled.word | box.emptied.word), 0);
    check_free(&box.m);
}

/* ---- once ------------------------------------------------------------------------------------ */

static void test_all_zero_is_a_once_that_is_not_done(void)
{
    static struct valet_once zero;
    struct valet_once o = VALET_ONCE_INIT;
    CHECK_EQ(sizeof o, sizeof(void *));
    CHECK_EQ((long long)zero.waiters.word, (long long)o.waiters.word);
    CHECK(!valet_once_is_done(&o));
    CHECK_EQ(valet_once_begin(&o), VALET_CHOSEN);
    CHECK(!valet_once_is_done(&o));
    valet_once_abandon(&o);
    CHECK(!valet_once_is_done(&o));
    CHECK_EQ(valet_once_begin(&o), VALET_CHOSEN);
    valet_once_done(&o);
    CHECK(valet_once_is_done(&o));
    CHECK_EQ(valet_once_begin(&o), VALET_OK);
}

/* Each of the threads wants it done; the first ones that begin give up. */
static struct {
    struct valet_once o;
    unsigned begun, done; /* written by who has begun */
    unsigned failures;
    atomic_uint through;
} once;

static void run_beginner(void *unused)
{
    (void)unused;
    int r;
    while ((r = valet_once_begin(&once.o)) == VALET_CHOSEN && ++once.begun <= once.failures) {
        test_yield(); /* others come */
        valet_once_abandon(&once.o);
    }
    if (r == VALET_CHOSEN) {
        test_sleep(MS); /* ... and wait */
        once.done++;
        valet_once_done(&once.o);
    } else {
        CHECK_EQ(r, VALET_OK);
    }
    CHECK_EQ(once.done, 1);
    atomic_fetch_add(&once.through, 1);
}

static void test_once_is_done_by_one_for_all(void)
{
    unsigned threads = test_least(test_threads_max(), 4);
    for (unsigned failures = 0; failures < 3; failures++) {
        struct test_thread *t[4];
        once.o = (struct valet_once)VALET_ONCE_INIT;
        once.begun = once.done = 0;
        once.failures = failures;
        atomic_store(&once.through, 0);
        for (unsigned i = 0; i < threads; i++)
            t[i] = test_start(run_beginner, NULL);
        for (unsigned i = 0; i < threads; i++)
            test_join(t[i]);
        CHECK_EQ(once.begun, failures + 1);
        CHECK_EQ(atomic_load(&once.through), threads);
    }
}

static void count_calls(void *argument)
{
    ++*(unsigned *)argument;
}

static void run_caller(void *argument)
{
    CHECK_EQ(valet_once_call(&once.o, count_calls, argument), VALET_OK);
    CHECK_EQ(*(unsigned *)argument, 1);
}

static void test_once_calls_its_function_once(void)
{
    static unsigned calls;
    struct test_thread *t[3];
    calls = 0;
    once.o = (struct valet_once)VALET_ONCE_INIT;
    for (unsigned i = 0; i < 3; i++)
        t[i] = test_start(run_caller, &calls);
    for (unsigned i = 0; i < 3; i++)
        test_join(t[i]);
    run_caller(&calls);
}

/* ---- latch ----------------------------------------------------------------------------------- */

static void test_a_latch_opens_when_nothing_is_left(void)
{
    struct valet_latch none = VALET_LATCH_INIT(0), l = VALET_LATCH_INIT(3);
    CHECK_EQ(sizeof l, 2 * sizeof(void *));
    CHECK_EQ(valet_latch_wait(&none), VALET_OK);
    CHECK_EQ(valet_latch_wait_until(&l, 0), VALET_TIMEDOUT);
    valet_latch_count_down(&l, 2);
    CHECK_EQ(valet_latch_wait_until(&l, 0), VALET_TIMEDOUT);
    uint64_t before = valet_now();
    if (before == 0) {
        CHECK_EQ(valet_latch_wait_until(&l, 1), VALET_ERR_UNSUPPORTED);
    } else {
        CHECK_EQ(valet_latch_wait_until(&l, before + 3 * MS), VALET_TIMEDOUT);
        CHECK(valet_now() >= before + 3 * MS);
    }
    valet_latch_count_down(&l, 1);
    CHECK_EQ(valet_latch_wait(&l), VALET_OK);
    CHECK_EQ(valet_latch_wait_until(&l, 0), VALET_OK);
}

/* Whoever waits frees it, while those who counted may be in their calls. */
struct latched {
    struct valet_latch l;
    unsigned wrote[2];
};
struct counter {
    struct latched *s;
    unsigned i;
};

static void run_counter(void *argument)
{
    struct counter *c = argument;
    c->s->wrote[c->i] = 1;
    valet_latch_count_down(&c->s->l, 1);
}

static void test_who_waits_for_a_latch_may_free_it(void)
{
    unsigned rounds = test_many(100, 10);
    uint64_t end = test_end(S / 10);
    for (unsigned i = 0; i < rounds && test_before(end); i++) {
        struct latched *s = test_map();
        struct counter counters[2] = {{s, 0}, {s, 1}};
        struct test_thread *t[2];
        s->l = (struct valet_latch)VALET_LATCH_INIT(2);
        for (unsigned k = 0; k < 2; k++)
            t[k] = test_start(run_counter, &counters[k]);
        CHECK_EQ(valet_latch_wait(&s->l), VALET_OK);
        CHECK(s->wrote[0] && s->wrote[1]);
        test_unmap(s);
        for (unsigned k = 0; k < 2; k++)
            test_join(t[k]);
    }
}

/* ---- barrier --------------------------------------------------------------------------------- */

static struct {
    struct valet_barrier *b;
    unsigned threads, rounds;
    unsigned came[4]; /* each thread's own, read by the others */
    atomic_uint chosen;
} march;

static void run_marcher(void *argument)
{
    unsigned *came = argument, chosen = 0;
    for (unsigned round = 1; round <= march.rounds; round++) {
        *came = round;
        chosen += valet_barrier_wait(march.b) == VALET_CHOSEN;
        for (unsigned i = 0; i < march.threads; i++)
            CHECK_EQ(march.came[i], round);
        chosen += valet_barrier_wait(march.b) == VALET_CHOSEN; /* all have looked */
    }
    atomic_fetch_add(&march.chosen, chosen);
}

static void test_all_march_in_step_and_one_is_told(void)
{
    struct valet_barrier alone = VALET_BARRIER_INIT(1);
    CHECK_EQ(sizeof alone, 2 * sizeof(void *));
    CHECK_EQ(valet_barrier_wait(&alone), VALET_CHOSEN);
    CHECK_EQ(valet_barrier_wait(&alone), VALET_CHOSEN);
    march.threads = test_least(test_threads_max(), 3) + 1;
    march.rounds = test_many(300, 30);
    atomic_store(&march.chosen, 0);
    struct valet_barrier b = VALET_BARRIER_INIT(march.threads);
    march.b = &b;
    struct test_thread *t[4];
    for (unsigned i = 1; i < march.threads; i++)
        t[i] = test_start(run_marcher, &march.came[i]);
    run_marcher(&march.came[0]);
    for (unsigned i = 1; i < march.threads; i++)
        test_join(t[i]);
    CHECK_EQ(atomic_load(&march.chosen), 2 * march.rounds);
    CHECK_EQ((long long)b.word, 0);
}

/* Whoever is the first that returns frees it; the others may be in their calls. */
static atomic_uint returned;

static void run_last_round(void *argument)
{
    struct valet_barrier *b = argument;
    int r = valet_barrier_wait(b);
    CHECK(r == VALET_OK || r == VALET_CHOSEN);
    if (atomic_fetch_add(&returned, 1) == 0)
        test_unmap(b);
}

static void test_who_returns_first_may_free_a_barrier(void)
{
    unsigned rounds = test_many(100, 10);
    uint64_t end = test_end(S / 10);
    for (unsigned i = 0; i < rounds && test_before(end); i++) {
        struct valet_barrier *b = test_map();
        struct test_thread *t[2];
        *b = (struct valet_barrier)VALET_BARRIER_INIT(3);
        atomic_store(&returned, 0);
        for (unsigned k = 0; k < 2; k++)
            t[k] = test_start(run_last_round, b);
        run_last_round(b);
        for (unsigned k = 0; k < 2; k++)
            test_join(t[k]);
    }
}

/* ---- semaphore ------------------------------------------------------------------------------- */

static void test_permits_are_counted(void)
{
    struct valet_sem s = VALET_SEM_INIT(2);
    CHECK_EQ(sizeof s, 2 * sizeof(void *));
    CHECK_EQ(valet_sem_acquire(&s), VALET_OK);
    CHECK(valet_sem_try_acquire(&s));
    CHECK(!valet_sem_try_acquire(&s));
    valet_sem_release(&s, 3);
    CHECK_EQ(valet_sem_acquire_until(&s, 0), VALET_OK);
    CHECK_EQ(valet_sem_acquire_until(&s, 1), VALET_OK); /* one that is there beats a deadline */
    CHECK_EQ(valet_sem_acquire_for(&s, 1), VALET_OK);
    CHECK_EQ(valet_sem_acquire_until(&s, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_sem_acquire_for(&s, 0), VALET_TIMEDOUT);
    uint64_t before = valet_now();
    if (before == 0) {
        CHECK_EQ(valet_sem_acquire_until(&s, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_sem_acquire_for(&s, 1), VALET_ERR_UNSUPPORTED);
    } else {
        CHECK_EQ(valet_sem_acquire_until(&s, before + 3 * MS), VALET_TIMEDOUT);
        uint64_t after = valet_now();
        CHECK(after >= before + 3 * MS);
        CHECK_EQ(valet_sem_acquire_for(&s, 3 * MS), VALET_TIMEDOUT);
        CHECK(valet_now() >= after + 3 * MS);
    }
    CHECK_EQ((long long)(s.line.word | s.count), 0); /* nobody is left in it */
    valet_sem_release(&s, VALET_SEM_MAX);
    CHECK(valet_sem_try_acquire(&s));
}

/* Who sleeps is handed what is released, in the order in which they came, and nobody gets it who
 * comes later. */
static struct {
    struct valet_sem s;
    atomic_uint turns;
} queue;

static void run_acquirer(void *argument)
{
    CHECK_EQ(valet_sem_acquire(&queue.s), VALET_OK);
    *(unsigned *)argument = atomic_fetch_add(&queue.turns, 1) + 1;
}

static void test_permits_are_handed_out_in_order(void)
{
    unsigned turn[3];
    struct test_thread *t[3];
    queue.s = (struct valet_sem)VALET_SEM_INIT(0);
    atomic_store(&queue.turns, 0);
    uintptr_t newest = 0;
    for (unsigned i = 0; i < 3; i++) {
        turn[i] = 0;
        t[i] = test_start(run_acquirer, &turn[i]);
        /* the first is the front; the others are nodes in the line */
        for (;; test_yield()) {
            uintptr_t line = word_of(&queue.s.line) & ~(uintptr_t)BITS;
            bool asleep = (__atomic_load_n(&queue.s.count, __ATOMIC_RELAXED) & 1) != 0;
            if (asleep && (i == 0 || line != newest)) {
                newest = line;
                break;
            }
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK(!valet_sem_try_acquire(&queue.s));
        valet_sem_release(&queue.s, 1);
        test_join(t[i]);
        CHECK_EQ(turn[i], i + 1);
    }
    CHECK_EQ((long long)(queue.s.line.word | queue.s.count), 0);
}

/* Permits go round among threads with deadlines that come at any moment: none is lost, none is
 * made. */
static struct {
    struct valet_sem s;
    unsigned rounds;
    atomic_uint inside;
    atomic_ulong late;
} ring;

static void run_ring(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    uint64_t end = test_end(S / 10);
    bool clock = valet_now() != 0;
    unsigned long late = 0;
    for (unsigned i = 0; i < ring.rounds && test_before(end); i++) {
        uint32_t r = test_random(&random);
        int result = clock && r % 2 ? valet_sem_acquire_for(&ring.s, r / 2 % 20 * US + 1)
                                    : valet_sem_acquire(&ring.s);
        if (result != VALET_OK) {
            CHECK_EQ(result, VALET_TIMEDOUT);
            late++;
            continue;
        }
        CHECK(atomic_fetch_add_explicit(&ring.inside, 1, memory_order_relaxed) < 2);
        if (r >> 16 & 1)
            test_yield(); /* another one comes */
        atomic_fetch_sub_explicit(&ring.inside, 1, memory_order_relaxed);
        valet_sem_release(&ring.s, 1);
    }
    atomic_fetch_add(&ring.late, late);
}

static void test_permits_go_round(void)
{
    struct test_thread *t[8];
    unsigned threads = test_least(test_threads_max(), 8);
    ring.s = (struct valet_sem)VALET_SEM_INIT(2);
    ring.rounds = test_many(2000, 300);
    atomic_store(&ring.late, 0);
    for (unsigned i = 0; i < threads; i++)
        t[i] = test_start(run_ring, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < threads; i++)
        test_join(t[i]);
    test_report("given up", atomic_load(&ring.late), "times");
    CHECK(valet_sem_try_acquire(&ring.s));
    CHECK(valet_sem_try_acquire(&ring.s));
    CHECK(!valet_sem_try_acquire(&ring.s));
    CHECK_EQ((long long)(ring.s.line.word | ring.s.count), 0);
}

/* Whoever takes what is released frees it, while the release may still go on. */
static void run_releaser(void *argument)
{
    valet_sem_release(argument, 1);
}

static void test_who_takes_the_last_permit_may_free_it(void)
{
    unsigned rounds = test_many(100, 10);
    uint64_t end = test_end(S / 10);
    for (unsigned i = 0; i < rounds && test_before(end); i++) {
        struct valet_sem *s = test_map();
        struct test_thread *t[2];
        *s = (struct valet_sem)VALET_SEM_INIT(0);
        for (unsigned k = 0; k < 2; k++)
            t[k] = test_start(run_releaser, s);
        for (unsigned k = 0; k < 2; k++)
            CHECK_EQ(valet_sem_acquire(s), VALET_OK);
        test_unmap(s);
        for (unsigned k = 0; k < 2; k++)
            test_join(t[k]);
    }
}

/* A handler releases, whatever call of its thread it has interrupted. */
static struct {
    struct valet_sem s;
    atomic_ulong released;
    unsigned long got; /* its thread's */
    atomic_bool done;
} posted;

static void release_in_handler(void *unused)
{
    (void)unused;
    atomic_fetch_add(&posted.released, 1);
    valet_sem_release(&posted.s, 1);
}

static void run_posted(void *unused)
{
    (void)unused;
    while (!atomic_load(&posted.done)) {
        posted.got += valet_sem_acquire_for(&posted.s, 50 * US) == VALET_OK;
        test_yield();
    }
}

static void test_release_in_a_handler(void)
{
    if (!test_has_handlers() || valet_now() == 0)
        return;
    unsigned rounds = test_many(500, 100);
    uint64_t end = test_end(S / 10);
    struct test_thread *t = test_start(run_posted, NULL);
    for (unsigned i = 0; atomic_load(&posted.released) == 0 || (i < rounds && test_before(end));
         i++) {
        test_interrupt(t, release_in_handler, NULL);
        test_sleep(20 * US);
    }
    atomic_store(&posted.done, true);
    test_join(t);
    while (valet_sem_try_acquire(&posted.s))
        posted.got++;
    CHECK_EQ((long long)posted.got, (long long)atomic_load(&posted.released));
    CHECK(posted.got != 0);
    CHECK_EQ((long long)(posted.s.line.word | posted.s.count), 0);
}

/* ---- lock for readers and writers ------------------------------------------------------------ */

static void check_idle(struct valet_rwlock *l)
{
    CHECK_EQ((long long)word_of(&l->line), 0);
    CHECK(valet_rwlock_write_try_lock(l));
    valet_rwlock_write_unlock(l);
    CHECK_EQ((long long)l->holders, 0); /* nobody holds it, and nobody is left in it */
}

static void test_many_read_or_one_writes(void)
{
    static struct valet_rwlock zero;
    struct valet_rwlock l = VALET_RWLOCK_INIT;
    CHECK_EQ(sizeof l, 2 * sizeof(void *));
    CHECK_EQ((long long)(zero.line.word | zero.holders), (long long)(l.line.word | l.holders));
    CHECK_EQ(valet_rwlock_read_lock(&l), VALET_OK);
    CHECK(valet_rwlock_read_try_lock(&l));
    CHECK_EQ(valet_rwlock_read_lock_until(&l, 0), VALET_OK);
    CHECK_EQ(valet_rwlock_read_lock_for(&l, S), VALET_OK);
    CHECK(!valet_rwlock_write_try_lock(&l));
    for (unsigned i = 0; i < 4; i++) {
        CHECK(!valet_rwlock_write_try_lock(&l));
        valet_rwlock_read_unlock(&l);
    }
    CHECK_EQ(valet_rwlock_write_lock(&l), VALET_OK);
    CHECK(!valet_rwlock_read_try_lock(&l));
    CHECK(!valet_rwlock_write_try_lock(&l));
    valet_rwlock_downgrade(&l);
    CHECK(valet_rwlock_read_try_lock(&l));
    CHECK(!valet_rwlock_write_try_lock(&l));
    valet_rwlock_read_unlock(&l);
    valet_rwlock_read_unlock(&l);
    CHECK_EQ(valet_rwlock_write_lock_until(&l, 1), VALET_OK);
    valet_rwlock_write_unlock(&l);
    CHECK_EQ(valet_rwlock_write_lock_for(&l, 0), VALET_OK);
    valet_rwlock_write_unlock(&l);
    check_idle(&l);
}

static void expect_late(struct valet_rwlock *l,
                        int (*until)(struct valet_rwlock *l, uint64_t deadline),
                        int (*within)(struct valet_rwlock *l, uint64_t timeout_ns))
{
    CHECK_EQ(until(l, 0), VALET_TIMEDOUT);
    CHECK_EQ(within(l, 0), VALET_TIMEDOUT);
    uint64_t before = valet_now();
    if (before == 0) {
        CHECK_EQ(until(l, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(within(l, 1), VALET_ERR_UNSUPPORTED);
        return;
    }
    CHECK_EQ(until(l, before + 3 * MS), VALET_TIMEDOUT);
    uint64_t after = valet_now();
    CHECK(after >= before + 3 * MS);
    CHECK_EQ(within(l, 3 * MS), VALET_TIMEDOUT);
    CHECK(valet_now() >= after + 3 * MS);
}

static void test_deadlines_of_readers_and_writers(void)
{
    struct valet_rwlock l = VALET_RWLOCK_INIT;
    CHECK_EQ(valet_rwlock_write_lock(&l), VALET_OK);
    expect_late(&l, valet_rwlock_read_lock_until, valet_rwlock_read_lock_for);
    expect_late(&l, valet_rwlock_write_lock_until, valet_rwlock_write_lock_for);
    valet_rwlock_downgrade(&l);
    expect_late(&l, valet_rwlock_write_lock_until, valet_rwlock_write_lock_for);
    CHECK(valet_rwlock_read_try_lock(&l)); /* a writer that has given up stops nobody */
    valet_rwlock_read_unlock(&l);
    valet_rwlock_read_unlock(&l);
    check_idle(&l);
}

/* One that waits for the shelf, and says so when it has it. */
static struct {
    struct valet_rwlock l;
    atomic_bool got[3], go[3];
} shelf;

static void run_reader(void *argument)
{
    unsigned i = (unsigned)(uintptr_t)argument;
    CHECK_EQ(valet_rwlock_read_lock(&shelf.l), VALET_OK);
    atomic_store(&shelf.got[i], true);
    while (!atomic_load(&shelf.go[i]))
        test_yield();
    valet_rwlock_read_unlock(&shelf.l);
}

static void run_writer(void *argument)
{
    unsigned i = (unsigned)(uintptr_t)argument;
    CHECK_EQ(valet_rwlock_write_lock(&shelf.l), VALET_OK);
    atomic_store(&shelf.got[i], true);
    while (!atomic_load(&shelf.go[i]))
        test_yield();
    valet_rwlock_write_unlock(&shelf.l);
}

/* Start it, and wait until it is in the line: first, where `newest` is 0. */
static struct test_thread *start_in_line(void (*run)(void *), unsigned i, uintptr_t *newest)
{
    atomic_store(&shelf.got[i], false);
    atomic_store(&shelf.go[i], false);
    struct test_thread *t = test_start(run, (void *)(uintptr_t)i);
    uintptr_t word;
    while ((word = word_of(&shelf.l.line) & ~(uintptr_t)BITS) == *newest)
        test_yield();
    *newest = word;
    return t;
}

static void until(const atomic_bool *what)
{
    while (!atomic_load(what))
        test_yield();
}

/* A writer that waits stops new readers, and gets it before them. */
static void test_a_writer_that_waits_stops_new_readers(void)
{
    uintptr_t newest = 0;
    CHECK_EQ(valet_rwlock_read_lock(&shelf.l), VALET_OK);
    struct test_thread *w = start_in_line(run_writer, 0, &newest);
    CHECK(!valet_rwlock_read_try_lock(&shelf.l));
    struct test_thread *r = start_in_line(run_reader, 1, &newest);
    test_sleep(MS);
    CHECK(!atomic_load(&shelf.got[0]) && !atomic_load(&shelf.got[1]));
    valet_rwlock_read_unlock(&shelf.l);
    until(&shelf.got[0]);
    test_sleep(MS);
    CHECK(!atomic_load(&shelf.got[1]));
    atomic_store(&shelf.go[0], true);
    test_join(w);
    until(&shelf.got[1]);
    atomic_store(&shelf.go[1], true);
    test_join(r);
    check_idle(&shelf.l);
}

/* All readers in line come in together, also when the writer becomes one; a writer does not. */
static void test_readers_come_in_together(void)
{
    for (int downgrade = 0; downgrade < 2; downgrade++) {
        uintptr_t newest = 0;
        CHECK_EQ(valet_rwlock_write_lock(&shelf.l), VALET_OK);
        struct test_thread *t[3];
        t[0] = start_in_line(run_reader, 0, &newest);
        t[1] = start_in_line(run_reader, 1, &newest);
        t[2] = start_in_line(run_writer, 2, &newest);
        (downgrade ? valet_rwlock_downgrade : valet_rwlock_write_unlock)(&shelf.l);
        until(&shelf.got[0]);
        until(&shelf.got[1]); /* while the other one is inside */
        test_sleep(MS);
        CHECK(!atomic_load(&shelf.got[2]));
        atomic_store(&shelf.go[0], true);
        atomic_store(&shelf.go[1], true);
        atomic_store(&shelf.go[2], true);
        if (downgrade) {
            test_sleep(MS);
            CHECK(!atomic_load(&shelf.got[2]));
            valet_rwlock_read_unlock(&shelf.l);
        }
        for (unsigned i = 0; i < 3; i++)
            test_join(t[i]);
        check_idle(&shelf.l);
    }
}

/* Whoever comes meanwhile, the one in line has it next, however it is held. */
static void test_a_fair_unlock_of_a_rwlock_hands_it_over(void)
{
    unsigned rounds = test_many(100, 10);
    for (unsigned i = 0; i < rounds; i++) {
        uintptr_t newest = 0;
        bool reads = i % 2, waits_to_read = i / 2 % 2;
        if (reads && waits_to_read)
            continue; /* a reader does not wait for another one */
        CHECK_EQ((reads ? valet_rwlock_read_lock : valet_rwlock_write_lock)(&shelf.l), VALET_OK);
        struct test_thread *t = start_in_line(waits_to_read ? run_reader : run_writer, 0, &newest);
        (reads ? valet_rwlock_read_unlock_fair : valet_rwlock_write_unlock_fair)(&shelf.l);
        CHECK(!valet_rwlock_write_try_lock(&shelf.l)); /* it has it, and keeps it */
        until(&shelf.got[0]);
        atomic_store(&shelf.go[0], true);
        test_join(t);
        check_idle(&shelf.l);
    }
}

static struct {
    struct valet_rwlock l;
    unsigned long first, second; /* guarded: the same */
    unsigned rounds;
    atomic_ulong writes, late;
    atomic_uint inside; /* readers, and 100 for a writer */
} library;

static void read_library(void)
{
    CHECK(atomic_fetch_add_explicit(&library.inside, 1, memory_order_relaxed) < 100);
    CHECK_EQ((long long)library.first, (long long)library.second);
    atomic_fetch_sub_explicit(&library.inside, 1, memory_order_relaxed);
}

static void run_visitor(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    uint64_t end = test_end(S / 10);
    bool clock = valet_now() != 0;
    unsigned long writes = 0, late = 0;
    for (unsigned i = 0; i < library.rounds && test_before(end); i++) {
        uint32_t r = test_random(&random);
        bool writer = r % 4 == 0;
        uint64_t patience = r >> 8 & 1 && clock ? (r >> 9) % 20 * US + 1 : VALET_FOREVER;
        int result = (writer ? valet_rwlock_write_lock_for : valet_rwlock_read_lock_for)(&library.l,
                                                                                         patience);
        if (result != VALET_OK) {
            CHECK_EQ(result, VALET_TIMEDOUT);
            late++;
            continue;
        }
        if (writer) {
            CHECK_EQ(atomic_fetch_add_explicit(&library.inside, 100, memory_order_relaxed), 0);
            library.first++;
        }
        if ((r >> 20 & 15) == 0)
            test_yield(); /* others come */
        if (writer) {
            library.second++;
            writes++;
            atomic_fetch_sub_explicit(&library.inside, 100, memory_order_relaxed);
        } else {
            read_library();
        }
        if (writer && r >> 31)
            valet_rwlock_downgrade(&library.l);
        if (writer && r >> 31)
            read_library();
        (writer && !(r >> 31) ? valet_rwlock_write_unlock : valet_rwlock_read_unlock)(&library.l);
    }
    atomic_fetch_add(&library.writes, writes);
    atomic_fetch_add(&library.late, late);
}

static void test_readers_and_writers_with_deadlines(void)
{
    struct test_thread *t[8];
    unsigned threads = test_least(test_threads_max(), 8);
    library.first = library.second = 0;
    library.rounds = test_many(2000, 300);
    atomic_store(&library.writes, 0);
    atomic_store(&library.late, 0);
    for (unsigned i = 0; i < threads; i++)
        t[i] = test_start(run_visitor, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < threads; i++)
        test_join(t[i]);
    CHECK_EQ((long long)library.first, (long long)atomic_load(&library.writes));
    test_report("written", atomic_load(&library.writes), "times");
    test_report("given up", atomic_load(&library.late), "times");
    check_idle(&library.l);
}

struct lent {
    struct valet_rwlock l;
    unsigned users; /* guarded */
};

/* Each reads, and then writes that it is done; who is the last frees it. */
static void run_borrower(void *argument)
{
    struct lent *s = argument;
    CHECK_EQ(valet_rwlock_read_lock(&s->l), VALET_OK);
    CHECK(s->users != 0);
    valet_rwlock_read_unlock(&s->l);
    CHECK_EQ(valet_rwlock_write_lock(&s->l), VALET_OK);
    bool last = --s->users == 0;
    valet_rwlock_write_unlock(&s->l);
    if (last)
        test_unmap(s);
}

static void test_who_holds_it_last_may_free_a_rwlock(void)
{
    unsigned rounds = test_many(100, 10);
    uint64_t end = test_end(S / 10);
    for (unsigned i = 0; i < rounds && test_before(end); i++) {
        struct lent *s = test_map();
        struct test_thread *t[2];
        s->users = 3;
        for (unsigned k = 0; k < 2; k++)
            t[k] = test_start(run_borrower, s);
        run_borrower(s);
        for (unsigned k = 0; k < 2; k++)
            test_join(t[k]);
    }
}

/* ---- calls with flags ------------------------------------------------------------------------ */

/* One of each lock, and of each its call with flags: OK, where it was taken. */
static struct {
    struct valet_mutex m, guard;
    struct valet_rwlock read, write;
    struct valet_sem s;
    struct valet_latch l;
    struct valet_once o;
    struct valet_cond c;
} flagged;
enum { MUTEX, READ, WRITE, SEM, LATCH, ONCE, COND, FORMS };

static int call_with(unsigned form, uint64_t deadline, unsigned flags)
{
    int r;
    switch (form) {
    case MUTEX:
        return valet_mutex_lock_with(&flagged.m, deadline, flags);
    case READ:
        return valet_rwlock_read_lock_with(&flagged.read, deadline, flags);
    case WRITE:
        return valet_rwlock_write_lock_with(&flagged.write, deadline, flags);
    case SEM:
        return valet_sem_acquire_with(&flagged.s, deadline, flags);
    case LATCH:
        return valet_latch_wait_with(&flagged.l, deadline, flags);
    case ONCE:
        r = valet_once_begin_with(&flagged.o, deadline, flags);
        return r == VALET_CHOSEN ? VALET_OK : r;
    default:
        lock(&flagged.guard);
        do
            r = valet_cond_wait_with(&flagged.c, &flagged.guard, deadline, flags);
        while (r == VALET_OK); /* for no reason: nobody notifies */
        /* It is held, whatever that was. */
        CHECK(!valet_mutex_try_lock(&flagged.guard));
        valet_mutex_unlock(&flagged.guard);
        return r;
    }
}

/* All are taken, or what is taken is given up. */
static void take_all(void)
{
    lock(&flagged.m);
    CHECK_EQ(valet_rwlock_write_lock(&flagged.read), VALET_OK);
    CHECK_EQ(valet_rwlock_read_lock(&flagged.write), VALET_OK);
    flagged.s = (struct valet_sem)VALET_SEM_INIT(0);
    flagged.l = (struct valet_latch)VALET_LATCH_INIT(1);
    CHECK_EQ(valet_once_begin(&flagged.o), VALET_CHOSEN);
}

static void free_all(void)
{
    valet_mutex_unlock(&flagged.m);
    valet_rwlock_write_unlock_fair(&flagged.read);
    valet_rwlock_read_unlock_fair(&flagged.write);
    valet_sem_release(&flagged.s, 1);
    valet_latch_count_down(&flagged.l, 1);
    valet_once_abandon(&flagged.o);
}

/* Of those that are free each is got, and given up again. */
static void get_all(uint64_t deadline, unsigned flags)
{
    for (unsigned form = 0; form < COND; form++)
        CHECK_EQ(call_with(form, deadline, flags), VALET_OK);
    valet_mutex_unlock(&flagged.m);
    valet_rwlock_read_unlock(&flagged.read);
    valet_rwlock_write_unlock(&flagged.write);
    valet_sem_release(&flagged.s, 1);
    valet_once_abandon(&flagged.o);
}

static void check_none_is_left(void)
{
    get_all(0, 0);
    check_free(&flagged.m);
    check_free(&flagged.guard);
    check_idle(&flagged.read);
    check_idle(&flagged.write);
    CHECK(valet_sem_try_acquire(&flagged.s));
    CHECK_EQ((long long)(flagged.s.line.word | flagged.s.count | flagged.c.word), 0);
}

static void test_flags_of_locks_are_looked_at_first(void)
{
    take_all();
    free_all();
    const unsigned known = VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL;
    for (unsigned form = 0; form < FORMS; form++)
        for (unsigned bit = 0; bit < 32; bit++) {
            unsigned flag = 1u << bit;
            if (!(flag & known))
                CHECK_EQ(call_with(form, 0, flag | VALET_NO_POLL), VALET_ERR_INVALID);
            else if (!(flag & valet_features()))
                CHECK_EQ(call_with(form, 0, flag), VALET_ERR_UNSUPPORTED);
        }
    check_none_is_left();
}

/* What is free beats deadline and handler; else the deadline comes, by the clock that was named. */
static void test_locks_with_flags(void)
{
    const unsigned each[] = {0, VALET_NO_POLL, VALET_INTERRUPTIBLE, VALET_REALTIME};
    take_all();
    for (unsigned i = 0; i < sizeof each / sizeof *each; i++) {
        unsigned flags = each[i];
        if (flags & ~valet_features())
            continue;
        free_all();
        get_all(0, flags);
        get_all(1, flags);
        get_all(VALET_FOREVER, flags);
        CHECK(valet_sem_try_acquire(&flagged.s));
        take_all();
        uint64_t (*now)(void) = flags == VALET_REALTIME ? valet_now_realtime : valet_now;
        for (unsigned form = 0; form < FORMS; form++) {
            CHECK_EQ(call_with(form, 0, flags), VALET_TIMEDOUT);
            if (now() == 0) {
                CHECK_EQ(call_with(form, 1, flags), VALET_ERR_UNSUPPORTED);
                continue;
            }
            uint64_t deadline = now() + MS;
            int r = call_with(form, deadline, flags);
            /* (A played kernel may say EINTR of itself.) */
            CHECK(r == VALET_TIMEDOUT || (flags == VALET_INTERRUPTIBLE && r == VALET_INTERRUPTED));
            CHECK(r != VALET_TIMEDOUT || now() >= deadline);
        }
    }
    free_all();
    check_none_is_left();
}

struct caller {
    unsigned form;
    int result;
    atomic_bool returned;
};

static void run_with_flags(void *argument)
{
    struct caller *c = argument;
    c->result = call_with(c->form, VALET_FOREVER, VALET_INTERRUPTIBLE);
    atomic_store(&c->returned, true);
}

static void test_a_handler_ends_each_wait(void)
{
    if (!(valet_features() & VALET_INTERRUPTIBLE))
        return;
    take_all();
    for (unsigned form = 0; form < FORMS; form++) {
        struct caller c = {.form = form};
        struct test_thread *t = test_start(run_with_flags, &c);
        do {
            test_interrupt(t, NULL, NULL);
            test_sleep(50 * US);
        } while (!atomic_load(&c.returned));
        test_join(t);
        CHECK_EQ(c.result, VALET_INTERRUPTED);
    }
    free_all();
    check_none_is_left();
}

/* Handlers come at any moment, also with the mutex that is handed over, and with the notify. */
static struct {
    struct valet_mutex m;
    struct valet_cond c;
    unsigned long count, permits; /* guarded */
    unsigned rounds;
    atomic_ulong got, used, interrupted;
    atomic_uint ended;
    atomic_bool over; /* nobody is signalled any more */
} shaken;

static void run_shaken(void *unused)
{
    (void)unused;
    unsigned long got = 0, used = 0, interrupted = 0;
    for (unsigned i = 0; i < shaken.rounds; i++) {
        int r = valet_mutex_lock_with(&shaken.m, VALET_FOREVER,
                                      VALET_INTERRUPTIBLE | (i % 2 ? VALET_NO_POLL : 0));
        if (r == VALET_OK) {
            while (r == VALET_OK && shaken.permits == 0 && i % 4 == 0)
                r = valet_cond_wait_with(&shaken.c, &shaken.m, VALET_FOREVER, VALET_INTERRUPTIBLE);
            if (shaken.permits != 0) {
                shaken.permits--;
                used++;
            }
            shaken.count++;
            got++;
            if (i % 8 == 0)
                test_yield(); /* others come */
            (i % 2 ? valet_mutex_unlock : valet_mutex_unlock_fair)(&shaken.m);
        }
        CHECK(r == VALET_OK || r == VALET_INTERRUPTED);
        interrupted += r == VALET_INTERRUPTED;
    }
    atomic_fetch_add(&shaken.got, got);
    atomic_fetch_add(&shaken.used, used);
    atomic_fetch_add(&shaken.interrupted, interrupted);
    atomic_fetch_add(&shaken.ended, 1);
    while (!atomic_load(&shaken.over))
        test_sleep(50 * US);
}

static void test_handlers_at_any_moment(void)
{
    if (!(valet_features() & VALET_INTERRUPTIBLE))
        return;
    struct test_thread *t[3];
    unsigned long notified = 0;
    shaken.rounds = test_many(400, 40);
    shaken.count = shaken.permits = 0;
    for (unsigned i = 0; i < 3; i++)
        t[i] = test_start(run_shaken, NULL);
    for (unsigned i = 0; atomic_load(&shaken.ended) != 3; i++) {
        test_interrupt(t[i % 3], NULL, NULL);
        lock(&shaken.m);
        shaken.permits++;
        notified++;
        (i % 5 ? valet_cond_notify_one : valet_cond_notify_all)(&shaken.c);
        valet_mutex_unlock(&shaken.m);
        test_sleep(20 * US);
    }
    atomic_store(&shaken.over, true);
    for (unsigned i = 0; i < 3; i++)
        test_join(t[i]);
    CHECK_EQ((long long)shaken.count, (long long)atomic_load(&shaken.got));
    CHECK_EQ((long long)(shaken.permits + atomic_load(&shaken.used)), (long long)notified);
    test_report("taken", atomic_load(&shaken.got), "times");
    test_report("interrupted", atomic_load(&shaken.interrupted), "times");
    CHECK_EQ((long long)shaken.c.word, 0);
    check_free(&shaken.m);
}

TEST_PROGRAM(TEST(test_all_zero_is_a_mutex_that_is_free), TEST(test_a_free_mutex_beats_a_deadline),
             TEST(test_a_deadline_ends_a_wait_and_not_early), TEST(test_a_locked_mutex_blocks),
             TEST(test_threads_are_woken_in_the_order_in_which_they_came),
             TEST(test_a_deadline_leaves_the_rest_of_the_queue_alone),
             TEST(test_unlock_fair_hands_the_mutex_over),
             TEST(test_who_has_lost_four_times_is_handed_the_mutex),
             TEST(test_a_crowd_with_deadlines), TEST(test_who_gets_it_last_may_free_it),
             TEST(test_try_lock_in_a_handler), TEST(test_a_notify_without_a_waiter_is_for_nobody),
             TEST(test_notify_one_wakes_who_has_waited_longest), TEST(test_notify_all_wakes_all),
             TEST(test_items_through_a_box), TEST(test_all_zero_is_a_once_that_is_not_done),
             TEST(test_once_is_done_by_one_for_all), TEST(test_once_calls_its_function_once),
             TEST(test_a_latch_opens_when_nothing_is_left),
             TEST(test_who_waits_for_a_latch_may_free_it),
             TEST(test_all_march_in_step_and_one_is_told),
             TEST(test_who_returns_first_may_free_a_barrier), TEST(test_permits_are_counted),
             TEST(test_permits_are_handed_out_in_order), TEST(test_permits_go_round),
             TEST(test_who_takes_the_last_permit_may_free_it), TEST(test_release_in_a_handler),
             TEST(test_many_read_or_one_writes), TEST(test_deadlines_of_readers_and_writers),
             TEST(test_a_writer_that_waits_stops_new_readers), TEST(test_readers_come_in_together),
             TEST(test_readers_and_writers_with_deadlines),
             TEST(test_who_holds_it_last_may_free_a_rwlock),
             TEST(test_a_fair_unlock_of_a_rwlock_hands_it_over),
             TEST(test_flags_of_locks_are_looked_at_first), TEST(test_locks_with_flags),
             TEST(test_a_handler_ends_each_wait), TEST(test_handlers_at_any_moment));
