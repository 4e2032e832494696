/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * -Dos=external on a board: the contract of include/valet_sys.h, both kinds, of what any board has.
 * That is WFI, an interrupt that one CPU sends to another (or, on one core, one thread to another),
 * and a lock that keeps handlers out, too. Compare test/green, which is a scheduler.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bare.h"
#include "valet_sys.h"

/*
 * Until another thread has set the flag: true; or until the deadline. Interrupts are off from the
 * look at the flag to WFI, so that the waker's, which comes after the flag, ends it. The tests have
 * the only timer of a core: with a deadline the thread looks at the clock, and lets others run.
 */
static bool sleep_until(const bool *flag, uint64_t deadline)
{
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) { /* pairs with WOKEN */
        if (deadline != VALET_FOREVER) {
            if (valet_sys_now() >= deadline)
                return false;
            bare_relax();
            continue;
        }
        uintptr_t before = bare_mask();
        if (__atomic_load_n(flag, __ATOMIC_RELAXED))
            bare_unmask(before);
        else
            bare_halt();
    }
    return true;
}

/* The sleeper may be gone as soon as it sees the flag: an interrupt that it does not wait for does
 * no harm. */
static void wake(bool *flag, unsigned cpu)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE); /* WOKEN */
    bare_ipi(cpu);
}

#if VALET_TEST_FUTEX_KIND

struct sleeper { /* on the stack of the thread that sleeps */
    struct sleeper *next;
    const uint32_t *word;
    unsigned cpu;
    bool woken; /* by the one who took it out of the list */
};

/* Between bare_begin and bare_end. */
static struct sleeper *oldest, **end = &oldest;

static void take_out(struct sleeper **link)
{
    if (end == &(*link)->next)
        end = link;
    *link = (*link)->next;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    struct sleeper self = {.word = word, .cpu = bare_cpu()};
    uintptr_t before = bare_begin(); /* the look and the queueing: one step for a wake */
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected) {
        bare_end(before);
        return VALET_CHANGED;
    }
    *end = &self;
    end = &self.next;
    bare_end(before);
    if (sleep_until(&self.woken, deadline))
        return VALET_OK;
    before = bare_begin();
    /* A wake that chose this thread is never called a timeout: it woke nobody else instead. */
    bool woken = self.woken;
    if (!woken) {
        struct sleeper **link = &oldest;
        while (*link != &self)
            link = &(*link)->next;
        take_out(link);
    }
    bare_end(before);
    return woken ? VALET_OK : VALET_TIMEDOUT;
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) != expected ? VALET_CHANGED : VALET_TIMEDOUT;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags; /* it shares no words */
    uint32_t woken = 0;
    uintptr_t before = bare_begin();
    for (struct sleeper **link = &oldest, *s; (s = *link) != NULL && woken != count;) {
        if (s->word != word) {
            link = &s->next;
            continue;
        }
        take_out(link);
        wake(&s->woken, s->cpu);
        woken++;
    }
    bare_end(before);
    return woken;
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    valet_sys_futex_wake_with(word, count, 0);
}

unsigned valet_sys_features(void)
{
    return VALET_SYS_COUNTS;
}

#else

struct os_sema {
    unsigned cpu; /* of its owner */
    bool posted;
} __attribute__((may_alias)); /* it lies over the words of struct valet_sema */

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

int valet_sys_sema_init(struct valet_sema *s)
{
    *(struct os_sema *)(void *)s = (struct os_sema){.cpu = bare_cpu()};
    return VALET_OK;
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct os_sema *sema = (struct os_sema *)(void *)s;
    return sleep_until(&sema->posted, deadline) ? VALET_OK : VALET_TIMEDOUT;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    struct os_sema *sema = (struct os_sema *)(void *)s;
    wake(&sema->posted, sema->cpu);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}

#endif
