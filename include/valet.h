/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * valet: parks threads, with no libc, no allocator, no thread-local storage and no global state.
 *
 *   parker    one thread parks; any number of threads, or a deadline, wake it
 *   waiters   many threads wait on a word until one thread wakes them all
 *   futex     the word under both, for those who build their own locks
 *
 * Times are nanoseconds of valet_now(), unsigned; sums saturate at VALET_FOREVER. A timeout is
 * never early by that clock. Every wait here has a form with a deadline; one with a timeout (_for)
 * is there where it saves a call of the clock: it polls, or looks at its word, before it asks.
 * Objects hold no pointer to themselves: they may be moved while no thread uses them, and need no
 * destruction. But an object in use has one address: a page that is mapped twice, or a tag in an
 * address, is another word, and its waiter is not woken. Nobody else waits on that address: a wait
 * of other means that was begun on what the memory was before, and not cancelled (io_uring's,
 * Atomics.waitAsync), may take the wake that was for one thread. No call is a cancellation point;
 * one may be made of valet_futex_wait_cancellable. No handler may jump out of a call, and no thread
 * may be ended inside one (as by asynchronous cancellation): what it has left in the word would be
 * found by the others. But when a process ends, what is left of it (on Windows the detach of a DLL)
 * may wake threads that are gone already; nobody is woken, and no call waits for them. In the child
 * of a fork, begin anew what other threads of the parent waited on; a handler that has forked does
 * not return there into a call on such an object. A thread that is stopped in a call holds up
 * nobody but where the context of a call says so.
 *
 * A call takes at most 640 bytes of stack on the futex kind, 1024 on the sema kind, by gcc -O2 and
 * beside what the system's own functions take. The stack is aligned as the ABI has it at a call,
 * since who waits is known by an address there, whose lowest bits are the library's.
 *
 * "Futex kind" and "sema kind" are the two kinds of system under the library; the README's table
 * says which one each system is. They differ for the user only where a comment below says so.
 */
#ifndef VALET_H
#define VALET_H

#include <stdbool.h>
#include <stdint.h>

#define VALET_VERSION_MAJOR 0
#define VALET_VERSION_MINOR 1
#define VALET_VERSION_PATCH 0

/* For the build of the library: exported from a shared one, hidden or static in one file. */
#ifndef VALET_API
#define VALET_API
#endif

/* A thread whose park was refused goes on as if it had been woken, unless it looks at the answer.
 */
#if defined __GNUC__
#define VALET_CHECKED __attribute__((warn_unused_result))
#else
#define VALET_CHECKED
#endif

/* A word is aligned to its size, also where a CPU's types ask for two bytes at most (m68k). */
#if defined __BIGGEST_ALIGNMENT__ && __BIGGEST_ALIGNMENT__ < __SIZEOF_POINTER__
#define VALET_ALIGNED __attribute__((aligned(__SIZEOF_POINTER__)))
#else
#define VALET_ALIGNED
#endif

#ifdef __cplusplus
#define VALET_AS_WORD(number) static_cast<uintptr_t>(number) /* for initialisers */
#else
#define VALET_AS_WORD(number) ((uintptr_t)(number)) /* for initialisers */
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Outcomes are zero or more, failures negative. Functions return int: enums vary in size. */
enum valet_status {
    VALET_OK = 0,
    VALET_TIMEDOUT = 1,     /* the deadline came first */
    VALET_CHANGED = 2,      /* of a futex: the word was not as expected */
    VALET_INTERRUPTED = 3,  /* a _with call: a signal handler ran; or the wait was cancelled */
    VALET_ERR_BUSY = -1,    /* another thread is parked on the parker */
    VALET_ERR_INVALID = -2, /* an argument that no call accepts; nothing was done */
    VALET_ERR_UNSUPPORTED =
        -3,               /* this system cannot do it: no clock, or a thread that may not block */
    VALET_ERR_SYSTEM = -4 /* the kernel refused or answered nonsense; nothing was consumed */
};

#ifdef __BINDGEN__ /* bindgen loses a macro of this size: give it -D__BINDGEN__ */
static const uint64_t VALET_FOREVER = 18446744073709551615u;
#else
#define VALET_FOREVER UINT64_MAX /* as a deadline or a timeout: none */
#endif

/*
 * Flags of the _with calls; those that this system is known to have are also in VALET_FEATURES of
 * <valet_config.h>. A flag that it has not gives VALET_ERR_UNSUPPORTED, a bit that is no flag
 * VALET_ERR_INVALID, before anything is done. A signal handler ends a wait if it runs while the
 * thread sleeps: one that ran just before that does not. Nor does one, perhaps, after which system
 * calls are begun again (SA_RESTART). Where the system does not follow its wall clock, the library
 * looks at it each second: a deadline is late by that much at most when it is set (sys/README.md).
 */
#define VALET_REALTIME      1u /* the deadline is one of valet_now_realtime(), also when it is set */
#define VALET_INTERRUPTIBLE 2u /* a signal handler that runs in this thread ends the wait */
#define VALET_SHARED        4u /* futex: the word is in memory that processes share */
#define VALET_NO_POLL       8u /* sleep at once */

#define VALET_REQUEUE     16u /* no flag of a call: valet_futex_requeue moves */
#define VALET_CANCELLABLE 32u /* no flag of a call: there is valet_futex_wait_cancellable */

/*
 * The flags that this system has.
 *
 * returns   VALET_NO_POLL, and what else works here; VALET_REQUEUE, VALET_CANCELLABLE. Always the
 *           same
 * context   anywhere
 */
VALET_API unsigned valet_features(void);

/* ---- Parker: one thread parks, others wake it ------------------------------------------------ */

/*
 * One thread hands a value to another:
 *
 *     static struct valet_parker ready = VALET_PARKER_INIT;
 *     static int value;
 *
 *     void produce(void)
 *     {
 *         value = 42;
 *         valet_unpark(&ready);
 *     }
 *
 *     int consume(void)
 *     {
 *         return valet_park(&ready) == VALET_OK ? value : -1;
 *     }
 */

/*
 * A token, held or not, and room for one parked thread. All-zero is a parker without a token. Where
 * a park polls its word before it sleeps (Linux, by itself), how long is what this parker's own
 * sleeps have earned: a new one does not poll, so one for each thread is faster than one for each
 * wait.
 */
struct valet_parker {
    VALET_ALIGNED uintptr_t word; /* the library's; aligned, so not in a packed struct */
};
#define VALET_PARKER_INIT \
    {                     \
        0                 \
    }

/*
 * Take the token; block until there is one. Order and context are those of the two calls below,
 * too.
 *
 * p         parker; one thread at a time parks on it, any number unpark it
 * returns   VALET_OK, a token was taken, perhaps one left before this call; never spuriously
 *           VALET_ERR_BUSY, another thread is parked on p, and is not disturbed. This helps to
 *           find a mistake and is no promise: of two threads either may be told, or sleep on
 *           VALET_ERR_UNSUPPORTED, this thread may not block here
 *           VALET_ERR_SYSTEM, the kernel cannot block here (a sandbox), also when asked again; the
 *           park is withdrawn
 * order     what was written before every valet_unpark(p) so far is visible after VALET_OK, also
 *           of those that were merged into one token
 * context   threads only; p may be freed as soon as this has returned and no further unpark begins
 */
VALET_API int valet_park(struct valet_parker *p) VALET_CHECKED;

/*
 * Take the token; block until there is one or the deadline comes.
 *
 * deadline  absolute, ns of valet_now(); VALET_FOREVER: none; 0: only try, without a system call;
 *           one in the past does not block. A token beats a deadline that has passed, and is taken
 *           without a system call
 * returns   as valet_park, and
 *           VALET_TIMEDOUT, the deadline came first and nothing was taken
 *           VALET_ERR_UNSUPPORTED, there is no clock here to wait by
 */
VALET_API int valet_park_until(struct valet_parker *p, uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout.
 *
 * timeout_ns  relative, ns, counted from this call; VALET_FOREVER: none; 0: only try, without a
 *             system call; a sum beyond the clock's range means none
 * returns     as valet_park_until
 */
VALET_API int valet_park_for(struct valet_parker *p, uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same with flags.
 *
 * flags     VALET_REALTIME, VALET_INTERRUPTIBLE, VALET_NO_POLL; any of them or 0
 * returns   as valet_park_until, and
 *           VALET_INTERRUPTED, a handler ran; nothing was taken. A token beats it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where there is a token
 */
VALET_API int valet_park_with(struct valet_parker *p, uint64_t deadline,
                              unsigned flags) VALET_CHECKED;

/*
 * Leave a token; wake the thread that is parked, if one is. Several tokens are one.
 *
 * p         parker; may be freed by the thread that this wakes while the call is still going on
 * order     what was written before is visible to the park that takes the token
 * context   futex kind: anywhere, also in a signal or interrupt handler; never blocks.
 *           sema kind: it waits for no thread, but where the system's post does: the README says
 *           on which rows that waits (until the woken thread is in its kernel call, or for a
 *           mutex), and on which it is allowed in a handler; elsewhere threads only
 * cost      one atomic exchange when nobody is parked, else one system call more
 */
VALET_API void valet_unpark(struct valet_parker *p);

/*
 * Whether a token is there: a hint, for who would rather do something else than park.
 *
 * returns   true if the next park would take a token, unless another thread takes it before
 * order     none: what came with the token is visible after the park that takes it
 * context   anywhere
 */
VALET_API bool valet_parker_is_set(const struct valet_parker *p);

/* ---- Waiters: many wait, one wakes them all -------------------------------------------------- */

/*
 * The first thread that comes initialises; the others wait until it has:
 *
 *     enum { EMPTY, BUSY, FULL };
 *     static struct valet_waiters cell = VALET_WAITERS_INIT(EMPTY);
 *
 *     int initialise(void (*init)(void))
 *     {
 *         unsigned seen = EMPTY;
 *         if (!valet_waiters_compare_exchange(&cell, &seen, BUSY))
 *             return valet_compare_and_wait(&cell, BUSY);
 *         init();
 *         valet_store_and_wake(&cell, FULL);
 *         return VALET_OK;
 *     }
 */

#define VALET_STATE_BITS 5
#define VALET_STATE_MAX  31u /* states are 0 to VALET_STATE_MAX */

/*
 * A state, and the record of who waits for it to change. A wait polls where a park does; how long
 * is what the waits on this object have earned together. Who polls is not on record: a store makes
 * no system call for it.
 */
struct valet_waiters {
    VALET_ALIGNED uintptr_t word; /* the library's; the state is in its low bits; aligned */
};
#define VALET_WAITERS_INIT(state)              \
    {                                          \
        VALET_AS_WORD(state) & VALET_STATE_MAX \
    }

/*
 * The same at run time: set the state, with nobody who waits.
 *
 * state     as of valet_store_and_wake
 * order     none
 * context   anywhere, while no other thread uses w
 */
VALET_API void valet_waiters_init(struct valet_waiters *w, unsigned state);

/*
 * The state now.
 *
 * returns   0 to VALET_STATE_MAX
 * order     acquire: what was written before the call that set this state is visible
 * context   anywhere
 */
VALET_API unsigned valet_waiters_state(const struct valet_waiters *w);

/*
 * Change the state from *expected to desired, if it is *expected, and wake nobody. Threads that
 * wait stay on record and learn of the change at the next valet_store_and_wake or
 * valet_waiters_wake.
 *
 * expected  in: the state to change from; out, where false is returned: the state that was seen
 * desired   0 to VALET_STATE_MAX; of a larger one only the low VALET_STATE_BITS bits are
 *           used; with -Dassertions=true it is a trap
 * returns   true if the state was changed. An *expected above VALET_STATE_MAX never matches
 * order     acquire and release when true, acquire when false
 * context   anywhere
 */
VALET_API bool valet_waiters_compare_exchange(struct valet_waiters *w, unsigned *expected,
                                              unsigned desired) VALET_CHECKED;

/*
 * Block while the state is `expected`, until a valet_store_and_wake (or _delegate) changes it, or a
 * valet_waiters_wake tells of a change.
 * Order and context are those of the call below, too.
 *
 * expected  0 to VALET_STATE_MAX
 * returns   VALET_OK, the state was seen to differ from expected; never spuriously. If it changes
 *           and changes back before this thread looks, the thread goes on waiting
 *           VALET_ERR_INVALID, expected is above VALET_STATE_MAX
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park
 * order     acquire: what was written before the call that set the new state is visible
 * context   threads only; w may be freed once its last waiter has returned
 */
VALET_API int valet_compare_and_wait(struct valet_waiters *w, unsigned expected) VALET_CHECKED;

/*
 * The same until a deadline.
 *
 * deadline  as valet_park_until. A difference beats a deadline that has passed
 * returns   as valet_compare_and_wait, and
 *           VALET_TIMEDOUT, the deadline came and the state was still, or again, expected
 */
VALET_API int valet_compare_and_wait_until(struct valet_waiters *w, unsigned expected,
                                           uint64_t deadline) VALET_CHECKED;

/*
 * The same with flags.
 *
 * flags     VALET_REALTIME, VALET_INTERRUPTIBLE, VALET_NO_POLL; any of them or 0
 * returns   as valet_compare_and_wait_until, and
 *           VALET_INTERRUPTED, a handler ran, and the state was still expected
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where the state differs
 */
VALET_API int valet_compare_and_wait_with(struct valet_waiters *w, unsigned expected,
                                          uint64_t deadline, unsigned flags) VALET_CHECKED;

/*
 * Set the state and wake every thread that waits.
 *
 * w         may be freed by the last waiter that this wakes while the call is still going on
 * state     0 to VALET_STATE_MAX; of a larger one only the low VALET_STATE_BITS bits are
 *           used; with -Dassertions=true it is a trap
 * order     release: pairs with the acquire of those who see the state
 * context   as valet_unpark. Sema kind: if a waiter is giving up just now, the others are left
 *           to it; they are woken when it goes on, later if it has lost its CPU or is stopped
 * cost      one atomic operation when nobody has waited since the last one; else one system call
 *           more (futex kind) or one for each thread (sema kind)
 */
VALET_API void valet_store_and_wake(struct valet_waiters *w, unsigned state);

/*
 * Set the state, wake one of the threads that wait, and leave the others to it. For many waiters,
 * where the caller's own time counts: all wake as soon as that one thread is scheduled, and the
 * later it is (a low priority, a long signal handler), the later they are. May be mixed with
 * valet_store_and_wake.
 *
 * w, state  as valet_store_and_wake. A thread inside valet_compare_and_wait may wake others before
 *           it returns
 * order     as valet_store_and_wake
 * context   as valet_unpark
 * cost      one atomic operation when nobody has waited since the last one; else one system call
 *           more, whatever the number of waiters. Of the waiters one makes one call more. Sema
 *           kind: this is valet_store_and_wake
 */
VALET_API void valet_store_and_delegate(struct valet_waiters *w, unsigned state);

/*
 * Wake every thread that waits, and change nothing: for who has changed the state by
 * valet_waiters_compare_exchange, perhaps several times, perhaps under a lock of his own. A thread
 * that finds the state as expected goes on waiting.
 *
 * w         not as for a store: a waiter may have seen the change without this call and returned,
 *           so that w stays is the caller's business
 * order     none: that of the change
 * context   as valet_store_and_wake
 * cost      one load when nobody has waited since the last one, else as valet_store_and_wake
 */
VALET_API void valet_waiters_wake(struct valet_waiters *w);

/* ---- Futex: wait on any 32-bit word ---------------------------------------------------------- */

#define VALET_FUTEX_ALL     UINT32_MAX /* as a count */
#define VALET_FUTEX_UNKNOWN UINT32_MAX /* as the number that was woken */

/*
 * Block while *word is expected, until a wake or the deadline. The comparison and going to sleep
 * are one step with respect to valet_futex_wake. Words are private to the process, but for the
 * calls with VALET_SHARED.
 *
 * word      4-byte aligned and writable; others change it with atomic operations. Mapped until
 *           this has returned, or the answer may be VALET_ERR_SYSTEM, as below
 * deadline  as valet_park_until, but one that has passed may cost a system call
 * returns   VALET_OK, woken, or for no reason: look at the word again
 *           VALET_CHANGED, the word was not expected
 *           VALET_TIMEDOUT, the deadline came, and no wake was used up whose change of the word
 *           could be seen. Futex kind: a difference after the deadline beats it, too
 *           VALET_ERR_INVALID, word is null or not aligned
 *           VALET_ERR_UNSUPPORTED as valet_park_until
 *           VALET_ERR_SYSTEM, as valet_park, at the first refusal; on futex kinds also: word is not
 *           mapped, where a kernel reads it (sys/README.md: the others)
 * order     none: load the word with acquire yourself
 * context   threads only
 */
VALET_API int valet_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout. The library itself looks at the word before it asks the clock, so a word
 * that is not mapped is a fault.
 *
 * timeout_ns  as valet_park_for; 0: only look, without a system call
 * returns     as valet_futex_wait
 */
VALET_API int valet_futex_wait_for(uint32_t *word, uint32_t expected,
                                   uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same, until a deadline, with flags.
 *
 * flags     VALET_REALTIME, VALET_INTERRUPTIBLE, VALET_NO_POLL (it never polls), VALET_SHARED; any
 *           of them or 0. Shared: the word is in a mapping that processes share (MAP_SHARED), in
 *           each at an address of its own; every call on it says so, since a private wait and a
 *           shared wake do not meet, nor the other way about
 * returns   as valet_futex_wait, and
 *           VALET_INTERRUPTED, a handler ran, and no wake was used up whose change of the word
 *           could be seen. Futex kind: a difference after it beats it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where the word differs
 */
VALET_API int valet_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline,
                                    unsigned flags) VALET_CHECKED;

/*
 * The same for a thread that another one may cancel: what a libc's cancellation points are made of.
 * The canceller sets *cancel, and then sends this thread a signal, whose handler calls
 * valet_cancel_redirect. At whatever instruction the signal comes, the thread comes out: it has yet
 * to look at *cancel; or it is between that look and the trap, out of which the handler takes it;
 * or it sleeps, and the kernel ends the wait. Present where VALET_CANCELLABLE is in
 * valet_features() (sys/README.md): the library must trap by itself, and from one place alone.
 *
 * flags     as valet_futex_wait_with. Each handler that returns ends the wait, as it is there, but
 *           without VALET_INTERRUPTIBLE, and with *cancel 0, as for no reason
 * cancel    4-byte aligned; not 0: this thread is to come out. Others set it, by atomic operations
 * returns   as valet_futex_wait_with, and
 *           VALET_INTERRUPTED, it was taken out, or found *cancel not to be 0. No wake was used up
 *           whose change of the word could be seen: a difference beats it, and so does a wake that
 *           came first (VALET_OK), whatever *cancel is then
 *           VALET_ERR_INVALID also for a `cancel` that is null or not aligned
 *           VALET_ERR_UNSUPPORTED also where there is no such wait, whatever the arguments
 * order     as valet_futex_wait; none of what was written before *cancel was set
 * context   threads only
 */
VALET_API int valet_futex_wait_cancellable(uint32_t *word, uint32_t expected, uint64_t deadline,
                                           unsigned flags, const uint32_t *cancel) VALET_CHECKED;

/*
 * In the handler of a signal by which a thread is cancelled: take it out of
 * valet_futex_wait_cancellable, if it was interrupted where it would sleep without another look.
 *
 * Call it with the program counter of the handler's context, if *cancel is set; while it is 0 the
 * handler does nothing. Where it returns true, put the new one back there, and change nothing else.
 * Where it returns false, the thread may still be in such a wait, under another handler that this
 * one has interrupted, and which may be one with SA_RESTART: so block this signal in the mask of
 * the context, and send it to the thread again. It comes as soon as the inner handler has returned,
 * and once for each that is nested; if there was none, it stays blocked, and pending. A thread that
 * goes on after it was cancelled sets *cancel to 0, and then unblocks the signal.
 *
 * With SA_RESTART the handler of the cancellation works as well as without: a kernel ends the wait
 * all the same (FreeBSD; Linux, where it has a deadline), or sets it back to its trap, out of which
 * this takes it.
 *
 * pc        where the thread was interrupted: by the names of <ucontext.h>, in uc_mcontext,
 *           on Linux gregs[REG_RIP] on x86_64, gregs[REG_EIP] on x86, pc on aarch64, arm_pc on
 *           arm, __gregs[REG_PC] on RISC-V, gp_regs[PT_NIP] on ppc64, psw.addr on s390x; on FreeBSD
 *           mc_rip, mc_eip, mc_gpregs.gp_elr, mc_gpregs.gp_sepc; on NetBSD
 *           _UC_MACHINE_PC of the context; out: where it is to go on, where true is returned
 * returns   true, *pc was changed
 *           false, it is not in such a wait of this copy of the library: a program and each shared
 *           object that has one have an own; or it has a wake, or another answer, already
 * context   anywhere
 */
VALET_API bool valet_cancel_redirect(uintptr_t *pc);

/*
 * Wake threads that wait on word. Change the word first: where the wait is a loop on the word (bare
 * metal), and for a thread that is about to sleep, only the change counts. Sema kind: a word is
 * used through one copy of the library, since a program and each shared object that has one have a
 * table each; a wake that meets another thread at the table leaves the wake to it, which then wakes
 * more; and the child of a fork finds the table empty on the posix row only. A signal handler that
 * forks there may use the table in the child, but the child does not return from it into a call on
 * a word that it has interrupted: that one is forgotten with the table, and nobody would wake it.
 *
 * word      may be dead by now: the address is a key, the word is not read
 * count     how many; 0: nobody; VALET_FUTEX_ALL, as any above INT32_MAX: all. More may wake: a few
 *           systems wake all (their rows say so), and any wait may return for no reason
 * returns   how many threads it woke; one that was about to sleep may be among them
 *           VALET_FUTEX_UNKNOWN, the system does not tell (sys/README.md), or has left the wake to
 *           another thread
 *           0, nobody was asleep on the word, so a lock may forget that somebody was
 * order     none: change the word with release yourself
 * context   as valet_unpark
 */
VALET_API uint32_t valet_futex_wake(uint32_t *word, uint32_t count);

/*
 * The same with flags.
 *
 * flags     VALET_SHARED or 0; the others, and those that this system has not, mean nothing here
 * returns   as valet_futex_wake
 */
VALET_API uint32_t valet_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags);

/*
 * If *from is expected, wake threads that wait on it, and let others wait on `to` from now on, in
 * one step with respect to waits on `from`: those that a condition variable would wake, only for
 * all but one to sleep at its mutex. Change *from first, as for a wake. Whoever has moved returns
 * when `to` is woken, or at its deadline: with VALET_TIMEDOUT, or where *from has changed by then,
 * on the futex kind, VALET_CHANGED. A kernel that begins its wait again, after a handler
 * (SA_RESTART) or a stop, begins it on `from`: so *from does not take a value again that one who
 * may still be moved expects. Let it count, as a condition variable's does.
 *
 * Where VALET_REQUEUE is not in valet_features(), the library compares, and those that would have
 * moved are woken; a thread that begins to wait just then may be woken in place of one of them. The
 * caller's code is the same. Sema kind: so are they, if another thread is at the table.
 *
 * from      as the word of a wait; the library itself may read it
 * to        another word; it is not read
 * wake      how many to wake, as for valet_futex_wake; more may wake
 * requeue   how many to move of those that are left, the same
 * flags     VALET_SHARED or 0: that of every call on both words
 * returns   VALET_OK; how many those were, only one kernel tells
 *           VALET_CHANGED, *from was not expected, and nothing was done; but who was about to
 *           sleep may return for no reason
 *           VALET_ERR_INVALID, a word is null or not aligned, both are one, or a flag is no such
 *           VALET_ERR_UNSUPPORTED, this system has no shared words
 *           VALET_ERR_SYSTEM, the kernel refused, and nothing was done: wake them
 * order     none: change the word with release yourself
 * context   as valet_unpark
 */
VALET_API int valet_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake, uint32_t *to,
                                  uint32_t requeue, unsigned flags) VALET_CHECKED;

/*
 * The clock of all deadlines.
 *
 * returns   ns since some fixed moment, monotonic; 0: there is no clock here
 * context   anywhere
 */
VALET_API uint64_t valet_now(void);

/*
 * The wall clock, that of VALET_REALTIME. It may be set, also back.
 *
 * returns   ns since 1970-01-01 00:00 UTC; 0: there is none here
 * context   anywhere
 */
VALET_API uint64_t valet_now_realtime(void);

#ifdef __cplusplus
}
#endif

#endif
