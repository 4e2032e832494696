#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the README states and a file or a command says as well. usage: readme.py README WHAT [FILE], from the root

    lines            it has at most 220, and those of no table 132 characters
    systems          its table has each row of sys/meson.build, of that kind and those CPUs, and each choice of -Dos=
    shown            a row claims what there is a rig for, and all of it: suites, Wine, a model, SIGILL
    features         the table of sys/README.md, of what not each row has, is that of sys/meson.build and the files
    departures       the rows that wake more than they are asked to are those whose file does; so in sys/README.md
    build            the files of core/ that a build of one's own compiles are those of core/meson.build, for both kinds
    times            the minutes that it says all.sh takes are those of test/lib/steps, on two cores: no less, and
                     less than twice as many
    figures PRINTED  its table of figures has what test/figures/figures.sh printed, and all of it
    benchmark TABLE  TABLE, which test/bench/shown.py makes, stands in the page as it is
"""
import fnmatch
import glob
import os
import re
import sys

sys.path.append(os.path.join(os.path.dirname(__file__), "../lib"))
from systems import ROWS

page, what, *files = sys.argv[1:]
with open(page, encoding="utf-8") as file:
    text = file.read()
faults = []


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def rows(heading):
    """Rows of the table whose first row begins so, as lists of cells, without the rule"""
    found = re.search(r"^\| *" + re.escape(heading) + r".*\n((?:\|.*\n)+)", text, re.M)
    if not found:
        sys.exit(f"no table that begins: {heading}")
    return [[c.strip() for c in row.strip("| ").split(" | ")] for row in found[1].splitlines()[1:]]


def lines():
    count = len(text.splitlines())
    if count > 220:
        faults.append(f"{count} lines, of 220")
    faults.extend(f"line {n} has {len(line)} characters, of 132" for n, line in enumerate(text.splitlines(), 1)
                  if len(line) > 132 and not line.startswith("|"))


def systems():
    choices = re.search(r"^option\('os'.*?choices: \[(.*?)\]", read("meson_options.txt"), re.M | re.S)[1]
    there = {name: f"{kind or 'either'}, {' '.join(cpus)}" for name, (kind, _, cpus) in ROWS.items()}
    said = {row[0].strip("`"): f"{row[2]}, {row[3].replace(',', '')}" for row in rows("`-Dos=`")}
    for name in sorted(there.keys() | said.keys() | set(re.findall(r"'(\w+)'", choices)) - {"auto"}):
        if said.get(name) != there.get(name):
            faults.append(f"{name}: {said.get(name)} in the page, {there.get(name)} in sys/meson.build")


def shown():
    steps = read("test/lib/steps")
    rigs = {
        "**real**": set(re.findall(r"-Dos=(\w+)", steps)) | {"linux", "wasm"},
        "Wine": set(re.search(r"^systems='(.*)'$", read("test/windows/windows.sh"), re.M)[1].split()),
        "model": {re.sub(r"_(futex|sema)$", "", name if file == "-" else file[:-2])
                  for name, file in re.findall(r"^(\w+) +(-|\w+\.c) ", read("test/model/table"), re.M)},
        "parallel": set(re.findall(r"^(\w+) +(?:futex|sema) +\w+ +x86_64", read("test/sigill/sigill.sh"), re.M)),
    }
    for name, *_, said in ([row[0].strip("`"), *row] for row in rows("`-Dos=`")):
        for word, of in rigs.items():
            if (name in of) != bool(re.search(r"(^|[:;,] )" + re.escape(word) + r"\b|^" + re.escape(word), said)):
                faults.append(f"{name}: {word}: {'a rig, and no claim' if name in of else 'a claim, and no rig'}")


def departures():
    """What the count of a wake becomes, by the function that gives it to the system"""
    becomes = {"as asked": set(), "one or all": set(), "all": set()}
    for name in (n for n, (kind, file, _) in ROWS.items() if kind == "futex" and file):
        body = re.search(r"^void valet_sys_futex_wake\(.*?^}", read(f"sys/{name}.c"), re.M | re.S)[0]
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
        uses = set(re.findall(r"\(void\)count|count == 1|valet_futex_count\(count\)|, count\)", body))
        how = {"(void)count": "all", "count == 1": "one or all"}.get(*uses, "as asked") if len(uses) == 1 else None
        if how is None:
            sys.exit(f"sys/{name}.c: the count of a wake: {uses}")
        becomes[how].add(name)
    for where, page_text in (("README.md", text), ("sys/README.md", read("sys/README.md"))):
        sentence = re.search(r"^- `valet_futex_wake` .*?\.$", page_text, re.M | re.S)
        if not sentence:
            faults.append(f"{where}: no sentence of valet_futex_wake")
            continue
        said = set(re.findall(r"`(\w+)`", sentence[0])) - {"valet_futex_wake"}
        for name in sorted(said ^ (becomes["one or all"] | becomes["all"])):
            faults.append(f"{where}: {name} {'does not wake more than asked' if name in said else 'is not named'}")


def features():
    """What each row has of the optional functions, from its file and the table of sys/meson.build"""
    table = re.search(r"^features = \{\n(.*?)^\}", read("sys/meson.build"), re.M | re.S)[1]
    told = {name: set(flags.split()) for name, flags in re.findall(r"^  '(\w+)': '([A-Z ]+)',$", table, re.M)}
    wanted = ["| `-Dos=` | VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_CANCELLABLE "
              "| valet_futex_requeue | number woken by valet_futex_wake |", "|---|---|---|---|---|---|---|"]
    for name, (kind, file, _) in sorted(ROWS.items()):
        code = read(f"sys/{file}") if file else ""
        has = re.findall(r"^unsigned valet_sys_features\(void\)\n\{\n    return (.*?);", code, re.M | re.S)
        flags = {flag for flags in has for flag in re.findall(r"VALET_(\w+)", flags)}
        if len(has) < 2 and file and told.get(name, set()) != flags - {"SYS_COUNTS", "SYS_FOLLOWS", "SYS_SET_BACK"}:
            faults.append(f"{name}: {told.get(name)} in sys/meson.build, {flags} in its file")
        number = ("core" if kind == "sema" else "-" if "SYS_COUNTS" not in flags else
                  "kernel, of nobody only" if "ENOENT" in code else "kernel")
        wall = "kernel" if "SYS_FOLLOWS" in flags else "core" if "REALTIME" in flags else "-"
        shared = "kernel" if "SHARED" in flags else "-"
        signal = "kernel" if "INTERRUPTIBLE" in flags else "-"
        cancel = "own trap" if "CANCELLABLE" in flags else "-"
        requeue = "wakes" if "REQUEUE" not in flags else "core" if kind == "sema" else "kernel"
        if file and (("int valet_sys_futex_requeue(" in code) != (requeue == "kernel") or
                     (kind == "sema" and requeue == "wakes")):
            faults.append(f"{name}: {requeue} by its features of a requeue, and not by its file or kind")
        if len(has) > 1:
            wall, signal = "glibc, else core", "libc, where it has `sem_t`"
        if not file:
            wall = signal = shared = cancel = requeue = number = "yours"
        wanted.append(f"| `{name}` | {wall} | {signal} | {shared} | {cancel} | {requeue} | {number} |")
    if "\n".join(wanted) not in text:
        faults.append("the table is\n" + "\n".join(wanted))


def build():
    said = re.search(r"\*\*In your own build\*\*:(.*?)`sys/`", text, re.S)[1]
    patterns = re.findall(r"`(core/[^`]*)`", said)
    files_of_core = re.search(r"^core_files = files\((.*?)^$", read("core/meson.build"), re.M | re.S)[1]
    listed = re.findall(r"'([\w/@]+\.c)'", files_of_core)
    for kind, other in (("futex", "sema"), ("sema", "futex")):
        there = {"core/" + name.replace("@0@", kind) for name in listed}
        mine = [pattern for pattern in patterns if not fnmatch.fnmatch(f"core/_{other}.c", pattern)]
        named = {path for pattern in mine for path in glob.glob(pattern)}
        faults.extend(f"{kind}: {path} is not compiled" for path in sorted(there - named))
        faults.extend(f"{kind}: {path} is not in core/meson.build" for path in sorted(named - there))


def times():
    steps = [line.split("|")[1].split() for line in read("test/lib/steps").splitlines()
             if line.count("|") == 5 and not line.startswith("#")]
    said = dict(re.findall(r"^\| `sh test/all\.sh ?(\w*)` \| (\d+) minutes \|", text, re.M))
    for n, strength in enumerate(("quick", "", "deep")):
        least = sum(float(step[n].replace("-", "0")) for step in steps) / 60 / 2
        if not least <= float(said.get(strength, 0)) < max(2 * least, 3):
            faults.append(f"all.sh {strength}: {said.get(strength)} minutes, {least:.1f} by test/lib/steps")
    if len(steps) < 50:
        faults.append(f"only {len(steps)} steps")


# A row of the table of figures, by its beginning: what figures.sh calls each of the numbers in a cell
FIGURES = {
    "bytes of code": [f"code of one parker, CPU, {c}" for c in ("gcc -Os", "gcc -O2", "clang -Os", "clang -O2")],
    "... with the poll": [f"code of one parker, CPU, {c}, that polls"
                          for c in ("gcc -Os", "gcc -O2", "clang -Os", "clang -O2")],
    "instructions": ["instructions, CPU: unpark, nobody parked", "instructions, CPU: unpark and park with a token"],
    "... wait": ["instructions, CPU: wait for a state that is there", "instructions, CPU: store and wake nobody"],
    "... of a mutex": [f"code of {what}, CPU, {c} -Os"
                       for what in ("a mutex beside its parker", "all locks beside the core")
                       for c in ("gcc", "clang")],
    "bytes of stack": ["stack of a parked thread, CPU, futex kind", "... that polls", "... without a red zone",
                       "... in a mutex", "... in a lock for readers and writers",
                       "... sema kind, without the system's own"],
}


def figures():
    printed = dict(re.findall(r"^\S+ +(.*): (\d+) \(at most \d+\)$", read(files[0]), re.M))
    for label, *cells in rows("one parker"):
        names = [v for k, v in FIGURES.items() if label.startswith(k)]
        if len(names) != 1:
            faults.append(f"no figure is called: {label}")
            continue
        for cpu, cell in zip(("x86_64", "aarch64", "riscv64"), cells):
            numbers = re.findall(r"\d+", cell)
            if numbers and len(numbers) != len(names[0]):
                faults.append(f"{label}, {cpu}: {len(numbers)} numbers for {len(names[0])} figures")
            for number, name in zip(numbers, (n.replace("CPU", cpu) for n in names[0])):
                if printed.pop(name, None) != number:
                    faults.append(f"{name}: not {number}")
    faults.extend(f"not in the page: {name}: {number}" for name, number in printed.items())


def benchmark():
    if read(files[0]) not in text:
        faults.append("another table")


{check.__name__: check for check in (lines, systems, shown, departures, features, build, times, figures,
                                   benchmark)}[what]()
print("\n".join(faults))
sys.exit(bool(faults))
