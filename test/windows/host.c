/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The harness on Windows: ntdll's threads, no Win32 and no C runtime.
 *
 * No handlers run here: what Windows knows as APCs does not come to a thread in a wait that is not
 * alertable, and no wait of the library is. test_interrupt sends one nevertheless, which must
 * disturb nobody, and suspends and resumes the thread, which makes the kernel begin its wait anew.
 * On the futex kind it also wakes the address that the thread waits on, for no reason.
 */
#include "control.h"
#include "nt.h"
#include "test.h"

/* Each thread under Wine has several files in wineserver, which may have 4096 or more. */
#define THREADS 1100
#define STACK   (256u * 1024) /* all of it committed: the compilers are told not to probe */

struct test_thread {
    HANDLE handle;
    void (*run)(void *);
    void *argument;
    struct control control;
    struct test_thread *next_free;
};

static struct test_thread threads[THREADS];
static struct test_thread *free_threads;
static unsigned used_threads;
static atomic_bool locked;
static bool few; /* set before the first test */

static void lock(void)
{
    while (atomic_exchange_explicit(&locked, true, memory_order_acquire))
        NtYieldExecution();
}

static void unlock(void)
{
    atomic_store_explicit(&locked, false, memory_order_release);
}

void test_write(const char *text)
{
    struct IO_STATUS_BLOCK io;
    uint32_t size = 0;
    while (text[size] != '\0')
        size++;
    if (NtWriteFile(RtlGetCurrentPeb()->parameters->output, NULL, NULL, NULL, &io, text, size, NULL,
                    NULL) != STATUS_SUCCESS)
        test_exit(1);
}

void test_exit(int status)
{
    for (;;)
        NtTerminateProcess(NT_PROCESS, status);
}

unsigned test_threads_max(void)
{
    return few ? 15 : THREADS;
}

/* ---- threads --------------------------------------------------------------------------------- */

static uint32_t NTAPI enter(void *thread)
{
    struct test_thread *self = thread;
    control_enter(&self->control);
    self->run(self->argument);
    RtlExitUserThread(STATUS_SUCCESS);
}

struct test_thread *test_start(void (*run)(void *), void *argument)
{
    lock();
    struct test_thread *t = free_threads;
    if (t != NULL)
        free_threads = t->next_free;
    else
        t = used_threads < THREADS ? &threads[used_threads++] : NULL;
    unlock();
    CHECK(t != NULL);
    t->run = run;
    t->argument = argument;
    atomic_store(&t->control.waits_on, NULL);
    CHECK_EQ(
        RtlCreateUserThread(NT_PROCESS, NULL, false, 0, STACK, STACK, enter, t, &t->handle, NULL),
        STATUS_SUCCESS);
    return t;
}

void test_join(struct test_thread *thread)
{
    CHECK_EQ(NtWaitForSingleObject(thread->handle, false, NULL), STATUS_SUCCESS);
    CHECK_EQ(NtClose(thread->handle), STATUS_SUCCESS);
    lock();
    thread->next_free = free_threads;
    free_threads = thread;
    unlock();
}

HANDLE nt_handle(const struct test_thread *thread)
{
    return thread->handle;
}

HANDLE nt_this_thread(void)
{
    HANDLE handle;
    CHECK_EQ(
        NtDuplicateObject(NT_PROCESS, NT_THREAD, NT_PROCESS, &handle, 0, 0, DUPLICATE_SAME_ACCESS),
        STATUS_SUCCESS);
    return handle;
}

void test_yield(void)
{
    NtYieldExecution();
}

void test_sleep(uint64_t ns)
{
    int64_t time = -(int64_t)(ns / 100 + 1);
    CHECK_EQ(NtDelayExecution(false, &time), STATUS_SUCCESS);
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *test_map(void)
{
    void *page = NULL;
    size_t size = TEST_PAGE;
    CHECK_EQ(
        NtAllocateVirtualMemory(NT_PROCESS, &page, 0, &size, MEM_COMMIT_RESERVE, PAGE_READWRITE),
        STATUS_SUCCESS);
    return page;
}

void test_unmap(void *page)
{
    /* Not given back: nothing else may get the address, or a late touch would go unseen. */
    size_t size = TEST_PAGE;
    uint32_t old;
    CHECK_EQ(NtProtectVirtualMemory(NT_PROCESS, &page, &size, PAGE_NOACCESS, &old), STATUS_SUCCESS);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void NTAPI apc(void *a, void *b, void *c)
{
    (void)a; /* may run before the thread's first instruction, which is alertable */
    (void)b;
    (void)c;
}

void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument)
{
    (void)handler;
    (void)argument;
    /* Failures: the thread has ended by now. */
    NtQueueApcThread(thread->handle, apc, NULL, NULL, NULL);
    if (NtSuspendThread(thread->handle, NULL) == STATUS_SUCCESS)
        NtResumeThread(thread->handle, NULL);
    control_interrupt(&thread->control);
}

bool test_has_handlers(void)
{
    return false;
}

bool test_move_clock(int64_t ns)
{
    (void)ns;
    return false;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* Without this, Wine would start a debugger for a touch after test_unmap, or for a trap. */
static int32_t NTAPI on_exception(const struct EXCEPTION_POINTERS *e)
{
    enum { ACCESS_VIOLATION = (int32_t)0xc0000005, ILLEGAL_INSTRUCTION = (int32_t)0xc000001d };
    enum { CONTINUE_SEARCH = 0 };
    int32_t code = e->record->code;
    if (code == ACCESS_VIOLATION)
        test_failed_eq(__FILE__, __LINE__, "a fault", (long long)e->record->information[1], 0);
    if (code == ILLEGAL_INSTRUCTION)
        test_failed(__FILE__, __LINE__, "no trap");
    return CONTINUE_SEARCH;
}

void (*nt_function(const char *name))(void)
{
    static const uint16_t ntdll[] = u"ntdll.dll";
    const struct UNICODE_STRING library_name = {sizeof ntdll - 2, sizeof ntdll, ntdll};
    void *library, (*address)(void);
    CHECK_EQ(LdrGetDllHandle(NULL, NULL, &library_name, &library), STATUS_SUCCESS);
    struct ANSI_STRING function = {0, 0, name};
    while (name[function.length] != '\0')
        function.length++;
    function.size = function.length + 1;
    CHECK_EQ(LdrGetProcedureAddress(library, &function, 0, &address), STATUS_SUCCESS);
    return address;
}

void start(void);

static bool same(const char *a, const char *b)
{
    while (*a == *b && *a != '\0')
        a++, b++;
    return *a == *b;
}

/* Usage: PROGRAM [-few] [-early | -xp] [WORD]. -few: fewer threads and rounds. WORD: only the tests
 * whose names contain it. */
void start(void)
{
    static char text[4096];
    static char *words[5];
    static struct control first;
    nt_arguments(words, 4, text, sizeof text);
    char **word = words + 1; /* a null one ends them */
    enum control_mode mode = PLAIN;
    for (; *word != NULL && **word == '-'; word++)
        if (same(*word, "-few"))
            few = true;
        else if (same(*word, "-early"))
            mode = EARLY;
        else if (same(*word, "-xp"))
            mode = XP;
        else
            test_failed(__FILE__, __LINE__, *word);
    RtlAddVectoredExceptionHandler(1, on_exception);
    control_begin(mode);
    control_enter(&first);
    int status = test_run(*word);
    if (status == 0)
        control_end();
    test_exit(status);
}

/* ---- what a compiler may call ---------------------------------------------------------------- */

void *memset(void *to, int value, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

void *memset(void *to, int value, size_t n)
{
    for (volatile unsigned char *p = to; n != 0; n--)
        *p++ = (unsigned char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    volatile unsigned char *p = to;
    for (const unsigned char *q = from; n != 0; n--)
        *p++ = *q++;
    return to;
}
