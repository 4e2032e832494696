/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The kernels' side of each system's calls: what a call's arguments say, held to what the kernel
 * wants of them. The target answers. Numbers and rules are the kernels' own (their sources are
 * named in sys/), written down here anew: an error in a file of sys/ is not repeated.
 */
#include "fuzz.h"

#define DAY UINT64_C(86400000000000)
#define NS  1000000000

const struct kernel *kernel;
bool kernel_locked;
int64_t kernel_frequency = NS;
unsigned kernel_flags;
uint64_t kernel_wall_ahead = WALL_AHEAD;

enum meaning kernel_means(int32_t answer, bool timed)
{
    if (answer > 0 && kernel->positive == AN_ERRNO)
        answer = -answer;
    if (answer == kernel->woken || (answer > 0 && kernel->positive == A_WAKE))
        return WOKEN;
    for (unsigned i = 0; i < 4; i++)
        if (answer == kernel->again[i] && answer != 0)
            return WOKEN;
    if (answer == kernel->changed && answer != 0)
        return CHANGED;
    return answer == kernel->timed_out && timed ? TIMEDOUT : REFUSED;
}

bool kernel_interrupts(int32_t answer)
{
    if (answer > 0 && kernel->positive == AN_ERRNO)
        answer = -answer;
    for (unsigned i = 0; i < kernel->handlers; i++)
        if (answer == kernel->again[i])
            return true;
    return false;
}

/* ---- times as kernels take them -------------------------------------------------------------- */

struct time {
    int64_t seconds, ns;
};

static struct asked wait_on(long word, long expected)
{
    return (struct asked){.word = (const void *)word, .expected = (uint32_t)expected};
}

static wide ns_of(const struct time *t)
{
    MUST(t->seconds >= 0 && t->ns >= 0 && t->ns < NS); /* else the kernel refuses it */
    return (wide)t->seconds * NS + t->ns;
}

static int32_t wait_timespec(struct asked asked, int form, const struct time *t)
{
    if (t != NULL) {
        asked.form = form;
        asked.ns = ns_of(t);
    }
    return target_wait(&asked);
}

static int32_t wait_span(struct asked asked, bool forever, wide ns)
{
    if (!forever) {
        asked.form = FOR;
        asked.ns = ns;
    }
    return target_wait(&asked);
}

/* The monotonic clock, or the other. */
static uint64_t clock_of(bool wall)
{
    uint64_t now = target_now();
    return now != 0 && wall ? now + kernel_wall_ahead : now;
}

static long tell_clock(struct time *t, bool wall)
{
    uint64_t now = clock_of(wall);
    if (now == 0)
        return -38;
    *t = (struct time){(int64_t)(now / NS), (int64_t)(now % NS)};
    return 0;
}

/* What the kernel is told of a word that is shared, and of a wait by the wall clock. */
static long private(long flag)
{
    return kernel_flags & VALET_SHARED ? 0 : flag;
}

static bool by_the_wall(void)
{
    return kernel_flags & VALET_REALTIME;
}

/* A deadline, which is by that clock where the kernel follows it. */
static int32_t wait_until(struct asked asked, const struct time *t)
{
    if (t != NULL) {
        asked.form = UNTIL;
        asked.ns = ns_of(t) - (by_the_wall() ? (wide)kernel_wall_ahead : 0);
    }
    return target_wait(&asked);
}

/* ---- by trap --------------------------------------------------------------------------------- */

long fuzz_trap(long number, const long *a);
void fuzz_relax(void);
void fuzz_spin(const uint32_t *word, uint32_t expected);

static bool is(const char *name)
{
    const char *mine = kernel->name;
    while (*mine != 0 && *mine == *name)
        mine++, name++;
    return *mine == *name;
}

static long linux_trap(long number, const long *a)
{
    if (number == 228 && (a[0] == 1 || a[0] == 0))
        return tell_clock((struct time *)a[1], a[0] == 0);
    MUST(number == 202);
    if (a[1] == 1 + private(128))
        return target_wake((void *)a[0], a[2]);
    if (a[1] == 4 + 128 && a[4] == a[0]) {
        MUST(a[2] == 0 && a[3] == 0);
        return target_look((void *)a[0], (uint32_t)a[5]);
    }
    if (a[1] == 4 + private(128))
        return target_requeue((void *)a[0], (uint32_t)a[5], a[2], (void *)a[4], a[3]);
    const struct time *t = (struct time *)a[3];
    long wall = by_the_wall() && t != NULL ? 256 : 0;
    MUST((uint32_t)a[5] == 0xffffffff && a[1] == 9 + private(128) + wall);
    MUST(t == NULL || ns_of(t) <= INT64_MAX); /* gVisor's sum overflows, and is in the past */
    return wait_until(wait_on(a[0], a[2]), t);
}

static long freebsd_trap(long number, const long *a)
{
    if (number == 232 && (a[0] == 4 || a[0] == 0))
        return tell_clock((struct time *)a[1], a[0] == 0);
    MUST(number == 454);
    if (a[1] == (private(1) ? 16 : 3))
        return target_wake((void *)a[0], a[2]);
    MUST((a[1] == 15 || a[1] == 11) && a[2] >> 32 == 0);
    struct {
        struct time timeout;
        uint32_t flags, clock;
    } *t = (void *)a[4];
    if (t == NULL) {
        MUST(a[3] == 0);
        return wait_until(wait_on(a[0], a[2]), NULL);
    }
    /* The look at the word after the deadline has no flags. */
    bool look = t->timeout.seconds == 0 && t->timeout.ns == 1 && a[1] == 15 && t->clock == 4;
    MUST(t->timeout.seconds != 0 || t->timeout.ns != 0); /* it would be none */
    MUST(a[1] == (private(1) || look ? 15 : 11));
    MUST(a[3] == 24 && t->flags == 1 && t->clock == (by_the_wall() && !look ? 0 : 4));
    return look ? wait_timespec(wait_on(a[0], a[2]), UNTIL, &t->timeout)
                : wait_until(wait_on(a[0], a[2]), &t->timeout);
}

static long netbsd_trap(long number, const long *a)
{
    if (number == 427 && (a[0] == 3 || a[0] == 0))
        return tell_clock((struct time *)a[1], a[0] == 0);
    if (number == 311) {
        long lwp = target_other(OTHER_INIT);
        return lwp == 0 ? 7 : lwp;
    }
    if (number == 321) {
        MUST(a[0] > 0);
        return target_wake(NULL, 1);
    }
    if (number == 478) {
        MUST(a[0] == 3 && a[1] == 1 && a[3] == 0);
        return wait_timespec((struct asked){0}, UNTIL, (struct time *)a[2]);
    }
    MUST(number == 166);
    if (a[1] == 4 + private(128)) {
        MUST(a[3] == 0);
        return target_requeue((void *)a[0], (uint32_t)a[6], a[2], (void *)a[4], a[5]);
    }
    MUST(a[5] == 0);
    if (a[1] == 1 && a[2] == 0)
        return target_other(OTHER_PROBE);
    if (a[1] == 1 + private(128))
        return target_wake((void *)a[0], a[2]);
    const struct time *t = (struct time *)a[3];
    bool look = t != NULL && t->seconds == 0 && t->ns == 0; /* which has no flags */
    MUST(a[1] == 9 + (look ? 128 : private(128)) && (uint32_t)a[6] == 0xffffffff);
    MUST(a[2] == (int32_t)a[2]);
    return wait_timespec(wait_on(a[0], a[2]), UNTIL, t);
}

static long openbsd_call(uint32_t *word, int operation, long value, const struct time *t)
{
    if (operation == 2 + private(0x80))
        return target_wake(word, value);
    bool look = t != NULL && t->seconds == 0 && t->ns == 1; /* it may be one, which has no flags */
    MUST(operation == 1 + private(0x80) || (look && operation == 1 + 0x80));
    return wait_timespec(wait_on((long)word, value), FOR, t);
}

static long openbsd_trap(long number, const long *a)
{
    if (number == 87 && (a[0] == 3 || a[0] == 0))
        return tell_clock((struct time *)a[1], a[0] == 0);
    MUST(number == 83 && a[4] == 0 && a[1] == (int)a[1]);
    return openbsd_call((uint32_t *)a[0], (int)a[1], a[2], (struct time *)a[3]);
}

static long dragonfly_trap(long number, const long *a)
{
    if (number == 232 && (a[0] == 4 || a[0] == 0))
        return tell_clock((struct time *)a[1], a[0] == 0);
    if (number == 470) {
        MUST(a[1] == 0 || a[1] == 1); /* 0 is all */
        return target_wake((void *)a[0], a[1] == 0 ? INT32_MAX : 1);
    }
    MUST(number == 469 && a[1] == (int32_t)a[1] && a[2] == (int32_t)a[2] && a[2] >= 0);
    return wait_span(wait_on(a[0], a[1]), a[2] == 0, (wide)a[2] * 1000);
}

static long illumos_trap(long number, const long *a)
{
    if (number == 191 && (a[0] == 4 || a[0] == 3))
        return tell_clock((struct time *)a[1], a[0] == 3);
    if (number == 164) {
        long lwp = target_other(OTHER_INIT);
        return lwp == 0 ? 7 : lwp;
    }
    MUST(number == 77 && a[2] == 0);
    if (a[0] == 1) {
        MUST(a[1] > 0);
        return target_wake(NULL, 1);
    }
    MUST(a[0] == 4);
    const struct time *t = (struct time *)a[1];
    MUST(t == NULL || t->seconds < INT64_MAX / NS); /* the kernel counts ns in 63 bits */
    return wait_timespec((struct asked){0}, FOR, t);
}

static long darwin_trap(long number, const long *a)
{
    long r;
    if (number == 516) {
        MUST((a[0] & ~0x100) == 0x1000000 + (private(1) ? 1 : 3));
        r = target_wake((void *)a[1], (a[0] & 0x100) != 0 ? INT32_MAX : 1);
    } else if (number == 515 && a[0] == 0x1040002) {
        MUST(a[2] == (long)1 << 32 && a[3] == 1); /* never equal, and never for long */
        r = target_other(OTHER_PROBE);
    } else {
        MUST(number == 515 && (a[0] == 0x1000000 + (private(1) ? 1 : 3) ||
                               (a[0] == 0x1000001 && a[3] == 1))); /* a look has no flags */
        MUST(a[2] >> 32 == 0 && a[3] == (uint32_t)a[3]);
        r = wait_span(wait_on(a[1], a[2]), a[3] == 0, (wide)a[3] * 1000);
    }
    return (long)(0x5555555500000000u | (uint32_t)r); /* half of the register is junk */
}

static long redox_trap(long number, const long *a)
{
    struct {
        int64_t seconds;
        int32_t ns;
    } *t = (void *)a[3];
    if (number == 265 && (a[0] == 4 || a[0] == 1)) {
        struct time now;
        long r = tell_clock(&now, a[0] == 1);
        if (r == 0) {
            t = (void *)a[1];
            t->seconds = now.seconds;
            t->ns = (int32_t)now.ns;
        }
        return r;
    }
    MUST(number == 240);
    if (a[1] == 1)
        return target_wake((void *)a[0], a[2]);
    MUST(a[1] == 0);
    struct time until = t != NULL ? (struct time){t->seconds, t->ns} : (struct time){0, 0};
    MUST(t == NULL || ns_of(&until) <= INT64_MAX); /* or the kernel may hang */
    return wait_timespec(wait_on(a[0], a[2]), UNTIL, t != NULL ? &until : NULL);
}

/*
 * The layouts of cloudabi64_types.h, by offset. An answer is the event's type, its error above
 * that, and then how many events more than one there are. The lock is the kernel's while its owner
 * waits.
 */
enum { LOCK = 0x40000000, OWNER = 9, POSTER = 5 };

static long cloudabi_trap(long number, const long *a)
{
    const uint32_t managed = 0x80000000;
    const char *in = (const char *)a[0];
    char *out = (char *)a[1];
    int32_t r = 6;
    if (number == 1 && (a[0] == 1 || a[0] == 3)) {
        uint64_t now = clock_of(a[0] == 3);
        return now != 0 ? (long)now : -52;
    }
    if (number == 31) {
        MUST(a[1] == 4 && *(uint32_t *)a[0] == (managed | LOCK | POSTER));
        *(uint32_t *)a[0] = LOCK | OWNER;
        return target_wake(in, 1);
    }
    MUST(number == 37 && (a[2] == 1 || a[2] == 2) && in[10] == 6 && in[24] == 4);
    uint32_t *lock = *(uint32_t *const *)(in + 16);
    struct asked asked = {.word = lock};
    if (a[2] == 2) {
        MUST(in[56 + 10] == 1 && *(const uint32_t *)(in + 56 + 24) == 1 &&
             *(const uint16_t *)(in + 56 + 48) == 1);
        asked.form = UNTIL;
        asked.ns = *(const uint64_t *)(in + 56 + 32);
    }
    if (*lock == 0 && asked.form == FOREVER) { /* free: a poster's, or one that was posted */
        *lock = LOCK | POSTER;
    } else {
        if (*lock == LOCK)
            *lock |= managed;
        r = target_wait(&asked);
        *lock &= ~managed;
    }
    if (r < 0)
        return r;
    if (r == 6 && *lock == 0)
        *lock = LOCK | OWNER;
    *(uint16_t *)(out + 8) = (uint16_t)(r >> 8);
    out[10] = (char)r;
    return 1 + (r >> 24);
}

bool kernel_may_wake(const struct asked *asked)
{
    const uint32_t *lock = asked->word;
    return !is("cloudabi") || *lock == 0 || *lock == (LOCK | OWNER);
}

static long bare_trap(long number, const long *a)
{
    if (a == NULL && number == 0)
        return target_wake(NULL, 1);
    return (long)target_now();
}

long fuzz_trap(long number, const long *a)
{
    static const struct {
        const char *name;
        long (*trap)(long, const long *);
    } traps[] = {
        {"linux", linux_trap},        {"freebsd", freebsd_trap}, {"netbsd", netbsd_trap},
        {"netbsd_park", netbsd_trap}, {"openbsd", openbsd_trap}, {"dragonfly", dragonfly_trap},
        {"illumos", illumos_trap},    {"darwin", darwin_trap},   {"redox", redox_trap},
        {"cloudabi", cloudabi_trap},  {"bare", bare_trap}};
    for (unsigned i = 0; i < sizeof traps / sizeof *traps; i++)
        if (is(traps[i].name))
            return traps[i].trap(number, a);
    MUST(!"a system that traps");
}

void fuzz_relax(void)
{
    target_other(OTHER_RELAX);
}

/* Bare metal's wait. It may end for any reason, and what it answers is not looked at. */
void fuzz_spin(const uint32_t *word, uint32_t expected)
{
    struct asked asked = wait_on((long)word, (long)expected);
    target_wait(&asked);
}

/* ---- by symbol ------------------------------------------------------------------------------- */

int error_number; /* what errno is on OpenBSD and Darwin */

/* As libc does: -1 and errno. errno must come back as it was. */
static int by_errno(long r)
{
    if (r >= 0)
        return (int)r;
    error_number = (int)-r;
    return -1;
}

int *__errno(void);
int *__error(void);
int futex(volatile uint32_t *word, int operation, int value, const struct time *t,
          volatile uint32_t *word2);
int *__errno(void)
{
    return &error_number;
}

int *__error(void)
{
    return &error_number;
}

int futex(volatile uint32_t *word, int operation, int value, const struct time *t,
          volatile uint32_t *word2)
{
    MUST(word2 == NULL);
    long r = openbsd_call((uint32_t *)(uintptr_t)word, operation, value, t);
    return r < 0 && operation == 2 + private(0x80) ? 0 : by_errno(r); /* a wake cannot fail */
}

uint64_t clock_gettime_nsec_np(int clock);
int os_sync_wait_on_address(void *word, uint64_t expected, size_t size, uint32_t flags);
int os_sync_wait_on_address_with_timeout(void *word, uint64_t expected, size_t size, uint32_t flags,
                                         uint32_t clock, uint64_t ns);
int os_sync_wake_by_address_any(void *word, size_t size, uint32_t flags);
int os_sync_wake_by_address_all(void *word, size_t size, uint32_t flags);

uint64_t clock_gettime_nsec_np(int clock)
{
    MUST(clock == 8 || clock == 0);
    return clock_of(clock == 0);
}

static int os_sync_wait(void *word, uint64_t expected, size_t size, uint32_t flags, bool forever,
                        uint64_t ns)
{
    MUST(size == 4 && (flags == !private(1) || (flags == 0 && ns == 1)) &&
         expected == (uint32_t)expected);
    return by_errno(wait_span(wait_on((long)word, (long)expected), forever, ns));
}

int os_sync_wait_on_address(void *word, uint64_t expected, size_t size, uint32_t flags)
{
    return os_sync_wait(word, expected, size, flags, true, 0);
}

int os_sync_wait_on_address_with_timeout(void *word, uint64_t expected, size_t size, uint32_t flags,
                                         uint32_t clock, uint64_t ns)
{
    MUST(clock == 32 && ns != 0); /* 0 is refused */
    return os_sync_wait(word, expected, size, flags, false, ns);
}

int os_sync_wake_by_address_any(void *word, size_t size, uint32_t flags)
{
    MUST(size == 4 && flags == !private(1));
    return by_errno(target_wake(word, 1));
}

int os_sync_wake_by_address_all(void *word, size_t size, uint32_t flags)
{
    MUST(size == 4 && flags == !private(1));
    return by_errno(target_wake(word, INT32_MAX));
}

int32_t zx_futex_wait(const uint32_t *word, uint32_t expected, uint32_t owner, int64_t deadline);
int32_t zx_futex_wake(const uint32_t *word, uint32_t count);
int32_t zx_futex_requeue(const uint32_t *from, uint32_t wake, uint32_t expected, const uint32_t *to,
                         uint32_t move, uint32_t owner);
int64_t zx_clock_get_monotonic(void);

int32_t zx_futex_wait(const uint32_t *word, uint32_t expected, uint32_t owner, int64_t deadline)
{
    MUST(owner == 0);
    struct asked asked = wait_on((long)word, (long)expected);
    if (deadline != INT64_MAX) {
        asked.form = UNTIL;
        asked.ns = deadline;
    }
    return target_wait(&asked);
}

int32_t zx_futex_wake(const uint32_t *word, uint32_t count)
{
    return target_wake(word, count < INT32_MAX ? count : INT32_MAX);
}

int32_t zx_futex_requeue(const uint32_t *from, uint32_t wake, uint32_t expected, const uint32_t *to,
                         uint32_t move, uint32_t owner)
{
    MUST(owner == 0);
    int32_t r = target_requeue(from, expected, wake, to, move);
    return r > 0 ? 0 : r; /* never a count */
}

int64_t zx_clock_get_monotonic(void)
{
    return (int64_t)target_now();
}

struct usercall_return {
    uint64_t first, second;
};
struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4);
uint64_t get_tcs_addr(void);

struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4)
{
    MUST(abort == 0 && p3 == 0 && p4 == 0);
    uint64_t junk = 0x5555555555555555;
    if (number == 13)
        return (struct usercall_return){target_now(), junk};
    MUST(p1 == 4);
    if (number == 12) {
        MUST(p2 == 0x1000);
        return (struct usercall_return){(uint32_t)target_wake(NULL, 1), junk};
    }
    MUST(number == 11);
    int32_t r = wait_span((struct asked){0}, p2 == UINT64_MAX, p2);
    return (struct usercall_return){junk << 32 | (uint32_t)r, junk};
}

uint64_t get_tcs_addr(void)
{
    return 0x1000;
}

uint64_t valet_wasm_now(void);
int32_t valet_wasm_may_block(void);
int fuzz_wasm_wait32(int *word, int expected, int64_t ns);
int fuzz_wasm_notify(int *word, unsigned count);

uint64_t valet_wasm_now(void)
{
    return target_now();
}

int32_t valet_wasm_may_block(void)
{
    return 1;
}

int fuzz_wasm_wait32(int *word, int expected, int64_t ns)
{
    return wait_span(wait_on((long)word, expected), ns < 0, ns);
}

int fuzz_wasm_notify(int *word, unsigned count)
{
    int32_t woken = target_wake(word, count < INT32_MAX ? count : INT32_MAX);
    return woken > 0 ? woken : 0; /* it cannot fail */
}

int32_t RtlWaitOnAddress(const uint32_t *word, const uint32_t *expected, size_t size,
                         const int64_t *timeout);
void RtlWakeAddressSingle(const void *word);
void RtlWakeAddressAll(const void *word);
uint8_t RtlQueryPerformanceCounter(int64_t *ticks);
uint8_t RtlQueryPerformanceFrequency(int64_t *frequency);
int32_t NtQueryPerformanceCounter(int64_t *ticks, int64_t *frequency);
int32_t NtQuerySystemTime(int64_t *time);
int32_t NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable,
                            const int64_t *timeout);
int32_t NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable,
                            const int64_t *timeout);
uint8_t RtlDllShutdownInProgress(void);

static int32_t wait_nt(struct asked asked, const int64_t *timeout)
{
    MUST(timeout == NULL || *timeout < 0); /* a positive one is a date, 0 is a look */
    return wait_span(asked, timeout == NULL, timeout != NULL ? -(wide)*timeout * 100 : 0);
}

int32_t RtlWaitOnAddress(const uint32_t *word, const uint32_t *expected, size_t size,
                         const int64_t *timeout)
{
    MUST(size == 4);
    return wait_nt(wait_on((long)word, (long)*expected), timeout);
}

void RtlWakeAddressSingle(const void *word)
{
    target_wake(word, 1);
}

void RtlWakeAddressAll(const void *word)
{
    target_wake(word, INT32_MAX);
}

uint8_t RtlQueryPerformanceCounter(int64_t *ticks)
{
    *ticks = (int64_t)target_now();
    return 1;
}

uint8_t RtlQueryPerformanceFrequency(int64_t *frequency)
{
    *frequency = kernel_frequency;
    return 1;
}

int32_t NtQueryPerformanceCounter(int64_t *ticks, int64_t *frequency)
{
    *ticks = (int64_t)target_now();
    *frequency = kernel_frequency;
    return 0;
}

int32_t NtQuerySystemTime(int64_t *time)
{
    uint64_t now = target_now();
    *time = now != 0 ? 116444736000000000 + (int64_t)((now + kernel_wall_ahead) / 100) : 0;
    return 0;
}

int32_t NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable, const int64_t *timeout)
{
    MUST(event == NULL && !alertable && (uintptr_t)key % 2 == 0);
    return wait_nt((struct asked){.word = key}, timeout);
}

int32_t NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable, const int64_t *timeout)
{
    MUST(event == NULL && !alertable && (uintptr_t)key % 2 == 0 && timeout == NULL);
    return target_wake(key, 1);
}

uint8_t RtlDllShutdownInProgress(void)
{
    return 0;
}

/* ---- libc, for sys/posix.c: a mutex is whether it is locked ---------------------------------- */

int fuzz_clock_gettime(int clock, struct time *t);
int fuzz_nanosleep(const struct time *t, struct time *left);
int fuzz_sched_yield(void);
int fuzz_mutex_init(int *mutex, const void *attributes);
int fuzz_mutex_destroy(int *mutex);
int fuzz_mutex_lock(int *mutex);
int fuzz_mutex_unlock(int *mutex);
int fuzz_cond_init(int *condition, const int *attributes);
int fuzz_cond_destroy(int *condition);
int fuzz_cond_wait(int *condition, int *mutex);
int fuzz_cond_timedwait(int *condition, int *mutex, const struct time *t);
int fuzz_cond_signal(int *condition);
int fuzz_condattr_init(int *attributes);
int fuzz_condattr_destroy(int *attributes);
int fuzz_condattr_setclock(int *attributes, int clock);

enum { NOTHING = 0, UNLOCKED = 0x11, LOCKED = 0x22, CONDITION = 0x33 /* and its clock */ };

int fuzz_clock_gettime(int clock, struct time *t)
{
    return tell_clock(t, clock == 0) != 0 ? -1 : 0;
}

int fuzz_nanosleep(const struct time *t, struct time *left)
{
    (void)left;
    MUST(ns_of(t) != 0);
    return target_other(OTHER_RELAX) < 0 ? -1 : 0;
}

int fuzz_sched_yield(void)
{
    return target_other(OTHER_RELAX) < 0 ? -1 : 0;
}

int fuzz_mutex_init(int *mutex, const void *attributes)
{
    MUST(attributes == NULL);
    int e = -target_other(OTHER_INIT);
    *mutex = e == 0 ? UNLOCKED : NOTHING;
    return e;
}

static void mutex_from(int *mutex, int from, int to)
{
    MUST(*mutex == from);
    *mutex = to;
    kernel_locked = to == LOCKED;
}

int fuzz_mutex_destroy(int *mutex)
{
    mutex_from(mutex, UNLOCKED, NOTHING);
    return 0;
}

int fuzz_mutex_lock(int *mutex)
{
    mutex_from(mutex, UNLOCKED, LOCKED);
    return 0;
}

int fuzz_mutex_unlock(int *mutex)
{
    mutex_from(mutex, LOCKED, UNLOCKED);
    return 0;
}

int fuzz_cond_init(int *condition, const int *attributes)
{
    int e = -target_other(OTHER_INIT);
    *condition = e == 0 ? CONDITION + (attributes != NULL ? *attributes : 0) : NOTHING;
    return e;
}

int fuzz_cond_destroy(int *condition)
{
    MUST(*condition == CONDITION || *condition == CONDITION + 1);
    *condition = NOTHING;
    return 0;
}

int fuzz_cond_timedwait(int *condition, int *mutex, const struct time *t)
{
    struct asked asked = {.word = mutex};
    MUST(*condition == CONDITION || *condition == CONDITION + 1);
    if (t != NULL) {
        asked.form = UNTIL;
        asked.ns = ns_of(t) - (*condition == CONDITION ? (wide)kernel_wall_ahead : 0);
    }
    mutex_from(mutex, LOCKED, UNLOCKED);
    int e = -target_wait(&asked);
    mutex_from(mutex, UNLOCKED, LOCKED);
    return e;
}

int fuzz_cond_wait(int *condition, int *mutex)
{
    int e = fuzz_cond_timedwait(condition, mutex, NULL);
    return e != 110 ? e : 1; /* POSIX: no ETIMEDOUT here; sys/posix.c would take it for its own */
}

int fuzz_cond_signal(int *condition)
{
    MUST(*condition == CONDITION || *condition == CONDITION + 1);
    return -target_wake(NULL, 1);
}

int fuzz_condattr_init(int *attributes)
{
    *attributes = 0;
    return -target_other(OTHER_INIT);
}

int fuzz_condattr_destroy(int *attributes)
{
    *attributes = NOTHING;
    return 0;
}

int fuzz_condattr_setclock(int *attributes, int clock)
{
    MUST(clock == 1);
    int e = -target_other(OTHER_INIT);
    *attributes = e == 0;
    return e;
}

/* ---- the table ------------------------------------------------------------------------------- */

extern const struct system linux_system;
extern const struct system freebsd_system;
extern const struct system netbsd_system;
extern const struct system netbsd_park_system;
extern const struct system openbsd_system;
extern const struct system openbsd_libc_system;
extern const struct system dragonfly_system;
extern const struct system illumos_system;
extern const struct system darwin_system;
extern const struct system darwin_os_sync_system;
extern const struct system fuchsia_system;
extern const struct system redox_system;
extern const struct system cloudabi_system;
extern const struct system sgx_system;
extern const struct system posix_system;
extern const struct system posix_realtime_system;
extern const struct system bare_system;
extern const struct system wasm_system;
extern const struct system windows_system;
extern const struct system windows_keyed_system;

#define ROW(system) .name = #system, .library = &system##_system
static const struct kernel kernels[] = {
    {ROW(linux), .last = UINT64_MAX - 1, .latest = INT64_MAX, .proves = true, .looks = true,
     .timed_out = -110, .changed = -11, .again = {-4}, .handlers = 1, .follows = true},
    {ROW(freebsd), .last = UINT64_MAX - 1, .proves = true, .timed_out = -60, .again = {-4},
     .handlers = 1, .follows = true},
    {ROW(netbsd), .last = UINT64_MAX - 1, .timed_out = -60, .changed = -35, .again = {-4},
     .probes = true, .handlers = 1, .awake = true},
    {ROW(netbsd_park), .last = UINT64_MAX - 1, .timed_out = -60, .again = {-4, -37}, .handlers = 1},
    {ROW(openbsd), .last = UINT64_MAX - 1, .longest = DAY, .timed_out = -60, .changed = -35,
     .again = {-4, -88}, .positive = AN_ERRNO, .handlers = 2},
    {ROW(openbsd_libc), .last = UINT64_MAX - 1, .longest = DAY, .timed_out = -60, .changed = -35,
     .again = {-4, -88}, .positive = AN_ERRNO, .handlers = 2},
    {ROW(dragonfly), .last = UINT64_MAX - 1, .longest = NS, .grain = 1000, .timed_out = -35,
     .changed = -16, .again = {-4}, .handlers = 1},
    {ROW(darwin), .last = UINT64_MAX - 1, .longest = UINT64_C(1000) * UINT32_MAX, .grain = 1000,
     .timed_out = -60, .again = {-4}, .retried = {-14}, .positive = A_WAKE, .handlers = 1},
    {ROW(darwin_os_sync), .last = UINT64_MAX - 1, .longest = DAY, .timed_out = -60, .again = {-4},
     .retried = {-12, -14}, .positive = A_WAKE, .handlers = 1},
    {ROW(fuchsia), .last = INT64_MAX, .latest = INT64_MAX, .timed_out = -21, .changed = -20},
    {ROW(redox), .last = UINT64_MAX - 1, .latest = INT64_MAX, .timed_out = -110, .changed = -11,
     .again = {-4}},
    {ROW(cloudabi), .last = INT64_MAX, .timed_out = 1, .woken = 6},
    {ROW(sgx), .last = UINT64_MAX - 1, .longest = NS, .timed_out = 0x6e, .again = {4},
     .one_clock = true},
    {ROW(posix), .last = UINT64_MAX - 1, .longest = (uint64_t)(INT32_MAX / 2) * NS,
     .timed_out = -110, .retried = {-22}},
    {ROW(posix_realtime), .last = INT64_MAX, .longest = NS, .timed_out = -110, .retried = {-22}},
    {ROW(bare), .last = UINT64_MAX - 1, .silent = true},
    {ROW(wasm), .last = UINT64_MAX - 1, .longest = INT64_MAX, .timed_out = 2, .changed = 1,
     .again = {2}},
    {ROW(windows), .last = INT64_MAX, .longest = INT64_MAX, .grain = 100, .timed_out = 0x102,
     .ticks = true},
    {ROW(windows_keyed), .last = INT64_MAX, .longest = INT64_MAX, .grain = 100, .timed_out = 0x102,
     .ticks = true, .meets = true},
    {ROW(illumos), .last = UINT64_MAX - 1, .longest = (uint64_t)INT32_MAX * NS, .timed_out = -62,
     .again = {-4, -91}, .handlers = 2},
};
static const unsigned kernel_count = sizeof kernels / sizeof *kernels;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned which = (unsigned)take(&in, 1);
    bool all = which >= 0xe0;
    for (unsigned i = all ? 0 : which % 32 % kernel_count; i < kernel_count; i++) {
        struct input rest = in;
        kernel = &kernels[i];
        fuzz_subject = kernel->name;
        target_run(&rest);
        if (!all)
            break;
    }
    return 0;
}
