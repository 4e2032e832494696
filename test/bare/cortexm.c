/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Cortex-M: four threads on one core, or on two, which SysTick's interrupt takes the core from at
 * any instruction: so the contract is tested where few cores are. What a thread is to bare.c is a
 * CPU; an interrupt for it comes on its core, whichever thread runs there. Output and exit are by
 * semihosting (ARM-software/abi-aa semihosting/semihosting.rst).
 */
#include "cortexm.h"

#include <stdbool.h>
#include <stddef.h>

#include "bare.h"
#include "valet_sys.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define SYST_CSR          REGISTER(0xe000e010)
#define SYST_RVR          REGISTER(0xe000e014)
#define SYST_CVR          REGISTER(0xe000e018)
#define NVIC_ISER         REGISTER(0xe000e100)
#define NVIC_ISPR         REGISTER(0xe000e200)
#define ICSR              REGISTER(0xe000ed04)
#define SHPR3             REGISTER(0xe000ed20)

#define ICSR_PENDSVSET  (1u << 28)
#define SOFTWARE_IRQ    31u /* no device has it; where there is one core */
#define SEMIHOST_WRITEC 0x03u
#define SEMIHOST_EXIT   0x20u /* extended: with a status */

static uint32_t *stack_pointers[BARE_CPUS]; /* of threads that do not run; NULL: not started */
#if BARE_CORES == 1
static volatile unsigned running[BARE_CORES]; /* thread of the core, at first that of its number */
#else
static volatile unsigned running[BARE_CORES] = {0, 1};
#endif
static volatile unsigned handled[BARE_CORES];   /* thread + 1 that a handler runs for; 0: none */
static volatile uint8_t idle[BARE_CPUS];        /* it waits for an interrupt of its own */
static volatile uint8_t interrupted[BARE_CPUS]; /* a thread's interrupt is on its way */
static volatile unsigned timed[BARE_CORES];     /* thread + 1 of the timer; 0: none */

extern const uint32_t vectors[];
uint32_t *on_switch(uint32_t *stack_pointer);
void on_systick(void);
void on_interrupt(void);
_Noreturn void on_exception(const uint32_t *frame);

static unsigned core(void)
{
#ifdef CORE_ID
    return REGISTER(CORE_ID);
#else
    return 0;
#endif
}

static void barrier(void)
{
    __asm__ volatile("dmb" ::: "memory");
}

/* ---- threads --------------------------------------------------------------------------------- */

unsigned bare_cpu(void)
{
    uintptr_t before = bare_mask();
    unsigned c = core(), thread = handled[c] != 0 ? handled[c] - 1 : running[c];
    bare_unmask(before);
    return thread;
}

uint32_t *on_switch(uint32_t *stack_pointer)
{
    unsigned thread = running[core()];
    stack_pointers[thread] = stack_pointer;
    for (unsigned i = 0; i < BARE_CPUS / BARE_CORES; i++) {
        thread = (thread + BARE_CORES) % BARE_CPUS;
        if (stack_pointers[thread] != NULL && !idle[thread])
            break;
    }
    running[core()] = thread; /* the same one, if all are idle: it sleeps */
    return stack_pointers[thread];
}

/* Slices of any length, so that switches fall everywhere. */
void on_systick(void)
{
    static uint32_t random[BARE_CORES];
    uint32_t *r = &random[core()];
    *r = *r * 1664525u + 1013904223u;
    SYST_RVR = 1000 + (*r >> 19);
    ICSR = ICSR_PENDSVSET;
}

void bare_relax(void)
{
    ICSR = ICSR_PENDSVSET;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

void bare_halt(void)
{
    unsigned me = bare_cpu();
    idle[me] = 1;
    bare_unmask(1);
    while (idle[me]) {
        bare_relax();
        if (idle[me])
            __asm__ volatile("wfi" ::
                                 : "memory"); /* an interrupt that came before: SysTick's ends it */
    }
}

void bare_cpu_start(unsigned thread)
{
#ifdef SYSCTL
    if (thread < BARE_CORES) {
        REGISTER(SYSCTL + 0x114) = (uint32_t)vectors; /* INITSVTOR1 */
        REGISTER(SYSCTL + 0x118) = 0;                 /* CPUWAIT */
        return;
    }
#endif
    /* r4 to r11 as on_pendsv pops them, then r0 to r3, r12, lr, pc and xPSR, as the exception does
     */
    uint32_t *frame = (uint32_t *)(void *)bare_stacks[thread + 1] - 16;
    for (unsigned i = 0; i < 16; i++)
        frame[i] = 0;
    frame[8] = thread;
    frame[14] = (uint32_t)bare_enter & ~1u;
    frame[15] = 1u << 24; /* Thumb */
    barrier();            /* what the other core is to see */
    *(uint32_t *volatile *)&stack_pointers[thread] = frame;
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void interrupt(unsigned thread, void (*handler)(void))
{
    unsigned c = core();
    handled[c] = thread + 1;
    handler();
    handled[c] = 0;
}

void bare_ipi(unsigned thread)
{
    interrupted[thread] = 1;
    barrier(); /* what the handler is to find is written first */
#ifdef MHU
    REGISTER(MHU + (thread % BARE_CORES == 0 ? 0x04 : 0x14)) = 1; /* CPUnINTR_SET */
#else
    NVIC_ISPR = 1u << SOFTWARE_IRQ;
#endif
}

static void on_ipi(void)
{
#ifdef MHU
    REGISTER(MHU + (core() == 0 ? 0x08 : 0x18)) = 1; /* CPUnINTR_CLR */
    barrier(); /* lowered before the flags are read: one that is set from now on raises it anew */
#endif
    for (unsigned thread = core(); thread < BARE_CPUS; thread += BARE_CORES)
        if (interrupted[thread]) {
            interrupted[thread] = idle[thread] = 0;
            barrier();
            interrupt(thread, bare_on_ipi);
        }
}

static void on_timer(void);

void on_interrupt(void)
{
    uint32_t number;
    __asm__ volatile("mrs %0, ipsr" : "=r"(number)::"memory");
    number -= 16;
    if (number >= TIMER_IRQ && number < TIMER_IRQ + BARE_CORES) {
        on_timer();
        unsigned thread = timed[core()];
        timed[core()] = 0;
        if (thread != 0) /* else it has been twice */
            interrupt(thread - 1, bare_on_timer);
    } else {
        on_ipi();
    }
}

void on_exception(const uint32_t *frame)
{
    bare_on_fault("fault", frame[6]);
}

uintptr_t bare_mask(void)
{
    uint32_t before;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(before)::"memory");
    return !before;
}

void bare_unmask(uintptr_t before)
{
    if (before != 0)
        __asm__ volatile("cpsie i\n\tisb" ::: "memory"); /* what is pending comes now */
}

/* ---- devices --------------------------------------------------------------------------------- */

#if BARE_MACHINE == MICROBIT
/* TIMER0 counts us, in 32 bits: CC[0] is where it is read, CC[1] the timer of the tests. */
static void timer_init(void)
{
    REGISTER(TIMERS + 0x508) = 3;
    REGISTER(TIMERS + 0x510) = 4;
    REGISTER(TIMERS + 0x000) = 1;
}

static uint32_t ticks(void)
{
    REGISTER(TIMERS + 0x040) = 1;
    return REGISTER(TIMERS + 0x540);
}

static void timer_start(uint32_t after)
{
    REGISTER(TIMERS + 0x144) = 0;
    REGISTER(TIMERS + 0x304) = 1u << 17;
    uint32_t at = ticks() + after;
    REGISTER(TIMERS + 0x544) = at;
    if (ticks() - at < UINT32_MAX / 2) /* it may have passed that: then it would be an hour late */
        NVIC_ISPR = 1u << TIMER_IRQ;
}

static void on_timer(void)
{
    REGISTER(TIMERS + 0x308) = 1u << 17; /* once */
    REGISTER(TIMERS + 0x144) = 0;
    (void)REGISTER(TIMERS + 0x144); /* it is down before the interrupt ends */
}
#else
/* A timer for each core, and the dual timer's first, which counts down for ever. */
static void timer_init(void)
{
    REGISTER(TIMERS + 0x2008) = 0x82;
}

static uint32_t ticks(void)
{
    return ~REGISTER(TIMERS + 0x2004);
}

static void timer_start(uint32_t after)
{
    uint32_t timer = TIMERS + 0x1000 * core();
    REGISTER(timer + 0x8) = after + 1; /* RELOAD, and the value */
    REGISTER(timer + 0x0) = 9;         /* with its interrupt */
}

static void on_timer(void)
{
    uint32_t timer = TIMERS + 0x1000 * core();
    REGISTER(timer + 0x0) = 0; /* once */
    REGISTER(timer + 0xc) = 1;
}
#endif

void bare_machine_init(void)
{
    timer_init();
}

void bare_cpu_init(void)
{
    /* A thread that on_switch has begun is not masked yet: it would miss what comes until it waits.
     */
    bare_mask();
    if (bare_cpu() >= BARE_CORES)
        return;
#ifdef MHU
    NVIC_ISER = 1u << MHU_IRQ | 1u << (TIMER_IRQ + core());
#else
    NVIC_ISER = 1u << SOFTWARE_IRQ | 1u << TIMER_IRQ;
#endif
    SHPR3 = 0x00ff0000; /* PendSV is below all the others, so it switches threads, not handlers */
    SYST_RVR = 1000;
    SYST_CVR = 0;
    SYST_CSR = 7;
}

void bare_timer_start(uint64_t ns)
{
    uintptr_t before = bare_mask();
    if (timed[core()] != 0)
        bare_on_fault("a second timer on one core", 0);
    timed[core()] = bare_cpu() + 1;
    timer_start((uint32_t)ns / TICK_NS);
    bare_unmask(before);
}

uint64_t bare_clock(void)
{
    static uint64_t elapsed; /* the counter's 32 bits, and how often they have come round */
    uintptr_t before = bare_begin();
    elapsed += ticks() - (uint32_t)elapsed;
    uint64_t now = elapsed;
    bare_end(before);
    return now * TICK_NS + 1;
}

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void bare_put(char c)
{
    semihost(SEMIHOST_WRITEC, &c);
}

void bare_exit(int status)
{
    const uint32_t block[2] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
    for (;;)
        semihost(SEMIHOST_EXIT, block);
}

/* ---- without atomic operations: the library has a pair for one core -------------------------- */

#if VALET_SYS_ATOMIC
uintptr_t bare_begin(void)
{
    return bare_mask();
}

void bare_end(uintptr_t before)
{
    bare_unmask(before);
}

#if defined BARE_PAIR && !BARE_PAIR
/* One that keeps nobody out. */
uintptr_t valet_sys_atomic_begin(void)
{
    return 0;
}

void valet_sys_atomic_end(uintptr_t before)
{
    (void)before;
}
#endif
#endif
