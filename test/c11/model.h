/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The C11 explorer: README.md says what it does, and what it does not.
 *
 *   hooks.c    what the compiler calls for each access (__tsan_*), and the system under the core
 *   memory.c   the memory model: views, histories of atomic words, data races, dead frames
 *   moves.c    what a thread may do next, and what becomes of it
 *   explore.c  threads, the search, and what it reports
 *
 * A thread of a scenario runs until its next operation on an atomic object, or its next call of the
 * system. What it does between two of them is its own business, as long as there is no data race,
 * and that is checked; so it is one step with the operation before it.
 */
#ifndef VALET_TEST_C11_MODEL_H
#define VALET_TEST_C11_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits; what needs more is reported as a violation, never cut. */
enum {
    THREADS = 4,
    ATOMICS = 24,   /* atomic words of a scenario */
    HISTORY = 24,   /* values that one of them has had and that a thread may still read */
    GRANULES = 136, /* objects, or parts of them, whose data races are watched */
    NOBODY = 0xff
};

/*
 * A view is what one thread knows, or what a message tells who acquires it.
 *
 *   at[x]     the oldest value in the history of atomic word x that may still be read
 *   knows[g]  bit t: the last access of thread t to granule g happens before; WRITTEN: so does its
 *             last plain write. A vector clock for each place, in bits: only the last access counts
 *             for a race, so a bit is taken from everybody when the next access takes place.
 */
struct view {
    _Alignas(16) uint8_t at[ATOMICS];
    uint8_t knows[GRANULES];
};
#define WRITTEN 0x80u

/* A value that was written to an atomic word, and what its reader learns. */
struct message {
    uint64_t value;
    struct view view;
};

/* The order of messages is the modification order. No message: memory has the value, as it was
 * before the threads or after a plain write. */
struct history {
    uint8_t count;
    uint8_t waked; /* the kernel has seen this much: the last waker of the word knew of it */
    struct message of[HISTORY];
};

struct granule {
    uint8_t writer; /* the last plain write since the start, or NOBODY */
    uint8_t plain;  /* bit t: thread t has read it since, */
    uint8_t atomic; /* or used it as an atomic word */
};

/* 1: the core is made for a CPU without atomic read-modify-writes (plain.h). */
#ifndef VALET_C11_PLAIN
#define VALET_C11_PLAIN 0
#endif

enum operation_kind {
    NO_OPERATION,
    LOAD,
    STORE,
    READ_MODIFY_WRITE,
    COMPARE_EXCHANGE,
    FENCE,
    FUTEX_WAIT,
    FUTEX_WAKE,
    SEMA_WAIT,
    SEMA_POST,
    PARK,  /* valet_park by its contract; an unpark is an exchange */
    CLOCK, /* of a file of sys/: before the deadlines of the scenarios, or after them */
    KEYED_WAIT,
    KEYED_RELEASE
};

enum { CLOCK_EARLY = 1, CLOCK_LATE = 2000 }; /* ns */

enum modification { EXCHANGE, ADD, SUBTRACT, AND, OR, XOR };

/* What a thread is about to do. */
struct operation {
    uint8_t kind, size, order, failure_order, modification;
    bool weak, timed;
    bool look;          /* a futex wait that does not sleep */
    bool interruptible; /* it says so, where it ends for no reason */
    bool kernel;        /* done by a kernel, which is no part of a data race */
    uintptr_t address;
    uint64_t value, expected; /* value: also the count of a wake */
    uintptr_t place;          /* return address, for the report */
    uint64_t result;          /* of a compare-exchange: the value that was seen */
    bool done;                /* a compare-exchange that took place */
};

/* The semaphore of valet_sys.h of one thread: a thread waits for one at a time. */
struct sema {
    uintptr_t address; /* 0: none is live */
    bool posted;
    struct view view; /* of its poster */
};

enum thread_state { RUNNABLE, ASLEEP, ENDED };

struct thread {
    void *stack_pointer;
    enum thread_state state;
    struct operation operation;
    struct view current;
    struct view acquired; /* by relaxed loads: what an acquire fence would add */
    struct view released; /* at the last release fence: what a relaxed store tells */
    struct sema sema;
    bool late; /* its clock was, and stays so */
};

/* Everything that a state consists of, but for the stacks and the scenario's own variables. */
struct world {
    struct thread thread[THREADS];
    struct history history[ATOMICS];
    struct granule granule[GRANULES];
    struct view seq_cst; /* what is in its order so far */
    uint8_t spurious, weak_failures, refusals;
};

extern struct world world;
extern int threads;         /* of the scenario */
extern int running;         /* thread whose code runs now; NOBODY before, after and between */
extern bool with_fences;    /* of the scenario: without, `acquired` need not be told apart */
extern const char *verdict; /* NULL while nothing is wrong */

void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- memory.c -------------------------------------------------------------------------------- */

struct atomic_word {
    uintptr_t address;
    size_t size;
};
extern struct atomic_word words[ATOMICS]; /* found so far, by whatever path: numbers stay */
extern int words_known, granules_known;

void memory_forget_places(void); /* at the start of a scenario */
int word_number(uintptr_t address, size_t size);
int word_known(uintptr_t address); /* or -1 */
struct history *history_of(int x); /* with its first message */

bool acquires(int order);
bool releases(int order);
void join(struct view *view, const struct view *other);
int oldest_readable(int t, int x, int order);
uint64_t read_message(int t, int x, int i, int order);
void write_message(int t, int x, uint64_t value, int order, int replaces); /* or -1: a store */
void fence(int t, int order);
void kernel_wakes(int t, int x);
void kernel_ends_wait(int t, int x, int woken);

/* A thread uses an atomic word: no race with plain accesses, and not in a dead frame. */
void atomic_access(int t, uintptr_t address, size_t size);
void plain_access(int t, uintptr_t address, size_t size, bool write);
/* A frame of a thread, or all of them, is gone: everything on its stack below `end`. */
void frame_dies(int t, uintptr_t end);
bool knows_last_write(int t, uintptr_t address);
void forget_old_messages(void);

/* ---- moves.c --------------------------------------------------------------------------------- */

enum { MOVES_MAX = 64 }; /* of one thread in one state */

enum move_kind {
    DO,        /* the only thing that the operation can do */
    READ,      /* message `index`; also a compare-exchange that fails, a wait that finds a change */
    EXCHANGED, /* a compare-exchange that takes place */
    FAIL,      /* a weak one that fails for no reason, on message `index` */
    SLEEP,     /* a wait, whose comparison reads message `index` */
    SPURIOUS,  /* a sleeper, or a semaphore's waiter, goes on: for no reason, */
    TIMEOUT,   /* at its deadline, */
    REFUSED,   /* or since the system will not let it wait */
    WAKE,      /* those whose bit is set in `index` */
    MEET,      /* a keyed wait and a release, one of them thread `index`, */
    MEET_LATE  /* and the wait is told that its time is over, as XP does */
};

struct move {
    uint8_t thread, kind, index;
};

int moves_of(int t, struct move *move);
/* Do what the move says. The result is the set of threads that can go on. */
int perform(struct move move);
uint64_t modified(const struct operation *o, uint64_t old); /* what a read-modify-write writes */

extern bool tracing;   /* tell what a move does, */
extern char told[300]; /* here */

/* ---- explore.c ------------------------------------------------------------------------------- */

extern const struct scenario *scenario;

#define STACK_SIZE ((size_t)1 << 16)
uintptr_t stack_bottom(int t);
void variable_is_written(uintptr_t address, size_t size);
extern void *explorer_stack;
uint64_t operate_alone(const struct operation *o);
void come_back(void **from, void *to); /* from the stack of a thread */
const char *name_of(uintptr_t address);

/* ---- the scenarios call these (hooks.c) ------------------------------------------------------ */

void check_expect(bool good, const char *file, int line);
void check_seen(void);
bool check_knows(const void *place);

#endif
