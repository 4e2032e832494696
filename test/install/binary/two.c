/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program with a row of its own, which loads shared objects with theirs, for all to see. */
#include <dlfcn.h>
#include <stdio.h>

int run_here(void);

int main(int count, char **files)
{
    if (run_here() != 0)
        return 2;
    for (int i = 1; i < count; i++) {
        void *object = dlopen(files[i], RTLD_NOW | RTLD_GLOBAL);
        int (*run)(void) = object ? (int (*)(void))dlsym(object, "run") : NULL;
        if (run == NULL || run() != 0) {
            printf("%s: %s\n", files[i], object ? "not its own calls" : dlerror());
            return 3;
        }
    }
    return 0;
}
