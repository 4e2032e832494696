/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One call of the library, on a kernel that answers anything in any order, and with other threads
 * that do anything in between. Whatever it answers, the call ends, at once where the kernel
 * refuses; OK is true, a timeout is not early, and nothing but the object is touched.
 *
 * An input: the system, the call, the object, the times, then for each thing that is asked of the
 * kernel what others do first and what it answers. After the input's end the kernel is honest, and
 * then the call must soon be over.
 */
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

#include "fuzz.h"

enum call {
    PARK,
    PARK_UNTIL,
    PARK_FOR,
    WAIT,
    WAIT_UNTIL,
    FUTEX_WAIT,
    UNPARK,
    STORE_AND_WAKE,
    CALLS
};

#define GUARD   0xa5a5a5a5a5a5a5a5
#define PARKED  UINT32_MAX /* the futex kind's words, as the tables in core/ have them */
#define WAITERS ((uint32_t)1 << VALET_STATE_BITS)

static struct input in;
static struct {
    _Alignas(16) uint64_t low[2];
    union {
        struct valet_parker parker;
        struct valet_waiters waiters;
        uint32_t word;
        uint64_t all;
    };
    uint64_t high[3];
} object;

static struct {
    enum call call;
    uint64_t now, deadline;
    uint64_t timeout; /* of park_for, until it has read the clock */
    unsigned expected;
    /* what must be true of the object, by what others did */
    bool token, differed;
    unsigned state;
    /* what the kernel did */
    unsigned waits, wakes, others, clocks, after_the_end;
    unsigned refusals, row_refusals; /* in a row, as the core sees them; in one call of the row */
    bool no_clock;                   /* it said so */
    bool blind;                      /* ... and that was its last word on the time */
    bool refused;                    /* its last word was a refusal */
    bool looked, differs;            /* it was asked to compare, at last, and the word differed */
    enum meaning meant;              /* its last answer to a wait */
    struct valet_sema *pending;      /* a post that is due */
    unsigned posts;
    bool sleeping, met;
    const void *waking; /* what a waker may not touch any more once it has called the kernel */
    size_t waking_size;
} world;

static bool parks(void)
{
    return world.call <= PARK_FOR;
}

static bool waits(void)
{
    return world.call == WAIT || world.call == WAIT_UNTIL;
}

/* Whether the call has what it waits for. */
static bool decided(void)
{
    if (parks())
        return world.token;
    if (waits())
        return world.state != world.expected;
    return world.posts != 0;
}

/* A refusal ends the call, unless it has what it waits for, or has to wait for a post. */
static bool final(void)
{
    return world.refused && !decided() && world.posts == 0;
}

/* The core believes the fourth refusal in a row where the word is its own. */
static unsigned believed(void)
{
    return kernel->library->sema || world.call == FUTEX_WAIT ? 1 : 4;
}

/* ... or the core, or the row itself, asks again a few times, and it was less often than that. */
static bool retried(void)
{
    return world.row_refusals != 0 || (world.refusals != 0 && world.refusals < believed());
}

static void refuse(bool row_asks_again)
{
    world.refused = true;
    if (row_asks_again && ++world.row_refusals < 4)
        return;
    world.row_refusals = 0;
    world.refusals++;
}

static bool timed(void)
{
    return world.deadline != VALET_FOREVER;
}

static void advance(wide to)
{
    if (to > kernel->last)
        to = kernel->last;
    if (to > world.now)
        world.now = (uint64_t)to;
}

/* ---- other threads --------------------------------------------------------------------------- */

/* From its last step on the waker must take what it wakes for dead. */
static void start_waking(const void *what, size_t size)
{
    world.waking = what;
    world.waking_size = size;
}

static void now_dead(void)
{
    ASAN_POISON_MEMORY_REGION(world.waking, world.waking_size);
}

static void stop_waking(void)
{
    ASAN_UNPOISON_MEMORY_REGION(world.waking, world.waking_size);
    world.waking = NULL;
}

static void deliver(void)
{
    struct valet_sema *t = world.pending;
    if (t == NULL || kernel_locked || (kernel->meets && !world.sleeping))
        return;
    world.pending = NULL;
    start_waking(t, kernel->meets ? 0 : sizeof *t);
    kernel->library->post(t);
    stop_waking();
}

/* What the call waits for. */
static void wake_up(unsigned state)
{
    start_waking(&object.all, sizeof object.all);
    if (parks()) {
        world.token = true;
        kernel->library->unpark(&object.parker);
    } else if (waits()) {
        world.state = state;
        kernel->library->store_and_wake(&object.waiters, state);
    } else {
        object.word = state;
        world.differed |= state != world.expected;
        kernel->library->futex_wake(&object.word, state == 0 ? 1 : UINT32_MAX);
    }
    stop_waking();
}

static void others(void)
{
    if (world.waking != NULL)
        return;
    switch (take(&in, 1) % 16) {
    case 1:
    case 2:
        wake_up((unsigned)take(&in, 1) & VALET_STATE_MAX);
        break;
    case 3:
    case 4:
        deliver();
        break;
    case 5:
        advance((wide)world.now + take(&in, 3));
        break;
    case 6:
        if (timed())
            advance((wide)world.deadline - take(&in, 1) % 2);
        break;
    case 7:
        if (waits()) {
            unsigned state = world.state, next = (unsigned)take(&in, 1) & VALET_STATE_MAX;
            MUST(kernel->library->exchange(&object.waiters, &state, next));
            world.state = next;
        }
        break;
    }
}

/* After the input's end, things take the shortest way to an end. */
static bool ended(void)
{
    if (in.left != 0)
        return false;
    MUST(++world.after_the_end < 64); /* a call that does not end */
    return true;
}

static int32_t end(bool until)
{
    if (until && world.deadline <= kernel->last && world.posts == 0 && !decided()) {
        advance(world.deadline);
        return kernel->timed_out;
    }
    if (world.pending == NULL)
        wake_up((world.expected + 1) & VALET_STATE_MAX);
    deliver();
    return kernel->woken;
}

/* ---- the kernel ------------------------------------------------------------------------------ */

uint64_t target_now(void)
{
    world.clocks++;
    if (!ended()) {
        others();
        if (take(&in, 1) == 0xff && !kernel->ticks) {
            world.no_clock = world.blind = true;
            return 0;
        }
    }
    world.blind = false;
    if (world.timeout != 0 && __builtin_add_overflow(world.now, world.timeout, &world.deadline))
        world.deadline = VALET_FOREVER;
    world.timeout = 0;
    return world.now;
}

/* Any from -4095 to INT32_MAX, and more often one that the kernel knows. */
static int32_t any_answer(void)
{
    uint64_t how = take(&in, 1);
    switch (how) {
    case 0:
        return kernel->woken;
    case 1:
    case 2:
        return kernel->timed_out;
    case 3:
        return kernel->changed;
    case 4:
    case 5:
    case 6:
    case 7:
        return kernel->again[how - 4];
    case 8:
        return kernel->retried[0];
    case 9:
        return (int32_t)(take(&in, 4) & INT32_MAX);
    default:
        return -(int32_t)((how << 8 | take(&in, 1)) % 4096);
    }
}

static void check_wait(const struct asked *asked)
{
    MUST(!final() || retried());
    world.refused = false;
    MUST(!world.blind || asked->form != FOR || !timed()); /* a span of what? */
    if (kernel->library->sema) {
        uintptr_t distance = (uintptr_t)asked->word - (uintptr_t)&object;
        MUST(distance >= sizeof object);
        return;
    }
    MUST(asked->word == &object.word);
    MUST(asked->expected == (parks()   ? PARKED
                             : waits() ? world.expected | WAITERS
                                       : world.expected));
}

int32_t target_wait(const struct asked *asked)
{
    world.waits++;
    check_wait(asked);
    int32_t answer;
    world.sleeping = true;
    bool until = asked->form != FOREVER;
    if (ended()) {
        answer = end(until);
    } else {
        others();
        others();
        answer = any_answer();
        if (answer == kernel->woken && !kernel_may_wake(asked))
            answer = -EFAULT;
    }
    world.sleeping = false;
    if (kernel->silent || world.met)
        answer = kernel->woken;
    else if (kernel->meets && answer == kernel->woken)
        answer = -EFAULT;
    world.met = false;
    world.meant = kernel_means(answer, until);
    if (world.meant == REFUSED)
        refuse(answer == kernel->retried[0] || answer == kernel->retried[1]);
    else if (!(world.meant == CHANGED && kernel->probes) &&                /* which is to be seen */
             !(answer == kernel->timed_out && answer == kernel->again[0])) /* kept by the row */
        world.refusals = world.row_refusals = 0;
    if (world.meant == TIMEDOUT && kernel->proves)
        advance(asked->ns);
    return answer;
}

int32_t target_wake(const void *address, int64_t count)
{
    world.wakes++;
    MUST(count > 0 && count <= INT32_MAX);
    if (address != NULL && !kernel->library->sema)
        MUST(address == &object.word);
    if (!kernel_locked) /* the woken thread has run, returned, and freed what it waited on */
        now_dead();
    int32_t answer = kernel->meets && in.left == 0 ? 0 : any_answer();
    world.met = kernel->meets && answer == 0;
    return answer;
}

int32_t target_other(enum other what)
{
    world.others++;
    if (ended()) {
        if (what == OTHER_RELAX)
            end(timed());
        return 0;
    }
    others();
    uint64_t how = take(&in, 1);
    if (what == OTHER_RELAX || how < 0xc0) {
        if (what == OTHER_PROBE && kernel->probes)
            world.refusals = 0;
        return 0;
    }
    if (how < 0xe0 && what == OTHER_PROBE) { /* an answer that says nothing about the word */
        if (kernel->probes)
            world.refusals = 0;
        return how < 0xd0 ? -EFAULT - 1 : (int32_t)how;
    }
    if (what != OTHER_PROBE)
        world.refusals = 0;
    world.row_refusals = 0;
    refuse(false);
    return -EFAULT;
}

int32_t target_look(const uint32_t *word, uint32_t expected)
{
    world.others++;
    MUST(!final() && word == &object.word && expected == world.expected);
    world.looked = true;
    if (!ended()) {
        others();
        if (take(&in, 1) >= 0xe0)
            return -38; /* no such operation */
    }
    world.differs = *word != expected;
    return world.differs ? -11 : 0;
}

/* The core's posts. One is due at most, since one thread waits. */
void target_post(struct valet_sema *s)
{
    MUST(world.pending == NULL);
    world.pending = s;
    world.posts++;
    now_dead();
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int do_call(uint64_t time)
{
    const struct system *library = kernel->library;
    switch (world.call) {
    case PARK:
        return library->park(&object.parker);
    case PARK_UNTIL:
        return library->park_until(&object.parker, time);
    case PARK_FOR:
        return library->park_for(&object.parker, time);
    case WAIT:
        return library->wait(&object.waiters, world.expected);
    case WAIT_UNTIL:
        return library->wait_until(&object.waiters, world.expected, time);
    default:
        return library->futex_wait(&object.word, world.expected, time);
    }
}

static void check_result(int r)
{
    MUST(world.pending == NULL && !kernel_locked); /* the frame that a post would touch is gone */
    if (parks() || waits())
        MUST((r == VALET_OK) == decided());
    else if (kernel->library->sema)
        MUST((r == VALET_OK) == (world.posts != 0) && (r != VALET_CHANGED || world.differed));
    else if (r == VALET_OK || r == VALET_CHANGED)
        MUST(world.waits == 0 || !world.refused);
    switch (r) {
    case VALET_OK:
        break;
    case VALET_CHANGED:
        MUST(world.call == FUTEX_WAIT);
        break;
    case VALET_TIMEDOUT: /* never early */
        MUST(timed() && world.now >= world.deadline && (!final() || retried()));
        if (kernel->looks && world.call == FUTEX_WAIT)
            MUST(world.looked && !world.differs); /* which would beat the deadline */
        break;
    case VALET_ERR_SYSTEM:
        MUST(world.refused && (believed() == 1 || !retried()));
        break;
    case VALET_ERR_UNSUPPORTED:
        MUST(timed() && world.no_clock);
        break;
    default:
        MUST(!"an answer of the library that is one");
    }
    if (final())
        MUST(r == VALET_ERR_SYSTEM ||
             (retried() && (r == VALET_TIMEDOUT || r == VALET_ERR_UNSUPPORTED)));
}

/* The object, and what lies around it, once the call is over. */
static void check_memory(void)
{
    MUST(object.low[0] == GUARD && object.low[1] == GUARD && object.high[0] == GUARD &&
         object.high[1] == GUARD && object.high[2] == GUARD);
    uint64_t mine = kernel->library->sema ? UINT64_MAX : UINT32_MAX;
    if (world.call == FUTEX_WAIT)
        mine = UINT32_MAX;
    MUST((object.all & ~mine) == (GUARD & ~mine));
    if (parks())
        MUST((object.all & mine) == 0);
    if (waits())
        MUST((object.all & mine & (kernel->library->sema ? mine : ~(uint64_t)WAITERS)) ==
             world.state);
}

static void sleeper(uint64_t time)
{
    int r = do_call(time);
    if (waits() && world.expected > VALET_STATE_MAX) {
        MUST(r == VALET_ERR_INVALID && world.waits + world.others + world.clocks == 0);
        return;
    }
    check_result(r);
    if (world.deadline == 0 && world.call != FUTEX_WAIT)
        MUST(world.waits + world.others + world.clocks == 0); /* without a system call */
    check_memory();
}

/* A stranger is parked: he is not disturbed, then woken. */
static void busy(void)
{
    struct valet_sema stranger;
    uint64_t parked = kernel->library->sema ? (uintptr_t)&stranger : PARKED;
    memcpy(&object.all, &parked, kernel->library->sema ? 8 : 4);
    uint64_t before = object.all;
    MUST(kernel->library->park_until(&object.parker, take_time(&in)) == VALET_ERR_BUSY);
    MUST(object.all == before && world.waits + world.others + world.clocks == 0);
    start_waking(&object.all, sizeof object.all);
    kernel->library->unpark(&object.parker);
    stop_waking();
    MUST(kernel->library->sema ? world.pending == &stranger : world.wakes == 1);
    MUST(world.waits + world.clocks + world.others == 0);
    kernel->library->unpark(&object.parker); /* now there is a token, and nobody to wake */
    MUST(world.wakes + world.posts == 1);
}

static void call(struct input *input)
{
    in = *input;
    world = (typeof(world)){.call = take(&in, 1) % CALLS};
    unsigned start = (unsigned)take(&in, 1);
    world.expected = (unsigned)take(&in, 1) % 33;
    uint64_t now = take_time(&in), time = take_time(&in);
    if (start & 0x80) /* in reach */
        time += now;
    world.now = now == 0 ? 1 : now < kernel->last ? now : kernel->last;
    memset(&object, (uint8_t)GUARD, sizeof object);
    world.token = start & 1;
    world.state = start % 4 < 3 ? world.expected & VALET_STATE_MAX : start & VALET_STATE_MAX;
    uint64_t value = parks() ? world.token : world.state;
    memcpy(&object.all, &value, kernel->library->sema && world.call != FUTEX_WAIT ? 8 : 4);
    world.differed = world.state != world.expected;

    switch (world.call) {
    case UNPARK:
        busy();
        return;
    case STORE_AND_WAKE:
        memset(&object.all, 0, sizeof object.all);
        if (!kernel->library->sema)
            object.word = (uint32_t)(world.state | WAITERS);
        start_waking(&object.all, sizeof object.all);
        kernel->library->store_and_wake(&object.waiters, 1);
        stop_waking();
        MUST(object.all == 1 && world.wakes == !kernel->library->sema);
        return;
    case PARK:
    case WAIT:
        time = VALET_FOREVER;
        break;
    default:
        break;
    }
    world.deadline = time;
    if (world.call == PARK_FOR && time != 0 && time != VALET_FOREVER)
        world.timeout = time;
    sleeper(time);
}

/* errno is the user's, whatever the system's calls do with it. */
void target_run(struct input *input)
{
    errno = error_number = 77;
    call(input);
    MUST(errno == 77 && error_number == 77);
}
