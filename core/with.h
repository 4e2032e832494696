/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the calls with flags share. Their machines are those of the calls without, once more: both
 * are made of one function, by VALET_INLINE, so those without have no code for flags. */
#ifndef VALET_CORE_WITH_H
#define VALET_CORE_WITH_H

#include "valet.h"
#include "valet_sys.h"

/* VALET_OK: the flags are such as this system has. */
static inline int valet_with_flags(unsigned flags)
{
    if (flags & ~(VALET_INTERRUPTIBLE | VALET_NO_POLL))
        return VALET_ERR_INVALID;
    return flags & ~valet_features() ? VALET_ERR_UNSUPPORTED : VALET_OK;
}

#endif
