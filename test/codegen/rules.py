# SPDX-License-Identifier: MIT OR Apache-2.0
"""
Which instructions are an acquire and a release, CPU by CPU.

Sources: C/C++11 mappings to processors (Sevcik, Sewell: www.cl.cam.ac.uk/~pes20/cpp/cpp0xmappings.html)
for x86 and ARMv8; Arm ARM (DDI 0487) C6.2 for LDAR, LDAPR, STLR, LDAXR, STLXR, CAS, SWP;
riscv-non-isa/riscv-elf-psabi-doc riscv-atomic.adoc for RISC-V, and riscv/riscv-isa-manual, "A"
extension: LR.rl and SC.aq give no order; WebAssembly/threads: every atomic access is sequentially
consistent; the same mappings for ARMv7 and POWER, whose loads, stores and exclusives have no order: the
barriers beside them give it; z/Architecture Principles of Operation chapter 5, "Storage-Operand
Consistency": as x86, all but a store before a load.
"""
import re
from dataclasses import dataclass


@dataclass
class Event:
    """One access to memory that is not the stack, or one barrier."""
    kind: str  # load store ll sc rmw fence, torn (two accesses), plain (not atomic at all)
    acquire: bool = False  # of a fence: whether it orders what an acquire orders
    release: bool = False


def stack(operands, registers):
    return any(re.search(rf"[\[(]%?{r}\b", operands) for r in registers)


def aarch64(name, operands, level):
    if name in ("dmb", "dsb"):
        # ishld orders loads before it with everything after; ishst is less than a release
        return Event("fence", operands in ("ish", "sy", "ishld"), operands in ("ish", "sy"))
    m = re.fullmatch(r"ld(a?)xr[bh]?", name)
    if m:
        return Event("ll", acquire=bool(m.group(1)))
    m = re.fullmatch(r"st(l?)xr[bh]?", name)
    if m:
        return Event("sc", release=bool(m.group(1)))
    m = re.fullmatch(r"(swp|cas|ld(?:add|clr|eor|set))(a?)(l?)[bh]?", name)
    if m:
        # the old value thrown away (a zero register): the acquire is thrown away with it
        old = operands.split(",")[0 if m.group(1) == "cas" else 1].strip()
        return Event("rmw", bool(m.group(2)) and old not in ("wzr", "xzr"), bool(m.group(3)))
    if re.fullmatch(r"st(add|clr|eor|set)l?[bh]?", name):
        return Event("rmw", False, name[3:].rstrip("bh").endswith("l"))
    if re.fullmatch(r"ldap?u?r[bh]?", name) and name.startswith("lda"):
        return Event("load", acquire=True)
    if re.fullmatch(r"stlu?r[bh]?", name):
        return Event("store", release=True)
    if re.match(r"(ld|st)[un]?[rp]", name):
        frame = ["sp"] + (["x29"] if level == "-O0" else [])
        if not stack(operands, frame) and "[x29, #-" not in operands:
            return Event("load" if name.startswith("ld") else "store")
    return None


def riscv64(name, operands, level):
    if name == "fence":
        before, after = (operands.replace(" ", "").split(",") + ["iorw", "iorw"])[:2] if operands else ("rw", "rw")
        return Event("fence", "r" in before and {"r", "w"} <= set(after), {"r", "w"} <= set(before) and "w" in after)
    if name == "fence.tso":
        return Event("fence", True, True)
    base, _, order = name.rpartition(".")
    if order not in ("aq", "rl", "aqrl"):
        base, order = name, ""
    if base in ("lr.w", "lr.d"):
        return Event("ll", acquire="aq" in order)  # LR.rl is no release
    if base in ("sc.w", "sc.d"):
        return Event("sc", release="rl" in order)  # SC.aq is no acquire
    if base.startswith("amo"):
        return Event("rmw", "aq" in order, "rl" in order)
    if re.fullmatch(r"c?\.?(l[bhwd]u?|s[bhwd])(sp)?", name):
        if not stack(operands, ["sp"] + (["s0", "fp"] if level == "-O0" else [])):
            return Event("load" if "l" in name[:3] else "store")
    return None


def arm(name, operands, level):
    name = re.sub(r"(eq|ne|cs|cc|hs|lo|hi|ls|ge|lt|gt|le|mi|pl)?(\.[nw])?$", "", name)
    if name in ("dmb", "dsb"):
        return Event("fence", operands in ("ish", "sy"), operands in ("ish", "sy"))  # ishst is less than a release
    if name in ("ldrex", "ldaex"):
        return Event("ll", acquire=name == "ldaex")
    if name in ("strex", "stlex"):
        return Event("sc", release=name == "stlex")
    if name in ("lda", "stl"):
        return Event("load", acquire=True) if name == "lda" else Event("store", release=True)
    if re.match(r"(ld|st)r", name) and not stack(operands, ["sp", "pc"]):
        return Event("load" if name.startswith("ld") else "store")
    return None


def ppc64(name, operands, level):
    if name in ("sync", "hwsync", "lwsync"):
        return Event("fence", True, True)
    if name == "isync":
        return Event("fence", True, False)  # behind the branch on what was loaded
    if name in ("lwarx", "ldarx"):
        return Event("ll")
    if name in ("stwcx.", "stdcx."):
        return Event("sc")
    if re.fullmatch(r"(l[bhwd][az]?u?x?|st[bhwd]u?x?)", name) and not stack(operands, ["1"]):
        return Event("load" if name.startswith("l") else "store")
    return None


def s390x(name, operands, level):
    """Every plain access is an acquire or a release already, and a compare and swap is both."""
    if name == "bcr":
        return Event("fence", True, True)
    if re.fullmatch(r"cs[yg]?|csst|la(a|al|n|o|x)g?", name):
        return Event("rmw", True, True)
    if not re.search(r"\(%r\d+\)|\(%r\d+,%r\d+\)", operands) or name.startswith("la") or \
            re.search(r"[(,]%r15\)", operands):
        return None
    if re.fullmatch(r"(as|ags|als|algs)i|[nox]iy?", name):
        return Event("torn")
    if re.match(r"(st|mv)", name):
        return Event("store", release=True)
    return Event("load", acquire=True) if re.match(r"(l|c|tm|icm)", name) else None


def x86_64(name, operands, level):
    """Every plain access is an acquire or a release already, and every locked one is both."""
    memory = "(" in operands and not name.startswith(("lea", "nop")) and "%cs:" not in operands
    if name in ("mfence", "lfence", "sfence"):
        return Event("fence", True, True)
    if name.startswith("lock "):
        return Event("rmw", True, True)
    if not memory:
        return None
    if name.startswith("xchg"):
        return Event("rmw", True, True)
    if re.match(r"(cmpxchg|xadd)", name):
        return Event("rmw", False, False)  # without lock: not even atomic
    if stack(operands, ["rsp", "esp"] + (["rbp"] if level == "-O0" else [])):
        return None
    if operands.endswith(")") and not name.startswith(("cmp", "test")):
        # more than a move would be two accesses, neither of them locked
        return Event("store" if name.startswith("mov") else "torn", release=True)
    return Event("load", acquire=True)


def wasm32(name, operands, level):
    """The orders are in the atomic opcodes only: a plain access is none."""
    m = re.fullmatch(r"i(?:32|64)\.(atomic\.)?(load|store|rmw)[\w.]*", name)
    return m and (Event(m.group(2), True, True) if m.group(1) else Event("plain"))


READ = {"aarch64": aarch64, "arm": arm, "ppc64": ppc64, "riscv32": riscv64, "riscv64": riscv64, "s390x": s390x,
        "wasm32": wasm32, "x86": x86_64, "x86_64": x86_64}
ACCESS = {"load": ("load", "rmw"), "store": ("store", "rmw"), "exchange": ("rmw", "ll", "sc"),
          "cas": ("rmw", "ll", "sc"), "fetch": ("rmw", "ll", "sc")}


def missing(site, events):
    """What one copy of an operation lacks: a set of 'access', 'acquire', 'release'. A plain access among
    those of a compare-exchange is the caller's `expected`, which is not atomic."""
    lacks = set()
    kinds = ACCESS[site.operation]
    accesses = [i for i, e in enumerate(events) if e.kind in kinds]
    seen = {events[i].kind for i in accesses}
    if not (seen - {"ll", "sc"} or {"ll", "sc"} <= seen) or any(e.kind == "torn" for e in events):
        lacks.add("access")
    for n, i in enumerate(accesses):
        kind = events[i].kind
        start = accesses[n - 1] + 1 if n else 0
        end = accesses[n + 1] if n + 1 < len(accesses) else len(events)
        if kind == "ll" and end < len(events) and events[end].kind == "sc":
            end = accesses[n + 2] if n + 2 < len(accesses) else len(events)  # the pair is one access
        if kind == "sc" and n and events[accesses[n - 1]].kind == "ll":
            start = accesses[n - 2] + 1 if n > 1 else 0
        before = any(e.kind == "fence" and e.release for e in events[start:i])
        after = any(e.kind == "fence" and e.acquire for e in events[i + 1:end])
        if site.acquire and kind in ("load", "ll", "rmw") and not (events[i].acquire or after):
            lacks.add("acquire")
        if site.release and kind in ("store", "sc", "rmw") and not (events[i].release or before):
            lacks.add("release")
    return lacks
