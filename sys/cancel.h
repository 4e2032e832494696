/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Cancellable waits, where the trap is the library's own. The last look at *cancel, and the trap,
 * are a sequence of instructions with three labels, in one place of the whole program:
 *
 *   1   the last look at *cancel begins
 *   2   the instruction after the trap
 *   3   the way out for who shall not trap: as after a trap that has answered 1
 *
 * From 1 up to 2 nothing has been done yet that cannot be left: a thread that is interrupted there
 * has not trapped; or the kernel has ended its wait without a wake, and set it back to the trap,
 * to wait again after a handler (SA_RESTART). At 2 the wait is over, and its answer stands. So the
 * handler needs the program counter alone; between 1 and 2 the stack is as at 2.
 *
 * The instructions are in arch/, for each convention of a trap; the file of a row says which are
 * its own by VALET_CANCELLABLE_TRAP, before it includes this. They are called as a C function of
 * *cancel, and of the call: eight words, the number and seven arguments. Each function that calls
 * them, or compares with them, has them in its text as VALET_CANCELLABLE_HERE, so who calls neither
 * has neither. They are weak, hidden and in one group: files that each have them (VALET_STATIC)
 * link to one, and a program and its shared objects have one each. Their name has a version: files
 * that call them in another way have others, by another name. They have no unwind information, for
 * it cannot be given inside a function that has its own: a backtrace may end there.
 */
#ifndef VALET_SYS_CANCEL_H
#define VALET_SYS_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/futex_word.h"
#include "valet_sys.h"

#define VALET_CANCELLED   1    /* no kernel's wait answers that */
#define VALET_HANDLER_RAN (-4) /* -EINTR, on each of these systems */

#if defined __thumb__
#define VALET_CANCELLABLE_THUMB ".thumb_func\n"
#else
#define VALET_CANCELLABLE_THUMB ""
#endif

// clang-format off
#define VALET_CANCELLABLE_LABEL(name, label) \
    ".weak " name "\n"                       \
    ".hidden " name "\n"                     \
    ".set " name ", " label "\n"

#define VALET_CANCELLABLE_HERE                                              \
    __asm__(".ifndef valet_sys_cancellable_1\n"                             \
            ".pushsection .text.valet_sys_cancellable_1,\"axG\",%progbits," \
            "valet_sys_cancellable_1,comdat\n"                              \
            ".p2align 2\n"                                                  \
            ".weak valet_sys_cancellable_1\n"                               \
            ".hidden valet_sys_cancellable_1\n"                             \
            ".type valet_sys_cancellable_1,%function\n"                     \
            VALET_CANCELLABLE_THUMB                                         \
            "valet_sys_cancellable_1:\n\t"                                  \
            VALET_CANCELLABLE_TRAP                                          \
            ".size valet_sys_cancellable_1,.-valet_sys_cancellable_1\n"     \
            VALET_CANCELLABLE_LABEL("valet_sys_cancellable_1_look", "1b")   \
            VALET_CANCELLABLE_LABEL("valet_sys_cancellable_1_after", "2b")  \
            VALET_CANCELLABLE_LABEL("valet_sys_cancellable_1_out", "3b")    \
            ".popsection\n"                                                 \
            ".endif")
// clang-format on

#if defined __i386__
#define VALET_CANCELLABLE_ABI __attribute__((visibility("hidden"), regparm(0)))
#else
#define VALET_CANCELLABLE_ABI __attribute__((visibility("hidden")))
#endif

long valet_sys_cancellable_1(const uint32_t *cancel, const long *call) VALET_CANCELLABLE_ABI;
#ifndef VALET_CALL_CANCELLABLE
#define VALET_CALL_CANCELLABLE valet_sys_cancellable_1
#endif

/* Of the smallest piece of an instruction: on s390x the address of what may be odd is not made by
 * an instruction, but read from a table that a linker writes. */
#if defined __x86_64__ || defined __i386__
typedef uint8_t valet_cancellable_code;
#else
typedef uint16_t valet_cancellable_code;
#endif
extern const valet_cancellable_code valet_sys_cancellable_1_look[]
    __attribute__((visibility("hidden")));
extern const valet_cancellable_code valet_sys_cancellable_1_after[]
    __attribute__((visibility("hidden")));
extern const valet_cancellable_code valet_sys_cancellable_1_out[]
    __attribute__((visibility("hidden")));

/* Whether a wait that answered so was cancelled: taken out before the trap; or out of it, by a
 * handler after which it does not go on. `cancel` is null in a wait that cannot be. */
static inline bool valet_is_cancelled(const uint32_t *cancel, long answer)
{
    return cancel != 0 && (answer == VALET_CANCELLED ||
                           (answer == VALET_HANDLER_RAN && valet_futex_look(cancel) != 0));
}

#ifdef VALET_CANCELLABLE_TRAP

/* A trap by that sequence: its answer, or VALET_CANCELLED. Arguments that a system does not have
 * are 0. */
VALET_INLINE long valet_cancellable_trap(const uint32_t *cancel, long number, long a, long b,
                                         long c, long d, long e, long f, long g)
{
    VALET_UNFILLED long call[8];
    call[0] = number;
    call[1] = a;
    call[2] = b;
    call[3] = c;
    call[4] = d;
    call[5] = e;
    call[6] = f;
    call[7] = g;
    VALET_CANCELLABLE_HERE;
    return VALET_CALL_CANCELLABLE(cancel, call);
}

VALET_INLINE bool valet_cancellable_redirect(uintptr_t *pc)
{
    VALET_CANCELLABLE_HERE;
    if (*pc < (uintptr_t)valet_sys_cancellable_1_look ||
        *pc >= (uintptr_t)valet_sys_cancellable_1_after)
        return false;
    *pc = (uintptr_t)valet_sys_cancellable_1_out;
    return true;
}

#endif

#endif
