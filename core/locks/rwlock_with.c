/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Lock for readers and writers: the locks with flags, in an object of its own. Its machine is that
 * of the others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/locks/rwlock.c"
#endif
#include "core/with.h"

static int lock_with(struct valet_rwlock *l, uintptr_t what, uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    if (r != VALET_OK)
        return r;
    return take(word_of(l), what) ? VALET_OK : line_loop(l, what, deadline, flags);
}

int valet_rwlock_read_lock_with(struct valet_rwlock *l, uint64_t deadline, unsigned flags)
{
    return lock_with(l, READER, deadline, flags);
}

int valet_rwlock_write_lock_with(struct valet_rwlock *l, uint64_t deadline, unsigned flags)
{
    return lock_with(l, WRITER, deadline, flags);
}
