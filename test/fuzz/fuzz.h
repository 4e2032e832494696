/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the targets share: the fuzzer's bytes, the library as it is compiled for each system, and
 * the seam to a kernel that a target plays.
 */
#ifndef VALET_TEST_FUZZ_H
#define VALET_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "valet.h"
#include "valet_sys.h"

typedef __int128 wide; /* the oracle's integers: nothing here overflows them */

/* ---- the fuzzer's bytes ---------------------------------------------------------------------- */

struct input {
    const uint8_t *data;
    size_t left;
};

/* Little-endian; zeros after the end. */
static inline uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && in->left != 0; i++, in->left--)
        value |= (uint64_t)*in->data++ << 8 * i;
    return value;
}

/* A time: any number of 64 bits, or one next to an edge of some unit or integer. */
static inline uint64_t take_time(struct input *in)
{
    static const uint64_t edges[] = {0,
                                     999999999,
                                     1000000000,                   /* a timespec's second */
                                     UINT64_C(86400) * 1000000000, /* a day */
                                     (uint64_t)INT32_MAX,          /* as it is, and as us, */
                                     (uint64_t)INT32_MAX * 1000,   /* 100 ns, ms and s */
                                     (uint64_t)INT32_MAX * 100,
                                     (uint64_t)INT32_MAX * 1000000,
                                     (uint64_t)INT32_MAX * 1000000000,
                                     UINT32_MAX,
                                     (uint64_t)UINT32_MAX * 1000,
                                     (uint64_t)UINT32_MAX * 100,
                                     (uint64_t)UINT32_MAX * 1000000,
                                     (uint64_t)UINT32_MAX * 1000000000,
                                     INT64_MAX,
                                     UINT64_MAX};
    uint64_t how = take(in, 1);
    if (how >= 128)
        return take(in, 8) >> how % 64;
    uint64_t off = take(in, 2); /* wraps around the edges of 64 bits, on purpose */
    return edges[how % 16] + (uint64_t)(int64_t)(int16_t)off;
}

/* What is wrong goes to stderr, and the input is a finding (fail.c). */
extern const char *fuzz_subject; /* the system */
_Noreturn void fuzz_fail(const char *file, int line, const char *what);
#define MUST(x) ((x) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #x))

/* ---- the library, compiled for one system (system.c) ----------------------------------------- */

struct system {
    bool sema;
    uint64_t (*now)(void);
    int (*park)(struct valet_parker *);
    int (*park_until)(struct valet_parker *, uint64_t);
    int (*park_for)(struct valet_parker *, uint64_t);
    void (*unpark)(struct valet_parker *);
    bool (*exchange)(struct valet_waiters *, unsigned *, unsigned);
    unsigned (*state)(const struct valet_waiters *);
    int (*wait)(struct valet_waiters *, unsigned);
    int (*wait_until)(struct valet_waiters *, unsigned, uint64_t);
    void (*store_and_wake)(struct valet_waiters *, unsigned);
    void (*store_and_delegate)(struct valet_waiters *, unsigned);
    void (*wake)(struct valet_waiters *);
    int (*futex_wait)(uint32_t *, uint32_t, uint64_t);
    uint32_t (*futex_wake)(uint32_t *, uint32_t);
    unsigned (*features)(void);
    uint64_t (*now_realtime)(void);
    int (*park_with)(struct valet_parker *, uint64_t, unsigned);
    int (*wait_with)(struct valet_waiters *, unsigned, uint64_t, unsigned);
    int (*futex_wait_with)(uint32_t *, uint32_t, uint64_t, unsigned);
    uint32_t (*futex_wake_with)(uint32_t *, uint32_t, unsigned);
    int (*requeue)(uint32_t *, uint32_t, uint32_t, uint32_t *, uint32_t, unsigned);
    int (*wait_cancellable)(uint32_t *, uint32_t, uint64_t, unsigned, const uint32_t *);
    bool (*redirect)(uintptr_t *);
    void (*post)(struct valet_sema *); /* the system's own; sema kind */
};

/* ---- the kernel (kernel.c decodes the calls, a target answers them) -------------------------- */

/* A wait, as the kernel understood it. */
struct asked {
    const void *word;  /* sema kind: NULL, or an address within the semaphore */
    uint32_t expected; /* futex kind */
    enum { FOREVER, UNTIL, FOR } form;
    wide ns; /* an absolute time or a span */
};

enum meaning { WOKEN, CHANGED, TIMEDOUT, REFUSED };

/* A system, and what its kernel is known to do: from the kernels' sources, not from sys/. */
struct kernel {
    const char *name;
    const struct system *library;
    uint64_t last;      /* the latest time that its clock can tell */
    uint64_t longest;   /* a sleep beyond this many ns may be cut there; 0: none is */
    uint64_t latest;    /* a deadline beyond this may be cut there, or be none; 0: none is */
    uint32_t grain;     /* ns; a sleep may be rounded up to a multiple of this */
    bool proves;        /* its "timed out" means that the deadline which it was given has come */
    int32_t timed_out;  /* its answers to a wait, as a negative errno where it has those */
    int32_t changed;    /* 0: not told */
    int32_t again[4];   /* besides 0: look again */
    int32_t retried[2]; /* the row itself asks again, four times in all */
    bool probes;        /* the row asks whether the word is there after a "changed" */
    int32_t woken;      /* 0 but for one */
    bool looks;         /* it is asked to compare, after the deadline of a futex wait */
    bool meets;         /* a wake-up waits for its waiter, and its own answer ends both */
    bool silent;        /* it does not answer */
    bool one_clock;     /* its wall clock is the other */
    bool follows;       /* it waits by the wall clock itself */
    unsigned handlers;  /* how many of `again`, the first ones, mean that a signal handler ran */
    bool awake;         /* where a deadline has passed it does not sleep, so no handler ends that */
    bool ticks;         /* its clock counts ticks of kernel_frequency */
    enum { REFUSES, A_WAKE, AN_ERRNO } positive; /* what a positive answer is */
};
#define WALL_AHEAD UINT64_C(1700000000000000000)
extern const struct kernel *kernel; /* the one that is asked now */
extern int64_t kernel_frequency;    /* Windows' ticks a second */
extern int error_number;            /* errno, where it is a function of the system's libc */
extern unsigned kernel_flags;       /* those of the call, of which its kernel is to be told */
extern uint64_t kernel_wall_ahead;  /* of the clock that a target tells */
extern bool kernel_locked;          /* libc's mutex is: whoever posts would wait for it */

/* What an answer to a wait means, or must be taken to mean; and whether a handler ran. */
enum meaning kernel_means(int32_t answer, bool timed);
bool kernel_interrupts(int32_t answer);

/* Whether it can be that this wait is woken. What the kernel has written itself does not lie. */
bool kernel_may_wake(const struct asked *asked);

/*
 * The target's part. An input's first byte is the system, by its row (so that new rows leave old
 * inputs what they were), or all of them in turn; the rest is the target's. An answer is any from
 * -4095 to INT32_MAX.
 */
void target_run(struct input *in);
enum other {
    OTHER_INIT,  /* resources for a semaphore: 0 or an error */
    OTHER_PROBE, /* is this word mapped? */
    OTHER_RELAX  /* a turn of a loop */
};
uint64_t target_now(void); /* 0: there is no clock */
int32_t target_wait(const struct asked *asked);
int32_t target_wake(const void *address, int64_t count);
int32_t target_other(enum other what);
int32_t target_look(const uint32_t *word, uint32_t expected); /* honest, or not implemented */
int32_t target_requeue(const uint32_t *from, uint32_t expected, int64_t wake, const uint32_t *to,
                       int64_t move);

/* The core's posts go here, and from here to library->post when the target wants so. */
void target_post(struct valet_sema *s);

#endif
