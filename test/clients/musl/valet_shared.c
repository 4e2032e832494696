/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* musl's own calls, for words that valet cannot serve; out of line, so that a look at the archive
 * finds them in this one object. */
#include "pthread_impl.h"

void __shared_wait(volatile void *addr, int val)
{
    __musl_futexwait(addr, val, 0);
}

void __shared_wake(volatile void *addr, int cnt)
{
    __musl_wake(addr, cnt, 0);
}
