/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract of include/valet_sys.h, futex kind, on a scheduler of one's own: an example to copy.
 *
 * It takes three things of the scheduler: a lock under which nobody else looks at what is here
 * (between CPUs that is a spin lock, with interrupts off), "block the calling thread and give up
 * the lock" in one step, and "make that thread ready". The queue is one list for all words, oldest
 * first; a runtime with many threads on many words spreads them over several, by the address.
 */
#include <stddef.h>

#include "sched.h"
#include "valet_sys.h" /* installed as <valet_sys.h> */

struct sleeper { /* on the stack of the thread that sleeps */
    struct sleeper *next;
    const uint32_t *word;
    struct green *thread;
    bool woken; /* by the one who took it out of the list */
};

static struct sleeper *oldest, **end = &oldest;

static void take_out(struct sleeper **link)
{
    if (end == &(*link)->next)
        end = link;
    *link = (*link)->next;
}

uint64_t valet_sys_now(void)
{
    return green_now();
}

uint64_t valet_sys_now_realtime(void)
{
    return green_now_realtime();
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    struct sleeper self = {.word = word, .thread = green_self()};
    green_lock(); /* the look and the queueing: one step for wake, which takes the lock too */
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected) {
        green_unlock();
        return VALET_CHANGED;
    }
    *end = &self;
    end = &self.next;
    bool in_time = green_block(deadline);
    if (!self.woken) { /* the deadline, or no reason at all */
        struct sleeper **link = &oldest;
        while (*link != &self)
            link = &(*link)->next;
        take_out(link);
    }
    green_unlock();
    /* A wake that chose this thread is never called a timeout, though the deadline had come as
     * well: it would be lost, since it woke nobody else instead. */
    if (in_time && !self.woken && flags & VALET_INTERRUPTIBLE) /* test_interrupt */
        return VALET_INTERRUPTED;
    return in_time || self.woken ? VALET_OK : VALET_TIMEDOUT;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return valet_sys_futex_wait_with(word, expected, deadline, 0);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) != expected ? VALET_CHANGED : VALET_TIMEDOUT;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags; /* it shares no words */
    uint32_t woken = 0;
    green_lock();
    for (struct sleeper **link = &oldest, *s; (s = *link) != NULL && woken != count;) {
        if (s->word != word) {
            link = &s->next;
            continue;
        }
        take_out(link);
        s->woken = true;
        green_ready(s->thread);
        woken++;
    }
    green_unlock();
    return woken;
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    valet_sys_futex_wake_with(word, count, 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_REQUEUE | VALET_SYS_COUNTS;
}

/* Those that move go to the end, behind those that are there; so they are found at the other word
 * only. */
int valet_sys_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake, uint32_t *to,
                            uint32_t requeue, unsigned flags)
{
    (void)flags;
    green_lock();
    if (__atomic_load_n(from, __ATOMIC_RELAXED) != expected) {
        green_unlock();
        return VALET_CHANGED;
    }
    for (struct sleeper **link = &oldest, *s; (s = *link) != NULL && wake + requeue != 0;) {
        if (s->word != from) {
            link = &s->next;
            continue;
        }
        take_out(link);
        if (wake != 0) {
            s->woken = true;
            green_ready(s->thread);
            wake--;
        } else {
            s->word = to;
            s->next = NULL;
            *end = s;
            end = &s->next;
            requeue--;
        }
    }
    green_unlock();
    return VALET_OK;
}
