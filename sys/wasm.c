/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * WebAssembly with threads: memory.atomic.wait32 and notify, futex kind.
 *
 * A module has no clock, and only its embedder knows which of its threads may block. So the
 * integrator supplies two functions, as imports of the module or defined in the same link:
 *
 *   import           in C                                 returns
 *   valet.now        uint64_t valet_wasm_now(void)        monotonic ns (an i64: a BigInt in
 *                                                         JavaScript), one clock for all threads,
 *                                                         never 0; always 0: there is no clock
 *   valet.may_block  int32_t valet_wasm_may_block(void)   not 0; 0 where the wait would trap: on
 *                                                         the main thread of a page, or where the
 *                                                         memory is not shared
 *
 * A call that would have to block where that is not allowed answers VALET_ERR_UNSUPPORTED; one that
 * would not, since the word differs, says so there, too. A module that is built without atomics
 * (-matomics) has one thread, may never block, and does not import valet.may_block.
 *
 * Timeouts count from the call; a negative one is none. Sources: WebAssembly/threads
 * proposals/threads/Overview.md, llvm/llvm-project clang/include/clang/Basic/
 * BuiltinsWebAssembly.def.
 */
#include "sys/deadline.h"
#include "sys/futex_word.h"
#include "valet_sys.h"

#ifdef __wasm__
#define IMPORT(name) __attribute__((import_module("valet"), import_name(name)))
#else
#define IMPORT(name) /* for tools that read this file with the host's compiler */
#endif

IMPORT("now") uint64_t valet_wasm_now(void);
IMPORT("may_block") int32_t valet_wasm_may_block(void);

static uint64_t clock_ns(void)
{
    return valet_wasm_now();
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

/* This thread may not wait; but does it have to? */
static int do_not_wait(uint32_t *word, uint32_t expected)
{
    return valet_futex_look(word) != expected ? VALET_CHANGED : VALET_ERR_UNSUPPORTED;
}

#ifdef __wasm_atomics__

/*
 * Not inlined: where this instruction stands in a nested loop, the baseline compiler of V8 11.3
 * (Node 20) resets a local of the function that the loop is in. test/wasm/reset.c shows it.
 */
__attribute__((noinline)) static int wait32(uint32_t *word, uint32_t expected, int64_t timeout)
{
    return __builtin_wasm_memory_atomic_wait32((int *)word, (int)expected, timeout);
}

static int wait(uint32_t *word, uint32_t expected, int64_t timeout)
{
    if (!valet_wasm_may_block())
        return do_not_wait(word, expected);
    switch (wait32(word, expected, timeout)) {
    case 0: /* woken, perhaps by a stranger who used this address before */
        return VALET_OK;
    case 1:
        return VALET_CHANGED;
    case 2:
        return VALET_TIMEDOUT;
    default:
        return VALET_ERR_SYSTEM;
    }
}

/* All: UINT32_MAX, as here. The address of a dead object is memory all the same. How many were
 * there, also of those that wait by Atomics.waitAsync. */
static uint32_t notify(uint32_t *word, uint32_t count)
{
    return (uint32_t)__builtin_wasm_memory_atomic_notify((int *)word, count);
}

#else /* one thread: nobody would wake it, and it has nobody to wake */

static int wait(uint32_t *word, uint32_t expected, int64_t timeout)
{
    (void)timeout;
    return do_not_wait(word, expected);
}

static uint32_t notify(uint32_t *word, uint32_t count)
{
    (void)word;
    (void)count;
    return 0;
}

#endif

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    notify(word, count);
}

/* Nothing that a module imports has it. */
uint64_t valet_sys_now_realtime(void)
{
    return 0;
}

unsigned valet_sys_features(void)
{
    return VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags;
    return notify(word, count);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return valet_futex_look(word) != expected ? VALET_CHANGED : VALET_TIMEDOUT;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    for (;;) {
        int64_t timeout = -1;
        if (deadline != VALET_FOREVER) {
            uint64_t ns;
            int status = valet_deadline_sleep(clock_ns(), deadline, INT64_MAX, &ns);
            if (status != VALET_OK)
                return status;
            timeout = (int64_t)ns;
        }
        int r = wait(word, expected, timeout);
        if (r != VALET_TIMEDOUT)
            return r;
        /* By the engine's clock, and V8 cuts timeouts to microseconds: ask our own again. */
    }
}

/* Not called: nothing here is interrupted. */
int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags;
    return valet_sys_futex_wait(word, expected, deadline);
}
