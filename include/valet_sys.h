/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract between the library and a system. Installed as <valet_sys.h>: a runtime with a
 * scheduler of its own builds valet with -Dos=external, chooses -Dexternal_kind=futex or sema,
 * and defines these functions itself.
 *
 * A system is of one of two kinds and supplies valet_sys_now and the functions of its kind:
 *
 *   futex   the kernel compares a 32-bit word and queues the thread in one step
 *   sema    the kernel can only wake one thread that is known
 *
 * Results are those of enum valet_status. A wait may also answer a negative status of your own,
 * -16 or less: the sleep is withdrawn and the caller of the library gets that status, unless what
 * it waited for has come by then. So a runtime interrupts one thread. The objects stay good.
 *
 * Deadlines are absolute, ns of valet_sys_now(); VALET_FOREVER means none. Any other number may
 * come, up to UINT64_MAX - 1, and may have passed. The core never passes 0 to a wait of
 * the futex kind. Who turns a deadline into ticks rounds up: a timeout is never early.
 *
 * Each of these functions returns: no exception and no jump leaves it, or the object would name a
 * thread that waits no more.
 */
#ifndef VALET_SYS_H
#define VALET_SYS_H

#include "valet.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * These functions make system calls, and a kernel may destroy more than the registers that the
 * instruction of a trap names: on Linux all of SVE's, SME's and RISC-V's vector state. A compiler
 * expects as much of a call, by the ABI, but not of an instruction that it has put into a user's
 * vector loop, by VALET_STATIC or by link-time optimisation. So no caller inlines them, nor keeps
 * in a register what it sees that they leave alone: gcc does that (-fipa-ra) unless it is noipa,
 * clang never. Sources: torvalds/linux Documentation/arch/arm64/sve.rst section 3, sme.rst,
 * Documentation/arch/riscv/vector.rst section 3.
 */
#if defined __has_attribute
#if __has_attribute(noipa)
#define VALET_SYS_NOIPA __attribute__((noipa))
#endif
#if __has_attribute(no_stack_protector) && !defined VALET_UNPROTECTED
#define VALET_UNPROTECTED __attribute__((no_stack_protector))
#endif
#if __has_attribute(uninitialized)
#define VALET_UNFILLED __attribute__((uninitialized))
#endif
#endif
#ifndef VALET_SYS_NOIPA
#define VALET_SYS_NOIPA __attribute__((noinline))
#endif

/*
 * A stack protector (many distributions' compilers have one unasked) calls a runtime, and reads
 * thread-local storage, where there may be neither. So a function of the library with a local
 * variable in memory has none; nor has one that is declared here, unless you define this as empty.
 */
#ifndef VALET_UNPROTECTED
#define VALET_UNPROTECTED
#endif

#define VALET_SYS_CALL VALET_SYS_NOIPA VALET_UNPROTECTED

/* Of what two functions are made, with a constant that is not the same. */
#ifndef VALET_INLINE
#define VALET_INLINE static inline __attribute__((always_inline)) VALET_UNPROTECTED
#endif

/* A variable of many bytes that is set member by member: with -ftrivial-auto-var-init a compiler
 * would first call memset for it. */
#ifndef VALET_UNFILLED
#define VALET_UNFILLED
#endif

/*
 * Both kinds: monotonic ns, never 0. A system without a clock always returns 0; its waits answer
 * VALET_ERR_UNSUPPORTED to every deadline but VALET_FOREVER and 0. Called from any context.
 */
VALET_SYS_CALL uint64_t valet_sys_now(void);

/* ---- CPUs without atomic read-modify-write --------------------------------------------------- */

/*
 * armv6-M (Cortex-M0, M0+, M1) and RISC-V without A load and store, and no more. There both kinds
 * of system supply the next two functions, between which the library makes what are atomic
 * operations elsewhere: a few loads and stores of one word, and no call.
 */
#if defined __GCC_ATOMIC_INT_LOCK_FREE && __GCC_ATOMIC_INT_LOCK_FREE != 2
#define VALET_SYS_ATOMIC 1 /* whether this CPU is such a one */
#else
#define VALET_SYS_ATOMIC 0 /* whether this CPU is such a one */
#endif

#if VALET_SYS_ATOMIC

/*
 * Keep every other thread and handler, on any CPU, from where this one is until the end. With one
 * CPU: interrupts off. With more a lock besides, taken with interrupts off: a hardware spinlock, or
 * one made of loads and stores. -Dos=bare has the former, for privileged mode (RISC-V: machine
 * mode); yours take its place as they do its clock's.
 *
 * returns   what the end needs to put things back
 * order     a full barrier, for the compiler and between the CPUs
 * context   wherever the library is called. A handler that this cannot keep out (an NMI, a fault)
 *           calls nothing of the library
 * again     they do not nest
 */
VALET_SYS_CALL uintptr_t valet_sys_atomic_begin(void);

/*
 * Let the others go on.
 *
 * before    what the begin has returned: interrupts come on again if they were on
 * order     a full barrier
 */
VALET_SYS_CALL void valet_sys_atomic_end(uintptr_t before);

#endif

/* ---- futex kind ------------------------------------------------------------------------------ */

#define VALET_SYS_ALL UINT32_MAX

/*
 * Block the calling thread if *word is expected. The comparison and the queueing are one step with
 * respect to valet_sys_futex_wake on the same word: a wake after the word changed is never missed.
 *
 * returns   VALET_OK, woken, or no reason at all: the core looks again
 *           VALET_CHANGED, *word differed, where the system tells; else VALET_OK
 *           VALET_TIMEDOUT, only when valet_sys_now() >= deadline; a sleep cut short is VALET_OK
 *           VALET_ERR_UNSUPPORTED, no clock for this deadline, or this thread may not block
 *           VALET_ERR_SYSTEM, the call cannot work here, or *word cannot be read at this moment.
 *           Where the word is its own, the core looks at it and asks again, and believes the
 *           fourth refusal in a row; valet_futex_wait believes the first
 * expected  what *word has to be
 * deadline  when to give up
 * word      other threads change it with atomic operations: where the system itself reads it, it
 *           does so with an atomic load; relaxed suffices, the core has its own ordering
 */
VALET_SYS_CALL int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline);

/*
 * Compare *word and expected, without sleeping where that can be. valet_futex_wait asks after its
 * deadline, and times out only if they are equal: so a wake that chose this thread just then, which
 * some systems call a timeout, is not lost. (Parkers and waiters look for themselves.) It must not
 * itself use up a wake and answer VALET_TIMEDOUT. The word is mapped, unless the user made a
 * mistake: where the system reads it, and not a kernel, that may be a fault.
 *
 * returns   VALET_TIMEDOUT, *word was expected; VALET_CHANGED, it differed
 *           VALET_OK, it may differ, or a wake has come
 *           VALET_INTERRUPTED, a signal handler ran before it could tell, and no wake was used up:
 *           the core asks again. Not VALET_OK: the wait that it looks for may have been ended by
 *           another handler, which the user is to be told
 *           VALET_ERR_SYSTEM, it is not mapped, or no longer, where that is no fault
 */
VALET_SYS_CALL int valet_sys_futex_look(uint32_t *word, uint32_t expected);

/*
 * Wake threads that wait on word.
 *
 * count     how many at most: 1 to INT32_MAX; VALET_SYS_ALL: every one
 *
 * The caller has changed *word first, so no sleeper's expected matches it any more; that is what
 * lets a loop on the word, or WFE, be a system. The word may be dead by now: pass its address on,
 * never read it, and take "bad address" for success. Must not block; called from any context from
 * which the user may unpark.
 *
 * order     a thread whose wait this ends, whatever that wait answers, sees the word no older than
 *           the caller's change: any lock that both sides take gives that. Nothing more is needed
 */
VALET_SYS_CALL void valet_sys_futex_wake(uint32_t *word, uint32_t count);

/* ---- sema kind ------------------------------------------------------------------------------- */

/*
 * A binary semaphore in the stack frame of the thread that waits, which owns it: init, wait and
 * fini are the owner's, post is one other thread's. Init comes first and fini last, whatever they
 * returned but for a failed init; one that failed to initialise is not used.
 */
struct valet_sema {
    VALET_ALIGNED uint64_t os[16]; /* the system's: 128 bytes; check size and alignment of yours */
};

/* returns VALET_OK; VALET_ERR_SYSTEM, no room for a semaphore; VALET_ERR_UNSUPPORTED, this thread
 * may not block */
VALET_SYS_CALL int valet_sys_sema_init(struct valet_sema *s);

/*
 * Block until the post or the deadline. A post before the wait is kept.
 *
 * returns   VALET_OK, the one post was consumed; spurious returns are absorbed here
 *           VALET_TIMEDOUT, only when valet_sys_now() >= deadline, and nothing was consumed
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as above, and nothing was consumed
 * deadline  when to give up
 * again     once another thread has decided to post, the core waits until VALET_OK whatever the
 *           deadline and however often it is refused: the poster is about to touch the frame
 * order     acquire on VALET_OK: pairs with the post
 */
VALET_SYS_CALL int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline);

/*
 * Wake the owner. Once per init, by any thread. Copy what the kernel call needs first: as soon as
 * the owner can see the post, its frame is gone.
 *
 * order     release: pairs with the wait that consumes it
 * context   valet_unpark is one exchange and at most one post, so it may be called from where this
 *           may: from an interrupt, if yours may. valet_store_and_wake is one post for each thread
 */
VALET_SYS_CALL void valet_sys_sema_post(struct valet_sema *s);

/* Release what init acquired. A post, if there was one, has been consumed. */
VALET_SYS_CALL void valet_sys_sema_fini(struct valet_sema *s);

/* ---- optional ------------------------------------------------------------------------------- */

/*
 * What a system can do beside the functions above: valet_sys_features, which says it, and those of
 * its kind, all of them or none. A system that has none writes nothing. The core has defaults,
 * which are weak; yours are found in an archive where they lie in an object with a function that
 * is not optional. On Windows, whose linkers know no such thing, you define them.
 */

#define VALET_SYS_COUNTS   0x80000000u /* valet_sys_futex_wake_with tells how many it woke */
#define VALET_SYS_FOLLOWS  0x40000000u /* waits with VALET_REALTIME follow the clock that is set */
#define VALET_SYS_SET_BACK 0x20000000u /* sema kind: valet_sys_now itself may be set back */

/*
 * returns   VALET_REALTIME, there is a wall clock; VALET_INTERRUPTIBLE; VALET_SHARED, futex kind;
 *           VALET_REQUEUE, futex kind: valet_sys_futex_requeue is yours; sema kind: always, as the
 *           core itself moves them. VALET_CANCELLABLE, the two functions of that are there.
 *           VALET_SYS_COUNTS, VALET_SYS_FOLLOWS, VALET_SYS_SET_BACK. Any of them or 0, and always
 *           the same
 */
VALET_SYS_CALL unsigned valet_sys_features(void);

/*
 * Both kinds: the wall clock. Without VALET_SYS_FOLLOWS the core looks at it each second.
 *
 * returns   ns since 1970-01-01 00:00 UTC; 0: there is none
 */
VALET_SYS_CALL uint64_t valet_sys_now_realtime(void);

/*
 * Futex kind: as valet_sys_futex_wait, with flags.
 *
 * returns   as valet_sys_futex_wait, and
 *           VALET_INTERRUPTED, a signal handler ran, and this thread has used up no wake
 * flags     VALET_INTERRUPTIBLE; VALET_REALTIME, the deadline is one of the wall clock, only with
 *           VALET_SYS_FOLLOWS; VALET_SHARED; or some of them. 0 does not come
 */
VALET_SYS_CALL int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline,
                                             unsigned flags);

/*
 * Futex kind: as valet_sys_futex_wake, for valet_futex_wake where it counts, and for shared words.
 *
 * flags     VALET_SHARED or 0
 * returns   how many threads it woke; those that were about to sleep may be among them, or not
 *           VALET_FUTEX_UNKNOWN, it cannot tell
 *           0, only if nobody was asleep on the word
 */
VALET_SYS_CALL uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags);

/*
 * Futex kind: as valet_sys_futex_wait_with, but it ends, too, where *cancel is not 0, and
 * valet_sys_cancel_redirect takes the thread out of it. This one and that may be left out though
 * the others are there; VALET_CANCELLABLE tells. sys/cancel.h is how the library's own do it.
 *
 * returns   as valet_sys_futex_wait_with, and
 *           VALET_INTERRUPTED, *cancel was not 0 at the last look, or a handler has taken the
 *           thread out, and it has used up no wake
 * flags     as for that, or 0
 * cancel    read by atomic loads. Between the last of these looks and sleep there is no instruction
 *           at which valet_sys_cancel_redirect does not take the thread out
 */
VALET_SYS_CALL int valet_sys_futex_wait_cancellable(uint32_t *word, uint32_t expected,
                                                    uint64_t deadline, unsigned flags,
                                                    const uint32_t *cancel);

/*
 * Futex kind: take a thread out of that wait. Called in a signal handler.
 *
 * pc        where the thread was interrupted; out: where it is to go on, if the result is true
 * returns   true, that was in the last look of a wait at *cancel, or after it and before the
 *           answer: now *pc is where the wait comes out with VALET_INTERRUPTED
 */
VALET_SYS_CALL bool valet_sys_cancel_redirect(uintptr_t *pc);

/*
 * Futex kind: if *from is expected, wake threads that wait on it and move others, in one step with
 * respect to waits on `from`. This one may be left out though the others are there: the core's
 * compares and wakes. An embedder's is named by VALET_WITH_REQUEUE where the others are by
 * VALET_WITH.
 *
 * returns   VALET_OK; VALET_CHANGED, *from differed
 *           VALET_ERR_SYSTEM, the call cannot work here, or *from cannot be read at this moment
 * from      as the word of a wait
 * to        another word; nobody reads it
 * expected  what *from has to be
 * wake      how many at most to wake first: 0 to INT32_MAX
 * requeue   how many at most of the others wait on `to` then, each until the deadline that it has;
 *           the same
 * flags     VALET_SHARED or 0
 */
VALET_SYS_CALL int valet_sys_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake,
                                           uint32_t *to, uint32_t requeue, unsigned flags);

/*
 * Sema kind: as valet_sys_sema_wait, with flags.
 *
 * returns   as valet_sys_sema_wait, and
 *           VALET_INTERRUPTED, a signal handler ran, and nothing was consumed
 * flags     VALET_INTERRUPTIBLE; VALET_REALTIME, the deadline is one of the wall clock, only with
 *           VALET_SYS_FOLLOWS; or both. 0 does not come
 */
VALET_SYS_CALL int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline,
                                            unsigned flags);

/*
 * Optional: have a function called in the child of every fork(), before anything else there uses
 * the library. It forgets the threads that wait in valet_futex_wait: they are not in the child. A
 * system without fork(), or whose programs do not wait in both, leaves it out: the core has one
 * that does nothing, and is weak; yours is found in an archive with -Dhook=required only. Called by
 * valet_futex_wait before its first sleep.
 *
 * child     what to call; it may be asked for more than once, and called as often
 * returns   VALET_OK, or VALET_ERR_SYSTEM: no room to note it; the wait answers that
 */
VALET_SYS_CALL int valet_sys_at_fork(void (*child)(void));

#ifdef __cplusplus
}
#endif

#endif
