/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What may befall a program on a real Linux kernel (x86_64): answers that come again and again, a
 * process that is stopped, frozen or forked while its threads are parked, words at the edge of what
 * is mapped, deadlines at the end of the clock, one CPU, real-time priorities the wrong way round.
 * Built for the kinds futex and sema (faults.sh). Each test has a child process of its own.
 *
 * Kernels that refuse: contract/sandbox_test.c. Threads that are delayed between two instructions:
 * faults/tracer.c. Sources: torvalds/linux include/uapi/linux/seccomp.h,
 * Documentation/admin-guide/cgroup-v2.rst (cgroup.freeze), fork(2), sched(7), proc_pid_stat(5).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "load.h"
#include "machine.h"
#include "objects.h"
#include "test.h"

#define LATER 3600 * S

/* Parent and child see the same page. */
static struct shared {
    struct valet_parker parker, pong;
    struct valet_waiters waiters;
    uint32_t word;
    uint64_t deadline;
    atomic_int id;     /* the sleeper's thread, in the child */
    atomic_int result; /* what its call returned, or ASLEEP */
    atomic_bool early;
    atomic_uint turn, rounds;
    atomic_bool stop, last; /* the parent asks; the round is the last */
} * x;

#define ASLEEP 100

/* ---- one thread that sleeps, one that wakes it ----------------------------------------------- */

static int sleep_on(int operation, uint64_t deadline)
{
    int r = VALET_OK;
    switch (operation) {
    case PARK:
        return valet_park_until(&x->parker, deadline);
    case WAIT:
        return valet_compare_and_wait_until(&x->waiters, 0, deadline);
    default:
        while (__atomic_load_n(&x->word, __ATOMIC_ACQUIRE) == 0) {
            if (r != VALET_OK && r != VALET_CHANGED)
                return r;
            r = valet_futex_wait(&x->word, 0, deadline);
        }
        return VALET_OK;
    }
}

static void wake_up(int operation)
{
    switch (operation) {
    case PARK:
        valet_unpark(&x->parker);
        break;
    case WAIT:
        valet_store_and_wake(&x->waiters, 1);
        break;
    default:
        __atomic_store_n(&x->word, 1, __ATOMIC_RELEASE);
        valet_futex_wake(&x->word, 1);
        break;
    }
}

static void sleeper(void *operation)
{
    atomic_store(&x->id, (int)syscall(SYS_gettid));
    int r = sleep_on((int)(intptr_t)operation, x->deadline);
    atomic_store(&x->early, r == VALET_TIMEDOUT && valet_now() < x->deadline);
    atomic_store(&x->result, r);
}

static struct test_thread *start_sleeper(int operation, uint64_t deadline)
{
    x->parker.word = x->waiters.word = x->word = 0;
    x->deadline = deadline;
    atomic_store(&x->result, ASLEEP);
    atomic_store(&x->id, 0);
    return test_start(sleeper, (void *)(intptr_t)operation);
}

/* Whether the kernel says that it sleeps, and not only for the blink of an eye. */
static bool sleeps(pid_t process)
{
    for (int look = 0; look < 5; look++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)process, atomic_load(&x->id));
        FILE *f = fopen(path, "r");
        if (f == NULL)
            return false;
        const char *state = fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
        fclose(f);
        if (state == NULL || state[2] != 'S')
            return false;
        test_yield();
    }
    return true;
}

static void until_asleep(pid_t process)
{
    while (atomic_load(&x->id) == 0 || !sleeps(process))
        test_yield();
    CHECK_EQ(atomic_load(&x->result), ASLEEP);
}

static void until_result(int expected)
{
    while (atomic_load(&x->result) == ASLEEP)
        test_yield();
    CHECK_EQ(atomic_load(&x->result), expected);
    CHECK(!atomic_load(&x->early));
}

/* ---- child processes ------------------------------------------------------------------------- */

static pid_t start_child(void (*run)(int), int argument)
{
    if (x == NULL) {
        x = mmap(NULL, TEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(x != MAP_FAILED);
    }
    memset(x, 0, sizeof *x);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a hang must not outlive the test */
        run(argument);
        _exit(0);
    }
    return child;
}

static int status_of(pid_t child)
{
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void in_a_child(void (*run)(int), int argument)
{
    int status = status_of(start_child(run, argument));
    if (status == 77)
        test_exit(77); /* it has said why */
    CHECK_EQ(status, 0);
}

/* The child's part of a test in which the parent acts: a sleeper, woken when the parent says so. */
static void sleep_and_be_woken(int operation)
{
    test_until(&x->turn, 1); /* the deadline is set */
    struct test_thread *t = start_sleeper(operation, x->deadline);
    test_until(&x->turn, 2);
    wake_up(operation);
    atomic_store(&x->turn, 3);
    test_join(t);
}

static pid_t start_sleeping_child(int operation, uint64_t deadline)
{
    pid_t child = start_child(sleep_and_be_woken, operation);
    x->deadline = deadline;
    atomic_store(&x->turn, 1);
    return child;
}

/* Two threads hand a token to and fro until the parent says stop. */
static void ponger(void *unused)
{
    (void)unused;
    for (;;) {
        CHECK_EQ(valet_park(&x->pong), VALET_OK);
        bool last = atomic_load(&x->last);
        valet_unpark(&x->parker);
        if (last)
            return;
    }
}

static void ping_pong(int unused)
{
    (void)unused;
    struct test_thread *t = test_start(ponger, NULL);
    do {
        atomic_store(&x->last, atomic_load(&x->stop));
        valet_unpark(&x->pong);
        CHECK_EQ(valet_park_for(&x->parker, LATER), VALET_OK);
        atomic_fetch_add(&x->rounds, 1);
    } while (!atomic_load(&x->last));
    test_join(t);
    CHECK_EQ(valet_park_until(&x->parker, 0), VALET_TIMEDOUT); /* as many tokens as parks */
}

#if VALET_TEST_FUTEX_KIND
/* ---- answers that come again and again ------------------------------------------------------- */

#define AUDIT_ARCH   0xc000003eu
#define RETURN_KILL  0x80000000u /* the process */
#define RETURN_TRAP  0x00030000u
#define RETURN_ERRNO 0x00050000u
#define RETURN_ALLOW 0x7fff0000u

#define FUTEX_WAIT_BITSET 9
#define FUTEX_PRIVATE     128
#define OUR_BITSET        0x7fffffff /* of waits that are let through: the library's has all bits */

struct call_data {
    int32_t nr;
    uint32_t arch;
    uint64_t instruction_pointer, args[6];
};

struct instruction {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};

/* clang-format off */
#define LOAD(field)      {0x20, 0, 0, (uint32_t)offsetof(struct call_data, field)}
#define LOAD_HIGH(field) {0x20, 0, 0, (uint32_t)offsetof(struct call_data, field) + 4}
#define AND(mask)        {0x54, 0, 0, mask}
#define IF(value, n)     {0x15, n, 0, (uint32_t)(value)} /* skip n instructions */
#define UNLESS(value, n) {0x15, 0, n, (uint32_t)(value)} /* skip n instructions */
#define RETURN(action)   {0x06, 0, 0, action}
/* clang-format on */

static void install(struct instruction *filter, size_t length)
{
    struct {
        unsigned short length;
        struct instruction *filter;
    } program = {(unsigned short)length, filter};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, 2, &program, 0, 0), 0);
}

/* Answer `action` to the library's waits on the shared page. */
static void filter_waits(uint32_t action)
{
    /* clang-format off */
    struct instruction filter[] = {
        LOAD(arch),
        UNLESS(AUDIT_ARCH, 12),
        LOAD(nr),
        UNLESS(SYS_futex, 10),
        LOAD(args[1]),
        UNLESS(FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 8),
        LOAD(args[5]),
        UNLESS(0xffffffff, 6),
        LOAD_HIGH(args[0]),
        UNLESS((uintptr_t)x >> 32, 4),
        LOAD(args[0]),
        AND(~(TEST_PAGE - 1)),
        UNLESS((uintptr_t)x, 1),
        RETURN(action),
        RETURN(RETURN_ALLOW),
    };
    /* clang-format on */
    install(filter, sizeof filter / sizeof *filter);
}

static struct {
    long answer;
    unsigned answers, until; /* from then on the real kernel answers */
    unsigned wake_at;        /* 0: never */
    int operation;
} storm;

static void on_trapped_wait(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    storm.answers++;
    if (storm.answers == storm.wake_at)
        wake_up(storm.operation);
    if (storm.answers <= storm.until) {
        r[REG_RAX] = storm.answer;
        return;
    }
    long result =
        syscall(SYS_futex, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], OUR_BITSET);
    r[REG_RAX] = result < 0 ? -errno : result;
}

/* A storm that ends: the deadline holds, and is not early; a wake-up in its midst ends it at once.
 */
static void storms(int unused)
{
    (void)unused;
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_trapped_wait;
    CHECK_EQ(sigaction(SIGSYS, &action, NULL), 0);
    filter_waits(RETURN_TRAP);
    const long answers[] = {-EINTR, -EAGAIN, 0};
    for (unsigned i = 0; i < 3; i++) {
        for (storm.operation = 0; storm.operation < OPERATIONS; storm.operation++) {
            storm.answer = answers[i];
            storm.until = 2000;

            storm.answers = storm.wake_at = 0;
            x->parker.word = x->waiters.word = x->word = 0;
            uint64_t deadline = valet_now() + 20 * MS;
            CHECK_EQ(sleep_on(storm.operation, deadline), VALET_TIMEDOUT);
            CHECK(valet_now() >= deadline);
            CHECK_EQ(storm.answers, 2001);

            storm.answers = 0;
            storm.wake_at = 1000;
            CHECK_EQ(sleep_on(storm.operation, valet_now() + LATER), VALET_OK);
            CHECK_EQ(storm.answers, 1000);
            CHECK_EQ(valet_park_until(&x->parker, 0), VALET_TIMEDOUT);
        }
    }
}

static void test_a_storm_of_answers_ends(void)
{
    in_a_child(storms, 0);
}

/* One that never ends is no kernel that there is: it looks at the deadline before it looks at
 * signals. Printed is what it costs; checked, that no call returns early or for nothing, and that a
 * wake-up still counts at once. */
static void endless(int error)
{
    filter_waits(RETURN_ERRNO | (uint32_t)error);
    for (int operation = 0; operation < OPERATIONS; operation++) {
        struct test_thread *t = start_sleeper(operation, valet_now() + 20 * MS);
        while (atomic_load(&x->id) == 0)
            test_yield();
        test_sleep(120 * MS);
        int r = atomic_load(&x->result);
        CHECK(r == ASLEEP || (r == VALET_TIMEDOUT && !atomic_load(&x->early)));
        test_write(r == ASLEEP ? "   still asking, after its deadline\n" : "   timed out\n");
        wake_up(operation);
        test_join(t);
        r = atomic_load(&x->result);
        CHECK(r == VALET_OK || (r == VALET_TIMEDOUT && !atomic_load(&x->early)));
        if (operation == PARK) /* the token was taken, or is kept */
            CHECK_EQ(valet_park_until(&x->parker, 0), r == VALET_OK ? VALET_TIMEDOUT : VALET_OK);

        /* and without a deadline: only a wake-up ends it */
        t = start_sleeper(operation, VALET_FOREVER);
        while (atomic_load(&x->id) == 0)
            test_yield();
        test_sleep(20 * MS);
        CHECK_EQ(atomic_load(&x->result), ASLEEP);
        wake_up(operation);
        test_join(t);
        CHECK_EQ(atomic_load(&x->result), VALET_OK);
    }
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    test_report("CPU time of three such waits of 20 and 120 ms",
                (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000, "ms");
}

static void test_an_endless_storm_gives_no_false_answer(void)
{
    in_a_child(endless, EINTR);
    in_a_child(endless, EAGAIN);
}

/* ---- the edge of what is mapped -------------------------------------------------------------- */

/* The kernel only reads a private word: one that cannot be written can be waited on. */
static void test_a_read_only_word_can_be_waited_on(void)
{
    uint32_t *word = test_map();
    *word = 7;
    CHECK_EQ(mprotect(word, TEST_PAGE, PROT_READ), 0);
    CHECK_EQ(valet_futex_wait(word, 6, VALET_FOREVER), VALET_CHANGED);
    uint64_t deadline = valet_now() + 5 * MS;
    int r;
    while ((r = valet_futex_wait(word, 7, deadline)) == VALET_OK)
        ;
    CHECK_EQ(r, VALET_TIMEDOUT);
    CHECK(valet_now() >= deadline);
    valet_futex_wake(word, 1);
}

struct mapped {
    uint32_t *word;
    uint64_t deadline;
    atomic_int id, result;
};

static void wait_on_word(void *mapped)
{
    struct mapped *m = mapped;
    int r;
    atomic_store(&x->id, (int)syscall(SYS_gettid));
    while ((r = valet_futex_wait(m->word, 0, m->deadline)) == VALET_OK)
        ;
    atomic_store(&m->result, r);
}

/* A word that goes away under a thread that sleeps on it: the deadline still comes, and an
 * interrupted wait, which has to look at the word again, says that it cannot. */
static void unmapped_words(int unused)
{
    (void)unused;
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        uint64_t deadline = valet_now() + (interrupted ? LATER : 50 * MS);
        struct mapped m = {.word = test_map(), .deadline = deadline};
        atomic_store(&x->id, 0);
        struct test_thread *t = test_start(wait_on_word, &m);
        while (atomic_load(&x->id) == 0 || !(sleeps(getpid()) || valet_now() > deadline))
            test_yield();
        test_unmap(m.word);
        if (interrupted)
            test_interrupt(t, NULL, NULL);
        test_join(t);
        CHECK(atomic_load(&m.result) == (interrupted ? VALET_ERR_SYSTEM : VALET_TIMEDOUT) ||
              (!interrupted && atomic_load(&m.result) == VALET_ERR_SYSTEM));
        CHECK(interrupted || valet_now() >= deadline);
        valet_futex_wake(m.word, 1); /* an address, no more */
        CHECK_EQ(valet_futex_wait(m.word, 0, VALET_FOREVER), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_futex_wait(m.word, 0, valet_now() + LATER), VALET_ERR_SYSTEM);
    }
}

static void test_a_word_may_be_unmapped_under_a_wait(void)
{
    in_a_child(unmapped_words, 0);
}
/* ---- a stranger in the queue ----------------------------------------------------------------- */

/*
 * Somebody waits on the address, of what the memory was before: 77. The library's thread comes
 * second. As valet.h says, a wake that was for one may go to the stranger, as here it does. Nothing
 * else is lost: the token, or the state, is there, and is found after a signal and at the deadline.
 * A wake of all reaches all. Sources: futex(2); torvalds/linux include/uapi/linux/io_uring.h,
 * io_uring/futex.c.
 */
enum stranger { BY_BITSET, BY_WAITV, BY_REQUEUE, BY_IO_URING };

#define FUTEX_CMP_REQUEUE   4
#define FUTEX_32_PRIVATE    (2 | 128)
#define CALL_FUTEX_WAITV    449 /* since 5.16 */
#define CALL_IO_URING_SETUP 425
#define CALL_IO_URING_ENTER 426
#define IO_URING_FUTEX_WAIT 51 /* since 6.7 */
#define IO_URING_ENTRIES    0x10000000

struct io_uring {
    uint32_t entries[2], flags, others[2], features, more[4];
    struct {
        uint32_t head, tail, mask, entries, others[6];
    } submissions;
    struct {
        uint32_t head, tail, mask, entries, overflow, results, others[4];
    } completions;
};

struct io_uring_entry {
    uint8_t operation, flags[3];
    int32_t futex_flags;
    uint64_t value, address, others[3], mask, none;
};

_Static_assert(sizeof(struct io_uring) == 120 && sizeof(struct io_uring_entry) == 64, "the ABI's");

static struct {
    uint32_t *word, own; /* own: what it waits on before it is moved to word */
    atomic_long answer;  /* of its wait; WAITS before */
    struct test_thread *thread;
    char *ring; /* of io_uring, in place of a thread */
    struct io_uring *at;
    int fd;
} stranger;
#define WAITS 1000

static void strange_wait(void *how)
{
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } of_waitv = {77, (uintptr_t)stranger.word, FUTEX_32_PRIVATE, 0};
    uint32_t *word = (intptr_t)how == BY_REQUEUE ? &stranger.own : stranger.word;
    atomic_store(&x->id, (int)syscall(SYS_gettid));
    long r = (intptr_t)how == BY_WAITV
                 ? syscall(CALL_FUTEX_WAITV, &of_waitv, 1, 0, NULL, 0)
                 : syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 77, NULL, NULL, -1);
    atomic_store(&stranger.answer, r < 0 ? -errno : r);
}

/* One entry, submitted by hand: it stays queued when this has returned. */
static void submit_a_wait(void)
{
    static struct io_uring uring;
    uring = (struct io_uring){.entries = {0}};
    stranger.fd = (int)syscall(CALL_IO_URING_SETUP, 1, &uring);
    if (stranger.fd < 0)
        skip("io_uring_setup");
    stranger.at = &uring;
    stranger.ring = mmap(NULL, TEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, stranger.fd, 0);
    struct io_uring_entry *entry =
        mmap(NULL, TEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, stranger.fd, IO_URING_ENTRIES);
    CHECK(stranger.ring != MAP_FAILED && entry != MAP_FAILED);
    *entry = (struct io_uring_entry){.operation = IO_URING_FUTEX_WAIT,
                                     .futex_flags = FUTEX_32_PRIVATE,
                                     .value = 77,
                                     .address = (uintptr_t)stranger.word,
                                     .mask = UINT32_MAX};
    *(uint32_t *)(void *)(stranger.ring + uring.submissions.tail) = 1;
    CHECK_EQ(syscall(CALL_IO_URING_ENTER, stranger.fd, 1, 0, 0, NULL, 0), 1);
}

/* What io_uring has answered by now. */
static long completed(void)
{
    test_yield(); /* it is told on the way out of a call */
    if (*(volatile uint32_t *)(void *)(stranger.ring + stranger.at->completions.tail) == 0)
        return WAITS;
    int32_t r = *(int32_t *)(void *)(stranger.ring + stranger.at->completions.results + 8);
    errno = r < 0 ? -r : 0;
    return r;
}

static void begin_to_wait(enum stranger how, uint32_t *word)
{
    stranger.word = word;
    *word = stranger.own = 77;
    atomic_store(&stranger.answer, WAITS);
    if (how == BY_IO_URING) {
        submit_a_wait();
        if (completed() == -EINVAL)
            skip("IORING_OP_FUTEX_WAIT");
        CHECK_EQ(completed(), WAITS);
        return;
    }
    atomic_store(&x->id, 0);
    stranger.thread = test_start(strange_wait, (void *)(intptr_t)how);
    while (atomic_load(&stranger.answer) == WAITS &&
           (atomic_load(&x->id) == 0 || !sleeps(getpid())))
        test_yield();
    if (atomic_load(&stranger.answer) == -ENOSYS) {
        errno = ENOSYS;
        skip("futex_waitv");
    }
    CHECK_EQ(atomic_load(&stranger.answer), WAITS);
    long moved = how != BY_REQUEUE;
    while (moved == 0) /* not every kernel's /proc tells who sleeps */
        moved =
            syscall(SYS_futex, &stranger.own, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, 1, word, 77);
    CHECK_EQ(moved, 1);
}

static void was_woken(enum stranger how)
{
    if (how != BY_IO_URING)
        test_join(stranger.thread);
    else {
        while (completed() == WAITS)
            ;
        atomic_store(&stranger.answer, completed());
        close(stranger.fd);
    }
    CHECK_EQ(atomic_load(&stranger.answer), 0);
}

static void end_at_once(void *unused)
{
    (void)unused;
}

static void strangers(int how)
{
    enum { DELEGATE = OPERATIONS, ALL };
    /* Since 6.16 a process has a queue of its own from its second thread on, and who came before by
     * io_uring is left behind. */
    test_join(test_start(end_at_once, NULL));
    for (int what = PARK; what < ALL; what++) {
        int operation = what == DELEGATE ? WAIT : what;
        for (int timed = 0; timed < 2; timed++) {
            begin_to_wait((enum stranger)how, operation == FUTEX  ? &x->word
                                              : operation == PARK ? (uint32_t *)&x->parker.word
                                                                  : (uint32_t *)&x->waiters.word);
            /* here the memory is begun anew */
            struct test_thread *t =
                start_sleeper(operation, timed ? valet_now() + 50 * MS : VALET_FOREVER);
            while (atomic_load(&x->id) == 0 ||
                   (!sleeps(getpid()) && atomic_load(&x->result) == ASLEEP))
                test_yield();
            if (what == DELEGATE)
                valet_store_and_delegate(&x->waiters, 1);
            else
                wake_up(operation);
            /* A slow machine: nobody may have been there to be woken. Once more. */
            bool late = valet_now() >= x->deadline;
            if (late)
                valet_futex_wake(stranger.word, VALET_FUTEX_ALL);
            was_woken((enum stranger)how);
            if (what != WAIT && !timed) { /* the wake was not for two */
                CHECK(sleeps(getpid()));
                CHECK_EQ(atomic_load(&x->result), ASLEEP);
                test_interrupt(t, NULL, NULL);
            }
            test_join(t);
            CHECK(late || atomic_load(&x->result) == VALET_OK);
            timed -= late;
        }
        if (what < OPERATIONS)
            test_been_through(what);
    }
}

static void test_a_stranger_by_wait_bitset(void)
{
    in_a_child(strangers, BY_BITSET);
}

static void test_a_stranger_by_waitv(void)
{
    in_a_child(strangers, BY_WAITV);
}

static void test_a_stranger_that_was_moved(void)
{
    in_a_child(strangers, BY_REQUEUE);
}

static void test_a_stranger_by_io_uring(void)
{
    in_a_child(strangers, BY_IO_URING);
}
#endif

/* Objects that end where the page ends, and nothing behind it. */
static void page_end(int unused)
{
    (void)unused;
    char *pages = mmap(NULL, 2 * TEST_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    CHECK_EQ(mprotect(pages, TEST_PAGE, PROT_READ | PROT_WRITE), 0);
    char *end = pages + TEST_PAGE;
    struct valet_parker *p = (void *)(end - sizeof *p);
    valet_unpark(p);
    CHECK_EQ(valet_park(p), VALET_OK);
    CHECK_EQ(valet_park_for(p, 1 * MS), VALET_TIMEDOUT);

    p->word = 0;
    struct valet_waiters *w = (void *)(end - sizeof *w);
    CHECK_EQ(valet_compare_and_wait_until(w, 0, valet_now() + 1 * MS), VALET_TIMEDOUT);
    valet_store_and_wake(w, 1);
    CHECK_EQ(valet_compare_and_wait(w, 0), VALET_OK);

    uint32_t *word = (void *)(end - sizeof *word);
    *word = 1;
    CHECK_EQ(valet_futex_wait(word, 0, VALET_FOREVER), VALET_CHANGED);
    uint64_t deadline = valet_now() + 1 * MS;
    int r;
    while ((r = valet_futex_wait(word, 1, deadline)) == VALET_OK)
        ;
    CHECK_EQ(r, VALET_TIMEDOUT);
    valet_futex_wake(word, 1);
}

static void test_objects_at_the_end_of_a_page(void)
{
    in_a_child(page_end, 0);
}

/* ---- stopped and continued ------------------------------------------------------------------- */

static void stop_child(pid_t child)
{
    int status;
    CHECK_EQ(kill(child, SIGSTOP), 0);
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status));
}

static void continue_child(pid_t child)
{
    int status;
    CHECK_EQ(kill(child, SIGCONT), 0);
    CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
    CHECK(WIFCONTINUED(status));
}

static void test_stopped_threads_stay_parked(void)
{
    for (int operation = 0; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            pid_t child =
                start_sleeping_child(operation, timed ? valet_now() + LATER : VALET_FOREVER);
            for (int i = 0; i < 20; i++) {
                until_asleep(child);
                stop_child(child);
                continue_child(child);
            }
            until_asleep(child);
            atomic_store(&x->turn, 2);
            CHECK_EQ(status_of(child), 0);
            CHECK_EQ(atomic_load(&x->result), VALET_OK);
        }
        test_been_through(operation);
    }
}

#if VALET_TEST_FUTEX_KIND
static struct {
    uint64_t deadline;
    uint32_t restart; /* what is answered to restart_syscall */
} filtered;

/* The calls that sys/README.md names, and the end of this process, which any other call ends. */
static void sleep_filtered(int operation)
{
    /* clang-format off */
    struct instruction filter[] = {
        LOAD(arch),
        UNLESS(AUDIT_ARCH, 5),
        LOAD(nr),
        IF(SYS_futex, 4),
        IF(SYS_clock_gettime, 3),
        IF(SYS_exit_group, 2),
        IF(SYS_restart_syscall, 2),
        RETURN(RETURN_KILL),
        RETURN(RETURN_ALLOW),
        RETURN(filtered.restart),
    };
    /* clang-format on */
    atomic_store(&x->result, ASLEEP);
    atomic_store(&x->id, getpid());
    install(filter, sizeof filter / sizeof *filter);
    int r = sleep_on(operation, filtered.deadline);
    atomic_store(&x->early, r == VALET_TIMEDOUT && valet_now() < filtered.deadline);
    atomic_store(&x->result, r);
    while (atomic_load(&x->turn) == 0)
        ;
}

static pid_t start_filtered(int operation, uint32_t restart, uint64_t timeout)
{
    filtered.restart = restart;
    filtered.deadline = valet_now() + timeout;
    return start_child(sleep_filtered, operation);
}

/* Stops it so often, as long as it is asleep in its call. */
static unsigned stop_asleep(pid_t child, unsigned times)
{
    unsigned stops = 0;
    while (stops < times && (atomic_load(&x->id) == 0 || atomic_load(&x->result) == ASLEEP)) {
        int status;
        CHECK_EQ(waitpid(child, &status, WNOHANG), 0); /* it is alive */
        test_yield();
        if (atomic_load(&x->id) != 0 && sleeps(child)) {
            stop_child(child);
            continue_child(child);
            stops++;
        }
    }
    return stops;
}

static void end_filtered(pid_t child, int result)
{
    until_result(result);
    atomic_store(&x->turn, 1);
    CHECK_EQ(status_of(child), 0);
}

#define TRIES 4 /* of the library's own word; of a user's, one */

/* With these calls alone a wait outlives each stop, to its deadline. */
static void test_what_a_filter_lets_pass(void)
{
    for (int operation = 0; operation < OPERATIONS; operation++) {
        unsigned stops = 0;
        for (uint64_t timeout = 50 * MS; stops <= TRIES;
             timeout *= 2) { /* else it came meanwhile */
            CHECK(timeout < 60 * S);
            pid_t child = start_filtered(operation, RETURN_ALLOW, timeout);
            stops = stop_asleep(child, TRIES + 1);
            end_filtered(child, VALET_TIMEDOUT);
        }
    }
}

static void test_a_filter_without_restart_syscall(void)
{
    for (int operation = 0; operation < OPERATIONS; operation++) {
        unsigned refusals = operation == FUTEX ? 1 : TRIES;
        pid_t child = start_filtered(operation, RETURN_ERRNO | EPERM, LATER);
        CHECK_EQ(stop_asleep(child, refusals - 1), refusals - 1);
        until_asleep(child);
        CHECK_EQ(stop_asleep(child, 1), 1);
        while (atomic_load(&x->result) == ASLEEP)
            CHECK(!sleeps(child));
        end_filtered(child, VALET_ERR_SYSTEM);
    }
}
#endif

static void test_a_deadline_that_comes_while_stopped(void)
{
    for (int operation = 0; operation < OPERATIONS; operation++) {
        pid_t child = start_sleeping_child(operation, valet_now() + 100 * MS);
        while (atomic_load(&x->id) == 0)
            test_yield();
        stop_child(child);
        test_sleep(100 * MS); /* also where it has come: gVisor may lose one that goes on at once */
        while (valet_now() < x->deadline + 10 * MS)
            test_sleep(1 * MS);
        continue_child(child);
        until_result(VALET_TIMEDOUT);
        atomic_store(&x->turn, 2);
        CHECK_EQ(status_of(child), 0);
        CHECK(operation != PARK || test_word(&x->parker.word) == 1); /* the token is kept */
        test_been_through(operation);
    }
}

static void test_tokens_survive_a_storm_of_stops(void)
{
    pid_t child = start_child(ping_pong, 0);
    for (int i = 0; i < 200; i++) {
        unsigned rounds = atomic_load(&x->rounds);
        while (atomic_load(&x->rounds) == rounds) /* it goes on each time */
            test_yield();
        stop_child(child);
        continue_child(child);
    }
    atomic_store(&x->stop, true);
    CHECK_EQ(status_of(child), 0);
    test_report("rounds between 200 stops", atomic_load(&x->rounds), "");
}

/* ---- frozen ---------------------------------------------------------------------------------- */

static char group[64];

static int group_write(const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", group, file);
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static void group_add(const char *file, pid_t id)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)id);
    CHECK_EQ(group_write(file, text), 0);
}

/* below: the group, or the one below it. Returns when the kernel says that it is done. */
static void freeze(const char *below, bool frozen)
{
    char path[128], text[128];
    snprintf(path, sizeof path, "%s/cgroup.freeze", below);
    CHECK_EQ(group_write(path, frozen ? "1" : "0"), 0);
    snprintf(path, sizeof path, "%s%s/cgroup.events", group, below);
    do {
        int fd = open(path, O_RDONLY);
        CHECK(fd >= 0);
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        CHECK(n > 0);
        text[n] = '\0';
        test_yield();
    } while (strstr(text, frozen ? "frozen 1" : "frozen 0") == NULL);
}

/* Where cgroup v2 is mounted: alone, or beside version 1. */
static void make_group(void)
{
    const char *root = "/sys/fs/cgroup/unified";
    if (access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) != 0)
        root = "/sys/fs/cgroup";
    snprintf(group, sizeof group, "%s/valet-test-%d", root, (int)getpid());
    if (mkdir(group, 0755) != 0 || group_write("/cgroup.freeze", "0") != 0) {
        rmdir(group);
        skip("no group of cgroup v2 can be made");
    }
}

static void remove_group(const char *below)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", group, below);
    while (rmdir(path) != 0) {
        CHECK_EQ(errno, EBUSY); /* the child is still being buried */
        test_yield();
    }
}

static void test_a_frozen_program_loses_nothing(void)
{
    make_group();
    pid_t child = start_child(ping_pong, 0);
    group_add("/cgroup.procs", child);
    for (int i = 0; i < 50; i++) {
        unsigned rounds = atomic_load(&x->rounds);
        while (atomic_load(&x->rounds) == rounds)
            test_yield();
        freeze("", true);
        rounds = atomic_load(&x->rounds);
        test_sleep(1 * MS);
        CHECK_EQ(atomic_load(&x->rounds), rounds); /* it is frozen indeed */
        freeze("", false);
    }
    atomic_store(&x->stop, true);
    CHECK_EQ(status_of(child), 0);
    remove_group("");
}

static void test_a_deadline_that_comes_while_frozen(void)
{
    make_group();
    for (int operation = 0; operation < OPERATIONS; operation++) {
        pid_t child = start_sleeping_child(operation, valet_now() + 100 * MS);
        group_add("/cgroup.procs", child);
        while (atomic_load(&x->id) == 0)
            test_yield();
        freeze("", true);
        while (valet_now() < x->deadline + 10 * MS)
            test_sleep(1 * MS);
        freeze("", false);
        until_result(VALET_TIMEDOUT);
        atomic_store(&x->turn, 2);
        CHECK_EQ(status_of(child), 0);
        CHECK(operation != PARK || test_word(&x->parker.word) == 1); /* the token is kept */
        test_been_through(operation);
    }
    remove_group("");
}

/* The kernel takes a thread that it freezes out of its sleep; so the wake finds nobody, and the
 * thread must find the change when it has thawed. */
static void test_a_wake_up_while_the_sleeper_is_frozen(void)
{
    make_group();
    char threads[128];
    snprintf(threads, sizeof threads, "%s/threads", group);
    for (int operation = 0; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            pid_t child =
                start_sleeping_child(operation, timed ? valet_now() + LATER : VALET_FOREVER);
            group_add("/cgroup.procs", child);
            CHECK_EQ(mkdir(threads, 0755), 0);
            CHECK_EQ(group_write("/threads/cgroup.type", "threaded"), 0);
            until_asleep(child);
            group_add("/threads/cgroup.threads", atomic_load(&x->id));
            freeze("/threads", true);
            atomic_store(&x->turn, 2);
            test_until(&x->turn, 3); /* the call that wakes has returned */
            CHECK_EQ(atomic_load(&x->result), ASLEEP);
            freeze("/threads", false);
            CHECK_EQ(status_of(child), 0);
            CHECK_EQ(atomic_load(&x->result), VALET_OK);
            remove_group("/threads");
        }
        test_been_through(operation);
    }
    remove_group("");
}

/* ---- forked ---------------------------------------------------------------------------------- */

static void park_forever(void *p)
{
    CHECK_EQ(valet_park(p), VALET_OK);
}

static void wait_forever(void *w)
{
    CHECK_EQ(valet_compare_and_wait(w, 0), VALET_OK);
}

static void hand_over(struct valet_parker *p, struct valet_waiters *w)
{
    struct test_thread *a = test_start(park_forever, p), *b = test_start(wait_forever, w);
    test_until_parked(p);
    test_until_waited(w);
    valet_unpark(p);
    valet_store_and_wake(w, 1);
    test_join(a);
    test_join(b);
    CHECK_EQ(valet_park_until(p, 0), VALET_TIMEDOUT);
}

/* The objects are private memory: the copy of a parked program has copies of its own. */
static void forked(int unused)
{
    (void)unused;
    static struct valet_parker parker;
    static struct valet_waiters waiters;
    struct test_thread *a = test_start(park_forever, &parker);
    struct test_thread *b = test_start(wait_forever, &waiters);
    test_until_parked(&parker);
    test_until_waited(&waiters);
    for (int i = 0; i < 10; i++) {
        pid_t copy = fork();
        CHECK(copy >= 0);
        if (copy == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
#if VALET_TEST_FUTEX_KIND
            /* As they were: on record are threads that the copy does not have. They are forgotten
             * with the next wake-up. (Sema kind: what is on record is another's stack.) */
            CHECK_EQ(valet_park(&parker), VALET_ERR_BUSY);
            valet_unpark(&parker);
            CHECK_EQ(valet_park(&parker), VALET_OK);
            valet_store_and_wake(&waiters, 0);
#else
            parker = (struct valet_parker)VALET_PARKER_INIT;
            waiters = (struct valet_waiters)VALET_WAITERS_INIT(0);
#endif
            hand_over(&parker, &waiters);
            _exit(0);
        }
        CHECK_EQ(status_of(copy), 0);
        /* what the copy did to its own woke nobody here */
        CHECK(test_word(&parker.word) > 1);
        CHECK_EQ(valet_waiters_state(&waiters), 0);
    }
    valet_unpark(&parker);
    valet_store_and_wake(&waiters, 1);
    test_join(a);
    test_join(b);
    test_been_through(PARK);
    test_been_through(WAIT);
}

static void test_a_parked_program_may_fork(void)
{
    in_a_child(forked, 0);
}

/* ---- the end of the clock -------------------------------------------------------------------- */

/* The kernel counts to 2^63 ns (KTIME_MAX); a deadline is any of 2^64. All of them are far away. */
static void far_deadlines(int unused)
{
    (void)unused;
    const uint64_t half = UINT64_C(1) << 63;
    const uint64_t far[] = {half - 1,
                            half,
                            half + 1,
                            half - half % S,
                            UINT64_MAX - 1,
                            UINT64_MAX - UINT64_MAX % S,
                            UINT64_MAX - UINT64_MAX % S - 1,
                            (uint64_t)INT32_MAX * S,
                            ((uint64_t)INT32_MAX + 1) * S,
                            (uint64_t)UINT32_MAX * S};
    for (unsigned i = 0; i < sizeof far / sizeof *far; i++) {
        for (int operation = 0; operation < OPERATIONS; operation++) {
            struct test_thread *t = start_sleeper(operation, far[i]);
            until_asleep(getpid());
            test_sleep(1 * MS);
            CHECK_EQ(atomic_load(&x->result), ASLEEP);
            CHECK(sleeps(getpid()));
            wake_up(operation);
            test_join(t);
            CHECK_EQ(atomic_load(&x->result), VALET_OK);
        }
    }
}

static void test_deadlines_at_the_end_of_the_clock(void)
{
    in_a_child(far_deadlines, 0);
}

/* ---- one CPU, and priorities the wrong way round --------------------------------------------- */

static void one_cpu(int unused)
{
    (void)unused;
    on_one_cpu();
    struct test_thread *t = test_start(ponger, NULL);
    for (int i = 0; i < 5000; i++) {
        atomic_store(&x->last, i == 4999);
        valet_unpark(&x->pong);
        CHECK_EQ(valet_park(&x->parker), VALET_OK);
    }
    test_join(t);
}

static void test_one_cpu_hands_over(void)
{
    in_a_child(one_cpu, 0);
}

#define FIFO_ROUNDS 1000

static struct {
    int waiter, waker;
    struct valet_parker *parkers; /* a page, given back with each round */
    struct valet_parker next;
} fifo;

/* Above its waker it is let in the moment it is woken, in the midst of the waker's call; and frees
 * what it was woken by. */
static void fifo_waiter(void *unused)
{
    (void)unused;
    be_fifo(fifo.waiter);
    for (int i = 0; i < FIFO_ROUNDS; i++) {
        CHECK_EQ(valet_park_for(&fifo.parkers[i % 2], LATER), VALET_OK);
        fifo.parkers[i % 2].word = 0;
        atomic_fetch_add(&x->rounds, 1);
        valet_unpark(&fifo.next);
    }
}

static void priorities(int waiter_is_higher)
{
    on_one_cpu();
    fifo.waiter = waiter_is_higher ? 20 : 10;
    fifo.waker = waiter_is_higher ? 10 : 20;
    fifo.parkers = test_map();
    be_fifo(fifo.waker);
    struct test_thread *t = test_start(fifo_waiter, NULL);
    for (int i = 0; i < FIFO_ROUNDS; i++) {
        valet_unpark(&fifo.parkers[i % 2]);
        CHECK_EQ(valet_park_for(&fifo.next, LATER), VALET_OK);
    }
    test_join(t);
    CHECK_EQ(atomic_load(&x->rounds), FIFO_ROUNDS);
}

static void test_the_waiter_may_have_the_higher_priority(void)
{
    in_a_child(priorities, 1);
}

static void test_the_waker_may_have_the_higher_priority(void)
{
    in_a_child(priorities, 0);
}

/* Waiters of every priority, between them a waker that each of them may push aside. */
static void fifo_crowd_member(void *priority)
{
    be_fifo((int)(intptr_t)priority);
    for (unsigned state = 0; state < 20; state++) {
        atomic_fetch_add(&x->rounds, 1);
        CHECK_EQ(valet_compare_and_wait(&x->waiters, state), VALET_OK);
    }
}

static void fifo_crowd(int unused)
{
    (void)unused;
    on_one_cpu();
    be_fifo(10);
    struct test_thread *t[8];
    for (int i = 0; i < 8; i++)
        t[i] = test_start(fifo_crowd_member, (void *)(intptr_t)(6 + i));
    for (unsigned state = 1; state <= 20; state++) {
        while (atomic_load(&x->rounds) != 8 * state)
            test_sleep(50 * US); /* those below get the CPU */
        valet_store_and_wake(&x->waiters, state);
    }
    for (int i = 0; i < 8; i++)
        test_join(t[i]);
}

static void test_a_crowd_of_all_priorities_wakes(void)
{
    in_a_child(fifo_crowd, 0);
}

TEST_PROGRAM(
#if VALET_TEST_FUTEX_KIND
    TEST(test_a_storm_of_answers_ends), TEST(test_an_endless_storm_gives_no_false_answer),
    TEST(test_a_read_only_word_can_be_waited_on), TEST(test_a_word_may_be_unmapped_under_a_wait),
    TEST(test_a_stranger_by_wait_bitset), TEST(test_a_stranger_by_waitv),
    TEST(test_a_stranger_that_was_moved), TEST(test_a_stranger_by_io_uring),
    TEST(test_what_a_filter_lets_pass), TEST(test_a_filter_without_restart_syscall),
#endif
    TEST(test_objects_at_the_end_of_a_page), TEST(test_stopped_threads_stay_parked),
    TEST(test_a_deadline_that_comes_while_stopped), TEST(test_tokens_survive_a_storm_of_stops),
    TEST(test_a_frozen_program_loses_nothing), TEST(test_a_deadline_that_comes_while_frozen),
    TEST(test_a_wake_up_while_the_sleeper_is_frozen), TEST(test_a_parked_program_may_fork),
    TEST(test_deadlines_at_the_end_of_the_clock), TEST(test_one_cpu_hands_over),
    TEST(test_the_waiter_may_have_the_higher_priority),
    TEST(test_the_waker_may_have_the_higher_priority), TEST(test_a_crowd_of_all_priorities_wakes));
