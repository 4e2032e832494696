/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The library's own instructions, one at a time, on the real kernel (Linux, x86_64).
 *
 * A child process has two threads, the sleeper and the waker. The parent traces both, and holds
 * each at any instruction of the library that it likes. A round is
 *
 *   the sleeper  runs `first` instructions of the library, and is held there, or sleeps
 *   the waker    runs `second` instructions, and is held there
 *   the sleeper  goes on until it has returned or sleeps, and frees the object when it may
 *   the waker    goes on until it has returned
 *   the sleeper  must return
 *
 * and rounds are made for every `first` and every `second` there is (with VALET_TEST_SHORT in the
 * environment for each third). So whatever one of them does
 * between two instructions of the other is seen, without any luck; what a model of the kernel shows
 * for the library's machine code, this shows for the kernel itself. Nothing is timed: a thread is
 * waited for until the kernel says that it sleeps.
 *
 * The library's code is between two symbols of the linker (faults.sh puts it into a section of
 * its own). Instructions of the C library are stepped over, not counted.
 *
 * Sources: ptrace(2), proc_pid_stat(5).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "valet.h"

#define ALL \
    500u /* more instructions than an operation has, unless it spins until the other goes on */
#define PAGE   4096u
#define S      UINT64_C(1000000000)
#define SOON   UINT64_C(20000000)
#define GRAVE  1024u
#define GATE() __asm__ volatile("int3" ::: "memory")

extern const char library_begin[] __asm__("__start_valet_text");
extern const char library_end[] __asm__("__stop_valet_text");

/* What the sleeper waits for, until when, and what happens at the `first` instruction. */
struct scenario {
    const char *name;
    enum { PARKER, WAITERS, FUTEX } object;
    enum { NEVER, LATER, NEAR, PAST } deadline;
    enum {
        WAKE,        /* the waker */
        INTERRUPT,   /* the same, after a signal that interrupted the first sleep */
        FROM_HANDLER /* a signal handler on the sleeper itself */
    } event;
    bool all_pairs; /* of `first` and `second`, or each with the other at one end */
};

/* Shared by both processes, so that the tracer sets and reads the words itself. */
static struct control {
    struct scenario scenario;
    uint64_t deadline;
    volatile int result;
    volatile bool early;
    volatile bool handled;
    volatile bool done[2];
    volatile pid_t id[2];
    volatile uintptr_t grave; /* in the sleeper's stack */
    volatile bool touched;
} * control;

/* On a page of their own, which the sleeper takes away as soon as it is allowed to. */
static struct objects {
    struct valet_parker parker;
    struct valet_waiters waiters;
    uint32_t word;
} * o;

/* ---- the traced process ---------------------------------------------------------------------- */

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

static void wake(void)
{
    switch (control->scenario.object) {
    case PARKER:
        valet_unpark(&o->parker);
        break;
    case WAITERS:
        valet_store_and_wake(&o->waiters, 1);
        break;
    case FUTEX:
        __atomic_store_n(&o->word, 1, __ATOMIC_RELEASE);
        valet_futex_wake(&o->word, 1);
        break;
    }
}

static int sleep_(void)
{
    uint64_t deadline = control->deadline;
    int r = VALET_OK;
    switch (control->scenario.object) {
    case PARKER:
        return deadline == VALET_FOREVER ? valet_park(&o->parker)
                                         : valet_park_until(&o->parker, deadline);
    case WAITERS:
        return valet_compare_and_wait_until(&o->waiters, 0, deadline);
    case FUTEX:
        while (__atomic_load_n(&o->word, __ATOMIC_ACQUIRE) == 0) {
            if (r != VALET_OK && r != VALET_CHANGED)
                return r;
            r = valet_futex_wait(&o->word, 0, deadline);
        }
    }
    return VALET_OK;
}

static void on_signal(int number)
{
    (void)number;
    control->handled = true;
    if (control->scenario.event == FROM_HANDLER)
        wake();
}

/* Where the library's stack frames were, which are dead now, and must not be touched any more. */
__attribute__((noinline)) static void bury(void)
{
    volatile unsigned char frames[GRAVE];
    for (unsigned i = 0; i < GRAVE; i++)
        frames[i] = 0xff;
    control->grave = (uintptr_t)frames;
}

static bool grave_is_touched(void)
{
    const volatile unsigned char *frames = (const volatile unsigned char *)control->grave;
    for (unsigned i = 0; frames != NULL && i < GRAVE; i++)
        if (frames[i] != 0xff)
            return true;
    return false;
}

/* So deep in the stack that nothing but the library ever uses those frames. */
__attribute__((noinline)) static void deep(void)
{
    volatile char gap[4 * PAGE];
    gap[0] = 0;
    int r = sleep_();
    if (r == VALET_OK) /* its waker has begun, and may still be inside its call */
        mprotect(o, PAGE, PROT_NONE);
    control->result = r;
    control->done[0] = true; /* the tracer steps no further */
    control->early = r == VALET_TIMEDOUT && now() < control->deadline;
    bury();
    (void)gap[0];
}

static void *sleeper(void *unused)
{
    control->id[0] = (pid_t)syscall(SYS_gettid);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    for (;;) {
        GATE(); /* before the round; the waker of the last one has returned */
        control->touched = grave_is_touched();
        mprotect(o, PAGE, PROT_READ | PROT_WRITE);
        uint64_t t = now();
        control->deadline = control->scenario.deadline == NEVER   ? VALET_FOREVER
                            : control->scenario.deadline == LATER ? t + 3600 * S
                            : control->scenario.deadline == NEAR  ? t + SOON
                                                                  : 1;
        GATE(); /* from here on stepped */
        deep();
    }
    return unused;
}

static void *waker(void *unused)
{
    control->id[1] = (pid_t)syscall(SYS_gettid);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    for (;;) {
        GATE();
        GATE();
        if (control->scenario.event != FROM_HANDLER)
            wake();
        control->done[1] = true;
    }
    return unused;
}

static void traced_process(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, sleeper, NULL) != 0 ||
        pthread_create(&thread, NULL, waker, NULL) != 0)
        _exit(1);
    for (;;)
        pause();
}

/* ---- the tracer ------------------------------------------------------------------------------ */

static pid_t process;

static struct thread {
    const char *name;
    pid_t id;
    bool done;    /* it waits at the first gate */
    bool inside;  /* a call of the kernel: it is not stopped */
    bool at_gate; /* when it stops next, unless by a signal */
    int signal;   /* to be delivered with the next step */
    unsigned ran; /* instructions of the library in this round */
    uintptr_t at; /* the next instruction */
} threads[2] = {{.name = "sleeper"}, {.name = "waker"}};

static unsigned first_now, second_now;
static bool decided; /* whatever this round is about has happened */

static _Noreturn void fail(const char *what)
{
    printf("FAILED: %s: %s; held at instructions %u and %u; result %d, parker %lx, waiters %lx\n",
           control->scenario.name, what, first_now, second_now, control->result,
           (unsigned long)o->parker.word, (unsigned long)o->waiters.word);
    for (unsigned i = 0; i < 2; i++)
        printf("        %s: %s, %u instructions, last stopped at __start_valet_text + %ld\n",
               threads[i].name, threads[i].done ? "returned" : "not back", threads[i].ran,
               (long)(threads[i].at - (uintptr_t)library_begin));
    kill(process, SIGKILL);
    exit(1);
}

static _Noreturn void broken(const char *what)
{
    printf("tracer: %s: %s\n", what, strerror(errno));
    kill(process, SIGKILL);
    exit(2);
}

/* Whether the kernel says that it sleeps, and not only for the blink of an eye. */
static bool asleep(const struct thread *t)
{
    for (int look = 0; look < 3; look++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)process, (int)t->id);
        FILE *f = fopen(path, "r");
        if (f == NULL)
            broken(path);
        const char *state = fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
        fclose(f);
        if (state == NULL || state[2] != 'S')
            return false;
        sched_yield();
    }
    return true;
}

static int wait_for(struct thread *t, int options)
{
    int status;
    pid_t r = waitpid(t->id, &status, __WALL | options);
    if (r == 0)
        return 0;
    if (r != t->id)
        broken("waitpid");
    t->inside = false;
    if (!WIFSTOPPED(status))
        fail("a thread has died");
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, t->id, NULL, &registers) != 0)
        broken("registers");
    t->at = registers.rip;
    t->signal = 0;
    if (WSTOPSIG(status) == SIGUSR1)
        t->signal = SIGUSR1;
    else if (WSTOPSIG(status) == SIGSEGV || WSTOPSIG(status) == SIGBUS)
        fail("memory was touched after it was freed");
    else if (WSTOPSIG(status) != SIGTRAP)
        fail("a signal that nobody sent");
    return 1;
}

/* Let it run to its next gate. */
static void to_gate(struct thread *t)
{
    if (ptrace(PTRACE_CONT, t->id, NULL, NULL) != 0)
        broken("continue");
    wait_for(t, 0);
}

static bool in_library(const struct thread *t)
{
    return t->at >= (uintptr_t)library_begin && t->at < (uintptr_t)library_end;
}

/* One instruction; or all that are left, where nothing is to happen in between any more. False: it
 * sleeps in the kernel, and is left there. */
static bool step(struct thread *t)
{
    const bool alone = decided && threads[t == &threads[0]].done;
    bool polled = t->inside || alone;
    if (!t->inside) {
        if (t->signal == 0) {
            /* The same program at the same addresses: its code can be read here. */
            const unsigned char *code = (const unsigned char *)t->at;
            polled |= code[0] == 0x0f && code[1] == 0x05; /* syscall */
            t->ran += in_library(t);
        }
        if (ptrace(alone ? PTRACE_CONT : PTRACE_SINGLESTEP, t->id, NULL,
                   (void *)(intptr_t)t->signal) != 0)
            broken("step");
        t->inside = true;
        t->at_gate = alone;
    }
    if (polled) {
        while (wait_for(t, WNOHANG) == 0)
            if (asleep(t))
                return false;
    } else {
        wait_for(t, 0);
    }
    if (control->done[t - threads]) {
        if (!t->at_gate)
            to_gate(t);
        t->done = true;
    }
    return true;
}

/* Until it has run so many instructions of the library and is before the next, has returned, or
 * sleeps. */
static bool go(struct thread *t, unsigned instructions)
{
    bool moved = false;
    while (!t->done && (t->ran < instructions || t->inside || !in_library(t))) {
        if (step(t))
            moved = true;
        else if (decided || t != &threads[0] || control->scenario.deadline != NEAR)
            return moved;
        else
            usleep(1000); /* the sleeper's deadline is near */
    }
    return moved;
}

static void interrupt(struct thread *t)
{
    if (syscall(SYS_tgkill, process, t->id, SIGUSR1) != 0)
        broken("tgkill");
}

/* Nobody moves. A thread that was woken is no longer asleep when the call that woke it returns; so
 * this only makes sure. */
static void nobody_moves(void)
{
    for (int i = 0; i < 200; i++) {
        for (unsigned j = 0; j < 2; j++)
            if (!threads[j].done && !asleep(&threads[j]))
                return;
        usleep(1000);
    }
    fail("a wake-up is lost");
}

static void check(bool woken)
{
    const struct scenario *s = &control->scenario;
    int r = control->result;
    uintptr_t state = s->object == PARKER    ? o->parker.word
                      : s->object == WAITERS ? o->waiters.word
                                             : o->word;
    if (control->early)
        fail("a timeout before its deadline");
    if (r == VALET_TIMEDOUT && (s->deadline == NEVER || s->deadline == LATER))
        fail("a timeout without its deadline");
    if (r != VALET_OK && r != VALET_TIMEDOUT)
        fail("an error");
    if (r == VALET_OK && !woken)
        fail("it was never woken");
    /* a token is taken or kept; a state stays, and nobody is on record */
    if (state != (s->object == PARKER ? woken && r != VALET_OK : woken))
        fail("the word at the end");
}

/* How far the threads came on their own before the round was decided. */
struct reached {
    bool first, second;
};

static struct reached round_of(unsigned first, unsigned second)
{
    struct thread *sleeps = &threads[0], *wakes = &threads[1];
    const bool by_waker = control->scenario.event != FROM_HANDLER;
    struct reached reached = {true, true};
    first_now = first;
    second_now = second;
    decided = false;
    memset(o, 0, sizeof *o);
    control->handled = control->early = control->done[0] = control->done[1] = false;
    for (unsigned i = 0; i < 2; i++) {
        threads[i].done = false;
        threads[i].ran = 0;
        to_gate(&threads[i]);
    }
    if (control->touched)
        fail("a dead stack frame was touched, in the round before");
    if (!by_waker)
        wakes->done = true; /* it stays at its gate */

    go(sleeps, first);
    if (control->scenario.event == INTERRUPT && sleeps->inside) {
        interrupt(sleeps);
        while (!control->handled) /* it is woken, and on its way into the handler */
            go(sleeps, sleeps->ran + 1);
        go(sleeps, first);
    }
    reached.first = sleeps->ran >= first;
    bool woken = by_waker;
    if (!by_waker && !sleeps->done) {
        interrupt(sleeps);
        while (!control->handled)
            go(sleeps, sleeps->ran + 1);
        woken = true;
    }
    if (by_waker) {
        go(wakes, second);
        reached.second = wakes->ran >= second;
    }
    decided = true;
    for (unsigned turns = 0; !sleeps->done || !wakes->done; turns++) {
        bool moved = go(sleeps, sleeps->ran + ALL);
        moved |= go(wakes, wakes->ran + ALL);
        if (!moved)
            nobody_moves();
        else if (turns == 50)
            fail("both spin for ever");
    }
    check(woken);
    if (!by_waker)
        to_gate(wakes);
    return reached;
}

static unsigned run(const struct scenario *s)
{
    control->scenario = *s;
    unsigned rounds = 0, seconds = 0, step = getenv("VALET_TEST_SHORT") != NULL ? 3 : 1;
    bool by_waker = s->event != FROM_HANDLER;
    for (unsigned first = 0;; first += step) {
        bool more = true;
        if (by_waker && (s->all_pairs || first == 0)) {
            for (unsigned second = 0;; second += step) {
                struct reached r = round_of(first, second);
                rounds++;
                more = r.first;
                if (!r.second) {
                    if (second > seconds)
                        seconds = second;
                    break;
                }
            }
        } else {
            more = round_of(first, ALL).first;
            rounds++;
        }
        if (!more) { /* it slept, or returned, before it had run so many */
            for (unsigned second = 0; by_waker && !s->all_pairs; second += step) {
                rounds++;
                if (!round_of(first, second).second) {
                    seconds = second > seconds ? second : seconds;
                    break;
                }
            }
            printf("ok      %s: %u instructions x %u, %u rounds\n", s->name, first,
                   by_waker ? seconds : 1, rounds);
            fflush(stdout);
            return rounds;
        }
    }
}

static const struct scenario scenarios[] = {
#if VALET_TEST_FUTEX_KIND
#define PAIRS true
    {"park, unparked by a signal handler", PARKER, NEVER, FROM_HANDLER, false},
    {"wait, woken by a signal handler", WAITERS, NEVER, FROM_HANDLER, false},
    {"timed park, past its deadline, unparked by a signal handler", PARKER, PAST, FROM_HANDLER,
     false},
#else
#define PAIRS false
#endif
    {"park", PARKER, NEVER, WAKE, PAIRS},
    {"timed park", PARKER, LATER, WAKE, false},
    {"park, interrupted", PARKER, NEVER, INTERRUPT, false},
    {"timed park, past its deadline", PARKER, PAST, WAKE, PAIRS},
    {"timed park, near its deadline", PARKER, NEAR, WAKE, false},
    {"wait", WAITERS, NEVER, WAKE, PAIRS},
    {"wait, interrupted", WAITERS, NEVER, INTERRUPT, false},
    {"timed wait, past its deadline", WAITERS, PAST, WAKE, PAIRS},
    {"timed wait, near its deadline", WAITERS, NEAR, WAKE, false},
    {"futex", FUTEX, NEVER, WAKE, PAIRS},
    {"futex, interrupted", FUTEX, NEVER, INTERRUPT, false},
    {"futex, past its deadline", FUTEX, PAST, WAKE, false},
};

static void *shared_page(void)
{
    void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        broken("mmap");
    return p;
}

int main(int argc, char **argv)
{
    /* All three take turns: on one CPU a switch is a tenth of the price. */
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);

    /* Each step is two switches. At -20 the others on this CPU would have a hundredth of it. */
    setpriority(PRIO_PROCESS, 0, -8); /* where that is allowed */

    control = shared_page();
    o = shared_page();
    process = fork();
    if (process < 0)
        broken("fork");
    if (process == 0)
        traced_process();
    for (unsigned i = 0; i < 2; i++) {
        while (control->id[i] == 0)
            sched_yield();
        threads[i].id = control->id[i];
        wait_for(&threads[i], 0);
        if (ptrace(PTRACE_SETOPTIONS, threads[i].id, NULL, (void *)PTRACE_O_EXITKILL) != 0)
            broken("options");
    }
    unsigned rounds = 0;
    for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (argc < 2 || strstr(scenarios[i].name, argv[1]) != NULL)
            rounds += run(&scenarios[i]);
    printf("%u rounds, no wake-up lost\n", rounds);
    kill(process, SIGKILL);
    return rounds == 0;
}
