/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A client of bare, whose clock is the board's: 42, and no other. 3: there is none, silently. */
#include <valet.h>

int main(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    int r = valet_park_for(&p, 1);
    return valet_now() == 42 && r != VALET_ERR_UNSUPPORTED ? 0 : 3;
}
