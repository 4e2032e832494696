/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Before all else in the variant `plain`, which is a CPU without atomic read-modify-writes. What
 * core/atomic.h has as volatile is atomic to the explorer, and relaxed (hooks.c). */
#include <stdatomic.h>

#include "arch/arch.h"

#undef __GCC_ATOMIC_INT_LOCK_FREE
#define __GCC_ATOMIC_INT_LOCK_FREE 1
#define volatile _Atomic
