/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What honest.c and answers/world.h, which have no schedule and no scenario, answer alike. */
#ifndef VALET_TEST_MODEL_PLAIN_H
#define VALET_TEST_MODEL_PLAIN_H

#include "model.h"

uint64_t model_after(struct model_call *c, uint64_t ns)
{
    uint64_t sum;
    return __builtin_add_overflow(model_now(c), ns, &sum) ? MODEL_NEVER : sum;
}

uint64_t model_wall(struct model_call *c)
{
    (void)c;
    return MODEL_WALL;
}

bool model_shares(struct model_call *c)
{
    (void)c;
    return false;
}

void model_note(struct model_call *c, const char *format, ...)
{
    (void)c, (void)format;
}

#endif
