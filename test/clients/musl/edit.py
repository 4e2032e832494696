# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: edit.py MUSL_SOURCE VALET_HEADER. Turn musl's futex waits and wakes over to valet.

Each edit names a file of musl, a pattern, what replaces it, and how often it must occur: one that no
longer fits is an error. Prints the objects that are to be compiled again.
"""
import pathlib
import re
import shutil
import sys

tree = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent

EDITS = [
    # The inline functions, both of one statement: ours are at the end of the header.
    ("src/internal/pthread_impl.h", r"^static inline void __(wake|futexwait)\(.*?^\}\n", "", 2),
    ("src/internal/pthread_impl.h", r"#endif\n\Z", '#include "valet_impl.h"\n\n#endif\n', 1),
    # The waits that trap by themselves.
    ("src/thread/__wait.c", r"__syscall\(SYS_futex, addr,[^;]*;", "__futexwait(addr, val, priv);", 1),
    ("src/thread/pthread_barrier_wait.c", r"__syscall\(SYS_futex, *&inst->finished,[^;]*;",
     "__futexwait(&inst->finished, 1, 1);", 1),
    # A waiter is moved to the mutex. If the word is no longer 0, it has come by itself.
    ("src/thread/pthread_cond_timedwait.c", r"__syscall\(SYS_futex, l, FUTEX_REQUEUE[^;]*;",
     "if (valet_futex_requeue((uint32_t *)l, 0, 0, (uint32_t *)r, 1, 0) < 0) __wake(l, 1, 1);", 1),
    # The cancellation signal takes a thread out of valet's wait, too.
    ("src/thread/pthread_cancel.c", r"^([ \t]*)__syscall\(SYS_tkill, self->tid, SIGCANCEL\);\n",
     r"\1if (valet_cancel_redirect(&pc)) {\n\1\1uc->uc_mcontext.MC_PC = pc;\n\1\1return;\n\1}\n\n\g<0>", 1),
]

for name, pattern, replacement, times in EDITS:
    path = tree / name
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.M | re.S)
    if count != times:
        sys.exit(f"edit.py: {name}: {pattern!r} found {count} times, not {times}")
    path.write_text(text)

shutil.copy(sys.argv[2], tree / "src/internal")
shutil.copy(here / "valet_impl.h", tree / "src/internal")
shutil.copy(here / "valet_timedwait.c", tree / "src/thread")
(tree / "src/thread/__timedwait.c").unlink()

# Everything that includes the changed header, in one step or in two; and the files changed beside it.
changed = {name for name, *_ in EDITS if name.endswith(".c")} | {"src/thread/__timedwait.c"}  # which is gone
for path in tree.glob("src/**/*.c"):
    if re.search(r'"(pthread_impl|getc|putc)\.h"', path.read_text()):
        changed.add(str(path.relative_to(tree)))
print(*sorted(changed), sep="\n")
