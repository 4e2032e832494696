/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An integrator who has the two functions in C: nothing is left to import. */
#include <stdint.h>

uint64_t valet_wasm_now(void);
int32_t valet_wasm_may_block(void);

uint64_t valet_wasm_now(void)
{
    return 1;
}

int32_t valet_wasm_may_block(void)
{
    return 0;
}
