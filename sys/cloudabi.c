/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * CloudABI: a lock in the semaphore, sema kind, all through poll.
 *
 *   word                      meaning                      next, and by whom
 *   UNPOSTED                  locked by nobody (id 0)      POSTED by the poster; UNPOSTED and
 *                                                          MANAGED by the kernel, for the owner
 *   UNPOSTED, MANAGED         the owner waits in the       UNPOSTED at its timeout; with the
 *                             kernel for the lock          poster's id in it by the poster
 *   UNPOSTED, MANAGED, id     the poster may unlock        the kernel hands the lock over, or
 *                                                          frees it if the owner has timed out
 *   POSTED, or the owner's    posted
 *
 * Only the owner of a lock may unlock it, by its id, and we have no place to keep ours, and need
 * none: a poll for a free lock makes the kernel write the word, id and all. The compare-exchange to
 * POSTED, or else the unlock, is the last touch of the semaphore.
 *
 * Not a condition variable: libemulator follows a null pointer when a signal comes for waiters who
 * have timed out but do not have their lock again yet.
 * Sources: NuxiNL/cloudabi cloudabi.txt, headers/cloudabi_types_common.h,
 * headers/cloudabi64_types.h, vdsos/, NuxiNL/cloudabi-utils src/libemulator/futex.c.
 */
#include <stdatomic.h>
#include <stddef.h>

#include "arch/arch.h"
#include "sys/deadline.h"
#include "valet_sys.h"

#define SYS_clock_time_get                  1
#define SYS_lock_unlock                     31
#define SYS_poll                            37
#define CLOUDABI_CLOCK_MONOTONIC            1
#define CLOUDABI_CLOCK_REALTIME             3
#define CLOUDABI_EVENTTYPE_CLOCK            1
#define CLOUDABI_EVENTTYPE_LOCK_WRLOCK      6
#define CLOUDABI_SCOPE_PRIVATE              4
#define CLOUDABI_SUBSCRIPTION_CLOCK_ABSTIME 0x0001
#define CLOUDABI_LOCK_UNLOCKED              0
#define CLOUDABI_LOCK_WRLOCKED              0x40000000u
#define CLOUDABI_LOCK_KERNEL_MANAGED        0x80000000u

typedef _Atomic uint32_t __attribute__((may_alias)) cloudabi_lock_t;

struct subscription {
    uint64_t userdata;
    uint16_t unused;
    uint8_t type;
    union {
        struct {
            uint64_t identifier;
            uint32_t clock_id;
            uint64_t timeout, precision;
            uint16_t flags;
        } clock;
        struct {
            cloudabi_lock_t *lock;
            uint8_t lock_scope;
        } lock;
    };
};

struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint64_t payload[2];
};

_Static_assert(sizeof(struct subscription) == 56 && offsetof(struct subscription, type) == 10 &&
                   offsetof(struct subscription, clock.clock_id) == 24 &&
                   offsetof(struct subscription, clock.timeout) == 32 &&
                   offsetof(struct subscription, clock.flags) == 48 &&
                   offsetof(struct subscription, lock.lock_scope) == 24,
               "cloudabi64_subscription_t");
_Static_assert(sizeof(struct event) == 32 && offsetof(struct event, error) == 8 &&
                   offsetof(struct event, type) == 10,
               "cloudabi64_event_t");

struct os_sema {
    cloudabi_lock_t lock;
} __attribute__((may_alias));

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

#define POSTED   CLOUDABI_LOCK_UNLOCKED
#define UNPOSTED CLOUDABI_LOCK_WRLOCKED /* by nobody: the id is 0 */

static cloudabi_lock_t *lock_of(struct valet_sema *s)
{
    return &((struct os_sema *)(void *)s)->lock;
}

VALET_INLINE uint64_t clock_of(uint32_t clock)
{
    long r = valet_trap_bsd(SYS_clock_time_get, clock, 0, 0, 0, 0, 0);
    return r > 0 ? (uint64_t)r : 0; /* cannot fail */
}

static uint64_t clock_ns(void)
{
    return clock_of(CLOUDABI_CLOCK_MONOTONIC);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOUDABI_CLOCK_REALTIME);
}

/* The type of the one event, or -1 if the kernel refused. */
VALET_UNPROTECTED static int poll_lock(cloudabi_lock_t *lock, uint64_t deadline)
{
    struct event out;
    out.error = UINT16_MAX; /* what a kernel that writes nothing has answered */
    /* Member by member: for an initialiser a compiler may call memset. Of those left out the kernel
     * gives userdata back, and does not read the others. */
    VALET_UNFILLED struct subscription in[2];
    in[0].type = CLOUDABI_EVENTTYPE_LOCK_WRLOCK;
    in[0].lock.lock = lock;
    in[0].lock.lock_scope = CLOUDABI_SCOPE_PRIVATE;
    in[1].type = CLOUDABI_EVENTTYPE_CLOCK;
    in[1].clock.clock_id = CLOUDABI_CLOCK_MONOTONIC;
    in[1].clock.timeout = deadline;
    in[1].clock.precision = 0;
    in[1].clock.flags = CLOUDABI_SUBSCRIPTION_CLOCK_ABSTIME;
    long n = deadline == VALET_FOREVER ? 1 : 2;
    if (valet_trap_bsd(SYS_poll, (long)in, (long)&out, n, 0, 0, 0) != 1 || out.error != 0)
        return -1;
    return out.type;
}

int valet_sys_sema_init(struct valet_sema *s)
{
    atomic_init(lock_of(s), UNPOSTED);
    return VALET_OK;
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    for (;;) {
        int type = poll_lock(lock_of(s), deadline);
        if (type == CLOUDABI_EVENTTYPE_LOCK_WRLOCK) {
            /* acquire: the kernel has read what the post left, and we read what it wrote */
            atomic_load_explicit(lock_of(s), memory_order_acquire);
            return VALET_OK;
        }
        if (type == CLOUDABI_EVENTTYPE_CLOCK && deadline != VALET_FOREVER) {
            int r = valet_deadline_over_unasked(clock_ns(), deadline);
            if (r != VALET_OK)
                return r;
            continue;
        }
        return atomic_load_explicit(lock_of(s), memory_order_acquire) == POSTED ? VALET_OK
                                                                                : VALET_ERR_SYSTEM;
    }
}

void valet_sys_sema_post(struct valet_sema *s)
{
    cloudabi_lock_t *lock = lock_of(s), mine = 0;
    uint32_t seen = UNPOSTED;
    /* The owner is not in the kernel: this is the last touch. */
    if (atomic_compare_exchange_strong_explicit(lock, &seen, POSTED, memory_order_release,
                                                memory_order_relaxed))
        return;
    /* It is: become the lock's owner, so that we may unlock. A lock of our own tells us our id. */
    poll_lock(&mine, VALET_FOREVER);
    uint32_t owned = seen | atomic_load_explicit(&mine, memory_order_relaxed);
    while (!atomic_compare_exchange_strong_explicit(lock, &seen, seen == UNPOSTED ? POSTED : owned,
                                                    memory_order_release, memory_order_relaxed))
        ;
    if (seen != UNPOSTED)
        valet_trap_bsd(SYS_lock_unlock, (long)lock, CLOUDABI_SCOPE_PRIVATE, 0, 0, 0, 0);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_REQUEUE;
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    (void)flags; /* is not called: the core has no more for it than a deadline */
    return valet_sys_sema_wait(s, deadline);
}
