/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The futex where the kernel has one: the wait with flags, in an object of its own. */
#include "core/with.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

VALET_UNPROTECTED int valet_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline,
                                            unsigned flags)
{
    int r = valet_with_flags(flags, VALET_SHARED);
    if (r != VALET_OK)
        return r;
    flags &= ~VALET_NO_POLL;
    if (flags == 0 || deadline == 0)
        return valet_futex_wait(word, expected, deadline);
    if (!valet_is_word(word))
        return VALET_ERR_INVALID;
    r = valet_futex_sleep(word, expected, deadline, flags, false);
    if (r != VALET_TIMEDOUT && r != VALET_INTERRUPTED)
        return r;
    /* A difference beats both. The look has no flags: it queues nobody, so no key is asked for. */
    int look = valet_futex_wait(word, expected, 0);
    return look == VALET_TIMEDOUT ? r : look;
}

uint32_t valet_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    flags &= VALET_SHARED & valet_features();
    if (flags == 0 || count == 0)
        return valet_futex_wake(word, count);
    return valet_sys_futex_wake_with(word, count > INT32_MAX ? VALET_SYS_ALL : count, flags);
}
