/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* liburcu's waits and wakes, which have no timeout, by valet. For its include/urcu/futex.h. */
#ifndef _URCU_FUTEX_H
#define _URCU_FUTEX_H

#include <errno.h>
#include <stdint.h>
#include <time.h>
#include <urcu/config.h>
#include <valet.h>

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static inline int futex_async(int32_t *word, int operation, int32_t value,
                              const struct timespec *timeout, int32_t *word2, int32_t value3)
{
    (void)timeout, (void)word2, (void)value3;
    if (operation == FUTEX_WAKE) {
        valet_futex_wake((uint32_t *)word, (uint32_t)value);
        return 0;
    }
    int status = valet_futex_wait((uint32_t *)word, (uint32_t)value, VALET_FOREVER);
    if (status == VALET_OK)
        return 0;
    errno = status == VALET_CHANGED ? EAGAIN : EINVAL; /* of the latter liburcu dies */
    return -1;
}
#define futex_noasync futex_async

#endif
