# SPDX-License-Identifier: MIT OR Apache-2.0
"""The atomic operations of a C source: where each is, and which orders it asks for."""
import functools
import re
from dataclasses import dataclass

CALL = re.compile(r"\b(atomic_\w+)\s*\(")
ORDER = re.compile(r"\bmemory_order_(\w+)")
OPERATIONS = {
    "atomic_load_explicit": ("load", 1),
    "atomic_store_explicit": ("store", 1),
    "atomic_exchange_explicit": ("exchange", 1),
    **{f"atomic_fetch_{how}_explicit": ("fetch", 1) for how in ("add", "sub", "or", "xor", "and")},
    "atomic_compare_exchange_strong_explicit": ("cas", 2),
    "atomic_compare_exchange_weak_explicit": ("cas", 2),
}
ACQUIRES = {"acquire": True, "acq_rel": True, "release": False, "relaxed": False}
RELEASES = {"acquire": False, "acq_rel": True, "release": True, "relaxed": False}


@dataclass(frozen=True)
class Site:
    file: str
    line: int  # of the call itself, for people
    position: tuple  # line and column that the compilers give to its instructions
    operation: str
    acquire: bool  # also where only the failure of a compare-exchange asks for it
    release: bool

    def orders(self):
        return [o for o in ("acquire", "release") if getattr(self, o)]

    def __str__(self):
        return f"{self.file}:{self.line} {self.operation} {'+'.join(self.orders()) or 'relaxed'}"


def without_comments(text):
    """The same text with blanks for comments and strings: nothing moves."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def place(text, offset):
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def outermost_macro(text, offset):
    """A call inside VALET_LIKELY(...) has the line and column of that name in the debug tables of gcc
    and of clang: both give the place where the outermost macro is expanded."""
    open_, found = [], offset
    for m in re.finditer(r"\b([A-Z][A-Z0-9_]*)\s*\(|[(){};]", text[:offset]):
        if m.group() in "{};":
            open_ = []
        elif m.group() == ")":
            if open_:
                open_.pop()
        else:
            open_.append(m.start() if m.group(1) else None)
    for start in open_:
        if start is not None:
            found = start
            break
    return found


@functools.cache
def sites_of(file, text):
    text = without_comments(text)
    found = []
    for m in CALL.finditer(text):
        name = m.group(1)
        if name == "atomic_init":  # is not an atomic access
            continue
        if name not in OPERATIONS:
            raise ValueError(f"{file}: no rule for {name}")
        depth, end = 1, m.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        operation, count = OPERATIONS[name]
        orders = ORDER.findall(text[m.end():end])
        if len(orders) != count or not set(orders) <= set(ACQUIRES):
            raise ValueError(f"{file}:{place(text, m.start())[0]}: no rule for the orders {orders}")
        found.append(Site(file, place(text, m.start())[0], place(text, outermost_macro(text, m.start())),
                          operation, any(ACQUIRES[o] for o in orders), RELEASES[orders[0]]))
    if len({s.position for s in found}) != len(found):
        raise ValueError(f"{file}: two operations in one macro call cannot be told apart")
    return found
