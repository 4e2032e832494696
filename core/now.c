/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The clock. */
#include "valet.h"
#include "valet_sys.h"

uint64_t valet_now(void)
{
    return valet_sys_now();
}
