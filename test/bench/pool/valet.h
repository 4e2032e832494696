/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the pool uses of valet.h, made of the peer that is measured: its workers and its reader park
 * on that peer's parkers. The state that it waits for once, at the end, is the reader's own parker
 * again.
 */
#ifndef VALET_H
#define VALET_H

#include "peer.h"

enum { VALET_OK };

struct valet_parker {
    struct peer_parker peer;
};
struct valet_waiters {
    unsigned state;
};
#define VALET_WAITERS_INIT(state) \
    {                             \
        state                     \
    }

static inline int valet_park(struct valet_parker *p)
{
    peer_park(&p->peer);
    return VALET_OK;
}

static inline void valet_unpark(struct valet_parker *p)
{
    peer_unpark(&p->peer);
}

/* The program has the real ones, too, where valet is the peer. */
#define valet_now              pool_now
#define valet_store_and_wake   pool_store_and_wake
#define valet_compare_and_wait pool_compare_and_wait
uint64_t valet_now(void);
void valet_store_and_wake(struct valet_waiters *w, unsigned state);
int valet_compare_and_wait(struct valet_waiters *w, unsigned expected);

#endif
