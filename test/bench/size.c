/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The program whose size is measured: parks and unparks once. With NOTHING, what it is compared
 * with. */
#include "peer.h"

int main(void)
{
#ifndef NOTHING
    struct peer_parker parker;
    peer_init(&parker);
    peer_unpark(&parker);
    peer_park(&parker);
#endif
    return 0;
}
