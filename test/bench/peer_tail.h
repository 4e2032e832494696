/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Ends a peer in C or C++, which has defined, static and inline,
 *
 *   struct parker, parker_init, _park, _unpark        HAS_PARKER
 *   parker_park_for                                   HAS_TIMED
 *   struct waiters, waiters_prepare, _wait, _set      HAS_WAITERS: 1, or 2: set needs waiters
 *   waiters_wait_until                                HAS_UNTIL, defined or not
 *
 * the macros as 0 or 1, and BLOCKS: whether a thread that parks sleeps at last.
 */
#include "loop.h"

#if HAS_PARKER
static_assert(sizeof(struct parker) <= sizeof(struct peer_parker), "room for a parker");
#define P(p) ((struct parker *)(void *)(p))
#else
struct parker {
    char none;
};
#endif
#if !HAS_WAITERS
struct waiters {
    char none;
};
#endif

const struct peer peer = {HAS_PARKER ? sizeof(struct parker) : 0,
                          HAS_WAITERS ? sizeof(struct waiters) : 0, HAS_TIMED, HAS_WAITERS == 1,
                          BLOCKS};

void peer_init(struct peer_parker *p)
{
    (void)p;
#if HAS_PARKER
    parker_init(P(p));
#endif
}

void peer_park(struct peer_parker *p)
{
    (void)p;
#if HAS_PARKER
    parker_park(P(p));
#endif
}

bool peer_park_for(struct peer_parker *p, uint64_t ns)
{
    (void)p;
    (void)ns;
#if HAS_TIMED
    return parker_park_for(P(p), ns);
#else
    return false;
#endif
}

void peer_unpark(struct peer_parker *p)
{
    (void)p;
#if HAS_PARKER
    parker_unpark(P(p));
#endif
}

void peer_prepare(unsigned count)
{
    (void)count;
#if HAS_WAITERS
    waiters_prepare(count);
#endif
}

void peer_wait(unsigned expected)
{
    (void)expected;
#if HAS_WAITERS
    waiters_wait(expected);
#endif
}

void peer_set(unsigned state)
{
    (void)state;
#if HAS_WAITERS
    waiters_set(state);
#endif
}

#ifdef HAS_UNTIL
bool peer_wait_until(unsigned expected, uint64_t deadline)
{
    return waiters_wait_until(expected, deadline);
}
#endif

void peer_loop(enum peer_loop what, struct peer_parker *p, uint64_t n)
{
    (void)p;
    switch (what) {
    case LOOP_NOTHING:
        LOOP();
#if HAS_PARKER
    case LOOP_UNPARK:
        LOOP(parker_unpark(P(p)));
    case LOOP_PAIR:
        LOOP(parker_unpark(P(p)); parker_park(P(p)));
#endif
#if HAS_WAITERS
    case LOOP_WAIT:
        LOOP(waiters_wait(31));
#endif
#if HAS_WAITERS == 1
    case LOOP_SET:
        LOOP(waiters_set((unsigned)i & 1));
#endif
    default:
        break;
    }
}
