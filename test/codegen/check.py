# SPDX-License-Identifier: MIT OR Apache-2.0
"""
Usage: check.py DIRECTORY [CLANG-VERSION]. Is every acquire and release of the source in the machine code?

Each file that holds atomic operations is compiled as the library is, with debug tables. These say, by
line and column, which instructions came from which operation, also where it was inlined: one group a
function and chain of inlined calls. Every group must hold the access and its orders (rules.py). Then
the orders are weakened in copies of the source, and instructions in the assembly text, and the same
check must miss what is gone.
"""
import functools
import glob
import json
import multiprocessing.pool
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import rules
from sites import sites_of

sys.path.append(os.path.join(os.path.dirname(__file__), "../lib"))
from systems import ROWS

DEEP = os.environ.get("STRENGTH", "deep") == "deep"
LEVELS = ["-O2", "-O3", "-Os"] if DEEP else ["-O2"]
FLAGS = ("-std=c11 -gdwarf-4 -fPIC -fvisibility=hidden -fno-stack-protector -ffunction-sections -fdata-sections"
         " -I. -Iinclude").split()
# The CPUs of each file of a system
CPUS = {f"sys/{file}": cpus for _, file, cpus in ROWS.values()}
CLANG_WASM = "clang --target=wasm32-unknown-unknown -matomics -mbulk-memory"
CLANG_RISCV = "clang --target=riscv64-linux-gnu -isystem /usr/riscv64-linux-gnu/include"
MACHINES = [  # name, CPU, command by compiler
    ("x86_64", "x86_64", {"gcc": "gcc", "clang": "clang --target=x86_64-linux-gnu"}),
    ("aarch64 LL/SC", "aarch64", {
        "gcc": "aarch64-linux-gnu-gcc -march=armv8-a -mno-outline-atomics",
        "clang": "clang --target=aarch64-linux-gnu -march=armv8-a -mno-outline-atomics"}),
    ("aarch64 LSE", "aarch64", {
        "gcc": "aarch64-linux-gnu-gcc -march=armv8.1-a -mno-outline-atomics",
        "clang": "clang --target=aarch64-linux-gnu -march=armv8.1-a -mno-outline-atomics"}),
    ("riscv64", "riscv64", {"gcc": "riscv64-linux-gnu-gcc -march=rv64gc",
                            "clang": f"{CLANG_RISCV} -march=rv64gc"}),
    ("wasm32", "wasm32", {"clang": CLANG_WASM}),
]
# Where a barrier is an instruction of its own, copies of an operation may jump to the same one: not so.
APART = "-fno-crossjumping -fno-tree-tail-merge"
CLANG_ARM = "clang --target=armv7a-linux-gnueabihf -isystem /usr/arm-linux-gnueabihf/include"
if DEEP:
    MACHINES += [
        ("armv7", "arm", {"gcc": f"arm-linux-gnueabihf-gcc {APART}", "clang": CLANG_ARM}),
        ("ppc64le", "ppc64", {"gcc": f"powerpc64le-linux-gnu-gcc {APART}"}),  # clang's barriers are of no line
        ("riscv32", "riscv32", {"gcc": "riscv64-linux-gnu-gcc -march=rv32imac -mabi=ilp32"}),
        ("i386", "x86", {"gcc": "i686-linux-gnu-gcc"}),
        ("s390x", "s390x", {"gcc": "s390x-linux-gnu-gcc"}),
    ]
FEWER = {"arm", "ppc64", "riscv32", "s390x", "x86"}  # at -O2 only
NARROW = {"arm", "riscv32", "wasm32", "x86"}  # 32 bits: no poll
# Compilers that may know Zacas (compare-and-swap in one instruction); and a newer clang, where one is named.
ZACAS = ["-march=rv64gc_zacas", "-menable-experimental-extensions -march=rv64gc_zacas1p0"]
ZACAS_COMPILERS = {"gcc": "riscv64-linux-gnu-gcc", "clang": CLANG_RISCV,
                   **{newer: CLANG_RISCV.replace("clang", newer, 1) for newer in sys.argv[2:]}}
WEAK_IS_VISIBLE = ["aarch64", "arm", "ppc64", "riscv32", "riscv64"]

passed = failed = skipped = 0


def good(text):
    global passed
    passed += 1
    print("ok      " + text, flush=True)


def bad(text, details=()):
    global failed
    failed += 1
    print("FAILED  " + text, flush=True)
    for line in list(details)[:30]:
        print("        " + line)


def skip(text):
    global skipped
    skipped += 1
    print("skipped " + text, flush=True)


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


@functools.cache
def files_for(cpu):
    """The sources with atomic operations that this CPU can have; headers beside them with orders, of which the first
    source that includes one stands for all."""
    found, headers = [], []
    for file in sorted(glob.glob("core/*.c") + glob.glob("core/locks/*.c") + glob.glob("sys/*.c")):
        if cpu not in CPUS.get(file, rules.READ):
            continue
        text = Path(file).read_text(encoding="utf-8")
        more = [h for h in re.findall(r'^#include "((?:sys|core/locks)/\w+\.h)"', text, re.M) if h not in headers
                and any(s.orders() for s in sites_of(h, Path(h).read_text(encoding="utf-8")))]
        if more or sites_of(file, text):
            found.append(file)
            headers += more
    return found, headers


def link(cpu, objects, output):
    """Linked, so that addresses are final and unique; twice defined is what both kinds define."""
    if cpu == "wasm32":  # wasm-ld 14 has no way to allow that: each kind by itself
        outputs = []
        for sema in False, True:
            if of_kind := [one for one in objects if ("_sema" in one) == sema]:
                outputs.append(f"{output}-{sema}")
                run(["wasm-ld", "--no-entry", "--no-gc-sections", "--allow-undefined", "--shared-memory",
                     "--import-memory", "--max-memory=1048576", *of_kind, "-o", outputs[-1]])
        return outputs
    # -X: without the local labels, which would pass for functions. LLD has no s390x before 18.
    ld = "s390x-linux-gnu-ld" if cpu == "s390x" else "ld.lld"
    run([ld, "-shared", "-X", "-z", "muldefs", "--unresolved-symbols=ignore-all", *objects, "-o", output])
    return [output]


def compile_all(cpu, command, level, files, directory, root=".", more=()):
    """Each file to an object or, with -S among `more`, to assembly text."""
    os.makedirs(directory, exist_ok=True)
    made = []
    for file in files:
        output = f"{directory}/{file.replace('/', '-')[:-2]}.{'s' if '-S' in more else 'o'}"
        hosted = [] if file == "sys/posix.c" else ["-ffreestanding"]
        spin = [] if cpu in NARROW else ["-DVALET_SPIN=1"]
        run([*command.split(), *FLAGS, *hosted, *spin, level, *more, "-c", f"{root}/{file}", "-o", output])
        made.append(output)
    return made


def instructions(cpu, linked, suffix=""):
    """Address, function, name, operands."""
    function, pending = None, ""
    # whatever a compiler may emit must be decoded
    more = {"aarch64": ["--mattr=+v8.4a"], "ppc64": ["--mcpu=pwr8"], "s390x": ["--mcpu=z13"]}.get(cpu, [])
    for line in run([f"llvm-objdump{suffix}", "-d", "--no-show-raw-insn", *more, linked]).splitlines():
        m = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if m:
            function = m.group(1)
            continue
        m = re.match(r"\s+([0-9a-f]+):\s+(\S+)\s*(.*?)(?:\s*<.*>)?(?:\s+(?:# |// ).*)?$", line)
        if not m:
            continue
        address, name, operands = int(m.group(1), 16), m.group(2), m.group(3).strip()
        if name == "lock" and not operands:  # a prefix, printed by itself
            pending = "lock "
            continue
        yield address, function, pending + name, operands
        pending = ""


def code_begins(cpu, linked):
    """Of WebAssembly: newer LLVMs (not 14) print code by its place in the file, and find its lines by its place in the
    section of code, whose place they print, too; 14 prints 0."""
    if cpu != "wasm32":
        return 0
    return int(re.search(r"CODE\s+\w+\s+(\w+)", run(["llvm-objdump", "-h", linked])).group(1), 16)


def add_groups(groups, cpu, level, linked, suffix=""):
    """(file, line, column) -> function and inlined calls -> events in order of address."""
    events = []
    begins = code_begins(cpu, linked)
    for address, function, name, operands in instructions(cpu, linked, suffix):
        event = rules.READ[cpu](name, operands, level)
        if name == "<unknown>" and cpu != "ppc64" and function != ".plt":  # tables behind functions, data in .plt
            raise RuntimeError(f"{linked}: {address:#x} in {function} was not decoded")
        if event:
            events.append((address, function, event))
    answer = run(["llvm-symbolizer", f"--obj={linked}", "--inlines", "--output-style=JSON"],
                 input="".join(f"{a - begins:#x}\n" for a, _, _ in events))
    for (_, function, event), line in zip(events, answer.splitlines(), strict=True):
        first, *callers = json.loads(line)["Symbol"]
        path = first["FileName"].split("/")
        file = "/".join(path[-3:] if path[-2:-1] == ["locks"] else path[-2:])
        chain = (function, *((c["FunctionName"], c["Line"], c["Column"]) for c in callers))
        groups[file, first["Line"], first["Column"]][chain].append(event)


def examine(cpu, level, sites, linked, suffix=""):
    """The orders found, the copies looked at, and what is missing as (site, what) pairs. Two
    relaxed operations may become one that no longer says where it is from; and a copy of a compare-exchange that
    only reads what is to be compared, or written, may go on in another one."""
    groups = defaultdict(lambda: defaultdict(list))
    for one in linked:
        add_groups(groups, cpu, level, one, suffix)
    found, copies, lacks = 0, 0, set()
    for site in sites:
        here = groups.get((site.file, *site.position), {})
        missing = set() if here or not site.orders() else {"access", *site.orders()}
        whole = [events for events in here.values() if site.operation != "cas" or any(e.kind != "load" for e in events)]
        for events in whole or here.values():
            copies += 1
            missing |= rules.missing(site, events)
        lacks |= {(site, what) for what in missing}
        found += len(set(site.orders()) - missing)
    return found, copies, lacks


def library_calls(cpu, linked):
    names = [] if cpu == "wasm32" else run(["llvm-nm", "-D", "-u", *linked]).split()
    return [n for n in names if n.startswith(("__atomic_", "__sync_", "__aarch64_"))]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


class Work:
    """One machine, compiler and level."""

    def __init__(self, top, machine, compiler, level, suffix=""):
        self.name, self.cpu, self.command = machine
        self.level, self.suffix = level, suffix
        self.title = f"{self.name}, {compiler} {level}"
        self.directory = f"{top}/{re.sub('[^a-zA-Z0-9]+', '-', self.title)}"
        self.files, self.headers = files_for(self.cpu)
        self.sites = [s for f in self.files + self.headers
                      for s in sites_of(f, self.compiled(Path(f).read_text(encoding="utf-8")))]
        self.orders = sum(len(s.orders()) for s in self.sites)

    def compiled(self, text):
        """The text, with blank lines for what polls where this CPU cannot (core/spin.h)."""
        if self.cpu not in NARROW:
            return text
        return re.sub(r"(?m)^#if VALET_SPIN\n(.*\n)*?#(else|endif)$", lambda m: "\n" * m.group().count("\n"), text)

    def look(self, objects, name, sites=None):
        linked = link(self.cpu, objects, f"{self.directory}/{name}.linked")
        return linked, *examine(self.cpu, self.level, self.sites if sites is None else sites, linked, self.suffix)

    def check(self):
        linked, found, copies, lacks = self.look(
            compile_all(self.cpu, self.command, self.level, self.files, self.directory), "all")
        details = sorted(f"{site}: no {what}" for site, what in lacks)
        details += [f"a library call: {c}" for c in library_calls(self.cpu, linked)]
        return not details, f"{self.title}: {self.orders} orders in the source, {found} found" \
            f" ({len(self.sites)} operations, {copies} copies)", details

    def plant_all(self):
        """Every order of the source, taken out. The words are of one length: nothing moves."""
        root = f"{self.directory}/weak"
        for file in self.files + self.headers:
            write(f"{root}/{file}", re.sub("memory_order_(acquire|release|acq_rel)", "memory_order_relaxed",
                                           Path(file).read_text(encoding="utf-8")))
        _, _, _, lacks = self.look(
            compile_all(self.cpu, self.command, self.level, self.files, root, root, more=["-iquote", root]), "weak")
        unseen = [f"{site}: {what} weakened and not reported" for site in self.sites for what in site.orders()
                  if not {(site, what), (site, "access")} & lacks]  # two relaxed loads may become one, of neither
        if self.cpu in WEAK_IS_VISIBLE:
            return not unseen, f"planted in {self.title}: {self.orders} orders weakened," \
                f" {self.orders - len(unseen)} reported", unseen
        return not lacks, f"planted in {self.title}: {self.orders} orders weakened, none to be seen on this CPU:" \
            " every access has them", [f"{site}: no {what}" for site, what in lacks]

    def plant_one(self, name, file, old, new, what):
        """One order of the source weakened: that, and nothing else, is missed."""
        root = f"{self.directory}/one-{re.sub('[^a-z]+', '-', name)}"
        text = Path(file).read_text(encoding="utf-8")
        if len(re.findall(old, text)) != 1 or len(old) != len(new):
            return False, f"planted in {self.title}: {name}", ["does not apply any more"]
        write(f"{root}/{file}", re.sub(old, new, text))
        sites = [s for s in self.sites if s.file == file]
        _, _, _, lacks = self.look(compile_all(self.cpu, self.command, self.level, [file], root, root),
                                   os.path.basename(root), sites)
        line = text.count("\n", 0, re.search(old, text).start()) + 1
        right = {w for _, w in lacks} == {what} and len(lacks) == 1 and \
            line - min(s.line for s, _ in lacks) in (0, 1, 2)
        return right, f"planted in {self.title}: {name}: {what} reported", [f"{s}: no {w}" for s, w in lacks]

    def plant_instructions(self, plants):
        @functools.cache
        def text_of(file):
            path, = compile_all(self.cpu, self.command, self.level, [file], f"{self.directory}/text", more=["-S"])
            return Path(path).read_text(encoding="utf-8")

        return [self.plant_instruction(text_of, *p) for p in plants]

    def plant_instruction(self, text_of, old, new):
        """The last instruction of one kind in the assembly text, weakened: where there is one, of an operation
        with an order and without a second copy, which would stand for both."""
        for file in reversed(self.files):
            text = text_of(file)
            found = list(re.finditer(old, text))
            places = [tuple(map(int, re.findall(r"\.loc\s+\d+ (\d+) (\d+)", text[:m.start()])[-1])) for m in found]
            ordered = {s.position for s in self.sites if s.file == file and s.orders()}
            found = [m for m, place in zip(found, places) if place in ordered and places.count(place) == 1] or found
            if found:
                break
        title = f"planted in {self.title}: {old} -> {new}"
        if not found:
            return False, title, ["there is none"]
        edited = f"{self.directory}/text/{re.sub('[^a-z0-9]+', '-', old)}"
        text = text[:found[-1].start()] + found[-1].expand(new) + text[found[-1].end():]
        # LLVM 14 cannot read back a call of a WebAssembly function that is defined further down.
        write(edited + ".s", "".join(re.findall(r"\t\.functype.*\n", text)) + text)
        run([*self.command.split(), "-c", edited + ".s", "-o", edited + ".o"])
        sites = [s for s in self.sites if s.file == file]
        _, _, _, lacks = self.look([edited + ".o"], os.path.basename(edited), sites)
        missed = ", ".join(f"{site}: {what}" for site, what in sorted(lacks, key=str))
        return len({site for site, _ in lacks}) == 1, f"{title}: reported: {missed}", []

    def plant_call(self):
        """The atomic operations as calls of a library."""
        objects = compile_all(self.cpu, self.command.replace("-mno-outline-atomics", "-moutline-atomics"), self.level,
                              self.files, f"{self.directory}/calls")
        linked, _, _, lacks = self.look(objects, "calls")
        calls = library_calls(self.cpu, linked)
        return bool(calls) and bool(lacks), f"planted in {self.title}: operations are library calls:" \
            f" {len(calls)} functions, {len(lacks)} orders and accesses reported", []

    def plant_unmended(self):
        """Without what core/word.h does for gcc before 14."""
        root = f"{self.directory}/unmended"
        file, old, new = UNMENDED
        text = Path(file).read_text(encoding="utf-8")
        write(f"{root}/{file}", text.replace(old, new))
        core = [f for f in self.files if f.startswith("core/")]
        _, _, _, lacks = self.look(
            compile_all(self.cpu, self.command, self.level, core, root, more=["-iquote", root]), "all",
            [s for s in self.sites if s.file in core])
        right = text.count(old) == 1 and {s.operation for s, _ in lacks} == {"cas"}
        return right, f"planted in {self.title}: no core/word.h for this compiler: {len(lacks)} orders reported", \
            [f"{s}: no {w}" for s, w in lacks]


# One order of one operation: (what it is, file, text, what replaces it, the order that must be missed).
# Patterns are as long as what they match, so that nothing moves.
ONE_ORDER = [
    ("unpark's exchange, futex kind", "core/park_futex.c", "NOTIFIED, memory_order_release",
     "NOTIFIED, memory_order_relaxed", "release"),
    ("unpark's exchange, sema kind", "core/park_sema.c", "NOTIFIED, memory_order_acq_rel",
     "NOTIFIED, memory_order_acquire", "release"),
    ("unpark's exchange, sema kind, the other half", "core/park_sema.c", "NOTIFIED, memory_order_acq_rel",
     "NOTIFIED, memory_order_release", "acquire"),
    ("the taker, who was parked", "core/park_futex.c", "word, EMPTY, memory_order_acquire",
     "word, EMPTY, memory_order_relaxed", "acquire"),
    ("the taker, fast", "core/park_futex.c", "word, &seen, EMPTY, memory_order_acquire",
     "word, &seen, EMPTY, memory_order_relaxed", "acquire"),
    ("the taker, polling", "core/park_futex.c", "word, &token, EMPTY, memory_order_acquire",
     "word, &token, EMPTY, memory_order_relaxed", "acquire"),
    ("the semaphore's publication", "core/park_sema.c", "self, memory_order_release", "self, memory_order_relaxed",
     "release"),
]
UNMENDED = ("core/word.h", "#if defined __riscv && defined __GNUC__", "#if 0")
RISCV = [(r"(lr\.[wd])\.aq\b", r"\1"), (r"(amoswap\.[wd])\.aq(rl)?\b", r"\1")]
INSTRUCTIONS = {
    "x86_64, gcc": [(r"\block;?\s+cmpxchg", "cmpxchg"), (r"\bxchg([lq])\b", r"mov\1")],
    "aarch64 LL/SC, gcc": [(r"\bldaxr\b", "ldxr"), (r"\bstlxr\b", "stxr"), (r"\bldar\b", "ldr"),
                           (r"\bstlr(b?)\b", r"str\1")],
    "aarch64 LSE, gcc": [(r"\bswpl\b", "swp"), (r"\bswpal\b", "swpl"), (r"\bcasal\b", "casl"), (r"\bcasa\b", "cas"),
                         (r"\bldar\b", "ldr"), (r"\bstlr(b?)\b", r"str\1")],
    "riscv64, gcc before 14": [*RISCV, (r"\bfence\s+iorw, *ow", "nop"), (r"\bfence\s+iorw, *iorw", "nop")],
    "riscv64, clang": [*RISCV, (r"(sc\.[wd])\.(aq)?rl\b", r"\1"), (r"(amoswap\.[wd]\.aq)rl\b", r"\1"),
                       (r"\bfence\s+rw, *w", "nop"), (r"\bfence\s+r, *rw", "nop")],
    "wasm32, clang": [(r"i32\.atomic\.load\b", "i32.load"), (r"i32\.atomic\.store\b", "i32.store")],
}
INSTRUCTIONS |= {
    "armv7, gcc": [(r"\bldrex\b", "ldr"), (r"\bdmb\s+ish\b", "nop")],
    "ppc64le, gcc": [(r"\blwsync\b", "nop"), (r"\bisync\b", "nop")],
    "s390x, gcc": [(r"\bcsg?\s+(%r\d+),%r\d+,", r"c \1,")],
    "i386, gcc": INSTRUCTIONS["x86_64, gcc"],
    "riscv32, gcc": INSTRUCTIONS["riscv64, clang"],
    "riscv32, gcc before 14": INSTRUCTIONS["riscv64, gcc before 14"],
}
for clang in "x86_64", "aarch64 LL/SC", "aarch64 LSE", "armv7":
    INSTRUCTIONS[f"{clang}, clang"] = INSTRUCTIONS[f"{clang}, gcc"]
INSTRUCTIONS["riscv64, gcc"] = INSTRUCTIONS["riscv64, clang"]  # since 14, as the psABI has it
ZACAS_INSTRUCTIONS = [(r"(amocas\.[wd])\.aq\b", r"\1"), (r"(amocas\.[wd])\.rl\b", r"\1"),
                      (r"(amocas\.[wd]\.aq)rl\b", r"\1")]


def zacas():
    """The compilers here that know Zacas: (name, command, suffix of the tools). The rest by version."""
    known, unknown = [], []
    for name, command in ZACAS_COMPILERS.items():
        suffix = name.removeprefix("clang") if name.startswith("clang-") else ""
        if not shutil.which(name if suffix else command.split()[0]) or not shutil.which(f"llvm-objdump{suffix}"):
            continue
        for march in ZACAS:
            probe = subprocess.run([*command.split(), *march.split(), "-xc", "-c", "-", "-o", "/dev/null"],
                                   input="int i;", text=True, stderr=subprocess.DEVNULL, timeout=60)
            if probe.returncode == 0:
                known.append((name, f"{command} {march}", suffix))
                break
        else:
            unknown.append(run([command.split()[0], "--version"]).splitlines()[0])
    return known, unknown


def outcomes(job):
    try:
        done = job()
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        done = (False, "a check that could not be made", str(problem).splitlines())
    return done if isinstance(done, list) else [done]


def main(top):
    os.makedirs(top, exist_ok=True)
    known, unknown = zacas()
    compilers = [((name, cpu, command), compiler, "") for name, cpu, commands in MACHINES
                 for compiler, command in commands.items()]
    newer = [(("riscv64 Zacas", "riscv64", command), compiler, suffix) for compiler, command, suffix in known]
    works = {(m[0], c, level): Work(top, m, c, level, s) for m, c, s in compilers + newer for level in LEVELS
             if level == "-O2" or m[1] not in FEWER}

    jobs = [w.check for w in works.values()]
    for w in works.values():
        if w.level != "-O2":
            continue
        if DEEP or w.cpu in WEAK_IS_VISIBLE:
            jobs.append(w.plant_all)
        if w.cpu in WEAK_IS_VISIBLE and not w.suffix:
            jobs += [lambda w=w, p=p: w.plant_one(*p) for p in ONE_ORDER
                     if w.cpu not in NARROW or not p[0].endswith("polling")]
        old_gcc = w.title in ("riscv64, gcc -O2", "riscv32, gcc -O2") and \
            int(run([w.command.split()[0], "-dumpversion"]).split(".")[0]) < 14
        title = w.title[:w.title.rindex(" ")] + (" before 14" if old_gcc else "")
        texts = ZACAS_INSTRUCTIONS if w.name == "riscv64 Zacas" else INSTRUCTIONS[title]
        jobs.append(lambda w=w, texts=texts: w.plant_instructions(texts))
        if "outline-atomics" in w.command and "armv8-a" in w.command:
            jobs.append(w.plant_call)
        if old_gcc:
            jobs.append(w.plant_unmended)
    for done in multiprocessing.pool.ThreadPool(2).imap(outcomes, jobs):
        for right, text, details in done:
            good(text) if right else bad(text, details)
    if not known:
        skip(f"riscv64 Zacas: no compiler here has it: {', '.join(unknown)}")
    print(f"codegen: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
