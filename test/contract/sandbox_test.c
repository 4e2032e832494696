/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linux: a kernel that refuses. A seccomp filter in a child process answers the futex calls on the
 * page of our objects, and on no other page, so that the C library and the sanitizers keep theirs.
 *
 *   refuse  the kernel itself answers an errno, as it does in a real sandbox
 *   script  a SIGSYS handler answers, counts the calls, and may do something first: what happens
 *           between the decision to sleep and the refusal is then no race but an order
 *
 * Sources: torvalds/linux include/uapi/linux/seccomp.h, kernel/seccomp.c; seccomp(2).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "load.h"
#include "objects.h"
#include "test.h"

#if defined __i386__
#define AUDIT_ARCH   0x40000003u
#define RESULT(u)    (u)->uc_mcontext.gregs[REG_EAX]
#define ARGUMENT1(u) (u)->uc_mcontext.gregs[REG_ECX]
#elif defined __x86_64__
#define AUDIT_ARCH   0xc000003eu
#define RESULT(u)    (u)->uc_mcontext.gregs[REG_RAX]
#define ARGUMENT1(u) (u)->uc_mcontext.gregs[REG_RSI]
#elif defined __aarch64__
#define AUDIT_ARCH   0xc00000b7u
#define RESULT(u)    (u)->uc_mcontext.regs[0]
#define ARGUMENT1(u) (u)->uc_mcontext.regs[1]
#elif defined __riscv
#define AUDIT_ARCH   0xc00000f3u
#define RESULT(u)    (u)->uc_mcontext.__gregs[10]
#define ARGUMENT1(u) (u)->uc_mcontext.__gregs[11]
#endif

/* CPUs of 32 bits have each call twice, with times of either size. */
#ifdef SYS_futex_time64
#define CALLS 2
#else
#define CALLS               1
#define SYS_futex_time64    SYS_futex
#define SYS_clock_gettime64 SYS_clock_gettime
#endif

#define FUTEX_COMMAND_WAKE 1
#define FUTEX_COMMAND_MASK 127

/* The kernel's own headers are not everywhere where a C library is. */
#define MODE_FILTER  2
#define RETURN_TRAP  0x00030000u
#define RETURN_ERRNO 0x00050000u
#define RETURN_ALLOW 0x7fff0000u

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

struct program {
    unsigned short length;
    struct instruction *filter;
};

/* The objects under test have a page of their own. */
static struct objects {
    struct valet_parker parker;
    struct valet_waiters waiters;
    uint32_t word;
} * o;

/* ---- the filter ------------------------------------------------------------------------------ */

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
    struct program program = {(unsigned short)length, filter};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, MODE_FILTER, &program, 0, 0), 0);
}

/* Answer `action` to either of two calls on the page of the objects. */
static void filter_calls(long one, long other, uint32_t action)
{
    /* clang-format off */
    struct instruction filter[] = {
        LOAD(arch),
        UNLESS(AUDIT_ARCH, 9),
        LOAD(nr),
        IF(one, 1),
        UNLESS(other, 6),
        LOAD_HIGH(args[0]),
        UNLESS((uint64_t)(uintptr_t)o >> 32, 4),
        LOAD(args[0]),
        AND(~(TEST_PAGE - 1)),
        UNLESS((uintptr_t)o, 1),
        RETURN(action),
        RETURN(RETURN_ALLOW),
    };
    /* clang-format on */
    install(filter, sizeof filter / sizeof *filter);
}

static void filter_futex(uint32_t action)
{
    filter_calls(SYS_futex, SYS_futex_time64, action);
}

static void refuse_clock(long one, long other)
{
    struct instruction filter[] = {
        LOAD(arch),           UNLESS(AUDIT_ARCH, 4), LOAD(nr),
        IF(one, 1),           UNLESS(other, 1),      RETURN(RETURN_ERRNO | EPERM),
        RETURN(RETURN_ALLOW),
    };
    install(filter, sizeof filter / sizeof *filter);
}

/* Emulators of user mode have no seccomp; a real kernel without it is a failure. */
static void require_seccomp(void)
{
#ifdef VALET_TEST_EMULATED
    if (prctl(PR_SET_SECCOMP, MODE_FILTER, NULL, 0, 0) == 0 || errno != EFAULT) {
        test_write("SKIPPED: this emulator has no seccomp\n");
        test_exit(77);
    }
#endif
}

/* A filter stays for the life of a process. */
static void in_a_child(void (*run)(int), int argument)
{
    require_seccomp();
    if (o == NULL)
        o = test_map();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a hang must not outlive the test */
        run(argument);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- the script ------------------------------------------------------------------------------ */

static struct {
    long answer;
    void (*first)(void); /* done before the first answer */
    volatile unsigned waits, wakes;
} script;

static void on_trapped_call(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    ucontext_t *uc = context;
    if (((unsigned)ARGUMENT1(uc) & FUTEX_COMMAND_MASK) == FUTEX_COMMAND_WAKE) {
        script.wakes++;
        RESULT(uc) = 0;
        return;
    }
    if (++script.waits > 100 * CALLS)
        _exit(2); /* a hot loop */
    if (script.first != NULL && script.waits == 1) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSYS);
        CHECK_EQ(sigprocmask(SIG_UNBLOCK, &set, NULL), 0); /* it may itself wake */
        script.first();
    }
    RESULT(uc) = (__typeof__(RESULT(uc)))script.answer;
}

/* In a child: from here on the handler is the kernel. */
static void play_kernel(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_trapped_call;
    CHECK_EQ(sigaction(SIGSYS, &action, NULL), 0);
    filter_futex(RETURN_TRAP);
}

static void expect(long answer, void (*first)(void))
{
    script.answer = answer;
    script.first = first;
    script.waits = script.wakes = 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* So often in a row a wait on the library's own word is refused before it fails. */
#define TRIES 4

/* How many calls a wait makes that is answered so: two, if the first is not there. */
static unsigned calls(long answer)
{
    return answer == -EPERM || answer == -EACCES || answer == -ENOSYS ? CALLS : 1;
}

/* A refused park is withdrawn: neither BUSY nor a lost token afterwards. */
static void check_all_refused(void)
{
    const uint64_t later = valet_now() + 3600 * S;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(valet_park(&o->parker), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_park_until(&o->parker, later), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_park_for(&o->parker, 3600 * S), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_park_until(&o->parker, 0), VALET_TIMEDOUT);
    }
    valet_unpark(&o->parker);
    CHECK_EQ(valet_park(&o->parker), VALET_OK);
    valet_unpark(&o->parker);
    CHECK_EQ(valet_park_until(&o->parker, later), VALET_OK);
    valet_unpark(&o->parker);
    CHECK_EQ(valet_park_for(&o->parker, 1), VALET_OK);
    CHECK_EQ(valet_park_for(&o->parker, 0), VALET_TIMEDOUT);

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(valet_compare_and_wait(&o->waiters, 0), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 0, later), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 0, 0), VALET_TIMEDOUT);
        CHECK_EQ(valet_compare_and_wait(&o->waiters, 1), VALET_OK);
        CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 1, later), VALET_OK);
    }
    valet_store_and_wake(&o->waiters, 1);
    CHECK_EQ(valet_compare_and_wait(&o->waiters, 0), VALET_OK);
    CHECK_EQ(valet_compare_and_wait(&o->waiters, 1), VALET_ERR_SYSTEM);
    valet_store_and_wake(&o->waiters, 0);

    CHECK_EQ(valet_futex_wait(&o->word, 0, VALET_FOREVER), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_futex_wait(&o->word, 0, later), VALET_ERR_SYSTEM);
    valet_futex_wake(&o->word, 1);
}

static void refused(int error)
{
    filter_futex(RETURN_ERRNO | (uint32_t)error);
    check_all_refused();
}

static void test_a_kernel_that_refuses_is_an_error_at_once(void)
{
    in_a_child(refused, EPERM);
    in_a_child(refused, ENOSYS);
    in_a_child(refused, EACCES);
    for (int operation = PARK; operation < OPERATIONS; operation++)
        test_been_through(operation);
}

/* Answers that mean nothing here, and some that no futex call ever gives. */
static void odd_answers(int unused)
{
    (void)unused;
    const long answers[] = {-EPERM, -ENOSYS, -EACCES, -EINVAL, -EFAULT, -ENOMEM,
                            -EBADF, -1234,   -4095,   1,       4711,    LONG_MAX};
    play_kernel();
    for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
        expect(answers[i], NULL);
        check_all_refused();
        CHECK_EQ(script.waits, calls(answers[i]) * (TRIES * (9 + 6 + 1) + 2));
        /* and one for each wake of somebody on record: the waiters left their mark */
        CHECK_EQ(script.wakes, 2 + 1);
    }
}

static void test_odd_answers_are_errors_and_no_loop(void)
{
    in_a_child(odd_answers, 0);
}

/* What a kernel refuses now and then is no end: a page that is protected for a moment, say. */
static unsigned refusals;

static void refuse_so_often(void)
{
    script.answer = --refusals % TRIES != 0 ? -EFAULT : -EINTR;
    if (refusals == 0)
        script.answer = -ETIMEDOUT;
    else
        script.waits = 0; /* so that this is called again */
}

static void now_and_then(int unused)
{
    (void)unused;
    const uint64_t later = valet_now() + 3600 * S;
    play_kernel();
    for (int i = 0; i < 2; i++) {
        refusals = 20 * TRIES;
        expect(0, refuse_so_often);
        CHECK_EQ(i ? valet_park_until(&o->parker, later)
                   : valet_compare_and_wait_until(&o->waiters, 0, later),
                 VALET_TIMEDOUT);
        CHECK_EQ(refusals, 0);
    }
    expect(-EFAULT, NULL); /* the user's word may be gone */
    CHECK_EQ(valet_futex_wait(&o->word, 0, later), VALET_ERR_SYSTEM);
    CHECK_EQ(script.waits, 1);
}

static void test_a_refusal_now_and_then_is_no_end(void)
{
    in_a_child(now_and_then, 0);
}

static void leave_token(void)
{
    valet_unpark(&o->parker);
}

static void change_state(void)
{
    valet_store_and_wake(&o->waiters, 1);
}

static void exchange_state(void)
{
    unsigned expected = 0;
    CHECK(valet_waiters_compare_exchange(&o->waiters, &expected, 1));
}

/* A token, or a change, that comes between the decision to sleep and the kernel's answer wins over
 * any answer, be it an error or a deadline. */
static void late_arrivals(int unused)
{
    (void)unused;
    const long answers[] = {0, -EINTR, -EAGAIN, -ETIMEDOUT, -EPERM, -ENOSYS, -EINVAL, -1234, 1};
    play_kernel();
    for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
        const uint64_t deadlines[] = {VALET_FOREVER, valet_now() + 3600 * S};
        for (unsigned j = 0; j < 2; j++) {
            expect(answers[i], leave_token);
            CHECK_EQ(valet_park_until(&o->parker, deadlines[j]), VALET_OK);
            CHECK_EQ(script.waits, calls(answers[i]));
            CHECK_EQ(script.wakes, 1);
            CHECK_EQ(valet_park_for(&o->parker, 0), VALET_TIMEDOUT);

            valet_store_and_wake(&o->waiters, 0);
            expect(answers[i], change_state);
            CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 0, deadlines[j]), VALET_OK);
            CHECK_EQ(script.waits, calls(answers[i]));
            CHECK_EQ(script.wakes, 1);

            valet_store_and_wake(&o->waiters, 0);
            expect(answers[i], exchange_state);
            CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 0, deadlines[j]), VALET_OK);
            CHECK_EQ(script.waits, calls(answers[i]));
            CHECK_EQ(script.wakes, 0);
        }
    }
}

static void test_a_late_token_or_change_beats_any_answer(void)
{
    in_a_child(late_arrivals, 0);
}

static void then_time_out(void)
{
    script.answer = -ETIMEDOUT;
}

/* Being woken for nothing is looked at again, once for each time. */
static unsigned empty_wakes;

static void wake_for_nothing(void)
{
    if (--empty_wakes != 0)
        script.waits = 0; /* so that this is called again */
    else
        then_time_out();
}

static void woken_for_nothing(int unused)
{
    (void)unused;
    const long answers[] = {0, -EINTR, -EAGAIN};
    play_kernel();
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 2; j++) {
            empty_wakes = 50;
            expect(answers[i], wake_for_nothing);
            uint64_t later = valet_now() + 3600 * S;
            CHECK_EQ(j ? valet_park_until(&o->parker, later)
                       : valet_compare_and_wait_until(&o->waiters, 0, later),
                     VALET_TIMEDOUT);
            CHECK_EQ(empty_wakes, 0);
        }
        expect(answers[i], NULL);
        CHECK_EQ(valet_futex_wait(&o->word, 0, VALET_FOREVER),
                 answers[i] == -EAGAIN ? VALET_CHANGED : VALET_OK);
        CHECK_EQ(script.waits, 1);
    }
    expect(-ETIMEDOUT, NULL);
    CHECK_EQ(valet_futex_wait(&o->word, 0, valet_now() + 3600 * S), VALET_TIMEDOUT);
}

static void test_being_woken_for_nothing_is_looked_at_again(void)
{
    in_a_child(woken_for_nothing, 0);
}

/* What design and header promise to cost no call at all. */
static void uncontended(int unused)
{
    (void)unused;
    play_kernel();
    expect(-EPERM, NULL);
    for (int i = 0; i < 100; i++) {
        valet_unpark(&o->parker);
        valet_unpark(&o->parker);
        CHECK_EQ(valet_park(&o->parker), VALET_OK);
        CHECK_EQ(valet_park_for(&o->parker, 0), VALET_TIMEDOUT);
        CHECK_EQ(valet_park_until(&o->parker, 0), VALET_TIMEDOUT);
        unsigned e = valet_waiters_state(&o->waiters);
        CHECK(valet_waiters_compare_exchange(&o->waiters, &e, 3));
        valet_store_and_wake(&o->waiters, 4);
        CHECK_EQ(valet_compare_and_wait(&o->waiters, 3), VALET_OK);
        CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 4, 0), VALET_TIMEDOUT);
        valet_futex_wake(&o->word, 0);
        CHECK_EQ(valet_futex_wait((uint32_t *)(void *)((char *)&o->word + 1), 0, 0),
                 VALET_ERR_INVALID);
    }
    CHECK_EQ(script.waits, 0);
    CHECK_EQ(script.wakes, 0);
    /* a waiter that is refused or times out leaves its mark: one call, then none */
    CHECK_EQ(valet_compare_and_wait(&o->waiters, 4), VALET_ERR_SYSTEM);
    for (int i = 0; i < 10; i++)
        valet_store_and_wake(&o->waiters, 4);
    CHECK_EQ(script.wakes, 1);
}

static void test_what_needs_no_kernel_asks_none(void)
{
    in_a_child(uncontended, 0);
}

static void without_a_clock(int unused)
{
    (void)unused;
    refuse_clock(SYS_clock_gettime, SYS_clock_gettime64);
    CHECK_EQ(valet_now(), 0);
    CHECK_EQ(valet_park_for(&o->parker, 1 * MS), VALET_ERR_UNSUPPORTED);
    CHECK_EQ(valet_park_for(&o->parker, VALET_FOREVER - 1), VALET_ERR_UNSUPPORTED);
    CHECK_EQ(valet_park_for(&o->parker, 0), VALET_TIMEDOUT);
    valet_unpark(&o->parker);
    CHECK_EQ(valet_park_for(&o->parker, 0), VALET_OK);
    valet_unpark(&o->parker);
    CHECK_EQ(valet_park_for(&o->parker, VALET_FOREVER), VALET_OK);
    CHECK_EQ(valet_park_until(&o->parker, 1), VALET_TIMEDOUT); /* the kernel has its own clock */
}

static void test_without_a_clock_timeouts_are_unsupported(void)
{
    in_a_child(without_a_clock, 0);
}

#if CALLS == 2

/* One of the two calls is refused on the page of the objects, as one of the two clocks is. */
static void parks_until(void *deadline)
{
    CHECK_EQ(valet_park_until(&o->parker, *(uint64_t *)deadline), VALET_OK);
}

static void waits_until(void *deadline)
{
    CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 0, *(uint64_t *)deadline), VALET_OK);
}

static void woken_by_either_call(uint64_t deadline)
{
    struct test_thread *thread = test_start(parks_until, &deadline);
    test_until_parked(&o->parker);
    test_sleep(2 * MS);
    valet_unpark(&o->parker);
    test_join(thread);
    thread = test_start(waits_until, &deadline);
    test_until_waited(&o->waiters);
    test_sleep(2 * MS);
    valet_store_and_wake(&o->waiters, 1);
    test_join(thread);
    valet_store_and_wake(&o->waiters, 0);
}

static void served(void)
{
    uint64_t before = valet_now(), soon = before + 5 * MS;
    CHECK(before != 0);
    CHECK_EQ(valet_park_until(&o->parker, soon), VALET_TIMEDOUT);
    CHECK(valet_now() >= soon && valet_now() < soon + 10 * S);
    CHECK_EQ(valet_compare_and_wait_until(&o->waiters, 0, soon), VALET_TIMEDOUT);
    CHECK_EQ(valet_futex_wait(&o->word, 0, valet_now() + 5 * MS), VALET_TIMEDOUT);
    CHECK_EQ(valet_futex_wait(&o->word, 1, VALET_FOREVER), VALET_CHANGED);
    woken_by_either_call(VALET_FOREVER);
    woken_by_either_call(before + 3600 * S);
    woken_by_either_call(INT32_MAX * S); /* the last second of a time of 32 bits */
    woken_by_either_call((UINT64_C(1) << 31) * S);
    woken_by_either_call((UINT64_C(1) << 32) * S + 1); /* past, if cut */
    woken_by_either_call(INT64_MAX);
}

static void without_the_longer(int error)
{
    filter_calls(SYS_futex_time64, SYS_futex_time64, RETURN_ERRNO | (uint32_t)error);
    refuse_clock(SYS_clock_gettime64, SYS_clock_gettime64);
    served();
}

static void without_the_shorter(int error)
{
    filter_calls(SYS_futex, SYS_futex, RETURN_ERRNO | (uint32_t)error);
    refuse_clock(SYS_clock_gettime, SYS_clock_gettime);
    served();
}

static void test_either_size_of_time_will_do(void)
{
    in_a_child(without_the_longer, ENOSYS);
    in_a_child(without_the_longer, EPERM);
    in_a_child(without_the_longer, EACCES);
    in_a_child(without_the_shorter, ENOSYS);
    in_a_child(without_the_shorter, EPERM);
}

#define TEST_EITHER_SIZE , TEST(test_either_size_of_time_will_do)
#else
#define TEST_EITHER_SIZE
#endif

TEST_PROGRAM(TEST(test_a_kernel_that_refuses_is_an_error_at_once),
             TEST(test_odd_answers_are_errors_and_no_loop),
             TEST(test_a_refusal_now_and_then_is_no_end),
             TEST(test_a_late_token_or_change_beats_any_answer),
             TEST(test_being_woken_for_nothing_is_looked_at_again),
             TEST(test_what_needs_no_kernel_asks_none),
             TEST(test_without_a_clock_timeouts_are_unsupported) TEST_EITHER_SIZE);
