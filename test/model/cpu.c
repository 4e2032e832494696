/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The CPUs: registers, calling conventions, and one step.
 *
 * Unicorn executes plain instructions. Those that wait or that make a pair are done here, since
 * Unicorn returns from WFE at once and lets a store-exclusive succeed whenever the value is the old
 * one: the monitor, the event register and the counter are part of our state. One Unicorn engine
 * serves all threads.
 */
#include <stdio.h>
#include <string.h>
#include <unicorn/unicorn.h>

#include "checker.h"
#include "hash.h"

#define PC    33
#define FLAGS 34

#define ARM_USER_IN_THUMB 0x30u       /* CPSR: the mode, and T */
#define ARM_IN_IT_BLOCK   0x0600fc00u /* ... its conditional instructions that are to come */

#define GRANULE 16u /* of an exclusive monitor: the smallest that processors have */

const uint64_t model_caller_saved[MODEL_CPUS] = {
    [MODEL_X86_64] = MODEL_R(0) | MODEL_R(1) | MODEL_R(2) | MODEL_R(6) | MODEL_R(7) | MODEL_R(8) |
                     MODEL_R(9) | MODEL_R(10) | MODEL_R(11) | MODEL_FLAGS,
    [MODEL_AARCH64] = 0x3ffff | MODEL_FLAGS,                       /* x0 to x17 */
    [MODEL_RISCV64] = 0xe0u | 0x3fc00u | 0xf0000000u | MODEL_R(1), /* t, a, ra */
    [MODEL_X86] = MODEL_R(0) | MODEL_R(1) | MODEL_R(2) | MODEL_FLAGS,
    [MODEL_ARM] = 0xfu | MODEL_R(12) | MODEL_FLAGS,
    [MODEL_RISCV32] = 0xe0u | 0x3fc00u | 0xf0000000u | MODEL_R(1),
};

#define NONE (-1)

/* Register numbers are the CPU's own, as in model.h. */
static const struct cpu {
    uc_arch arch;
    int mode, variant;         /* Unicorn's; variant NONE: its default */
    int pc, flags;             /* Unicorn's names of these; flags 0: it has none */
    int registers, sp, link;   /* link NONE: the return address is on the stack */
    int argument, arguments;   /* a C function's in registers: the first, and how many */
    int result, second;        /* where it returns; the other half, or a system call's second */
    unsigned word, trap;       /* bytes: of a register; of the trap instruction */
    uint64_t arithmetic;       /* the flags that a call may change */
    unsigned char in_traps[6]; /* arguments of a system call */
} cpus[MODEL_CPUS] = {
    [MODEL_X86_64] = {.arch = UC_ARCH_X86,
                      .mode = UC_MODE_64,
                      .variant = NONE,
                      .pc = UC_X86_REG_RIP,
                      .flags = UC_X86_REG_EFLAGS,
                      .arithmetic = 0x8d5,
                      .registers = 16,
                      .sp = 4,
                      .link = NONE,
                      .argument = 7,
                      .arguments = 6,
                      .result = 0,
                      .second = 2,
                      .word = 8,
                      .trap = 2,
                      .in_traps = {7, 6, 2, 10, 8, 9}},
    [MODEL_AARCH64] = {.arch = UC_ARCH_ARM64,
                       .mode = UC_MODE_ARM,
                       .variant = UC_CPU_ARM64_MAX, /* the default has no LSE */
                       .pc = UC_ARM64_REG_PC,
                       .flags = UC_ARM64_REG_NZCV,
                       .arithmetic = 0xf0000000,
                       .registers = 32,
                       .sp = 31,
                       .link = 30,
                       .argument = 0,
                       .arguments = 8,
                       .result = 0,
                       .second = 1,
                       .word = 8,
                       .trap = 4,
                       .in_traps = {0, 1, 2, 3, 4, 5}},
    [MODEL_RISCV64] = {.arch = UC_ARCH_RISCV,
                       .mode = UC_MODE_RISCV64,
                       .variant = NONE,
                       .pc = UC_RISCV_REG_PC,
                       .registers = 32,
                       .sp = 2,
                       .link = 1,
                       .argument = 10,
                       .arguments = 8,
                       .result = 10,
                       .second = 11,
                       .word = 8,
                       .trap = 4,
                       .in_traps = {10, 11, 12, 13, 14, 15}},
    [MODEL_X86] = {.arch = UC_ARCH_X86,
                   .mode = UC_MODE_32,
                   .variant = NONE,
                   .pc = UC_X86_REG_EIP,
                   .flags = UC_X86_REG_EFLAGS,
                   .arithmetic = 0x8d5,
                   .registers = 8,
                   .sp = 4,
                   .link = NONE,
                   .argument = NONE,
                   .arguments = 0,
                   .result = 0,
                   .second = 2,
                   .word = 4,
                   .trap = 2,
                   .in_traps = {3, 1, 2, 6, 7, 5}},
    [MODEL_ARM] = {.arch = UC_ARCH_ARM,
                   .mode = UC_MODE_THUMB,
                   .variant = UC_CPU_ARM_CORTEX_A15,
                   .pc = UC_ARM_REG_PC,
                   .flags = UC_ARM_REG_CPSR,
                   .arithmetic = 0xf0000000,
                   .registers = 15,
                   .sp = 13,
                   .link = 14,
                   .argument = 0,
                   .arguments = 4,
                   .result = 0,
                   .second = 1,
                   .word = 4,
                   .trap = 2,
                   .in_traps = {0, 1, 2, 3, 4, 5}},
    [MODEL_RISCV32] = {.arch = UC_ARCH_RISCV,
                       .mode = UC_MODE_RISCV32,
                       .variant = NONE,
                       .pc = UC_RISCV_REG_PC,
                       .registers = 32,
                       .sp = 2,
                       .link = 1,
                       .argument = 10,
                       .arguments = 8,
                       .result = 10,
                       .second = 11,
                       .word = 4,
                       .trap = 4,
                       .in_traps = {10, 11, 12, 13, 14, 15}},
};
static const struct cpu *this; /* of the image */

static uc_engine *uc;
static int ids[REGS]; /* Unicorn's names, PC left out */
static uint64_t flags_at_start;
static void *places[REGS];
static int batch_ids[REGS], batch_n, batch_index[REGS];

/* What Unicorn runs now; until it stops, it has the registers of the thread, but for the PC. */
static struct kernel *current;
static int running = -1;
static int begun, most; /* instructions of it */
static bool (*until)(struct kernel *k, uint64_t pc);

static int register_id(enum model_cpu cpu, int i)
{
    static const int x86_64[16] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                                   UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                                   UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                                   UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};
    static const int x86[8] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
                               UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI};
    static const int aarch64[3] = {UC_ARM64_REG_X29, UC_ARM64_REG_X30, UC_ARM64_REG_SP};
    switch (cpu) {
    case MODEL_X86_64:
        return x86_64[i];
    case MODEL_X86:
        return x86[i];
    case MODEL_AARCH64:
        return i < 29 ? UC_ARM64_REG_X0 + i : aarch64[i - 29];
    case MODEL_ARM:
        return i == 13 ? UC_ARM_REG_SP : i == 14 ? UC_ARM_REG_LR : UC_ARM_REG_R0 + i;
    default:
        return i == 0 ? 0 : UC_RISCV_REG_X0 + i;
    }
}

/*
 * What a run does follows from the registers and from what it reads. So each is kept; and where
 * both are the same again, as they mostly are, with other threads elsewhere, it is not executed
 * again but repeated: each access is told to cpu_touch, then memory and registers become what they
 * became.
 * Each 1024th is executed all the same, and must be what it was.
 */
enum { RUNS = 1 << 15, BUCKETS = 1 << 16, ACCESSES = 1 << 18, ACCESSES_OF_RUN = 256 };

struct access {
    uint64_t pc, address;
    uint64_t value; /* a read: that it found; a write: that is there at the end of the run */
    uint8_t size;
    bool write, own; /* own: a read of what the run wrote itself */
};

static struct run {
    uint64_t key; /* of the registers at its start, and of what ends it */
    uint64_t after[REGS];
    uint32_t next; /* of the bucket; numbers begin with 1, 0 is none */
    uint32_t first, accesses;
    int instructions;
} runs[RUNS];
static uint32_t buckets[BUCKETS], runs_n, kept_n;
static struct access kept[ACCESSES];

static struct access of_run[ACCESSES_OF_RUN]; /* the one that Unicorn runs now */
static uint32_t of_run_n;
static bool can_be_kept;

static void remember(struct kernel *k, bool write, uint64_t address, unsigned size)
{
    struct access a = {k->w.threads[running].regs[PC], address, 0, (uint8_t)size, write, false};
    if (of_run_n == ACCESSES_OF_RUN || size > sizeof a.value || k->violation[0] != '\0') {
        can_be_kept = false;
        return;
    }
    for (uint32_t i = 0; i < of_run_n && !write; i++) {
        const struct access *w = &of_run[i];
        if (!w->write || address + size <= w->address || w->address + w->size <= address)
            continue;
        a.own = true;
        if (address < w->address || address + size > w->address + w->size)
            can_be_kept = false; /* it is made of two */
    }
    if (!write)
        memcpy(&a.value, guest(k, address), size);
    of_run[of_run_n++] = a;
}

static void keep_run(const struct kernel *k, int thread, uint64_t key)
{
    if (!can_be_kept || k->violation[0] != '\0')
        return;
    if (runs_n == RUNS || kept_n + of_run_n > ACCESSES) {
        memset(buckets, 0, sizeof buckets);
        runs_n = kept_n = 0;
    }
    for (uint32_t i = 0; i < of_run_n; i++)
        if (of_run[i].write)
            memcpy(&of_run[i].value, guest(k, of_run[i].address), of_run[i].size);
    struct run *r = &runs[runs_n++];
    *r = (struct run){.key = key,
                      .next = buckets[key % BUCKETS],
                      .first = kept_n,
                      .accesses = of_run_n,
                      .instructions = begun};
    memcpy(r->after, k->w.threads[thread].regs, sizeof r->after);
    memcpy(&kept[kept_n], of_run, of_run_n * sizeof *of_run);
    kept_n += of_run_n;
    buckets[key % BUCKETS] = runs_n;
}

static bool reads_the_same(const struct kernel *k, const struct run *r)
{
    for (const struct access *a = &kept[r->first]; a < &kept[r->first + r->accesses]; a++)
        if (!a->write && !a->own && memcmp(guest(k, a->address), &a->value, a->size) != 0)
            return false;
    return true;
}

static const struct run *find_run(const struct kernel *k, uint64_t key, int limit)
{
    uint32_t i = buckets[key % BUCKETS];
    while (i != 0 && (runs[i - 1].key != key || runs[i - 1].instructions > limit ||
                      !reads_the_same(k, &runs[i - 1])))
        i = runs[i - 1].next;
    return i == 0 ? NULL : &runs[i - 1];
}

static int repeat_run(struct kernel *k, int thread, const struct run *r)
{
    const struct access *from = &kept[r->first], *to = from + r->accesses;
    uint64_t *regs = k->w.threads[thread].regs;
    for (const struct access *a = from; a < to; a++) {
        regs[PC] = a->pc;
        cpu_touch(k, thread, a->write, a->address, a->size);
    }
    for (const struct access *a = from; a < to; a++)
        if (a->write)
            memcpy(guest(k, a->address), &a->value, a->size);
    memcpy(regs, r->after, sizeof r->after);
    return r->instructions;
}

static void on_access(uc_engine *engine, uc_mem_type type, uint64_t address, int size,
                      int64_t value, void *data)
{
    (void)engine, (void)value, (void)data;
    bool write = type == UC_MEM_WRITE;
    cpu_touch(current, running, write, address, (unsigned)size);
    remember(current, write, address, (unsigned)size);
}

/* Before each instruction: the first is run, and a later one if nothing ends the run before it. */
static void on_instruction(uc_engine *engine, uint64_t address, uint32_t size, void *data)
{
    (void)size, (void)data;
    struct kernel *k = current;
    if (begun > 0 && (begun == most || k->violation[0] != '\0' || cpu_kind(k, address) != PLAIN ||
                      until(k, address))) {
        uc_emu_stop(engine);
        return;
    }
    k->w.threads[running].regs[PC] = address;
    begun++;
}

void cpu_open(struct kernel *k)
{
    enum model_cpu cpu = k->image.cpu;
    this = &cpus[cpu];
    for (int i = 0; i < this->registers; i++)
        ids[i] = register_id(cpu, i);
    ids[FLAGS] = this->flags;
    for (int i = 0; i < REGS; i++)
        if (ids[i] != 0) {
            batch_index[batch_n] = i;
            batch_ids[batch_n++] = ids[i];
        }
    uc_err e = uc_open(this->arch, (uc_mode)this->mode, &uc);
    if (e == UC_ERR_OK && this->variant != NONE)
        e = uc_ctl_set_cpu_model(uc, this->variant);
    if (e == UC_ERR_OK)
        e = uc_mem_map_ptr(uc, k->image.base, WINDOW, UC_PROT_ALL, k->image.host);
    uc_hook hook;
    if (e == UC_ERR_OK)
        e = uc_hook_add(uc, &hook, UC_HOOK_CODE, (void *)on_instruction, NULL, 1, 0);
    if (e == UC_ERR_OK)
        e = uc_hook_add(uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_access, NULL, 1,
                        0);
    if (e == UC_ERR_OK && this->flags != 0)
        e = uc_reg_read(uc, this->flags, &flags_at_start);
    if (e != UC_ERR_OK)
        die("unicorn: %s", uc_strerror(e));
    if (cpu == MODEL_ARM) { /* the stack pointer is that of the mode */
        flags_at_start = ARM_USER_IN_THUMB;
        uc_reg_write(uc, this->flags, &flags_at_start);
    }
    current = k;
}

static void load_registers(struct thread *t)
{
    for (int i = 0; i < batch_n; i++)
        places[i] = &t->regs[batch_index[i]];
    uc_reg_write_batch(uc, batch_ids, places, batch_n);
}

static void store_registers(struct thread *t)
{
    for (int i = 0; i < batch_n; i++) {
        places[i] = &t->regs[batch_index[i]];
        t->regs[batch_index[i]] = 0;
    }
    uc_reg_read_batch(uc, batch_ids, places, batch_n);
    t->regs[PC] = 0;
    uc_reg_read(uc, this->pc, &t->regs[PC]);
}

int cpu_registers(const struct kernel *k)
{
    (void)k;
    return REGS;
}

uint64_t cpu_pc(const struct kernel *k, int thread)
{
    return k->w.threads[thread].regs[PC];
}

uint64_t cpu_sp(const struct kernel *k, int thread)
{
    return k->w.threads[thread].regs[this->sp];
}

void cpu_go_to(struct kernel *k, int thread, uint64_t pc)
{
    k->w.threads[thread].regs[PC] = pc;
}

/* Every access of a thread to memory, by its instructions or by the kernel on its behalf. */
void cpu_touch(struct kernel *k, int thread, bool write, uint64_t address, unsigned size)
{
    if (write)
        for (int j = 0; j < k->threads; j++) { /* a store by another ends an exclusive pair */
            struct thread *o = &k->w.threads[j];
            if (j == thread || o->monitor == 0 || address + size <= o->monitor ||
                address >= o->monitor + GRANULE)
                continue;
            o->monitor = 0;
            if (k->image.cpu != MODEL_AARCH64)
                continue;
            o->event = 1; /* and is an event for WFE, from ARMv8 on */
            if (o->sleep.inside == WAITING_FOR_EVENT) {
                o->sleep.inside = USER;
                o->event = 0;
            }
        }
    k->watch(k, thread, write, address, size);
}

enum kind cpu_kind(struct kernel *k, uint64_t pc)
{
    static uint8_t known[WINDOW]; /* kind + 1 */
    uint64_t offset = pc - k->image.base;
    if (offset >= WINDOW - 4)
        return pc == k->image.exit ? EXIT : PLAIN;
    if (known[offset] != 0)
        return known[offset] - 1;
    enum kind kind = PLAIN;
    const unsigned char *b = k->image.host + offset;
    uint32_t w;
    memcpy(&w, b, 4);
    const struct symbol *s = image_around(&k->image, pc);
    const char *name = s && s->address == pc ? s->name : "";
    if (pc == k->image.exit)
        kind = EXIT;
    else if (strncmp(name, "check_", 6) == 0)
        kind = HYPER;
    else if (k->image.cpu == MODEL_X86_64 || k->image.cpu == MODEL_X86) {
        bool trap =
            k->image.cpu == MODEL_X86 ? b[0] == 0xcd && b[1] == 0x80 : b[0] == 0x0f && b[1] == 0x05;
        kind = trap ? TRAP : b[0] == 0xf3 && b[1] == 0x90 ? HINT : PLAIN;
    } else if (k->image.cpu == MODEL_ARM) {
        unsigned half = w & 0xffff, other = w >> 16; /* Thumb: of 16 bits, or two of these */
        kind = (half & 0xff00) == 0xdf00                                 ? TRAP
               : (half & 0xfff0) == 0xe850 && (other & 0x0f00) == 0x0f00 ? LOAD_EXCLUSIVE
               : (half & 0xfff0) == 0xe840                               ? STORE_EXCLUSIVE
               : w == 0x8f2ff3bf                                         ? CLEAR_EXCLUSIVE
               : half == 0xbf20                                          ? WAIT_EVENT
               : half == 0xbf40                                          ? SEND_EVENT
               : half == 0xbf10                                          ? HINT
                                                                         : PLAIN;
    } else if (k->image.cpu == MODEL_AARCH64) {
        kind = (w & 0xffe0001f) == 0xd4000001   ? TRAP
               : (w & 0x3fe00000) == 0x08400000 ? LOAD_EXCLUSIVE
               : (w & 0x3fe00000) == 0x08000000 ? STORE_EXCLUSIVE
               : (w & 0xfffff0ff) == 0xd503305f ? CLEAR_EXCLUSIVE
               : w == 0xd503205f                ? WAIT_EVENT
               : w == 0xd503209f                ? SEND_EVENT
               : w == 0xd50320bf                ? SEND_EVENT_LOCAL
               : w == 0xd503203f                ? HINT
               : (w & 0xffffffe0) == 0xd53be040 ? COUNTER
               : (w & 0xffffffe0) == 0xd53be000 ? FREQUENCY
                                                : PLAIN;
    } else {
        kind = w == 0x00000073                  ? TRAP
               : (w & 0xf9f0607f) == 0x1000202f ? LOAD_EXCLUSIVE
               : (w & 0xf800607f) == 0x1800202f ? STORE_EXCLUSIVE
               : w == 0x0100000f                ? HINT
                                                : PLAIN;
    }
    for (const char *const *p = k->model->symbols; p && *p; p++)
        if (strcmp(name, *p) == 0)
            kind = IMPORT;
    known[offset] = (uint8_t)(kind + 1);
    return kind;
}

void cpu_start(struct kernel *k, int thread, uint64_t entry, uint64_t argument)
{
    struct thread *t = &k->w.threads[thread];
    memset(t, 0, sizeof *t);
    t->sleep.deadline = MODEL_NEVER;
    uint64_t sp = stack_top(k, thread);
    if (this->link == NONE) {
        sp -= this->word; /* 16-aligned before the call */
        memcpy(guest(k, sp), &k->image.exit, this->word);
    } else
        t->regs[this->link] = k->image.exit | (k->image.cpu == MODEL_ARM); /* Thumb's mark */
    if (this->argument != NONE)
        t->regs[this->argument] = argument;
    t->regs[FLAGS] = flags_at_start;
    t->regs[this->sp] = sp;
    t->regs[PC] = entry;
}

/* ---- exclusive pairs, events, the counter ---------------------------------------------------- */

static void exclusive(struct kernel *k, int thread, bool store, bool fail)
{
    struct thread *t = &k->w.threads[thread];
    uint32_t w;
    memcpy(&w, guest(k, t->regs[PC]), 4);
    unsigned size, value, address, status, offset = 0, zero = 0;
    if (k->image.cpu == MODEL_AARCH64) {
        size = 1u << (w >> 30), value = w & 31, address = w >> 5 & 31, status = w >> 16 & 31;
        zero = 31;
    } else if (k->image.cpu == MODEL_ARM) {
        size = 4, value = w >> 28, address = w & 15, status = w >> 24 & 15;
        offset = (w >> 16 & 255) * 4;
        zero = 15; /* none of these may be the PC */
    } else {
        size = w >> 12 & 1 ? 8 : 4, value = w >> (store ? 20 : 7) & 31, address = w >> 15 & 31;
        status = w >> 7 & 31;
    }
    uint64_t at = t->regs[address] + offset, bits = 0;
    if (at < k->image.base || at + size > k->image.base + WINDOW || at % size != 0) {
        violation(k, "exclusive access to %#llx", (unsigned long long)at);
        return;
    }
    if (!store) {
        cpu_touch(k, thread, false, at, size);
        memcpy(&bits, guest(k, at), size);
        if (k->image.cpu == MODEL_RISCV64 && size == 4)
            bits = (uint64_t)(int32_t)bits;
        if (value != zero)
            t->regs[value] = bits;
        t->monitor = at & ~(uint64_t)(GRANULE - 1);
        t->monitor_size = size;
    } else {
        bool success = !fail && t->monitor == (at & ~(uint64_t)(GRANULE - 1)) && t->monitor != 0 &&
                       t->monitor_size == size;
        if (success) {
            bits = value == zero ? 0 : t->regs[value];
            memcpy(guest(k, at), &bits, size);
            cpu_touch(k, thread, true, at, size);
        }
        t->monitor = 0;
        t->monitor_size = 0;
        if (status != zero)
            t->regs[status] = !success;
    }
    t->regs[PC] += 4;
}

static void send_event(struct kernel *k)
{
    for (int j = 0; j < k->threads; j++) {
        struct thread *o = &k->w.threads[j];
        if (o->sleep.inside == WAITING_FOR_EVENT)
            o->sleep.inside = USER;
        else if (o->sleep.inside != DONE)
            o->event = 1;
    }
}

void cpu_fail_store(struct kernel *k, int thread)
{
    exclusive(k, thread, true, true);
}

/* One instruction that is not plain. */
static void special(struct kernel *k, int thread, enum kind kind)
{
    struct thread *t = &k->w.threads[thread];
    bool thumb = k->image.cpu == MODEL_ARM;
    unsigned size = thumb && kind == CLEAR_EXCLUSIVE ? 4 : this->trap;
    if (thumb && t->regs[FLAGS] & ARM_IN_IT_BLOCK)
        die("a conditional instruction at %#llx", (unsigned long long)t->regs[PC]);
    uint32_t w;
    memcpy(&w, guest(k, t->regs[PC]), 4);
    switch (kind) {
    case LOAD_EXCLUSIVE:
    case STORE_EXCLUSIVE:
        exclusive(k, thread, kind == STORE_EXCLUSIVE, false);
        return;
    case CLEAR_EXCLUSIVE:
        t->monitor = t->monitor_size = 0;
        break;
    case WAIT_EVENT:
        if (t->event)
            t->event = 0;
        else
            t->sleep.inside = WAITING_FOR_EVENT;
        break;
    case SEND_EVENT:
        send_event(k);
        break;
    case SEND_EVENT_LOCAL:
        t->event = 1;
        break;
    case COUNTER:
    case FREQUENCY:
        if ((w & 31) != 31)
            t->regs[w & 31] = kind == FREQUENCY ? 1000000000u : k->w.clock;
        break;
    default:
        break;
    }
    t->regs[PC] += size;
}

int cpu_run(struct kernel *k, int thread, int limit, bool (*before)(struct kernel *, uint64_t))
{
    struct thread *t = &k->w.threads[thread];
    enum kind kind = cpu_kind(k, t->regs[PC]);
    if (kind != PLAIN) {
        special(k, thread, kind);
        return 1;
    }
    uint64_t key[REGS + 3] = {0};
    memcpy(key, t->regs, sizeof t->regs);
    key[REGS] = (uintptr_t)before;
    key[REGS + 1] = limit == 1;
    key[REGS + 2] = k->epoch << 1 | k->stepped;
    uint64_t hash = hash_of((const unsigned char *)key, sizeof key);
    static unsigned repeats;
    const struct run *r = k->verbose ? NULL : find_run(k, hash, limit);
    if (r && ++repeats % 1024 != 0)
        return repeat_run(k, thread, r);
    load_registers(t);
    running = thread;
    begun = 0;
    of_run_n = 0;
    can_be_kept = true;
    most = limit;
    until = before;
    uint64_t thumb = k->image.cpu == MODEL_ARM; /* a mark in the address */
    uc_err e = uc_emu_start(uc, t->regs[PC] | thumb, k->image.exit, 0, 0);
    if (e != UC_ERR_OK)
        violation(k, "crash: %s", uc_strerror(e));
    store_registers(t);
    if (r && k->violation[0] == '\0' && k->epoch == key[REGS + 2] >> 1 &&
        (begun != r->instructions || memcmp(t->regs, r->after, sizeof r->after) != 0))
        die("a run of thread %d to %#llx is not what it was", thread,
            (unsigned long long)t->regs[PC]);
    if (!r && (begun < limit || limit == 1))
        keep_run(k, thread, hash);
    return begun;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void put(struct thread *t, int i, uint64_t value)
{
    t->regs[i] = this->word == 4 ? (uint32_t)value : value;
}

/* The argument of a C function of that register, or word on the stack. */
uint64_t cpu_argument(const struct kernel *k, int thread, int i)
{
    static const unsigned char x86_64[6] = {7, 6, 2, 1, 8, 9};
    const struct thread *t = &k->w.threads[thread];
    if (i < this->arguments)
        return t->regs[k->image.cpu == MODEL_X86_64 ? x86_64[i] : this->argument + i];
    unsigned above =
        (unsigned)(i - this->arguments) + (this->link == NONE); /* its return address */
    uint64_t at = t->regs[this->sp] + this->word * above, word = 0;
    if (at + this->word <= stack_top(k, thread))
        memcpy(&word, guest(k, at), this->word);
    return word;
}

void cpu_call_in(struct kernel *k, struct model_call *c)
{
    struct thread *t = &k->w.threads[c->thread];
    enum model_cpu cpu = k->image.cpu;
    const struct model_trap *trap = &k->model->traps[cpu];
    c->cpu = cpu;
    c->pc = t->regs[PC];
    c->sp = t->regs[this->sp];
    bool symbol = cpu_kind(k, c->pc) == IMPORT;
    for (int i = 0; i < MODEL_ARGS; i++)
        c->args[i] = !symbol && i < 6 ? t->regs[this->in_traps[i]] : cpu_argument(k, c->thread, i);
    if (symbol) {
        c->symbol = image_around(&k->image, c->pc)->name;
        while (strcmp(k->model->symbols[c->number], c->symbol) != 0)
            c->number++;
        return;
    }
    if (cpu == MODEL_AARCH64) {
        uint32_t w;
        memcpy(&w, guest(k, c->pc), 4);
        c->svc = w >> 5 & 0xffff;
    } else if (cpu == MODEL_ARM)
        c->svc = *guest(k, c->pc);
    c->number = trap->number == MODEL_IMMEDIATE ? c->svc : t->regs[trap->number];
    if (!trap->accepted)
        violation(k, "killed: a system call from outside the system's own image");
    else if (trap->number != MODEL_IMMEDIATE && c->svc != trap->svc)
        violation(k, "svc #%#llx", (unsigned long long)c->svc);
}

static void poison(struct thread *t, uint64_t mask)
{
    for (int i = 0; i < 32; i++)
        if (mask & MODEL_R(i) && ids[i] != 0 && i != this->sp)
            put(t, i, 0xdeadbeefdeadbe00u + (unsigned)i);
    if (mask & MODEL_FLAGS)
        t->regs[FLAGS] ^= this->arithmetic;
}

void cpu_call_out(struct kernel *k, struct model_call *c, bool error, uint64_t result,
                  const uint64_t *second)
{
    struct thread *t = &k->w.threads[c->thread];
    enum model_cpu cpu = k->image.cpu;
    const struct model_trap *trap = &k->model->traps[cpu];
    if (c->symbol) {
        cpu_return(k, c->thread, result);
        if (second)
            put(t, this->second, *second);
        return;
    }
    uint64_t flags = t->regs[FLAGS];
    t->regs[PC] += this->trap + trap->skip;
    poison(t, trap->poison);
    for (int i = 0; i < 32; i++)
        if (trap->zero & MODEL_R(i))
            t->regs[i] = 0;
    if (cpu == MODEL_X86_64 && trap->errors == MODEL_NEGATIVE)
        t->regs[11] = flags;
    put(t, this->result, error && trap->errors == MODEL_NEGATIVE ? -result : result);
    if (second)
        put(t, this->second, *second);
    if (trap->errors == MODEL_FLAG) {
        uint64_t carry = cpu == MODEL_X86_64 ? 1 : 0x20000000u;
        if (cpu == MODEL_RISCV64)
            t->regs[5] = error;
        else
            t->regs[FLAGS] = (t->regs[FLAGS] & ~carry) | (error ? carry : 0);
    } else if (trap->errors == MODEL_RETURN12 && !error)
        t->regs[PC] += 8;
}

/* On CPUs of 32 bits a result has a second register, which a narrower one leaves undefined. */
void cpu_return(struct kernel *k, int thread, uint64_t result)
{
    struct thread *t = &k->w.threads[thread];
    if (this->link == NONE) {
        t->regs[PC] = 0;
        memcpy(&t->regs[PC], guest(k, t->regs[this->sp]), this->word);
        t->regs[this->sp] += this->word;
    } else
        t->regs[PC] = t->regs[this->link] & -(uint64_t)(k->image.cpu == MODEL_ARM ? 2 : 1);
    poison(t, model_caller_saved[k->image.cpu]);
    put(t, this->result, result);
    if (this->word == 4)
        put(t, this->second, result >> 32);
}
