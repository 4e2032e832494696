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
    CALLS,
    /* With flags: the inputs' bytes from WITH_FLAGS on, so that old ones are what they were. */
    PARK_WITH = CALLS,
    WAIT_WITH,
    FUTEX_WAIT_WITH,
    NO_WAIT,
    WAIT_CANCELLABLE,
    ALL_CALLS
};

#define WITH_FLAGS 0xf8u

#define IN_REACH      (UINT64_C(1) << 61) /* of both clocks, on each system, in ns */
#define LONGEST_SLICE 1000000000          /* where a kernel does not follow the wall clock */
#define WAKEN         3                   /* by a requeue */

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
    unsigned expected, flags;
    uint32_t cancel;
    uint64_t wall_deadline; /* with VALET_REALTIME, by that clock; `deadline` is when that comes */
    bool came;              /* it had come once, and then that clock was set back */
    bool unasked;           /* what the core or the row sees without a call of the kernel's wait */
    /* what must be true of the object, by what others did */
    bool token, differed;
    unsigned state;
    /* what the kernel did */
    unsigned waits, wakes, others, clocks, after_the_end;
    unsigned refusals, row_refusals; /* in a row, as the core sees them; in one call of the row */
    bool no_clock;                   /* it said so */
    bool blind;                      /* ... and that was its last word on the time */
    bool blinded;                    /* ... and will be */
    bool refused;                    /* its last word was a refusal */
    bool looked, differs;            /* it was asked to compare, at last, and the word differed */
    enum meaning meant;              /* its last answer to a wait */
    bool interrupted;                /* its last to a sleep: a handler ran, which is to end it */
    unsigned looks;                  /* waits since, which only look at the word */
    bool looked_badly;               /* a handler ended the last of these, so it has not looked */
    bool unclear;                    /* one ran in what may be a look, or where a post beats it */
    struct valet_sema *pending;      /* a post that is due */
    int32_t told;                    /* by a wake */
    unsigned posts;
    bool sleeping, met;
    const void *waking; /* what a waker may not touch any more once it has called the kernel */
    size_t waking_size;
} world;

static bool parks(void)
{
    return world.call <= PARK_FOR || world.call == PARK_WITH;
}

static bool waits(void)
{
    return world.call == WAIT || world.call == WAIT_UNTIL || world.call == WAIT_WITH;
}

static bool waits_on_a_word(void)
{
    return world.call == FUTEX_WAIT || world.call == FUTEX_WAIT_WITH ||
           world.call == WAIT_CANCELLABLE;
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
    return kernel->library->sema || waits_on_a_word() ? 1 : 4;
}

/* ... or the core, or the row itself, asks again a few times, and it was less often than that. */
static bool retried(void)
{
    return world.row_refusals != 0 || (world.refusals != 0 && world.refusals < believed());
}

/* ... or they were not in a row: between two of them a slice was over, or the word had changed,
 * which no kernel had to tell. */
static bool asks_again(void)
{
    return retried() || world.unasked;
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

/* The wall clock is set, by some tenths of a second. */
static void set_clock(int8_t tenths)
{
    if (!(world.flags & VALET_REALTIME) || !timed() || kernel->one_clock)
        return;
    world.came |= world.now >= world.deadline;
    kernel_wall_ahead += (uint64_t)(tenths * INT64_C(100000000));
    world.deadline =
        world.wall_deadline > kernel_wall_ahead ? world.wall_deadline - kernel_wall_ahead : 1;
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
        uint32_t count = state == 0 ? 1 : UINT32_MAX;
        if (world.flags & VALET_SHARED)
            kernel->library->futex_wake_with(&object.word, count, VALET_SHARED);
        else
            kernel->library->futex_wake(&object.word, count);
    }
    stop_waking();
}

static void others(void)
{
    if (world.waking != NULL)
        return;
    world.unasked |= world.flags & VALET_REALTIME && !kernel->follows;
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
    case 8:
        set_clock((int8_t)take(&in, 1));
        break;
    case 9:
        world.cancel = world.call == WAIT_CANCELLABLE; /* test/model has the signals for it */
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

static int32_t end(const struct asked *asked)
{
    bool until = asked != NULL ? asked->form != FOREVER : timed();
    if (until && world.deadline <= kernel->last && world.posts == 0 && !decided()) {
        wide wakes = world.deadline;
        if (world.flags & VALET_REALTIME) {
            /* That clock may count units of the grain. A slice may end later than the deadline, as
             * the clocks go on while it is reckoned. */
            wakes += kernel->grain;
            wide slice = asked == NULL        ? (wide)world.now + LONGEST_SLICE
                         : asked->form == FOR ? (wide)world.now + asked->ns
                                              : asked->ns;
            wakes = slice > wakes ? slice : wakes;
        }
        advance(wakes);
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
    world.blind = world.blinded;
    if (!ended()) {
        others();
        uint64_t how = take(&in, 1);
        world.blinded |= how == 0xfe && !kernel->ticks;
        world.blind = world.blinded || (how == 0xff && !kernel->ticks);
    }
    if (world.blind) {
        world.no_clock = true;
        return 0;
    }
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

/* Whether it can be a look at the word, which some systems make by a sleep of the shortest time. */
static bool may_look(const struct asked *asked)
{
    return waits_on_a_word() && (asked->form == UNTIL || asked->form == FOR) &&
           asked->ns <= (asked->form == FOR ? kernel->grain + 1 : 1);
}

static void check_wait(const struct asked *asked)
{
    MUST(!final() || asks_again());
    world.refused = false;
    MUST(!world.blind || asked->form != FOR || !timed() || may_look(asked)); /* a span of what? */
    MUST(!(world.interrupted || world.cancel) || may_look(asked));           /* it was to end */
    if (world.flags & VALET_REALTIME && timed() && asked->form != FOREVER && !kernel->follows)
        MUST(asked->ns - (asked->form == FOR ? 0 : world.now) <= LONGEST_SLICE + kernel->grain);
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
        answer = end(asked);
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
    if (kernel->awake && may_look(asked) && kernel_interrupts(answer))
        answer = kernel->timed_out;
    world.meant = kernel_means(answer, until);
    world.looked_badly = kernel_interrupts(answer);
    bool ends = world.flags & VALET_INTERRUPTIBLE || world.cancel;
    bool interrupts = ends && kernel_interrupts(answer);
    if (world.interrupted && waits_on_a_word())
        world.looks++;
    else if (may_look(asked) || world.posts != 0)
        world.unclear |= interrupts;
    else
        world.interrupted = interrupts;
    if (world.meant == REFUSED)
        refuse(answer == kernel->retried[0] || answer == kernel->retried[1]);
    else if (!(world.meant == CHANGED && kernel->probes) &&                /* which is to be seen */
             !(answer == kernel->timed_out && answer == kernel->again[0])) /* kept by the row */
        world.refusals = world.row_refusals = 0;
    if (world.meant == TIMEDOUT && kernel->proves)
        advance(world.flags & VALET_REALTIME && !may_look(asked) ? world.deadline : asked->ns);
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
    world.told = answer;
    world.met = kernel->meets && answer == 0;
    return answer;
}

int32_t target_other(enum other what)
{
    world.others++;
    if (ended()) {
        if (what == OTHER_RELAX)
            end(NULL);
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

int32_t target_requeue(const uint32_t *from, uint32_t expected, int64_t wake, const uint32_t *to,
                       int64_t move)
{
    world.wakes++;
    MUST(world.call == NO_WAIT && from == &object.word && to == &object.word + 1);
    MUST(wake == WAKEN && move == INT32_MAX);
    int32_t answer = expected != object.word ? kernel->changed : any_answer();
    world.differs = answer == kernel->changed;
    world.refused = answer < 0 && !world.differs;
    now_dead();
    return answer;
}

/* The core's posts. One is due at most, since one thread waits. */
void target_post(struct valet_sema *s)
{
    MUST(world.pending == NULL);
    world.pending = s;
    world.posts++;
    world.interrupted = false;
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
    case PARK_WITH:
        return library->park_with(&object.parker, time, world.flags);
    case WAIT_WITH:
        return library->wait_with(&object.waiters, world.expected, time, world.flags);
    case FUTEX_WAIT_WITH:
        return library->futex_wait_with(&object.word, world.expected, time, world.flags);
    case WAIT_CANCELLABLE:
        return library->wait_cancellable(&object.word, world.expected, time, world.flags,
                                         &world.cancel);
    default:
        return library->futex_wait(&object.word, world.expected, time);
    }
}

/* A handler ran: that is the answer, or what the look at a word has found after it. */
static int after_an_interruption(void)
{
    if (!waits_on_a_word() || kernel->library->sema)
        return VALET_INTERRUPTED;
    MUST(kernel->looks ? world.looked : world.looks != 0 && !world.looked_badly);
    if (world.refused)
        return VALET_ERR_SYSTEM;
    if (kernel->looks)
        return world.differs ? VALET_CHANGED : VALET_INTERRUPTED;
    return world.meant == WOKEN     ? VALET_OK
           : world.meant == CHANGED ? VALET_CHANGED
                                    : VALET_INTERRUPTED;
}

static void check_result(int r)
{
    if (world.interrupted && !decided())
        MUST(r == after_an_interruption());
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
        MUST(waits_on_a_word());
        break;
    case VALET_INTERRUPTED:
        MUST((world.interrupted || world.unclear || world.cancel) && !decided() && !world.refused);
        break;
    case VALET_TIMEDOUT: /* never early */
        MUST(timed() && (world.came || world.now >= world.deadline) && (!final() || asks_again()));
        if (waits_on_a_word() && !kernel->library->sema) /* what would beat the deadline */
            MUST(kernel->looks ? world.looked && !world.differs : !world.looked_badly);
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
             (asks_again() && (r == VALET_TIMEDOUT || r == VALET_ERR_UNSUPPORTED)));
}

/* The object, and what lies around it, once the call is over. */
static void check_memory(void)
{
    MUST(object.low[0] == GUARD && object.low[1] == GUARD && object.high[0] == GUARD &&
         object.high[1] == GUARD && object.high[2] == GUARD);
    uint64_t mine = kernel->library->sema ? UINT64_MAX : UINT32_MAX;
    if (waits_on_a_word())
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
    if (world.deadline == 0 && !waits_on_a_word())
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

/* A number that was woken is what the kernel told. */
static bool is_count(uint32_t woken)
{
    return woken == VALET_FUTEX_UNKNOWN || woken == (world.told > 0 ? (uint32_t)world.told : 0);
}

/* What has no wait: a wake and a requeue of a word that may be shared, and the wall clock. */
static void no_wait(void)
{
    const struct system *library = kernel->library;
    unsigned features = library->features();
    start_waking(&object.all, sizeof object.all);
    uint32_t woken = library->futex_wake_with(&object.word, 1, world.flags);
    stop_waking();
    MUST(world.wakes == !library->sema && is_count(woken));

    for (unsigned differs = 0; differs < 2; differs++) {
        world.wakes = 0;
        world.refused = world.differs = false;
        start_waking(&object.all, sizeof object.all);
        int r = library->requeue(&object.word, (uint32_t)world.state + differs, WAKEN,
                                 &object.word + 1, UINT32_MAX, world.flags);
        stop_waking();
        if (world.flags & ~VALET_SHARED)
            MUST(r == VALET_ERR_INVALID && world.wakes == 0);
        else if (world.flags & ~features)
            MUST(r == VALET_ERR_UNSUPPORTED && world.wakes == 0);
        else if (differs)
            MUST(r == VALET_CHANGED || world.refused);
        else if (library->sema) /* which finds nobody */
            MUST(r == VALET_OK && world.wakes == 0);
        else
            MUST(world.wakes == 1 && r == (world.refused   ? VALET_ERR_SYSTEM
                                           : world.differs ? VALET_CHANGED
                                                           : VALET_OK));
    }
    MUST(object.all == (GUARD & ~(uint64_t)UINT32_MAX) + (uint32_t)world.state);

    uintptr_t pc = (uintptr_t)&object; /* in no sequence of a trap */
    MUST(!library->redirect(&pc) && pc == (uintptr_t)&object);

    uint64_t wall = library->now_realtime();
    uint64_t now = features & VALET_REALTIME && !world.blind ? world.now + kernel_wall_ahead : 0;
    MUST(now - wall <= kernel->grain);
}

/* False: it was refused, since this call or this system has not such a flag, and nothing was done.
 * Else the time is by the clock that the flags name. */
static bool takes_flags(uint64_t *time)
{
    unsigned of_the_call = VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL;
    if (waits_on_a_word())
        of_the_call |= VALET_SHARED;
    unsigned features = kernel->library->features();
    bool has = world.call != WAIT_CANCELLABLE || features & VALET_CANCELLABLE;
    int wrong = !has                         ? VALET_ERR_UNSUPPORTED
                : world.flags & ~of_the_call ? VALET_ERR_INVALID
                : world.flags & ~features    ? VALET_ERR_UNSUPPORTED
                                             : VALET_OK;
    if (wrong != VALET_OK) {
        MUST(do_call(*time) == wrong && world.waits + world.others + world.clocks == 0);
        return false;
    }
    if (world.flags & VALET_REALTIME && timed() && *time != 0) {
        world.deadline = 1 + *time % IN_REACH;
        *time = world.wall_deadline = world.deadline + kernel_wall_ahead;
    }
    return true;
}

static void call(struct input *input)
{
    in = *input;
    unsigned what = (unsigned)take(&in, 1);
    world = (typeof(world)){.call = what % CALLS};
    if (what - WITH_FLAGS < ALL_CALLS - CALLS)
        world.call = CALLS + (what - WITH_FLAGS);
    if (world.call >= CALLS)
        world.flags = (unsigned)take(&in, 1) % 16;
    kernel_flags = world.flags;
    world.cancel = world.call == WAIT_CANCELLABLE && take(&in, 1) == 1;
    kernel_wall_ahead = kernel->one_clock ? 0 : WALL_AHEAD;
    unsigned start = (unsigned)take(&in, 1);
    world.expected = (unsigned)take(&in, 1) % 33;
    uint64_t now = take_time(&in), time = take_time(&in);
    if (start & 0x80) /* in reach */
        time += now;
    world.now = now == 0 ? 1 : now < kernel->last ? now : kernel->last;
    if (world.call >= CALLS) /* the wall clock is told, too */
        world.now = 1 + now % IN_REACH;
    memset(&object, (uint8_t)GUARD, sizeof object);
    world.token = start & 1;
    world.state = start % 4 < 3 ? world.expected & VALET_STATE_MAX : start & VALET_STATE_MAX;
    uint64_t value = parks() ? world.token : world.state;
    memcpy(&object.all, &value, kernel->library->sema && !waits_on_a_word() ? 8 : 4);
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
    case NO_WAIT:
        object.all = GUARD;
        object.word = (uint32_t)world.state;
        no_wait();
        return;
    default:
        break;
    }
    world.deadline = time;
    if (world.call >= CALLS && !takes_flags(&time))
        return;
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
