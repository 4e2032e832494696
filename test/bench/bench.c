/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Measures one peer. Usage: bench TEST [ARGUMENT...]; prints lines of a name and numbers, and ends
 * with 1, and a reason, if the peer did not do what it should: each test counts and checks.
 *
 *   info                              bytes of its objects
 *   fast MS                           ns of each loop of peer.h
 *   loops N                           each of them N times, for callgrind
 *   handoff CPU CPU REPLY PAIRS MS [HOW]  see handoff()
 *   recover slow|onecpu               see recover()
 *   wakeall N BLOCKS                  see wakeall()
 *   busy CPU CPU COUNT                see busy()
 *   barrier N ROUNDS [CPUS]           see barrier()
 *   crew N ROUNDS                     see crew()
 *   crowd N [WAKER]                   see crowd()
 *   late NS COUNT                     see late()
 *   expire MS                         us of CPU time of a park that times out at once
 *   stack                             bytes that a blocking park takes
 *   pool WORKERS BYTES FILE           the demo: pool.c
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
        bench_fail("there is no CPU %d", cpu);
}

/* Stacks are small where there are thousands. */
pthread_t bench_start(void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, run, argument) != 0)
        bench_fail("cannot start a thread");
    pthread_attr_destroy(&attributes);
    return thread;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    if (count == 0)
        bench_fail("nothing was measured");
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* ---- fast paths ------------------------------------------------------------------------------ */

static void *idle(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static const char *const loop_names[] = {"nothing", "unpark", "pair", "wait", "set"};

static bool has_loop(enum peer_loop what)
{
    switch (what) {
    case LOOP_UNPARK:
    case LOOP_PAIR:
        return peer.parker_size != 0;
    case LOOP_WAIT:
        return peer.waiters_size != 0 && peer.sets;
    case LOOP_SET:
        return peer.sets;
    default:
        return true;
    }
}

/* Returns the ns that it took. */
static double loop(enum peer_loop what, uint64_t n)
{
    static struct peer_parker parker;
    peer_init(&parker);
    uint64_t begin = bench_now();
    peer_loop(what, &parker, n);
    uint64_t ns = bench_now() - begin;
    if (what == LOOP_UNPARK)
        peer_park(
            &parker); /* returns, as the loop left a token. Semaphores may have more than one. */
    if (what == LOOP_PAIR && peer.timed && peer_park_for(&parker, 1000))
        bench_fail("a pair left a token");
    return (double)ns;
}

static void fast(uint64_t ns)
{
    for (enum peer_loop what = LOOP_NOTHING; what <= LOOP_SET; what++) {
        if (!has_loop(what))
            continue;
        static double results[100000];
        size_t count = 0;
        const uint64_t n = 5000, end = bench_now() + ns;
        do
            results[count++] = loop(what, n) / (double)n;
        while (bench_now() < end && count < 100000);
        printf("%s %.3f\n", loop_names[what], median(results, count));
    }
}

/* ---- hand-off -------------------------------------------------------------------------------- */

/* Of each thread, by turns: a late unpark has long ended before its parker is made anew. */
#define PARKERS 64

/*
 * Two threads wake each other by turns, on the CPUs given. The second one first computes for REPLY
 * ns or, where that is negative, sleeps for it. Of more PAIRS, every other one has its threads on
 * each other's CPU. MS ms long after it has warmed up, or after - as many rounds.
 * HOW: 1, each park has a timeout, far away; 2, each park is the first on its parker.
 *
 *   us      of a round: the median of batches of one pair; else the mean, of all pairs together
 *   mean    of a round
 *   cpu     us of CPU time that a round takes in both threads, the computing included
 *   asker   the same in the first thread alone
 */
struct pair {
    struct peer_parker ask[PARKERS], answer[PARKERS];
    uint64_t value __attribute__((aligned(64))); /* each adds one by turns: not atomic */
    bool last;
    int asker_cpu, answerer_cpu;
    pthread_t thread; /* the answerer */
    uint64_t rounds, wall, asker, answerer;
    double *batches;
    size_t batch_count;
};

#define BATCHES 65536

/* Enough for locks that tune themselves; where a round is slow, as much as there is time for. */
#define WARM_ROUNDS 1100
#define WARM_NS     150000000u

static struct {
    int64_t reply;
    uint64_t ns, rounds;
    unsigned batch;
    bool timed, fresh;
    pthread_barrier_t ready;
} handoff_of;

/* The parker of round n. */
static struct peer_parker *of_round(struct peer_parker *parkers, uint64_t n)
{
    return &parkers[handoff_of.fresh ? n % PARKERS : 0];
}

/* For the next round, before the partner can know that there is one. */
static void make_next(struct peer_parker *parkers, uint64_t n)
{
    if (handoff_of.fresh)
        peer_init(of_round(parkers, n + 1));
}

static void handoff_park(struct peer_parker *p)
{
    if (!handoff_of.timed)
        peer_park(p);
    else if (!peer_park_for(p, 60000000000u))
        bench_fail("a minute without a token");
}

static void *answerer(void *argument)
{
    struct pair *pair = argument;
    pin(pair->answerer_cpu);
    peer_init(&pair->answer[0]);
    pthread_barrier_wait(&handoff_of.ready);
    for (uint64_t n = 0;; n++) {
        handoff_park(of_round(pair->answer, n));
        if (pair->last)
            return NULL;
        if (pair->value != 2 * n + 1)
            bench_fail("asked too early");
        if (handoff_of.reply > 0) {
            uint64_t until = bench_now() + (uint64_t)handoff_of.reply;
            while (bench_now() < until)
                ;
        } else if (handoff_of.reply < 0) {
            sleep_ns((uint64_t)-handoff_of.reply);
        }
        make_next(pair->answer, n);
        pair->value++;
        peer_unpark(of_round(pair->ask, n));
    }
}

/* Round n, of the asker. */
static void ask(struct pair *pair, uint64_t n)
{
    make_next(pair->ask, n);
    pair->value++;
    peer_unpark(of_round(pair->answer, n));
    handoff_park(of_round(pair->ask, n));
    if (pair->value != 2 * n + 2)
        bench_fail("answered too early");
}

static void no_more(struct pair *pair, uint64_t n)
{
    pair->last = true;
    peer_unpark(of_round(pair->answer, n));
}

static void *asker(void *argument)
{
    struct pair *pair = argument;
    pin(pair->asker_cpu);
    peer_init(&pair->ask[0]);
    pthread_barrier_wait(&handoff_of.ready);
    clockid_t other_clock;
    pthread_getcpuclockid(pair->thread, &other_clock);
    uint64_t begin = bench_now(), before = 0, cpu = 0, other = 0, n = 0;
    bool warm = false;
    for (;;) {
        uint64_t start = bench_now();
        for (unsigned i = 0; i < handoff_of.batch; i++)
            ask(pair, n++);
        uint64_t now = bench_now();
        if (warm && pair->batch_count < BATCHES)
            pair->batches[pair->batch_count++] = (double)(now - start) / handoff_of.batch / 1e3;
        if (!warm && (handoff_of.rounds != 0 || n >= WARM_ROUNDS || now - begin >= WARM_NS)) {
            warm = true;
            before = n;
            begin = now;
            cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
            other = clock_ns(other_clock);
        } else if (warm &&
                   (handoff_of.rounds != 0 ? n >= handoff_of.rounds
                                           : now - begin >= handoff_of.ns && n - before >= 9)) {
            pair->rounds = n - before;
            pair->wall = now - begin;
            pair->asker = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
            pair->answerer = clock_ns(other_clock) - other;
            break;
        }
    }
    no_more(pair, n);
    return NULL;
}

static void handoff(int cpu, int other, int64_t reply, unsigned pairs, int64_t ms, long how)
{
    struct pair *pair = aligned_alloc(64, pairs * sizeof *pair);
    pthread_t *askers = calloc(pairs, sizeof *askers);
    if (pair == NULL || askers == NULL)
        bench_fail("no memory");
    memset(pair, 0, pairs * sizeof *pair);
    handoff_of.reply = reply;
    handoff_of.ns = ms > 0 ? (uint64_t)ms * 1000000u : 0;
    handoff_of.rounds = ms < 0 ? (uint64_t)-ms : 0;
    handoff_of.timed = how == 1;
    handoff_of.fresh = how == 2;
    handoff_of.batch = reply == 0 ? 64 : 1;
    pthread_barrier_init(&handoff_of.ready, NULL, 2 * pairs + 1);
    for (unsigned i = 0; i < pairs; i++) {
        pair[i].asker_cpu = i % 2 == 0 ? cpu : other;
        pair[i].answerer_cpu = i % 2 == 0 ? other : cpu;
        pair[i].batches = calloc(BATCHES, sizeof *pair[i].batches);
        if (pair[i].batches == NULL)
            bench_fail("no memory");
        pair[i].thread = bench_start(answerer, &pair[i]);
        askers[i] = bench_start(asker, &pair[i]);
    }
    pthread_barrier_wait(&handoff_of.ready);
    double rounds = 0, wall = 0, asking = 0, all = 0;
    for (unsigned i = 0; i < pairs; i++) {
        pthread_join(askers[i], NULL);
        pthread_join(pair[i].thread, NULL);
        rounds += (double)pair[i].rounds;
        wall += (double)pair[i].wall / pairs;
        asking += (double)pair[i].asker;
        all += (double)(pair[i].asker + pair[i].answerer);
    }
    if (rounds <= 0)
        bench_fail("too short for one round");
    double mean = wall / rounds / 1e3;
    printf("us %.4f\n", pairs == 1 ? median(pair->batches, pair->batch_count) : mean);
    printf("mean %.4f\ncpu %.4f\nasker %.4f\n", mean, all / rounds / 1e3, asking / rounds / 1e3);
}

/*
 * After a time in which a poll is in vain (1500 replies of 100 us, or 20,000 rounds on one CPU)
 * both threads run on two CPUs and reply at once: prints after how many rounds the next 16 take
 * less than 3 us each, which no sleep does; RECOVER_MOST, if that does not come.
 */
#define RECOVER_MOST 20000u

static void recover(bool slow)
{
    struct pair *pair = aligned_alloc(64, sizeof *pair);
    if (pair == NULL)
        bench_fail("no memory");
    memset(pair, 0, sizeof *pair);
    handoff_of.reply = slow ? 100000 : 0;
    pthread_barrier_init(&handoff_of.ready, NULL, 2);
    pair->answerer_cpu = slow;
    pair->thread = bench_start(answerer, pair);
    pin(0);
    peer_init(&pair->ask[0]);
    pthread_barrier_wait(&handoff_of.ready);
    uint64_t n = 0, most = slow ? 1500 : 20000;
    while (n < most)
        ask(pair, n++);
    handoff_of.reply = 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(1, &set);
    if (pthread_setaffinity_np(pair->thread, sizeof set, &set) != 0)
        bench_fail("there is no CPU 1");
    unsigned rounds = 0;
    for (unsigned fast = 0; fast < 16 && rounds < RECOVER_MOST; rounds++) {
        uint64_t start = bench_now();
        ask(pair, n++);
        fast = bench_now() - start < 3000 ? fast + 1 : 0;
    }
    no_more(pair, n);
    pthread_join(pair->thread, NULL);
    printf("rounds %u\n", rounds < RECOVER_MOST ? rounds - 16 : RECOVER_MOST);
}

/* ---- wake-all -------------------------------------------------------------------------------- */

/*
 * N threads sleep, one wakes them, BLOCKS times. Prints medians:
 *
 *   total   us from the call until the last thread has returned
 *   wall    us until the waker's own call has returned
 *   cpu     us of CPU time of the waker
 */
static struct {
    unsigned blocks;
    _Atomic unsigned ready, left;
    _Atomic unsigned long returns;
    _Atomic unsigned state;
    uint64_t last;
    sem_t done;
} wakeall_of;

static void *waiter(void *unused)
{
    for (unsigned block = 0; block < wakeall_of.blocks; block++) {
        atomic_fetch_add(&wakeall_of.ready, 1);
        peer_wait(block % 32);
        if (atomic_load(&wakeall_of.state) != block + 1)
            bench_fail("woken in another state");
        atomic_fetch_add(&wakeall_of.returns, 1);
        if (atomic_fetch_sub(&wakeall_of.left, 1) == 1) {
            wakeall_of.last = bench_now();
            sem_post(&wakeall_of.done);
        }
    }
    return unused;
}

/* Until all of them sleep, as far as can be told for any peer: the process uses no CPU time for two
 * ms. Bounded, as a peer might go on looking. */
static void until_asleep(unsigned n)
{
    while (atomic_load(&wakeall_of.ready) < n)
        sleep_ns(200000);
    for (unsigned quiet = 0, i = 0; quiet < 2 && i < 1000; i++) {
        uint64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        sleep_ns(1000000);
        quiet = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 60000 ? quiet + 1 : 0;
    }
}

static void wakeall(unsigned n, unsigned blocks)
{
    pthread_t *threads = calloc(n, sizeof *threads);
    double *total = calloc(blocks, sizeof *total), *wall = calloc(blocks, sizeof *wall),
           *cpu = calloc(blocks, sizeof *cpu);
    if (threads == NULL || total == NULL || wall == NULL || cpu == NULL)
        bench_fail("no memory");
    wakeall_of.blocks = blocks + 1; /* one for warming up */
    sem_init(&wakeall_of.done, 0, 0);
    peer_prepare(n);
    for (unsigned i = 0; i < n; i++)
        threads[i] = bench_start(waiter, NULL);
    for (unsigned block = 0; block <= blocks; block++) {
        until_asleep(n);
        atomic_store(&wakeall_of.ready, 0);
        atomic_store(&wakeall_of.left, n);
        atomic_store(&wakeall_of.state, block + 1);
        uint64_t cpu_begin = clock_ns(CLOCK_THREAD_CPUTIME_ID), begin = bench_now();
        peer_set((block + 1) % 32);
        uint64_t end = bench_now(), cpu_end = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        while (sem_wait(&wakeall_of.done) != 0)
            ;
        if (block == 0)
            continue;
        total[block - 1] = (double)(wakeall_of.last - begin) / 1e3;
        wall[block - 1] = (double)(end - begin) / 1e3;
        cpu[block - 1] = (double)(cpu_end - cpu_begin) / 1e3;
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    if (atomic_load(&wakeall_of.returns) != (unsigned long)n * (blocks + 1))
        bench_fail("%lu returns", atomic_load(&wakeall_of.returns));
    printf("total %.2f\nwall %.2f\ncpu %.2f\n", median(total, blocks), median(wall, blocks),
           median(cpu, blocks));
}

/* ---- a waker that computes on ---------------------------------------------------------------- */

/*
 * The first CPU's thread wakes the second's, which has slept for 2 ms, and computes on until that
 * one runs. COUNT times. Prints the median of the us from before the wake to the woken thread's
 * first look at the clock:
 *
 *   park   by a parker
 *   wait   by waiters
 */
#define BUSY_NS 20000000u /* if it does not run so soon: give the CPU away */

static struct {
    struct peer_parker parker;
    bool park;
    unsigned count;
    int cpu;
    _Atomic unsigned rounds;
    uint64_t woken;
} busy_of;

static void *woken(void *unused)
{
    pin(busy_of.cpu);
    peer_init(&busy_of.parker);
    for (unsigned i = 0; i <= busy_of.count; i++) {
        atomic_store(&busy_of.rounds, 2 * i + 1); /* it is about to wait */
        if (busy_of.park)
            peer_park(&busy_of.parker);
        else
            peer_wait(i % 32);
        busy_of.woken = bench_now();
        atomic_store(&busy_of.rounds, 2 * i + 2);
    }
    return unused;
}

static void busy(int cpu, int other, unsigned count, bool park)
{
    double *us = calloc(count, sizeof *us);
    if (us == NULL)
        bench_fail("no memory");
    busy_of.count = count; /* and one for warming up */
    busy_of.cpu = other;
    busy_of.park = park;
    atomic_store(&busy_of.rounds, 0);
    peer_prepare(1);
    pin(cpu);
    pthread_t thread = bench_start(woken, NULL);
    for (unsigned i = 0; i <= count; i++) {
        do
            sleep_ns(2000000);
        while (atomic_load(&busy_of.rounds) < 2 * i + 1);
        uint64_t begin = bench_now();
        if (park)
            peer_unpark(&busy_of.parker);
        else
            peer_set((i + 1) % 32);
        while (atomic_load(&busy_of.rounds) < 2 * i + 2)
            if (bench_now() - begin > BUSY_NS)
                sleep_ns(100000);
        if (i > 0)
            us[i - 1] = (double)(busy_of.woken - begin) / 1e3;
    }
    pthread_join(thread, NULL);
    printf("%s %.3f\n", park ? "park" : "wait", median(us, count));
    free(us);
}

/* ---- barrier --------------------------------------------------------------------------------- */

/*
 * N threads meet, ROUNDS times. Of a peer without states it is its own barrier. CPUS: each thread
 * is on one of as many. Prints us, of a round: the median of batches, after it has warmed up.
 */
#define BARRIER_BATCH 100u

static struct {
    unsigned threads, rounds, cpus;
    _Atomic unsigned arrived, begun;
    double *batches;
    size_t batch_count;
} barrier_of;

static void meet(unsigned round)
{
    if (!peer.sets) {
        peer_wait(0);
    } else if (atomic_fetch_add(&barrier_of.arrived, 1) == barrier_of.threads - 1) {
        atomic_store(&barrier_of.arrived, 0);
        peer_set((round + 1) % 32);
    } else {
        peer_wait(round % 32);
    }
}

static void *meeting(void *index)
{
    uint64_t begin = 0;
    if (barrier_of.cpus != 0)
        pin((int)((uintptr_t)index % barrier_of.cpus));
    for (unsigned round = 0; round < barrier_of.rounds + WARM_ROUNDS; round++) {
        if (index == NULL && round >= WARM_ROUNDS && round % BARRIER_BATCH == 0) {
            uint64_t now = bench_now();
            if (begin != 0)
                barrier_of.batches[barrier_of.batch_count++] =
                    (double)(now - begin) / BARRIER_BATCH / 1e3;
            begin = now;
        }
        atomic_fetch_add(&barrier_of.begun, 1);
        meet(round);
        if (atomic_load(&barrier_of.begun) < (round + 1) * barrier_of.threads)
            bench_fail("past the barrier before all had come");
    }
    return NULL;
}

static void barrier(unsigned n, unsigned rounds, unsigned cpus)
{
    pthread_t *threads = calloc(n, sizeof *threads);
    barrier_of.batches = calloc(rounds / BARRIER_BATCH + 1, sizeof *barrier_of.batches);
    if (threads == NULL || barrier_of.batches == NULL)
        bench_fail("no memory");
    barrier_of.threads = n;
    barrier_of.rounds = rounds;
    barrier_of.cpus = cpus;
    peer_prepare(n - 1);
    for (unsigned i = 0; i < n; i++)
        threads[i] = bench_start(meeting, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    printf("us %.3f\n", median(barrier_of.batches, barrier_of.batch_count));
}

/* ---- a caller that spins --------------------------------------------------------------------- */

/*
 * A pool's parallel call: the caller wakes N workers and looks until all of them have come. ROUNDS
 * calls, one after the other. Prints us, of a call, and median: the same. Where these are far from
 * each other some calls took until a timer's tick: a worker is queued behind the caller.
 */
static struct {
    unsigned rounds;
    _Atomic unsigned come;
} crew_of;

static void *crew_member(void *unused)
{
    for (unsigned round = 0; round < crew_of.rounds; round++) {
        peer_wait(round % 32);
        atomic_fetch_add(&crew_of.come, 1);
    }
    return unused;
}

static void crew(unsigned n, unsigned rounds)
{
    pthread_t *threads = calloc(n, sizeof *threads);
    double *us = calloc(rounds, sizeof *us);
    if (threads == NULL || us == NULL)
        bench_fail("no memory");
    const unsigned warm = rounds / 10 + 1;
    crew_of.rounds = rounds + warm;
    peer_prepare(n);
    for (unsigned i = 0; i < n; i++)
        threads[i] = bench_start(crew_member, NULL);
    double sum = 0;
    for (unsigned round = 0; round < crew_of.rounds; round++) {
        uint64_t begin = bench_now();
        peer_set((round + 1) % 32);
        while (atomic_load(&crew_of.come) != (round + 1) * n)
            __asm__ volatile("pause");
        if (round >= warm)
            sum += us[round - warm] = (double)(bench_now() - begin) / 1e3;
    }
    printf("us %.3f\nmedian %.3f\n", sum / rounds, median(us, rounds));
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* ---- a crowd with one deadline --------------------------------------------------------------- */

/*
 * N threads wait until one deadline. Prints:
 *
 *   cpu    ms of CPU time of all of them, from the deadline until the last has returned
 *   last   ms after the deadline when that was
 *
 * With a WAKER, one sets the state that is there or, of a futex, wakes 256 other words in turn,
 * every 100 us from when the first of them is back. It has a real-time priority, where it may: so
 * it waits for nothing but what the peer, and timers' interrupts, make it wait for. Then prints
 * instead:
 *
 *   call   ms that its longest call took
 */
static struct {
    uint64_t deadline, returned, cpu;
    _Atomic unsigned asleep, left;
    sem_t begin;
    int gone[2]; /* a pipe: as many as wait for one futex would hold up other wakes in the kernel */
} crowd_of;

static void *crowd_member(void *unused)
{
    while (sem_wait(&crowd_of.begin) != 0)
        ;
    atomic_fetch_add(&crowd_of.asleep, 1);
    if (peer_wait_until(0, crowd_of.deadline))
        bench_fail("woken by a state that did not change");
    uint64_t now = bench_now();
    if (now < crowd_of.deadline)
        bench_fail("%u ns too early", (unsigned)(crowd_of.deadline - now));
    if (atomic_fetch_sub(&crowd_of.left, 1) == 1) {
        crowd_of.returned = now;
        crowd_of.cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        atomic_fetch_sub(&crowd_of.left, 1);
    }
    char none; /* how a thread ends is not measured */
    if (read(crowd_of.gone[0], &none, 1) != 0)
        bench_fail("a pipe that nobody writes to");
    return unused;
}

static void crowd(unsigned n, bool waker)
{
    pthread_t *threads = calloc(n, sizeof *threads);
    if (threads == NULL)
        bench_fail("no memory");
    sem_init(&crowd_of.begin, 0, 0);
    if (pipe(crowd_of.gone) != 0)
        bench_fail("no pipe");
    peer_prepare(n);
    atomic_store(&crowd_of.left, n);
    for (unsigned i = 0; i < n; i++)
        threads[i] = bench_start(crowd_member, NULL);
    crowd_of.deadline = bench_now() + 300000000u + n * UINT64_C(60000);
    for (unsigned i = 0; i < n; i++)
        sem_post(&crowd_of.begin);
    sleep_until(crowd_of.deadline - 100000000);
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), call = 0;
    if (atomic_load(&crowd_of.asleep) != n || bench_now() > crowd_of.deadline - 10000000)
        bench_fail("too slow to let %u threads sleep", n);
    struct sched_param priority = {.sched_priority = 1};
    if (waker) /* musl's own function refuses */
        syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority);
    sleep_until(crowd_of.deadline);
    while (atomic_load(&crowd_of.left) == n)
        sleep_ns(50000);
    while (atomic_load(&crowd_of.left) != UINT32_MAX) {
        for (unsigned i = 0; waker && i < (peer_wake_other != NULL ? 256 : 1); i++) {
            uint64_t begin = bench_now();
            if (peer_wake_other != NULL)
                peer_wake_other(i);
            else
                peer_set(0);
            uint64_t took = bench_now() - begin;
            call = took > call ? took : call;
        }
        sleep_ns(waker ? 100000 : 2000000);
    }
    close(crowd_of.gone[1]);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    if (waker)
        printf("call %.3f\n", (double)call / 1e6);
    else
        printf("cpu %.3f\nlast %.3f\n", (double)(crowd_of.cpu - cpu) / 1e6,
               (double)(crowd_of.returned - crowd_of.deadline) / 1e6);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

/* Prints us that a timed park returns too late: the median, and what nine of ten do not exceed. */
static void late(uint64_t ns, unsigned count)
{
    static struct peer_parker parker;
    double *us = calloc(count, sizeof *us);
    if (us == NULL)
        bench_fail("no memory");
    peer_init(&parker);
    for (unsigned i = 0; i < count; i++) {
        uint64_t begin = bench_now();
        if (peer_park_for(&parker, ns))
            bench_fail("a token that nobody left");
        us[i] = ((double)(bench_now() - begin) - (double)ns) / 1e3;
    }
    double middle = median(us, count); /* it sorts */
    printf("late %.3f\nmost %.3f\n", middle, us[count * 9 / 10]);
}

static void expire(uint64_t ns)
{
    static struct peer_parker parker;
    peer_init(&parker);
    uint64_t end = bench_now() + ns, begin = clock_ns(CLOCK_THREAD_CPUTIME_ID), count = 0;
    for (; bench_now() < end; count++)
        if (peer_park_for(&parker, 1))
            bench_fail("a token that nobody left");
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    printf("expire %.3f\n", (double)cpu / (double)count / 1e3);
}

/* ---- stack ----------------------------------------------------------------------------------- */

#define STACK_SIZE 262144
static unsigned char painted[STACK_SIZE] __attribute__((aligned(4096)));

static _Atomic(struct peer_parker *) stack_parker;

/* Paint what is below this frame, park, and look how deep the paint is gone. */
static void *stack_thread(void *unused)
{
    static struct peer_parker parker;
    peer_init(&parker);
    atomic_store(&stack_parker, &parker);
    peer_park(&parker); /* for once, so that the dynamic linker has done its part */
    volatile unsigned char *bottom = painted, *pointer;
    __asm__ volatile("mov %%rsp, %0" : "=r"(pointer));
    for (volatile unsigned char *p = bottom; p < pointer; p++)
        *p = 0xa5;
    peer_park(&parker);
    while (*bottom == 0xa5)
        bottom++;
    printf("stack %ld\n", (long)(pointer - bottom));
    return unused;
}

static void stack(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, painted, STACK_SIZE);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, stack_thread, NULL) != 0)
        bench_fail("cannot start a thread");
    for (int i = 0; i < 2; i++) {
        sleep_ns(100000000); /* long enough that it sleeps */
        peer_unpark(atomic_load(&stack_parker));
    }
    pthread_join(thread, NULL);
}

/* ---- the program ----------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    /* glibc and others leave out locks while there is one thread. */
    if (argc > 1 && argv[1][0] != 's')
        bench_start(idle, NULL);
    const char *test = argc > 1 ? argv[1] : "";
    long number[6] = {0};
    for (int i = 0; i < 6 && i + 2 < argc; i++)
        number[i] = strtol(argv[i + 2], NULL, 10);
    if (strcmp(test, "info") == 0) {
        printf("parker %u\nwaiters %u\ntimed %u\nsets %u\nblocks %u\nuntil %u\n", peer.parker_size,
               peer.waiters_size, peer.timed, peer.sets, peer.blocks, peer_wait_until != NULL);
    } else if (strcmp(test, "fast") == 0 && argc == 3) {
        fast((uint64_t)number[0] * 1000000u);
    } else if (strcmp(test, "loops") == 0 && argc == 3) {
        for (enum peer_loop what = LOOP_NOTHING; what <= LOOP_SET; what++)
            if (has_loop(what)) {
                loop(what, (uint64_t)number[0]);
                puts(loop_names[what]);
            }
    } else if (strcmp(test, "handoff") == 0 && argc >= 7 && number[3] > 0) {
        handoff((int)number[0], (int)number[1], number[2], (unsigned)number[3], number[4],
                number[5]);
    } else if (strcmp(test, "recover") == 0 && argc == 3) {
        recover(strcmp(argv[2], "slow") == 0);
    } else if (strcmp(test, "wakeall") == 0 && argc == 4) {
        wakeall((unsigned)number[0], (unsigned)number[1]);
    } else if (strcmp(test, "busy") == 0 && argc == 5) {
        if (peer.waiters_size != 0 && peer.sets)
            busy((int)number[0], (int)number[1], (unsigned)number[2], false);
        if (peer.parker_size != 0)
            busy((int)number[0], (int)number[1], (unsigned)number[2], true);
    } else if (strcmp(test, "barrier") == 0 && argc >= 4) {
        barrier((unsigned)number[0], (unsigned)number[1], (unsigned)number[2]);
    } else if (strcmp(test, "crew") == 0 && argc == 4) {
        crew((unsigned)number[0], (unsigned)number[1]);
    } else if (strcmp(test, "crowd") == 0 && argc >= 3) {
        crowd((unsigned)number[0], number[1] != 0);
    } else if (strcmp(test, "late") == 0 && argc == 4) {
        late((uint64_t)number[0], (unsigned)number[1]);
    } else if (strcmp(test, "expire") == 0 && argc == 3) {
        expire((uint64_t)number[0] * 1000000u);
    } else if (strcmp(test, "stack") == 0) {
        stack();
    } else if (strcmp(test, "pool") == 0 && argc == 5) {
        bench_pool(argv[2], argv[3], argv[4]);
    } else {
        fputs("usage: see the head of bench.c\n", stderr);
        return 2;
    }
    return 0;
}
