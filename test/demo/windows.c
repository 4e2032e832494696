/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo's system: Windows without Win32 and without a C runtime; ntdll is all that it links
 * with. How threads wait for each other is the library's part.
 */
#include "system.h"
#include "test/windows/nt.h"

struct OBJECT_ATTRIBUTES {
    uint32_t length;
    HANDLE root;
    const struct UNICODE_STRING *name;
    uint32_t attributes;
    void *security, *quality;
};

NTSTATUS NTAPI RtlUTF8ToUnicodeN(uint16_t *to, uint32_t size, uint32_t *used, const char *from,
                                 uint32_t from_size);
uint8_t NTAPI RtlDosPathNameToNtPathName_U(const uint16_t *name, struct UNICODE_STRING *path,
                                           const uint16_t **file_part, void *relative);
NTSTATUS NTAPI NtOpenFile(HANDLE *file, uint32_t access, const struct OBJECT_ATTRIBUTES *attributes,
                          struct IO_STATUS_BLOCK *io, uint32_t share, uint32_t options);

static const NTSTATUS END_OF_FILE = (NTSTATUS)0xc0000011;
static const NTSTATUS ACCESS_DENIED = (NTSTATUS)0xc0000022;
static const NTSTATUS OBJECT_NAME_NOT_FOUND = (NTSTATUS)0xc0000034;
static const NTSTATUS OBJECT_PATH_NOT_FOUND = (NTSTATUS)0xc000003a;
static const NTSTATUS FILE_IS_A_DIRECTORY = (NTSTATUS)0xc00000ba;

void demo_exit(int status)
{
    for (;;)
        NtTerminateProcess(NT_PROCESS, status);
}

long demo_open(const char *name)
{
    enum { NAME_MAX = 4096 };
    enum { GENERIC_READ = INT32_MIN, SYNCHRONIZE = 0x100000, FILE_SHARE_READ = 1 };
    enum { FILE_SYNCHRONOUS_IO_NONALERT = 0x20, FILE_NON_DIRECTORY_FILE = 0x40 };
    enum { CASE_INSENSITIVE = 0x40 };
    static uint16_t wide[NAME_MAX];
    uint32_t size = 0, used;
    while (name[size] != '\0')
        size++;
    /* Two bytes each: room for the terminating zero, which the array holds. */
    if (RtlUTF8ToUnicodeN(wide, sizeof wide - 2, &used, name, size) != STATUS_SUCCESS)
        return OBJECT_NAME_NOT_FOUND;
    struct UNICODE_STRING path; /* from ntdll's heap; kept to the end */
    if (!RtlDosPathNameToNtPathName_U(wide, &path, NULL, NULL))
        return OBJECT_NAME_NOT_FOUND;
    struct OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path,
                                           CASE_INSENSITIVE,  NULL, NULL};
    struct IO_STATUS_BLOCK io;
    HANDLE file;
    NTSTATUS r =
        NtOpenFile(&file, (uint32_t)GENERIC_READ | SYNCHRONIZE, &attributes, &io, FILE_SHARE_READ,
                   FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE);
    return NT_SUCCESS(r) ? (long)(intptr_t)file : r; /* handles are 32-bit numbers, and small */
}

long demo_read(long file, void *bytes, size_t size)
{
    struct IO_STATUS_BLOCK io;
    NTSTATUS r = NtReadFile((HANDLE)(intptr_t)file, NULL, NULL, NULL, &io, bytes, (uint32_t)size,
                            NULL, NULL);
    if (r == END_OF_FILE)
        return 0;
    return NT_SUCCESS(r) ? (long)io.information : r;
}

const char *demo_error(long failure)
{
    if (failure == OBJECT_NAME_NOT_FOUND || failure == OBJECT_PATH_NOT_FOUND)
        return "no such file or directory";
    if (failure == FILE_IS_A_DIRECTORY)
        return "is a directory";
    return failure == ACCESS_DENIED ? "permission denied" : "refused by the system";
}

void *demo_memory(size_t size)
{
    void *memory = NULL;
    NTSTATUS r =
        NtAllocateVirtualMemory(NT_PROCESS, &memory, 0, &size, MEM_COMMIT_RESERVE, PAGE_READWRITE);
    return NT_SUCCESS(r) ? memory : NULL;
}

struct thread {
    void (*run)(void *);
    void *argument;
};

static uint32_t enter_thread(void *started)
{
    struct thread *thread = started;
    thread->run(thread->argument);
    RtlExitUserThread(STATUS_SUCCESS);
}

bool demo_start(void (*run)(void *argument), void *argument)
{
    enum { STACK = 64 * 1024 };
    struct thread *thread = demo_memory(sizeof *thread);
    if (thread == NULL)
        return false;
    thread->run = run;
    thread->argument = argument;
    HANDLE handle;
    /* All of the stack is committed: the compiler is told not to probe it. */
    return NT_SUCCESS(RtlCreateUserThread(NT_PROCESS, NULL, false, 0, STACK, STACK, enter_thread,
                                          thread, &handle, NULL)) &&
           NT_SUCCESS(NtClose(handle));
}

void demo_write(enum demo_output where, const char *text, size_t size)
{
    const struct RTL_USER_PROCESS_PARAMETERS *p = RtlGetCurrentPeb()->parameters;
    while (size != 0) {
        struct IO_STATUS_BLOCK io;
        if (NtWriteFile(where == DEMO_OUT ? p->output : p->error, NULL, NULL, NULL, &io, text,
                        (uint32_t)size, NULL, NULL) != STATUS_SUCCESS)
            demo_exit(1);
        text += io.information;
        size -= io.information;
    }
}

void start(void);

void start(void)
{
    enum { WORDS = 16 };
    static char *words[WORDS + 1], text[32768];
    unsigned count = nt_arguments(words, WORDS, text, sizeof text);
    demo_exit(demo_main((int)count, words));
}
