/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One of two files of a program, each with its own copy: NAME is the function of this one. */
#define VALET_STATIC
#include "valet.c"

int NAME(struct valet_parker *p);
int NAME(struct valet_parker *p)
{
    valet_unpark(p);
    return valet_park_for(p, 1);
}
