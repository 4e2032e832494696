/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The search: depth first through every state, each visited once. A state is all that can make a
 * difference later: views and histories, the used part of each stack, the scenario's variables.
 *
 * Usage: explore [-q] [PREFIX...]: the scenarios whose names begin so, or all, litmus tests too.
 * -q: stop at the first violation and print no schedule. To find what is planted, all scenarios are
 * searched for a little before one is searched for long.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../model/hash.h"
#include "model.h"
#include "scenarios.h"
#include "valet_sys.h"

enum {
    STATES_MAX = 5000000, /* of one scenario; what is larger fails */
    DEPTH_MAX = 4000
};

int threads, running = NOBODY;
bool with_fences;
const char *verdict;
const struct scenario *scenario;
static bool quiet, shallow, seen_by_litmus;
static int most = STATES_MAX; /* of the states of one scenario: what is larger is left, */
static bool left;             /* as this one was */

/* ---- threads: coroutines on stacks of their own ---------------------------------------------- */

static unsigned char stack[THREADS][STACK_SIZE] __attribute__((aligned(4096)));
void *explorer_stack;

uintptr_t stack_bottom(int t)
{
    return (uintptr_t)stack[t];
}

/* A thread goes on, until it comes back from it. No register but the frame pointer is kept for a
 * thread: its code, and hooks.c, keep nothing in them over a call (-fcall-used). So a state has no
 * values of which nobody is in need. */
void go_to(void **from, void *to);
void call_alone(void (*function)(void)); /* of the scenario, without a thread */
__asm__(".globl come_back\n"
        "go_to:\n"
        "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp, (%rdi)\n    mov %rsi, %rsp\n"
        "    xor %ebx, %ebx\n    xor %r12d, %r12d\n    xor %r13d, %r13d\n"
        "    xor %r14d, %r14d\n    xor %r15d, %r15d\n"
        "    pop %rbp\n    ret\n"
        "call_alone:\n"
        "    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    call *%rdi\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n"
        "    ret\n"
        "come_back:\n"
        "    push %rbp\n    mov %rsp, (%rdi)\n    mov %rsi, %rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
        "    ret\n");

void violation(const char *format, ...)
{
    static char text[400];
    if (verdict != NULL)
        return; /* the first says it */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    verdict = text;
    if (running != NOBODY) { /* it has run far enough: what it would use next may be cleared */
        void *never_again;
        come_back(&never_again, explorer_stack);
    }
}

static void thread_main(void)
{
    scenario->thread[running]();
    frame_dies(running, stack_bottom(running) + STACK_SIZE);
    memset(&world.thread[running], 0, sizeof world.thread[running]);
    world.thread[running].state = ENDED;
    come_back(&world.thread[running].stack_pointer, explorer_stack);
    abort();
}

static void start_thread(int t)
{
    void **top = (void **)(stack[t] + STACK_SIZE) - 1; /* a function is entered at 16 n + 8 */
    memset(stack[t], 0, STACK_SIZE);
    *--top = (void *)thread_main;
    world.thread[t].stack_pointer = top - 1;
}

/* Run a thread until its next operation, or its end. */
static void run(int t)
{
    /* What lies below is dead: cleared, so that states compare. */
    memset((unsigned char *)world.thread[t].stack_pointer - 1024, 0, 1024);
    running = t;
    go_to(&explorer_stack, world.thread[t].stack_pointer);
    running = NOBODY;
    if (world.thread[t].state == ENDED)
        world.thread[t].stack_pointer = NULL;
}

/* Before and after the threads: memory holds the newest values, and nobody else is there. */
uint64_t operate_alone(const struct operation *o)
{
    uint64_t old = 0, new;
    memcpy(&old, (void *)o->address, o->size);
    switch (o->kind) {
    case STORE:
        new = o->value;
        break;
    case READ_MODIFY_WRITE:
        new = modified(o, old);
        break;
    case COMPARE_EXCHANGE:
        new = old == o->expected ? o->value : old;
        break;
    case FUTEX_WAIT:
    case SEMA_WAIT:
    case PARK:
        if (o->timed)
            return (uint64_t)VALET_TIMEDOUT;
        if (o->look)
            return (uint64_t)(old == o->expected ? VALET_TIMEDOUT : VALET_CHANGED);
        violation("the end of the scenario waits");
        return (uint64_t)VALET_ERR_SYSTEM;
    default:
        return old;
    }
    memcpy((void *)o->address, &new, o->size);
    variable_is_written(o->address, o->size);
    return old;
}

void check_seen(void)
{
    seen_by_litmus = true;
}

/* ---- names, for the reports ------------------------------------------------------------------ */

static char program[4096];
static struct {
    uintptr_t address;
    char name[40];
} symbol[2000];
static int symbols;

static void read_symbols(void)
{
    char line[200], kind;
    FILE *nm = popen("nm -n \"$EXPLORED\"", "r");
    while (nm != NULL && fgets(line, sizeof line, nm) != NULL && symbols < 2000)
        if (sscanf(line, "%" SCNxPTR " %c %39s", &symbol[symbols].address, &kind,
                   symbol[symbols].name) == 3)
            symbols++;
    if (nm != NULL)
        pclose(nm);
}

const char *name_of(uintptr_t address)
{
    static char name[4][80];
    static int which;
    char *text = name[which++ % 4];
    for (int t = 0; t < THREADS; t++)
        if (address - stack_bottom(t) < STACK_SIZE) {
            sprintf(text, "thread %d's stack-0x%x", t,
                    (unsigned)(stack_bottom(t) + STACK_SIZE - address));
            return text;
        }
    if (symbols == 0) /* not at the start: most runs have nobody to name */
        read_symbols();
    int i = symbols - 1;
    while (i > 0 && symbol[i].address > address)
        i--;
    if (symbols == 0)
        sprintf(text, "0x%" PRIxPTR, address);
    else if (symbol[i].address == address)
        sprintf(text, "%s", symbol[i].name);
    else
        sprintf(text, "%s+%u", symbol[i].name, (unsigned)(address - symbol[i].address));
    return text;
}

static void step(struct move move)
{
    int goes_on = perform(move);
    for (int t = 0; t < threads; t++)
        if (goes_on & 1 << t && verdict == NULL)
            run(t);
    forget_old_messages();
}

/* ---- states ---------------------------------------------------------------------------------- */

extern unsigned char __start_guest[], __stop_guest[]; /* variables of scenarios and library */
static unsigned char *guest_at_start;
static size_t guest_size, guest_lines;

/* A state as bytes: written for the hash and to come back to it, read back for the second. Each
 * level of the search has a buffer of its own. */
enum { BUFFER_SIZE = 1 << 18 };
static unsigned char *buffer;
static size_t buffer_used;

#define INLINE static inline __attribute__((always_inline))

INLINE void bytes(unsigned char **at, void *p, size_t size, bool reading_back)
{
    if (reading_back)
        memcpy(p, *at, size);
    else
        memcpy(*at, p, size);
    *at += size;
}

/* Of words and granules a state has as many as this search has needed so far: there is nothing yet
 * to know of any other. One that needs more begins again. */
enum { BLOCK = 16 };
static int words_kept, granules_kept;
static size_t view_kept; /* bytes */
static bool begins_again;

static void keep(int words_needed, int granules_needed)
{
    const size_t before = offsetof(struct view, knows);
    _Static_assert(sizeof(struct view) % BLOCK == 0, "views are copied in whole blocks");
    words_kept = words_needed < ATOMICS ? words_needed : ATOMICS;
    view_kept = (before + (size_t)granules_needed + BLOCK - 1) / BLOCK * BLOCK;
    if (view_kept > sizeof(struct view))
        view_kept = sizeof(struct view);
    granules_kept = (int)(view_kept - before);
}

INLINE void view_bytes(unsigned char **at, struct view *view, bool reading_back)
{
    for (size_t i = 0; i < view_kept; i += BLOCK)
        bytes(at, (unsigned char *)view + i, BLOCK, reading_back);
}

enum { LINE = 32 };

static unsigned char *line_now(size_t line)
{
    return __start_guest + line * LINE;
}

static size_t size_of_line(size_t line)
{
    return line + 1 < guest_lines ? LINE : guest_size - line * LINE;
}

static bool is_line_of_start(size_t line)
{
    return memcmp(line_now(line), guest_at_start + line * LINE, size_of_line(line)) == 0;
}

/* The lines of the variables that have been written in this scenario, by their numbers. */
static size_t written[1 << 16], written_n;
static bool *is_written;

void variable_is_written(uintptr_t address, size_t size)
{
    uintptr_t start = (uintptr_t)__start_guest;
    if (address < start || address >= (uintptr_t)__stop_guest)
        return;
    for (size_t line = (address - start) / LINE; line <= (address + size - 1 - start) / LINE;
         line++)
        if (!is_written[line]) {
            is_written[line] = true;
            written[written_n++] = line;
        }
}

static void forget_written(void)
{
    while (written_n > 0)
        is_written[written[--written_n]] = false;
}

/* The variables: of those lines the ones that are not as they were at the start, each after its
 * number. */
INLINE void guest_bytes(unsigned char **at, bool reading_back)
{
    size_t line = 0, none = SIZE_MAX;
    for (size_t i = 0; i < written_n; i++) {
        line = written[i];
        if (reading_back)
            memcpy(line_now(line), guest_at_start + line * LINE, size_of_line(line));
        else if (!is_line_of_start(line)) {
            bytes(at, &line, sizeof line, false);
            bytes(at, line_now(line), size_of_line(line), false);
        }
    }
    if (!reading_back) {
        bytes(at, &none, sizeof none, false);
        return;
    }
    for (bytes(at, &line, sizeof line, true); line != none; bytes(at, &line, sizeof line, true))
        bytes(at, line_now(line), size_of_line(line), true);
}

/* Was there a write that nobody told us of? */
static void check_written(void)
{
    for (size_t line = 0; line < guest_lines; line++)
        if (!is_written[line] && !is_line_of_start(line))
            violation("%s is written, and nobody was seen to", name_of((uintptr_t)line_now(line)));
}

INLINE void sema_bytes(unsigned char **at, struct sema *sema, bool reading_back)
{
    bytes(at, &sema->address, sizeof sema->address, reading_back);
    bytes(at, &sema->posted, sizeof sema->posted, reading_back);
    if (sema->posted)
        view_bytes(at, &sema->view, reading_back);
    else if (reading_back)
        memset(&sema->view, 0, sizeof sema->view);
}

INLINE void all_bytes(bool reading_back)
{
    unsigned char *at = buffer;
    for (int t = 0; t < threads; t++) {
        struct thread *thread = &world.thread[t];
        bytes(&at, thread, offsetof(struct thread, current), reading_back);
        view_bytes(&at, &thread->current, reading_back);
        if (with_fences) {
            view_bytes(&at, &thread->acquired, reading_back);
            view_bytes(&at, &thread->released, reading_back);
        }
        if (VALET_C11_KIND == 2)
            sema_bytes(&at, &thread->sema, reading_back);
        bytes(&at, &thread->late, sizeof thread->late, reading_back);
    }
    bytes(&at, world.granule, (size_t)granules_kept * sizeof *world.granule, reading_back);
    view_bytes(&at, &world.seq_cst, reading_back);
    bytes(&at, &world.spurious, 1, reading_back);
    bytes(&at, &world.weak_failures, 1, reading_back);
    bytes(&at, &world.refusals, 1, reading_back);
    for (int x = 0; x < words_kept; x++) {
        struct history *h = &world.history[x];
        bytes(&at, &h->count, 1, reading_back);
        bytes(&at, &h->waked, 1, reading_back);
        for (int i = 0; i < h->count; i++) {
            bytes(&at, &h->of[i].value, sizeof h->of[i].value, reading_back);
            view_bytes(&at, &h->of[i].view, reading_back);
        }
    }
    for (int t = 0; t < threads; t++) {
        unsigned char *used = world.thread[t].stack_pointer, *top = stack[t] + STACK_SIZE;
        if (used != NULL)
            bytes(&at, used, (size_t)(top - used), reading_back);
    }
    guest_bytes(&at, reading_back);
    buffer_used = (size_t)(at - buffer);
}

/* The longest that a state may be now. */
static size_t most_of_state(void)
{
    size_t size = sizeof world + (written_n + 1) * (sizeof *written + LINE);
    for (int t = 0; t < threads; t++)
        if (world.thread[t].stack_pointer != NULL)
            size +=
                (size_t)(stack[t] + STACK_SIZE - (unsigned char *)world.thread[t].stack_pointer);
    return size;
}

static void write_state(void)
{
    if (words_known > words_kept || granules_known > granules_kept) {
        keep(words_known + 4, granules_known + 8);
        begins_again = true;
    }
    if (most_of_state() > BUFFER_SIZE)
        violation("a state of more than %d bytes", BUFFER_SIZE);
    else
        all_bytes(false);
}

static void read_state(void)
{
    all_bytes(true);
}

static struct entry {
    uint64_t hash; /* 0: free */
    int number;
} * table; /* open addressing, at most half full */
static size_t table_size;
static int states;
static struct {
    int from;
    struct move move;
} * reached;          /* by number: how each state was first reached */
static bool *can_end; /* by number: an end can be reached from it */
static struct {
    int from, to;
} * edge;
static int edges, edges_room;

static struct entry *entry_of(uint64_t hash)
{
    size_t i = hash & (table_size - 1);
    while (table[i].hash != 0 && table[i].hash != hash)
        i = (i + 1) & (table_size - 1);
    return &table[i];
}

static void new_table(size_t size)
{
    struct entry *old = table;
    size_t old_size = table_size;
    table = calloc(size, sizeof *table);
    if (table == NULL)
        abort();
    table_size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].hash != 0)
            *entry_of(old[i].hash) = old[i];
    free(old);
}

/* The number of the state in the buffer; *is_new: it has not been here before. */
static int visit(int from, struct move move, bool *is_new)
{
    uint64_t hash = hash_of(buffer, buffer_used);
    if (table_size < 2 * (size_t)states + 2)
        new_table(2 * table_size);
    struct entry *entry = entry_of(hash);
    *is_new = entry->hash == 0;
    if (*is_new) {
        if (states == most) {
            left = most < STATES_MAX;
            if (!left)
                violation("more than %d states: not searched to the end", STATES_MAX);
            return 0;
        }
        *entry = (struct entry){hash, states};
        reached[states].from = from;
        reached[states].move = move;
        if (states % 64 == 0)
            check_written();
        can_end[states++] = false;
    }
    if (edges == edges_room) {
        edges_room = edges_room ? 2 * edges_room : 1 << 16;
        edge = realloc(edge, (size_t)edges_room * sizeof *edge);
        if (edge == NULL)
            abort();
    }
    edge[edges].from = from;
    edge[edges++].to = entry->number;
    return entry->number;
}

/* Livelock: a state from which no end can be reached; -1 if there is none. Round after round until
 * nothing is added, each from the last step to the first: what comes later is what led to an end,
 * so a few do. */
static int state_without_end(void)
{
    for (bool more = true; more;) {
        more = false;
        for (int e = edges - 1; e >= 0; e--)
            if (can_end[edge[e].to] && !can_end[edge[e].from])
                more = can_end[edge[e].from] = true;
    }
    for (int s = 0; s < states; s++)
        if (!can_end[s])
            return s;
    return -1;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void start(void)
{
    memory_forget_places();
    memcpy(__start_guest, guest_at_start, guest_size);
    forget_written();
    if (scenario->setup)
        call_alone(scenario->setup);
    world.spurious = (uint8_t)scenario->spurious;
    world.weak_failures = (uint8_t)scenario->weak_failures;
    world.refusals = scenario->flags & SANDBOX ? 1 : 0;
    if (scenario->flags & TWICE && VALET_C11_KIND == 1)
        world.refusals = 2;
    for (int t = 0; t < threads; t++)
        start_thread(t);
    for (int t = 0; t < threads; t++)
        run(t);
}

/* Function and line of a place in the program, by its debugging information. */
static void print_place(uintptr_t place)
{
    char line[400], function[100] = "?", where[200] = "?";
    snprintf(line, sizeof line, "addr2line -s -f -e \"$EXPLORED\" 0x%" PRIxPTR, place - 1);
    FILE *pipe = popen(line, "r");
    if (pipe != NULL) {
        if (fscanf(pipe, "%99s %199[^ \n]", function, where) != 2)
            function[0] = '?';
        pclose(pipe);
    }
    snprintf(line, sizeof line, "%s (%s)", function, where);
    printf("%-48s ", line);
}

/* The way to a state, and one move more: done again from the start, and told. */
static void print_schedule(int state, const struct move *last)
{
    int length = 0;
    static struct move way[DEPTH_MAX + 2];
    const char *said = verdict;
    if (last != NULL)
        way[length++] = *last;
    for (; state > 0 && length <= DEPTH_MAX; state = reached[state].from)
        way[length++] = reached[state].move;
    start();
    verdict = NULL;
    tracing = true;
    printf("    schedule of %s:\n", scenario->name);
    for (int i = length - 1; i >= 0; i--) {
        told[0] = '\0';
        uintptr_t place = world.thread[way[i].thread].operation.place;
        step(way[i]);
        printf("    %3d  thread %d  ", length - i, way[i].thread);
        print_place(place);
        printf("%s%s\n", told,
               world.thread[way[i].thread].state == ENDED ? "; thread is at its end" : "");
    }
    tracing = false;
    verdict = said;
}

/* ---- the search ------------------------------------------------------------------------------ */

static struct level {
    int state, next, moves;
    struct move move[MOVES_MAX * THREADS];
    unsigned char *saved;
} * level;

/* The state of that level is the next one to be written, or to be read. */
static void take_buffer(int depth)
{
    if (level[depth].saved == NULL && (level[depth].saved = malloc(BUFFER_SIZE)) == NULL)
        abort();
    buffer = level[depth].saved;
}

/* The state in the buffer has been reached: what can happen there. False: nothing, or it is at the
 * end. */
static bool enter(int depth, int state)
{
    struct level *l = &level[depth];
    bool all_ended = true;
    int to_count_on = 0; /* moves, without those that may never come */
    l->state = state;
    l->next = l->moves = 0;
    for (int t = 0; t < threads; t++) {
        all_ended = all_ended && world.thread[t].state == ENDED;
        l->moves += moves_of(t, l->move + l->moves);
    }
    if (all_ended) {
        can_end[state] = true;
        if (scenario->end)
            call_alone(scenario->end);
        return false;
    }
    for (int i = 0; i < l->moves; i++)
        to_count_on += l->move[i].kind != SPURIOUS;
    if (to_count_on == 0 && verdict == NULL)
        violation("lost wake-up: nobody can run");
    return l->moves > 0 && verdict == NULL;
}

static int search(void)
{
    int depth = 0, ends = 0;
    bool is_new;
    struct move none = {0};
    free(table);
    table = NULL;
    table_size = 0;
    new_table(1 << 12);
    states = edges = 0;
    verdict = NULL;
    seen_by_litmus = left = begins_again = false;
    start();
    take_buffer(0);
    write_state();
    visit(0, none, &is_new);
    if (verdict == NULL && !enter(0, 0))
        depth = -1;
    while (depth >= 0 && verdict == NULL && !left && !begins_again) {
        struct level *l = &level[depth];
        if (l->next == l->moves) {
            depth--;
            continue;
        }
        if (l->next > 0) {
            take_buffer(depth);
            read_state();
        }
        struct move move = l->move[l->next++];
        step(move);
        int state = l->state;
        if (verdict == NULL) {
            take_buffer(depth + 1);
            write_state();
            state = visit(l->state, move, &is_new);
            if (!is_new || left || begins_again)
                continue;
            if (depth + 2 == DEPTH_MAX)
                violation("more than %d steps", DEPTH_MAX);
            else if (verdict == NULL && enter(depth + 1, state)) {
                depth++;
                continue;
            } else if (verdict == NULL)
                ends++;
        }
        if (verdict != NULL && !quiet && !(scenario->flags & LITMUS))
            print_schedule(state, state == l->state ? &move : NULL);
    }
    if (verdict == NULL && !left && !begins_again) {
        int lost = state_without_end();
        if (lost >= 0) {
            violation("livelock: from here no end can be reached");
            if (!quiet)
                print_schedule(lost, NULL);
        }
    }
    return ends;
}

/* One scenario, and its line, unless it is left. True: as it should be. */
static bool explore(void)
{
    threads = scenario->threads;
    with_fences = VALET_C11_PLAIN || scenario->flags & FENCES;
    clock_t begin = clock();
    int ends;
    keep(0, 0);
    do
        ends = search();
    while (begins_again && verdict == NULL);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    bool good = verdict == NULL;
    const char *found = good ? "nothing" : verdict;
    if (good && left)
        return true;
    if (scenario->flags & LITMUS) {
        if (good)
            found = seen_by_litmus ? "seen" : "not seen";
        good = strstr(found, scenario->expects) == found;
    }
    printf("%s %-24s %8d states %9d steps %6d ends %6.2f s", good ? "ok    " : "FAILED",
           scenario->name, states, edges, ends, seconds);
    if (scenario->flags & LITMUS)
        printf("  %s%s%s", found,
               good ? "" : "; expected: ", good ? scenario->note : scenario->expects);
    else if (!good)
        printf("  %s", found);
    printf("\n");
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    int failed = 0, first = 1;
    snprintf(program, sizeof program, "%s", argv[0]);
    for (; first < argc && argv[first][0] == '-'; first++) {
        quiet = quiet || strcmp(argv[first], "-q") == 0;
        shallow = shallow || strcmp(argv[first], "-s") == 0;
    }
    setenv("EXPLORED", program, 1); /* for the shell, whose quotes stand whatever its name is */
    reached = calloc(STATES_MAX, sizeof *reached);
    can_end = calloc(STATES_MAX, sizeof *can_end);
    level = calloc(DEPTH_MAX, sizeof *level);
    guest_size = (size_t)(__stop_guest - __start_guest);
    guest_lines = (guest_size + LINE - 1) / LINE;
    guest_at_start = malloc(guest_size);
    is_written = calloc(guest_lines, sizeof *is_written);
    if (reached == NULL || can_end == NULL || level == NULL || guest_at_start == NULL ||
        is_written == NULL || guest_lines > sizeof written / sizeof *written)
        abort();
    memcpy(guest_at_start, __start_guest, guest_size);
    static bool over[1000]; /* by number: has been searched to the end */
    for (int rounds = quiet ? 4 : 1; rounds > 0; rounds--) {
        most = rounds == 1 ? STATES_MAX : STATES_MAX >> 4 * (rounds - 1);
        for (scenario = scenarios; scenario->name != NULL && !(quiet && failed); scenario++) {
            bool chosen = first == argc;
            for (int i = first; i < argc; i++)
                chosen = chosen || strncmp(scenario->name, argv[i], strlen(argv[i])) == 0;
            if (!chosen || over[scenario - scenarios] || !(scenario->kinds & VALET_C11_KIND) ||
                (shallow && scenario->flags & DEEP))
                continue;
            failed += !explore();
            over[scenario - scenarios] = !left;
        }
    }
    return failed != 0;
}
