/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Loads an ELF executable or a Mach-O one, at the addresses it was linked for. */
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

#define PAGE 4096u

void die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("checker: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(2);
}

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        die("cannot read %s", path);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*size);
    if (fread(bytes, 1, *size, f) != *size)
        die("cannot read %s", path);
    fclose(f);
    return bytes;
}

static void add_symbol(struct image *im, const char *name, uint64_t address, uint64_t size)
{
    im->symbols = realloc(im->symbols, (im->symbols_n + 1) * sizeof *im->symbols);
    im->symbols[im->symbols_n++] = (struct symbol){address, size, strdup(name)};
}

static void add_section(struct image *im, const char *name, uint64_t address, size_t size,
                        const void *bytes)
{
    if (im->sections_n < sizeof im->sections / sizeof *im->sections)
        im->sections[im->sections_n++] = (struct section){strdup(name), address, size, bytes};
}

/* A segment: its bytes, and whether it can be written. */
static void add_segment(struct image *im, uint64_t address, const void *bytes, size_t filled,
                        size_t size, bool writable)
{
    if (size == 0)
        return;
    if (im->base == 0)
        im->base = address & ~(uint64_t)(PAGE - 1);
    if (address < im->base || address + size > im->base + WINDOW)
        die("%s: a segment at %#llx lies outside the window", im->path,
            (unsigned long long)address);
    memcpy(im->host + (address - im->base), bytes, filled);
    uint64_t end = address + size;
    if (writable) {
        if (im->data == 0 || address < im->data)
            im->data = address;
        if (end > im->data_to)
            im->data_to = end;
    }
    if (end > im->stacks)
        im->stacks = end;
}

/* A member of a struct of the file, which is there for 32 and for 64 bits. */
#define FIELD(type, at, member)                                              \
    (im->wide ? (uint64_t)((const Elf64_##type *)(const void *)(at))->member \
              : (uint64_t)((const Elf32_##type *)(const void *)(at))->member)

static enum model_cpu cpu_of(const struct image *im, uint64_t machine)
{
    switch (machine) {
    case EM_X86_64:
        return MODEL_X86_64;
    case EM_AARCH64:
        return MODEL_AARCH64;
    case EM_RISCV:
        return im->wide ? MODEL_RISCV64 : MODEL_RISCV32;
    case EM_386:
        return MODEL_X86;
    case EM_ARM:
        return MODEL_ARM;
    }
    die("%s: no such CPU here", im->path);
}

static void load_elf(struct image *im, const unsigned char *f)
{
    im->wide = f[EI_CLASS] == ELFCLASS64;
    im->cpu = cpu_of(im, FIELD(Ehdr, f, e_machine));
    const unsigned char *p = f + FIELD(Ehdr, f, e_phoff);
    for (uint64_t n = FIELD(Ehdr, f, e_phnum); n-- > 0; p += FIELD(Ehdr, f, e_phentsize))
        if (FIELD(Phdr, p, p_type) == PT_LOAD)
            add_segment(im, FIELD(Phdr, p, p_vaddr), f + FIELD(Phdr, p, p_offset),
                        FIELD(Phdr, p, p_filesz), FIELD(Phdr, p, p_memsz),
                        FIELD(Phdr, p, p_flags) & PF_W);
    const unsigned char *first = f + FIELD(Ehdr, f, e_shoff), *s = first;
    size_t each = FIELD(Ehdr, f, e_shentsize);
    const char *names =
        (const char *)f + FIELD(Shdr, first + each * FIELD(Ehdr, f, e_shstrndx), sh_offset);
    for (uint64_t i = FIELD(Ehdr, f, e_shnum); i-- > 0; s += each) {
        size_t size = FIELD(Shdr, s, sh_size);
        const unsigned char *bytes = f + FIELD(Shdr, s, sh_offset);
        add_section(im, names + FIELD(Shdr, s, sh_name), FIELD(Shdr, s, sh_addr), size, bytes);
        if (FIELD(Shdr, s, sh_type) != SHT_SYMTAB)
            continue;
        const char *strings =
            (const char *)f + FIELD(Shdr, first + each * FIELD(Shdr, s, sh_link), sh_offset);
        for (const unsigned char *y = bytes; y < bytes + size; y += FIELD(Shdr, s, sh_entsize)) {
            uint64_t section = FIELD(Sym, y, st_shndx), value = FIELD(Sym, y, st_value);
            unsigned type = FIELD(Sym, y, st_info) & 15;
            if (im->cpu == MODEL_ARM && type == STT_FUNC)
                value &= ~(uint64_t)1; /* Thumb's mark */
            if (section != SHN_UNDEF && section < SHN_LORESERVE && type <= STT_FUNC)
                add_symbol(im, strings + FIELD(Sym, y, st_name), value, FIELD(Sym, y, st_size));
        }
    }
}

/* Mach-O, from apple-oss-distributions/xnu EXTERNAL_HEADERS/mach-o/loader.h and nlist.h. */
struct mach_header {
    uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags, reserved;
};
struct mach_segment {
    uint32_t cmd, cmdsize;
    char name[16];
    uint64_t vmaddr, vmsize, fileoff, filesize;
    uint32_t maxprot, initprot, nsects, flags;
};
struct mach_section {
    char name[16], segment[16];
    uint64_t addr, size;
    uint32_t offset, align, reloff, nreloc, flags, reserved[3];
};
struct mach_symtab {
    uint32_t cmd, cmdsize, symoff, nsyms, stroff, strsize;
};
struct mach_nlist {
    uint32_t name;
    uint8_t type, sect;
    uint16_t desc;
    uint64_t value;
};
#define MACH_MAGIC 0xfeedfacfu

static void load_macho(struct image *im, const unsigned char *f)
{
    const struct mach_header *h = (const void *)f;
    im->macho = true;
    im->cpu = h->cputype == 0x01000007 ? MODEL_X86_64 : MODEL_AARCH64;
    const unsigned char *p = f + sizeof *h;
    for (uint32_t i = 0; i < h->ncmds; i++) {
        const struct mach_segment *g = (const void *)p;
        const struct mach_symtab *t = (const void *)p;
        if (g->cmd == 0x19 && g->initprot != 0 && strcmp(g->name, "__LINKEDIT") != 0) {
            add_segment(im, g->vmaddr, f + g->fileoff, g->filesize, g->vmsize, g->initprot & 2);
            const struct mach_section *s = (const void *)(g + 1);
            for (uint32_t n = 0; n < g->nsects; n++, s++) {
                char name[17] = {0};
                memcpy(name, s->name, 16);
                add_section(im, name, s->addr, s->size, f + s->offset);
            }
        } else if (t->cmd == 2) {
            const struct mach_nlist *y = (const void *)(f + t->symoff);
            for (uint32_t n = 0; n < t->nsyms; n++, y++) {
                const char *name = (const char *)f + t->stroff + y->name;
                if ((y->type & 0xe0) == 0 && (y->type & 0x0e) == 0x0e)
                    add_symbol(im, name[0] == '_' ? name + 1 : name, y->value, 0);
            }
        }
        p += g->cmdsize;
    }
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

void image_load(struct image *im, const char *path)
{
    size_t size;
    unsigned char *f = read_file(path, &size);
    im->path = path;
    im->host = aligned_alloc(PAGE, WINDOW);
    memset(im->host, 0, WINDOW);
    if (size >= sizeof(Elf64_Ehdr) && memcmp(f, ELFMAG, 4) == 0)
        load_elf(im, f);
    else if (size > 4 && *(uint32_t *)(void *)f == MACH_MAGIC)
        load_macho(im, f);
    else
        die("%s: neither ELF nor Mach-O", path);
    if (im->data == 0)
        im->data = im->data_to = im->stacks;
    im->data &= ~(uint64_t)7;
    im->data_to = (im->data_to + 7) & ~(uint64_t)7;
    im->stacks = (im->stacks + 2 * PAGE - 1) & ~(uint64_t)(PAGE - 1);
    im->scratch = im->stacks + STACKS_SIZE;
    im->exit = im->base + WINDOW - 16;
    if (im->scratch + SCRATCH * MODEL_THREADS > im->exit)
        die("%s: too large for the window", path);
    im->red_zone = im->cpu == MODEL_X86_64 || im->macho ? 128 : 0;
    qsort(im->symbols, im->symbols_n, sizeof *im->symbols, by_address);
}

uint64_t image_address(const struct image *im, const char *name)
{
    for (size_t i = 0; i < im->symbols_n; i++)
        if (strcmp(im->symbols[i].name, name) == 0)
            return im->symbols[i].address;
    return 0;
}

const struct symbol *image_around(const struct image *im, uint64_t address)
{
    static const struct symbol *known[WINDOW]; /* of the one image that there is */
    const struct symbol *best = NULL,
                        **last = address - im->base < WINDOW ? &known[address - im->base] : &best;
    if (*last)
        return *last;
    for (size_t i = 0; i < im->symbols_n && im->symbols[i].address <= address; i++)
        if (im->symbols[i].name[0] != '$' && im->symbols[i].name[0] != '.' &&
            im->symbols[i].name[0] != '\0')
            best = &im->symbols[i];
    return *last = best;
}
