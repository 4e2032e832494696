/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * checker --symbols MODEL              the functions that an image for this model imports
 * checker [-qnudopfla] [-c FACTOR] [-m MOST] [-s PREFIX] -k futex|sema -M MODEL -r ROW
 * IMAGE
 *
 *   -q        quick: visible operations only
 *   -n        the row has no clock: no scenario with a deadline
 *   -u        the row has no kernel that looks at addresses, or that could refuse
 *   -d        only the deep scenarios, at every instruction
 *   -p        atomic operations are pairs: no large scenario for the sema kind
 *   -o        only the small ones
 *   -a        the image has the locks: only theirs
 *   -f        stop at the first violation
 *   -l        print the schedule of a violation, of the first two
 *   -c        system calls that one wait or wake may take (default 1)
 *   -m        the most states of a scenario (default 2,000,000): more is a failure
 *   -s        only scenarios whose name begins so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checker.h"
#include "scenarios.h"

#define SCENARIO(name, threads, flags, budget) {#name, threads, flags, budget},
static const struct scenario scenarios[] = {SCENARIOS(SCENARIO)};

extern const struct model *const __start_models[], *const __stop_models[];

static const struct model *find_model(const char *name)
{
    for (const struct model *const *m = __start_models; m < __stop_models; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    die("no model %s", name);
}

int main(int argc, char **argv)
{
    static struct kernel k;
    bool pairs = false, deep = false, quick = false, no_clock = false, no_kernel = false,
         first = false, print = false, small = false, locks = false;
    const char *kind = "", *row = "", *prefix = "";
    size_t most = 2000000;
    int failed = 0, passed = 0;
    if (argc == 3 && strcmp(argv[1], "--symbols") == 0) {
        for (const char *const *p = find_model(argv[2])->symbols; p && *p; p++)
            puts(*p);
        return 0;
    }
    k.calls_factor = 1;
    for (int o; (o = getopt(argc, argv, "qnufdlopac:m:s:k:M:r:")) != -1;)
        switch (o) {
        case 'q':
            quick = true;
            break;
        case 'n':
            no_clock = true;
            break;
        case 'u':
            no_kernel = true;
            break;
        case 'd':
            deep = true;
            break;
        case 'o':
            small = true;
            break;
        case 'p':
            pairs = true;
            break;
        case 'a':
            locks = true;
            break;
        case 'f':
            first = true;
            break;
        case 'l':
            print = true;
            break;
        case 'c':
            k.calls_factor = atoi(optarg);
            break;
        case 'm':
            most = strtoul(optarg, NULL, 10);
            break;
        case 's':
            prefix = optarg;
            break;
        case 'k':
            kind = optarg;
            break;
        case 'M':
            k.model = find_model(optarg);
            break;
        case 'r':
            row = optarg;
            break;
        default:
            return 2;
        }
    if (optind + 1 != argc || !k.model || (strcmp(kind, "futex") && strcmp(kind, "sema")))
        die("see main.c for the arguments");
    k.sema_kind = strcmp(kind, "sema") == 0;
    image_load(&k.image, argv[optind]);
    cpu_open(&k);
    unsigned other = strcmp(kind, "futex") == 0 ? SEMA_KIND : FUTEX_KIND;
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        for (int every = 0; every < 2; every++) {
            const struct scenario *s = &scenarios[i];
            struct verdict v = {.print = print && failed < 2};
            if (strncmp(s->name, prefix, strlen(prefix)) != 0 || locks != !!(s->flags & LOCKS) ||
                (small && (s->threads > 3 || s->flags & WIDE)) || s->flags & other ||
                (no_clock && s->flags & TIMED) || (pairs && k.sema_kind && s->flags & LARGE) ||
                (s->flags & WIDE && (pairs || (strcmp(k.model->name, "linux") != 0 &&
                                               strcmp(k.model->name, "external_futex") != 0))) ||
                (s->flags & FAR && strcmp(k.model->name, "linux") != 0 &&
                 strcmp(k.model->name, "gvisor") != 0) ||
                (no_kernel && s->flags & (SANDBOX | KERNEL)) ||
                (s->flags & CANCELS &&
                 (small || image_address(&k.image, "valet_sys_cancellable_1") == 0)) ||
                (deep                 ? !every || !(s->flags & DEEP)
                 : s->flags & CANCELS ? !every
                                      : every && (quick || !(s->flags & EVERY))))
                continue;
            k.every_instruction = every && !(s->flags & CANCELS);
            search(&k, s, most, &v);
            printf("%s%-26s %-20s %-7s %8zu states %7.2f s  %s\n", v.text[0] ? "FAILED " : "", row,
                   s->name, every ? "every" : "visible", v.states, v.seconds,
                   v.text[0] ? v.text : "ok");
            fflush(stdout);
            v.text[0] ? failed++ : passed++;
            if (failed && first)
                return 1;
        }
    if (passed + failed == 0)
        die("%s: no scenario ran", row);
    return failed != 0;
}
