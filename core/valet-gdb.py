# SPDX-License-Identifier: MIT OR Apache-2.0
"""gdb commands that tell what a word of valet means, in a stopped program.

    (gdb) source core/valet-gdb.py
    (gdb) valet-parker OBJECT     its state, and whether a thread is parked
    (gdb) valet-waiters OBJECT    the state; futex kind: its bits; sema kind: the queue's threads

OBJECT is any expression: the struct, a pointer to it or an address. Which kind of system is under the
library is read from its symbols, those of include/valet_sys.h; where they are not (stripped, or inlined by
VALET_STATIC), `set valet-kind` to what `pkg-config --variable=kind valet` prints.

The values are those at the head of core/park_*.c and core/waiters_*.c. What a word of the kind cannot
hold, and a struct of another layout than the one below, is an error, never a guess.
"""
import gdb

# core/park_futex.c; core/park_sema.c has an address in place of PARKED
EMPTY, NOTIFIED, PARKED = 0, 1, 0xFFFFFFFF
# core/waiters_futex.c, core/waiters_sema.c
STATE = 31
WAITERS, OWED = 32, 64
TAKEN, SEMA_OWED = 32, 64
# struct node of core/waiters_sema.c
NODE_ALIGNMENT, NODE_NEXT = 128, 0


class Kind(gdb.Parameter):
    """Kind of system under valet: auto (by its symbols), futex or sema."""
    set_doc = show_doc = __doc__

    def __init__(self):
        super().__init__("valet-kind", gdb.COMMAND_DATA, gdb.PARAM_ENUM, ["auto", "futex", "sema"])
        self.value = "auto"

    def get_show_string(self, value):
        return f"The kind of system under valet is {value}."


KIND = Kind()


def is_there(symbol):
    try:
        gdb.parse_and_eval(f"(long)&{symbol}")
        return True
    except gdb.error:
        return False


def kind():
    if KIND.value != "auto":
        return KIND.value
    found = [k for k, symbol in (("futex", "valet_sys_futex_wait"), ("sema", "valet_sys_sema_wait"))
             if is_there(symbol)]
    if len(found) != 1:
        raise gdb.GdbError("valet: the program's symbols do not tell the kind: set valet-kind futex, or sema")
    return found[0]


def address_of(argument):
    if not argument:
        raise gdb.GdbError("valet: which object? Its struct, a pointer to it or its address")
    value = gdb.parse_and_eval(argument)
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        value = value.address
    return int(value) & (1 << 64) - 1


def pointer(address):
    order = "big" if "big" in gdb.execute("show endian", to_string=True) else "little"
    size = gdb.lookup_type("long").pointer().sizeof
    return int.from_bytes(gdb.selected_inferior().read_memory(address, size), order)


def low_half(address):
    """Of the public word: what a system of the futex kind compares."""
    return pointer(address) & 0xFFFFFFFF


def owner(address):
    """The thread on whose stack, in one of its frames, the address lies; None: no thread's."""
    here, frame_here = gdb.selected_thread(), gdb.selected_frame()
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            frame = gdb.newest_frame()
            while frame.older() is not None:
                caller = frame.older()
                if int(frame.read_register("sp")) <= address < int(caller.read_register("sp")):
                    return thread
                frame = caller
        return None
    finally:
        here.switch()
        frame_here.select()


def thread_name(address):
    thread = owner(address)
    if thread is None:
        raise gdb.GdbError(f"valet: {address:#x} is on no thread's stack: not a word of this kind and layout")
    return f"thread {thread.num} (LWP {thread.ptid[1] or thread.ptid[2]}, {thread.name})"


def check_layout():
    """Where there is debug information, it must agree with what is written above."""
    symbol = gdb.lookup_global_symbol("valet_store_and_wake") or gdb.lookup_static_symbol("valet_store_and_wake")
    if symbol is None:
        return
    try:
        node = gdb.lookup_type("struct node", symbol.symtab.static_block())
    except gdb.error:
        return
    fields = {field.name: field.bitpos // 8 for field in node.fields()}
    if fields.get("next") != NODE_NEXT:
        raise gdb.GdbError(f"valet: struct node has next elsewhere: {fields['next'] if 'next' in fields else fields}")


class Parker(gdb.Command):
    """Print what a struct valet_parker holds, and whether a thread is parked. Usage: valet-parker OBJECT"""

    def __init__(self):
        super().__init__("valet-parker", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        address, of_kind = address_of(argument), kind()
        word = low_half(address) if of_kind == "futex" else pointer(address)
        if word == EMPTY:
            meaning = "no token, nobody parked"
        elif word == NOTIFIED:
            meaning = "a token, nobody parked"
        elif of_kind == "sema":
            meaning = f"no token, parked: {thread_name(word)}"
        elif word == PARKED:
            meaning = "no token, one thread is parked"
        else:
            raise gdb.GdbError(f"valet: {word:#x} is not a parker's word, {of_kind} kind")
        print(f"parker {address:#x}, {of_kind} kind: {meaning}")


class Waiters(gdb.Command):
    """Print the state of a struct valet_waiters, and who waits. Usage: valet-waiters OBJECT"""

    def __init__(self):
        super().__init__("valet-waiters", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        address, of_kind = address_of(argument), kind()
        lines = getattr(self, of_kind)(address)
        print(f"waiters {address:#x}, {of_kind} kind: " + "\n  ".join(lines))

    @staticmethod
    def futex(address):
        word = low_half(address)
        if word & ~(STATE | WAITERS | OWED) or word & (WAITERS | OWED) == WAITERS | OWED:
            raise gdb.GdbError(f"valet: {word:#x} is not a waiters word, futex kind")
        meaning = "nobody waits"
        if word & WAITERS:
            meaning = "WAITERS, threads may sleep (the kernel has the queue)"
        if word & OWED:
            meaning = "OWED, whoever of those who slept sees it wakes them all"
        return [f"state {word & STATE}, {meaning}"]

    @staticmethod
    def sema(address):
        check_layout()
        word = pointer(address)
        node, queue = word & ~(NODE_ALIGNMENT - 1), []
        while node:
            if node % NODE_ALIGNMENT or any(node == seen for seen, _ in queue):
                raise gdb.GdbError(f"valet: a queue does not lead to {node:#x}: not of this kind and layout")
            queue.append((node, f"{node:#x} of {thread_name(node)}"))
            node = pointer(node + NODE_NEXT)
        meaning = f"{len(queue)} queued, newest first" if queue else "nobody waits"
        if word & TAKEN:
            meaning += ", TAKEN (by a waiter)"
        if word & SEMA_OWED:
            meaning += ", OWED (to look again)"
        return [f"state {word & STATE}, {meaning}"] + [line for _, line in queue]


Parker()
Waiters()
