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

static void load_elf(struct image *im, const unsigned char *f, size_t size)
{
    const Elf64_Ehdr *e = (const void *)f;
    if (size < sizeof *e || e->e_ident[EI_CLASS] != ELFCLASS64)
        die("%s: not a 64-bit ELF file", im->path);
    im->cpu = e->e_machine == EM_X86_64    ? MODEL_X86_64
              : e->e_machine == EM_AARCH64 ? MODEL_AARCH64
                                           : MODEL_RISCV64;
    const Elf64_Phdr *p = (const void *)(f + e->e_phoff);
    for (int i = 0; i < e->e_phnum; i++)
        if (p[i].p_type == PT_LOAD)
            add_segment(im, p[i].p_vaddr, f + p[i].p_offset, p[i].p_filesz, p[i].p_memsz,
                        p[i].p_flags & PF_W);
    const Elf64_Shdr *s = (const void *)(f + e->e_shoff);
    const char *names = (const char *)f + s[e->e_shstrndx].sh_offset;
    for (int i = 0; i < e->e_shnum; i++) {
        add_section(im, names + s[i].sh_name, s[i].sh_addr, s[i].sh_size, f + s[i].sh_offset);
        if (s[i].sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Sym *y = (const void *)(f + s[i].sh_offset);
        const char *strings = (const char *)f + s[s[i].sh_link].sh_offset;
        for (size_t n = s[i].sh_size / sizeof *y; n-- > 0; y++) {
            int type = ELF64_ST_TYPE(y->st_info);
            if (y->st_shndx != SHN_UNDEF && y->st_shndx < SHN_LORESERVE && type <= STT_FUNC)
                add_symbol(im, strings + y->st_name, y->st_value, y->st_size);
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
    if (size > 4 && memcmp(f, ELFMAG, 4) == 0)
        load_elf(im, f, size);
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
    const struct symbol *best = NULL;
    for (size_t i = 0; i < im->symbols_n && im->symbols[i].address <= address; i++)
        if (im->symbols[i].name[0] != '$' && im->symbols[i].name[0] != '.' &&
            im->symbols[i].name[0] != '\0')
            best = &im->symbols[i];
    return best;
}
