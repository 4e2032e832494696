/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Honesty of the models of the BSDs: what running kernels answered to raw calls on x86_64, each
 * call fed to the model, which must answer the same. Wrong arguments included: those must also be
 * told to be mistakes.
 *
 * What is marked "source" was read in the kernel named at the head of the model, and not seen.
 *
 * Seen, and not checked here: NetBSD's _lwp_unpark of an lwp that has exited, -3. To a model all
 * threads of a scenario live for ever (struct model_call has their number, and no event is the end
 * of one), so it has no such lwp; one that never was, -3 too, is checked.
 *
 *   gcc -I.. bsd.c ../kernel_{freebsd,openbsd,netbsd,dragonfly}.c
 */
#include "world.h"

/* Puts a time where calls find it. FreeBSD's form is 24 bytes long. */
static uint64_t at_time(int64_t sec, int64_t nsec, uint32_t flags, uint32_t clock)
{
    struct {
        int64_t sec, nsec;
        uint32_t flags, clock;
    } t = {sec, nsec, flags, clock};
    put(ARGUMENT, &t, sizeof t);
    return ARGUMENT;
}

static uint64_t relative(uint64_t ns)
{
    return at_time((int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000), 0, 4);
}

static uint64_t absolute(uint64_t ns)
{
    return at_time((int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000), 1, 4);
}

/* ---- FreeBSD 12.1 ---------------------------------------------------------------------------- */

enum { UMTX_OP = 454 };
enum { UMTX_WAIT = 2, UMTX_WAKE = 3, UMTX_WAIT_UINT = 11, UMTX_WAIT_UINT_PRIVATE = 15 };
enum { UMTX_WAKE_PRIVATE = 16, UMTX_NWAKE_PRIVATE = 21 };

static uint64_t list_word(uint64_t word)
{
    put(SCRATCH, &word, sizeof word);
    return SCRATCH;
}

/*
 * What is common to the waits. Which of them gave the answers that were seen is not on record; in
 * the sources all three are do_wait. Only the private one is no mistake.
 */
static void freebsd_wait(unsigned wait)
{
    void (*const told)(const char *, int, long) = wait == UMTX_WAIT_UINT_PRIVATE ? answer : wrong;
    boot("freebsd");
    set_word(7);
    TRAP(0, UMTX_OP, WORD, wait, 8);
    told("the value differs", 0, 0);
    TRAP(0, UMTX_OP, WORD, wait, 7);
    told("the value is as expected", 0, ASLEEP);
    number("  for ever", world.sleeps[0].deadline, MODEL_NEVER);
    TRAP(0, UMTX_OP, NOWHERE, wait, 7);
    told("wait, unmapped", 0, -14);

    for (uint64_t size = 0; size <= 24; size += size ? 8 : 16) { /* 0, 16, 24 */
        void (*const sized)(const char *, int, long) = size == 24 ? told : wrong;
        TRAP(0, UMTX_OP, WORD, wait, 7, size, relative(50 * MS));
        sized("relative 50 ms, of size 0, 16 and 24", 0, ASLEEP);
        ends("  its end", 0, 50 * MS, 50 * MS);
        expire(0);
        answer("  its timeout", 0, -60);
        TRAP(0, UMTX_OP, WORD, wait, 8, size, relative(50 * MS));
        sized("  the value differs", 0, 0);
        TRAP(0, UMTX_OP, WORD, wait, 8, size, at_time(-1, 0, 0, 4));
        wrong("tv_sec -1, before the value, which differs", 0, -22);
        TRAP(0, UMTX_OP, WORD, wait, 8, size, at_time(0, 1000000000, 0, 4));
        wrong("tv_nsec 1e9, before the value, which differs", 0, -22);
        TRAP(0, UMTX_OP, WORD, wait, 8, size, at_time(0, -1, 0, 4));
        wrong("tv_nsec -1, before the value (source)", 0, -22);
        TRAP(0, UMTX_OP, NOWHERE, wait, 7, size, at_time(-1, 0, 0, 4));
        wrong("tv_sec -1, before the address (source)", 0, -22);
        TRAP(0, UMTX_OP, WORD, wait, 8, size, NOWHERE);
        wrong("a time that is not mapped (source)", 0, -14);
        TRAP(0, UMTX_OP, WORD, wait, 7, size, relative(0));
        expire(0);
        sized("relative 0", 0, -60);
    }
    TRAP(0, UMTX_OP, WORD, wait, 7, 17, absolute(world.clock + 50 * MS));
    wrong("a size of more than 16 is as good as 24 (source)", 0, ASLEEP);
    ends("  its end", 0, 50 * MS, 50 * MS);
    /* A plain timespec is relative whatever lies behind it. */
    TRAP(0, UMTX_OP, WORD, wait, 7, 16, at_time(5, 0, 1, 77));
    wrong("a timespec of size 16", 0, ASLEEP);
    ends("  is relative", 0, 5000 * MS, 5000 * MS);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, absolute(world.clock + 50 * MS));
    told("absolute, 50 ms from now", 0, ASLEEP);
    ends("  its end", 0, 50 * MS, 50 * MS);
    expire(0);
    answer("  its timeout", 0, -60);

    const uint64_t now = world.clock;
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, absolute(5));
    expire(0);
    told("absolute in the past", 0, -60);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, at_time(1, 0, 0, 77));
    expire(0);
    wrong("clock 77", 0, -60);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, at_time(INT64_MAX, 0, 0, 4));
    expire(0);
    wrong("a relative time that overflows (source)", 0, -60);
    number("  all at once: the clock has not moved", world.clock, now);
    TRAP(0, UMTX_OP, WORD, wait, 8, 24, at_time(1, 0, 0, 77));
    wrong("clock 77, the value differs (source)", 0, 0);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, at_time(INT32_MAX - 1, 999999999, 1, 4));
    ends("absolute, below 2^31 s: has an end (source)", 0, 1, UINT64_C(2147483647) * 1000 * MS);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, at_time(INT32_MAX, 0, 1, 4));
    told("absolute, more than that (source)", 0, ASLEEP);
    number("  is for ever", world.sleeps[0].deadline, MODEL_NEVER);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, absolute(0));
    wrong("absolute 0 (source, later than 12.1)", 0, ASLEEP);
    number("  is for ever", world.sleeps[0].deadline, MODEL_NEVER);
    TRAP(0, UMTX_OP, WORD, wait, 7, 24, at_time(INT64_MAX / 2, 0, 0, 4));
    told("relative, more than that (source)", 0, ASLEEP);
    number("  is for ever", world.sleeps[0].deadline, MODEL_NEVER);

    for (int restart = 0; restart < 2; restart++) {
        TRAP(0, UMTX_OP, WORD, wait, 7);
        signal(0, restart);
        told(restart ? "signal, SA_RESTART" : "signal", 0, -4);
        TRAP(0, UMTX_OP, WORD, wait, 7, 24, relative(50 * MS));
        signal(0, restart);
        told(restart ? "signal, SA_RESTART, timed" : "signal, timed", 0, -4);
        TRAP(0, UMTX_OP, WORD, wait, 7, 24, absolute(world.clock + 50 * MS));
        signal(0, restart);
        told(restart ? "signal, SA_RESTART, absolute" : "signal, absolute", 0, -4);
    }
    put(WORD + 4, &(uint32_t){1}, 4);
    TRAP(0, UMTX_OP, WORD, wait, 7);
    told("only WAIT reads what is behind the word (source)", 0, wait == UMTX_WAIT ? 0 : ASLEEP);
    TRAP(0, UMTX_OP, WORD, wait, 0x100000007);
    wrong("the whole of the value is compared (source)", 0, wait == UMTX_WAIT ? ASLEEP : 0);
    TRAP(0, UMTX_OP, MEMORY + SIZE - 4, wait, 0);
    told("and WAIT needs all of it mapped (source)", 0, wait == UMTX_WAIT ? -14 : ASLEEP);
}

/* Any wake finds any wait: memory here is private. Seen of the shared and the private ones. */
static void freebsd_meet(unsigned wait, unsigned wake)
{
    const bool list = wake == UMTX_NWAKE_PRIVATE;
    void (*const told)(const char *, int, long) = wake == UMTX_WAKE_PRIVATE ? answer : wrong;
    boot("freebsd");
    set_word(7);
    const uint64_t object = list ? list_word(WORD) : WORD;
    TRAP(3, UMTX_OP, object, wake, 1);
    told("wake of nobody", 3, 0);
    for (int j = 0; j < 3; j++)
        TRAP(j, UMTX_OP, WORD, wait, 7);
    TRAP(3, UMTX_OP, object, wake, 1);
    told(list ? "a list of one word" : "wake of one, three sleep: no count", 3, 0);
    answer("  one is awake", 0, 0);
    answer(list ? "  and all of that word" : "  and two are not", 1, list ? 0 : ASLEEP);
    answer(list ? "  and all of that word" : "  and two are not", 2, list ? 0 : ASLEEP);
    if (!list) {
        TRAP(3, UMTX_OP, object, wake, 0);
        wrong("wake of 0 is of one (source)", 3, 0);
        answer("  it is awake", 1, 0);
        answer("  the other is not", 2, ASLEEP);
    }
    TRAP(0, UMTX_OP, WORD, wait, 7);
    TRAP(1, UMTX_OP, WORD + 8, wait, 0);
    TRAP(3, UMTX_OP, object, wake, list ? 1 : INT32_MAX);
    told("wake of all: no count", 3, 0);
    answer("  the first is awake", 0, 0);
    answer("  the last too", 2, 0);
    answer("  not that of another word", 1, ASLEEP);
}

static void freebsd_12(void)
{
    static const unsigned waits[] = {UMTX_WAIT, UMTX_WAIT_UINT, UMTX_WAIT_UINT_PRIVATE};
    static const unsigned wakes[] = {UMTX_WAKE, UMTX_WAKE_PRIVATE, UMTX_NWAKE_PRIVATE};
    for (int i = 0; i < 3; i++) {
        freebsd_wait(waits[i]);
        for (int j = 0; j < 3; j++)
            freebsd_meet(waits[i], wakes[j]);
    }
    boot("freebsd");
    TRAP(0, UMTX_OP, NOWHERE, UMTX_WAKE, 1);
    wrong("shared wake, unmapped", 0, -14);
    TRAP(0, UMTX_OP, NOWHERE, UMTX_WAKE_PRIVATE, 1);
    answer("private wake, unmapped", 0, 0);
    number("  which is no mistake", (uint64_t)world.mistakes, 0);
    TRAP(0, UMTX_OP, WORD, 99, 1);
    wrong("op 99", 0, -22);

    /* Lists: read by batches of 128 words, in the sources. */
    TRAP(0, UMTX_OP, NOWHERE, UMTX_NWAKE_PRIVATE, 1);
    wrong("a list that is not mapped (source)", 0, -14);
    TRAP(0, UMTX_OP, NOWHERE, UMTX_NWAKE_PRIVATE, 0);
    wrong("a list of no words (source)", 0, 0);
    TRAP(0, UMTX_OP, list_word(NOWHERE), UMTX_NWAKE_PRIVATE, 1);
    wrong("a list of a word that is not mapped (source)", 0, 0);
    const uint64_t last = MEMORY + SIZE - 128 * 8;
    put(last, &(uint64_t){WORD}, 8); /* between the first and the last: 0, which is no word */
    put(last + 127 * 8, &(uint64_t){WORD + 127 * 8}, 8);
    for (uint64_t length = 127; length <= 129; length++) {
        TRAP(1, UMTX_OP, WORD, UMTX_WAIT_UINT_PRIVATE, 0);
        TRAP(2, UMTX_OP, WORD + 127 * 8, UMTX_WAIT_UINT_PRIVATE, 0);
        TRAP(0, UMTX_OP, last, UMTX_NWAKE_PRIVATE, length);
        wrong("a list of 127 to 129, 128 of them mapped (source)", 0, length > 128 ? -14 : 0);
        answer("  the first is awake", 1, 0);
        answer("  the 128th is, of 128", 2, length > 127 ? 0 : ASLEEP);
    }
    TRAP(2, UMTX_OP, WORD + 127 * 8, UMTX_WAIT_UINT_PRIVATE, 0);
    TRAP(0, UMTX_OP, last + 8, UMTX_NWAKE_PRIVATE, 128);
    wrong("a batch whose last word is not mapped (source)", 0, -14);
    answer("  wakes nobody", 2, ASLEEP);
    TRAP(0, UMTX_OP, last + 8, UMTX_NWAKE_PRIVATE, 127);
    wrong("a batch to the end of the memory (source)", 0, 0);
    answer("  wakes", 2, 0);
}

/* ---- OpenBSD 6.5 and 7.4 --------------------------------------------------------------------- */

/* How the release tells an errno of futex. */
static long openbsd_errno(bool positive, long error)
{
    return positive ? error : -error;
}

static void openbsd_release(const char *name, bool positive)
{
    enum { FUTEX = 83, WAIT = 1, WAKE = 2, PRIVATE = 128 };
#define ERRNO(n) openbsd_errno(positive, n)
    boot(name);
    set_word(7);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 8);
    answer("the value differs", 0, ERRNO(35));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, relative(50 * MS));
    ends("50 ms", 0, 50 * MS, UINT64_MAX);
    expire(0);
    answer("  its timeout", 0, ERRNO(60));
    for (int j = 0; j < 3; j++)
        TRAP(j, FUTEX, WORD, WAIT | PRIVATE, 7);
    answer("the value is as expected", 0, ASLEEP);
    TRAP(3, FUTEX, WORD, WAKE | PRIVATE, 0);
    wrong("wake of 0", 3, 0);
    TRAP(3, FUTEX, WORD, WAKE | PRIVATE, UINT32_MAX);
    wrong("wake of -1", 3, 0);
    answer("  and nobody is awake", 0, ASLEEP);
    TRAP(3, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("wake of 1, three sleep: the count", 3, 1);
    answer("  and one is awake", 0, 0);
    answer("  and one is not", 1, ASLEEP);
    TRAP(3, FUTEX, WORD, WAKE | PRIVATE, INT32_MAX);
    answer("wake of all, two sleep: the count", 3, 2);
    TRAP(3, FUTEX, WORD, WAKE | PRIVATE, INT32_MAX);
    answer("wake of all, nobody sleeps", 3, 0);

    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    signal(0, false);
    answer("signal", 0, ERRNO(4));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    signal(0, true);
    answer("signal, SA_RESTART", 0, ERRNO(88));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    TRAP(1, FUTEX, WORD, WAKE, 1);
    wrong("a plain wake finds a private waiter", 1, 1);
    TRAP(0, FUTEX, WORD, WAIT, 7);
    wrong("plain wait", 0, ASLEEP);
    TRAP(1, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("a private wake finds a plain waiter", 1, 1);

    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 8, at_time(-1, 0, 0, 0));
    answer("tv_sec -1 after the value, which differs", 0, ERRNO(35));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, at_time(-1, 0, 0, 0));
    wrong("tv_sec -1", 0, ERRNO(22));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, at_time(0, 1000000000, 0, 0));
    wrong("tv_nsec 1e9", 0, ERRNO(22));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, relative(0));
    ends("relative 0: at least a tick", 0, 10 * MS, UINT64_MAX);
    expire(0);
    answer("  its timeout", 0, ERRNO(60));
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, relative(1));
    ends("relative 1 ns: at least a tick", 0, 10 * MS, UINT64_MAX);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, at_time(INT64_MAX, 0, 0, 0));
    ends("for ever: 248 days", 0, UINT64_C(86400) * 248 * 1000 * MS,
         UINT64_C(86400) * 249 * 1000 * MS);
    TRAP(0, FUTEX, WORD, 0 | PRIVATE, 7);
    wrong("op 0", 0, ERRNO(78));
    TRAP(0, FUTEX, WORD, 99, 7);
    wrong("op 99", 0, ERRNO(78));
    TRAP(0, FUTEX, NOWHERE, WAIT | PRIVATE, 7);
    answer("wait, unmapped", 0, ERRNO(14));
    TRAP(0, FUTEX, NOWHERE, WAKE | PRIVATE, 1);
    answer("wake, unmapped", 0, 0);
}

static void openbsd_65(void)
{
    openbsd_release("openbsd_65", true);
}

static void openbsd_74(void)
{
    openbsd_release("openbsd_74", false);
}

/* The image's table of call sites: an address and a number each. */
static void pin(const uint32_t *table, size_t n)
{
    world.section.name = ".openbsd.syscalls";
    world.section.bytes = table;
    world.section.size = n * sizeof *table;
}

/* Not seen running, but read in the current sources. */
static void openbsd_current(void)
{
    enum { FUTEX = 83, WAIT = 1, WAKE = 2, PRIVATE = 128 };
    boot("openbsd");
    set_word(7);
    TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("an image without a table", 0, DEAD);
    pin((uint32_t[]){0}, 0);
    TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("a site without a record", 0, DEAD);
    pin((uint32_t[]){MEMORY + 0x104, FUTEX}, 2);
    TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("a record of another site", 0, DEAD);
    pin((uint32_t[]){MEMORY + 0x100, 87}, 2);
    TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("a record of another number", 0, DEAD);
    pin((uint32_t[]){MEMORY + 0x104, FUTEX, MEMORY + 0x100, FUTEX}, 4);
    TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
    wrong("two sites", 0, 0);
    pin((uint32_t[]){0, FUTEX, MEMORY + 0x100, FUTEX}, 4);
    TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("a site, and one that the linker dropped", 0, 0);
    number("  which is no mistake", (uint64_t)world.mistakes, 0);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    TRAP(1, FUTEX, WORD, WAKE, 1);
    wrong("a plain wake does not find a private waiter", 1, 0);
    TRAP(1, FUTEX, WORD, WAKE | PRIVATE, UINT32_MAX);
    wrong("wake of -1 is all", 1, 1);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 8, at_time(-1, 0, 0, 0));
    wrong("tv_sec -1 before the value, which differs", 0, -22);

    /* A wake that finds a waiter before it has compared is used up. */
    world.calls[0].args[3] = 0;
    world.outcome[0] = NOTHING;
    world.model->call(&world.calls[0]);
    number("the waiter is queued before its word is compared", world.outcome[0], STEPS);
    world.outcome[0] = SLEEPS;
    TRAP(1, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("  a wake counts it", 1, 1);
    answer("  and it returns for the difference", 0, -35);

    for (int i = 0; i < 4; i++) {
        boot((const char *[]){"openbsd_65", "openbsd_74", "openbsd_libc_65", "openbsd_libc"}[i]);
        if (world.model->symbols)
            FUNCTION(0, "futex", WORD, WAKE | PRIVATE, 1);
        else
            TRAP(0, FUTEX, WORD, WAKE | PRIVATE, 1);
        answer("no record, and none needed", 0, 0);
        world.calls[0].sp = WORD;
        world.outcome[0] = NOTHING;
        world.model->call(&world.calls[0]);
        answer("the stack pointer outside of a stack", 0, DEAD);
    }
    boot("openbsd_libc");
    FUNCTION(0, "futex", WORD, WAIT | PRIVATE, 8);
    answer("libc: a failure is -1", 0, -1);
    number("  and errno tells", get(SCRATCH), 35);
    FUNCTION(0, "__errno", 0);
    answer("  __errno() points there", 0, SCRATCH);
    boot("openbsd_libc_65");
    FUNCTION(0, "futex", WORD, WAIT | PRIVATE, 8);
    answer("libc of 6.5: errno is the result", 0, 35);
}

/* ---- NetBSD 10.99.12 and 7.99.4 -------------------------------------------------------------- */

static void netbsd_futex(void)
{
    enum { FUTEX = 166, WAIT = 0, WAKE = 1, BITSET = 9, PRIVATE = 128, REAL = 256 };
    boot("netbsd");
    set_word(7);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 8);
    answer("the value differs", 0, -35);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    answer("the value is as expected", 0, ASLEEP);
    TRAP(1, FUTEX, WORD, WAIT | PRIVATE, 7);
    TRAP(2, FUTEX, WORD, WAKE, 1);
    wrong("a plain wake leaves private waiters asleep", 2, 0);
    answer("  they are", 0, ASLEEP);
    TRAP(2, FUTEX, WORD, WAKE | PRIVATE, UINT32_MAX);
    wrong("wake of -1", 2, -22);
    TRAP(2, FUTEX, WORD, WAKE | PRIVATE, INT32_MAX);
    answer("wake of all, two sleep: the count", 2, 2);
    answer("  and they are awake", 0, 0);
    answer("  both", 1, 0);

    TRAP(0, FUTEX, NOWHERE, WAIT | PRIVATE, 7);
    answer("wait, unmapped", 0, -35);
    TRAP(0, FUTEX, WORD + 1, WAIT | PRIVATE, 7);
    wrong("wait, misaligned", 0, -35);
    TRAP(0, FUTEX, WORD + 1, WAKE | PRIVATE, 1);
    wrong("wake, misaligned", 0, -22);
    TRAP(0, FUTEX, NOWHERE, WAKE, 0);
    answer("plain wake, unmapped", 0, -14);
    TRAP(0, FUTEX, WORD, WAKE, 0);
    answer("plain wake of nobody, mapped", 0, 0);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, at_time(0, 1000000000, 0, 0));
    wrong("tv_nsec 1e9", 0, -60);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, at_time(-1, 0, 0, 0));
    wrong("tv_sec -1", 0, -60);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, relative(0));
    answer("relative 0", 0, -60);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7, relative(50 * MS));
    ends("wait is relative", 0, 50 * MS, UINT64_MAX);
    expire(0);
    answer("  its timeout", 0, -60);
    TRAP(0, FUTEX, WORD, BITSET | PRIVATE, 7, absolute(world.clock + 50 * MS), 0, 0, UINT32_MAX);
    ends("wait_bitset is absolute", 0, 50 * MS, UINT64_MAX);
    expire(0);
    answer("  its timeout", 0, -60);
    TRAP(0, FUTEX, WORD, BITSET | PRIVATE | REAL, 7, absolute(world.clock + 50 * MS), 0, 0,
         UINT32_MAX);
    wrong("the realtime flag", 0, ASLEEP);
    TRAP(0, FUTEX, WORD, BITSET | PRIVATE, 7, 0, 0, 0, 0);
    wrong("bitset 0", 0, -22);
    TRAP(0, FUTEX, WORD, BITSET | PRIVATE, 7, 0, 0, 0, 1);
    wrong("bitset 1", 0, ASLEEP);
    TRAP(0, FUTEX, WORD, BITSET | PRIVATE, 7, absolute(5), 0, 0, UINT32_MAX);
    answer("absolute in the past", 0, -60);
    TRAP(0, FUTEX, WORD, BITSET | PRIVATE, 7, at_time(INT64_MAX, 0, 0, 0), 0, 0, UINT32_MAX);
    ends("for ever: 248 days", 0, UINT64_C(86400) * 248 * 1000 * MS,
         UINT64_C(86400) * 249 * 1000 * MS);

    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    signal(0, true);
    answer("signal, SA_RESTART", 0, ASLEEP);
    TRAP(1, FUTEX, WORD, WAKE | PRIVATE, 1);
    answer("  and a wake finds it", 1, 1);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 7);
    set_word(8);
    signal(0, true);
    answer("signal, SA_RESTART, the word has changed", 0, -35);
    TRAP(0, FUTEX, WORD, WAIT | PRIVATE, 8);
    signal(0, false);
    answer("signal", 0, -4);
}

static uint64_t time_left(void)
{
    int64_t t[2];
    memcpy(t, &world.memory[ARGUMENT - MEMORY], sizeof t);
    return (uint64_t)(t[0] * 1000000000 + t[1]);
}

static void netbsd_park_release(const char *name, bool writes_back)
{
    enum { SELF = 311, UNPARK = 321, PARK = 478, RELATIVE = 0, ABSTIME = 1, REAL = 0, MONO = 3 };
    boot(name);
    TRAP(0, SELF, 0);
    uint64_t lid = world.result[0];
    answer("_lwp_self", 0, (long)lid);
    TRAP(1, UNPARK, lid, 0);
    answer("an unpark before the park", 1, 0);
    TRAP(0, PARK, MONO, RELATIVE, 0);
    answer("  the next park", 0, -37);
    TRAP(0, PARK, MONO, RELATIVE, 0);
    answer("  and the one after it", 0, ASLEEP);
    TRAP(1, UNPARK, lid, 0);
    answer("  an unpark", 1, 0);
    answer("  wakes it", 0, 0);
    TRAP(0, PARK, MONO, RELATIVE, 0, 0, WORD, 0);
    TRAP(1, UNPARK, lid, WORD + 64);
    answer("an unpark with another hint wakes as well", 0, 0);
    TRAP(1, UNPARK, 12345, 0);
    wrong("an unpark of nobody", 1, -3);
    TRAP(0, PARK, MONO, RELATIVE, 0, 12345);
    wrong("a park that unparks nobody", 0, -3);
    TRAP(0, PARK, MONO, RELATIVE, 0);
    TRAP(1, PARK, MONO, RELATIVE, 0, lid);
    answer("a park that unparks another first", 1, ASLEEP);
    answer("  the other", 0, 0);
    for (int restart = 0; restart < 2; restart++) {
        TRAP(0, PARK, MONO, RELATIVE, 0);
        signal(0, restart);
        answer(restart ? "signal, SA_RESTART" : "signal", 0, -4);
    }

    TRAP(0, PARK, MONO, RELATIVE, relative(50 * MS));
    ends("relative 50 ms", 0, 50 * MS, UINT64_MAX);
    world.clock += 20 * MS;
    TRAP(1, UNPARK, lid, 0);
    answer("  woken after 20 ms", 0, 0);
    number("  what is left of the time", time_left(), (writes_back ? 30 : 50) * MS);
    TRAP(0, PARK, MONO, RELATIVE, relative(50 * MS));
    expire(0);
    answer("relative 50 ms, its timeout", 0, -60);
    number("  what is left of the time", time_left(), writes_back ? 0 : 50 * MS);
    TRAP(0, PARK, MONO, ABSTIME, absolute(world.clock + 50 * MS));
    ends("absolute, monotonic", 0, 50 * MS, UINT64_MAX);
    number("  the time is left alone", time_left(), world.clock + 50 * MS);
    expire(0);
    answer("  its timeout", 0, -60);
    number("  and then too", time_left(), world.clock);
    TRAP(0, PARK, REAL, ABSTIME, absolute(world.clock + 50 * MS));
    wrong("absolute, realtime", 0, ASLEEP);
    expire(0);
    answer("  its timeout", 0, -60);

    TRAP(1, UNPARK, lid, 0);
    TRAP(0, PARK, MONO, ABSTIME, absolute(5));
    answer("a time that has passed, though a token is there", 0, -60);
    TRAP(0, PARK, MONO, RELATIVE, 0);
    answer("  which is still there", 0, -37);
}

static void netbsd_park(void)
{
    netbsd_park_release("netbsd_park", true);
}

static void netbsd_park_799(void)
{
    netbsd_park_release("netbsd_park_799", false);
    TRAP(0, 166, WORD, 129, 1);
    answer("no futex", 0, DEAD);
}

/* ---- DragonFly 3.9 --------------------------------------------------------------------------- */

static void dragonfly_release(const char *name, bool current)
{
    enum { SLEEP = 469, WAKEUP = 470 };
    long unmapped = current ? -22 : -14;
    boot(name);
    set_word(7);
    TRAP(0, SLEEP, WORD, 8, 0);
    answer("the value differs", 0, -16);
    TRAP(0, SLEEP, WORD, 7, 50000);
    ends("50 ms", 0, 50 * MS, 50 * MS);
    expire(0);
    answer("  its timeout", 0, -35);
    TRAP(0, SLEEP, WORD, 7, 50000);
    world.clock += 42 * MS;
    resume(0, MODEL_EARLY);
    answer("50 ms, after 42 ms", 0, -35);
    TRAP(0, SLEEP, WORD, 7, 3000000);
    answer("3 s", 0, ASLEEP);
    number("  the kernel's timer", world.sleeps[0].note[0] - world.clock,
           (current ? 2000 : 3000) * MS);
    signal(0, false);
    TRAP(0, SLEEP, WORD, 7, 0);
    answer("0", 0, ASLEEP);
    number("  the kernel's timer", world.sleeps[0].note[0],
           current ? world.clock + 2000 * MS : MODEL_NEVER);
    signal(0, false);
    answer("signal", 0, -4);
    TRAP(0, SLEEP, WORD, 7, 50000);
    signal(0, true);
    answer("signal, SA_RESTART", 0, -4);
    TRAP(0, SLEEP, WORD, 7, (uint32_t)-1);
    wrong("timeout -1", 0, -22);
    TRAP(0, SLEEP, NOWHERE, 7, 0);
    answer("sleep, unmapped", 0, unmapped);
    TRAP(0, WAKEUP, NOWHERE, 1);
    answer("wakeup, unmapped", 0, unmapped);
    TRAP(0, SLEEP, WORD + 2, 7, 0);
    wrong("sleep, misaligned", 0, -14);
    TRAP(0, WAKEUP, WORD + 2, 1);
    wrong("wakeup, misaligned", 0, -14);
    TRAP(0, WAKEUP, WORD, 1);
    answer("wakeup, nobody sleeps", 0, 0);
    for (uint32_t count = 0; count < 3; count++) {
        for (int j = 0; j < 3; j++)
            TRAP(j, SLEEP, WORD, 7, 0);
        TRAP(3, WAKEUP, WORD, count);
        answer("wakeup: no count", 3, 0);
        answer("  one of three is awake", 0, 0);
        answer(count == 1 ? "  count 1: the others sleep" : "  any other count: all are awake", 1,
               count == 1 ? ASLEEP : 0);
        answer("  the last too", 2, count == 1 ? ASLEEP : 0);
    }
}

static void dragonfly_39(void)
{
    dragonfly_release("dragonfly_39", false);
}

/* Not seen running: the cap, and EINVAL where there is no memory, are from the sources. */
static void dragonfly_current(void)
{
    dragonfly_release("dragonfly", true);
}

/* The clock that each of them reads; a call of libc has no number. */
static void clocks(void)
{
    static const struct {
        const char *name;
        unsigned number, monotonic;
    } systems[] = {{"freebsd", 232, 4},         {"openbsd_65", 87, 3},    {"openbsd_74", 87, 3},
                   {"openbsd_libc", 0, 3},      {"netbsd", 427, 3},       {"netbsd_park", 427, 3},
                   {"netbsd_park_799", 427, 3}, {"dragonfly_39", 232, 4}, {"dragonfly", 232, 4}};
    for (size_t i = 0; i < sizeof systems / sizeof systems[0]; i++) {
        boot(systems[i].name);
        world.clock = 5 * START + 3;
        const char *symbol = systems[i].number ? NULL : "clock_gettime";
        const uint64_t number_or_index = symbol ? index_of(symbol) : systems[i].number;
        const uint64_t monotonic = systems[i].monotonic;
        enter(0, symbol, number_or_index, monotonic, ARGUMENT, 0, 0, 0, 0, 0);
        answer("clock_gettime, monotonic", 0, 0);
        number("  the time", time_left(), 5 * START + 3);
        enter(0, symbol, number_or_index, monotonic, NOWHERE, 0, 0, 0, 0, 0);
        wrong("clock_gettime to nowhere", 0, symbol ? -1 : -14);
    }
}

static void all(void)
{
    freebsd_12();
    openbsd_65();
    openbsd_74();
    openbsd_current();
    netbsd_futex();
    netbsd_park();
    netbsd_park_799();
    dragonfly_39();
    dragonfly_current();
    clocks();
}

int main(void)
{
    return honesty(all);
}
