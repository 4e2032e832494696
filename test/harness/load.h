/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How much a test may do on the host that it finds itself on. */
#ifndef VALET_TEST_LOAD_H
#define VALET_TEST_LOAD_H

#include "test.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static inline unsigned test_least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Threads and pages are plenty on a system, few on a bare machine, where each thread is a CPU that
 * spins while it waits: rounds by the hundred are a quarter there. On WebAssembly threads are few,
 * but rounds cost no more than elsewhere. */
static inline unsigned test_many(unsigned many, unsigned few)
{
#ifdef VALET_TEST_OS_wasm
    (void)few;
    return many;
#else
    if (test_threads_max() >= 64)
        return many;
    return test_threads_max() > 4 || few < 100 ? few : few / 4;
#endif
}

/* Loops over many rounds also end after a while, under emulators and sanitizers:
 * for (uint64_t end = test_end(S); round < rounds && test_before(end); round++). Where there is no
 * clock the rounds alone count. */
static inline uint64_t test_end(uint64_t ns)
{
    uint64_t now = valet_now();
    return now != 0 ? now + ns : 0;
}

static inline bool test_before(uint64_t end)
{
    return valet_now() <= end;
}

/* A handshake. Where the thing under test alone must order the data, the other side counts with
 * relaxed operations. */
static inline void test_until(atomic_uint *counter, unsigned value)
{
    while (atomic_load(counter) != value)
        test_yield();
}

static inline void test_increment(void *counter)
{
    atomic_fetch_add((atomic_uint *)counter, 1);
}

/* Interrupt a thread for a while, or until it says that it is done. False: it was done before a
 * handler had run, and this proves nothing. */
static inline bool test_storm(struct test_thread *thread, atomic_bool *done, unsigned times)
{
    static atomic_uint handled;
    unsigned before = atomic_load(&handled);
    for (unsigned i = 0; i < times && !atomic_load(done); i++) {
        test_interrupt(thread, test_increment, &handled);
        test_sleep(20 * US);
    }
    if (!test_has_handlers())
        return true;
    while (atomic_load(&handled) == before && !atomic_load(done))
        test_yield();
    return atomic_load(&handled) != before;
}

#endif
