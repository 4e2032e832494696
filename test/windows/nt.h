/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the programs for Windows use of ntdll, which is all that they link with. Names and
 * layouts as in winsiderss/phnt ntrtl.h, ntmmapi.h, ntioapi.h, ntpsapi.h, ntpebteb.h.
 */
#ifndef VALET_TEST_WINDOWS_NT_H
#define VALET_TEST_WINDOWS_NT_H

#include <stddef.h>
#include <stdint.h>

/* How ntdll's functions are called, and those that it calls: as in sys/windows.h. */
#ifdef __i386__
#define NTAPI __attribute__((stdcall))
#else
#define NTAPI
#endif

typedef int32_t NTSTATUS;
typedef void *HANDLE;

#define NT_SUCCESS(status)    ((status) >= 0)
#define STATUS_SUCCESS        ((NTSTATUS)0x00000000)
#define STATUS_TIMEOUT        ((NTSTATUS)0x00000102)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xc0000008)

#define NT_PROCESS ((HANDLE)-1) /* the current one, as a handle */
#define NT_THREAD  ((HANDLE)-2)

#define DUPLICATE_SAME_ACCESS 2u

#define MEM_COMMIT_RESERVE 0x3000u
#define PAGE_NOACCESS      0x01u
#define PAGE_READWRITE     0x04u

struct UNICODE_STRING {
    uint16_t length, size; /* in bytes */
    const uint16_t *text;
};

struct ANSI_STRING {
    uint16_t length, size;
    const char *text;
};

struct IO_STATUS_BLOCK {
    uintptr_t status, information;
};

struct CLIENT_ID {
    HANDLE process, thread; /* numbers, not handles */
};

struct RTL_USER_PROCESS_PARAMETERS {
    uint32_t sizes_and_flags[4];
    HANDLE console;
    uint32_t console_flags;
    HANDLE input, output, error;
    struct {
        struct UNICODE_STRING path;
        HANDLE handle;
    } directory;
    struct UNICODE_STRING dll_path, image_path, command_line;
};

struct PEB {
    uint32_t flags;
    HANDLE mutant;
    void *image, *loader;
    struct RTL_USER_PROCESS_PARAMETERS *parameters;
};

#define WORDS(n) ((n) * sizeof(void *))
_Static_assert(offsetof(struct RTL_USER_PROCESS_PARAMETERS, output) == 16 + WORDS(3) &&
                   offsetof(struct RTL_USER_PROCESS_PARAMETERS, command_line) == 16 + WORDS(12) &&
                   offsetof(struct PEB, parameters) == WORDS(4) &&
                   sizeof(struct UNICODE_STRING) == WORDS(2),
               "the layouts of 64 bits, and of 32");

struct EXCEPTION_RECORD {
    int32_t code;
    uint32_t flags;
    struct EXCEPTION_RECORD *next;
    void *address;
    uint32_t count;
    uintptr_t information[15]; /* of an access violation: the kind of access, and its address */
};

struct EXCEPTION_POINTERS {
    struct EXCEPTION_RECORD *record;
    void *context;
};

struct PEB *NTAPI RtlGetCurrentPeb(void);
void *NTAPI RtlAddVectoredExceptionHandler(
    uint32_t first, int32_t(NTAPI *handler)(const struct EXCEPTION_POINTERS *));
NTSTATUS NTAPI RtlUnicodeToUTF8N(char *to, uint32_t size, uint32_t *used, const uint16_t *from,
                                 uint32_t from_size);
NTSTATUS NTAPI LdrGetDllHandle(const uint16_t *path, const uint32_t *flags,
                               const struct UNICODE_STRING *name, void **library);
NTSTATUS NTAPI LdrGetProcedureAddress(void *library, const struct ANSI_STRING *name,
                                      uint32_t ordinal, void (**address)(void));

NTSTATUS NTAPI NtTerminateProcess(HANDLE process, NTSTATUS status);
NTSTATUS NTAPI RtlCreateUserThread(HANDLE process, void *security, uint8_t suspended,
                                   uint32_t zero_bits, size_t reserve, size_t commit,
                                   uint32_t(NTAPI *start)(void *), void *argument, HANDLE *thread,
                                   struct CLIENT_ID *id);
_Noreturn void NTAPI RtlExitUserThread(NTSTATUS status);
_Noreturn void NTAPI RtlExitUserProcess(NTSTATUS status);
NTSTATUS NTAPI NtSuspendThread(HANDLE thread, uint32_t *count);
NTSTATUS NTAPI NtResumeThread(HANDLE thread, uint32_t *count);
NTSTATUS NTAPI NtQueueApcThread(HANDLE thread, void(NTAPI *apc)(void *, void *, void *), void *a,
                                void *b, void *c);
NTSTATUS NTAPI NtYieldExecution(void);
NTSTATUS NTAPI NtDelayExecution(uint8_t alertable, const int64_t *time);
NTSTATUS NTAPI NtWaitForSingleObject(HANDLE object, uint8_t alertable, const int64_t *timeout);
NTSTATUS NTAPI NtClose(HANDLE handle);
NTSTATUS NTAPI NtDuplicateObject(HANDLE from_process, HANDLE from, HANDLE to_process, HANDLE *to,
                                 uint32_t access, uint32_t attributes, uint32_t options);

NTSTATUS NTAPI NtAllocateVirtualMemory(HANDLE process, void **address, uintptr_t zero_bits,
                                       size_t *size, uint32_t type, uint32_t protection);
NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE process, void **address, size_t *size,
                                      uint32_t protection, uint32_t *old);
NTSTATUS NTAPI NtReadFile(HANDLE file, HANDLE event, void *apc, void *context,
                          struct IO_STATUS_BLOCK *io, void *bytes, uint32_t size,
                          const int64_t *offset, const uint32_t *key);
NTSTATUS NTAPI NtWriteFile(HANDLE file, HANDLE event, void *apc, void *context,
                           struct IO_STATUS_BLOCK *io, const void *bytes, uint32_t size,
                           const int64_t *offset, const uint32_t *key);

/* arguments.c: the command line, in UTF-8 and cut into words as Windows does it. Returns how many
 * words there are; more than max, or more text than size, is cut off. */
unsigned nt_arguments(char **words, unsigned max, char *text, size_t size);

/* host.c: a thread of the harness; and the calling one, to be closed. */
struct test_thread;
HANDLE nt_handle(const struct test_thread *thread);
HANDLE nt_this_thread(void);

/* host.c: ntdll's own function of that name, also where the program defines one. */
void (*nt_function(const char *name))(void);

#endif
