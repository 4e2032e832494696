/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sys.h"
#include "valet.h"

uint64_t valet_now(void)
{
    return valet_sys_now();
}
