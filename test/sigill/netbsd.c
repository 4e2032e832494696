/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD: sys/kern/sys_futex.c, sys_lwp.c of NetBSD/src; answers as seen on 10.99.12. */
#define _GNU_SOURCE

#include "kernel.h"

#include <stdatomic.h>
#include <unistd.h>

#define EINTR     4
#define EFAULT    14
#define EAGAIN    35
#define EALREADY  37
#define ETIMEDOUT 60
#define ENOSYS    78

const enum convention system_convention = LIKE_NETBSD;

static uint64_t deadline_of(const struct kernel_time *until)
{
    return until == 0 ? KERNEL_FOREVER : kernel_ns(until->seconds, until->ns);
}

/* ---- futex ----------------------------------------------------------------------------------- */

static int wait(const void *word, uint32_t expected, uint64_t deadline, bool *again)
{
    if (kernel_refuses)
        return ENOSYS;
    if (kernel_whim())
        return kernel_random(2) == 0 ? EINTR : 0;
    switch (kernel_sleep(word, expected, deadline)) {
    case WOKEN:
        return 0;
    case EXPIRED:
        return ETIMEDOUT;
    case INTERRUPTED: /* under SA_RESTART, or not */
        *again = kernel_random(2) == 0;
        return EINTR;
    default: /* also where the word cannot be read */
        return EAGAIN;
    }
}

static void futex_call(struct call *c)
{
    const void *word = (const void *)c->a[0];
    int op = (int)c->a[1], value = (int)c->a[2];
    if (op != 4 && op != (4 | 128)) {
        KERNEL_MUST(c->a[4] == 0 /* word2 */, c->a[4]);
        KERNEL_MUST((int)c->a[5] == 0 /* val2 */, c->a[5]);
    }
    switch (op) {
    case 4: /* CMP_REQUEUE, shared: the programs move nobody by that */
        KERNEL_MUST(value == 0 && c->a[5] == 0, c->a[5]);
        /* fall through */
    case 4 | 128: /* private; also EAGAIN where the word cannot be read */
        KERNEL_MUST(value >= 0 && (int)c->a[5] >= 0, c->a[5]);
        KERNEL_MUST(c->a[3] == 0 /* no time */, c->a[3]);
        if (kernel_requeue(word, (uint32_t)c->a[6], (uint32_t)value, (const void *)c->a[4],
                           (uint32_t)c->a[5]) != WOKEN)
            c->error = EAGAIN;
        return;
    case 9:       /* WAIT_BITSET, shared: of a word that nobody wakes */
    case 9 | 128: /* private */
        KERNEL_MUST((uint32_t)c->a[6] == UINT32_MAX /* any bit */, c->a[6]);
        c->error = wait(word, (uint32_t)value, deadline_of((const void *)c->a[3]), &c->again);
        return;
    case 1 | 128: /* WAKE, private */
        KERNEL_MUST(value >= 1, value);
        c->result = kernel_wake(word, (uint32_t)value);
        return;
    case 1: /* plain ones do not meet the private ones */
        KERNEL_MUST(value == 0, value);
        c->error = kernel_is_mapped(word) ? 0 : EFAULT;
        return;
    default:
        kernel_panic("an operation of NetBSD's futex", (uint64_t)op);
    }
}

/* ---- park: one mark for each thread, which its own number finds ------------------------------ */

#define LWPS (1u << 22) /* Linux has no more */
static _Atomic uint32_t marks[LWPS];

/* A new thread may find the mark of an old one with its number; marks are for anybody anyway. */
static int park(struct kernel_time *until)
{
    _Atomic uint32_t *mark = &marks[gettid()];
    uint64_t deadline = deadline_of(until);
    if (until != 0)
        *until = (struct kernel_time){0, 0}; /* a kernel of 10 leaves there what it likes */
    if (kernel_refuses)
        return ENOSYS;
    if (kernel_whim())
        return (int[]){0, EINTR, EALREADY}[kernel_random(3)];
    if (atomic_exchange(mark, 0) != 0)
        return EALREADY;
    enum kernel_end end = kernel_sleep((const void *)mark, 0, deadline);
    if (atomic_exchange(mark, 0) != 0)
        return 0;
    return end == EXPIRED ? ETIMEDOUT : end == INTERRUPTED ? EINTR : 0;
}

void system_call(struct call *c)
{
    switch (c->number) {
    case 166: /* __futex */
        futex_call(c);
        return;
    case 311: /* _lwp_self */
        c->result = (uint64_t)gettid();
        return;
    case 321: /* _lwp_unpark */
        KERNEL_MUST(c->a[0] >= 1 && c->a[0] < LWPS, c->a[0]);
        atomic_store(&marks[c->a[0]], 1);
        kernel_wake((const void *)&marks[c->a[0]], 1);
        return;
    case 427: /* __clock_gettime50 */
        KERNEL_MUST(c->a[0] == 3 /* monotonic */ || c->a[0] == 0 /* wall clock */, c->a[0]);
        *(struct kernel_time *)c->a[1] = kernel_time(kernel_now());
        return;
    case 478: /* ___lwp_park60 */
        KERNEL_MUST(c->a[0] == 3 /* monotonic */, c->a[0]);
        KERNEL_MUST(c->a[1] == 1 /* absolute */, c->a[1]);
        KERNEL_MUST(c->a[3] == 0 /* nobody to unpark first */, c->a[3]);
        c->error = park((struct kernel_time *)c->a[2]);
        return;
    default:
        kernel_panic("a call of NetBSD", c->number);
    }
}
