/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo's system: WebAssembly with threads, without a libc. A module can do nothing by itself:
 * files, output and new threads are functions that wasm.mjs supplies, as are the two that valet
 * asks for. Memory and waiting are instructions.
 */
#include <stdint.h>

#include "system.h"

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("demo"), import_name(name)))

/* Failures are the negative numbers of Node's fs; names and texts are not terminated. */
IMPORT("exit") _Noreturn void js_exit(int status);
IMPORT("open") int js_open(const char *name, size_t size);
IMPORT("read") int js_read(int file, void *bytes, size_t size);
IMPORT("error") size_t js_error(int failure, char *text, size_t size);
IMPORT("write") int js_write(int where, const char *text, size_t size);

struct thread {
    void (*run)(void *);
    void *argument;
};

/* Have a worker call demo_thread(thread), on the stack that ends there. */
IMPORT("start") void js_start(struct thread *thread);

static size_t length(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    return size;
}

void demo_exit(int status)
{
    js_exit(status);
}

long demo_open(const char *name)
{
    return js_open(name, length(name));
}

long demo_read(long file, void *bytes, size_t size)
{
    return js_read((int)file, bytes, size);
}

const char *demo_error(long failure)
{
    static char text[128];
    text[js_error((int)failure, text, sizeof text - 1)] = '\0';
    return text;
}

void *demo_memory(size_t size)
{
    enum { PAGE = 65536 };
    size_t old = __builtin_wasm_memory_grow(0, size / PAGE + (size % PAGE != 0));
    return old == SIZE_MAX ? NULL : (void *)(old * PAGE);
}

bool demo_start(void (*run)(void *argument), void *argument)
{
    enum { STACK = 65536 };
    char *stack = demo_memory(STACK); /* kept to the end, as by linux.c */
    if (stack == NULL)
        return false;
    struct thread *thread = (struct thread *)(stack + STACK - 16); /* a stack pointer is aligned */
    thread->run = run;
    thread->argument = argument;
    js_start(thread);
    return true;
}

EXPORT("demo_thread") void demo_thread(struct thread *thread)
{
    thread->run(thread->argument);
}

void demo_write(enum demo_output where, const char *text, size_t size)
{
    while (size != 0) {
        int n = js_write(where == DEMO_OUT ? 1 : 2, text, size);
        if (n < 0)
            demo_exit(1);
        text += n;
        size -= (size_t)n;
    }
}

/* `text` is argc strings, one behind the other. */
EXPORT("demo_enter") _Noreturn void demo_enter(int argc, char *text)
{
    char **argv = demo_memory(((size_t)argc + 1) * sizeof *argv);
    if (argv == NULL)
        demo_exit(1);
    for (int i = 0; i < argc; i++) {
        argv[i] = text;
        text += length(text) + 1;
    }
    demo_exit(demo_main(argc, argv));
}
