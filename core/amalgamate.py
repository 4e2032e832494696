#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Write the library as one file, valet.c, and valet.h beside it.

usage: amalgamate.py ROOT OS KIND FILE CPUS SPIN VERSION OUTPUT HEADER DEPFILE
       SPIN is 1 or 0, as VALET_SPIN;
       FILE is the system's in sys/, or - for the embedder's own; CPUS are names of arch/*.h, with commas

Each file of core/ and sys/ is a translation unit with short names of its own. In one file, and in the
user's file that includes it, they would meet: so what a unit keeps for itself gets the unit's prefix
(EINTR of sys/linux.c is VALET_SYS_EINTR), and headers lose the functions that nobody here calls.
"""
import os
import re
import sys

root, system, kind, sys_file, cpus, spin, version, output, header, depfile = sys.argv[1:]
cpus = cpus.split(",")
UNITS = [("park", f"core/park_{kind}.c"), ("waiters", f"core/waiters_{kind}.c"),
         ("futex", f"core/futex_{kind}.c"), ("now", "core/now.c")]
if sys_file != "-":
    UNITS.append(("sys", f"sys/{sys_file}"))

used = []      # files, for the depfile
standard = []  # <headers>, in order
feature = []   # feature macros of a hosted file: before any header
done = set()   # local headers that are in


def fail(message):
    sys.exit(f"amalgamate.py: {message}")


def read(path):
    used.append(os.path.join(root, path))
    with open(used[-1], encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^#if VALET_SPIN\n(.*?)(?:^#else\n(.*?))?^#endif\n",
                  lambda m: m.group(1) if spin == "1" else m.group(2) or "", text, flags=re.M | re.S)
    text = re.sub(r"/\* [^*]*\*/\n#ifndef VALET_SPIN\n#define .*\n#endif\n\n", "", text)
    return re.sub(r"^/\* SPDX-License-Identifier: .* \*/\n", "", text)


def find(name):
    for path in (name, "include/" + name):
        if os.path.exists(os.path.join(root, path)):
            return path
    fail(f"no {name}")


TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def bare(text):
    """The text without its comments and strings."""
    return TOKEN.sub(" ", text)


def choose_cpus(text):
    """arch/arch.h, for the CPUs that were asked for only."""
    rows = re.findall(r"^#(?:el)?if (.*)\n(#include \"arch/(\w+)\.h\".*)\n", text, re.M)
    kept = [(condition, include) for condition, include, name in rows if name in cpus]
    if len(kept) != len(cpus):
        fail(f"CPUs are {', '.join(name for _, _, name in rows)}")
    chain = "".join(f"#{'el' if n else ''}if {condition}\n{include}\n"
                    for n, (condition, include) in enumerate(kept))
    start, end = text.index("#if defined"), text.index("#else\n#error")
    return text[:start] + chain + text[end:]


def expand(path):
    """A file, with its local headers in place the first time that they are asked for."""
    text = read(path)
    if path == "arch/arch.h":
        text = choose_cpus(text)
    guard = re.search(r"^#ifndef (\w+_H)\n#define \1\n", text, re.M)
    if guard:
        text = text.replace(guard.group(0), "", 1)
        text = text[:text.rindex("#endif")]

    def include(match):
        name = match.group(1)
        if name.startswith("<"):
            if name not in standard:
                standard.append(name)
            return ""
        where = find(name.strip('"'))
        if where == "include/valet.h" or where in done:
            return ""
        done.add(where)
        return expand(where)

    for define in re.findall(r"^#define _POSIX_C_SOURCE .*\n", text, re.M):
        text = text.replace(define, "")
        feature.append(f"#ifndef _POSIX_C_SOURCE\n{define}#endif\n")
    # not an #include of a macro: the user's, at his own risk
    return re.sub(r'^#include (<[^>]*>|"[^"]*").*\n', include, text, flags=re.M)


def own_names(text):
    """What a unit defines at file scope for itself: words, and tags of structs."""
    code = bare(text)
    names = set(re.findall(r"^#define (\w+)", code, re.M))
    names |= set(re.findall(r"^(?:__attribute__\(\(.*?\)\) )?static [^;={]*?\b(\w+)(?:\(|\[)", code, re.M))
    names |= set(re.findall(r"^typedef .*\b(\w+);", code, re.M))
    for body in re.findall(r"^enum \{(.*?)\}", code, re.M | re.S):
        names |= set(re.findall(r"(\w+) =", body))
    tags = set(re.findall(r"^struct (\w+) \{", code, re.M))
    # atomic_: word.h mends the standard's own, for one compiler
    taken = re.compile(r"valet_|VALET_|__|atomic_")
    return ({n for n in names if not taken.match(n)}, {t for t in tags if not t.startswith("valet_")})


def label(text):
    """Functions of the system under names of ours: the user's file may have their true prototypes."""
    declared = re.compile(r"^((?!static |typedef )[a-z]\w*[\w *]*[ *])((?!valet_)\w+)(\([^;{}#]*\));", re.M)
    names = [match.group(2) for match in declared.finditer(bare(text))]
    text = declared.sub(r"\1\2\3\n    __asm__(VALET_LABEL(\2));", text)
    for name in names:
        text = re.sub(rf"(?<!VALET_LABEL\()\b{name}\b(?= *\()", f"valet_sys_{name.lstrip('_')}", text)
    if names:
        first = text.index("__asm__(VALET_LABEL(")
        first = text.rindex("\n\n", 0, first) + 2
        text = text[:first] + ("#define VALET_LABEL_OF(prefix, name) #prefix #name\n"
                               "#define VALET_LABEL_BY(prefix, name) VALET_LABEL_OF(prefix, name)\n"
                               "#define VALET_LABEL(name)            VALET_LABEL_BY(__USER_LABEL_PREFIX__, name)\n\n"
                               ) + text[first:]
    return text


def rename(text, prefix):
    if prefix == "sys":
        text = label(text)
    names, tags = own_names(text)
    for name in names:
        if re.search(rf"(?:\.|->){name}\b", bare(text)):
            fail(f"{name} in {prefix} is also the name of a member")

    def new(name):
        return (f"VALET_{prefix.upper()}_" if name.upper() == name else f"valet_{prefix}_") + name.lstrip("_")

    def word(match):
        name = match.group(0)
        return new(name) if name in names else name

    def tag(match):
        return f"struct {new(match.group(1))}" if match.group(1) in tags else match.group(0)

    def code(piece):
        piece = re.sub(r"\bstruct (\w+)", tag, piece)
        return re.sub(r"(?<![.\w])(?<!->)[A-Za-z_]\w*\b", word, piece)

    out, at = [], 0
    for match in TOKEN.finditer(text):
        out.append(code(text[at:match.start()]))
        out.append(match.group(0))
        at = match.end()
    out.append(code(text[at:]))
    return "".join(out)


def drop_unused(text):
    """Without the inline functions and function-like macros that nobody calls, and their comments."""
    chunks = re.split(r"\n\n+(?=[^\s}])", text)
    defined = [set(re.findall(r"^(?:static inline .*?\b|#define )((?:valet|VALET)_\w+)(?:\(| valet_)", chunk, re.M))
               for chunk in chunks]
    code = [bare(chunk) for chunk in chunks]
    while True:
        for n, names in enumerate(defined):
            conditions = re.findall(r"^#(if|el|endif)", code[n], re.M)
            if not names or conditions.count("if") != conditions.count("endif") or any(
                    re.search(rf"\b{name}\b", other) for name in names
                    for m, other in enumerate(code) if name not in defined[m]):
                continue
            del chunks[n], defined[n], code[n]
            break
        else:
            return "\n\n".join(chunks)


done.add("include/valet_sys.h")
parts = [("include/valet_sys.h", expand("include/valet_sys.h"))]
for prefix, path in UNITS:
    parts.append((path, rename(expand(path), prefix)))

text = "".join(f"/* ---- {path} {'-' * (88 - len(path))} */\n\n{part.strip()}\n\n" for path, part in parts)
text = drop_unused(text)

# The system's functions are the file's own, but where somebody else defines or replaces them.
for name in set(re.findall(r"^(?:int|void|uint64_t) (valet_sys_\w+)\([^;{]*\)\n\{", text, re.M)):
    text = re.sub(rf"^((?:VALET_SYS_CALL )?(?:int|void|uint64_t) {name}\()", r"static \1", text, flags=re.M)

# A trap may serve one CPU's other traps only (Darwin's on x86_64 is a BSD one).
text = text.replace("static inline long valet_trap_", "__attribute__((unused)) static inline long valet_trap_")

# A C file needs no guards for C++.
text = re.sub(r"#ifdef __cplusplus\n.*?#endif\n\n?", "", text, flags=re.S)
text = re.sub(r"\n{3,}", "\n\n", text)

note = ""
if kind == "sema":
    note = """ Then
 * valet_futex_wait and _wake have a table in each such file: use them from one file only."""

head = f"""/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * valet {version} in one file, for -Dos={system} ({kind} kind) on {', '.join(cpus)}.
 * Written by amalgamate.py: change the tree, not this file.
 *
 * Compile it beside valet.h, as any C11 file; or define VALET_STATIC and include it, in place of
 * valet.h, into a file of your own: then every function is static, and the fast paths are inlined.{note}
 */
{"".join(feature)}#ifdef VALET_STATIC
#ifdef VALET_H
#error "with VALET_STATIC, include valet.c in place of valet.h, or before it"
#endif
#define VALET_API static inline __attribute__((unused))
#endif

{"".join(f"#include {name}{chr(10)}" for name in standard)}
#include "valet.h"

"""
with open(output, "w", encoding="utf-8", newline="\n") as file:
    file.write(head + text.rstrip() + "\n")
used.append(os.path.join(root, "include/valet.h"))
with open(used[-1], encoding="utf-8") as source, open(header, "w", encoding="utf-8", newline="\n") as file:
    file.write(source.read())
with open(depfile, "w", encoding="utf-8") as file:
    file.write(f"{output}: " + " ".join(dict.fromkeys(used)).replace("\\", "/") + "\n")
