/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The three CPUs: registers, calling conventions, and one step.
 *
 * Unicorn executes plain instructions. Those that wait or that make a pair are done here, since
 * Unicorn returns from WFE at once and lets a store-exclusive succeed whenever the value is the old
 * one: the monitor, the event register and the counter are part of our state. One Unicorn engine
 * serves all threads; `loaded` is the thread whose registers it holds.
 */
#include <stdio.h>
#include <string.h>
#include <unicorn/unicorn.h>

#include "checker.h"

#define PC    33
#define FLAGS 34

#define GRANULE 16u /* of an exclusive monitor: the smallest that processors have */

const uint64_t model_caller_saved[MODEL_CPUS] = {
    [MODEL_X86_64] = MODEL_R(0) | MODEL_R(1) | MODEL_R(2) | MODEL_R(6) | MODEL_R(7) | MODEL_R(8) |
                     MODEL_R(9) | MODEL_R(10) | MODEL_R(11) | MODEL_FLAGS,
    [MODEL_AARCH64] = 0x3ffff | MODEL_FLAGS,                       /* x0 to x17 */
    [MODEL_RISCV64] = 0xe0u | 0x3fc00u | 0xf0000000u | MODEL_R(1), /* t, a, ra */
};

static uc_engine *uc;
static int ids[MODEL_CPUS][REGS]; /* Unicorn's names, PC left out */
static void *places[REGS];
static int batch_ids[REGS], batch_n, batch_index[REGS];
static int loaded = -1;

/* What Unicorn runs now; until it stops, it has the registers of the thread, but for the PC. */
static struct kernel *current;
static int running = -1;
static int begun, most; /* instructions of it */
static bool (*until)(struct kernel *k, uint64_t pc);

static int sp_index(enum model_cpu cpu)
{
    return cpu == MODEL_X86_64 ? 4 : cpu == MODEL_AARCH64 ? 31 : 2;
}

static int pc_id(enum model_cpu cpu)
{
    return cpu == MODEL_X86_64    ? UC_X86_REG_RIP
           : cpu == MODEL_AARCH64 ? UC_ARM64_REG_PC
                                  : UC_RISCV_REG_PC;
}

static void on_access(uc_engine *engine, uc_mem_type type, uint64_t address, int size,
                      int64_t value, void *data)
{
    (void)engine, (void)value, (void)data;
    cpu_touch(current, running, type == UC_MEM_WRITE, address, (unsigned)size);
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
    static const int x86[16] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                                UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                                UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                                UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};
    enum model_cpu cpu = k->image.cpu;
    for (int i = 0; i < 32; i++) {
        ids[MODEL_X86_64][i] = i < 16 ? x86[i] : 0;
        ids[MODEL_AARCH64][i] = i < 29    ? UC_ARM64_REG_X0 + i
                                : i == 29 ? UC_ARM64_REG_X29
                                : i == 30 ? UC_ARM64_REG_X30
                                          : UC_ARM64_REG_SP;
        ids[MODEL_RISCV64][i] = i == 0 ? 0 : UC_RISCV_REG_X0 + i;
    }
    ids[MODEL_X86_64][FLAGS] = UC_X86_REG_EFLAGS;
    ids[MODEL_AARCH64][FLAGS] = UC_ARM64_REG_NZCV;
    for (int i = 0; i < REGS; i++)
        if (ids[cpu][i] != 0) {
            batch_index[batch_n] = i;
            batch_ids[batch_n++] = ids[cpu][i];
        }
    uc_err e = cpu == MODEL_X86_64    ? uc_open(UC_ARCH_X86, UC_MODE_64, &uc)
               : cpu == MODEL_AARCH64 ? uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc)
                                      : uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &uc);
    if (e == UC_ERR_OK && cpu == MODEL_AARCH64) /* the default has no LSE */
        e = uc_ctl_set_cpu_model(uc, UC_CPU_ARM64_MAX);
    if (e == UC_ERR_OK)
        e = uc_mem_map_ptr(uc, k->image.base, WINDOW, UC_PROT_ALL, k->image.host);
    uc_hook hook;
    if (e == UC_ERR_OK)
        e = uc_hook_add(uc, &hook, UC_HOOK_CODE, (void *)on_instruction, NULL, 1, 0);
    if (e == UC_ERR_OK)
        e = uc_hook_add(uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_access, NULL, 1,
                        0);
    if (e != UC_ERR_OK)
        die("unicorn: %s", uc_strerror(e));
    current = k;
}

static void load_registers(struct kernel *k, int thread)
{
    if (loaded == thread)
        return;
    cpu_settle_registers(k);
    for (int i = 0; i < batch_n; i++)
        places[i] = &k->w.threads[thread].regs[batch_index[i]];
    uc_reg_write_batch(uc, batch_ids, places, batch_n);
    loaded = thread;
}

void cpu_settle_registers(struct kernel *k)
{
    if (loaded < 0)
        return;
    for (int i = 0; i < batch_n; i++) {
        places[i] = &k->w.threads[loaded].regs[batch_index[i]];
        k->w.threads[loaded].regs[batch_index[i]] = 0;
    }
    uc_reg_read_batch(uc, batch_ids, places, batch_n);
    loaded = -1;
}

void cpu_forget(struct kernel *k)
{
    (void)k;
    loaded = -1;
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
    return k->w.threads[thread].regs[sp_index(k->image.cpu)];
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
            o->event = 1; /* and is an event for WFE */
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
    else if (k->image.cpu == MODEL_X86_64) {
        kind = b[0] == 0x0f && b[1] == 0x05 ? TRAP : b[0] == 0xf3 && b[1] == 0x90 ? HINT : PLAIN;
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
    cpu_settle_registers(k);
    struct thread *t = &k->w.threads[thread];
    memset(t, 0, sizeof *t);
    t->sleep.deadline = MODEL_NEVER;
    uint64_t sp = stack_top(k, thread);
    if (k->image.cpu == MODEL_X86_64) {
        sp -= 8; /* 16-aligned before the call */
        memcpy(guest(k, sp), &k->image.exit, 8);
        t->regs[7] = argument;
        t->regs[FLAGS] = 2;
    } else {
        t->regs[k->image.cpu == MODEL_AARCH64 ? 30 : 1] = k->image.exit;
        t->regs[k->image.cpu == MODEL_AARCH64 ? 0 : 10] = argument;
    }
    t->regs[sp_index(k->image.cpu)] = sp;
    t->regs[PC] = entry;
}

/* ---- exclusive pairs, events, the counter ---------------------------------------------------- */

static void exclusive(struct kernel *k, int thread, bool store, bool fail)
{
    struct thread *t = &k->w.threads[thread];
    uint32_t w;
    memcpy(&w, guest(k, t->regs[PC]), 4);
    unsigned size, value, address, status;
    if (k->image.cpu == MODEL_AARCH64) {
        size = 1u << (w >> 30), value = w & 31, address = w >> 5 & 31, status = w >> 16 & 31;
    } else {
        size = w >> 12 & 1 ? 8 : 4, value = w >> (store ? 20 : 7) & 31, address = w >> 15 & 31;
        status = w >> 7 & 31;
    }
    unsigned zero = k->image.cpu == MODEL_AARCH64 ? 31 : 0;
    uint64_t at = t->regs[address], bits = 0;
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
    cpu_settle_registers(k);
    exclusive(k, thread, true, true);
}

/* One instruction that is not plain. */
static void special(struct kernel *k, int thread, enum kind kind)
{
    struct thread *t = &k->w.threads[thread];
    unsigned size = k->image.cpu == MODEL_X86_64 ? 2 : 4;
    cpu_settle_registers(k);
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
    load_registers(k, thread);
    running = thread;
    begun = 0;
    most = limit;
    until = before;
    uc_err e = uc_emu_start(uc, t->regs[PC], k->image.exit, 0, 0);
    if (e != UC_ERR_OK)
        violation(k, "crash: %s", uc_strerror(e));
    uc_reg_read(uc, pc_id(k->image.cpu), &t->regs[PC]);
    return begun;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static unsigned argument_register(enum model_cpu cpu, bool trap, int i)
{
    static const unsigned char x86[6] = {7, 6, 2, 10, 8, 9};
    if (cpu == MODEL_X86_64)
        return !trap && i == 3 ? 1 : x86[i];
    return (cpu == MODEL_AARCH64 ? 0u : 10u) + (unsigned)i;
}

uint64_t cpu_argument(const struct kernel *k, int thread, int i)
{
    return k->w.threads[thread].regs[argument_register(k->image.cpu, false, i)];
}

void cpu_call_in(struct kernel *k, struct model_call *c)
{
    struct thread *t = &k->w.threads[c->thread];
    enum model_cpu cpu = k->image.cpu;
    const struct model_trap *trap = &k->model->traps[cpu];
    c->cpu = cpu;
    c->pc = t->regs[PC];
    c->sp = t->regs[sp_index(cpu)];
    bool symbol = cpu_kind(k, c->pc) == IMPORT;
    for (int i = 0; i < MODEL_ARGS; i++)
        if (cpu != MODEL_X86_64 || i < 6)
            c->args[i] = t->regs[argument_register(cpu, !symbol, i)];
        else if (c->sp + 8u * ((unsigned)i - 5) + 8 <= stack_top(k, c->thread))
            memcpy(&c->args[i], guest(k, c->sp + 8u * ((unsigned)i - 5)), 8);
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
    }
    c->number = trap->number == MODEL_IMMEDIATE ? c->svc : t->regs[trap->number];
    if (!trap->accepted)
        violation(k, "killed: a system call from outside the system's own image");
    else if (cpu == MODEL_AARCH64 && trap->number != MODEL_IMMEDIATE && c->svc != trap->svc)
        violation(k, "svc #%#llx", (unsigned long long)c->svc);
}

static void poison(struct kernel *k, struct thread *t, uint64_t mask)
{
    for (int i = 0; i < 32; i++)
        if (mask & MODEL_R(i) && ids[k->image.cpu][i] != 0 && i != sp_index(k->image.cpu))
            t->regs[i] = 0xdeadbeefdeadbe00u + (unsigned)i;
    if (mask & MODEL_FLAGS)
        t->regs[FLAGS] ^= k->image.cpu == MODEL_X86_64 ? 0x8d5u : 0xf0000000u;
}

void cpu_call_out(struct kernel *k, struct model_call *c, bool error, uint64_t result,
                  const uint64_t *second)
{
    struct thread *t = &k->w.threads[c->thread];
    enum model_cpu cpu = k->image.cpu;
    const struct model_trap *trap = &k->model->traps[cpu];
    unsigned first = cpu == MODEL_RISCV64 ? 10 : 0, other = cpu == MODEL_X86_64 ? 2 : first + 1;
    if (c->symbol) {
        cpu_return(k, c->thread, result);
        if (second)
            t->regs[other] = *second;
        return;
    }
    uint64_t flags = t->regs[FLAGS];
    t->regs[PC] += (cpu == MODEL_X86_64 ? 2 : 4) + trap->skip;
    poison(k, t, trap->poison);
    for (int i = 0; i < 32; i++)
        if (trap->zero & MODEL_R(i))
            t->regs[i] = 0;
    if (cpu == MODEL_X86_64 && trap->errors == MODEL_NEGATIVE)
        t->regs[11] = flags;
    t->regs[first] = error && trap->errors == MODEL_NEGATIVE ? -result : result;
    if (second)
        t->regs[other] = *second;
    if (trap->errors == MODEL_FLAG) {
        uint64_t carry = cpu == MODEL_X86_64 ? 1 : 0x20000000u;
        if (cpu == MODEL_RISCV64)
            t->regs[5] = error;
        else
            t->regs[FLAGS] = (t->regs[FLAGS] & ~carry) | (error ? carry : 0);
    } else if (trap->errors == MODEL_RETURN12 && !error)
        t->regs[PC] += 8;
}

void cpu_return(struct kernel *k, int thread, uint64_t result)
{
    struct thread *t = &k->w.threads[thread];
    enum model_cpu cpu = k->image.cpu;
    uint64_t *sp = &t->regs[sp_index(cpu)];
    if (cpu == MODEL_X86_64) {
        memcpy(&t->regs[PC], guest(k, *sp), 8);
        *sp += 8;
    } else
        t->regs[PC] = t->regs[cpu == MODEL_AARCH64 ? 30 : 1];
    poison(k, t, model_caller_saved[cpu]);
    t->regs[cpu == MODEL_RISCV64 ? 10 : 0] = result;
}
