/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* nsync's semaphore, one a thread, is a parker. For platform/linux/src/nsync_semaphore_futex.c. */
#include "headers.h"
#include <valet.h>

void nsync_mu_semaphore_init(nsync_semaphore *s)
{
    *(struct valet_parker *)s = (struct valet_parker)VALET_PARKER_INIT;
}

void nsync_mu_semaphore_v(nsync_semaphore *s)
{
    valet_unpark((struct valet_parker *)s);
}

void nsync_mu_semaphore_p(nsync_semaphore *s)
{
    if (valet_park((struct valet_parker *)s) != VALET_OK)
        abort();
}

/* nsync's deadlines are by the wall clock, which may be set: after a timeout it is asked again. */
int nsync_mu_semaphore_p_with_deadline(nsync_semaphore *s, nsync_time deadline)
{
    int status;
    do {
        nsync_time now = nsync_time_now(), left = nsync_time_sub(deadline, now);
        uint64_t ns = VALET_FOREVER;
        if (nsync_time_cmp(deadline, now) <= 0)
            ns = 0; /* only tries */
        else if (nsync_time_cmp(deadline, nsync_time_no_deadline) != 0)
            ns = (uint64_t)NSYNC_TIME_SEC(left) * 1000000000u + (uint64_t)NSYNC_TIME_NSEC(left);
        status = valet_park_for((struct valet_parker *)s, ns);
        if (status == VALET_TIMEDOUT && ns == 0)
            return ETIMEDOUT;
    } while (status == VALET_TIMEDOUT);
    if (status != VALET_OK)
        abort();
    return 0;
}
