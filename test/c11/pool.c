/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo with the ring of the benchmark, which is on parkers. Its two flags need seq_cst, the
 * only place in this tree that does; c11.sh weakens each.
 */
#define DEMO_RING "test/bench/pool/ring.h"
#define demo_0    pool_0
#define demo_1    pool_1
#include "demo.c"
