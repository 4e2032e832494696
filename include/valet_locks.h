/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Locks on parkers, by valet.h alone: the same on every system, and on a scheduler of your own.
 * What valet.h says of times, statuses, objects and their moves is true of these as well.
 *
 * An object belongs to one process and to no thread: there is no owner, hence no recursion, no
 * priority inheritance, and nothing to repair when its holder dies. Whoever gets it last may free
 * it as soon as the call that gives it up has returned, whatever others are still doing inside
 * calls that gave it up before. After a fork the child has what its one thread held, and
 * initialises again what another thread of its parent held or waited for: so a child's handler of
 * pthread_atfork gives such an object the value that it had at first. To unlock there would wake a
 * thread that the child does not have, and those who lock it later might wait for ever.
 *
 * Who gives an object up, tries it or notifies never waits for another thread: who finds the queue
 * in another one's hands leaves the work to it and goes on. So a thread that loses its CPU inside a
 * call, or is stopped there, holds up only those who block anyway: their wake-up; the end of a wait
 * whose deadline comes just then; and, where it was handing an object over, all who want that
 * object. A lock for readers and writers that is free may then be refused, too. Who blocks polls
 * for some microseconds before it sleeps, but not on bare metal nor on a scheduler of your own.
 */
#ifndef VALET_LOCKS_H
#define VALET_LOCKS_H

#include "valet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An outcome of calls below, beside those of valet.h. */
enum valet_chosen {
    VALET_CHOSEN = 4 /* of all who call, this thread: to do it, or it was the last */
};

/*
 * What a comment below calls asserted is a trap, where the library is built with -Dassertions=true,
 * and else not looked at. Who holds a mutex is known only if a build says who a thread is, by
 * -DVALET_LOCK_OWNER=function, for the library and for all that is compiled with this header, where
 * uintptr_t function(void) is its own, never gives 0, and is called in whatever context a mutex is.
 * In the child of a fork it gives what it gave there before: the address of a thread-local variable
 * does so, a number of the system's does not. A mutex has a word more, then, and three mistakes
 * more are asserted: to lock what one holds, to unlock what another thread holds, also where that
 * has handed on the right, and to wait for a notify without holding the mutex.
 */
#ifdef VALET_LOCK_OWNER
uintptr_t VALET_LOCK_OWNER(void);
/* What has a mutex in it is larger: so what has owners does not link with what has none. */
#define valet_cond_wait                valet_cond_wait_owned
#define valet_cond_wait_for            valet_cond_wait_for_owned
#define valet_cond_wait_until          valet_cond_wait_until_owned
#define valet_cond_wait_with           valet_cond_wait_with_owned
#define valet_mutex_unlock             valet_mutex_unlock_owned
#define valet_mutex_unlock_fair        valet_mutex_unlock_fair_owned
#define valet_rwlock_downgrade         valet_rwlock_downgrade_owned
#define valet_rwlock_read_unlock       valet_rwlock_read_unlock_owned
#define valet_rwlock_read_unlock_fair  valet_rwlock_read_unlock_fair_owned
#define valet_rwlock_write_unlock      valet_rwlock_write_unlock_owned
#define valet_rwlock_write_unlock_fair valet_rwlock_write_unlock_fair_owned
#define valet_sem_release              valet_sem_release_owned
#endif

/* ---- Mutex ----------------------------------------------------------------------------------- */

/*
 * Two threads count:
 *
 *     static struct valet_mutex lock_of_counter = VALET_MUTEX_INIT;
 *     static long counter;
 *
 *     int count_up(void)
 *     {
 *         int r = valet_mutex_lock(&lock_of_counter);
 *         if (r != VALET_OK)
 *             return r;
 *         counter++;
 *         valet_mutex_unlock(&lock_of_counter);
 *         return VALET_OK;
 *     }
 */

/*
 * Held by one thread at a time. All-zero is one that nobody holds. It is taken past those who wait,
 * by a thread that runs, since those have to be woken first. What bounds a wait: threads are woken
 * in the order in which they came, one at a time; one that is woken four times in vain is handed
 * the mutex by the next unlock, and nobody else can take it then. So a wait is as long as those
 * that came before it need, each of them at most five wake-ups and the sections in between. Where
 * all CPUs are busy, a wake-up may take as long as a system lets a thread run, a few ms: behind
 * hundreds of others the sum is a second or more.
 */
struct valet_mutex {
    VALET_ALIGNED uintptr_t word; /* the library's; aligned, so not in a packed struct */
#ifdef VALET_LOCK_OWNER
    uintptr_t owner; /* the library's */
#endif
};
#ifdef VALET_LOCK_OWNER
#define VALET_MUTEX_INIT \
    {                    \
        0, 0             \
    }
#else
#define VALET_MUTEX_INIT \
    {                    \
        0                \
    }
#endif

/*
 * Take the mutex, if nobody holds it.
 *
 * returns   true if it was taken
 * order     acquire when true: what was written before the unlock before it is visible
 * context   anywhere, also in a signal or interrupt handler; never blocks
 * cost      one atomic operation
 */
VALET_API bool valet_mutex_try_lock(struct valet_mutex *m) VALET_CHECKED;

/*
 * Take the mutex; block until it is free. Order and cost are those of try_lock, where it is free.
 *
 * m         the calling thread does not hold it: that would block for ever (with owners: asserted)
 * returns   VALET_OK, the caller holds it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park; it does not, then
 * context   threads only
 */
VALET_API int valet_mutex_lock(struct valet_mutex *m) VALET_CHECKED;

/*
 * Take the mutex; block until it is free or the deadline comes.
 *
 * deadline  as valet_park_until; 0: only try. A mutex that is free beats a deadline that has passed
 * returns   as valet_mutex_lock, and
 *           VALET_TIMEDOUT, the deadline came first
 *           VALET_ERR_UNSUPPORTED, there is no clock here to wait by
 */
VALET_API int valet_mutex_lock_until(struct valet_mutex *m, uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout.
 *
 * timeout_ns  as valet_park_for
 * returns     as valet_mutex_lock_until
 */
VALET_API int valet_mutex_lock_for(struct valet_mutex *m, uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same until a deadline, with flags.
 *
 * flags     VALET_REALTIME, VALET_INTERRUPTIBLE, VALET_NO_POLL; any of them or 0
 * returns   as valet_mutex_lock_until, and
 *           VALET_INTERRUPTED, a handler ran; the caller does not hold it. A mutex that is free, or
 *           handed over, beats it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where it is free
 */
VALET_API int valet_mutex_lock_with(struct valet_mutex *m, uint64_t deadline,
                                    unsigned flags) VALET_CHECKED;

/*
 * Give the mutex up, and wake one of those who wait.
 *
 * m         the caller got it, or the thread that got it has handed on that right. May be freed by
 *           who gets it next while this call is still going on. That it is locked at all is
 *           asserted
 * order     release: what was written before is visible to who gets it next
 * context   as valet_unpark; never blocks, never asks the clock
 * cost      one atomic operation when nobody waits
 */
VALET_API void valet_mutex_unlock(struct valet_mutex *m);

/*
 * Give the mutex up to the thread that has waited longest of those who sleep, if there is one: it
 * has it when this returns, and nobody can come before it. Each such unlock costs the time in which
 * that thread wakes up. Where another thread is just about to change the queue, this is
 * valet_mutex_unlock, whose comment has the rest.
 */
VALET_API void valet_mutex_unlock_fair(struct valet_mutex *m);

/* ---- Condition variable ---------------------------------------------------------------------- */

/*
 * One thread waits until another has put something there:
 *
 *     static struct valet_mutex lock_of_box = VALET_MUTEX_INIT;
 *     static struct valet_cond filled_box = VALET_COND_INIT;
 *     static int box;
 *
 *     int put(int value)
 *     {
 *         int r = valet_mutex_lock(&lock_of_box);
 *         if (r != VALET_OK)
 *             return r;
 *         box = value;
 *         valet_mutex_unlock(&lock_of_box);
 *         valet_cond_notify_one(&filled_box);
 *         return VALET_OK;
 *     }
 *
 *     int get(void)
 *     {
 *         int r = valet_mutex_lock(&lock_of_box), value;
 *         if (r != VALET_OK)
 *             return r;
 *         while (r == VALET_OK && box == 0)
 *             r = valet_cond_wait(&filled_box, &lock_of_box);
 *         value = box;
 *         valet_mutex_unlock(&lock_of_box);
 *         return r == VALET_OK ? value : r;
 *     }
 */

/*
 * Threads that wait for something that a mutex guards. All-zero is one on which nobody waits. Who
 * is notified while the mutex is taken goes from here into its queue, asleep: a notify of many does
 * not wake them all to find it taken, but 64 at a time.
 */
struct valet_cond {
    VALET_ALIGNED uintptr_t word; /* the library's; aligned, as a mutex's */
};
#define VALET_COND_INIT \
    {                   \
        0               \
    }

/*
 * Give the mutex up and wait for a notify, in one step with respect to who takes the mutex next;
 * then take it again.
 *
 * c         may be freed when all who waited have been notified and no wait with a deadline or
 *           flags, nor one that the system has refused, is still inside
 * m         the caller holds it, before and after, whatever this returns. All who wait at a time do
 *           so with the same one
 * returns   VALET_OK, notified, or rarely for no reason: look at what you wait for again
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park
 * order     that of the unlock and the lock
 * context   threads only
 */
VALET_API int valet_cond_wait(struct valet_cond *c, struct valet_mutex *m) VALET_CHECKED;

/*
 * The same until a deadline, which ends the wait for the notify, not the one for the mutex.
 *
 * deadline  as valet_park_until. A notify that came before it was noticed beats it
 * returns   as valet_cond_wait, and
 *           VALET_TIMEDOUT, the deadline came first, and no notify was used up
 */
VALET_API int valet_cond_wait_until(struct valet_cond *c, struct valet_mutex *m,
                                    uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout, from this call on.
 *
 * timeout_ns  as valet_park_for; 0: give the mutex up, and take it again
 * returns     as valet_cond_wait_until; where there is no clock, VALET_ERR_UNSUPPORTED at once
 */
VALET_API int valet_cond_wait_for(struct valet_cond *c, struct valet_mutex *m,
                                  uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same until a deadline, with flags. Neither deadline nor handler ends the wait for the mutex.
 *
 * flags     as valet_mutex_lock_with
 * returns   as valet_cond_wait_until, and
 *           VALET_INTERRUPTED, a handler ran, and no notify was used up
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags; m was not given up, then
 */
VALET_API int valet_cond_wait_with(struct valet_cond *c, struct valet_mutex *m, uint64_t deadline,
                                   unsigned flags) VALET_CHECKED;

/*
 * Notify the thread that has waited longest, if one waits. With the mutex held or without: what it
 * waits for was changed with it held.
 *
 * c         may be freed by those who are notified, as valet_cond_wait has it
 * order     none
 * context   as valet_unpark; never blocks. One that meets another one, or a thread that is giving
 *           up just now, may notify all who wait
 * cost      one load when nobody waits, else the moves; a call of the system only where the mutex
 *           is free
 */
VALET_API void valet_cond_notify_one(struct valet_cond *c);

/*
 * Notify all who wait. They are woken 64 at a time, in the order in which they came: the first 64,
 * where the mutex is free; each other 64 by an unlock of the mutex. Of 64 the first is woken so; it
 * wakes eight others before it takes the mutex, and each of these up to eight more. So where
 * threads have priorities, one that comes late holds up those whom it has to wake. The rest is as
 * for one.
 */
VALET_API void valet_cond_notify_all(struct valet_cond *c);

/* ---- Semaphore ------------------------------------------------------------------------------- */

/*
 * No more than two threads at a time:
 *
 *     static struct valet_sem seats = VALET_SEM_INIT(2);
 *
 *     int with_a_seat(void (*work)(void))
 *     {
 *         int r = valet_sem_acquire(&seats);
 *         if (r != VALET_OK)
 *             return r;
 *         work();
 *         valet_sem_release(&seats, 1);
 *         return VALET_OK;
 *     }
 */

/*
 * A number of permits, 0 to VALET_SEM_MAX; VALET_SEM_INIT does not look whether it is more. One
 * that is there is taken past those who wait, by a thread that runs. What bounds a wait: those who
 * wait stand in line for a mutex, which is bounded as ever; and once the first in line sleeps, the
 * next permit that is released is handed to it.
 */
struct valet_sem {
    struct valet_mutex line; /* the library's, */
    uintptr_t count;         /* both */
};
#define VALET_SEM_MAX (UINTPTR_MAX / 2) /* permits that may be there */
#define VALET_SEM_INIT(permits)                      \
    {                                                \
        VALET_MUTEX_INIT, VALET_AS_WORD(permits) * 2 \
    }

/*
 * Take a permit, if one is there.
 *
 * returns   true if one was taken
 * order     acquire when true: what was written before the release of this permit, and of those
 *           that were taken before, is visible
 * context   anywhere, also in a signal or interrupt handler; never blocks
 * cost      one atomic operation
 */
VALET_API bool valet_sem_try_acquire(struct valet_sem *s) VALET_CHECKED;

/*
 * Take a permit; block until one is there. Order and cost are those of try_acquire, where one is.
 *
 * returns   VALET_OK, the caller has it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park; it has none, then
 * context   threads only
 */
VALET_API int valet_sem_acquire(struct valet_sem *s) VALET_CHECKED;

/*
 * Take a permit; block until one is there or the deadline comes.
 *
 * deadline  as valet_park_until; 0: only try. A permit that is there beats a deadline that has
 *           passed
 * returns   as valet_sem_acquire, and
 *           VALET_TIMEDOUT, the deadline came first
 *           VALET_ERR_UNSUPPORTED, there is no clock here to wait by
 */
VALET_API int valet_sem_acquire_until(struct valet_sem *s, uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout.
 *
 * timeout_ns  as valet_park_for
 * returns     as valet_sem_acquire_until
 */
VALET_API int valet_sem_acquire_for(struct valet_sem *s, uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same until a deadline, with flags.
 *
 * flags     as valet_mutex_lock_with
 * returns   as valet_sem_acquire_until, and
 *           VALET_INTERRUPTED, a handler ran; nothing was taken. A permit beats it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where a permit is there
 */
VALET_API int valet_sem_acquire_with(struct valet_sem *s, uint64_t deadline,
                                     unsigned flags) VALET_CHECKED;

/*
 * Add permits; wake the thread that is first in line, if one sleeps there. It wakes the next.
 *
 * s         may be freed by who takes a permit, while this call is still going on
 * n         1 or more; the permits that are there then, VALET_SEM_MAX at most; asserted
 * order     release: pairs with the acquire of those who take a permit
 * context   as valet_unpark; never blocks, and waits for no other thread
 * cost      one atomic operation when nobody sleeps
 */
VALET_API void valet_sem_release(struct valet_sem *s, uintptr_t n);

/* ---- Lock for readers and writers ------------------------------------------------------------ */

/*
 * Many look something up, few change it:
 *
 *     static struct valet_rwlock lock_of_price = VALET_RWLOCK_INIT;
 *     static unsigned price;
 *
 *     int look_up_price(unsigned *result)
 *     {
 *         int r = valet_rwlock_read_lock(&lock_of_price);
 *         if (r != VALET_OK)
 *             return r;
 *         *result = price;
 *         valet_rwlock_read_unlock(&lock_of_price);
 *         return VALET_OK;
 *     }
 *
 *     int change_price(unsigned to)
 *     {
 *         int r = valet_rwlock_write_lock(&lock_of_price);
 *         if (r != VALET_OK)
 *             return r;
 *         price = to;
 *         valet_rwlock_write_unlock(&lock_of_price);
 *         return VALET_OK;
 *     }
 */

/*
 * Held by any number of readers, or by one writer. All-zero is one that nobody holds. Those who
 * find it held stand in line, readers and writers alike; the line is a mutex's, and bounded as
 * such. While the first in line waits for those who hold the lock, nobody new gets it past the
 * line: so a writer that waits stops new readers, and one that reads waits for itself if it locks
 * again for reading meanwhile. In one corner a thread that was woken in vain stands behind some who
 * came since: where the first in line goes back to sleep at the same time.
 */
struct valet_rwlock {
    struct valet_mutex line; /* the library's, */
    uintptr_t holders;       /* both */
};
#define VALET_RWLOCK_INIT   \
    {                       \
        VALET_MUTEX_INIT, 0 \
    }

/*
 * Take the lock for reading, if no writer holds it and nobody first in line waits for it.
 *
 * returns   true if it was taken. False may also be for one that is free, while another thread is
 *           inside a call on it: one that tries, or that its deadline has ended
 * order     acquire when true: what was written before each unlock of a writer is visible
 * context   as valet_unpark; never blocks
 * cost      one atomic operation, as a rule
 */
VALET_API bool valet_rwlock_read_try_lock(struct valet_rwlock *l) VALET_CHECKED;

/*
 * Take the lock for reading; block until that is possible. Order and cost are those of
 * read_try_lock, where it is at once.
 *
 * l         the calling thread does not hold it for writing: that would block for ever
 * returns   VALET_OK, the caller holds it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park; it does not, then
 * context   threads only
 */
VALET_API int valet_rwlock_read_lock(struct valet_rwlock *l) VALET_CHECKED;

/*
 * The same until a deadline.
 *
 * deadline  as valet_park_until; 0: only try. A lock that is free beats a deadline that has passed
 * returns   as valet_rwlock_read_lock, and
 *           VALET_TIMEDOUT, the deadline came first
 *           VALET_ERR_UNSUPPORTED, there is no clock here to wait by
 */
VALET_API int valet_rwlock_read_lock_until(struct valet_rwlock *l, uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout.
 *
 * timeout_ns  as valet_park_for
 * returns     as valet_rwlock_read_lock_until
 */
VALET_API int valet_rwlock_read_lock_for(struct valet_rwlock *l, uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same until a deadline, with flags.
 *
 * flags     as valet_mutex_lock_with
 * returns   as valet_rwlock_read_lock_until, and
 *           VALET_INTERRUPTED, a handler ran; the caller does not hold it. A lock that is free
 *           beats it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where it is free
 */
VALET_API int valet_rwlock_read_lock_with(struct valet_rwlock *l, uint64_t deadline,
                                          unsigned flags) VALET_CHECKED;

/*
 * Give up what was taken for reading; the last one wakes the first in line.
 *
 * l         the caller got it, or the thread that got it has handed on that right. May be freed by
 *           who gets it next while this call is still going on. That readers hold it is asserted
 * order     release: what was read before is not changed yet by the writer that gets it next
 * context   as valet_unpark; never blocks, never asks the clock
 * cost      one atomic operation when nobody waits
 */
VALET_API void valet_rwlock_read_unlock(struct valet_rwlock *l);

/*
 * The same, and hand the line to the one that has waited longest in it: nobody comes before that.
 * If it reads, those behind it that read follow as ever. The rest is as for read_unlock.
 */
VALET_API void valet_rwlock_read_unlock_fair(struct valet_rwlock *l);

/*
 * Take the lock for writing, if nobody holds it and nobody first in line waits for it.
 *
 * returns   true if it was taken; false as read_try_lock
 * order     acquire when true: what was written before each unlock is visible
 * context   as valet_unpark; never blocks
 * cost      one atomic operation, as a rule
 */
VALET_API bool valet_rwlock_write_try_lock(struct valet_rwlock *l) VALET_CHECKED;

/*
 * Take the lock for writing; block until nobody holds it. Order and cost are those of
 * write_try_lock, where it is free.
 *
 * l         the calling thread does not hold it, in either way: that would block for ever
 * returns   as valet_rwlock_read_lock
 * context   threads only
 */
VALET_API int valet_rwlock_write_lock(struct valet_rwlock *l) VALET_CHECKED;

/*
 * The same until a deadline.
 *
 * deadline  as valet_rwlock_read_lock_until
 * returns   as valet_rwlock_read_lock_until
 */
VALET_API int valet_rwlock_write_lock_until(struct valet_rwlock *l,
                                            uint64_t deadline) VALET_CHECKED;

/*
 * The same with a timeout.
 *
 * timeout_ns  as valet_park_for
 * returns     as valet_rwlock_read_lock_until
 */
VALET_API int valet_rwlock_write_lock_for(struct valet_rwlock *l,
                                          uint64_t timeout_ns) VALET_CHECKED;

/*
 * The same until a deadline, with flags.
 *
 * flags     as valet_mutex_lock_with
 * returns   as valet_rwlock_read_lock_with
 */
VALET_API int valet_rwlock_write_lock_with(struct valet_rwlock *l, uint64_t deadline,
                                           unsigned flags) VALET_CHECKED;

/*
 * Give up what was taken for writing, and wake the first in line. l, context and cost are those of
 * valet_rwlock_read_unlock; asserted is that a writer holds it.
 *
 * order     release: what was written before is visible to who gets it next
 */
VALET_API void valet_rwlock_write_unlock(struct valet_rwlock *l);

/* The same, as valet_rwlock_read_unlock_fair. */
VALET_API void valet_rwlock_write_unlock_fair(struct valet_rwlock *l);

/*
 * Hold for reading what is held for writing, without giving it up in between. If the first in line
 * is a reader, it comes in.
 *
 * order     that of valet_rwlock_write_unlock
 * context   as valet_rwlock_write_unlock
 */
VALET_API void valet_rwlock_downgrade(struct valet_rwlock *l);

/* ---- Once ------------------------------------------------------------------------------------ */

/*
 * The first thread that comes fills a table; the others wait until it has:
 *
 *     static struct valet_once table_once = VALET_ONCE_INIT;
 *     static unsigned table[16];
 *
 *     static void fill_table(void *unused)
 *     {
 *         (void)unused;
 *         for (unsigned i = 0; i < 16; i++)
 *             table[i] = i * i;
 *     }
 *
 *     int square(unsigned i, unsigned *result)
 *     {
 *         int r = valet_once_call(&table_once, fill_table, NULL);
 *         if (r == VALET_OK)
 *             *result = table[i % 16];
 *         return r;
 *     }
 */

/* Something that is done once. All-zero: not yet. */
struct valet_once {
    struct valet_waiters waiters; /* the library's */
};
#define VALET_ONCE_INIT       \
    {                         \
        VALET_WAITERS_INIT(0) \
    }

/*
 * Whether it is done.
 *
 * returns   true for ever after valet_once_done
 * order     acquire when true: what was written before valet_once_done is visible
 * context   anywhere
 * cost      one load
 */
VALET_API bool valet_once_is_done(const struct valet_once *o);

/*
 * Begin it, if nobody has; else block until it is done, or abandoned, and begin it then.
 *
 * returns   VALET_OK, it is done
 *           VALET_CHOSEN, the caller is to do it, and then to call valet_once_done or
 *           valet_once_abandon; any thread may call these for it
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park; it is not done, then
 * order     acquire: what was written before valet_once_done, or valet_once_abandon, is visible
 * context   threads only; who does it and begins it again waits for itself
 * cost      one load when it is done
 */
VALET_API int valet_once_begin(struct valet_once *o) VALET_CHECKED;

/*
 * The same until a deadline, with flags.
 *
 * deadline  as valet_park_until; 0: begin it, if nobody has
 * flags     as valet_mutex_lock_with
 * returns   as valet_once_begin, and
 *           VALET_TIMEDOUT, the deadline came first
 *           VALET_INTERRUPTED, a handler ran first
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where it is done
 */
VALET_API int valet_once_begin_with(struct valet_once *o, uint64_t deadline,
                                    unsigned flags) VALET_CHECKED;

/*
 * It is done: who waits goes on, and nobody begins it again.
 *
 * o         begun, and neither done nor abandoned since; asserted. May be freed by who learns of it
 *           while this call is still going on
 * order     release: pairs with the acquire of those who find it done
 * context   as valet_store_and_wake
 */
VALET_API void valet_once_done(struct valet_once *o);

/*
 * It could not be done: one of those who wait, or who come next, begins it anew. The rest is as for
 * valet_once_done.
 */
VALET_API void valet_once_abandon(struct valet_once *o);

/*
 * The whole of it: function(argument) is called by the thread that comes first, and has returned
 * when this returns to any. For one that may fail, or that leaves by a jump or an exception, there
 * are the calls above.
 *
 * function  called at most once in the life of o
 * argument  given to it
 * returns   as valet_once_begin, but never VALET_CHOSEN
 * context   threads only; function does not call this for the same o
 */
VALET_API int valet_once_call(struct valet_once *o, void (*function)(void *argument),
                              void *argument) VALET_CHECKED;

/* ---- Latch ----------------------------------------------------------------------------------- */

/*
 * One thread waits until three have done their part:
 *
 *     static struct valet_latch parts = VALET_LATCH_INIT(3);
 *
 *     void part_is_done(void)
 *     {
 *         valet_latch_count_down(&parts, 1);
 *     }
 *
 *     int wait_for_parts(void)
 *     {
 *         return valet_latch_wait(&parts);
 *     }
 */

/* A count that goes down to nothing, once; threads wait for that. */
struct valet_latch {
    struct valet_waiters waiters; /* the library's, */
    uintptr_t count;              /* both */
};
#define VALET_LATCH_INIT(count)                                \
    {                                                          \
        VALET_WAITERS_INIT((count) == 0), VALET_AS_WORD(count) \
    }

/*
 * Count down; the last one wakes all who wait.
 *
 * l         may be freed by the last waiter that this lets go while the call is still going on
 * n         1 or more, but no more than what is left; asserted
 * order     release: what was written before is visible to all who wait
 * context   as valet_store_and_wake
 * cost      one atomic operation; that of the last one as valet_store_and_wake beside it
 */
VALET_API void valet_latch_count_down(struct valet_latch *l, uintptr_t n);

/*
 * Block until the count has come to nothing.
 *
 * returns   VALET_OK; never spuriously
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_SYSTEM as valet_park
 * order     acquire: what was written before each valet_latch_count_down is visible
 * context   threads only; l may be freed once its last waiter has returned
 * cost      one load when the count has come to nothing
 */
VALET_API int valet_latch_wait(struct valet_latch *l) VALET_CHECKED;

/*
 * The same until a deadline.
 *
 * deadline  as valet_park_until; 0: only look
 * returns   as valet_latch_wait, and
 *           VALET_TIMEDOUT, the deadline came first
 */
VALET_API int valet_latch_wait_until(struct valet_latch *l, uint64_t deadline) VALET_CHECKED;

/*
 * The same with flags.
 *
 * flags     as valet_mutex_lock_with
 * returns   as valet_latch_wait_until, and
 *           VALET_INTERRUPTED, a handler ran first
 *           VALET_ERR_UNSUPPORTED, VALET_ERR_INVALID for the flags, also where nothing is left
 */
VALET_API int valet_latch_wait_with(struct valet_latch *l, uint64_t deadline,
                                    unsigned flags) VALET_CHECKED;

/* ---- Barrier --------------------------------------------------------------------------------- */

/*
 * Two threads in step, one of which says so:
 *
 *     static struct valet_barrier step = VALET_BARRIER_INIT(2);
 *     static unsigned steps;
 *
 *     void take_steps(unsigned many)
 *     {
 *         while (many-- != 0) {
 *             if (valet_barrier_wait(&step) == VALET_CHOSEN)
 *                 steps++;
 *             valet_barrier_wait(&step);
 *         }
 *     }
 */

/*
 * Threads that wait until all of them have come; again and again. These are 1 to VALET_BARRIER_MAX;
 * VALET_BARRIER_INIT does not look whether they are more, or none: a wait has no end then, or not
 * that which is wanted. That the barrier is for some is asserted where a thread waits.
 */
struct valet_barrier {
    VALET_ALIGNED uintptr_t word; /* the library's, */
    uintptr_t count;              /* both */
};
#define VALET_BARRIER_MAX (UINTPTR_MAX >> sizeof(uintptr_t) * 4) /* threads that one may be for */
#define VALET_BARRIER_INIT(threads)                                                 \
    {                                                                               \
        0, VALET_AS_WORD(threads) << sizeof(uintptr_t) * 4 | VALET_AS_WORD(threads) \
    }

/*
 * Block until as many threads as the barrier is for are in this call; then begin anew.
 *
 * b         no more threads than it is for are in this call at a time; asserted where the count
 *           shows it. Nobody touches it for a thread that has returned: may be freed by any thread
 *           whose call of the last round has returned, whatever the others are still doing inside
 *           theirs
 * returns   VALET_OK, all have come
 *           VALET_CHOSEN, the same, to one of them, which came last
 * order     what each thread has written before is visible to all after
 * context   threads only. Where the system refuses to block (as valet_park says), this polls, since
 *           who has come is counted
 * cost      two atomic operations; of the last one a wake-up for each of the others
 */
VALET_API int valet_barrier_wait(struct valet_barrier *b);

#ifdef __cplusplus
}
#endif

#endif
