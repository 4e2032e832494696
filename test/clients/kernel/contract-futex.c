/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* valet's contract, futex kind. The queue is one list for all words, oldest first. */
#include <stddef.h>
#include <valet_sys.h>

#include "kernel.h"

struct sleeper { /* on the stack of the thread that sleeps */
    struct sleeper *next;
    const uint32_t *word;
    struct thread *thread;
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
    return kernel_now();
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    struct sleeper self = {.word = word, .thread = kernel_self()};
    uintptr_t before = kernel_lock();
    /* Under the lock, which a waker takes after it has changed the word: it finds this thread in
     * the list, or this thread finds the word changed. */
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected) {
        kernel_unlock(before);
        return VALET_CHANGED;
    }
    *end = &self;
    end = &self.next;
    kernel_block(deadline);
    if (!self.woken) {
        struct sleeper **link = &oldest;
        while (*link != &self)
            link = &(*link)->next;
        take_out(link);
    }
    kernel_unlock(before);
    /* A wake that chose this thread chose no other: it counts, though the deadline came as well. */
    return self.woken ? VALET_OK : VALET_TIMEDOUT;
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) != expected ? VALET_CHANGED : VALET_TIMEDOUT;
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    uintptr_t before = kernel_lock();
    for (struct sleeper **link = &oldest, *s; (s = *link) != NULL && count != 0;) {
        if (s->word != word) {
            link = &s->next;
            continue;
        }
        take_out(link);
        s->woken = true;
        kernel_ready(s->thread);
        count--;
    }
    kernel_unlock(before);
}
