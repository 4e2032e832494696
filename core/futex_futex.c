/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The futex, where the kernel has one. The word is the user's: the core never touches it, but for
 * valet_futex_wait_for, which looks at it once. */
#include "core/futex.h"
#include "valet.h"
#include "valet_sys.h"

int valet_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    /* A misaligned word is an error of its own on some kernels and never ends on others (NetBSD
     * answers "changed"); null would be an access to low memory where no kernel looks first. */
    if (!valet_is_word(word))
        return VALET_ERR_INVALID;
    int r = deadline == 0 ? VALET_TIMEDOUT : valet_sys_futex_wait(word, expected, deadline);
    if (r != VALET_TIMEDOUT)
        return r;
    /* Some systems spend a wake on a thread whose deadline comes at that moment. Its waker changed
     * the word first, so a look after the deadline finds out, and a difference beats a deadline.
     * Where the look is a sleep, a signal handler may end it first: then it has seen nothing. */
    do
        r = valet_sys_futex_look(word, expected);
    while (r == VALET_INTERRUPTED);
    return r;
}

int valet_futex_wait_for(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    return valet_futex_for(word, expected, timeout_ns);
}

uint32_t valet_futex_wake(uint32_t *word, uint32_t count)
{
    if (count == 0)
        return 0;
    if (count > INT32_MAX)
        count = VALET_SYS_ALL;
    if (valet_sys_features() & VALET_SYS_COUNTS)
        return valet_sys_futex_wake_with(word, count, 0);
    valet_sys_futex_wake(word, count);
    return VALET_FUTEX_UNKNOWN;
}
