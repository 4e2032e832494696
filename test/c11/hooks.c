/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the code under test calls: the functions that the compiler puts before each access
 * (-fsanitize=thread), and the system of valet_sys.h. Before and after the threads, where `running`
 * is NOBODY, accesses are plain ones of a single thread.
 */
#include <stdatomic.h>
#include <string.h>

#include "model.h"
#include "scenarios.h"
#include "valet_sys.h"

#define HERE ((uintptr_t)__builtin_return_address(0))

/* ---- dead bytes of a thread's stack -------------------------------------------------------------
 *
 * They are found between the variables of frames to come, and tell states apart that are the same.
 * So what the model itself does, a thread does aside, on another stack; and of a function that
 * returns, the frame is cleared on its way to its caller.
 */
unsigned char stack_aside[1 << 16] __attribute__((aligned(16)));
void aside(int t, uintptr_t address, size_t size, bool write, void *function);
void *frame_returns_to;
uintptr_t frame_begins; /* with what the hooks have left below it */
void frame_is_gone(void);
__asm__("aside:\n"
        "    push %rbp\n    mov %rsp, %rbp\n    mov $stack_aside + 0x10000, %esp\n"
        "    call *%r8\n"
        "    mov %rbp, %rsp\n    pop %rbp\n"
        "    ret\n"
        "frame_is_gone:\n" /* returned to; the result is in rax and rdx */
        "    mov %rax, %r8\n"
        "    mov frame_begins, %rdi\n    mov %rsp, %rcx\n    sub %rdi, %rcx\n    shr $3, %rcx\n"
        "    xor %eax, %eax\n    rep stosq\n"
        "    mov %r8, %rax\n    jmp *frame_returns_to\n");

/* ---- the compiler's ---------------------------------------------------------------------------
 */

// clang-format off
void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
// clang-format on

/* At the end of each function: its frame begins where its frame pointer points. */
void __tsan_func_exit(void)
{
    if (running == NOBODY)
        return;
    uintptr_t *hook = __builtin_frame_address(0), frame = *hook;
    void **returns_to = (void **)frame + 1;
    aside(running, frame, 0, false, frame_dies);
    frame_returns_to = *returns_to;
    frame_begins = (uintptr_t)hook - 256;
    *returns_to = (void *)frame_is_gone;
}

static void plain(const void *address, size_t size, bool write)
{
    if (running != NOBODY)
        aside(running, (uintptr_t)address, size, write, plain_access);
    else if (write)
        variable_is_written((uintptr_t)address, size);
}

#define PLAIN(size)                  \
    void __tsan_read##size(void *a)  \
    {                                \
        plain(a, size, false);       \
    }                                \
    void __tsan_write##size(void *a) \
    {                                \
        plain(a, size, true);        \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *a, size_t size)
{
    plain(a, size, false);
}

void __tsan_write_range(void *a, size_t size)
{
    plain(a, size, true);
}

/* The fields of an operation are set after all bytes of it, so that states compare. In the variant
 * `plain` an access to a volatile object, which has no order, comes as one whose order is not
 * written out, and so is seq_cst, which no access of the core is. */
static struct operation *blank(enum operation_kind kind, const void *address, size_t size,
                               int order, uintptr_t place)
{
    static struct operation of_nobody;
    struct operation *o = running == NOBODY ? &of_nobody : &world.thread[running].operation;
    memset(o, 0, sizeof *o);
    if (VALET_C11_PLAIN && (kind == LOAD || kind == STORE) && order == memory_order_seq_cst)
        order = memory_order_relaxed;
    o->kind = (uint8_t)kind;
    o->address = (uintptr_t)address;
    o->size = (uint8_t)size;
    o->order = (uint8_t)order;
    o->place = place;
    return o;
}

/* Until the explorer has chosen what becomes of it. */
static uint64_t operate(const struct operation *o)
{
    if (running == NOBODY)
        return operate_alone(o);
    come_back(&world.thread[running].stack_pointer, explorer_stack);
    return world.thread[running].operation.result;
}

static uint64_t modify(enum modification how, void *a, size_t size, uint64_t value, int order,
                       uintptr_t place)
{
    struct operation *o = blank(READ_MODIFY_WRITE, a, size, order, place);
    o->value = value;
    o->modification = (uint8_t)how;
    return operate(o);
}

static uint64_t compare(bool weak, void *a, size_t size, uint64_t expected, uint64_t value,
                        int order, int failure_order, uintptr_t place, bool *done)
{
    struct operation *o = blank(COMPARE_EXCHANGE, a, size, order, place);
    o->value = value;
    o->expected = expected;
    o->failure_order = (uint8_t)failure_order;
    o->weak = weak;
    uint64_t seen = operate(o);
    *done = running == NOBODY ? seen == expected : world.thread[running].operation.done;
    return seen;
}

#define MODIFY(bits, type, name, how)                                             \
    type __tsan_atomic##bits##_##name(volatile type *a, type v, int order)        \
    {                                                                             \
        return (type)modify(how, (void *)a, sizeof *a, (uint64_t)v, order, HERE); \
    }
#define COMPARE(bits, type, name, weak)                                                           \
    int __tsan_atomic##bits##_compare_exchange_##name(volatile type *a, type *expected, type v,   \
                                                      int order, int failure_order)               \
    {                                                                                             \
        bool done;                                                                                \
        type seen = (type)compare(weak, (void *)a, sizeof *a, *expected, v, order, failure_order, \
                                  HERE, &done);                                                   \
        if (!done)                                                                                \
            *expected = seen;                                                                     \
        return done;                                                                              \
    }
#define ATOMIC(bits, type)                                                     \
    type __tsan_atomic##bits##_load(const volatile type *a, int order)         \
    {                                                                          \
        return (type)operate(blank(LOAD, (void *)a, sizeof *a, order, HERE));  \
    }                                                                          \
    void __tsan_atomic##bits##_store(volatile type *a, type v, int order)      \
    {                                                                          \
        struct operation *o = blank(STORE, (void *)a, sizeof *a, order, HERE); \
        o->value = v;                                                          \
        operate(o);                                                            \
    }                                                                          \
    MODIFY(bits, type, exchange, EXCHANGE)                                     \
    MODIFY(bits, type, fetch_add, ADD)                                         \
    MODIFY(bits, type, fetch_sub, SUBTRACT)                                    \
    MODIFY(bits, type, fetch_and, AND)                                         \
    MODIFY(bits, type, fetch_or, OR)                                           \
    MODIFY(bits, type, fetch_xor, XOR)                                         \
    COMPARE(bits, type, weak, true)                                            \
    COMPARE(bits, type, strong, false)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_atomic_thread_fence(int order)
{
    operate(blank(FENCE, NULL, 0, order, HERE));
}

/* ---- the system's: weak, where a file of sys/ is explored with the core ---------------------- */

#define WEAK __attribute__((weak))

/* Time is no part of the model: a deadline may come at any moment after the wait began. What the
 * clock says meanwhile is the same throughout a scenario: nothing has come, or all. */
WEAK uint64_t valet_sys_now(void)
{
    return scenario->flags & LATE ? UINT64_MAX - 1 : 1;
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    struct operation *o = blank(FUTEX_WAIT, word, sizeof *word, memory_order_relaxed, HERE);
    o->expected = expected;
    o->timed = deadline != VALET_FOREVER;
    o->interruptible = flags != 0;
    return (int)operate(o);
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return valet_sys_futex_wait_with(word, expected, deadline, 0);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    struct operation *o = blank(FUTEX_WAIT, word, sizeof *word, memory_order_relaxed, HERE);
    o->expected = expected;
    o->look = true;
    return (int)operate(o);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    struct operation *o = blank(FUTEX_WAKE, word, sizeof *word, memory_order_relaxed, HERE);
    o->value = count;
    operate(o);
}

WEAK unsigned valet_sys_features(void)
{
    return VALET_INTERRUPTIBLE | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags;
    struct operation *o = blank(FUTEX_WAKE, word, sizeof *word, memory_order_relaxed, HERE);
    o->value = count;
    return (uint32_t)operate(o);
}

WEAK int valet_sys_sema_init(struct valet_sema *s)
{
    if (running == NOBODY)
        return VALET_OK;
    struct thread *owner = &world.thread[running];
    if (owner->sema.address != 0)
        violation("thread %d has two semaphores", running);
    memset(s, 0, sizeof *s);
    plain(s, 8, true);
    memset(&owner->sema, 0, sizeof owner->sema);
    owner->sema.address = (uintptr_t)s;
    return VALET_OK;
}

WEAK int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    struct operation *o = blank(SEMA_WAIT, s, 8, memory_order_acquire, HERE);
    o->timed = deadline != VALET_FOREVER;
    o->interruptible = flags != 0;
    return (int)operate(o);
}

WEAK int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    return valet_sys_sema_wait_with(s, deadline, 0);
}

WEAK void valet_sys_sema_post(struct valet_sema *s)
{
    if (running != NOBODY && world.thread[running].sema.address == (uintptr_t)s)
        violation("thread %d posts to itself", running);
    operate(blank(SEMA_POST, s, 8, memory_order_release, HERE));
}

WEAK void valet_sys_sema_fini(struct valet_sema *s)
{
    if (running == NOBODY)
        return;
    struct thread *owner = &world.thread[running];
    if (owner->sema.address != (uintptr_t)s)
        violation("thread %d ends a semaphore that it has not", running);
    if (owner->sema.posted)
        violation("thread %d ends a semaphore with a post in it", running);
    plain(s, 8, true);
    memset(&owner->sema, 0, sizeof owner->sema);
}

/* A CPU without atomics: a lock for all, and a full barrier on either side. Each barrier is one
 * step with the access to the lock: nobody else has one meanwhile. In the section `guest`, as what
 * a state consists of. */
static uint32_t begun __attribute__((section("guest")));
uintptr_t valet_sys_atomic_begin(void);
void valet_sys_atomic_end(uintptr_t before);

static void full_barrier(void)
{
    if (running != NOBODY)
        aside(running, memory_order_seq_cst, 0, false, fence);
}

uintptr_t valet_sys_atomic_begin(void)
{
    while (modify(EXCHANGE, &begun, sizeof begun, 1, memory_order_relaxed, HERE) != 0)
        ;
    full_barrier();
    return 0;
}

void valet_sys_atomic_end(uintptr_t before)
{
    (void)before;
    full_barrier();
    operate(blank(STORE, &begun, sizeof begun, memory_order_relaxed, HERE));
}

/* ---- a parker that is its contract: weak, where the core is there ---------------------------- */

/* One step each, by the contract: a token is a word of 1, and goes to who parks with all that was
 * before the unparks. A deadline, or a handler, comes while there is no token. */
WEAK int valet_park_with(struct valet_parker *p, uint64_t deadline, unsigned flags)
{
    struct operation *o = blank(PARK, &p->word, sizeof p->word, memory_order_acquire, HERE);
    o->timed = deadline != VALET_FOREVER;
    o->interruptible = flags != 0;
    return (int)operate(o);
}

WEAK int valet_park_until(struct valet_parker *p, uint64_t deadline)
{
    return valet_park_with(p, deadline, 0);
}

WEAK int valet_park(struct valet_parker *p)
{
    return (int)operate(blank(PARK, &p->word, sizeof p->word, memory_order_acquire, HERE));
}

WEAK void valet_unpark(struct valet_parker *p)
{
    modify(EXCHANGE, &p->word, sizeof p->word, 1, memory_order_acq_rel, HERE);
}

/* ---- what files of sys/ call; no memory is ordered by it ------------------------------------- */

static uint64_t clock_ns(void)
{
    return running == NOBODY ? CLOCK_EARLY : operate(blank(CLOCK, NULL, 0, 0, HERE));
}

/* sys/sgx.c, for all that wake a thread by its id: a sleep ends whenever it likes. */
struct usercall_return {
    uint64_t first, second;
};
struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4);
uint64_t get_tcs_addr(void);

struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4)
{
    (void)p1, (void)p2, (void)abort, (void)p3, (void)p4;
    enum { INSECURE_TIME = 13 };
    return (struct usercall_return){number == INSECURE_TIME ? clock_ns() : 0, 0};
}

uint64_t get_tcs_addr(void)
{
    return (uint64_t)running + 1;
}

/* sys/windows_keyed.c */
int32_t NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable,
                            const int64_t *timeout);
int32_t NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable,
                            const int64_t *timeout);
int32_t NtQueryPerformanceCounter(int64_t *ticks, int64_t *frequency);
int32_t NtQuerySystemTime(int64_t *time);
uint8_t RtlDllShutdownInProgress(void);

static int32_t meet(enum operation_kind kind, const void *key, const int64_t *timeout)
{
    enum { STATUS_SUCCESS, STATUS_TIMEOUT = 0x102 };
    struct operation *o = blank(kind, key, 0, 0, HERE);
    o->timed = timeout != NULL;
    return (int)operate(o) == VALET_OK ? STATUS_SUCCESS : STATUS_TIMEOUT;
}

int32_t NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable, const int64_t *timeout)
{
    (void)event, (void)alertable;
    return meet(KEYED_WAIT, key, timeout);
}

int32_t NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable, const int64_t *timeout)
{
    (void)event, (void)alertable;
    return meet(KEYED_RELEASE, key, timeout);
}

int32_t NtQuerySystemTime(int64_t *time)
{
    *time = 0; /* no scenario asks */
    return 0;
}

uint8_t RtlDllShutdownInProgress(void)
{
    return false;
}

int32_t NtQueryPerformanceCounter(int64_t *ticks, int64_t *frequency)
{
    *ticks = (int64_t)clock_ns();
    *frequency = 1000000000;
    return 0;
}

/* sys/cloudabi.c. A kernel that looks at its locks again and again, and orders nothing. */
long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f);

static uint32_t kernel_or(uint32_t *word, uint32_t bits)
{
    struct operation *o = blank(READ_MODIFY_WRITE, word, sizeof *word, memory_order_relaxed, HERE);
    o->value = bits;
    o->modification = OR;
    o->kernel = true;
    return (uint32_t)operate(o);
}

static bool kernel_exchanges(uint32_t *word, uint32_t from, uint32_t to)
{
    struct operation *o = blank(COMPARE_EXCHANGE, word, sizeof *word, memory_order_relaxed, HERE);
    o->expected = from;
    o->value = to;
    o->failure_order = memory_order_relaxed;
    o->kernel = true;
    return (uint32_t)operate(o) == from;
}

/* Until the lock is free and the caller's, or its time is over. The events of both, or -1. */
static int poll_lock(uint32_t *lock, bool timed)
{
    enum { TIME = 1, WRLOCK = 6 };
    const uint32_t locked = 0x40000000u, managed = 0x80000000u;
    for (;;) {
        uint32_t seen = kernel_or(lock, 0);
        if (seen == 0 && kernel_exchanges(lock, 0, locked | (uint32_t)(running + 1)))
            return WRLOCK;
        if (seen != 0 && scenario->flags & SANDBOX && clock_ns() == CLOCK_LATE)
            return -1;
        if (timed && clock_ns() == CLOCK_LATE &&
            (!(seen & managed) || kernel_exchanges(lock, seen, seen & ~managed)))
            return TIME;
        if (seen != 0 && !(seen & managed))
            kernel_exchanges(lock, seen, seen | managed);
    }
}

long valet_trap_bsd(long number, long a, long b, long c, long d, long e, long f)
{
    enum { CLOCK_TIME_GET = 1, LOCK_UNLOCK = 31 };
    (void)d, (void)e, (void)f;
    if (number == CLOCK_TIME_GET)
        return (long)clock_ns();
    if (number == LOCK_UNLOCK) {
        uint32_t *lock = (void *)a, seen = kernel_or(lock, 0);
        if ((seen & 0x3fffffff) != (uint32_t)(running + 1))
            violation("thread %d unlocks a lock that is not its own", running);
        while (!kernel_exchanges(lock, seen, 0))
            seen = kernel_or(lock, 0);
        return 0;
    }
    /* poll: subscriptions, events, how many; the first is for the lock */
    int type = poll_lock(*(uint32_t **)(a + 16), c == 2);
    memset((void *)(b + 8), 0, 2);
    *(uint8_t *)(b + 10) = (uint8_t)type;
    return type < 0 ? -1 : 1;
}

/* ---- the scenarios' -------------------------------------------------------------------------- */

void check_expect(bool good, const char *file, int line)
{
    if (!good)
        violation("not as expected, %s:%d", strrchr(file, '/') + 1, line);
}

bool check_knows(const void *place)
{
    return knows_last_write(running, (uintptr_t)place);
}
