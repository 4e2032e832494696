/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Callers that keep values across a trap. Their code is patched like the library's, as the stub is
 * in it. CALL is a harmless call of the system, by its stub, with c to g in the arguments that it
 * does not use. A stub that is a macro gets arguments that are calls: by_call.
 */
#include "registers.h"

#include "arch/arch.h"

/* The compiler does not look into it: for all it knows, every register that a call may spoil is. */
__attribute__((noipa, unused)) static long by_call(long a)
{
    return a;
}

/* Few values: a compiler that thinks that the arguments' registers are kept finds them there. */
__attribute__((noinline)) void trap_with_few_values(const volatile long *in, volatile long *out)
{
    long t[4];
    long c = in[0], d = in[1], e = in[2], f = in[3], g = in[4];
    CALL;
    (void)t;
    out[0] = c, out[1] = d, out[2] = e, out[3] = f, out[4] = g;
}

/* More values than there are registers: every one that is thought to be kept is in use. */
__attribute__((noinline)) void trap_with_full_registers(const volatile long *in, volatile long *out,
                                                        int turns)
{
    long t[4];
    long c = in[0], d = in[1], e = in[2], f = in[3], g = in[4], h = in[5], i = in[6], j = in[7],
         k = in[8], l = in[9], m = in[10], n = in[11], o = in[12], p = in[13], q = in[14],
         r = in[15];
    for (; turns > 0; turns--)
        CALL;
    (void)t;
    out[0] = c, out[1] = d, out[2] = e, out[3] = f, out[4] = g, out[5] = h, out[6] = i, out[7] = j;
    out[8] = k, out[9] = l, out[10] = m, out[11] = n, out[12] = o, out[13] = p, out[14] = q;
    out[15] = r;
}
