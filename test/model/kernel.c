/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What model.h promises to the models. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checker.h"

uint64_t stack_top(const struct kernel *k, int thread)
{
    return k->image.stacks + (uint64_t)(thread + 1) * STACK;
}

uint64_t stack_live(const struct kernel *k, int thread)
{
    const struct thread *t = &k->w.threads[thread];
    uint64_t top = stack_top(k, thread);
    if (t->sleep.inside == DONE)
        return top;
    uint64_t low = cpu_sp(k, thread) - (t->in_api ? k->image.red_zone : 0);
    return low < top - STACK || low > top ? top - STACK : low & ~(uint64_t)7;
}

static void say(char *into, size_t size, const char *format, va_list list)
{
    vsnprintf(into, size, format, list);
}

void violation(struct kernel *k, const char *format, ...)
{
    if (k->violation[0] != '\0') /* the first one is the cause */
        return;
    va_list list;
    va_start(list, format);
    say(k->violation, sizeof k->violation, format, list);
    va_end(list);
}

void model_violation(struct model_call *c, const char *format, ...)
{
    c->kernel->answered = true;
    if (c->kernel->violation[0] != '\0')
        return;
    va_list list;
    va_start(list, format);
    say(c->kernel->violation, sizeof c->kernel->violation, format, list);
    va_end(list);
}

void model_mistake(struct model_call *c, const char *format, ...)
{
    if (c->kernel->violation[0] != '\0')
        return;
    va_list list;
    va_start(list, format);
    say(c->kernel->violation, sizeof c->kernel->violation, format, list);
    va_end(list);
}

void model_note(struct model_call *c, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(c->kernel->note, sizeof c->kernel->note, format, list);
    va_end(list);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answered(struct model_call *c)
{
    if (c->kernel->answered)
        violation(c->kernel, "the model answers twice");
    c->kernel->answered = true;
}

static void to_user(struct model_call *c, bool error, uint64_t result, const uint64_t *second)
{
    answered(c);
    memset(c->sleep, 0, sizeof *c->sleep);
    c->sleep->deadline = MODEL_NEVER;
    cpu_call_out(c->kernel, c, error, result, second);
}

void model_return(struct model_call *c, uint64_t result)
{
    to_user(c, false, result, NULL);
}

void model_return2(struct model_call *c, uint64_t result, uint64_t second)
{
    to_user(c, false, result, &second);
}

void model_error(struct model_call *c, int error)
{
    if (c->symbol)
        violation(c->kernel, "the model answers an errno to a function call");
    to_user(c, true, (uint64_t)error, NULL);
}

void model_sleep(struct model_call *c, uint64_t key, uint64_t deadline)
{
    answered(c);
    c->sleep->key = key;
    c->sleep->deadline = deadline;
    c->sleep->inside = ASLEEP;
}

void model_step(struct model_call *c, uint64_t key)
{
    answered(c);
    c->sleep->key = key;
    c->sleep->inside = ON_STEP;
}

void model_refuse(struct model_call *c)
{
    answered(c);
    c->kernel->refused = true;
}

/* ---- entering and resuming ------------------------------------------------------------------- */

static void run(struct kernel *k, int thread, bool entering, enum model_event why)
{
    struct model_call c = {.model = k->model,
                           .kernel = k,
                           .thread = thread,
                           .threads = k->threads,
                           .state = k->w.model,
                           .sleep = &k->w.threads[thread].sleep};
    cpu_call_in(k, &c);
    if (k->violation[0] != '\0')
        return;
    bool outer = k->answered;
    k->answered = false;
    if (entering)
        k->model->call(&c);
    else
        k->model->resume(&c, why);
    if (!k->answered && k->violation[0] == '\0')
        violation(k, "the model does not answer");
    k->answered = outer;
}

void kernel_enter(struct kernel *k, int thread)
{
    struct thread *t = &k->w.threads[thread];
    k->housekeeping = 0;
    k->woke = false;
    run(k, thread, true, MODEL_STEP);
    /* Reading the clock, or asking where errno is, is not what the promise is about. */
    bool counts = t->sleep.inside != USER || k->woke || k->housekeeping == 0;
    if (counts && t->calls_left != UNLIMITED && --t->calls_left < 0)
        violation(k, "more system calls than promised");
}

void kernel_resume(struct kernel *k, int thread, enum model_event why)
{
    /* What is not the caller's doing gives it the right to one more call. */
    if (why != MODEL_STEP && k->w.threads[thread].calls_left != UNLIMITED)
        k->w.threads[thread].calls_left++;
    run(k, thread, false, why);
}

/* ---- waking ---------------------------------------------------------------------------------- */

bool model_wake_thread(struct model_call *c, int thread, uint64_t key)
{
    struct kernel *k = c->kernel;
    struct model_sleep *s = &k->w.threads[thread].sleep;
    if (thread == c->thread || (s->inside != ASLEEP && s->inside != ON_STEP) || s->key != key)
        return false;
    k->woke = true;
    kernel_resume(k, thread, MODEL_WOKEN);
    return true;
}

/* Wake up to count of those with the key; or, where there is another key for them, move them. */
static unsigned take_out(struct model_call *c, uint64_t key, uint64_t count, const uint64_t *to)
{
    unsigned out = 0;
    int found[MODEL_THREADS];
    unsigned n = 0;
    c->kernel->woke = true;
    for (int j = 0; j < c->threads; j++) {
        const struct model_sleep *s = &c->kernel->w.threads[j].sleep;
        if (j != c->thread && (s->inside == ASLEEP || s->inside == ON_STEP) && s->key == key)
            found[n++] = j;
    }
    for (; n > 0 && out < count; out++) {
        /* all of them: in which order makes no difference */
        unsigned i = count - out >= n ? 0 : model_choose(c, n, to ? "who moves" : "who is woken");
        if (to != NULL)
            c->kernel->w.threads[found[i]].sleep.key = *to;
        else
            model_wake_thread(c, found[i], key);
        memmove(&found[i], &found[i + 1], (n - i - 1) * sizeof found[0]);
        n--;
    }
    if (c->kernel->cancels)
        c->kernel->w.woken = (uint8_t)out;
    return out;
}

unsigned model_wake(struct model_call *c, uint64_t key, uint64_t count)
{
    return take_out(c, key, count, NULL);
}

unsigned model_move(struct model_call *c, uint64_t key, uint64_t to, uint64_t count)
{
    return take_out(c, key, count, &to);
}

struct model_sleep *model_sleep_of(struct model_call *c, int thread)
{
    return &c->kernel->w.threads[thread].sleep;
}

unsigned model_choose(struct model_call *c, unsigned n, const char *what)
{
    struct kernel *k = c->kernel;
    (void)what;
    if (n < 2)
        return 0;
    if (k->replay) {
        unsigned pick = k->replay_code % n;
        k->replay_code /= n;
        return pick;
    }
    if (k->picks_at == sizeof k->picks / sizeof k->picks[0])
        die("the model of %s chooses too often in one call", k->model->name);
    if (k->picks_at == k->picks_n)
        k->picks[k->picks_n++] = 0;
    k->ways[k->picks_at] = n;
    return k->picks[k->picks_at++];
}

/* ---- the clock ------------------------------------------------------------------------------- */

uint64_t model_now(struct model_call *c)
{
    c->kernel->housekeeping++;
    return c->kernel->w.clock;
}

uint64_t model_after(struct model_call *c, uint64_t ns)
{
    uint64_t sum;
    return __builtin_add_overflow(c->kernel->w.clock, ns, &sum) ? MODEL_NEVER : sum;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool mapped(const struct kernel *k, uint64_t address, size_t size)
{
    const struct image *im = &k->image;
    return address >= im->base && size <= WINDOW && address <= im->base + WINDOW - size;
}

static bool writable(const struct kernel *k, uint64_t address, size_t size)
{
    const struct image *im = &k->image;
    return mapped(k, address, size) &&
           ((address >= im->data && address + size <= im->data_to) ||
            (address >= im->stacks && address + size <= im->scratch + SCRATCH * MODEL_THREADS));
}

/* The kernel reads and writes for a thread: what it touches in that thread's own stack must be
 * alive, else a signal handler could have written over it. */
static void touch(struct model_call *c, bool write, uint64_t address, size_t size)
{
    struct kernel *k = c->kernel;
    uint64_t top = stack_top(k, c->thread);
    if (address >= top - STACK && address < stack_live(k, c->thread))
        violation(k, "an argument below the caller's stack pointer");
    cpu_touch(k, c->thread, write, address, (unsigned)size);
}

bool model_read(struct model_call *c, uint64_t address, void *into, size_t size)
{
    if (!mapped(c->kernel, address, size))
        return false;
    touch(c, false, address, size);
    memcpy(into, guest(c->kernel, address), size);
    return true;
}

bool model_write(struct model_call *c, uint64_t address, const void *from, size_t size)
{
    if (!writable(c->kernel, address, size))
        return false;
    touch(c, true, address, size);
    memcpy(guest(c->kernel, address), from, size);
    return true;
}

bool model_on_stack(struct model_call *c, uint64_t address)
{
    uint64_t top = stack_top(c->kernel, c->thread);
    return address >= top - STACK && address < top;
}

const void *model_section(struct model_call *c, const char *name, size_t *size, uint64_t *address)
{
    const struct image *im = &c->kernel->image;
    for (size_t i = 0; i < im->sections_n; i++)
        if (strcmp(im->sections[i].name, name) == 0) {
            *size = im->sections[i].size;
            *address = im->sections[i].address;
            return im->sections[i].bytes;
        }
    return NULL;
}

const char *model_function(struct model_call *c, uint64_t address)
{
    const struct symbol *s = image_around(&c->kernel->image, address);
    return s ? s->name : "";
}

uint64_t model_scratch(struct model_call *c)
{
    c->kernel->housekeeping++;
    return c->kernel->image.scratch + SCRATCH * (uint64_t)c->thread;
}

void model_uncounted(struct model_call *c)
{
    c->kernel->housekeeping++;
}

uint64_t model_wall(struct model_call *c)
{
    return MODEL_WALL + (uint64_t)c->kernel->w.wall;
}

bool model_shares(struct model_call *c)
{
    return c->kernel->shares;
}

bool model_sets_wall(struct model_call *c)
{
    return c->kernel->sets_wall;
}

bool model_refused(struct model_call *c)
{
    return c->kernel->sandbox;
}
