/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A schedule, readable: one line for each step of a thread, with its function, source line, and
 * what it read, wrote or asked of the kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

#define LINES_MOST    5000
#define ACCESSES_MOST 8

struct access {
    bool write;
    uint64_t address, before;
    unsigned size;
};

struct line {
    uint64_t pc;
    int thread;
    char text[400];
};

static struct line lines[LINES_MOST];
static size_t lines_n;
static struct access accesses[ACCESSES_MOST];
static size_t accesses_n;
static int step_thread;
static enum action step_action;
static uint64_t step_pc, step_clock;
static uint8_t step_inside[MODEL_THREADS];
static enum kind step_kind;
static char step_call[200];

static const char *place(struct kernel *k, uint64_t address, char *into, size_t size)
{
    const struct image *im = &k->image;
    const struct symbol *s = image_around(im, address);
    if (address >= im->stacks && address < im->scratch)
        snprintf(into, size, "stack of thread %d -%#llx", (int)((address - im->stacks) / STACK),
                 (unsigned long long)(STACK - (address - im->stacks) % STACK));
    else if (s && address < im->stacks)
        snprintf(into, size, "%s+%#llx", s->name, (unsigned long long)(address - s->address));
    else
        snprintf(into, size, "%#llx", (unsigned long long)address);
    return into;
}

static uint64_t value(struct kernel *k, uint64_t address, unsigned size)
{
    uint64_t v = 0;
    const struct image *im = &k->image;
    if (size <= 8 && address >= im->base && address + size <= im->base + WINDOW)
        memcpy(&v, guest(k, address), size);
    return v;
}

static void add_line(uint64_t pc, int thread, const char *text)
{
    if (lines_n == LINES_MOST)
        return;
    lines[lines_n].pc = pc;
    lines[lines_n].thread = thread;
    snprintf(lines[lines_n++].text, sizeof lines[0].text, "%s", text);
}

void report_start(struct kernel *k, const struct scenario *s)
{
    printf("schedule of %s on %s:\n", s->name, k->model->name);
    lines_n = 0;
}

void report_access(struct kernel *k, int thread, bool write, uint64_t address, unsigned size)
{
    if (thread != step_thread || accesses_n == ACCESSES_MOST)
        return;
    uint64_t top = stack_top(k, thread);
    if (address >= top - STACK && address < top && step_kind == PLAIN && accesses_n > 0)
        return;
    accesses[accesses_n++] = (struct access){write, address, value(k, address, size), size};
}

void report_before(struct kernel *k, int thread, enum action action)
{
    step_thread = thread;
    step_action = action;
    step_pc = cpu_pc(k, thread);
    step_clock = k->w.clock;
    step_kind = cpu_kind(k, step_pc);
    accesses_n = 0;
    step_call[0] = '\0';
    for (int j = 0; j < k->threads; j++)
        step_inside[j] = (uint8_t)k->w.threads[j].sleep.inside;
    if (action == RUN && (step_kind == TRAP || step_kind == IMPORT)) {
        struct model_call c = {.kernel = k, .model = k->model, .thread = thread};
        cpu_call_in(k, &c);
        int n = c.symbol ? snprintf(step_call, sizeof step_call, "calls %s(", c.symbol)
                         : snprintf(step_call, sizeof step_call, "calls the kernel: %llu(",
                                    (unsigned long long)c.number);
        for (int i = 0; i < 6; i++)
            n += snprintf(step_call + n, sizeof step_call - (size_t)n, "%s%#llx", i ? ", " : "",
                          (unsigned long long)c.args[i]);
        snprintf(step_call + n, sizeof step_call - (size_t)n, ")");
    }
}

void report_after(struct kernel *k)
{
    static const char *const events[] = {
        [GO_ON] = "goes on in the kernel",  [TIMEOUT] = "its deadline comes",
        [EARLY] = "its timer fires early",  [SIGNAL] = "a signal",
        [SPURIOUS] = "woken for no reason", [FAIL_STORE] = "its store-exclusive fails",
        [CANCEL] = "is cancelled",          [RESTART] = "is cancelled, and set back to the trap"};
    char text[400], name[100];
    size_t n = 0;
    text[0] = '\0';
#define SAY(...) \
    (n < sizeof text ? n += (size_t)snprintf(text + n, sizeof text - n, __VA_ARGS__) : n)
    if (step_action == TICK) {
        snprintf(text, sizeof text, "the clock goes from %llu to %llu",
                 (unsigned long long)step_clock, (unsigned long long)k->w.clock);
        add_line(0, -1, text);
        return;
    }
    if (step_call[0])
        SAY("%s", step_call);
    else if (step_action != RUN)
        SAY("%s", events[step_action]);
    else
        for (size_t i = 0; i < accesses_n; i++) {
            const struct access *a = &accesses[i];
            if (a->write)
                SAY("%swrites %s: %#llx -> %#llx", i ? ", " : "",
                    place(k, a->address, name, sizeof name), (unsigned long long)a->before,
                    (unsigned long long)value(k, a->address, a->size));
            else
                SAY("%sreads %s: %#llx", i ? ", " : "", place(k, a->address, name, sizeof name),
                    (unsigned long long)a->before);
        }
    if (k->note[0])
        SAY("; %s", k->note);
    for (int j = 0; j < k->threads; j++) {
        uint8_t now = (uint8_t)k->w.threads[j].sleep.inside;
        if (now == step_inside[j])
            continue;
        if (now == ASLEEP || now == WAITING_FOR_EVENT)
            SAY("; thread %d sleeps", j);
        else if (now == ON_STEP)
            SAY("; thread %d is on its way in the kernel", j);
        else if (now == DONE)
            SAY("; thread %d is at its end", j);
        else
            SAY("; thread %d is awake", j);
    }
    if (k->w.clock != step_clock)
        SAY("; the clock is %llu", (unsigned long long)k->w.clock);
    add_line(step_pc, step_thread, text);
#undef SAY
}

/* Source lines by llvm-symbolizer, all at once; what it does not know stays a function + offset. */
static void read_source_lines(struct kernel *k, char (*where)[300])
{
    char list[] = "/tmp/valet-checker-XXXXXX", command[600];
    int fd = mkstemp(list);
    if (fd < 0)
        return;
    FILE *f = fdopen(fd, "w");
    for (size_t i = 0; i < lines_n; i++)
        fprintf(f, "%#llx\n", (unsigned long long)lines[i].pc);
    fclose(f);
    snprintf(command, sizeof command,
             "llvm-symbolizer --obj='%s' --basenames --inlining=false --output-style=GNU "
             "--functions=none <'%s' 2>/dev/null",
             k->image.path, list);
    f = popen(command, "r");
    char text[300];
    for (size_t i = 0; f && i < lines_n && fgets(text, sizeof text, f);) {
        text[strcspn(text, " \n")] = '\0';
        if (text[0] == '\0')
            continue;
        snprintf(where[i++], 300, "%s", strncmp(text, "??", 2) == 0 ? "" : text);
    }
    if (f)
        pclose(f);
    remove(list);
}

void report_end(struct kernel *k, const char *text)
{
    char(*where)[300] = calloc(lines_n + 1, sizeof *where), name[100];
    read_source_lines(k, where);
    for (size_t i = 0; i < lines_n; i++)
        if (lines[i].thread < 0)
            printf("  %3zu  %s\n", i + 1, lines[i].text);
        else
            printf("  %3zu  thread %d  %s%s%s%s  %s\n", i + 1, lines[i].thread,
                   place(k, lines[i].pc, name, sizeof name), where[i][0] ? " (" : "", where[i],
                   where[i][0] ? ")" : "", lines[i].text);
    printf("  then: %s\n", text);
    free(where);
}
