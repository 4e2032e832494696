/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Between the checker and the models of kernels: read this to write a test/model/kernel_<system>.c.
 *
 * The checker steps the machine code of the library, every thread at every interleaving. Where a
 * thread reaches a trap instruction, or a function that the image imports, it asks the model of the
 * kernel what happens. A model is two functions over a few plain bytes:
 *
 *   call     a thread enters the kernel: check every argument, then answer, or put it to sleep
 *   resume   a thread that is inside the kernel goes on, for a given reason
 *
 * Each must end in exactly one of these for the thread `c->thread`:
 *
 *   model_return, model_return2, model_error   back to user code, with a result
 *   model_sleep                                asleep until an event
 *   model_step                                 still on its way inside the kernel: other threads
 *                                              may run first, then resume is called with MODEL_STEP
 *   model_refuse                               (resume only) this event cannot happen here
 *   model_violation                            the caller broke a rule that has no errno, or is
 *                                              killed: the search ends and prints the schedule
 *
 * A call is one atomic step, apart from model_step. Where the kernel may do one thing or another,
 * ask model_choose: the checker explores all answers (it runs the function again for each, from the
 * same state, so keep nothing in static variables). All state that matters lives in the model's
 * state, in struct model_sleep, or in guest memory: these are copied, compared and hashed as bytes,
 * so clear what is no longer used, and never store a host pointer, a counter that only grows, or a
 * sequence number.
 *
 * Strict and true: what no correct backend passes (a wrong size, a sign-extended value, a missing
 * flag) is model_mistake, which fails the test in the checker; then answer as the kernel does
 * anyway, because the honesty test (honest.c) feeds the same function wrong arguments on purpose
 * and compares with the real kernel. Not a mistake: an address that is not mapped (a scenario does
 * that), a wake for a dead address.
 *
 * Write a model from the kernel's source (named at its head), not from the backend. Where versions
 * differ, export one model for each, from one file: MODEL(openbsd_65) = {...}; MODEL(openbsd) = ...
 */
#ifndef VALET_TEST_MODEL_H
#define VALET_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS 4
#define MODEL_ARGS    8
#define MODEL_STATE   256        /* the most bytes of state a model may have */
#define MODEL_NEVER   UINT64_MAX /* a deadline */

enum model_cpu {
    MODEL_X86_64,
    MODEL_AARCH64,
    MODEL_RISCV64,
    MODEL_X86,     /* 32 bits */
    MODEL_ARM,     /* 32 bits, Thumb */
    MODEL_RISCV32, /* 32 bits */
    MODEL_CPUS
};

/* Why a thread goes on inside the kernel. */
enum model_event {
    MODEL_WOKEN,    /* some thread's call has woken it: model_wake, model_wake_thread */
    MODEL_STEP,     /* it is its turn after model_step */
    MODEL_TIMEOUT,  /* its deadline has come: the clock has been moved there if it was earlier */
    MODEL_EARLY,    /* a timer of this kernel fires too early: the clock is before the deadline */
    MODEL_SIGNAL,   /* a signal handler runs: EINTR, a restart, ... */
    MODEL_SPURIOUS, /* no reason at all */
};

/*
 * A thread inside the kernel. Zero, but for deadline == MODEL_NEVER, while it is in user code.
 * model_sleep and model_step set the first two; `note` and `stage` are the model's own and are kept
 * until the thread returns.
 */
struct model_sleep {
    uint64_t key;      /* the queue it is on: an address, an id; 0 if none */
    uint64_t deadline; /* by the model's clock; MODEL_NEVER: none */
    uint64_t wall;     /* by the wall clock, where the kernel follows that; else 0. The deadline is
                          kept to it when the clock is set */
    uint64_t note[4];
    uint32_t stage;
    uint32_t inside; /* the checker's */
};

struct model;
struct kernel; /* the checker's */

/* One call of one thread: filled in by the checker, also for resume (the registers are still the
 * caller's then). */
struct model_call {
    const struct model *model;
    struct kernel *kernel;
    enum model_cpu cpu;
    int thread;         /* 0 to threads - 1 */
    int threads;        /* how many threads this scenario has */
    const char *symbol; /* the imported function's name; NULL: a trap */
    uint64_t number;    /* of the system call, the whole register; for a symbol: its index */
    uint64_t svc;       /* the immediate of svc; elsewhere 0 */
    /*
     * Whole registers: cut to the C type as the kernel does (an int arrives as the low half, and
     * what is above is not the caller's mistake unless the kernel takes 64 bits). x86_64 has six in
     * registers; args[6] and args[7] are then the words at sp + 8 and sp + 16, where a seventh
     * argument lies both for C functions and for NetBSD's traps. On a CPU of 32 bits, zeros above.
     */
    uint64_t args[MODEL_ARGS];
    uint64_t pc; /* of the trap instruction, or of the symbol */
    uint64_t sp;
    void *state;               /* the model's bytes, all zero at the start (but see model.start) */
    struct model_sleep *sleep; /* of this thread */
};

/* ---- how a call comes in and goes out -------------------------------------------------------- */

/* How an error is told. */
enum model_error_form {
    MODEL_NEGATIVE, /* -errno in the result register */
    MODEL_FLAG,     /* errno in the result register; carry set (riscv64: t0 is 1, else 0) */
    MODEL_RETURN12, /* NetBSD/riscv64: success resumes at ecall + 12, an error at ecall + 4 */
};

/*
 * Registers have the CPU's own numbers: x86_64 rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6,
 * rdi 7, r8 to r15; aarch64 x0 to x30; riscv64 x0 to x31 (ra 1, sp 2, t0 5, a0 10 to a7 17, t6 31);
 * x86 and riscv32 as these; arm r0 to r14.
 */
#define MODEL_R(n)      ((uint64_t)1 << (n))
#define MODEL_FLAGS     ((uint64_t)1 << 63) /* the arithmetic flags, in a poison mask */
#define MODEL_IMMEDIATE (-1)                /* the number is the immediate of aarch64's svc */

/* Every register that a C function may destroy, flags included. */
extern const uint64_t model_caller_saved[MODEL_CPUS];

/* The trap instruction: x86_64 syscall, x86 int $0x80, aarch64 and arm svc, riscv ecall. */
struct model_trap {
    bool accepted; /* false: any trap here is a violation (Fuchsia, Windows, ...) */
    int number;    /* register of the number, or MODEL_IMMEDIATE */
    uint32_t svc;  /* the immediate of svc that the kernel wants, unless it is the number */
    unsigned skip; /* bytes after the instruction that the kernel steps over (OpenBSD: 8) */
    enum model_error_form errors;
    uint64_t poison; /* registers lost by the call: filled with rubbish, but for the results */
    uint64_t zero;   /* registers that come back as 0 */
};

/* Functions are called by the C convention; an error is then whatever the model returns. */

/* ---- the model ------------------------------------------------------------------------------- */

struct model {
    const char *name;
    const char *sources; /* where the behaviour was read */
    struct model_trap traps[MODEL_CPUS];
    const char *const *symbols; /* NULL-terminated; functions the image imports; NULL: none */
    size_t state_size;          /* at most MODEL_STATE */
    unsigned events;            /* which of MODEL_EARLY, _SIGNAL, _SPURIOUS a sleeper can meet here:
                                   bits 1u << event. The checker has a small budget of them a run.
                                   MODEL_TIMEOUT comes by itself where there is a deadline */
    bool restarts;              /* a handler with SA_RESTART finds a wait without a time set back to
                                   its trap. (A model may also do so by itself, on MODEL_SIGNAL) */
    void (*start)(void *state, int threads); /* NULL: all zero */
    void (*call)(struct model_call *c);
    void (*resume)(struct model_call *c, enum model_event why);
};

/* Registers a model, without a list of them anywhere: MODEL(linux) = {.name = "linux", ...}; */
#define MODEL(id)                                                                                \
    static const struct model model_##id;                                                        \
    static const struct model *const model_entry_##id __attribute__((section("models"), used)) = \
        &model_##id;                                                                             \
    static const struct model model_##id

/* ---- what a model may ask for ---------------------------------------------------------------- */

/* Answers. A result of a narrower type: sign- or zero-extend it as the kernel does. */
void model_return(struct model_call *c, uint64_t result);
void model_return2(struct model_call *c, uint64_t result, uint64_t second); /* rdx, x1, a1 */
void model_error(struct model_call *c, int error); /* errno, positive; only after a trap */
void model_sleep(struct model_call *c, uint64_t key, uint64_t deadline);
void model_step(struct model_call *c, uint64_t key); /* with a key: a waker can find it already */
void model_refuse(struct model_call *c);
void model_violation(struct model_call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The caller's mistake, as above. Does not end the call: answer it as well. */
void model_mistake(struct model_call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Wake up to count threads whose sleep.key is key, asleep or on a step; any of them, by choice.
 * Each goes through resume(MODEL_WOKEN) at once and must not come to sleep on the same key there.
 * Returns how many.
 */
unsigned model_wake(struct model_call *c, uint64_t key, uint64_t count);

/* Let up to count threads whose sleep.key is key sleep by another key from now on; any of them, by
 * choice. Returns how many. */
unsigned model_move(struct model_call *c, uint64_t key, uint64_t to, uint64_t count);

/* Wake one known thread; false if it is not inside the kernel with this key. */
bool model_wake_thread(struct model_call *c, int thread, uint64_t key);

/* The sleep of any thread. */
struct model_sleep *model_sleep_of(struct model_call *c, int thread);

/* 0 to n - 1, every one of them is explored. `what` is for the printed schedule. */
unsigned model_choose(struct model_call *c, unsigned n, const char *what);

/*
 * The clock, ns, starts above 0. It moves only when a deadline fires, or, where the scenario has a
 * deadline, to that one at any moment: so it has few values. Give it to the guest, in full, as
 * every clock the system has; a relative timeout is model_after(c, ns), which saturates.
 */
uint64_t model_now(struct model_call *c);
uint64_t model_after(struct model_call *c, uint64_t ns);

/*
 * Guest memory, as the kernel reaches it. False: not mapped (or not writable). An argument in the
 * caller's own stack below its stack pointer and red zone is a violation by itself.
 */
bool model_read(struct model_call *c, uint64_t address, void *into, size_t size);
bool model_write(struct model_call *c, uint64_t address, const void *from, size_t size);

static inline bool model_32_bits(enum model_cpu cpu)
{
    return cpu == MODEL_X86 || cpu == MODEL_ARM || cpu == MODEL_RISCV32;
}

/* How far the wall clock is ahead of the other: from some day of 2023 on, and as it is set. */
#define MODEL_WALL UINT64_C(1700000000000000000)
uint64_t model_wall(struct model_call *c);

/* What the first argument of a call asks for: one of these two clocks, by their numbers. */
static inline uint64_t model_clock(struct model_call *c, uint32_t clock, uint32_t wall)
{
    uint64_t now = model_now(c);
    if ((uint32_t)c->args[0] == wall)
        return now + model_wall(c);
    if ((uint32_t)c->args[0] != clock)
        model_violation(c, "clock %u", (uint32_t)c->args[0]);
    return now;
}

/* A deadline of the wall clock, by the other. */
static inline uint64_t model_of_wall(struct model_call *c, uint64_t deadline)
{
    uint64_t ahead = model_wall(c);
    return deadline > ahead ? deadline - ahead : 0;
}

/* clock_gettime(clock, {seconds, ns} *), two numbers of `size` bytes, of these two clocks. */
static inline void model_clock_gettime_of(struct model_call *c, uint32_t clock, uint32_t wall,
                                          size_t size)
{
    uint64_t now = model_clock(c, clock, wall), t[2] = {now / 1000000000u, now % 1000000000u};
    if (size == 4)
        t[0] |= t[1] << 32;
    if (!model_write(c, c->args[1], t, 2 * size)) {
        model_mistake(c, "clock_gettime to an address that is not mapped");
        return model_error(c, 14); /* EFAULT, on every system */
    }
    model_return(c, 0);
}

/* The same of 64-bit kernels. */
static inline void model_clock_gettime(struct model_call *c, uint32_t clock, uint32_t wall)
{
    model_clock_gettime_of(c, clock, wall, 8);
}

/* For the policies of a kernel: whether an address lies in the stack of the calling thread; the
 * bytes of a section of the image (NULL if there is none), and where it lies; the name of the
 * function around an address. */
bool model_on_stack(struct model_call *c, uint64_t address);
const void *model_section(struct model_call *c, const char *name, size_t *size, uint64_t *address);
const char *model_function(struct model_call *c, uint64_t address);

/* 64 bytes of guest memory of the calling thread for the model's use, zero at the start: errno of a
 * libc, a thread control block. */
uint64_t model_scratch(struct model_call *c);

/* This call is none of those that a wait or a wake may make: a number that a kernel may not have,
 * where the caller has another. */
void model_uncounted(struct model_call *c);

/* Whether the scenario has words that processes share; else a call that says so is a mistake. */
bool model_shares(struct model_call *c);

/* Whether the scenario sets the wall clock. In such no wait lacks a deadline, and deadlines count
 * from what the wall clock said. */
bool model_sets_wall(struct model_call *c);

/* Whether a sandbox forbids waiting in this scenario: answer the wait with its error. */
bool model_refused(struct model_call *c);

/* A word for the printed schedule: what this call did. printf-like; the last one counts. */
void model_note(struct model_call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
