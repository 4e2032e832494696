/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

const char *fuzz_subject = "";

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "WRONG: %s: %s:%d: %s\n", fuzz_subject, file, line, what);
    abort();
}
