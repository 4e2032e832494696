/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* valet, through its library; or with ONE_UNIT the parker compiled into the program that uses it.
 */
#include "peer.h"
#include <assert.h>

#include "valet.h"

#define HAS_PARKER 1
#define HAS_TIMED  1
#define BLOCKS     1

struct parker {
    struct valet_parker valet;
};

#ifdef ONE_UNIT
#include "core/park_futex.c"
#include "sys/linux.c"
#define HAS_WAITERS 0
#else
#define HAS_WAITERS 1
struct waiters {
    struct valet_waiters valet;
};
static struct waiters waiters = {VALET_WAITERS_INIT(0)};

static inline void waiters_prepare(unsigned count)
{
    (void)count;
}

static inline void waiters_wait(unsigned expected)
{
    valet_compare_and_wait(&waiters.valet, expected);
}

static inline void waiters_set(unsigned state)
{
    valet_store_and_wake(&waiters.valet, state);
}
#endif

static inline void parker_init(struct parker *p)
{
    *p = (struct parker){VALET_PARKER_INIT};
}

static inline void parker_park(struct parker *p)
{
    valet_park(&p->valet);
}

static inline bool parker_park_for(struct parker *p, uint64_t ns)
{
    return valet_park_for(&p->valet, ns) == VALET_OK;
}

static inline void parker_unpark(struct parker *p)
{
    valet_unpark(&p->valet);
}

#include "peer_tail.h"
