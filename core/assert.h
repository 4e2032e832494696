/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* VALET_ASSERT guards our own invariants and a caller's mistakes that have no status to report. */
#ifndef VALET_CORE_ASSERT_H
#define VALET_CORE_ASSERT_H

#ifdef VALET_ASSERTIONS
#define VALET_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#else
#define VALET_ASSERT(x) ((void)0)
#endif

#endif
