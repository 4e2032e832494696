/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "control.h"

#include "sched.h"
#include "test.h"
#include "valet_sys.h"

struct control control;

void control_reset(void)
{
    control = (struct control){0};
}

unsigned control_calls(void)
{
    return control.waits + control.wakes + control.inits + control.posts + control.finis;
}

void control_until_blocked(struct test_thread *thread)
{
    green_until_blocked((struct green *)(void *)thread); /* see host.c */
}

/* The number of this call. Threads that are preempted count, too: others may have come since. */
static unsigned count(unsigned *calls)
{
    return __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED);
}

static int wait_answer(uint64_t deadline)
{
    unsigned number = count(&control.waits);
    if (control.no_clock && deadline != VALET_FOREVER)
        return VALET_ERR_UNSUPPORTED;
    return control.on_wait != NULL ? control.on_wait(number) : PASS;
}

uint64_t __real_valet_sys_now(void);
uint64_t __wrap_valet_sys_now(void);

uint64_t __wrap_valet_sys_now(void)
{
    count(&control.nows);
    return control.no_clock ? 0 : __real_valet_sys_now();
}

#if VALET_TEST_FUTEX_KIND

int __real_valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline);
int __wrap_valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline);
void __real_valet_sys_futex_wake(uint32_t *word, uint32_t count);
void __wrap_valet_sys_futex_wake(uint32_t *word, uint32_t count);
uint32_t __real_valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags);
uint32_t __wrap_valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags);

int __wrap_valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    int answer = wait_answer(deadline);
    return answer == PASS ? __real_valet_sys_futex_wait(word, expected, deadline) : answer;
}

void __wrap_valet_sys_futex_wake(uint32_t *word, uint32_t woken)
{
    CHECK(woken >= 1);
    count(&control.wakes);
    control.wake_count = woken;
    __real_valet_sys_futex_wake(word, woken);
}

uint32_t __wrap_valet_sys_futex_wake_with(uint32_t *word, uint32_t woken, unsigned flags)
{
    CHECK(woken >= 1);
    count(&control.wakes);
    control.wake_count = woken;
    return __real_valet_sys_futex_wake_with(word, woken, flags);
}

#else

int __real_valet_sys_sema_init(struct valet_sema *s);
int __wrap_valet_sys_sema_init(struct valet_sema *s);
int __real_valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline);
int __wrap_valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline);
void __real_valet_sys_sema_post(struct valet_sema *s);
void __wrap_valet_sys_sema_post(struct valet_sema *s);
void __real_valet_sys_sema_fini(struct valet_sema *s);
void __wrap_valet_sys_sema_fini(struct valet_sema *s);

/* The life of a semaphore and its owner, in the words that the system does not use. */
enum { DEAD = 0, FRESH = 0xf1, POSTED = 0xf2, CONSUMED = 0xf3 };
#define LIFE(t)  ((uint32_t *)(void *)&(t)->os[15])
#define OWNER(t) ((t)->os[14])

static bool is_owner(const struct valet_sema *s)
{
    return OWNER(s) == (uintptr_t)test_self();
}

int __wrap_valet_sys_sema_init(struct valet_sema *s)
{
    count(&control.inits);
    if (control.init_answer != VALET_OK)
        return control.init_answer;
    int r = __real_valet_sys_sema_init(s);
    *LIFE(s) = FRESH;
    OWNER(s) = (uintptr_t)test_self();
    return r;
}

int __wrap_valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    CHECK(is_owner(s) && deadline != 0);
    uint32_t life = __atomic_load_n(LIFE(s), __ATOMIC_RELAXED);
    CHECK(life == FRESH || life == POSTED);
    int answer = wait_answer(deadline);
    if (answer == PASS)
        answer = __real_valet_sys_sema_wait(s, deadline);
    if (answer == VALET_OK)
        CHECK_EQ(__atomic_exchange_n(LIFE(s), CONSUMED, __ATOMIC_RELAXED), POSTED);
    return answer;
}

void __wrap_valet_sys_sema_post(struct valet_sema *s)
{
    CHECK_EQ(__atomic_exchange_n(LIFE(s), POSTED, __ATOMIC_RELAXED), FRESH); /* once */
    if (control.on_post != NULL)
        control.on_post();
    count(&control.posts);
    __real_valet_sys_sema_post(s);
}

void __wrap_valet_sys_sema_fini(struct valet_sema *s)
{
    count(&control.finis);
    CHECK(is_owner(s));
    uint32_t life = __atomic_exchange_n(LIFE(s), DEAD, __ATOMIC_RELAXED);
    CHECK(life == FRESH || life == CONSUMED); /* no post is on its way to this frame */
    __real_valet_sys_sema_fini(s);
}

#endif
