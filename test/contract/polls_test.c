/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The polls of core/locks/, on a CPU that counts, and on parkers that do what a test tells them: so
 * what each call burns before it sleeps is known exactly. One thread, which is the others as well.
 */
#include "test.h"

#define VALET_ARCH_H /* in place of arch/ */
static inline void valet_arch_relax(void);

#define VALET_HAS_MACHINE
#include "core/locks/queue.c"
#include "core/locks/queue_with.c"
#define word_of mutex_word_of
#define take    mutex_take
#include "core/locks/mutex.c"
#undef word_of
#undef take
#define word_of cond_word_of
#include "core/locks/cond.c"
#include "core/locks/cond_with.c"
#undef word_of
#include "core/locks/rwlock.c"
#include "core/locks/rwlock_with.c"

enum { ALL_LOOKS = 3 + 6 + 12 + 24 + 48 + 96 + 192 + 384 };

static struct valet_mutex a_mutex;
static struct valet_cond a_cond;
static struct valet_rwlock a_rwlock;
static unsigned looks, sleeps, tokens, act_at; /* act_at: at which look; 0, in a sleep */
static unsigned slept_with;                    /* flags of the last sleep */
static void (*act)(void);                      /* what another thread does */

static void valet_arch_relax(void)
{
    if (++looks == act_at)
        act();
}

/* A deadline, where there is one, has passed. */
int valet_park_until(struct valet_parker *p, uint64_t deadline)
{
    (void)p;
    slept_with = 0;
    if (tokens == 0) {
        sleeps++;
        if (deadline != VALET_FOREVER)
            return VALET_TIMEDOUT;
        act();
    }
    CHECK_EQ(tokens, 1);
    tokens = 0;
    return VALET_OK;
}

int valet_park(struct valet_parker *p)
{
    return valet_park_until(p, VALET_FOREVER);
}

int valet_park_with(struct valet_parker *p, uint64_t deadline, unsigned flags)
{
    CHECK(flags != 0);
    int r = valet_park_until(p, deadline);
    slept_with = flags;
    return r;
}

static struct valet_node leader, later, others[VALET_LOCKS_WAKES]; /* other threads' */
static unsigned handed_on;

void valet_unpark(struct valet_parker *p)
{
    *(p == &others[VALET_LOCKS_WAKES - 1].parker ? &handed_on : &tokens) += 1;
}

unsigned valet_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL;
}

uint64_t valet_now(void)
{
    return 1000;
}

static void begin(void (*what)(void), unsigned at)
{
    act = what;
    act_at = at;
    looks = sleeps = tokens = 0;
}

static void never(void)
{
    test_failed(__FILE__, __LINE__, "nobody is to wait for this");
}

static void with_flags_and_without(void (*test)(unsigned flags))
{
    test(0);
    test(VALET_INTERRUPTIBLE);
    test(VALET_REALTIME);
}

static void free_mutex(void)
{
    valet_mutex_unlock(&a_mutex);
}

static void mutex_with(unsigned flags)
{
    CHECK(valet_mutex_try_lock(&a_mutex));
    begin(free_mutex, 10); /* the third look is the first after that */
    CHECK_EQ(valet_mutex_lock_with(&a_mutex, VALET_FOREVER, flags), VALET_OK);
    CHECK_EQ(looks, 3 + 6 + 12);
    CHECK_EQ(sleeps, 0);
    begin(free_mutex, 0);
    CHECK_EQ(valet_mutex_lock_with(&a_mutex, VALET_FOREVER, flags), VALET_OK);
    CHECK_EQ(looks, ALL_LOOKS);
    CHECK_EQ(sleeps, 1);
    begin(never, 0);
    CHECK_EQ(valet_mutex_lock_with(&a_mutex, 0, flags), VALET_TIMEDOUT);
    CHECK_EQ(looks + sleeps, 0);
    begin(free_mutex, 0);
    CHECK_EQ(valet_mutex_lock_with(&a_mutex, VALET_FOREVER, flags | VALET_NO_POLL), VALET_OK);
    CHECK_EQ(looks, 0);
    CHECK_EQ(sleeps, 1);
    free_mutex();
    CHECK_EQ((long long)a_mutex.word, 0);
}

static void test_mutex(void)
{
    with_flags_and_without(mutex_with);
}

static void write_unlock(void)
{
    valet_rwlock_write_unlock(&a_rwlock);
}

static void rwlock_with(unsigned flags)
{
    for (unsigned writes = 0; writes <= 1; writes++) {
        int (*lock)(struct valet_rwlock *, uint64_t, unsigned) =
            writes ? valet_rwlock_write_lock_with : valet_rwlock_read_lock_with;
        void (*release)(struct valet_rwlock *) =
            writes ? valet_rwlock_write_unlock : valet_rwlock_read_unlock;
        /* Freed while it polls: it never was in line. */
        CHECK(valet_rwlock_write_try_lock(&a_rwlock));
        begin(write_unlock, 10);
        CHECK_EQ(lock(&a_rwlock, VALET_FOREVER, flags), VALET_OK);
        CHECK_EQ(looks, 3 + 6 + 12);
        CHECK_EQ(sleeps, 0);
        CHECK_EQ((long long)a_rwlock.line.word, 0);
        CHECK_EQ((long long)a_rwlock.holders, writes ? WRITER : READER);
        release(&a_rwlock);
        /* Then in line, which is a mutex's. */
        CHECK(valet_rwlock_write_try_lock(&a_rwlock));
        begin(write_unlock, 0);
        CHECK_EQ(lock(&a_rwlock, VALET_FOREVER, flags), VALET_OK);
        CHECK_EQ(looks, 2 * ALL_LOOKS);
        CHECK_EQ(sleeps, 1);
        release(&a_rwlock);
        /* Another one is first in line: past that one nobody comes, so it looks once. */
        CHECK(valet_rwlock_write_try_lock(&a_rwlock));
        CHECK(valet_mutex_try_lock(&a_rwlock.line));
        CHECK(!take_as_first(word_of(&a_rwlock), WRITER, DRAIN));
        begin(write_unlock, 0);
        CHECK_EQ(lock(&a_rwlock, VALET_FOREVER, flags), VALET_OK);
        CHECK_EQ(looks, 3 + ALL_LOOKS);
        CHECK_EQ(sleeps, 1);
        release(&a_rwlock);

        CHECK(valet_rwlock_write_try_lock(&a_rwlock));
        begin(never, 0);
        CHECK_EQ(lock(&a_rwlock, 0, flags), VALET_TIMEDOUT);
        CHECK_EQ(looks + sleeps, 0);
        begin(write_unlock, 0);
        CHECK_EQ(lock(&a_rwlock, VALET_FOREVER, flags | VALET_NO_POLL), VALET_OK);
        CHECK_EQ(looks, 0);
        CHECK_EQ(sleeps, 1);
        release(&a_rwlock);
        CHECK_EQ((long long)a_rwlock.line.word, 0);
        CHECK_EQ((long long)a_rwlock.holders, 0);
    }
}

static void test_readers_and_writers(void)
{
    with_flags_and_without(rwlock_with);
}

/* Who waits is notified; and a thread that runs takes the mutex before. */
static void notify_and_lock(void)
{
    valet_cond_notify_all(&a_cond);
    CHECK(valet_mutex_try_lock(&a_mutex));
    act = free_mutex;
}

static void cond_with(unsigned flags)
{
    CHECK(valet_mutex_try_lock(&a_mutex));
    begin(notify_and_lock, 0);
    CHECK_EQ(valet_cond_wait_with(&a_cond, &a_mutex, VALET_FOREVER, flags), VALET_OK);
    CHECK_EQ(looks, ALL_LOOKS);
    CHECK_EQ(sleeps, 2);
    CHECK_EQ(slept_with, 0); /* nothing ends the wait for the mutex */
    begin(notify_and_lock, 0);
    CHECK_EQ(valet_cond_wait_with(&a_cond, &a_mutex, VALET_FOREVER, flags | VALET_NO_POLL),
             VALET_OK);
    CHECK_EQ(looks, 0);
    CHECK_EQ(sleeps, 2);
    CHECK_EQ(slept_with, VALET_NO_POLL);
    CHECK_EQ((long long)a_mutex.word, VALET_LOCKED);
    free_mutex();
    CHECK_EQ((long long)(a_mutex.word | a_cond.word), 0);
}

static void test_condition_variable(void)
{
    with_flags_and_without(cond_with);
}

static void push(valet_wordptr *word, struct valet_node *n)
{
    uintptr_t seen = *word;
    valet_node_init(n, seen);
    *word = (uintptr_t)n | (seen & VALET_NODE_BITS);
}

static void unlock_fair(void)
{
    valet_mutex_unlock_fair(&a_mutex);
    CHECK(later.fate != VALET_GRANTED);
}

/* The first of a herd is notified, and takes the mutex; another thread comes and waits for that;
 * then the rest of the herd is woken, and finds the mutex taken. */
static void lead(void)
{
    valet_wordptr *word = mutex_word_of(&a_mutex);
    for (int i = 0; i < VALET_LOCKS_WAKES; i++) {
        push(cond_word_of(&a_cond), &others[i]);
        others[i].mutex = word;
    }
    valet_cond_notify_all(&a_cond);
    CHECK_EQ(tokens, 1);
    CHECK_EQ(valet_queue_lock(word, VALET_FOREVER, 1, VALET_WAKING), VALET_OK);
    push(word, &later);
    valet_list_wake(leader.herd);
    CHECK_EQ(tokens, 1 + VALET_LOCKS_WAKES);
    CHECK_EQ(handed_on, 0);
    tokens = 1; /* of these it is ours */
    act = unlock_fair;
}

static void herd_with(unsigned flags)
{
    CHECK(valet_mutex_try_lock(&a_mutex));
    push(cond_word_of(&a_cond), &leader);
    leader.mutex = mutex_word_of(&a_mutex);
    begin(lead, 0);
    handed_on = 0;
    CHECK_EQ(valet_cond_wait_with(&a_cond, &a_mutex, VALET_FOREVER, flags), VALET_OK);
    CHECK_EQ(looks, ALL_LOOKS);
    CHECK_EQ(sleeps, 2);
    CHECK_EQ(handed_on, 1);
    free_mutex();
    CHECK_EQ(tokens, 1);
    CHECK_EQ((long long)(a_mutex.word | a_cond.word), VALET_WAKING); /* `later` would look */
    a_mutex.word = 0;
}

/* Who is woken with others wakes those that are its own; and if it finds the mutex taken, it comes
 * before those who came since. */
static void test_a_herd(void)
{
    with_flags_and_without(herd_with);
}

/* Of two herds the first of each is in the mutex's queue. It wakes eight of the others, and each of
 * these eight more, as they came. */
static void test_who_wakes_whom(void)
{
    enum { COUNT = 2 * VALET_LOCKS_HERD };
    static struct valet_node n[COUNT];
    CHECK(valet_mutex_try_lock(&a_mutex));
    for (int i = 0; i < COUNT; i++) {
        push(cond_word_of(&a_cond), &n[i]);
        n[i].mutex = mutex_word_of(&a_mutex);
    }
    begin(never, 0);
    valet_cond_notify_all(&a_cond);
    CHECK_EQ(tokens, 0);
    CHECK_EQ((long long)a_cond.word, 0);
    CHECK(valet_newest(a_mutex.word) == &n[VALET_LOCKS_HERD]);
    CHECK(n[VALET_LOCKS_HERD].older == n);
    CHECK(n[0].older == NULL);
    int woken = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i % VALET_LOCKS_HERD != 0)
            CHECK_EQ(n[i].fate, VALET_FREE);
        const struct valet_node *before = NULL;
        for (const struct valet_node *w = n[i].herd; w != NULL; before = w, w = w->older, woken++) {
            int place = (int)(w - n) % VALET_LOCKS_HERD;
            CHECK((w - n) / VALET_LOCKS_HERD == i / VALET_LOCKS_HERD);
            CHECK(place != 0);
            CHECK_EQ(i % VALET_LOCKS_HERD, place <= 8 ? 0 : (place - 1) / 8);
            CHECK(before == NULL || w == before + 1);
        }
    }
    CHECK_EQ(woken, COUNT - 2);
    a_mutex.word = 0;
}

TEST_PROGRAM(TEST(test_mutex), TEST(test_readers_and_writers), TEST(test_condition_variable),
             TEST(test_a_herd), TEST(test_who_wakes_whom));
