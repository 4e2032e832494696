/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The integrator's clock: takes the place of the library's weak valet_sys_now. Not linked on
 * aarch64, where the library has a clock of its own, nor into noclock_test.
 */
#include "bare.h"
#include "valet_sys.h"

uint64_t valet_sys_now(void)
{
    return bare_clock();
}
