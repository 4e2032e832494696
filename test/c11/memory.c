/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The memory model: C11 with views, operational. A thread may read any message of a word's history
 * that is not older than its view of the word. Writing appends to the history.
 *
 *   release   the message carries the view of its writer
 *   acquire   the reader's view is joined with that of the message
 *   relaxed   the message carries what the last release fence knew; the reader keeps the message's
 *             view for its next acquire fence
 *   sequence  a read-modify-write reads the newest message and passes its view on with its own:
 *             a release sequence, as C++20 has it (a plain store by the same thread breaks it)
 *   seq_cst   the order of execution is the single total order. A global view holds what has been
 *             written in it: a store adds its own message, a load reads nothing older, and a fence
 *             exchanges all that its thread has seen with it, but no happens-before
 *
 * Happens-before is the part `knows` of a view: where it lacks an earlier conflicting access, there
 * is a data race.
 */
#include <stdatomic.h>
#include <string.h>

#include "model.h"

struct world world;
struct atomic_word words[ATOMICS];
int words_known, granules_known;
static struct {
    uintptr_t address, end;
} granules[GRANULES];

/* A place keeps its number for the whole search, so that states compare whatever the path. */
void memory_forget_places(void)
{
    words_known = 0;
    granules_known = 0;
    memset(&world, 0, sizeof world);
    for (int g = 0; g < GRANULES; g++)
        world.granule[g].writer = NOBODY;
}

int word_known(uintptr_t address)
{
    for (int x = 0; x < words_known; x++)
        if (words[x].address == address)
            return x;
    return -1;
}

int word_number(uintptr_t address, size_t size)
{
    for (int x = 0; x < words_known; x++) {
        if (words[x].address == address && words[x].size == size)
            return x;
        if (address < words[x].address + words[x].size && words[x].address < address + size) {
            violation("atomic accesses of mixed size at %s", name_of(address));
            return x;
        }
    }
    if (words_known == ATOMICS) {
        violation("more than %d atomic words: raise ATOMICS", ATOMICS);
        return 0;
    }
    words[words_known] = (struct atomic_word){address, size};
    return words_known++;
}

/* The granule that `address` lies in, or a new one, from there to `end` or to the next granule. So
 * an object is one granule, unless parts of it have been accessed before. */
static int granule_number(uintptr_t address, uintptr_t end)
{
    static uint8_t found_last[1024]; /* by the address: most are there again */
    uint8_t *last = &found_last[address / 4 % 1024];
    if (*last < granules_known && address >= granules[*last].address &&
        address < granules[*last].end)
        return *last;
    for (int g = 0; g < granules_known; g++) {
        if (address >= granules[g].address && address < granules[g].end)
            return *last = (uint8_t)g;
        if (granules[g].address > address && granules[g].address < end)
            end = granules[g].address;
    }
    if (granules_known == GRANULES) {
        violation("more than %d granules: raise GRANULES", GRANULES);
        return 0;
    }
    granules[granules_known].address = address;
    granules[granules_known].end = end;
    return granules_known++;
}

/* A CPU's accesses to one word are done in their order: who reads what it has stored last may free
 * the word. C11 says so of a read-modify-write only, which core/atomic.h makes of two accesses. */
static void tell_own_accesses(struct view *view, int t, int x)
{
    uintptr_t address = words[x].address, end = address + words[x].size;
    while (address < end) {
        int g = granule_number(address, end);
        view->knows[g] |= world.thread[t].current.knows[g] & (uint8_t)(1u << t);
        address = granules[g].end;
    }
}

struct history *history_of(int x)
{
    struct history *h = &world.history[x];
    if (h->count == 0) {
        uint64_t value = 0;
        memcpy(&value, (void *)words[x].address, words[x].size); /* little-endian, as the core is */
        h->of[0].value = value;
        memset(&h->of[0].view, 0, sizeof h->of[0].view);
        h->count = 1;
    }
    return h;
}

/* ---- views ----------------------------------------------------------------------------------- */

void join(struct view *view, const struct view *other)
{
    for (int x = 0; x < ATOMICS; x++)
        view->at[x] = view->at[x] > other->at[x] ? view->at[x] : other->at[x];
    for (int g = 0; g < GRANULES; g++)
        view->knows[g] |= other->knows[g];
}

static void join_order(struct view *view, const struct view *other)
{
    for (int x = 0; x < ATOMICS; x++)
        view->at[x] = view->at[x] > other->at[x] ? view->at[x] : other->at[x];
}

/* Every view that there is: `v` is one after the other. */
#define EACH_VIEW(action)                                        \
    do {                                                         \
        struct view *v;                                          \
        for (int t_ = 0; t_ < threads; t_++) {                   \
            struct thread *thread_ = &world.thread[t_];          \
            if (thread_->state == ENDED)                         \
                continue;                                        \
            v = &thread_->current, action;                       \
            v = &thread_->sema.view, action;                     \
            if (with_fences) {                                   \
                v = &thread_->acquired, action;                  \
                v = &thread_->released, action;                  \
            }                                                    \
        }                                                        \
        for (int x_ = 0; x_ < words_known; x_++)                 \
            for (int i_ = 0; i_ < world.history[x_].count; i_++) \
                v = &world.history[x_].of[i_].view, action;      \
        v = &world.seq_cst, action;                              \
    } while (0)

/* ---- atomic operations ----------------------------------------------------------------------- */

bool acquires(int order)
{
    return order == memory_order_acquire || order == memory_order_consume ||
           order == memory_order_acq_rel || order == memory_order_seq_cst;
}

bool releases(int order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

void fence(int t, int order)
{
    struct thread *thread = &world.thread[t];
    if (acquires(order))
        join(&thread->current, &thread->acquired);
    if (order == memory_order_seq_cst) {
        join_order(&thread->current, &world.seq_cst);
        join_order(&world.seq_cst, &thread->current);
    }
    if (releases(order))
        thread->released = thread->current;
}

int oldest_readable(int t, int x, int order)
{
    int oldest = world.thread[t].current.at[x];
    if (order == memory_order_seq_cst && oldest < world.seq_cst.at[x])
        oldest = world.seq_cst.at[x];
    return oldest;
}

uint64_t read_message(int t, int x, int i, int order)
{
    struct thread *thread = &world.thread[t];
    struct message *m = &world.history[x].of[i];
    thread->current.at[x] = (uint8_t)i;
    if (acquires(order))
        join(&thread->current, &m->view);
    else if (with_fences)
        join(&thread->acquired, &m->view);
    return m->value;
}

void write_message(int t, int x, uint64_t value, int order, int replaces)
{
    struct thread *thread = &world.thread[t];
    struct history *h = history_of(x);
    if (h->count == HISTORY) {
        violation("more than %d values of one word: raise HISTORY", HISTORY);
        return;
    }
    struct message *m = &h->of[h->count];
    m->value = value;
    m->view = releases(order) ? thread->current : thread->released;
    if (VALET_C11_PLAIN && replaces < 0)
        tell_own_accesses(&m->view, t, x);
    if (replaces >= 0) {
        join(&m->view, &h->of[replaces].view);
        /* One that changes neither the value nor what is known cannot be told from the one that it
         * replaces: the same message. So a loop on an exchange comes back to the same state. */
        m->view.at[x] = (uint8_t)replaces;
        if (value == h->of[replaces].value &&
            memcmp(&m->view, &h->of[replaces].view, sizeof m->view) == 0) {
            if (order == memory_order_seq_cst)
                world.seq_cst.at[x] = (uint8_t)replaces;
            return;
        }
    }
    m->view.at[x] = thread->current.at[x] = h->count++;
    if (order == memory_order_seq_cst)
        world.seq_cst.at[x] = thread->current.at[x];
    memcpy((void *)words[x].address, &value, words[x].size);
    variable_is_written(words[x].address, words[x].size);
}

/* A wait that comes after compares with what its waker knew of the word, or newer. */
void kernel_wakes(int t, int x)
{
    struct history *h = &world.history[x];
    if (h->waked < world.thread[t].current.at[x])
        h->waked = world.thread[t].current.at[x];
}

/* ... and the thread that it wakes comes out of it no older than that; it learns nothing else. */
void kernel_ends_wait(int t, int x, int woken)
{
    uint8_t *at = &world.thread[woken].current.at[x];
    if (*at < world.thread[t].current.at[x])
        *at = world.thread[t].current.at[x];
}

/* Messages that no thread can read any more; every index moves down. */
void forget_old_messages(void)
{
    for (int x = 0; x < words_known; x++) {
        struct history *h = &world.history[x];
        int old = NOBODY;
        for (int t = 0; t < threads; t++)
            if (world.thread[t].state != ENDED && world.thread[t].current.at[x] < old)
                old = world.thread[t].current.at[x];
        if (old == NOBODY || old == 0 || h->count == 0)
            continue;
        memmove(&h->of[0], &h->of[old], (size_t)(h->count - old) * sizeof h->of[0]);
        h->count = (uint8_t)(h->count - old);
        h->waked = (uint8_t)(h->waked > old ? h->waked - old : 0);
        EACH_VIEW(v->at[x] = (uint8_t)(v->at[x] > old ? v->at[x] - old : 0));
    }
}

/* ---- races and dead frames ------------------------------------------------------------------- */

static void check_alive(int t, uintptr_t address)
{
    for (int other = 0; other < threads; other++) {
        uintptr_t bottom = stack_bottom(other);
        if (address - bottom >= STACK_SIZE || other == t)
            continue;
        struct thread *owner = &world.thread[other];
        if (owner->state == ENDED || address < (uintptr_t)owner->stack_pointer)
            violation("thread %d uses %s in a dead frame", t, name_of(address));
    }
}

/* What must happen before an access to g: the last plain write, and what of others conflicts.
 * Of plain reads and atomic accesses, two that only read do not; told apart they are not. */
static void check_race(int t, int g, uint8_t others, const char *what)
{
    struct granule *granule = &world.granule[g];
    uint8_t knows = world.thread[t].current.knows[g];
    if (granule->writer != NOBODY && !(knows & WRITTEN))
        violation("data race: thread %d %s %s, which thread %d has written", t, what,
                  name_of(granules[g].address), granule->writer);
    others &= (uint8_t) ~(knows | 1u << t);
    if (others)
        violation("data race: thread %d %s %s, which thread %d has used", t, what,
                  name_of(granules[g].address), __builtin_ctz(others));
}

static void forget_access(int g, uint8_t bits)
{
    EACH_VIEW(v->knows[g] &= (uint8_t)~bits);
}

/* Plain, or as an atomic word: `accesses` is one of the two sets of the granule. Nobody knows of an
 * access that has not been. */
static void remember_access(int t, int g, uint8_t *accesses)
{
    struct granule *granule = &world.granule[g];
    uint8_t bit = (uint8_t)(1u << t);
    if ((granule->plain | granule->atomic) & bit)
        forget_access(g, bit);
    *accesses |= bit;
    world.thread[t].current.knows[g] |= bit;
}

void atomic_access(int t, uintptr_t address, size_t size)
{
    check_alive(t, address);
    uintptr_t end = address + size;
    while (address < end && verdict == NULL) {
        int g = granule_number(address, end);
        check_race(t, g, world.granule[g].plain, "uses as an atomic word");
        remember_access(t, g, &world.granule[g].atomic);
        address = granules[g].end;
    }
}

/* Its history ends: what it is next, memory says. */
static void forget_words(int g)
{
    for (int x = 0; x < words_known; x++) {
        if (words[x].address >= granules[g].end ||
            words[x].address + words[x].size <= granules[g].address || !world.history[x].count)
            continue;
        memset(&world.history[x], 0, sizeof world.history[x]);
        EACH_VIEW(v->at[x] = 0);
    }
}

static bool is_used(const struct granule *granule)
{
    return granule->writer != NOBODY || granule->plain || granule->atomic;
}

void plain_access(int t, uintptr_t address, size_t size, bool write)
{
    check_alive(t, address);
    if (write)
        variable_is_written(address, size);
    uintptr_t end = address + size;
    while (address < end && verdict == NULL) {
        int g = granule_number(address, end);
        address = granules[g].end;
        struct granule *granule = &world.granule[g];
        if (!write) {
            check_race(t, g, granule->atomic, "reads");
            remember_access(t, g, &granule->plain);
            continue;
        }
        check_race(t, g, granule->plain | granule->atomic, "writes");
        forget_words(g);
        if (is_used(granule))
            forget_access(g, 0xff);
        *granule = (struct granule){.writer = (uint8_t)t};
        world.thread[t].current.knows[g] = WRITTEN;
    }
}

void frame_dies(int t, uintptr_t end)
{
    uintptr_t bottom = stack_bottom(t);
    for (int g = 0; g < granules_known; g++) {
        struct granule *granule = &world.granule[g];
        if (granules[g].address < bottom || granules[g].address >= end || !is_used(granule))
            continue;
        check_race(t, g, granule->plain | granule->atomic, "frees");
        forget_words(g);
        forget_access(g, 0xff);
        *granule = (struct granule){.writer = NOBODY};
    }
    uintptr_t sema = world.thread[t].sema.address;
    if (sema != 0 && sema < end)
        violation("thread %d leaves a semaphore on a dead frame", t);
}

bool knows_last_write(int t, uintptr_t address)
{
    int g = granule_number(address, address + 1);
    return world.granule[g].writer != NOBODY && (world.thread[t].current.knows[g] & WRITTEN);
}
