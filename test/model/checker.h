/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Inside the checker: what its files share.
 *
 *   image.c    reads the ELF or Mach-O file that holds the library and the scenarios
 *   cpu.c      registers and special instructions of the CPUs, one step by Unicorn
 *   kernel.c   what model.h promises to the models
 *   search.c   the states, breadth first, and what must hold in each
 *   report.c   a schedule, readable
 *   main.c     which scenarios, which order
 */
#ifndef VALET_TEST_CHECKER_H
#define VALET_TEST_CHECKER_H

#include "model.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- image.c --------------------------------------------------------------------------------- */

#define WINDOW      0x40000u /* bytes of address space of the guest: image, then stacks */
#define STACK       2048u
#define STACKS_SIZE (STACK * (MODEL_THREADS + 1)) /* the last one: set-up and end functions */
#define SCRATCH     64u

struct symbol {
    uint64_t address, size;
    char *name; /* without Mach-O's underscore */
};

struct section {
    const char *name;
    uint64_t address;
    size_t size;
    const void *bytes;
};

struct image {
    const char *path;
    enum model_cpu cpu;
    bool macho, wide;       /* wide: 64 bits */
    uint64_t base;          /* of the window */
    uint64_t data, data_to; /* what can be written */
    uint64_t stacks, exit, scratch;
    unsigned red_zone;
    unsigned char *host; /* the window; page-aligned */
    struct symbol *symbols;
    size_t symbols_n;
    struct section sections[64];
    size_t sections_n;
};

void image_load(struct image *image, const char *path);
uint64_t image_address(const struct image *image, const char *name); /* 0: not there */
const struct symbol *image_around(const struct image *image, uint64_t address);
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- the state ------------------------------------------------------------------------------- */

enum { USER, ON_STEP, ASLEEP, WAITING_FOR_EVENT, DONE }; /* sleep.inside */

#define REGS 35

struct thread {
    uint64_t regs[REGS]; /* CPU's own numbers; then SP where that is none of them, PC and flags */
    struct model_sleep sleep;
    uint64_t monitor;      /* granule of the exclusive monitor, 0: clear */
    uint32_t monitor_size; /* bytes that were load-exclusive'd */
    int16_t calls_left;    /* system calls that this API call may still make */
    uint8_t in_api;        /* between check_enter and check_leave: the red zone is alive */
    uint8_t event;         /* Arm's event register */
};

struct world {
    uint64_t clock;
    int64_t wall;   /* by how much the wall clock has been set, ns */
    uint8_t budget; /* injected events left: spurious, signal, early */
    uint8_t woken;  /* by the last call that wakes, where the scenario asks: CANCELS */
    uint8_t pad[6];
    uint64_t model[MODEL_STATE / 8];
    struct thread threads[MODEL_THREADS + 1];
};

struct kernel {
    struct image image;
    const struct model *model;
    int threads;
    bool every_instruction;
    bool sandbox, sema_kind, shares, sets_wall;
    bool cancels;      /* thread 0 is cancelled, at any of its instructions */
    bool stepped;      /* which is the one that runs now */
    uint64_t epoch;    /* how often what is visible has changed */
    uint64_t deadline; /* of the scenario; 0: none */
    int calls_factor;
    struct world w;

    /* one transition */
    char violation[512]; /* empty: none */
    char note[256];
    unsigned picks[16], ways[16];
    unsigned picks_n, picks_at;
    bool answered, refused, woke;
    bool replay; /* take the choices from replay_code, mixed radix, the first one lowest */
    uint32_t replay_code;
    unsigned housekeeping;
    void (*watch)(struct kernel *k, int thread, bool write, uint64_t address, unsigned size);
    bool verbose;
};

#define MODEL_START    1000000000u
#define MODEL_DEADLINE 1000500000u /* scenario.c has the same */
#define MODEL_LATER    1001000000u
#define UNLIMITED      INT16_MAX /* calls_left */

/* ---- cpu.c ----------------------------------------------------------------------------------- */

enum kind {
    PLAIN,
    TRAP,
    IMPORT, /* a function of the model */
    HYPER,  /* a function of the checker: check_* */
    LOAD_EXCLUSIVE,
    STORE_EXCLUSIVE,
    CLEAR_EXCLUSIVE,
    WAIT_EVENT,
    SEND_EVENT,
    SEND_EVENT_LOCAL,
    HINT, /* pause, yield: nothing */
    COUNTER,
    FREQUENCY,
    EXIT,
};

void cpu_open(struct kernel *k);
enum kind cpu_kind(struct kernel *k, uint64_t pc);
void cpu_start(struct kernel *k, int thread, uint64_t entry, uint64_t argument);
/* One instruction, of any kind but TRAP, IMPORT, HYPER, EXIT, and the plain ones after it: as many
 * as the limit has it, to one that `before` is true of, or to a violation. How many there were. */
int cpu_run(struct kernel *k, int thread, int limit, bool (*before)(struct kernel *k, uint64_t pc));
void cpu_fail_store(struct kernel *k, int thread);
uint64_t cpu_pc(const struct kernel *k, int thread);
uint64_t cpu_sp(const struct kernel *k, int thread);
void cpu_go_to(struct kernel *k, int thread, uint64_t pc);
int cpu_registers(const struct kernel *k);
void cpu_call_in(struct kernel *k, struct model_call *c); /* decode the call at the PC */
void cpu_call_out(struct kernel *k, struct model_call *c, bool error, uint64_t result,
                  const uint64_t *second);
uint64_t cpu_argument(const struct kernel *k, int thread, int i);
void cpu_return(struct kernel *k, int thread, uint64_t result); /* from a C function */
void cpu_touch(struct kernel *k, int thread, bool write, uint64_t address, unsigned size);

/* ---- kernel.c -------------------------------------------------------------------------------- */

void kernel_enter(struct kernel *k, int thread);
void kernel_resume(struct kernel *k, int thread, enum model_event why);
void violation(struct kernel *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t stack_top(const struct kernel *k, int thread);
uint64_t stack_live(const struct kernel *k, int thread); /* the lowest byte that is alive */

static inline unsigned char *guest(const struct kernel *k, uint64_t address)
{
    return k->image.host + (address - k->image.base);
}

/* ---- search.c, report.c, main.c -------------------------------------------------------------- */

enum scenario_flags {
    FUTEX_KIND = 1, /* only there */
    SEMA_KIND = 2,
    TIMED = 4,      /* needs a clock */
    SANDBOX = 8,    /* the kernel forbids waiting */
    EVERY = 16,     /* also at every instruction */
    LATER = 64,     /* the clock moves once more after the deadline */
    DEEP = 128,     /* at every instruction where the row asks for it: three threads, many states */
    LARGE = 256,    /* not for the sema kind where an atomic operation is a pair of instructions */
    SHARES = 4096,  /* its words are shared by processes */
    SETS = 16384,   /* it sets the wall clock */
    FAR = 2048,     /* a deadline in 292 years: only where a kernel may take that for none */
    WIDE = 512,     /* many states: only for Linux and for the contract, and not on pairs */
    KERNEL = 32,    /* needs a kernel that looks at addresses */
    CANCELS = 1024, /* thread 0 is cancelled, at any instruction: where the library can do that */
    LOCKS = 8192,   /* where the image has the locks, and nothing else there */
};

struct scenario {
    const char *name;
    int threads;
    unsigned flags;
    unsigned budget;
};

struct verdict {
    bool print; /* in: the schedule of a violation */
    size_t states, transitions;
    double seconds;
    char text[512]; /* empty: all is well */
};

enum action {
    RUN,
    FAIL_STORE,
    GO_ON,
    TIMEOUT,
    EARLY,
    SIGNAL,
    SPURIOUS,
    CANCEL,
    RESTART,
    TICK,
    ACTIONS
};

void search(struct kernel *k, const struct scenario *s, size_t most, struct verdict *v);
void search_apply(struct kernel *k, int thread, enum action action);
void report_start(struct kernel *k, const struct scenario *s);
void report_before(struct kernel *k, int thread, enum action action);
void report_after(struct kernel *k);
void report_access(struct kernel *k, int thread, bool write, uint64_t address, unsigned size);
void report_end(struct kernel *k, const char *text);

#endif
