/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo's system: Linux without a libc. This is all that a static program needs to exist, to
 * read a file and to have threads; how threads wait for each other is the library's part.
 */
#include "arch/arch.h"
#include "system.h"

/*
 * What cannot be said in C, for each CPU:
 *
 *   _start        the kernel enters here, with argc and argv at the stack pointer
 *   clone_thread  clone(2). The parent returns as from any function. The child has no frame to
 *                 return to, it is on its new, empty stack: it goes on in enter_thread(stack).
 */
long clone_thread(unsigned long flags, void *stack);

#if defined __x86_64__
enum { READ = 0, WRITE = 1, MMAP = 9, EXIT = 60, EXIT_GROUP = 231, OPENAT = 257 };
__asm__(".text\n"
        ".global _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n" /* the outermost frame, as debuggers see it */
        "    mov %rsp, %rdi\n"
        "    call enter_program\n"
        "clone_thread:\n"
        "    mov $56, %eax\n"
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jz 1f\n"
        "    ret\n"
        "1:  xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    call enter_thread\n");
#elif defined __aarch64__
enum { OPENAT = 56, READ = 63, WRITE = 64, EXIT = 93, EXIT_GROUP = 94, MMAP = 222 };
__asm__(".text\n"
        ".global _start\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x0, sp\n"
        "    bl enter_program\n"
        "clone_thread:\n"
        "    mov x8, #220\n"
        "    svc #0\n"
        "    cbz x0, 1f\n"
        "    ret\n"
        "1:  mov x29, #0\n"
        "    mov x0, sp\n"
        "    bl enter_thread\n");
#elif defined __riscv
enum { OPENAT = 56, READ = 63, WRITE = 64, EXIT = 93, EXIT_GROUP = 94, MMAP = 222 };
__asm__(".text\n"
        ".global _start\n"
        "_start:\n"
        "    .option push\n"
        "    .option norelax\n" /* the linker makes addresses relative to gp, but not this one */
        "    la gp, __global_pointer$\n"
        "    .option pop\n"
        "    li s0, 0\n"
        "    mv a0, sp\n"
        "    call enter_program\n"
        "clone_thread:\n"
        "    li a7, 220\n"
        "    ecall\n"
        "    beqz a0, 1f\n"
        "    ret\n"
        "1:  li s0, 0\n"
        "    mv a0, sp\n"
        "    call enter_thread\n");
#endif

static long trap(long number, long a, long b, long c)
{
    return valet_trap_linux(number, a, b, c, 0, 0, 0);
}

__attribute__((used)) static _Noreturn void enter_program(long *stack)
{
    demo_exit(demo_main((int)stack[0], (char **)(stack + 1)));
}

void demo_exit(int status)
{
    for (;;)
        trap(EXIT_GROUP, status, 0, 0);
}

long demo_open(const char *name)
{
    enum { AT_FDCWD = -100, O_RDONLY = 0 };
    return trap(OPENAT, AT_FDCWD, (long)name, O_RDONLY);
}

long demo_read(long file, void *bytes, size_t size)
{
    return trap(READ, file, (long)bytes, (long)size);
}

const char *demo_error(long failure)
{
    switch (-failure) { /* the numbers of asm-generic/errno-base.h and errno.h */
    case 2:
        return "no such file or directory";
    case 5:
        return "input/output error";
    case 13:
        return "permission denied";
    case 20:
        return "not a directory";
    case 21:
        return "is a directory";
    case 36:
        return "file name too long";
    case 40:
        return "too many symbolic links";
    default:
        return "refused by the system";
    }
}

void *demo_memory(size_t size)
{
    enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };
    long r = valet_trap_linux(MMAP, 0, (long)size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return r < 0 && r >= -4095 ? NULL : (void *)r;
}

struct thread {
    void (*run)(void *);
    void *argument;
};

/*
 * A thread cannot free the stack that it stands on, and whoever it tells "I am done" cannot free it
 * either: it still stands there when it tells. The kernel would say when it is gone
 * (CLONE_CHILD_CLEARTID clears a word and wakes its waiters), but with a wake of the shared kind,
 * which valet's waits, being private to the process, do not hear. This program has no need: it
 * keeps its threads to its end, and the kernel frees all.
 */
__attribute__((used)) static _Noreturn void enter_thread(struct thread *thread)
{
    thread->run(thread->argument);
    for (;;)
        trap(EXIT, 0, 0, 0);
}

bool demo_start(void (*run)(void *argument), void *argument)
{
    enum {
        STACK = 64 * 1024,
        CLONE_VM = 0x100,
        CLONE_FS = 0x200,
        CLONE_FILES = 0x400,
        CLONE_SIGHAND = 0x800,
        CLONE_THREAD = 0x10000,
        CLONE_SYSVSEM = 0x40000
    };
    char *stack = demo_memory(STACK);
    if (stack == NULL)
        return false;
    /* All three CPUs want the stack pointer to be a multiple of 16. */
    _Static_assert(sizeof(struct thread) == 16, "the thread's stack begins below this");
    struct thread *thread = (struct thread *)(stack + STACK) - 1;
    thread->run = run;
    thread->argument = argument;
    return clone_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SYSVSEM,
                        thread) > 0;
}

void demo_write(enum demo_output where, const char *text, size_t size)
{
    while (size != 0) {
        long n = trap(WRITE, where == DEMO_OUT ? 1 : 2, (long)text, (long)size);
        if (n < 0)
            demo_exit(1);
        text += n;
        size -= (size_t)n;
    }
}
