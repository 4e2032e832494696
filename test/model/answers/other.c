/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Honesty of the models of Darwin, Fuchsia, Redox, CloudABI and SGX: what their kernels answered,
 * each call fed to the model, which must answer the same. Wrong arguments included: those must also
 * be told to be mistakes.
 *
 *   Redox      the kernel of August 2026, running, one CPU
 *   CloudABI   the library of the reference emulator, native
 *   Darwin     sys_ulock.c of xnu-11417 in user space: checks and results, not faults
 *   Fuchsia    futex_context.cc of December 2018 in user space
 *   SGX        has not been seen running: from its ABI
 *
 * What is marked "source" was read in the kernel named at the head of the model, and not seen.
 *
 *   gcc -I.. other.c ../kernel_{darwin,fuchsia,redox,cloudabi,sgx}.c
 */
#include "world.h"

/* A result that is an int, or less: the rest of the register is anything. */
static void result(const char *what, int thread, int32_t expected)
{
    world.result[thread] = (uint64_t)(int64_t)(int32_t)world.result[thread];
    answer(what, thread, expected);
}

/* ---- Redox ----------------------------------------------------------------------------------- */

static uint64_t time_spec(int64_t sec, int32_t nsec)
{
    struct {
        int64_t sec;
        int32_t nsec, hole;
    } t = {sec, nsec, -1};
    put(ARGUMENT, &t, sizeof t);
    return ARGUMENT;
}

static uint64_t time_spec_after(uint64_t ns)
{
    ns += world.clock;
    return time_spec((int64_t)(ns / 1000000000), (int32_t)(ns % 1000000000));
}

static void redox(void)
{
    enum { FUTEX = 240, CLOCK = 265, WAIT = 0, WAKE = 1, REQUEUE = 2, WAIT64 = 3 };
    boot("redox");
    set_word(7);
    TRAP(0, FUTEX, WORD, WAIT, 8);
    answer("the value differs", 0, -11);
    TRAP(0, FUTEX, WORD, WAIT, 7, time_spec_after(50 * MS));
    ends("absolute, 50 ms from now", 0, 50 * MS, 50 * MS);
    expire(0);
    answer("  its timeout", 0, -110);
    TRAP(0, FUTEX, WORD, WAIT, 7, time_spec(0, 50000000));
    expire(0);
    answer("50 ms, as if relative: over at once", 0, -110);
    number("  and the clock has not moved", world.clock, START + 50 * MS);

    /* Two entries are stale by now. */
    for (int j = 1; j < 4; j++)
        TRAP(j, FUTEX, WORD, WAIT, 7);
    TRAP(0, FUTEX, WORD, WAKE, 1);
    answer("wake of one, a stale entry before three sleepers", 0, 1);
    for (int j = 1; j < 4; j++)
        answer("  nobody is awake", j, ASLEEP);
    TRAP(0, FUTEX, WORD, WAKE, INT32_MAX);
    answer("wake of all: one stale, three sleepers", 0, 4);
    for (int j = 1; j < 4; j++)
        answer("  all are awake", j, 0);

    TRAP(0, FUTEX, WORD + 1, WAIT, 7);
    wrong("misaligned", 0, -22);
    TRAP(0, FUTEX, NOWHERE, WAIT, 7);
    answer("unmapped", 0, -14);
    TRAP(0, FUTEX, WORD, REQUEUE, 7);
    wrong("requeue", 0, -22);
    TRAP(0, FUTEX, WORD, 99, 7);
    wrong("unknown op", 0, -22);
    TRAP(0, FUTEX, WORD, WAIT, 7, time_spec(-1, 0));
    wrong("tv_sec -1", 0, ASLEEP);
    number("  for ever", world.sleeps[0].deadline, MODEL_NEVER);
    TRAP(1, FUTEX, WORD, WAIT, 7, NOWHERE);
    answer("a time on unmapped memory hangs the kernel", 1, DEAD);

    TRAP(2, FUTEX, WORD, WAIT, 7);
    signal(2, false);
    answer("a signal during the sleep (source)", 2, 0);
    TRAP(2, FUTEX, WORD, WAIT, 7);
    signal(2, true);
    answer("a signal pending at entry (source)", 2, -4);
    /* Left by then: thread 0, which sleeps, and the entry of the first signal. */
    TRAP(1, FUTEX, WORD, WAKE, INT32_MAX);
    answer("  the first leaves an entry, the second none (source)", 1, 2);
    answer("  a stale entry wakes who sleeps for ever, too", 0, 0);
    TRAP(1, FUTEX, WORD, WAKE, INT32_MAX);
    answer("wake of nobody (source)", 1, 0);
    TRAP(1, FUTEX, NOWHERE, WAKE, INT32_MAX);
    answer("wake of an unmapped word (source)", 1, -14);

    /* A stale entry wakes the thread where it sleeps by now. */
    TRAP(0, FUTEX, WORD, WAIT, 7, time_spec_after(MS));
    expire(0);
    TRAP(0, FUTEX, WORD + 4, WAIT, 0);
    TRAP(1, FUTEX, WORD, WAKE, 1);
    answer("a wake of another word spends itself (source)", 1, 1);
    answer("  and ends the sleep elsewhere (source)", 0, 0);

    TRAP(0, CLOCK, 4, ARGUMENT);
    answer("clock_gettime", 0, 0);
    number("  the seconds", get(ARGUMENT), 1);

    boot("redox_2024");
    set_word(7);
    TRAP(0, FUTEX, WORD, WAIT, 7, time_spec_after(50 * MS));
    TRAP(1, FUTEX, WORD, WAIT, 7);
    TRAP(2, FUTEX, WORD, WAKE, INT32_MAX);
    answer("wake of all", 2, 2);
    answer("  a timed wait calls it a timeout (source)", 0, -110);
    answer("  an untimed one does not (source)", 1, 0);
}

/* ---- CloudABI -------------------------------------------------------------------------------- */

enum { CV = WORD + 4, LOCK = WORD, EVENT = ARGUMENT + 0x80, SUBSCRIPTIONS = ARGUMENT };

/* A thread's id, as the kernel wrote it into the lock when that thread took it. */
static uint32_t ids[MODEL_THREADS];

/* Two subscriptions, byte by byte as section 11 has them. Each thread has its own place. */
static uint64_t subscribe(int thread, uint8_t type, uint64_t first, uint64_t second,
                          uint64_t deadline)
{
    unsigned char in[112] = {0};
    uint64_t at = stack(thread) + 0x100;
    memcpy(in, &(uint64_t){0x1111}, 8);
    in[10] = type;
    memcpy(in + 16, &first, 8);
    if (type == 2) {
        memcpy(in + 24, &second, 8);
        in[32] = in[33] = 4;
    } else
        in[24] = 4;
    memcpy(in + 56, &(uint64_t){0x2222}, 8);
    in[56 + 10] = 1;
    in[56 + 24] = 1;
    memcpy(in + 56 + 32, &deadline, 8);
    in[56 + 48] = 1;
    put(at, in, sizeof in);
    return at;
}

static void poll(int thread, uint8_t type, uint64_t first, uint64_t second, uint64_t deadline)
{
    TRAP(thread, 37, subscribe(thread, type, first, second, deadline), stack(thread) + 0x200,
         deadline == MODEL_NEVER ? 1 : 2);
}

/* One event has come: of which subscription, with which error. */
static void event(const char *what, int thread, uint64_t userdata, unsigned type, unsigned error)
{
    const unsigned char *out = &world.memory[stack(thread) + 0x200 - MEMORY];
    uint64_t who;
    uint16_t code;
    memcpy(&who, out, 8);
    memcpy(&code, out + 8, 2);
    answer(what, thread, 1);
    number("  its userdata", who, userdata);
    number("  its type", out[10], type);
    number("  its error", code, error);
}

static void cloudabi(void)
{
    const uint32_t wrlocked = 0x40000000, managed = 0x80000000;
    enum { CONDVAR = 2, WRLOCK = 6, SIGNAL = 2, UNLOCK = 31, CLOCK = 1 };
    boot("cloudabi");
    for (int j = 0; j < 3; j++) { /* a free lock, three times */
        put(LOCK, &(uint32_t){0}, 4);
        poll(j, WRLOCK, LOCK, 0, MODEL_NEVER);
        event("a free lock", j, 0x1111, WRLOCK, 0);
        ids[j] = get(LOCK) & ~wrlocked;
        number("  the word has the owner", get(LOCK) & (wrlocked | managed), wrlocked);
        number("  an id of 30 bits", ids[j] != 0 && ids[j] < wrlocked, 1);
    }
    number("ids differ", ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], 1);

    poll(0, WRLOCK, LOCK, 0, MODEL_NEVER); /* of thread 2 */
    answer("a contended lock", 0, ASLEEP);
    number("  the kernel manages it", get(LOCK), managed | wrlocked | ids[2]);
    TRAP(2, UNLOCK, LOCK, 4);
    answer("unlock", 2, 0);
    event("  the sleeper has it", 0, 0x1111, WRLOCK, 0);
    number("  and nobody waits", get(LOCK), wrlocked | ids[0]);

    poll(0, CONDVAR, CV, LOCK, MODEL_NEVER);
    answer("a wait for a condvar", 0, ASLEEP);
    number("  has freed the lock", get(LOCK), 0);
    number("  and marked the condvar", get(CV) != 0, 1);
    put(LOCK, &(uint32_t){wrlocked | ids[1]}, 4); /* thread 1 locks by itself */
    TRAP(1, SIGNAL, CV, 4, 1);
    answer("a signal under the lock", 1, 0);
    answer("  moves the sleeper to the lock", 0, ASLEEP);
    number("  which the kernel manages", get(LOCK), managed | wrlocked | ids[1]);
    number("  the condvar is free", get(CV), 0);
    TRAP(1, UNLOCK, LOCK, 4);
    answer("unlock", 1, 0);
    event("  ends the wait", 0, 0x1111, CONDVAR, 0);
    number("  with the lock", get(LOCK), wrlocked | ids[0]);

    poll(0, CONDVAR, CV, LOCK, MODEL_NEVER);
    TRAP(1, SIGNAL, CV, 4, 1);
    answer("a signal, the lock is free", 1, 0);
    event("  ends the wait", 0, 0x1111, CONDVAR, 0);
    number("  with the lock", get(LOCK), wrlocked | ids[0]);

    poll(0, CONDVAR, CV, LOCK, START + 50 * MS);
    ends("a timed wait, 50 ms", 0, 50 * MS, 50 * MS);
    expire(0);
    event("  the clock's event", 0, 0x2222, CLOCK, 0);
    number("  with the lock", get(LOCK), wrlocked | ids[0]);
    number("  the condvar is free", get(CV), 0);
    poll(0, CONDVAR, CV, LOCK, START + 90 * MS);
    put(LOCK, &(uint32_t){wrlocked | ids[1]}, 4);
    expire(0);
    answer("a timeout while another has the lock: it waits", 0, ASLEEP);
    TRAP(1, UNLOCK, LOCK, 4);
    event("  until that one unlocks", 0, 0x2222, CLOCK, 0);

    poll(0, CONDVAR, CV, LOCK, START + 99 * MS);
    put(LOCK, &(uint32_t){wrlocked | ids[1]}, 4);
    TRAP(1, SIGNAL, CV, 4, 1);
    number("once signalled, it has no deadline (source)", world.sleeps[0].deadline, MODEL_NEVER);
    TRAP(1, UNLOCK, LOCK, 4);
    event("  and is no timeout", 0, 0x1111, CONDVAR, 0);

    TRAP(1, SIGNAL, CV, 4, 1);
    answer("a signal for nobody (source)", 1, -44);
    poll(0, WRLOCK, LOCK, 0, MODEL_NEVER);
    event("a lock that is the caller's: EDEADLK (source)", 0, 0x1111, WRLOCK, 16);
    number("  and that is a mistake", world.mistakes != 0, 1);
    poll(0, CONDVAR, CV, LOCK, MODEL_NEVER);
    put(LOCK + 16, &(uint32_t){wrlocked | ids[1]}, 4);
    poll(1, CONDVAR, CV, LOCK + 16, MODEL_NEVER);
    event("a condvar with a second lock: EINVAL (section 11)", 1, 0x1111, CONDVAR, 28);
    number("  and that is a mistake", world.mistakes != 0, 1);
    put(LOCK + 16, &(uint32_t){wrlocked | ids[2]}, 4);
    poll(0, WRLOCK, LOCK + 16, 0, MODEL_NEVER);
    TRAP(1, UNLOCK, LOCK + 16, 4);
    wrong("unlock of another's lock: EPERM (section 11)", 1, -63);
    TRAP(1, CLOCK, 1, 0);
    answer("clock_time_get", 1, (long)world.clock);
}

/* ---- Darwin ---------------------------------------------------------------------------------- */

static void darwin(void)
{
    enum { WAIT = 0x2000000 + 515, WAKE = 0x2000000 + 516, WAIT2 = 0x2000000 + 544 };
    enum { OP = 1, OP64 = 5, ALL = 0x100, NO_ERRNO = 0x1000000, DEADLINE = 0x2000000 };
    boot("darwin");
    set_word(0x80000007);
    for (int form = 0; form < 2; form++) { /* errno with the carry, or negative */
        const uint64_t op = form ? OP + NO_ERRNO : OP;
        TRAP(0, WAIT, op, WORD, 8, 0);
        answer("the value differs", 0, 0);
        for (int j = 0; j < 3; j++)
            TRAP(j, WAIT, op, WORD, 0x80000007, 0);
        answer("the value is as expected", 2, ASLEEP);
        number("  timeout 0 is none", world.sleeps[2].deadline, MODEL_NEVER);
        TRAP(3, WAKE, op, WORD, 0);
        answer("wake", 3, 0);
        answer("  one of three is awake: two are left", 0, 2);
        answer("  the second is not", 1, ASLEEP);
        TRAP(0, WAIT, op, WORD, 9, 0);
        answer("the value differs, two sleep (source)", 0, 2);
        resume(1, MODEL_SIGNAL);
        answer("interrupted", 1, -4);
        TRAP(3, WAKE, op + ALL, WORD, 0);
        answer("wake of all", 3, 0);
        answer("  the last is awake: none is left", 2, 0);
        TRAP(3, WAKE, op, WORD, 0);
        answer("wake of nobody", 3, -2);
        TRAP(0, WAIT, op, WORD, 0x80000007, 50000);
        ends("50000 us", 0, 50 * MS, 50 * MS);
        expire(0);
        answer("  its timeout", 0, -60);
        TRAP(0, WAIT2, op, WORD, 0x80000007, 50 * MS);
        ends("wait2, 50 ms in ns", 0, 50 * MS, 50 * MS);
        expire(0);
        answer("  its timeout", 0, -60);
        TRAP(0, WAIT2, op + DEADLINE, WORD, 0x80000007, world.clock + 7 * MS);
        ends("wait2, a deadline", 0, 7 * MS, 7 * MS);
        expire(0);
        answer("  its timeout", 0, -60);
        TRAP(0, WAIT, op, NOWHERE, 7, 0);
        answer("unmapped", 0, -14);
        TRAP(0, WAIT, op, 0, 7, 0);
        wrong("null", 0, -22);
        TRAP(0, WAIT, op, WORD + 2, 7, 0);
        wrong("misaligned", 0, -22);
        TRAP(0, WAIT, op + 0x80000, WORD, 7, 0);
        wrong("unknown flag", 0, -22);
        TRAP(0, WAIT, op + 98, WORD, 7, 0);
        wrong("unknown op", 0, -22);
        TRAP(0, WAKE, op + 98, WORD, 0);
        wrong("wake, unknown op", 0, -22);
        TRAP(0, WAIT, op, WORD, 0x80000007, 0);
        TRAP(1, WAKE, op + OP64 - OP, WORD, 0);
        wrong("two opcodes on one address", 1, -33);
        TRAP(1, WAIT, op + OP64 - OP, WORD, 0x80000007, 0);
        wrong("two opcodes on one address", 1, -33);
        resume(0, MODEL_SIGNAL);
        TRAP(0, WAIT, op, WORD, 0xffffffff80000007, 0);
        wrong("a value that is sign-extended never matches", 0, 0);
    }
    world.refused = true;
    TRAP(0, WAIT, OP + NO_ERRNO, WORD, 0x80000007, 0);
    number("a policy refuses: the carry, also with NO_ERRNO (source)", world.outcome[0], FAILED);

    boot("darwin_old");
    set_word(7);
    TRAP(0, WAIT2, OP, WORD, 7, 0);
    answer("no ulock_wait2 (source)", 0, DEAD);
    TRAP(0, WAIT, OP + DEADLINE, WORD, 7, 1);
    wrong("no deadlines (source)", 0, -22);
}

static void darwin_os_sync(void)
{
    const char *timed = "os_sync_wait_on_address_with_timeout";
    boot("darwin_os_sync");
    set_word(7);
    FUNCTION(0, "os_sync_wait_on_address", WORD, 8, 4, 0);
    result("the value differs", 0, 0);
    FUNCTION(0, "os_sync_wait_on_address", WORD, 7, 4, 0);
    FUNCTION(1, timed, WORD, 7, 4, 0, 32, 50 * MS);
    ends("50 ms", 1, 50 * MS, 50 * MS);
    FUNCTION(2, "os_sync_wake_by_address_any", WORD, 4, 0);
    result("wake", 2, 0);
    result("  one of two is awake: one is left", 0, 1);
    expire(1);
    result("  the other's timeout", 1, -1);
    number("  errno", get(model_scratch(&world.calls[1])), 60);
    FUNCTION(2, "os_sync_wake_by_address_all", WORD, 4, 0);
    result("wake of nobody", 2, -1);
    number("  errno", get(model_scratch(&world.calls[2])), 2);
    FUNCTION(0, timed, WORD, 7, 4, 0, 32, 0);
    result("timeout 0", 0, -1);
    number("  errno", get(model_scratch(&world.calls[0])), 22);
    number("  and that is a mistake", world.mistakes != 0, 1);
    number("its model accepts no trap", world.model->traps[MODEL_X86_64].accepted, false);
}

/* ---- Fuchsia --------------------------------------------------------------------------------- */

static void fuchsia(const char *name, bool owners)
{
    boot(name);
    set_word(7);
    FUNCTION(0, "zx_futex_wait", WORD, 8, 0, INT64_MAX);
    result("the value differs", 0, -20);
    FUNCTION(0, "zx_futex_wait", WORD, 7, 0, MS);
    expire(0);
    result("a past deadline", 0, -21);
    number("  and the clock has not moved", world.clock, START);
    FUNCTION(0, "zx_futex_wait", WORD, 7, 0, START + MS);
    ends("an absolute deadline", 0, MS, MS);
    FUNCTION(1, "zx_futex_wait", WORD, 7, 0, INT64_MAX);
    number("INT64_MAX is for ever", world.sleeps[1].deadline, MODEL_NEVER);
    FUNCTION(2, "zx_futex_wake", WORD, 1);
    result("wake of one: no count", 2, 0);
    result("  one is awake", 0, 0);
    answer("  one is not", 1, ASLEEP);
    FUNCTION(2, "zx_futex_wake", WORD, UINT32_MAX);
    result("wake of all: no count", 2, 0);
    result("  the other is awake", 1, 0);
    FUNCTION(2, "zx_futex_wake", WORD, 1);
    result("wake of nobody", 2, 0);
    FUNCTION(0, "zx_futex_wait", WORD + 1, 7, 0, INT64_MAX);
    result("misaligned", 0, -10);
    number("  and that is a mistake", world.mistakes != 0, 1);
    FUNCTION(2, "zx_futex_wake", 0, 1);
    result(owners ? "wake of null (source)" : "wake of null", 2, owners ? -10 : 0);
    FUNCTION(0, "zx_futex_wait", WORD, 7, 5, INT64_MAX);
    result("an owner that is no handle (source)", 0, owners ? -11 : -10);
    number("  and that is a mistake", world.mistakes != 0, 1);
    FUNCTION(0, "zx_futex_wait", NOWHERE, 7, 0, INT64_MAX);
    result("unmapped (source)", 0, -10);
    FUNCTION(0, "zx_futex_wait", WORD, 7, 0, UINT64_MAX);
    number("UINT64_MAX has passed long ago: a mistake", world.mistakes != 0, 1);
    expire(0);
    result("  and a timeout at once", 0, -21);
    FUNCTION(0, "zx_clock_get_monotonic", 0);
    answer("the clock", 0, (long)START);
    number("no trap is accepted", world.model->traps[MODEL_X86_64].accepted, false);
}

/* ---- SGX ------------------------------------------------------------------------------------- */

static void sgx(const char *name)
{
    enum { WAIT = 11, SEND = 12, TIME = 13, UNPARK = 4 };
    boot(name);
    FUNCTION(0, "get_tcs_addr", 0);
    uint64_t tcs = world.result[0];
    FUNCTION(1, "get_tcs_addr", 0);
    number("two threads, two TCS", tcs != world.result[1], 1);
    FUNCTION(0, "usercall", WAIT, UNPARK, 0);
    result("nothing is there, and no wait", 0, 0x0b);
    FUNCTION(1, "usercall", SEND, UNPARK, tcs);
    result("an event is kept", 1, 0);
    FUNCTION(0, "usercall", WAIT, UNPARK, UINT64_MAX);
    result("  until a wait takes it", 0, 0);
    number("  which learns of it", world.second[0], UNPARK);
    FUNCTION(0, "usercall", WAIT, UNPARK, UINT64_MAX);
    answer("  once", 0, ASLEEP);
    FUNCTION(1, "usercall", SEND, UNPARK, tcs);
    result("an event for a sleeper", 0, 0);
    FUNCTION(0, "usercall", WAIT, UNPARK, 50 * MS);
    ends("50 ms", 0, 50 * MS, 50 * MS);
    expire(0);
    result("  its timeout", 0, 0x6e);
    FUNCTION(1, "usercall", SEND, UNPARK, tcs + 8);
    result("no such TCS", 1, 0x16);
    number("  and that is a mistake", world.mistakes != 0, 1);
    FUNCTION(1, "usercall", WAIT, 16, 0);
    result("no such event", 1, 0x16);
    number("  and that is a mistake", world.mistakes != 0, 1);
    FUNCTION(1, "usercall", TIME, 0);
    answer("insecure_time", 1, (long)world.clock);
}

static void all(void)
{
    redox();
    cloudabi();
    darwin();
    darwin_os_sync();
    fuchsia("fuchsia_2018", false);
    fuchsia("fuchsia", true);
    sgx("sgx");
    sgx("sgx_hostile");
}

int main(void)
{
    return honesty(all);
}
