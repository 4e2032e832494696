/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo for a board: two Cortex-M33 without a system. The interrupts of two timers produce
 * samples, one for the thread on each core, which consumes them and is parked meanwhile: the core
 * waits for an event (WFE). The handler of core 0 feeds core 1, and the other way round, so each
 * unpark is one from an interrupt handler to another core. At the end core 0 prints what came, and
 * which share of the time each core was idle: parked, and not in a handler.
 *
 * Start-up code, addresses and linker script are those of test/bare.
 */
#include "cortexm.h"

#include <stdatomic.h>
#include <stdint.h>

#include "bare.h"
#include "valet.h"
#include "valet_sys.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define SAMPLES           500u
#define RING              16u

unsigned char bare_stacks[BARE_CPUS][BARE_STACK] __attribute__((aligned(BARE_STACK)));

/* One producer, one consumer. */
static struct consumer {
    struct valet_parker parker;
    atomic_uint head, tail; /* how many were put in, and taken out */
    uint32_t ring[RING];
    uint32_t lost; /* the handler's */
    uint32_t taken, sum, parks;
    uint64_t parked, total; /* ns */
} consumers[2];

static uint64_t in_handlers[2]; /* ns, of each core; its own */
static struct valet_parker finished = VALET_PARKER_INIT;

static unsigned core(void)
{
    return REGISTER(CORE_ID);
}

/* The clock: the dual timer's first counter, 32 bits at 20 MHz, which last for 200 s. */
uint64_t valet_sys_now(void)
{
    return (uint64_t)~REGISTER(TIMERS + 0x2004) * TICK_NS + 1;
}

/* ---- producers: interrupt handlers ----------------------------------------------------------- */

void on_interrupt(void)
{
    uint64_t start = valet_sys_now();
    unsigned c = core();
    REGISTER(TIMERS + 0x1000 * c + 0xc) = 1;
    struct consumer *other = &consumers[1 - c];
    unsigned head = atomic_load_explicit(&other->head, memory_order_relaxed);
    if (head - atomic_load_explicit(&other->tail, memory_order_acquire) < RING) {
        other->ring[head % RING] = head + 1;
        atomic_store_explicit(&other->head, head + 1, memory_order_release);
        valet_unpark(&other->parker);
    } else {
        other->lost++;
    }
    if (head + 1 == SAMPLES)
        REGISTER(TIMERS + 0x1000 * c) = 0;
    in_handlers[c] += valet_sys_now() - start;
}

/* ---- consumers: the thread of each core ------------------------------------------------------ */

static void consume(struct consumer *me)
{
    while (me->taken < SAMPLES) {
        unsigned tail = atomic_load_explicit(&me->tail, memory_order_relaxed);
        if (tail == atomic_load_explicit(&me->head, memory_order_acquire)) {
            uint64_t start = valet_sys_now();
            (void)!valet_park(&me->parker);
            me->parked += valet_sys_now() - start;
            me->parks++;
            continue;
        }
        me->sum += me->ring[tail % RING];
        me->taken++;
        atomic_store_explicit(&me->tail, tail + 1, memory_order_release);
    }
}

/* ---- output, by semihosting ------------------------------------------------------------------ */

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char *text)
{
    semihost(0x04, text); /* SYS_WRITE0 */
}

static void print_number(uint32_t n)
{
    char digits[11], *at = &digits[10];
    *at = '\0';
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    print(at);
}

static _Noreturn void end(uint32_t status)
{
    const uint32_t block[2] = {0x20026, status}; /* ADP_Stopped_ApplicationExit */
    for (;;)
        semihost(0x20, block); /* SYS_EXIT_EXTENDED */
}

static uint32_t report(unsigned c)
{
    struct consumer *me = &consumers[c];
    print("core ");
    print_number(c);
    print(": ");
    print_number(me->taken);
    print(" samples, ");
    print_number(me->lost);
    print(" lost, ");
    print_number(me->parks);
    print(" parks, idle ");
    uint64_t idle = me->parked > in_handlers[c] ? me->parked - in_handlers[c] : 0;
    print_number((uint32_t)(idle >> 10) / ((uint32_t)(me->total >> 10) / 100 + 1));
    print(" % of the time\n");
    return me->sum != SAMPLES * (SAMPLES + 1) / 2;
}

/* ---- start ----------------------------------------------------------------------------------- */

void bare_enter(unsigned c)
{
    extern const uint32_t vectors[];
    if (c == 0) {
        REGISTER(TIMERS + 0x2008) = 0x82;             /* the clock */
        REGISTER(SYSCTL + 0x114) = (uint32_t)vectors; /* INITSVTOR1 */
        REGISTER(SYSCTL + 0x118) = 0;                 /* CPUWAIT: core 1 starts */
    }
    REGISTER(0xe000e100) = 1u << (TIMER_IRQ + c); /* NVIC_ISER: of each core its own timer */
    __asm__ volatile("cpsie i" ::: "memory");
    uint64_t start = valet_sys_now();
    REGISTER(TIMERS + 0x1000 * c + 0x8) = c == 0 ? 40000 : 34000; /* 2 ms, 1.7 ms */
    REGISTER(TIMERS + 0x1000 * c) = 9;
    consume(&consumers[c]);
    consumers[c].total = valet_sys_now() - start;
    if (c != 0) {
        valet_unpark(&finished);
        for (;;)
            __asm__ volatile("wfi");
    }
    (void)!valet_park(&finished);
    end(report(0) | report(1));
}

/* Neither is used: no other exception is on. */
uint32_t *on_switch(uint32_t *stack_pointer);
uint32_t *on_switch(uint32_t *stack_pointer)
{
    return stack_pointer;
}

void on_systick(void);
void on_systick(void)
{
}

_Noreturn void on_exception(const uint32_t *frame);
void on_exception(const uint32_t *frame)
{
    (void)frame;
    print("fault\n");
    end(1);
}
