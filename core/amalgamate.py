#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Write the library as one file, valet.c, and valet.h, valet_locks.h and valet_config.h beside it.

Each file of core/ and sys/ is a translation unit with short names of its own. In one file, and in the
user's file that includes it, they would meet: so what a unit keeps for itself gets the unit's prefix
(EINTR of sys/linux.c is VALET_SYS_EINTR), and headers lose the functions that nobody here calls.
"""
import argparse
import os
import re
import sys


def fail(message):
    sys.exit(f"amalgamate.py: {message}")


TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def bare(text):
    """The text without its comments and strings."""
    return TOKEN.sub(" ", text)


WEAK, UNUSED = "__attribute__((weak)) ", "__attribute__((unused)) "


class Tree:
    """The files under a root, and what reading them has shown."""

    def __init__(self, root, cpus):
        self.root, self.cpus = root, cpus
        self.used = []      # files, for the depfile
        self.standard = []  # <headers>, in order
        self.feature = []   # feature macros of a hosted file: before any header
        self.done = {"include/valet.h", "include/valet_locks.h"}  # local headers that are in; these stay files
        self.condition = {}              # of those of them that are in an #if: its lines

    def read_whole(self, path):
        self.used.append(os.path.join(self.root, path))
        with open(self.used[-1], encoding="utf-8") as file:
            return file.read()

    def read(self, path):
        return re.sub(r"^/\* SPDX-License-Identifier: .* \*/\n", "", self.read_whole(path))

    def find(self, name):
        for path in (name, "include/" + name):
            if os.path.exists(os.path.join(self.root, path)):
                return path
        return fail(f"no {name}")

    def choose_cpus(self, text):
        """arch/arch.h, for the CPUs that were asked for only."""
        rows = re.findall(r"^#(?:el)?if (.*)\n(#include \"arch/(\w+)\.h\".*)\n", text, re.M)
        kept = [(condition, include) for condition, include, name in rows if name in self.cpus]
        if len(kept) != len(self.cpus):
            fail(f"CPUs are {', '.join(name for _, _, name in rows)}")
        chain = "".join(f"#{'el' if n else ''}if {condition}\n{include}\n"
                        for n, (condition, include) in enumerate(kept))
        start, end = re.search(r"^#if .*\n#include", text, re.M).start(), text.index("#else\n#error")
        return text[:start] + chain + text[end:]

    def expand(self, path, front=None):
        """A file, with its local headers in place the first time that they are asked for. Those of a header that is
        in an #if serve others, too: they go to `front`, before the #if."""
        text = self.read(path)
        if path == "arch/arch.h":
            text = self.choose_cpus(text)
        guard = re.search(r"^#ifndef (\w+_H)\n#define \1\n", text, re.M)
        if guard:
            text = text.replace(guard.group(0), "", 1)
            text = text[:text.rindex("#endif")]
        for define in re.findall(r"^#define _POSIX_C_SOURCE .*\n", text, re.M):
            text = text.replace(define, "")
            self.feature.append(f"#ifndef _POSIX_C_SOURCE\n{define}#endif\n")

        out = []
        within, outermost = [], 0  # #if, each with its #else; and where in `out` the outermost one begins
        for line in text.splitlines(keepends=True):
            # not an #include of a macro: the user's, at his own risk
            include = re.match(r'#include (?:(<[^>]*>)|"([^"]*)")', line)
            if not include:
                if line.startswith("#if"):
                    outermost = outermost if within else len(out)
                    within.append(line)
                elif line.startswith("#el"):
                    within[-1] += line
                elif line.startswith("#endif"):
                    within.pop()
                out.append(line)
            elif include.group(1):
                if include.group(1) not in self.standard:
                    self.standard.append(include.group(1))
            elif front is not None:
                front.append(self.local(include.group(2)))
            elif within:
                before = []
                out.append(self.local(include.group(2), before, within))
                out[outermost:outermost] = before
                outermost += len(before)
            else:
                out.append(self.local(include.group(2)))
        return "".join(out)

    def local(self, name, front=None, within=()):
        """A header, where it is not in already. In an #if there is a `front`: it is in for all under the same #if."""
        path = self.find(name)
        if self.condition.get(path, "".join(within)) != "".join(within):
            fail(f"{path} is in an #if, and is asked for once more")
        if path in self.done:
            return ""
        self.done.add(path)
        if within:
            self.condition[path] = "".join(within)
        return self.expand(path, front)


def own_names(text):
    """What a unit defines at file scope for itself: words, and tags of structs."""
    code = bare(text)
    names = set(re.findall(r"^#define (\w+)", code, re.M))
    names |= set(re.findall(r"^(?:__attribute__\(\(.*?\)\) |VALET_[A-Z]+ )?(?:static|VALET_INLINE) [^;={]*?"
                            r"\b(\w+)(?:\(|\[)", code, re.M))
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

    def labelled(match):
        """x86's linkers know ntdll's functions by the bytes of their arguments, too, which are words there."""
        result, name, parameters = match.groups()
        words = 0 if parameters == "(void)" else parameters.count(",") + 1
        stdcall = f' VALET_STDCALL("@{4 * words}")' if " NTAPI " in result else ""
        return f"{result}{name}{parameters}\n    __asm__(VALET_LABEL({name}){stdcall});"

    text = declared.sub(labelled, text)
    for name in names:
        text = re.sub(rf"(?<!VALET_LABEL\()\b{name}\b(?= *\()", f"valet_sys_{name.lstrip('_')}", text)
    if names:
        first = text.index("__asm__(VALET_LABEL(")
        first = text.rindex("\n\n", 0, first) + 2
        stdcall = """#ifdef __i386__
#define VALET_STDCALL(bytes) bytes
#else
#define VALET_STDCALL(bytes)
#endif

""" if "VALET_STDCALL(" in text else ""
        text = text[:first] + ("#define VALET_LABEL_OF(prefix, name) #prefix #name\n"
                               "#define VALET_LABEL_BY(prefix, name) VALET_LABEL_OF(prefix, name)\n"
                               "#define VALET_LABEL(name)            VALET_LABEL_BY(__USER_LABEL_PREFIX__, name)\n\n"
                               ) + stdcall + text[first:]
    return text


def rename(text, prefix):
    if prefix == "sys":
        text = label(text)
    names, tags = own_names(text)
    for name in names & set(re.findall(r"(?:\.|->)(\w+)", bare(text))):
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
    name = r"((?:valet|VALET)_\w+)"
    defined = [set(re.findall(rf"^static inline [^(]*?\b{name}\(", chunk, re.M)) |
               set(re.findall(rf"^#define {name}(?:\(| valet_)", chunk, re.M)) for chunk in chunks]
    code = [bare(chunk) for chunk in chunks]
    whole = [len(re.findall(r"^#if", one, re.M)) == len(re.findall(r"^#endif", one, re.M)) for one in code]
    words = [set(re.findall(r"\w+", one)) for one in code]
    while True:
        for n, names in enumerate(defined):
            if not names or not whole[n] or any(
                    name in others for name in names for m, others in enumerate(words) if name not in defined[m]):
                continue
            del chunks[n], defined[n], whole[n], words[n]
            break
        else:
            return "\n\n".join(chunks)


def defaults(text, tree, options):
    """Weak functions of core/ that a system may have of its own, all of an #if or none: its own, or static; the
    embedder's are a hook."""
    weak = re.compile(r"(?:/\*(?:(?!\*/).)*\*/\n)?(?:#ifdef _WIN32\n[^\n]*\n#endif\n)?"
                      r"#ifndef (VALET_\w+)\n#define \1 0\n#endif\n#if !\1\n"
                      r"((?:__attribute__\(\(weak\)\) .*?\n\}\n\n?)+)#endif\n\n", re.S)
    theirs = "" if options.file == "-" else tree.read(f"sys/{options.file}")

    def choose(match):
        functions = match.group(2)
        if options.file == "-":
            return f"#if !{match.group(1)}\n" + functions.replace(WEAK, f"VALET_WEAK {UNUSED}") + "#endif\n\n"
        first = re.match(rf"{re.escape(WEAK)}\w+ (\w+)", functions).group(1)
        return "" if re.search(rf"^\w+ {first}\(", theirs, re.M) else functions.replace(WEAK, UNUSED) + "\n"

    return weak.sub(choose, text)


def part(path, text):
    """A file, or what is left of it where another includes it for its machine: the machine is in already."""
    text = re.sub(r"^#ifndef VALET_MACHINE_ONLY\n\n|^#endif /\* VALET_MACHINE_ONLY \*/\n", "", text, flags=re.M)
    text = re.sub(r"^#ifndef VALET_HAS_MACHINE .*\n(?:#define .*\n)+#endif\n", "", text, flags=re.M)
    return f"/* ---- {path} {'-' * (88 - len(path))} */\n\n{text.strip()}\n\n"


def amalgamate(tree, options):
    """What valet.c holds."""
    units = [(name, [f"core/{name}_{options.kind}.c", f"core/{name}_with_{options.kind}.c"])
             for name in ("park", "waiters", "futex")]
    units[-1][1].append(f"core/futex_requeue_{options.kind}.c")
    units += [("now", ["core/now.c"]), ("cancel", ["core/cancel.c"])]
    units += [(name, [f"core/locks/{name}.c"] + [f"core/locks/{name}_with.c"] * (name not in ("mutex", "barrier")))
              for name in ("queue", "mutex", "cond", "once", "latch", "barrier", "sem", "rwlock")]
    if options.file != "-":
        units.append(("sys", [f"sys/{options.file}"]))
    text = part("include/valet_sys.h", tree.local("valet_sys.h"))
    for prefix, paths in units:
        unit = "".join(part(path, tree.local(path)) for path in paths)
        text += rename(defaults(unit, tree, options), prefix)
    text = drop_unused(text)

    # A hook is declared as it is defined: static, or the integrator's.
    hook = ""
    blocks = {}
    for macro, block in re.findall(r"^#if !(VALET_\w+)\n(VALET_WEAK .*?)^#endif", text, re.M | re.S):
        blocks.setdefault(macro, []).append(
            re.findall(r"^VALET_WEAK [^(\n]*(?:\(\(unused\)\) \w+ )?\b(valet_sys_\w+)\(", block, re.M))
    for macro, names in blocks.items():
        for name in sum(names, []):
            text = re.sub(rf"^((?:VALET_SYS_CALL )?\w+ \**{name}\((?:[^()]|\([^()]*\))*\);)",
                          rf"{macro}_LINKAGE \1", text, flags=re.M)
        first = names[0]  # the first is the one that each CPU has
        theirs = f"{' and '.join(first)} {'is' if len(first) == 1 else 'are'}"
        hook += f"""/* Whether {theirs} yours: as -Dhook= had it, or your own choice. With VALET_STATIC yours is
 * taken only with it; define it in your file, or elsewhere. */
#ifndef {macro}
#define {macro} {int(options.hook)}
#endif
#if defined VALET_STATIC && !{macro}
#define {macro}_LINKAGE static
#elif defined _WIN32
#define {macro}_LINKAGE
#else
#define {macro}_LINKAGE __attribute__((visibility("hidden")))
#endif

"""
    if hook and options.file == "-":
        hook += tree.expand("sys/hook.h").strip() + "\n\n"

    # The system's functions are the file's own, but where somebody else defines or replaces them.
    marks = rf"(?:VALET_SYS_CALL |VALET_SLOW |VALET_UNPROTECTED |{re.escape(UNUSED)})?"
    for name in set(re.findall(rf"^{marks}\w+ (valet_(?:sys|queue)_\w+)\([^;{{]*\)\n\{{", text, re.M)):
        text = re.sub(rf"^({marks}\w+ {name}\()", r"static \1", text, flags=re.M)

    # What arch/ has may serve another CPU's traps only (Darwin's on x86_64 is a BSD one), a poll, or a default clock;
    # and a division without a runtime only CPUs of 32 bits.
    text = re.sub(r"^(static inline \w+ valet_(?:trap_|arch_(?:relax|now|mask|unmask)\b|seconds|divide))",
                  r"__attribute__((unused)) \1", text, flags=re.M)

    # What was in it is further up.
    text = re.sub(r"^#if .*\n#endif\n", "", text, flags=re.M)

    # A C file needs no guards for C++.
    text = re.sub(r"#ifdef __cplusplus\n.*?#endif\n\n?", "", text, flags=re.S)
    text = re.sub(r"\n{3,}", "\n\n", text)

    note = poll = ""
    if options.kind == "sema":
        note = """ The
 * table of valet_futex_wait and _wake is one for all such files that are linked together; programs and
 * shared objects have one each, so a futex word is used through one of them."""
    else:
        poll = f"""/* Whether parks and waits poll before they sleep: as -Dspin= had it, or your own; but
 * CPUs of 32 bits do not. */
#ifndef VALET_SPIN
#define VALET_SPIN {'(UINTPTR_MAX > UINT32_MAX)' if options.spin == '1' else 0}
#endif

"""
    if options.os in ("bare", "external"):  # as in meson.build
        poll += """/* How often a thread looks at a lock before it sleeps: here it leaves its CPU to others at once. */
#ifndef VALET_LOCKS_POLL
#define VALET_LOCKS_POLL 0
#endif

"""
    return f"""/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * valet {options.version} in one file, for -Dos={options.os} ({options.kind} kind) on {', '.join(tree.cpus)}.
 * Written by amalgamate.py: change the tree, not this file.
 *
 * Compile it beside valet.h, as any C11 file; its functions are hidden, for the program or shared
 * object that it is linked into. Or define VALET_STATIC and include it, in place of valet.h, into a
 * file of your own: then every function is static, and the fast paths are inlined.{note}
 */
{poll}{hook}{"".join(tree.feature)}#ifdef VALET_STATIC
#ifdef VALET_H
#error "with VALET_STATIC, include valet.c in place of valet.h, or before it"
#endif
#define VALET_API static inline __attribute__((unused))
#elif !defined VALET_API && !defined _WIN32
#define VALET_API __attribute__((visibility("hidden")))
#endif

{"".join(f"#include {name}{chr(10)}" for name in tree.standard)}
#include "valet.h"
#include "valet_locks.h"

#define VALET_ONE_FILE 1
#ifndef VALET_STATIC /* no stack protector, whatever your flags say: its runtime may not be there */
#if defined __clang__
#pragma clang attribute push(__attribute__((no_stack_protector)), apply_to = function)
#elif defined __SSP__ || defined __SSP_STRONG__ || defined __SSP_ALL__
#pragma GCC optimize("no-stack-protector")
#endif
#endif

{text.rstrip()}

#if defined __clang__ && !defined VALET_STATIC
#pragma clang attribute pop
#endif
"""


def config(tree, options):
    """valet_config.h, as include/meson.build fills it in."""
    features = re.search(r"^features = \{\n(.*?)^\}", tree.read_whole("sys/meson.build"), re.M | re.S)[1]
    flags = re.search(rf"^  '{options.os}': '([A-Z ]+)',$", features, re.M)
    values = {"os": options.os, "OS": options.os.upper(), "KIND": options.kind.upper(),
              "FEATURES": " | ".join(f"VALET_{flag}" for flag in (flags[1].split() if flags else []) + ["NO_POLL"])}
    return re.sub(r"@(\w+)@", lambda match: values[match.group(1)], tree.read_whole("include/valet_config.h.in"))


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("root", help="of the tree")
    parser.add_argument("os", help="a row of sys/meson.build")
    parser.add_argument("kind", choices=["futex", "sema"])
    parser.add_argument("file", help="the system's, in sys/; - for the embedder's own")
    parser.add_argument("cpus", help="names of arch/*.h, with commas")
    parser.add_argument("spin", choices=["0", "1"], help="VALET_SPIN, where the user does not define it")
    parser.add_argument("version")
    parser.add_argument("output", help="valet.c")
    parser.add_argument("header", help="valet.h; valet_locks.h and valet_config.h are written beside it")
    parser.add_argument("depfile")
    parser.add_argument("--hook", action="store_true", help="VALET_HOOK, the same")
    options = parser.parse_args()

    tree = Tree(options.root, options.cpus.split(","))
    write(options.output, amalgamate(tree, options))
    write(options.header, tree.read_whole("include/valet.h"))
    beside = os.path.dirname(options.header)
    write(os.path.join(beside, "valet_locks.h"), tree.read_whole("include/valet_locks.h"))
    write(os.path.join(beside, "valet_config.h"), config(tree, options))
    write(options.depfile, f"{options.output}: " + " ".join(dict.fromkeys(tree.used)).replace("\\", "/") + "\n")


if __name__ == "__main__":
    main()
