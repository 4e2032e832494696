/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Between the core and the green threads' system: refusals where the program wants them, for each
 * semaphore a check of its life, in the last word, which the system does not use.
 */
bool program_refuses(void);
void program_step(void);

#if SEMA

enum { DEAD = 0x0d, FRESH = 0xf1, POSTED = 0xf2, CONSUMED = 0xf3 };
#define LIFE(t) ((t)->os[15])

static int checked_init(struct valet_sema *s)
{
    LIFE(s) = FRESH;
    return program_refuses() ? VALET_ERR_SYSTEM : valet_sys_sema_init(s);
}

static int checked_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    MUST(deadline != 0 && (LIFE(s) == FRESH || LIFE(s) == POSTED));
    int r = program_refuses() ? VALET_ERR_SYSTEM : valet_sys_sema_wait_with(s, deadline, flags);
    if (r == VALET_OK) {
        MUST(LIFE(s) == POSTED);
        LIFE(s) = CONSUMED;
    }
    return r;
}

static int checked_wait(struct valet_sema *s, uint64_t deadline)
{
    return checked_wait_with(s, deadline, 0);
}

static void checked_post(struct valet_sema *s)
{
    program_step();
    MUST(LIFE(s) == FRESH); /* its frame lives, and this is the one post */
    LIFE(s) = POSTED;
    program_step();
    valet_sys_sema_post(s);
}

static void checked_fini(struct valet_sema *s)
{
    MUST(LIFE(s) == FRESH || LIFE(s) == CONSUMED); /* no post is on its way to this frame */
    LIFE(s) = DEAD;
    valet_sys_sema_fini(s);
}

#undef valet_sys_sema_init
#undef valet_sys_sema_wait
#undef valet_sys_sema_wait_with
#undef valet_sys_sema_post
#undef valet_sys_sema_fini
#define valet_sys_sema_init      checked_init
#define valet_sys_sema_wait      checked_wait
#define valet_sys_sema_wait_with checked_wait_with
#define valet_sys_sema_post      checked_post
#define valet_sys_sema_fini      checked_fini

#else

static int checked_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    program_step();
    return program_refuses() ? VALET_ERR_SYSTEM
                             : valet_sys_futex_wait_with(word, expected, deadline, flags);
}

static int checked_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return checked_wait_with(word, expected, deadline, 0);
}

static void checked_wake(uint32_t *word, uint32_t count)
{
    program_step();
    MUST(count != 0);
    valet_sys_futex_wake(word, count);
}

static uint32_t checked_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    program_step();
    MUST(count != 0);
    return valet_sys_futex_wake_with(word, count, flags);
}

#undef valet_sys_futex_wait
#undef valet_sys_futex_wait_with
#undef valet_sys_futex_wake
#define valet_sys_futex_wait      checked_wait
#define valet_sys_futex_wait_with checked_wait_with
#define valet_sys_futex_wake      checked_wake
#undef valet_sys_futex_wake_with
#define valet_sys_futex_wake_with checked_wake_with

#endif
