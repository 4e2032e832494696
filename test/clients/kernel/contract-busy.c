/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* For comparison: under valet's bare backend, which spins, all that the kernel gives is a clock. */
#include <valet_sys.h>

#include "kernel.h"

uint64_t valet_sys_now(void)
{
    return kernel_now();
}
