/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * All states that a scenario can reach, breadth first, so that the first schedule found is a
 * shortest one.
 *
 * A state is the bytes of struct world, of those lines of the guest's data that are not as the
 * image has them, and of the live part of each stack: what lies below a stack pointer is dead, is
 * not part of the state, and is filled with rubbish when the state is taken up again. States are
 * known by 64-bit hashes; the bytes of a state are kept only until its successors have been found.
 *
 * At every instruction, or at visible operations only: calls, events, and accesses to memory that
 * two threads touch and one of them writes. Which those are is learned: when one more turns up, the
 * search begins again. Everything else a thread does at once after its visible operation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checker.h"
#include "hash.h"

#define RUBBISH       0xdb
#define LONGEST_RUN   2000 /* plain instructions between two visible operations */
#define NOBODY        UINT32_MAX
#define AUXILIARY     MODEL_THREADS
#define GRANULE_OF(a) ((size_t)((a) - (k)->image.base) / 8)

/* ---- what is shared, what is dead ------------------------------------------------------------ */

static uint8_t readers[WINDOW / 8], writers[WINDOW / 8];
static bool visible[WINDOW], learned;
static uint64_t
    lowest[MODEL_THREADS + 1]; /* of each stack, what has been written: all below is rubbish */

#define LINE 32u
static unsigned char *pristine;                    /* the window, as the image has it */
static uint32_t written[WINDOW / LINE], written_n; /* lines of data that have been */
static bool is_written[WINDOW / LINE];

static void note_write(const struct kernel *k, uint64_t address, unsigned size)
{
    const struct image *im = &k->image;
    if (address >= im->stacks && address < im->stacks + STACKS_SIZE) {
        uint64_t *low = &lowest[(address - im->stacks) / STACK];
        *low = *low < address ? *low : address;
    }
    if (address >= im->data && address < im->data_to)
        for (uint64_t l = (address - im->base) / LINE; l <= (address + size - 1 - im->base) / LINE;
             l++)
            if (!is_written[l]) {
                is_written[l] = true;
                written[written_n++] = (uint32_t)l;
            }
}

static bool shared(size_t granule)
{
    unsigned all = readers[granule] | writers[granule];
    return writers[granule] != 0 && (all & (all - 1)) != 0;
}

static void watch(struct kernel *k, int thread, bool write, uint64_t address, unsigned size)
{
    const struct image *im = &k->image;
    if (address < im->base || address + size > im->base + WINDOW) {
        violation(k, "touches %#llx, which is not mapped", (unsigned long long)address);
        return;
    }
    if (write && address < im->stacks && (address < im->data || address + size > im->data_to))
        violation(k, "writes to %#llx, which is constant", (unsigned long long)address);
    if (write)
        note_write(k, address, size);
    if (k->verbose)
        report_access(k, thread, write, address, size);
    if (thread == AUXILIARY)
        return;
    for (int j = 0; j < k->threads; j++)
        if (j != thread && address < stack_top(k, j) && address >= stack_top(k, j) - STACK &&
            address < stack_live(k, j))
            violation(k, "thread %d %s a dead stack frame of thread %d", thread,
                      write ? "writes to" : "reads", j);
    for (size_t g = GRANULE_OF(address); g <= GRANULE_OF(address + size - 1); g++) {
        bool before = shared(g);
        (write ? writers : readers)[g] |= (uint8_t)(1u << thread);
        if (!shared(g))
            continue;
        bool *seen = &visible[cpu_pc(k, thread) - im->base];
        if (!before || !*seen)
            learned = true;
        k->epoch += !*seen;
        *seen = true;
    }
}

static bool is_visible(struct kernel *k, uint64_t pc)
{
    switch (cpu_kind(k, pc)) {
    case TRAP:
    case IMPORT:
    case WAIT_EVENT:
    case SEND_EVENT:
    case COUNTER:
        return true;
    case HYPER:
    case EXIT:
        return false;
    default:
        return k->every_instruction || k->stepped || visible[pc - k->image.base];
    }
}

/* ---- one transition -------------------------------------------------------------------------- */

static void hyper(struct kernel *k, int thread)
{
    struct thread *t = &k->w.threads[thread];
    const char *name = image_around(&k->image, cpu_pc(k, thread))->name;
    uint64_t a = cpu_argument(k, thread, 0), b = cpu_argument(k, thread, 1), result = 0;
    if (strcmp(name, "check_enter") == 0) {
        t->in_api = 1;
        /* A sema kind that is refused can only ask again, until the post has come. */
        t->calls_left =
            k->sandbox && k->sema_kind ? UNLIMITED : (int16_t)((int)a * k->calls_factor);
    } else if (strcmp(name, "check_leave") == 0) {
        t->in_api = 0;
        t->calls_left = 0;
    } else if (strcmp(name, "check_clock") == 0) {
        result = k->w.clock;
    } else if (strcmp(name, "check_woken") == 0) {
        result = k->w.woken;
    } else if (strcmp(name, "check_move_wall") == 0) {
        result = k->w.clock;
        k->w.wall += (int64_t)(int32_t)a * 1000000;
        for (int j = 0; j < k->threads; j++) {
            struct model_sleep *s = &k->w.threads[j].sleep;
            uint64_t ahead = MODEL_WALL + (uint64_t)k->w.wall;
            if (s->inside == ASLEEP && s->wall != 0)
                s->deadline = s->wall > ahead ? s->wall - ahead : 0;
        }
    } else if (strcmp(name, "check_expect") == 0) {
        if (!(a & 0xff))
            violation(k, "thread %d: not as expected in scenario.c:%u", thread, (unsigned)b);
    } else
        violation(k, "no such function: %s", name);
    cpu_return(k, thread, result);
}

/* The end of a thread, or a function of the checker: done at once, in both modes. */
static bool swallow(struct kernel *k, int thread)
{
    struct thread *t = &k->w.threads[thread];
    if (t->sleep.inside != USER)
        return false;
    switch (cpu_kind(k, cpu_pc(k, thread))) {
    case EXIT:
        memset(t, 0, sizeof *t);
        t->sleep.deadline = MODEL_NEVER;
        t->sleep.inside = DONE;
        return false;
    case HYPER:
        hyper(k, thread);
        return k->violation[0] == '\0';
    default:
        return false;
    }
}

/* What a thread does before its next visible operation. */
static void settle(struct kernel *k, int thread)
{
    k->stepped = k->cancels && thread == 0;
    for (int n = 0; k->violation[0] == '\0'; n++) {
        if (swallow(k, thread))
            continue;
        if (k->w.threads[thread].sleep.inside != USER || is_visible(k, cpu_pc(k, thread)))
            return;
        if (n == LONGEST_RUN) { /* a loop: on something whose writer is still to come */
            visible[cpu_pc(k, thread) - k->image.base] = learned = true;
            k->epoch++;
            return;
        }
        n += cpu_run(k, thread, LONGEST_RUN - n, is_visible) - 1;
    }
}

static bool never(struct kernel *k, uint64_t pc)
{
    return (void)k, (void)pc, false;
}

/* A function of the scenario that nobody interrupts: set-up before, verdict after, a handler. */
static void run_alone(struct kernel *k, const char *prefix, const char *name)
{
    char symbol[128];
    snprintf(symbol, sizeof symbol, "%s_%s", prefix, name);
    uint64_t entry = image_address(&k->image, symbol);
    if (entry == 0)
        return;
    cpu_start(k, AUXILIARY, entry, 0);
    for (int n = 0; k->violation[0] == '\0'; n++) {
        if (swallow(k, AUXILIARY))
            continue;
        if (k->w.threads[AUXILIARY].sleep.inside == DONE)
            break;
        enum kind kind = cpu_kind(k, cpu_pc(k, AUXILIARY));
        if (kind == TRAP || kind == IMPORT || n == LONGEST_RUN)
            violation(k, "%s calls the kernel or does not end", symbol);
        else
            n += cpu_run(k, AUXILIARY, LONGEST_RUN - n, never) - 1;
    }
}

/* A variable of scenario.c, of 4 or 8 bytes as a pointer is, or of 4. */
static unsigned char *variable(struct kernel *k, const char *name)
{
    uint64_t address = image_address(&k->image, name);
    if (address == 0)
        die("no variable %s", name);
    return guest(k, address);
}

static void set_variable(struct kernel *k, const char *name, const void *value, size_t size)
{
    note_write(k, image_address(&k->image, name), (unsigned)size);
    memcpy(variable(k, name), value, size);
}

/* Thread 1 has cancelled thread 0 and sent it a signal, which has not come yet. */
static bool signalled(struct kernel *k)
{
    uint32_t value;
    memcpy(&value, variable(k, "signalled"), sizeof value);
    return value == 1;
}

/* It comes. A thread that sleeps leaves its system call: with EINTR; or set back to the trap, to
 * make it again (SA_RESTART), here or, where it sleeps again, by its model. Then the handler runs,
 * on_cancel of scenario.c, by the library's own machine code, though not on the thread's stack,
 * which it would only use below what is alive. */
static void cancel(struct kernel *k, int thread, bool restarts)
{
    struct thread *t = &k->w.threads[thread];
    static const uint32_t has_come = 2;
    static const uint64_t none;
    size_t size = k->image.wide ? 8 : 4;
    set_variable(k, "signalled", &has_come, sizeof has_come);
    if (restarts && t->calls_left != UNLIMITED)
        t->calls_left++;
    else if (t->sleep.inside == ASLEEP && !restarts)
        kernel_resume(k, thread, MODEL_SIGNAL);
    if (t->sleep.inside == ASLEEP) {
        memset(&t->sleep, 0, sizeof t->sleep);
        t->sleep.deadline = MODEL_NEVER;
    }
    t->monitor = 0;
    uint64_t pc = cpu_pc(k, thread);
    set_variable(k, "interrupted", &pc, size);
    run_alone(k, "on", "cancel");
    memcpy(&pc, variable(k, "interrupted"), size);
    set_variable(k, "interrupted", &none, size);
    cpu_go_to(k, thread, pc);
}

static void finish(struct kernel *k)
{
    for (int j = 0; j < k->threads && k->violation[0] == '\0'; j++)
        settle(k, j);
}

void search_apply(struct kernel *k, int thread, enum action action)
{
    struct thread *t = &k->w.threads[thread];
    k->answered = k->refused = false;
    k->note[0] = '\0';
    switch (action) {
    case RUN: {
        enum kind kind = cpu_kind(k, cpu_pc(k, thread));
        if (kind == TRAP || kind == IMPORT)
            kernel_enter(k, thread);
        else
            cpu_run(k, thread, 1, is_visible);
        break;
    }
    case FAIL_STORE:
        cpu_fail_store(k, thread);
        break;
    case GO_ON:
        kernel_resume(k, thread, MODEL_STEP);
        break;
    case TIMEOUT:
        if (k->w.clock < t->sleep.deadline)
            k->w.clock = t->sleep.deadline;
        kernel_resume(k, thread, MODEL_TIMEOUT);
        break;
    case EARLY:
    case SIGNAL:
    case SPURIOUS:
        k->w.budget--;
        kernel_resume(k, thread,
                      action == EARLY    ? MODEL_EARLY
                      : action == SIGNAL ? MODEL_SIGNAL
                                         : MODEL_SPURIOUS);
        break;
    case CANCEL:
    case RESTART:
        cancel(k, thread, action == RESTART);
        break;
    case TICK:
        k->w.clock = k->w.clock < MODEL_DEADLINE ? MODEL_DEADLINE : MODEL_LATER;
        break;
    case ACTIONS:
        break;
    }
    if (!k->refused)
        finish(k);
}

static bool enabled(struct kernel *k, int thread, enum action action)
{
    const struct thread *t = &k->w.threads[thread];
    unsigned inside = t->sleep.inside;
    switch (action) {
    case RUN:
        return inside == USER;
    case FAIL_STORE:
        return inside == USER && t->monitor != 0 &&
               cpu_kind(k, cpu_pc(k, thread)) == STORE_EXCLUSIVE;
    case GO_ON:
        return inside == ON_STEP;
    case TIMEOUT:
        return inside == ASLEEP && t->sleep.deadline != MODEL_NEVER;
    case EARLY:
        return inside == ASLEEP && k->w.budget > 0 && k->model->events & 1u << MODEL_EARLY &&
               t->sleep.deadline != MODEL_NEVER && k->w.clock < t->sleep.deadline;
    case SIGNAL:
        return inside == ASLEEP && k->w.budget > 0 && k->model->events & 1u << MODEL_SIGNAL;
    case SPURIOUS:
        return inside == ASLEEP && k->w.budget > 0 && k->model->events & 1u << MODEL_SPURIOUS;
    case CANCEL:
        return thread == 0 && k->cancels && (inside == USER || inside == ASLEEP) && signalled(k);
    case RESTART: /* a wait without a time */
        return thread == 0 && k->cancels && inside == ASLEEP && k->model->restarts &&
               t->sleep.deadline == MODEL_NEVER && signalled(k);
    case TICK:
        return thread == 0 && k->w.clock < k->deadline;
    case ACTIONS:
        break;
    }
    return false;
}

/* Those that nobody may count on. */
static bool injected(enum action action)
{
    return action == EARLY || action == SIGNAL || action == SPURIOUS;
}

/* ---- states as bytes ------------------------------------------------------------------------- */

static size_t put(unsigned char *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return size;
}

static size_t header_size(const struct kernel *k)
{
    return offsetof(struct world, threads) + (size_t)k->threads * sizeof(struct thread);
}

/* The longest that write_state may write: all stacks are full. */
static size_t most_of_state(const struct kernel *k)
{
    return header_size(k) + (written_n + 1) * (sizeof *written + LINE) +
           (SCRATCH + STACK) * (size_t)k->threads;
}

static bool is_pristine(const struct kernel *k, uint32_t line)
{
    return memcmp(k->image.host + line * LINE, pristine + line * LINE, LINE) == 0;
}

static const uint32_t no_line = UINT32_MAX;

static size_t write_state(struct kernel *k, unsigned char *to)
{
    const struct image *im = &k->image;
    size_t n = put(to, &k->w, header_size(k));
    for (uint32_t i = 0; i < written_n; i++)
        if (!is_pristine(k, written[i])) {
            n += put(to + n, &written[i], sizeof written[i]);
            n += put(to + n, k->image.host + written[i] * LINE, LINE);
        }
    n += put(to + n, &no_line, sizeof no_line);
    if (k->model->symbols)
        n += put(to + n, guest(k, im->scratch), SCRATCH * (size_t)k->threads);
    for (int j = 0; j < k->threads; j++)
        n += put(to + n, guest(k, stack_live(k, j)), stack_top(k, j) - stack_live(k, j));
    return n;
}

static void read_state(struct kernel *k, const unsigned char *from)
{
    const struct image *im = &k->image;
    size_t n = header_size(k);
    memcpy(&k->w, from, n);
    for (uint32_t i = 0; i < written_n; i++)
        memcpy(k->image.host + written[i] * LINE, pristine + written[i] * LINE, LINE);
    for (;;) {
        uint32_t line;
        memcpy(&line, from + n, sizeof line);
        n += sizeof line;
        if (line == no_line)
            break;
        memcpy(k->image.host + line * LINE, from + n, LINE);
        n += LINE;
    }
    if (k->model->symbols) {
        memcpy(guest(k, im->scratch), from + n, SCRATCH * (size_t)k->threads);
        n += SCRATCH * (size_t)k->threads;
    }
    for (int j = 0; j < k->threads; j++) {
        uint64_t live = stack_live(k, j), top = stack_top(k, j);
        if (lowest[j] < live)
            memset(guest(k, lowest[j]), RUBBISH, live - lowest[j]);
        lowest[j] = live;
        memcpy(guest(k, live), from + n, top - live);
        n += top - live;
    }
    k->violation[0] = '\0';
}

/* No data is written but by what tells of it. */
static void check_written(const struct kernel *k)
{
    const struct image *im = &k->image;
    for (uint32_t l = (uint32_t)(im->data - im->base) / LINE; l < (im->data_to - im->base) / LINE;
         l++)
        if (!is_written[l] && !is_pristine(k, l))
            die("the data at %#llx is written, and nobody was seen to",
                (unsigned long long)(im->base + l * LINE));
}

/* ---- the bytes of states --------------------------------------------------------------------- */

/*
 * First in, first out, as breadth first has it: in chunks, each of which is used again when all of
 * it is done with.
 */
#define CHUNK ((size_t)1 << 20)

struct chunk {
    struct chunk *next;
    uint32_t last; /* the last node whose state is here */
    size_t used;
    unsigned char bytes[CHUNK];
};

static struct chunk *oldest, *newest, *spare;

/* Room for one state more, of at most `most` bytes; taken by keep_state. */
static unsigned char *room_for_state(size_t most)
{
    if (!newest || most > CHUNK - newest->used) {
        struct chunk *c = spare;
        if (c)
            spare = c->next;
        else if (most > CHUNK || !(c = malloc(sizeof *c)))
            die("no room for a state of %zu bytes", most);
        c->next = NULL;
        c->used = 0;
        if (newest)
            newest->next = c;
        else
            oldest = c;
        newest = c;
    }
    return newest->bytes + newest->used;
}

static void keep_state(size_t size, uint32_t node)
{
    newest->used += size;
    newest->last = node;
}

/* The states of all nodes before this one are done with. */
static void release_states(uint32_t node)
{
    while (oldest != newest && oldest->last < node) {
        struct chunk *c = oldest;
        oldest = c->next;
        c->next = spare;
        spare = c;
    }
}

/* ---- the graph ------------------------------------------------------------------------------- */

struct node {
    uint64_t hash;
    unsigned char *state; /* until its successors have been found */
    uint32_t parent, picks;
    uint8_t thread, action;
    bool final, ends;
};

static struct node *nodes;
static size_t nodes_n, nodes_room;
static uint32_t *table; /* index + 1 */
static size_t table_size;
static uint32_t *edges; /* pairs from, to, of the ordinary transitions */
static size_t edges_n, edges_room;

static void graph_clear(void)
{
    release_states(NOBODY);
    if (newest)
        newest->used = 0;
    nodes_n = edges_n = 0;
    if (table_size == 0) {
        table_size = 1u << 12;
        table = malloc(table_size * sizeof *table);
    }
    memset(table, 0, table_size * sizeof *table);
}

static uint32_t *slot_of(uint64_t h)
{
    size_t i = h & (table_size - 1);
    while (table[i] != 0 && nodes[table[i] - 1].hash != h)
        i = (i + 1) & (table_size - 1);
    return &table[i];
}

/* The node of the state in which the kernel is now; made if it is new. */
static uint32_t node_here(struct kernel *k, uint32_t parent, int thread, enum action action)
{
    unsigned char *bytes = room_for_state(most_of_state(k));
    if (nodes_n % 1024 == 0)
        check_written(k);
    size_t n = write_state(k, bytes);
    uint64_t h = hash_of(bytes, n);
    uint32_t *slot = slot_of(h);
    if (*slot != 0)
        return *slot - 1;
    if (2 * nodes_n > table_size) {
        free(table);
        table_size *= 4;
        table = calloc(table_size, sizeof *table);
        for (size_t i = 0; i < nodes_n; i++)
            *slot_of(nodes[i].hash) = (uint32_t)i + 1;
        slot = slot_of(h);
    }
    if (nodes_n == nodes_room) {
        nodes_room = nodes_room ? 2 * nodes_room : 4096;
        nodes = realloc(nodes, nodes_room * sizeof *nodes);
    }
    uint32_t picks = 0;
    for (unsigned i = k->picks_n; i-- > 0;)
        picks = picks * k->ways[i] + k->picks[i];
    nodes[nodes_n] = (struct node){.hash = h,
                                   .state = bytes,
                                   .parent = parent,
                                   .picks = picks,
                                   .thread = (uint8_t)thread,
                                   .action = (uint8_t)action};
    keep_state(n, (uint32_t)nodes_n);
    *slot = (uint32_t)++nodes_n;
    return (uint32_t)nodes_n - 1;
}

static void add_edge(uint32_t from, uint32_t to)
{
    if (edges_n == edges_room) {
        edges_room = edges_room ? 2 * edges_room : 4096;
        edges = realloc(edges, edges_room * 2 * sizeof *edges);
    }
    edges[2 * edges_n] = from;
    edges[2 * edges_n++ + 1] = to;
}

/* The first state from which no ordinary way leads to an end; NOBODY if there is none. */
static uint32_t find_livelock(void)
{
    uint32_t *start = calloc(nodes_n + 2, sizeof *start), *from = malloc((edges_n + 1) * 4);
    uint32_t *queue = malloc((nodes_n + 1) * 4), head = 0, tail = 0, bad = NOBODY;
    for (size_t e = 0; e < edges_n; e++)
        start[edges[2 * e + 1] + 2]++;
    for (size_t i = 2; i <= nodes_n; i++)
        start[i] += start[i - 1];
    for (size_t e = 0; e < edges_n; e++)
        from[start[edges[2 * e + 1] + 1]++] = edges[2 * e];
    for (uint32_t i = 0; i < nodes_n; i++)
        if ((nodes[i].ends = nodes[i].final))
            queue[tail++] = i;
    for (; head < tail; head++)
        for (uint32_t e = start[queue[head]]; e < start[queue[head] + 1]; e++)
            if (!nodes[from[e]].ends) {
                nodes[from[e]].ends = true;
                queue[tail++] = from[e];
            }
    for (uint32_t i = 0; i < nodes_n && bad == NOBODY; i++)
        if (!nodes[i].ends)
            bad = i;
    free(start);
    free(from);
    free(queue);
    return bad;
}

/* ---- the search ------------------------------------------------------------------------------ */

static void begin(struct kernel *k, const struct scenario *s)
{
    memcpy(k->image.host, pristine, WINDOW);
    while (written_n > 0)
        is_written[written[--written_n]] = false;
    memset(guest(k, k->image.stacks), RUBBISH, STACKS_SIZE);
    for (int j = 0; j <= MODEL_THREADS; j++)
        lowest[j] = stack_top(k, j);
    memset(&k->w, 0, sizeof k->w);
    k->violation[0] = '\0';
    k->picks_n = k->picks_at = 0;
    k->w.clock = MODEL_START;
    k->w.budget = (uint8_t)s->budget;
    k->threads = s->threads;
    k->sandbox = s->flags & SANDBOX;
    k->cancels = s->flags & CANCELS;
    k->shares = s->flags & SHARES;
    k->sets_wall = s->flags & SETS;
    k->deadline = s->flags & LATER ? MODEL_LATER : s->flags & TIMED ? MODEL_DEADLINE : 0;
    k->watch = watch;
    if (k->model->start)
        k->model->start(k->w.model, s->threads);
    run_alone(k, "setup", s->name);
    for (int j = 0; j < s->threads; j++) {
        char symbol[128];
        snprintf(symbol, sizeof symbol, "%s_%d", s->name, j);
        uint64_t entry = image_address(&k->image, symbol);
        if (entry == 0)
            die("no function %s", symbol);
        cpu_start(k, j, entry, 0);
    }
    finish(k);
}

/* Prints the schedule that leads to a node, then one transition more if there is one. */
static void print_schedule(struct kernel *k, const struct scenario *s, uint32_t node, int thread,
                           enum action action, uint32_t picks, const char *text)
{
    size_t depth = 0;
    for (uint32_t i = node; i != 0; i = nodes[i].parent)
        depth++;
    uint32_t *path = malloc((depth + 1) * sizeof *path);
    for (uint32_t i = node, n = (uint32_t)depth; i != 0; i = nodes[i].parent)
        path[--n] = i;
    begin(k, s);
    report_start(k, s);
    k->verbose = true;
    unsigned char *bytes = malloc(2 * WINDOW);
    for (size_t i = 0; i <= depth; i++) {
        const struct node *n = i < depth ? &nodes[path[i]] : NULL;
        int who = n ? n->thread : thread;
        enum action what = n ? (enum action)n->action : action;
        if (what == ACTIONS)
            break;             /* the state itself is what is wrong */
        write_state(k, bytes); /* so that the dead parts of the stacks are rubbish here too */
        read_state(k, bytes);
        k->picks_at = 0;
        /* The replay meets the same choices in the same order: model_choose takes them apart. */
        k->replay = true;
        k->replay_code = n ? n->picks : picks;
        report_before(k, who, what);
        search_apply(k, who, what);
        report_after(k);
        k->replay = false;
    }
    k->verbose = false;
    report_end(k, text);
    free(bytes);
    free(path);
}

/* All successors of a node. False: a violation, at this transition. */
static bool expand(struct kernel *k, const struct scenario *s, uint32_t at, size_t *transitions,
                   int *bad_thread, enum action *bad_action, uint32_t *bad_picks)
{
    const unsigned char *state = nodes[at].state;
    release_states(at);
    bool stuck = true, done = true, unread = false;
    uint16_t can[MODEL_THREADS] = {0}; /* bits 1 << action */
    read_state(k, state);
    for (int j = 0; j < k->threads; j++)
        done = done && k->w.threads[j].sleep.inside == DONE;
    if (done) {
        nodes[at].final = true;
        run_alone(k, "end", s->name);
        *bad_action = ACTIONS;
        return k->violation[0] == '\0';
    }
    for (int thread = 0; thread < k->threads; thread++)
        for (enum action action = RUN; action < ACTIONS; action++)
            if (enabled(k, thread, action))
                can[thread] |= (uint16_t)(1u << action);
    for (int thread = 0; thread < k->threads; thread++)
        for (enum action action = RUN; action < ACTIONS; action++) {
            if (!(can[thread] & 1u << action))
                continue;
            k->picks_n = 0;
            do {
                if (unread)
                    read_state(k, state);
                unread = true;
                k->picks_at = 0;
                search_apply(k, thread, action);
                ++*transitions;
                if (k->violation[0] != '\0') {
                    *bad_thread = thread, *bad_action = action, *bad_picks = 0;
                    for (unsigned i = k->picks_at; i-- > 0;)
                        *bad_picks = *bad_picks * k->ways[i] + k->picks[i];
                    return false;
                }
                if (!k->refused) {
                    k->picks_n = k->picks_at;
                    uint32_t to = node_here(k, at, thread, action);
                    if (!injected(action))
                        add_edge(at, to), stuck = stuck && action == TICK;
                }
                while (k->picks_n > 0 && k->picks[k->picks_n - 1] + 1 == k->ways[k->picks_n - 1])
                    k->picks_n--;
                if (k->picks_n > 0)
                    k->picks[k->picks_n - 1]++;
            } while (k->picks_n > 0);
        }
    if (stuck) {
        read_state(k, state);
        violation(k, "lost wake-up: nobody can run");
        *bad_action = ACTIONS;
    }
    return !stuck;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void search(struct kernel *k, const struct scenario *s, size_t most, struct verdict *v)
{
    if (!pristine) {
        pristine = malloc(WINDOW);
        memcpy(pristine, k->image.host, WINDOW);
    }
    double start = seconds();
    bool good = true;
    *v = (struct verdict){.print = v->print};
    memset(readers, 0, sizeof readers);
    memset(writers, 0, sizeof writers);
    memset(visible, 0, sizeof visible);
    k->epoch++;
    do {
        learned = false;
        graph_clear();
        v->transitions = 0;
        begin(k, s);
        node_here(k, 0, 0, ACTIONS);
        int thread = 0;
        enum action action = ACTIONS;
        uint32_t picks = 0, at = 0;
        good = k->violation[0] == '\0';
        for (; good && at < nodes_n && (!learned || k->every_instruction); at++) {
            good = expand(k, s, at, &v->transitions, &thread, &action, &picks);
            if (!good)
                break;
            if (nodes_n > most) {
                violation(k, "more than %zu states", most);
                good = false;
                action = ACTIONS;
                at = 0;
                break;
            }
        }
        if (learned && !k->every_instruction)
            continue; /* a violation, if there was one, comes again */
        if (good && (at = find_livelock()) != NOBODY) {
            violation(k, "livelock: no way leads to an end from here");
            good = false;
            action = ACTIONS;
        }
        v->states = nodes_n;
        v->seconds = seconds() - start;
        if (!good) {
            snprintf(v->text, sizeof v->text, "%s", k->violation);
            if (v->print)
                print_schedule(k, s, at, thread, action, picks, v->text);
            return;
        }
    } while (learned && !k->every_instruction);
}
