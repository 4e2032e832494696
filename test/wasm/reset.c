/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Why sys/wasm.c waits in a function of its own. reset() counts waits that time out, three in each
 * of so many rounds. In V8 11.3 (Node 20) its baseline compiler, Liftoff, gives the locals back
 * wrong after a wait inside a nested loop, and the count comes out as if most rounds had not been.
 * The top-tier compiler alone (node --no-liftoff), V8 10.2 (Node 18) and V8 12 (Node 22) do not.
 *
 * -DLEAF builds it with the cure.
 */
#ifdef LEAF
#define WAIT __attribute__((noinline))
#else
#define WAIT __attribute__((always_inline)) inline
#endif

WAIT static int wait32(int *word, int expected, long long timeout)
{
    return __builtin_wasm_memory_atomic_wait32(word, expected, timeout);
}

static int word;

__attribute__((export_name("reset"))) int reset(int rounds)
{
    int waits = 0;
    for (int i = 0; i < rounds; i++) {
        int tries = 0, r;
        do {
            r = wait32(&word, 0, 1000);
            tries++;
        } while (r == 2 && tries < 3);
        waits += tries;
    }
    return waits;
}
