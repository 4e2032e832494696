/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Measures the locks of one peer. Usage: locks TEST [ARGUMENT...]; prints lines of a name and a
 * number, and ends with 1, and a reason, if the peer did not do what it should: each test counts
 * and checks. Where nothing else is said, CPUs are the system's to choose.
 *
 *   info                          bytes of its objects
 *   steps NS                      steps of bench_work() that take so long
 *   fast MS                       ns of each loop of peer.h
 *   loops N                       each of them N times, and again, for callgrind
 *   contend THREADS IN OUT MS     see contend()
 *   hold THREADS IN OUT NS MS     see hold()
 *   hog NS MS                     see hog()
 *   mix THREADS EVERY IN OUT MS   see mix()
 *   turns CPU CPU ROUNDS          us of a round of two threads that notify each other by turns
 *   notify N BLOCKS               see notify()
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("locks: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    exit(1);
}

/* ---- what the peers call --------------------------------------------------------------------- */

/* Each on cache lines of its own. */
int bench_stop __attribute__((aligned(128)));
uint64_t bench_count __attribute__((aligned(128)));
uint64_t bench_written[2] __attribute__((aligned(128)));

__attribute__((noinline, aligned(64))) void bench_work(uint64_t steps)
{
    while (steps-- != 0)
        __asm__ volatile("" ::: "memory");
}

void bench_differs(void)
{
    fail("a reader beside a writer");
}

/* ---- time and threads ------------------------------------------------------------------------ */

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

static void pin(size_t cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
        fail("there is no CPU %zu", cpu);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* That part of 1 of them is below it. */
static double quantile(double *values, size_t count, double part)
{
    if (count == 0)
        fail("nothing was measured");
    qsort(values, count, sizeof *values, compare);
    return values[(size_t)((double)(count - 1) * part + 0.5)];
}

#define THREADS 256

static struct thread {
    pthread_t id;
    unsigned number;
    uint64_t count;      /* acquisitions */
    uint64_t ns, worst;  /* of one that was waited for */
    uint64_t in, out, x; /* arguments of what it runs */
    void (*run)(struct thread *);
} __attribute__((aligned(128))) threads[THREADS];

static pthread_barrier_t begin;

static void *started(void *argument)
{
    struct thread *t = argument;
    pthread_barrier_wait(&begin);
    t->run(t);
    return NULL;
}

static void start(unsigned count, void (*run)(struct thread *), const struct thread *how)
{
    if (count == 0 || count > THREADS)
        fail("%u threads", count);
    pthread_barrier_init(&begin, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        threads[i] = *how;
        threads[i].number = i;
        threads[i].run = run;
        if (pthread_create(&threads[i].id, NULL, started, &threads[i]) != 0)
            fail("cannot start a thread");
    }
    pthread_barrier_wait(&begin);
}

static void join(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i].id, NULL);
}

/* Runs them for so many ms; returns the ns that it took until all had ended. */
static double run_for(unsigned count, void (*run)(struct thread *), const struct thread *how,
                      uint64_t ms)
{
    start(count, run, how);
    uint64_t from = now();
    sleep_ns(ms * 1000000u);
    __atomic_store_n(&bench_stop, 1, __ATOMIC_RELAXED);
    uint64_t to = now();
    join(count);
    return (double)(to - from);
}

static double acquisitions(unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += threads[i].count;
    if (sum == 0)
        fail("nobody got it");
    return (double)sum;
}

/* ---- one thread ------------------------------------------------------------------------------ */

static const char *const loop_names[] = {"nothing", "mutex",  "read", "write",
                                         "sem",     "notify", "once"};

static bool has_loop(enum peer_loop what)
{
    const uint32_t bytes[] = {1,        peer.mutex, peer.rwlock, peer.rwlock,
                              peer.sem, peer.cond,  peer.once};
    return bytes[what] != 0;
}

static void fast(uint64_t ms)
{
    for (enum peer_loop what = LOOP_NOTHING; what <= LOOP_ONCE; what++) {
        if (!has_loop(what))
            continue;
        static double results[100000];
        size_t count = 0;
        const uint64_t n = 5000, end = now() + ms * 1000000u;
        do {
            uint64_t from = now();
            peer_loop(what, n);
            results[count++] = (double)(now() - from) / (double)n;
        } while (now() < end && count < 100000);
        printf("%s %.3f\n", loop_names[what], quantile(results, count, 0.5));
    }
}

/* The quickest of many: the others were disturbed. */
static double ns_of_a_step(void)
{
    const uint64_t n = 20000;
    double best = 1e9;
    for (int i = 0; i < 500; i++) {
        uint64_t from = now();
        bench_work(n);
        double ns = (double)(now() - from) / (double)n;
        if (ns < best)
            best = ns;
    }
    return best;
}

/* ---- the mutex, wanted by many --------------------------------------------------------------- */

static void run_contend(struct thread *t)
{
    t->count = peer_contend(t->in, t->out);
}

/*
 * Threads that hold it for IN steps of work, and are without it for OUT.
 *
 *   mops      acquisitions in a us, of all together
 *   switches  voluntary ones of the scheduler, in 1000 acquisitions
 *   taken     acquisitions
 */
static void contend(unsigned count, uint64_t in, uint64_t out, uint64_t ms)
{
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double ns = run_for(count, run_contend, &(struct thread){.in = in, .out = out}, ms);
    getrusage(RUSAGE_SELF, &after);
    double taken = acquisitions(count);
    if ((double)bench_count != taken)
        fail("%.0f acquisitions, but %.0f were counted with the mutex held", taken,
             (double)bench_count);
    printf("mops %.4f\nswitches %.4f\ntaken %.0f\n", taken * 1000 / ns,
           (double)(after.ru_nvcsw - before.ru_nvcsw) * 1000 / taken, taken);
}

static void hold_once(struct thread *t)
{
    uint64_t from = now();
    peer_lock();
    uint64_t at = now();
    bench_count++;
    bench_work(t->in);
    while (t->x != 0 && now() - at < t->x)
        ;
    peer_unlock();
    t->ns = at - from;
    if (t->ns > t->worst)
        t->worst = t->ns;
    t->count++;
}

static void run_hold(struct thread *t)
{
    while (!__atomic_load_n(&bench_stop, __ATOMIC_RELAXED)) {
        hold_once(t);
        bench_work(t->out);
    }
}

/*
 * The same, and each looks at the clock before it wants it and when it has it. They hold it until
 * so many NS have passed by that clock, or for IN steps where that is 0.
 *
 *   worst   ms of the longest wait of all
 *   even    acquisitions of the thread that had the fewest, to the mean
 *   ratio   ... to those of the one that had most
 */
static void hold(unsigned count, uint64_t in, uint64_t out, uint64_t ns, uint64_t ms)
{
    run_for(count, run_hold, &(struct thread){.in = in, .out = out, .x = ns}, ms);
    double taken = acquisitions(count);
    if ((double)bench_count != taken)
        fail("two have held it at a time");
    uint64_t least = UINT64_MAX, most = 0, worst = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct thread *t = &threads[i];
        least = t->count < least ? t->count : least;
        most = t->count > most ? t->count : most;
        worst = t->worst > worst ? t->worst : worst;
    }
    printf("worst %.3f\neven %.4f\nratio %.4f\n", (double)worst / 1e6,
           (double)least * count / taken, (double)least / (double)most);
}

static void run_hog(struct thread *t)
{
    pin(1);
    run_hold(t);
}

/*
 * One thread holds it for NS, gives it up and takes it again at once; another, on a CPU of its own,
 * wants it, and again 50 us after it had it.
 *
 *   median, most   us of its waits: the median, and what 99 of 100 do not exceed
 */
static void hog(uint64_t ns, uint64_t ms)
{
    static double waits[100000];
    size_t count = 0;
    start(1, run_hog, &(struct thread){.x = ns});
    pin(0);
    struct thread victim = {0};
    for (uint64_t end = now() + ms * 1000000u; now() < end && count < 100000;) {
        uint64_t from = now();
        while (now() - from < 50000)
            ;
        hold_once(&victim);
        waits[count++] = (double)victim.ns / 1000;
    }
    __atomic_store_n(&bench_stop, 1, __ATOMIC_RELAXED);
    join(1);
    printf("median %.1f\nmost %.1f\nturns %zu\n", quantile(waits, count, 0.5),
           quantile(waits, count, 0.99), count);
}

/* ---- readers and writers --------------------------------------------------------------------- */

static void run_mix(struct thread *t)
{
    t->count = peer_mix(t->x, t->in, t->out);
}

/* Threads that read, and each EVERYth time write: acquisitions in a us, of all together. */
static void mix(unsigned count, uint64_t every, uint64_t in, uint64_t out, uint64_t ms)
{
    struct thread how = {.in = in, .out = out, .x = every};
    double ns = run_for(count, run_mix, &how, ms);
    uint64_t writes = 0;
    for (unsigned i = 0; i < count; i++)
        writes += (threads[i].count + every - 1) / every;
    if (bench_written[0] != writes || bench_written[1] != writes)
        fail("%.0f writes, but %.0f and %.0f were counted", (double)writes,
             (double)bench_written[0], (double)bench_written[1]);
    printf("mops %.4f\n", acquisitions(count) * 1000 / ns);
}

/* ---- the condition variable ------------------------------------------------------------------ */

static void run_turns(struct thread *t)
{
    pin(t->number == 0 ? t->in : t->out);
    peer_turns(t->number, t->x);
}

static void turns(uint64_t cpu, uint64_t other, uint64_t rounds)
{
    start(2, run_turns, &(struct thread){.in = cpu, .out = other, .x = rounds});
    uint64_t from = now();
    join(2);
    printf("us %.4f\n", (double)(now() - from) / 1000 / (double)rounds);
}

static _Atomic unsigned come, through;
static _Atomic uint64_t last;

static void run_notified(struct thread *t)
{
    for (uint64_t generation = 1; generation <= t->x; generation++) {
        atomic_fetch_add(&come, 1);
        peer_wait(generation);
        if (atomic_fetch_add(&through, 1) + 1 == t->in)
            atomic_store(&last, now());
    }
}

/*
 * N threads wait; one notifies them all, and sleeps.
 *
 *   total    us from there until the last is through with the mutex
 *   inside   us inside the notify
 */
static void notify(unsigned count, unsigned blocks)
{
    static double total[1000], inside[1000];
    if (blocks > 1000)
        fail("%u blocks", blocks);
    start(count, run_notified, &(struct thread){.in = count, .x = blocks});
    for (unsigned i = 0; i < blocks; i++) {
        while (atomic_load(&come) != count)
            sleep_ns(100000);
        sleep_ns(1000000); /* until they sleep */
        atomic_store(&come, 0);
        atomic_store(&through, 0);
        atomic_store(&last, 0);
        peer_set(i + 1);
        uint64_t from = now();
        peer_notify_all();
        inside[i] = (double)(now() - from) / 1000;
        while (atomic_load(&last) == 0)
            sleep_ns(200000);
        total[i] = (double)(atomic_load(&last) - from) / 1000;
    }
    join(count);
    printf("total %.3f\ninside %.3f\n", quantile(total, blocks, 0.5),
           quantile(inside, blocks, 0.5));
}

int main(int argc, char **argv)
{
    const char *test = argc > 1 ? argv[1] : "";
    uint64_t number[5] = {0};
    for (int i = 2; i < argc && i < 7; i++)
        number[i - 2] = strtoull(argv[i], NULL, 10);
    if (strcmp(test, "info") == 0) {
        printf("mutex %u\ncond %u\nrwlock %u\nsem %u\nonce %u\n", peer.mutex, peer.cond,
               peer.rwlock, peer.sem, peer.once);
    } else if (strcmp(test, "steps") == 0 && argc == 3) {
        printf("steps %.0f\n", (double)number[0] / ns_of_a_step());
    } else if (strcmp(test, "fast") == 0 && argc == 3) {
        fast(number[0]);
    } else if (strcmp(test, "loops") == 0 && argc == 3) {
        /* Twice: the first time symbols are looked up, and what is done once is done. */
        for (enum peer_loop what = LOOP_NOTHING; what <= LOOP_ONCE; what++)
            for (int i = 0; i < 2 && has_loop(what); i++) {
                peer_loop(what, number[0]);
                puts(loop_names[what]);
            }
    } else if (strcmp(test, "contend") == 0 && argc == 6) {
        contend((unsigned)number[0], number[1], number[2], number[3]);
    } else if (strcmp(test, "hold") == 0 && argc == 7) {
        hold((unsigned)number[0], number[1], number[2], number[3], number[4]);
    } else if (strcmp(test, "hog") == 0 && argc == 4) {
        hog(number[0], number[1]);
    } else if (strcmp(test, "mix") == 0 && argc == 7) {
        mix((unsigned)number[0], number[1], number[2], number[3], number[4]);
    } else if (strcmp(test, "turns") == 0 && argc == 5) {
        turns(number[0], number[1], number[2]);
    } else if (strcmp(test, "notify") == 0 && argc == 4) {
        notify((unsigned)number[0], (unsigned)number[1]);
    } else {
        fputs("usage: see the head of locks.c\n", stderr);
        return 2;
    }
    return 0;
}
