/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The scheduler: one queue of threads that are ready, one list of alarms ordered by time, and one
 * spin lock around both. A thread that is blocked is in neither; who is to wake it knows it.
 *
 * There is no periodic tick. Each CPU sets its timer for the end of a slice or for the first alarm,
 * whichever comes first, and an idle CPU for the first alarm only.
 */
#include "kernel.h"

#include <stdatomic.h>
#include <stddef.h>

#include "bare.h"

#define THREADS 32u
#define STACK   (16u * 1024)
#define HOUR    3600000000000u

struct thread {
    void *stack_pointer; /* while it does not run */
    struct thread *next; /* in the queue */
    void (*run)(void *);
    void *argument;
    struct alarm deadline;
    bool blocked, expired;
};

struct cpu {
    struct thread *current;
    struct thread idle; /* on the stack that the CPU has started on */
    uint64_t slice_end;
    bool asleep; /* in WFI, or sure to get there, and nobody has sent it an interrupt yet */
    uint64_t asleep_since; /* 0: awake */
    uint64_t idle_ns;
};

unsigned char bare_stacks[BARE_CPUS][BARE_STACK] __attribute__((aligned(BARE_STACK)));
static unsigned char stacks[THREADS][STACK] __attribute__((aligned(16)));
static struct thread threads[THREADS];
static unsigned started;

static struct cpu cpus[KERNEL_CPUS];
static struct thread *ready, **ready_end = &ready;
static struct alarm *alarms;
static atomic_uint locked;

/* switch-<cpu>.S */
void kernel_switch(void **from, void *to);
void *kernel_new_frame(void *stack_end, void (*enter)(void));
void kernel_leave_handler(void);

uint64_t kernel_now(void)
{
    return bare_clock();
}

/* ---- the lock -------------------------------------------------------------------------------- */

/* Interrupts off first: a handler that waited for its own CPU's lock would wait for ever. */
uintptr_t kernel_lock(void)
{
    uintptr_t before = bare_mask();
    while (atomic_exchange_explicit(&locked, 1, memory_order_acquire))
        bare_relax();
    return before;
}

void kernel_unlock(uintptr_t before)
{
    atomic_store_explicit(&locked, 0, memory_order_release);
    bare_unmask(before);
}

/* Under the lock, or with interrupts off: else the thread may change the CPU in between. */
static struct cpu *this_cpu(void)
{
    return &cpus[bare_cpu()];
}

struct thread *kernel_self(void)
{
    uintptr_t before = bare_mask();
    struct thread *self = this_cpu()->current;
    bare_unmask(before);
    return self;
}

/* ---- alarms ---------------------------------------------------------------------------------- */

/* Set this CPU's timer. */
static void set_timer(uint64_t when)
{
    if (alarms != NULL && alarms->when < when)
        when = alarms->when;
    uint64_t now = kernel_now();
    bare_timer_start(when > now ? when - now : 0);
}

static void add_alarm(struct alarm *a)
{
    struct alarm **link = &alarms;
    while (*link != NULL && (*link)->when <= a->when)
        link = &(*link)->next;
    a->next = *link;
    a->set = true;
    *link = a;
}

static void remove_alarm(struct alarm *a)
{
    struct alarm **link = &alarms;
    while (*link != a)
        link = &(*link)->next;
    *link = a->next;
    a->set = false;
}

void kernel_alarm(struct alarm *a)
{
    uintptr_t before = kernel_lock();
    add_alarm(a);
    if (alarms == a)
        set_timer(this_cpu()->slice_end);
    kernel_unlock(before);
}

/* Handlers run without the lock, so that they may do what threads may; interrupts stay off. */
static void ring_alarms(void)
{
    uintptr_t before = kernel_lock();
    for (struct alarm *a; (a = alarms) != NULL && a->when <= kernel_now();) {
        void (*ring)(void *) = a->ring;
        void *argument = a->argument;
        remove_alarm(a);
        kernel_unlock(0);
        ring(argument);
        kernel_lock();
    }
    kernel_unlock(before);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void append(struct thread *thread)
{
    thread->next = NULL;
    *ready_end = thread;
    ready_end = &thread->next;
}

static void wake_a_cpu(void)
{
    for (unsigned i = 0; i < KERNEL_CPUS; i++) {
        if (cpus[i].asleep) {
            cpus[i].asleep = false;
            bare_ipi(i);
            return;
        }
    }
}

/* Give the CPU to the first thread that is ready, or idle. */
static void schedule(void)
{
    struct cpu *here = this_cpu();
    struct thread *from = here->current, *to = &here->idle;
    if (ready != NULL) {
        to = ready;
        ready = to->next;
        if (ready == NULL)
            ready_end = &ready;
        here->slice_end = kernel_now() + KERNEL_TICK;
        set_timer(here->slice_end);
    }
    here->current = to;
    /* The lock goes along to whoever runs next. This thread may come back on another CPU. */
    if (to != from)
        kernel_switch(&from->stack_pointer, to->stack_pointer);
}

void kernel_ready(struct thread *thread)
{
    if (!thread->blocked)
        return;
    thread->blocked = false;
    append(thread);
    wake_a_cpu();
}

static void expire(void *argument)
{
    struct thread *thread = argument;
    uintptr_t before = kernel_lock();
    /* It may have been woken meanwhile, and even be blocked again until another deadline. */
    if (thread->blocked && thread->deadline.when <= kernel_now()) {
        thread->expired = true;
        kernel_ready(thread);
    }
    kernel_unlock(before);
}

bool kernel_block(uint64_t deadline)
{
    struct thread *self = this_cpu()->current;
    self->deadline.when = deadline;
    if (deadline <= kernel_now())
        return false;
    if (deadline != KERNEL_FOREVER)
        add_alarm(&self->deadline); /* schedule sees to the timer */
    self->blocked = true;
    self->expired = false;
    schedule();
    if (self->deadline.set)
        remove_alarm(&self->deadline);
    return !self->expired;
}

/* Where kernel_switch goes to the first time. */
static void enter(void)
{
    kernel_unlock(1);
    struct thread *self = kernel_self();
    self->run(self->argument);
    kernel_lock();
    schedule(); /* it is in no queue: this does not return */
}

void kernel_start(void (*run)(void *), void *argument)
{
    uintptr_t before = kernel_lock();
    if (started == THREADS)
        bare_on_fault("too many threads", 0);
    struct thread *t = &threads[started];
    t->run = run;
    t->argument = argument;
    t->deadline.ring = expire;
    t->deadline.argument = t;
    t->stack_pointer = kernel_new_frame(stacks[started] + STACK, enter);
    started++;
    append(t);
    wake_a_cpu();
    kernel_unlock(before);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

void bare_on_timer(void)
{
    ring_alarms();
    kernel_lock();
    struct cpu *here = this_cpu();
    if (here->current == &here->idle) {
        /* it looks at the queue when this has returned */
    } else if (kernel_now() < here->slice_end) {
        set_timer(here->slice_end);
    } else {
        append(here->current);
        schedule();
    }
    kernel_unlock(0);
    kernel_leave_handler();
}

/* Another CPU has found this one asleep. That it is awake is all that was wanted. */
void bare_on_ipi(void)
{
}

void bare_on_fault(const char *what, uintptr_t pc)
{
    char text[] = ": FAULT at 0x0000000000000000\n";
    for (unsigned i = 0; i < 16; i++)
        text[sizeof text - 3 - i] = "0123456789abcdef"[pc >> 4 * i & 15];
    kernel_print(what);
    kernel_print(text);
    bare_exit(1);
}

/* ---- idle ------------------------------------------------------------------------------------ */

/* No thread is ready, no CPU is awake to make one ready, and no alarm will ring. */
static bool is_the_end(void)
{
    for (unsigned i = 0; i < KERNEL_CPUS; i++)
        if (!cpus[i].asleep)
            return false;
    return alarms == NULL;
}

/*
 * Interrupts are off from the look at the queue to WFI, which ends when one is pending nonetheless:
 * an interrupt that comes in between is not lost. It is taken once WFI is over.
 */
static _Noreturn void idle(struct cpu *here)
{
    kernel_lock();
    for (;;) {
        if (ready != NULL) {
            schedule();
            continue;
        }
        here->asleep = true;
        if (is_the_end())
            break;
        set_timer(kernel_now() + HOUR);
        here->asleep_since = kernel_now();
        kernel_unlock(0);
        __asm__ volatile("wfi" ::: "memory");
        uint64_t woken = kernel_now();
        kernel_lock();
        here->idle_ns += woken - here->asleep_since;
        here->asleep_since = 0;
        here->asleep = false;
        kernel_unlock(1); /* the interrupt's handler runs here */
        kernel_lock();
    }
    kernel_print("deadlock: every thread is blocked, and no alarm is set\n");
    bare_exit(1);
}

uint64_t kernel_idle_ns(unsigned cpu)
{
    uintptr_t before = kernel_lock();
    uint64_t ns = cpus[cpu].idle_ns;
    if (cpus[cpu].asleep_since != 0)
        ns += kernel_now() - cpus[cpu].asleep_since;
    kernel_unlock(before);
    return ns;
}

/* ---- start and end --------------------------------------------------------------------------- */

void bare_enter(unsigned cpu)
{
    while (cpu >= KERNEL_CPUS) /* the board has more */
        __asm__ volatile("wfi");
    if (cpu == 0)
        bare_machine_init();
    bare_cpu_init();
    cpus[cpu].current = &cpus[cpu].idle;
    if (cpu == 0) {
        kernel_start(program, NULL);
        for (unsigned i = 1; i < KERNEL_CPUS; i++)
            bare_cpu_start(i);
    }
    idle(&cpus[cpu]);
}

void kernel_print(const char *text)
{
    static atomic_uint printing;
    uintptr_t before = bare_mask();
    while (atomic_exchange_explicit(&printing, 1, memory_order_acquire))
        bare_relax();
    for (; *text != '\0'; text++)
        bare_put(*text);
    atomic_store_explicit(&printing, 0, memory_order_release);
    bare_unmask(before);
}

uintptr_t kernel_mask(void)
{
    return bare_mask();
}

void kernel_unmask(uintptr_t before)
{
    bare_unmask(before);
}

void kernel_exit(int status)
{
    bare_exit(status);
}
