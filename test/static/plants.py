#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Does each planted fault still find its place? Nothing is built: each is applied to the text that it names. What is
planted where is read from the tests as they are:

- each file `bugs`;
- in a script, the calls of a function that has a comment such as `# plant NAME FILE OLD NEW` or
  `planted() { # WHAT SED of README.md`: OLD, once in the file, becomes NEW; or sed replaces FROM by TO, or does SED,
  each line of which must change the file;
- in a script, plant.py, and sed of a file of the tree;
- the values of Python programs that are in VALUES.

A file with the word `planted` that has none of these is in OTHERWISE, with the reason. usage: plants.py, from the root
"""
import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, "test/lib")
sys.dont_write_bytecode = True
from plant import bugs_of, edited

THIS = "test/static/plants.py"
HOLDS = ("README.md", "meson.build", "meson_options.txt", "arch", "core", "include", "sys", "test")
# Program and name of a value: what that plants, each as (kind, file, old, new)
VALUES = {
    ("test/codegen/check.py", "ONE_ORDER"): lambda rows: [("pattern", *row[1:4]) for row in rows],
    ("test/codegen/check.py", "UNMENDED"): lambda row: [("text", *row)],
    ("test/codegen/vector.py", "NEVER_INLINED"): lambda row: [("line", "include/valet_sys.h", *row)],
    ("test/codegen/vector.py", "NO_LIST"): lambda row: [
        ("line", f"arch/{name}.h", *row) for name in ("aarch64", "riscv")],
    ("test/codegen/vector.py", "NOIPA"): lambda row: [("pattern", "include/valet_sys.h", *row)],
    ("test/codegen/vector.py", "CALL"): lambda text: [("all", "test/codegen/vector.c", text, "")],
    ("test/runner/runner.py", "FAULTS"): lambda rows: [("exact", "test/lib/run.py", *row[1:]) for row in rows],
}
OTHERWISE = {
    "test/bare/run.sh": "runs what others planted",
    "test/clients/peers/run.py": "runs what others planted",
    "test/compile/freestanding.sh": "compiles faults of its own text",
    "test/demo/demo_test.sh": "they are in test/demo, by an option",
    "test/doc/design.py": "reads the names of bugs",
    "test/faults/threads.py": "edits the notes that it has read, by its own table",
    "test/figures/figures.sh": "edits figures that it has made",
    "test/kernels/said.sh": "looks for what others planted",
    "test/lib/plant.py": "plants what others name",
    "test/numbers/numbers.sh": "it is in its program, by an option",
    "test/static/static.sh": "looks at faults of its own text",
}
# What must be seen: in which file's faults, by what words; a text of a file, and what it becomes; or a file more
PLANTED = [
    ("a text that moved, of a script's fault", "test/fuzz/plants.sh", "core/waiters_futex.c: 0 times, not once",
     "core/waiters_futex.c", "else if (--tries != 0)", "else if (again(&tries))"),
    ("... of a bug", "test/model/bugs", "core/park_futex.c: 0 times, not once",
     "core/park_futex.c", "PARKED", "ASLEEP"),
    ("a text that is there twice", "test/debian/debian.sh", "core/park_futex.c: 2 times, not once",
     "core/park_futex.c", "valet_sys_futex_wake((uint32_t *)word, VALET_WAKE_PARKED);",
     2 * "valet_sys_futex_wake((uint32_t *)word, VALET_WAKE_PARKED);"),
    ("a text that moved, of an edit by sed", "test/doc/readme.sh", "README.md: sed changes nothing", "README.md",
     "puts(message)", "puts(said)"),
    ("... of one of its lines", "test/one_file/one_file.sh", "arch/x86_64.h: sed changes nothing", "arch/x86_64.h",
     "axG", "awG"),
    ("... of a pattern", "test/codegen/check.py", "core/park_sema.c: 0 times, not once", "core/park_sema.c",
     "self, memory_order_release", "self, RELEASE"),
    ("... of a line", "test/codegen/vector.py", "arch/riscv.h: 0 times, not once", "arch/riscv.h",
     "__riscv_vector", "__V"),
    ("... of a program", "test/runner/runner.py", "test/lib/run.py: 0 times, not once", "test/lib/run.py",
     "old.unlink()", "old.rename(new)"),
    ("a file that moved", "test/gvisor/gvisor.sh", "in no file of the tree", "test/gvisor/gvisor.sh",
     "core/futex_futex.c", "core/futex_word.c"),
    ("a table that was renamed", "test/runner/runner.py", "FAULTS: there is no such value",
     "test/runner/runner.py", "FAULTS", "ROWS"),
    ("a call that lost its last word", "test/assert/assert.sh", "cannot be read", "test/assert/assert.sh",
     "'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \\\n"
     "    'atomic_store(word, 7); (void)!valet_park_until((struct valet_parker *)word, 0); if (0)'", "'if (seen)'"),
    ("a function that does not say what it plants", "test/new.sh", "called by no function that says", "test/new.sh",
     'plant() {\n    python3 test/lib/plant.py "$tree/$1" "$2" "$3"\n}\n', None),
    ("another way to plant", "test/new.py", "nothing that can be read", "test/new.py", "planted = 'if (0)'\n", None),
]
SIGNATURE = re.compile(r"(?m)^(?:# (\w+)|(\w+)\(\) \{ #)((?: \[?[A-Z]+\]?(?:\.\.\.)?)+)(?: of ([\w./-]+))?")
BLANK = re.compile(r"(?:[ \t]|\\\n)*")
# A piece of a word: '...', "..." or bare; $(...) may be in the last two
PIECE = re.compile(
    r"""'([^']*)'|"((?:\\.|\$\((?:[^()]|\([^()]*\))*\)|[^"\\])*)"|((?:\\.|\$\([^()]*\)|[^\s'"\\;&|<>()])+)""", re.S)
ESCAPED_OR_EXPANDED = re.compile(r"\\(.)|\$(?:(\w+)|\{(\w+)\}|\([^()]*(?:\([^()]*\))*[^()]*\)|\{[^}]*\}|[@*#?])", re.S)
# What a script knows only when it runs: an argument of the function that a call is in, and anything else
ARGUMENT, UNKNOWN = "\0", "\1"


class Tree:
    """The texts of the tree; of some of them, others"""

    def __init__(self, others=()):
        self.texts = {str(path): None for top in map(Path, HOLDS)
                      for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()}
        self.texts.update(others)

    def text(self, path):
        if self.texts[path] is None:
            self.texts[path] = Path(path).read_text(encoding="utf-8", errors="replace")
        return self.texts[path]

    def find(self, word, near, by_name=True):
        """The file that a word such as $dir/tree/sys/linux.c stands for. As much of its end as there is must be a path
        from the root, or the end of one path alone, or of one in the folder of the test."""
        parts = re.split(f"[/{ARGUMENT}{UNKNOWN}]", word)
        for n in range(len(parts)):
            end = "/".join(parts[n:])
            if end in self.texts:
                return end
            if not end or not (by_name or "/" in end):
                continue
            named = [path for path in self.texts if path.endswith(f"/{end}")]
            named = [path for path in named if path.startswith(f"{near}/")] or named
            if len(named) == 1:
                return named[0]
        return None


def word_of(text, quoted, known):
    """Without the escapes and with the variables that are known"""
    def value(m):
        if m[1] is not None:
            return "" if m[1] == "\n" else m[1] if not quoted or m[1] in '$`"\\' else m[0]
        name = m[2] or m[3] or ""
        return known.get(name) or (ARGUMENT if name.isdigit() or m[0] in ("$@", "$*") else UNKNOWN)
    return ESCAPED_OR_EXPANDED.sub(value, text)


def words_at(text, at, known):
    """The words of a simple command from there to its end"""
    words = []
    while True:
        at, word = BLANK.match(text, at).end(), None
        while piece := PIECE.match(text, at):
            single, double, bare = piece.groups()
            if single is None:
                single = word_of(bare, False, known) if double is None else word_of(double, True, known)
            at, word = piece.end(), (word or "") + single
        if word is None:
            return words
        words.append(word)


def calls(text, name, known):
    """The arguments of each call of that command"""
    for m in re.finditer(rf"(?<![\w/.$'\"-]){name} ", text):
        before = text[text.rfind("\n", 0, m.start()) + 1:m.start()]
        if not before.lstrip().startswith("#") and before.count('"') % 2 == before.count("'") % 2 == 0:
            yield words_at(text, m.end() - 1, known)


def unread(why):
    return [("unread", None, why, "")]


def in_script(tree, path):
    """(who, edits) of each fault that a script plants"""
    text, near = tree.text(path), str(Path(path).parent)
    assigned = Counter(re.findall(r"(?m)(?:^|[ ;])(\w+)=", text))
    known = {name: value.strip("'\"") for name, value in
             re.findall(r"""(?m)^ *(\w+)=('[^']*'|"[^"$`\\]*"|[\w./-]+)$""", text) if assigned[name] == 1}
    functions = []
    for m in SIGNATURE.finditer(text):
        name, roles, fixed = m[1] or m[2], re.findall(r"[A-Z]+", m[3]), m[4]
        what = next((role for role in ("OLD", "FROM", "SED") if role in roles), None)
        if what is None:
            continue
        functions.append(name)
        yield name, [] if fixed or "FILE" in roles else unread("does not say in which file")
        first = roles.index(what)
        for words in calls(text, name, known):
            edits = words[first:] if "[OLD NEW]" in m[3] or "[FILE SED]" in m[3] else words[first:first + 2]
            if words == [ARGUMENT] or edits and edits[0] == ARGUMENT:
                continue  # hands on what its function was called with
            who = f"{name} {' '.join(words[:first])}"
            file = tree.find(fixed or "".join(words[i] for i, role in enumerate(roles[:first]) if role == "FILE"), near)
            if not edits or len(edits) % 2 and what != "SED":
                yield who, unread("cannot be read")
            elif "[FILE SED]" in m[3]:
                yield who, [("sed", tree.find(named, near), edit, "")
                            for named, edit in zip(words[first - 1::2], words[first::2], strict=True)]
            elif what == "OLD":
                yield who, [("text", file, *edit) for edit in zip(edits[::2], edits[1::2])]
            else:
                edit = edits[0] if what == "SED" else "s\2{}\2{}\2".format(*edits)
                yield who, [("sed", file, edit, "")]
    for words in calls(text, r'(?:"\$\w+/)?(?:test/)?lib/plant\.py"?', known):
        if words[0] in ("--list", "--each", "--bug"):
            yield "plant.py", [] if tree.find(words[1], near) else unread(f"no such file: {words[1]}")
        elif ARGUMENT not in "".join(words[1:]):
            file = tree.find(words[0], near)
            yield "plant.py", [("text", file, *edit) for edit in zip(words[1::2], words[2::2])]
        elif not functions:
            yield "plant.py", unread("called by no function that says what it plants")
    for words in calls(text, "sed", known):
        edit, *files = words[words[0] == "-i":]
        file = tree.find(files[0], near, by_name=False) if len(files) == 1 and ARGUMENT not in edit else None
        if file:
            yield "sed", [("sed", file, edit, "")]


def in_program(tree, path):
    """(who, edits) of the values of a Python program"""
    values = {target.id: node.value for node in ast.walk(ast.parse(tree.text(path))) if isinstance(node, ast.Assign)
              for target in node.targets if isinstance(target, ast.Name)}
    for (program, name), edits_of in VALUES.items():
        if program == path:
            if name not in values:
                yield name, unread("there is no such value")
                continue
            for edit in edits_of(ast.literal_eval(values[name])):
                yield name, [edit]


def plants(tree, paths):
    """File: (who, edits) of each fault that it plants"""
    found = {}
    for path in sorted(path for path in paths if path.startswith("test/") and path != THIS):
        if path.endswith("/bugs"):
            near = str(Path(path).parent)
            found[path] = [(name, [("text", tree.find(file, near), "\n".join(old), "\n".join(new))
                                   for file, (old, new) in bug["edits"]] or unread("has no edit"))
                           for name, bug in bugs_of(path, tree.text(path)).items()]
        elif path.endswith(".sh"):
            found[path] = list(in_script(tree, path))
        elif path.endswith(".py"):
            found[path] = list(in_program(tree, path))
        else:
            continue
        if not found[path] and "planted" not in tree.text(path):
            del found[path]
    return found


def sed(edit, text):
    done = subprocess.run(["sed", edit], input=text, text=True, check=False, capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def lines_of(edit):
    """Each line of what sed does, with the block that it is in"""
    block = re.fullmatch(r"(\s*/.*\{)\n(.*)\n(\s*\})\s*", edit, re.S)
    if block:
        return [f"{block[1]}\n{line}\n{block[3]}" for line in block[2].split("\n")]
    return [line for line in re.split(r"\n(?=\s*[/s])|(?<=/); (?=[s/])", edit) if line.strip()]


def apply(kind, file, text, old, new):
    """The text of that file with that edit; ValueError: it has no place, or more than one where it must be one"""
    if kind == "text":
        try:
            return edited(text, old, new)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
    if kind == "sed":
        for line in lines_of(old):
            if sed(line, text) == text:
                raise ValueError(f"{file}: sed changes nothing:\n{line}")
        return sed(old, text)
    pattern = {"pattern": old, "line": f"(?m)^{old}$"}.get(kind, re.escape(old))
    text, places = re.subn(pattern, lambda _: new, text)
    if places != 1 and (kind != "all" or places == 0):
        raise ValueError(f"{file}: {places} times, not once:\n{old}")
    return text


def judge(tree, *paths):
    """File: how many faults it plants, and what is wrong"""
    verdicts = {}
    for path, faults in plants(tree, paths or tree.texts).items():
        wrong = []
        for who, edits in faults:
            texts = {}
            for kind, file, old, new in edits:
                try:
                    if file not in tree.texts:
                        raise ValueError(old if kind == "unread" else f"in no file of the tree:\n{old}")
                    before = texts.get(file) or tree.text(file)
                    texts[file] = apply(kind, file, before, old, new)
                    if texts[file] == before:
                        raise ValueError(f"{file}: nothing changes:\n{old}")
                except ValueError as error:
                    wrong.append(f"{who}: {error}")
        if not faults and path not in OTHERWISE:
            wrong.append("the word `planted`, and nothing that can be read")
        if faults and path in OTHERWISE:
            wrong.append("in OTHERWISE, and can be read")
        verdicts[path] = sum(1 for _, edits in faults if edits), wrong
    if not paths:
        for path in OTHERWISE.keys() - verdicts.keys():
            verdicts[path] = 0, ["in OTHERWISE, and plants nothing"]
    return verdicts


def shown(fault):
    return fault.replace("\2", "|").rstrip("\n").replace("\n", "\n        ")


TREE = Tree()


def main():
    passed = failed = total = 0
    found = judge(TREE)
    for path, (count, wrong) in found.items():
        total += count
        passed += not wrong
        failed += bool(wrong)
        for line in wrong:
            print(f"FAILED  {path}: {shown(line)}")
        if not wrong and count:
            print(f"ok      {path}: {count} faults have their place")
        elif not wrong:
            print(f"ok      {path}: {OTHERWISE.get(path, 'plants what another file names')}")
    for what, path, said, file, old, new in PLANTED:
        text = old if new is None else TREE.text(file).replace(old, new)
        _, wrong = judge(Tree({file: text}), path)[path]
        seen = [line for line in wrong if said in line]
        passed += bool(seen)
        failed += not seen
        print(f"ok      planted: {what}: {shown(seen[0])}" if seen else f"FAILED  planted: {what}: not seen: {wrong}")
    print(f"{total} faults of {len(found)} files were looked at")
    print(f"plants: {passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
