# SPDX-License-Identifier: MIT OR Apache-2.0
"""The programs of the benchmark: a row each of all its tables, and of its pictures."""
from typing import NamedTuple


class Row(NamedTuple):
    label: str                # in the tables
    only: tuple[str, ...] = ()  # how the names of its measurements begin; (): all that it can take part in
    bar: str = ""             # its name in the picture of hand-offs; "": not there
    line: str = ""            # ... of wake-alls
    colour: str = ""          # of that line; valet has its own


LOOPS = ("fast", "instructions", "size")  # what needs no second thread
WAITERS = ("wakeall", "calls 64", "busy", "barrier", "crew", "crowd")

ROWS = {
    "atomic": Row("floor: the atomic instruction", LOOPS),
    "spin": Row("floor: spinning", ("handoff", "calls", "size", "barrier 2cpu"), "floor: spinning"),
    "raw": Row("floor: a futex pair by hand", (), "floor: a futex pair by hand", "futex pair by hand", "#1f2328"),
    "raw-each": Row("floor: a FUTEX_WAKE for each waiter by hand", WAITERS, "", "a FUTEX_WAKE each", "#59636e"),
    "valet": Row("**valet**", (), "valet", "valet"),
    "valet-sleep": Row("**valet**, -Dspin=disabled",
                       (*LOOPS, "handoff", "calls 1", "calls 2", "late", "expire", "pool"),
                       "valet, -Dspin=disabled"),
    "valet-clock": Row("**valet**, deadlines by libc's clock", ("handoff timed", "late", "expire")),
    "valet-unit": Row("**valet**, in the user's own unit", LOOPS),
    "valet-delegate": Row("**valet**, store_and_delegate", ("fast", "instructions", "wakeall", "calls 64"),
                          "", "valet, delegate"),
    "valet-futex": Row("**valet**, valet_futex_wait", WAITERS),
    "valet-posix": Row("**valet**, -Dos=posix, glibc", (), "valet, posix, glibc", "valet, posix, glibc"),
    "valet-posix-futex": Row("**valet**, -Dos=posix, glibc, valet_futex_wait", WAITERS),
    "valet-posix-musl": Row("**valet**, -Dos=posix, musl", (), "valet, posix, musl"),
    "glibc-sem": Row("glibc sem_t; barrier", (), "glibc sem_t"),
    "glibc-cond": Row("glibc mutex, condition variable", (), "glibc condition variable", "glibc condvar", "#8c564b"),
    "musl-sem": Row("musl sem_t; barrier", (), "musl sem_t"),
    "musl-cond": Row("musl mutex, condition variable", (), "musl condition variable"),
    "libstdc++-sem": Row("libstdc++ binary_semaphore", (), "libstdc++ binary_semaphore"),
    "libstdc++-atomic": Row("libstdc++ atomic wait", (), "libstdc++ atomic wait", "libstdc++ atomic", "#2f9e63"),
    "libc++-sem": Row("libc++ binary_semaphore", (), "libc++ binary_semaphore"),
    "libc++-atomic": Row("libc++ atomic wait", (), "libc++ atomic wait"),
    "nsync": Row("nsync mu, cv", (), "nsync cv", "nsync cv", "#c2780c"),
    "absl": Row("absl Mutex; Notification", (), "Abseil Mutex", "Abseil Notification", "#c0392b"),
    "rust-std": Row("Rust thread::park; Mutex, Condvar", (), "Rust thread::park", "Rust Condvar", "#8e44ad"),
    "parking_lot": Row("parking_lot Mutex, Condvar", (), "parking_lot Condvar", "parking_lot Condvar", "#0f8b8d"),
}
