/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The harness on Linux without a C library, for a CPU of which Debian has no libc: 32-bit RISC-V. A
 * thread's own is at tp, as a C library has it. Sources: torvalds/linux kernel/fork.c (clone,
 * CLONE_CHILD_CLEARTID), include/uapi/asm-generic/signal.h, unistd.h.
 */
#include "arch/arch.h"
#include "interrupt.h"
#include "test.h"

#define THREADS 63 /* the short form of every test: see load.h */
#define STACK   (64u * 1024)

enum {
    WRITE = 64,
    EXIT = 93,
    EXIT_GROUP = 94,
    SCHED_YIELD = 124,
    TGKILL = 131,
    RT_SIGACTION = 134,
    GETPID = 172,
    GETTID = 178,
    MMAP = 222,
    MPROTECT = 226,
    CLOCK_NANOSLEEP_TIME64 = 407,
    FUTEX_TIME64 = 422
};
enum { SIGUSR1 = 10, ESRCH = 3, EINTR = 4 };

struct test_thread {
    atomic_flag used;
    atomic_int id; /* 0 once it has ended: the kernel clears and wakes it */
    void (*run)(void *);
    void *argument;
    struct interrupt interrupt;
    char *stack; /* kept for the next one */
};

static struct test_thread threads[THREADS], first;
static long process;

static long trap(long number, long a, long b, long c, long d, long e, long f)
{
    return valet_trap_linux(number, a, b, c, d, e, f);
}

void test_write(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    if (trap(WRITE, 1, (long)text, (long)length, 0, 0, 0) != (long)length)
        test_exit(1);
}

void test_exit(int status)
{
    for (;;)
        trap(EXIT_GROUP, status, 0, 0, 0, 0, 0);
}

unsigned test_threads_max(void)
{
    return THREADS;
}

struct test_thread *test_self(void)
{
    struct test_thread *self;
    __asm__("mv %0, tp" : "=r"(self));
    return self;
}

/* The kernel enters at _start, with argc and argv at the stack pointer. clone_thread is clone(2);
 * the child is on its new, empty stack, and goes on in enter_thread. */
long clone_thread(unsigned long flags, void *stack, atomic_int *parent_id, void *own,
                  atomic_int *child_id);
__asm__(".text\n"
        ".global _start\n"
        "_start:\n"
        "    .option push\n"
        "    .option norelax\n" /* the linker makes addresses relative to gp, but not this one */
        "    la gp, __global_pointer$\n"
        "    .option pop\n"
        "    li s0, 0\n"
        "    mv a0, sp\n"
        "    andi sp, sp, -16\n"
        "    call enter_program\n"
        "clone_thread:\n"
        "    li a7, 220\n"
        "    ecall\n"
        "    beqz a0, 1f\n"
        "    ret\n"
        "1:  li s0, 0\n"
        "    call enter_thread\n");

__attribute__((used)) static _Noreturn void enter_thread(void)
{
    struct test_thread *self = test_self();
    self->run(self->argument);
    for (;;)
        trap(EXIT, 0, 0, 0, 0, 0, 0);
}

void *test_map(void)
{
    enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };
    long r = trap(MMAP, 0, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(r > 0 || r < -4095);
    return (void *)r;
}

void test_unmap(void *page)
{
    /* Not given back: nothing else may get the address, or a late touch would go unseen. */
    CHECK_EQ(trap(MPROTECT, (long)page, TEST_PAGE, 0, 0, 0, 0), 0);
}

struct test_thread *test_start(void (*run)(void *), void *argument)
{
    enum {
        CLONE_VM = 0x100,
        CLONE_FS = 0x200,
        CLONE_FILES = 0x400,
        CLONE_SIGHAND = 0x800,
        CLONE_THREAD = 0x10000,
        CLONE_SYSVSEM = 0x40000,
        CLONE_SETTLS = 0x80000,
        CLONE_PARENT_SETTID = 0x100000,
        CLONE_CHILD_CLEARTID = 0x200000
    };
    struct test_thread *t = threads;
    while (t < threads + THREADS && atomic_flag_test_and_set(&t->used))
        t++;
    CHECK(t < threads + THREADS);
    t->run = run;
    t->argument = argument;
    if (t->stack == NULL)
        t->stack = test_map();
    /* One that the last thread here left without running it. */
    atomic_store(&t->interrupt.handler, NULL);
    CHECK(clone_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                           CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                           CLONE_CHILD_CLEARTID,
                       t->stack + STACK, &t->id, t, &t->id) > 0);
    return t;
}

void test_join(struct test_thread *thread)
{
    enum { FUTEX_WAIT = 0 };
    for (int id; (id = atomic_load(&thread->id)) != 0;)
        trap(FUTEX_TIME64, (long)&thread->id, FUTEX_WAIT, id, 0, 0, 0);
    atomic_flag_clear(&thread->used);
}

void test_yield(void)
{
    trap(SCHED_YIELD, 0, 0, 0, 0, 0, 0);
}

void test_sleep(uint64_t ns)
{
    enum { CLOCK_MONOTONIC = 1 };
    int64_t t[2] = {(int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u)};
    while (trap(CLOCK_NANOSLEEP_TIME64, CLOCK_MONOTONIC, 0, (long)t, (long)t, 0, 0) == -EINTR)
        ;
}

static void on_signal(int number)
{
    (void)number;
    interrupt_take(&test_self()->interrupt);
}

void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument)
{
    if (!interrupt_send(&thread->interrupt, handler, argument))
        return;
    int id = atomic_load(&thread->id);
    long r = id != 0 ? trap(TGKILL, process, id, SIGUSR1, 0, 0, 0) : -ESRCH;
    CHECK(r == 0 || r == -ESRCH); /* it may have ended by now */
}

bool test_has_handlers(void)
{
    return true;
}

bool test_move_clock(int64_t ns)
{
    (void)ns;
    return false;
}

/* What compilers call unasked. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = (char)byte;
    return to;
}

/* What compilers call for the atomic operations of 64 bits that the tests use; by a name of ours,
 * as a compiler takes its own for builtins. */
static atomic_flag wide = ATOMIC_FLAG_INIT;

uint64_t wide_exchange(uint64_t *object, uint64_t value, int order) __asm__("__atomic_exchange_8");
uint64_t wide_load(const uint64_t *object, int order) __asm__("__atomic_load_8");
void wide_store(uint64_t *object, uint64_t value, int order) __asm__("__atomic_store_8");

uint64_t wide_exchange(uint64_t *object, uint64_t value, int order)
{
    (void)order; /* as strong as any */
    while (atomic_flag_test_and_set(&wide))
        test_yield();
    uint64_t old = *object;
    *object = value;
    atomic_flag_clear(&wide);
    return old;
}

uint64_t wide_load(const uint64_t *object, int order)
{
    (void)order;
    while (atomic_flag_test_and_set(&wide))
        test_yield();
    uint64_t value = *object;
    atomic_flag_clear(&wide);
    return value;
}

void wide_store(uint64_t *object, uint64_t value, int order)
{
    wide_exchange(object, value, order);
}

__attribute__((used)) static _Noreturn void enter_program(long *stack)
{
    __asm__ volatile("mv tp, %0" ::"r"(&first));
    process = trap(GETPID, 0, 0, 0, 0, 0, 0);
    atomic_store(&first.id, (int)trap(GETTID, 0, 0, 0, 0, 0, 0));
    /* No SA_RESTART: calls are interrupted. RISC-V's has no restorer: the kernel brings one. */
    struct {
        void (*handler)(int);
        unsigned long flags;
        uint64_t mask;
    } action = {on_signal, 0, 0};
    CHECK_EQ(trap(RT_SIGACTION, SIGUSR1, (long)&action, 0, sizeof action.mask, 0, 0), 0);
    test_exit(test_run(stack[0] > 1 ? (const char *)stack[2] : NULL));
}
