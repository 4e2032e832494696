# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: edit.py MUSL_SOURCE VALET_HEADER. Turn musl's futex waits and wakes over to valet.

Each edit names a file of musl, a pattern, what replaces it, and how often it must occur: one that no
longer fits is an error. The files beside this one are added to the tree. Prints the objects that are
to be compiled again.
"""
import pathlib
import re
import shutil
import sys

tree = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent

EDITS = [
    # The inline functions: ours at the end of the header, musl's own kept for shared words.
    ("src/internal/pthread_impl.h", r"^(static inline void )__wake\(", r"\1__musl_wake(", 1),
    ("src/internal/pthread_impl.h", r"^(static inline void )__futexwait\(",
     r"\1__musl_futexwait(", 1),
    ("src/internal/pthread_impl.h", r"#endif\n\Z", '#include "valet_impl.h"\n\n#endif\n', 1),
    # Two fields a thread, at the end of those that no assembly reaches.
    ("src/internal/pthread_impl.h", r"^[ \t]*void \*stdio_locks;\n",
     r"\g<0>\tstruct valet_leave *volatile valet_leave;\n\tvolatile int valet_handlers;\n", 1),
    # The waits that trap by themselves.
    ("src/thread/__wait.c", r"__syscall\(SYS_futex, addr,[^;]*;", "__futexwait(addr, val, priv);", 1),
    ("src/thread/pthread_barrier_wait.c", r"__syscall\(SYS_futex, *&inst->finished,[^;]*;",
     "__futexwait(&inst->finished, 1, 1);", 1),
    # musl's timed wait serves shared words only.
    ("src/thread/__timedwait.c", r"\b__timedwait(_cp)?\(", r"__shared_timedwait\1(", 3),
    # valet has no requeue: the way that musl goes for shared objects, a wake.
    ("src/thread/pthread_cond_timedwait.c", r"(unlock_requeue\(&node\.[^;]*, )[^,;]*\);",
     r"\g<1>1);", 1),
    # The cancellation signal leaves valet's wait.
    ("src/thread/pthread_cancel.c", r"^([ \t]*)_sigaddset\(&uc->.*\n",
     r"\g<0>\1if (__valet_leave(uc)) return;\n", 1),
    # Handlers that interrupt are counted when they return.
    ("src/signal/sigaction.c", r"^([ \t]*)ksa\.restorer = .*\n",
     r"\g<0>\1if (!(sa->sa_flags & SA_RESTART)) ksa.restorer = __valet_restore;\n", 1),
]

for name, pattern, replacement, times in EDITS:
    path = tree / name
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.M)
    if count != times:
        sys.exit(f"edit.py: {name}: {pattern!r} found {count} times, not {times}")
    path.write_text(text)

shutil.copy(sys.argv[2], tree / "src/internal")
shutil.copy(here / "valet_impl.h", tree / "src/internal")
for path in here.glob("valet_*.c"):
    shutil.copy(path, tree / "src/thread")

# Everything that includes the changed header, in one step or in two; and the files changed beside it.
changed = {name for name, *_ in EDITS if name.endswith(".c")}
for path in tree.glob("src/**/*.c"):
    if re.search(r'"(pthread_impl|getc|putc)\.h"', path.read_text()):
        changed.add(str(path.relative_to(tree)))
print(*sorted(changed), sep="\n")
