# SPDX-License-Identifier: MIT OR Apache-2.0
"""
Usage: vector.py DIRECTORY. Does a trap meet a user's vector registers? With STRENGTH=normal every system but Linux is
compiled by one compiler for one CPU.

A kernel may destroy vector state at a trap that the instruction does not name (include/valet_sys.h).
So the loops of codegen/vector.c are compiled with the vector flags of each CPU, with the library in
every form in which a compiler sees both: one file with VALET_STATIC, and link-time optimisation. In
what comes out, disassembled:

  - a trap is in a function of the system (valet_sys_*) and in no other, least of all the user's;
  - over each call of a function no vector register is live: on aarch64 no predicate and no v or z,
    but for the low 64 bits of v8 to v15, which the ABI makes a function keep; on riscv64 also not vl
    and vtype; on x86_64 and x86 no xmm, ymm, zmm or mask; on arm no d but for d8 to d15; on ppc64 no
    half of a vs but for v20 to v31 and the upper halves of vs14 to vs31; on s390x no half of a v but
    for the left ones of v8 to v15;
  - nor is the CPU in SME's streaming mode there;
  - nor is such a register live over a trap, where the library has vectors of its own, but for what
    kernels keep: on aarch64 128 bits of each (arch/aarch64.h), on x86_64, x86, arm, ppc64 and s390x
    all (arch/x86_64.h and so on).

Live is what some path reads before it writes it. Where an instruction is not known to write the
whole of its first operand, it counts as one that reads it, too: that can only report too much.
A form in which a function of the user has no vector instruction, or no call of the library, fails:
that would be a look at nothing. Then faults are planted, and must be reported.
"""
import collections
import functools
import multiprocessing.pool
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

sys.path.append(os.path.join(os.path.dirname(__file__), "../lib"))
from systems import ROWS

passed = failed = skipped = 0


def say(word, text, details=()):
    print(f"{word:8}{text}", flush=True)
    for line in list(details)[:20]:
        print("        " + line)


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


# ---- What an instruction does ---------------------------------------------------------------------
# Each function: name, operands -> (registers read, registers written). "z3" is all of a vector
# register on aarch64 beyond its low 128 bits, "d3" is the lower half of these and "q3" the upper.

def split(operands):
    """At the commas that are in no bracket."""
    return [o.strip() for o in re.split(r",(?![^\[{(]*[\]})])", operands)] if operands else []


def aarch64_registers(operand):
    found = set()
    for first, last in re.findall(r"\b[zv](\d+)\.\w+-[zv](\d+)\.\w+", operand):  # a list, {z0.s-z3.s}
        for n in range(int(first), int(last) + 1):
            found |= {f"z{n}", f"q{n}", f"d{n}"}
    for kind, number, shape in re.findall(r"\b([pzvqdshb])(\d+)(?:\.(\w+))?\b", operand):
        if kind == "p":
            found.add(f"p{number}")
            continue
        found.add(f"d{number}")
        if kind in "zq" or kind == "v" and shape not in ("8b", "4h", "2s", "1d"):
            found.add(f"q{number}")
        if kind == "z":
            found.add(f"z{number}")
    return found


# Which write the whole of their first operand, where it is not merged (p0/m) or one element (v0.s[1]).
AARCH64_WRITES = re.compile(
    r"f?mov|movi|mvni|movprfx|dup|index|ptrues?|pfalse|while\w+|punpk\w+|uunpk\w+|sunpk\w+|rdffrs?|sel"
    r"|ld(nt|ff|nf)?[1-4]r?q?[bhwdq]?|ld1s[bhw]|ld1r\w*|ldff1s[bhw]|ldu?r|ldn?p|[su]cvtf|fcvt\w*"
    r"|f?(add|sub|mul|neg|abs|max|min|div|sqrt|maxnm|minnm|nmul)|orr|and|eor|bic|not|cnot"
    r"|lsl|lsr|asr|s?shll?2?|ushll?2?"
    r"|sxtl2?|uxtl2?|xtn|ext|rev\w*|zip[12]|uzp[12]|trn[12]|tbl|cm\w+|fcm(eq|gt|ge|lt|le|ne|uo)"
    r"|ands|orrs|bics|eors|nots|movs"
    r"|brk[ab]|addp|faddp|addv|umull2?|smull2?|saddv|uaddv|faddv|[su]qadd|[su]qsub")


def aarch64(name, operands):
    parts = split(operands)
    if not parts or name in ("b", "bl") or name.startswith("b."):
        return set(), set()
    first, rest = aarch64_registers(parts[0]), set().union(*map(aarch64_registers, parts[1:]))
    if name in ("setffr", "wrffr"):
        return first | rest, {"ffr"}
    reads = rest | ({"ffr"} if name.startswith(("ldff", "ldnf", "rdffr")) else set())
    if name in ("ldp", "ldnp"):
        return reads - aarch64_registers(parts[1]), whole(first | aarch64_registers(parts[1]))
    merges = "/m" in operands or re.search(r"\[\d+\]$", parts[0])
    if AARCH64_WRITES.fullmatch(name) and not merges and not name.startswith("st"):
        return reads, whole(first)
    return reads | first, set()


def whole(registers):
    """A write of any part makes the rest zero."""
    return registers | {k + r[1:] for r in registers if r[0] == "d" for k in "qz"}


# vl and vtype are one, "vl". Who reads neither: moves of whole registers.
RISCV_WHOLE = re.compile(r"v[ls]\dr(e\d+)?\.v|vmv\dr\.v")
RISCV_READS = re.compile(r"vs(e|se|uxei|oxei|seg|sseg|uxseg|oxseg|m|\dr)\d*.*"
                         r"|v(n?m[as][acu][cbd]\w*|w?n?macc\w*|fw?n?m(acc|sac|add|sub))\..*"
                         r"|vw?macc\w*\..*|vslideup\..*|vcompress\..*|v\w*red\w*\..*|vf?mv\.s\.\w|vm(sb|si|so)f.*")


def riscv64(name, operands):
    if not re.match(r"v[a-z]", name):
        return ({"vl"} if re.search(r"\bv(l|type|csr|start)\b", operands) else set()), set()
    if name.startswith("vset"):
        # "vsetvli zero, zero" keeps vl
        return ({"vl"} if operands.startswith("zero,zero") else set()), {"vl"}
    parts = split(operands)
    all_of = [set(re.findall(r"\bv\d+\b", p)) for p in parts]
    rest = set().union(*all_of[1:]) | (set() if RISCV_WHOLE.fullmatch(name) else {"vl"})
    if RISCV_READS.fullmatch(name) or "v0.t" in operands:
        return rest | all_of[0], set()
    return rest, all_of[0]


X86_READS = re.compile(r"vf(n?m|m)(add|sub|addsub|subadd)\w*|vpternlog\w*|vperm[it]2\w*|vpdp\w*"
                       r"|v?p?gather\w*|vpgather\w*|vgather\w*"
                       r"|kortest\w*|ktest\w*|vu?comis[sd]|v?ptest")
SSE_WRITES = re.compile(r"mov(aps|apd|ups|upd|dqa|dqu|d|q|ss|sd)|cvt\w+|pshuf[dhl]\w*|lddqu|sqrt[sp][sd]")


def x86_registers(operand):
    return {f"v{n}" for n in re.findall(r"\b[xyz]mm(\d+)\b", operand)} | set(re.findall(r"\bk[0-7]\b", operand))


def x86_64(name, operands):
    parts = split(operands)
    if not parts:
        return set(), set()
    mask = set(re.findall(r"\{(k[1-7])\}", parts[0]))
    target = x86_registers(re.sub(r"\{.*?\}", "", parts[0]))
    rest = set().union(*map(x86_registers, parts[1:])) | mask
    if re.search("xor|pternlog", name) and len(set(parts[-3 if "ternlog" in name else -2:-1] + [parts[1]])) == 1 \
            and (len(parts) > 2 or parts[0] == parts[1]):
        return set(), target  # zeros, or ones
    merges = mask and "{z}" not in parts[0]
    if "[" in parts[0] or merges or X86_READS.fullmatch(name):
        return rest | x86_registers(parts[0]), set()
    if name.startswith("v") or name.startswith("k") or SSE_WRITES.fullmatch(name):
        return rest, target
    return rest | target, set()


# On arm: d0 to d31. A name that ends in a condition may do nothing, and is not known then.
CONDITION = "(eq|ne|cs|cc|hs|lo|hi|ls|ge|lt|gt|le|mi|pl|vs|vc)?"
ARM_WRITES = re.compile(
    r"v(mov[ln]?|mvn|dup|ld1|ldr|ldm(ia|db)?|pop|add[lwh]?n?|sub[lwh]?n?|mull?|neg|abs|cvt|shll?|shr|shrn|and|orr|orn"
    r"|eor|bic|ext|rev\d+|max|min|ceq|cge|cgt|cle|clt|padd|pmax|pmin|recpe|recps|rsqrte|rsqrts|qadd|qsub|div|sqrt)"
    r"(\.\w+)*")


def arm_registers(operand):
    found = set()
    for first, last in re.findall(r"\bd(\d+)-d(\d+)", operand):
        found |= {f"d{n}" for n in range(int(first), int(last) + 1)}
    for kind, number in re.findall(r"\b([qds])(\d+)\b", operand):
        n = int(number)
        found |= {f"d{2 * n}", f"d{2 * n + 1}"} if kind == "q" else {f"d{n if kind == 'd' else n // 2}"}
    return found


def arm(name, operands):
    parts = split(operands)
    if not parts or not name.startswith("v"):
        return set(), set()
    if re.match(r"vldm", name):
        return set(), arm_registers(parts[1])
    if re.match(r"v(st|push|cmp|tst|mrs)", name):
        return arm_registers(operands), set()
    first, rest = arm_registers(parts[0]), set().union(*map(arm_registers, parts[1:]))
    if re.match(r"veor", name) and len(set(parts)) == 1:
        return set(), first  # zeros
    if ARM_WRITES.fullmatch(name) and not re.search(r"\bs\d|\[\d+\]", parts[0]):
        return rest, first
    return rest | first, set()


# On ppc64: the halves of vs0 to vs31, of which f0 to f31 are the upper ones; vs32 to vs63 are v0 to v31. Who reads
# the first operand, and who only reads.
PPC64_MERGES = re.compile(r"x[vs]n?m(add|sub)[am]\w+|x?xinsert\w+|vinsert\w+")
PPC64_READS = re.compile(r"st\w+|mfv\w+|fcmp\w|x[vs]cmp\w+|x[vs]tst\w+|mtfs\w+")


def ppc64_registers(operand):
    found = set()
    for kind, number in re.findall(r"\b(vs|v|f)(\d+)\b", operand):
        n = int(number)
        if kind == "v" or n >= 32:
            found.add(f"v{n % 32}")
        else:
            found |= {f"f{n}"} | ({f"w{n}"} if kind == "vs" else set())
    return found


def ppc64(name, operands):
    parts = split(operands)
    if not parts:
        return set(), set()
    first, rest = ppc64_registers(parts[0]), set().union(*map(ppc64_registers, parts[1:]))
    if PPC64_MERGES.fullmatch(name) or PPC64_READS.fullmatch(name):
        return first | rest, set()
    if re.search("xor", name) and len(parts) == 3 and parts[1] == parts[2]:
        return set(), first  # zeros
    return rest, first | {f"w{r[1:]}" for r in first if r[0] == "f"}  # of f, what is beside it is undefined then


# On s390x: the left and right halves of v0 to v31, of which f0 to f15 are the left ones. Who writes an element, or
# only reads; the rest of the names in v writes all of its first operand, and these loads a left half.
S390X_READS = re.compile(r"vlei?[bhfg]|vlvg[bhfg]|vst\w*|vlgv\w|ve[ck]\w*|vtm|wf[ck]\w+")
S390X_LOADS = re.compile(r"l[de]y?|ld[er]|ler|lz[de]r|ldgr|ldebr?|ledbra?|c[de][fg]bra?|l[cpn]d[bf]r|sq[de]br")


def s390x_registers(operand):
    found = set()
    for kind, number in re.findall(r"%([vf])(\d+)\b", operand):
        found |= {f"f{number}"} | ({f"w{number}"} if kind == "v" else set())
    return found


def s390x(name, operands):
    parts = split(operands)
    if not parts:
        return set(), set()
    if name in ("vlm", "vstm"):
        first, last = (int(re.search(r"\d+", p).group()) for p in parts[:2])
        several = {f"{half}{n}" for n in range(first, last + 1) for half in "fw"}
        return (set(), several) if name == "vlm" else (several, set())
    first, rest = s390x_registers(parts[0]), set().union(*map(s390x_registers, parts[1:]))
    if re.fullmatch(r"vx|vno", name) and parts[1:] == [parts[1]] * 2:
        return set(), first  # zeros
    if S390X_READS.fullmatch(name) or not (name.startswith("v") or S390X_LOADS.fullmatch(name)):
        return first | rest, set()
    return rest, first


class CPU:
    def __init__(self, objdump, effects, trap, call, jump, end, lost, kept_by_traps=r"never"):
        self.objdump, self.effects, self.lost = objdump, effects, lost
        self.lost_in_traps = {r for r in lost if not re.match(kept_by_traps, r)}
        self.trap, self.call, self.jump, self.end = map(re.compile, (trap, call, jump, end))


CPUS = {
    "aarch64": CPU(["aarch64-linux-gnu-objdump"], aarch64, r"svc", r"blr?", r"b(\..*)?|cbn?z|tbn?z|br",
                   r"b|br|ret|brk|udf",
                   {f"{k}{n}" for k in "zqp" for n in range(32)} | {f"d{n}" for n in range(32) if not 8 <= n <= 15}
                   | {"ffr"},
                   kept_by_traps=r"[qd]"),
    "riscv64": CPU(["riscv64-linux-gnu-objdump"], riscv64, r"ecall", r"jalr?", r"j|jr|b.*", r"j|jr|ret|ebreak|unimp",
                   {f"v{n}" for n in range(32)} | {"vl"}),
    "x86_64": CPU(["objdump", "-Mintel"], x86_64, r"syscall|int|sysenter", r"call", r"j.*", r"jmp|ret|ud2|hlt",
                  {f"v{n}" for n in range(32)} | {f"k{n}" for n in range(8)}, kept_by_traps=r"."),
    "x86": CPU(["objdump", "-Mintel"], x86_64, r"syscall|int|sysenter", r"call", r"j.*", r"jmp|ret|ud2|hlt",
               {f"v{n}" for n in range(8)} | {f"k{n}" for n in range(8)}, kept_by_traps=r"."),
    # "ret": what takes the PC from the stack, see disassemble
    "arm": CPU(["arm-linux-gnueabihf-objdump"], arm, r"svc|swi", rf"blx?{CONDITION}(\.n|\.w)?",
               rf"b{CONDITION}(\.n|\.w)?|cbn?z", r"b(\.n|\.w)?|bx|ret|udf|bkpt",
               {f"d{n}" for n in range(32) if not 8 <= n <= 15}, kept_by_traps=r"."),
    "ppc64": CPU(["powerpc64le-linux-gnu-objdump"], ppc64, r"sc|scv", r"bl|bctrl",
                 r"b|b(eq|ne|lt|gt|le|ge|so|ns|un|nu|dnz|dz)[+-]?", r"b|blr|bctr|trap",
                 {f"w{n}" for n in range(32)} | {f"f{n}" for n in range(14)} | {f"v{n}" for n in range(20)},
                 kept_by_traps=r"."),
    "s390x": CPU(["s390x-linux-gnu-objdump"], s390x, r"svc", r"brasl?|basr?",
                 r"jg?n?[ehlzopm]*|br\w*ct\w*|cl?g?[ri]j\w+", r"jg?|br",
                 {f"{half}{n}" for half in "fw" for n in range(32)} - {f"f{n}" for n in range(8, 16)},
                 kept_by_traps=r"."),
}

Instruction = collections.namedtuple("Instruction", "at function name operands target text")


def disassemble(cpu, linked):
    found, function = [], None
    for line in run([*cpu.objdump, "-d", "--no-show-raw-insn", linked]).splitlines():
        m = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if m:
            function = m.group(1)
            continue
        m = re.match(r"\s*([0-9a-f]+):\s+(?:(?:bnd|notrack|lock|rep\w*|data16|cs|ds|addr32|\{\w+\})\s+)*"
                     r"(\S+)\s*(.*?)\s*$", line)
        if not m:
            continue
        at, name, operands = m.groups()
        operands = re.sub(r"\s*//.*", "", operands)
        target = re.search(r"([0-9a-f]+) <[^>]*>$", operands)
        operands = re.sub(r"\s*#\s.*| <.*", "", operands)
        if (name, operands) in (("fence", "w,unknown"), (".word", "0x0100000f"), (".4byte", "0x100000f")):
            name, operands = "pause", ""  # of RISC-V, by tools that do not know it
        elif cpu in (CPUS["arm"], CPUS["ppc64"]) and re.match(r"\.(word|short|byte|long|quad)$", name):
            continue  # constants, behind a function
        elif cpu is CPUS["arm"] and re.match(r"(pop|ldm\w*|ldr)(\.w)?$", name) and re.search(r"\bpc\}|^pc,", operands):
            name = "ret"
        elif name.startswith(".") or re.search(r"unknown|\(bad\)|undefined", line):
            raise RuntimeError(f"the disassembler does not know: {function}: {line.strip()}")
        found.append(Instruction(int(at, 16), function, name, operands, int(target.group(1), 16) if target else None,
                                 line.strip()))
    return found


def examine(name, linked):
    """(what was looked at, faults, what there was not to look at)"""
    cpu = CPUS[name]
    code = disassemble(cpu, linked)
    index = {c.at: n for n, c in enumerate(code)}
    effects = [cpu.effects(c.name, c.operands) for c in code]
    for n, one in enumerate(code):  # s390x: an element that is soon in each place of its register
        element = re.fullmatch(r"(%v\d+),.*,(\d+)", one.operands) if re.fullmatch("vlvg[bhfg]", one.name) else None
        two = next((c for c in code[n + 1:n + 4] if element and element.group(1) in split(c.operands)), None)
        if two and (two.name, two.operands) == (f"vrep{one.name[-1]}", "{0},{0},{1}".format(*element.groups())):
            effects[n] = (set(), s390x_registers(element.group(1)))
    traps = [n for n, c in enumerate(code) if cpu.trap.fullmatch(c.name)]
    calls = [n for n, c in enumerate(code) if cpu.call.fullmatch(c.name)]
    # A call that leads to no trap loses nothing: gcc may know that and keep registers over it.
    names = {c.at: c.function for c in reversed(code)}
    leads = {code[n].function for n in traps}
    edges = {(c.function, names[c.target]) for c in code if c.target in names}
    while more := {caller for caller, callee in edges if callee in leads} - leads:
        leads |= more
    harmless = {n for n in calls if traps and names.get(code[n].target, code[n].function) not in leads}
    lost = {n: cpu.lost for n in calls if n not in harmless} | {n: cpu.lost_in_traps for n in traps}
    faults = []

    after = []
    for n, c in enumerate(code):
        next_ones = []
        if cpu.jump.fullmatch(c.name) and n not in lost:
            if c.target in index:
                next_ones.append(index[c.target])
            else:
                faults.append(f"{c.function}: a jump to nowhere known: {c.text}")
        if not cpu.end.fullmatch(c.name) and n + 1 < len(code):
            next_ones.append(n + 1)
        after.append(next_ones)

    before_of = [[] for _ in code]
    for n, next_ones in enumerate(after):
        for m in next_ones:
            before_of[m].append(n)
    live = [frozenset()] * len(code)  # before each
    work = collections.deque(range(len(code) - 1, -1, -1))
    queued = set(work)
    while work:
        n = work.popleft()
        queued.discard(n)
        out = set().union(*(live[m] for m in after[n])) if after[n] else set()
        reads, writes = effects[n]
        now = frozenset((out - writes - lost.get(n, frozenset())) | reads)
        if now != live[n]:
            live[n] = now
            for m in before_of[n]:
                if m not in queued:
                    queued.add(m)
                    work.append(m)

    # Streaming mode: into every instruction to which some path from an smstart leads
    streaming = set()
    starts = [n for n, c in enumerate(code) if c.name == "smstart" and c.operands != "za"]
    work = collections.deque(m for n in starts for m in after[n])
    while work:
        n = work.popleft()
        if n not in streaming:
            streaming.add(n)
            if not (code[n].name == "smstop" and code[n].operands != "za"):
                work.extend(after[n])

    for n in sorted(lost):
        c = code[n]
        if n in streaming:
            faults.append(f"{c.function}: streaming mode at {'a trap' if n in traps else 'the call'}: {c.text}")
        over = set().union(*(live[m] for m in after[n])) & lost[n] if after[n] else set()
        if over:
            where = "a trap" if n in traps else "the call"
            faults.append(f"{c.function}: {', '.join(sorted(over))} live over {where}: {c.text}")

    # Functions: gcc's user_x.cold is part of user_x.
    vectors = collections.Counter(c.function.split(".")[0] for c, (r, w) in zip(code, effects) if wide(name, r | w, c))
    called = collections.Counter()
    for n in calls:
        callee = names.get(code[n].target)
        if callee and not callee.startswith("user_"):
            called[code[n].function.split(".")[0]] += 1
    users = {c.function.split(".")[0] for c in code if c.function.startswith("user_")}
    with_traps = {code[n].function for n in traps}
    faults += [f"{f}: a trap in it, which is no system's" for f in sorted(with_traps)
               if not re.match(r"valet_(sys|openbsd)_", f)]
    nothing = [f"{f}: no vector instruction" for f in sorted(users) if not vectors[f]]
    if not with_traps & users:
        nothing += [f"{f}: no call" for f in sorted(users) if not called[f]]
    if not users:
        nothing.append("no function of the user")
    if not traps:
        nothing.append("no trap")
    looked = f"{len(users)} functions, {sum(vectors[f] for f in users)} vector instructions," \
        f" {sum(called[f] for f in users)}" \
        f" calls of the library there, {len(traps)} traps in {len(with_traps)} functions"
    return looked, faults, nothing


def wide(name, registers, c):
    """Of the vector extension itself, not of the CPU's floating point."""
    if name == "aarch64":
        return bool(re.search(r"\b[zp]\d", c.operands)) or c.name == "smstart"
    if name in ("x86_64", "x86"):
        return bool(re.search(r"\b[yz]mm|\bk[0-7]\b", c.operands))
    if name == "arm":
        return bool(re.search(r"\bq\d", c.operands)) or c.name.startswith(("vld1", "vst1"))
    if name == "ppc64":
        return bool(re.search(r"\bvs?\d", c.operands))
    if name == "s390x":
        return bool(re.search(r"%v\d", c.operands))
    return bool(registers)


# ---- What is compiled -----------------------------------------------------------------------------

TRIPLE = {"x86": "i686-linux-gnu", "arm": "arm-linux-gnueabihf", "ppc64": "powerpc64le-linux-gnu"}
TRIPLE |= {c: f"{c}-linux-gnu" for c in CPUS if c not in TRIPLE}
GCC = {c: f"{t}-gcc" for c, t in TRIPLE.items()} | {"x86_64": "gcc"}
CLANG = {c: f"clang --target={t} -isystem /usr/{t}/include" for c, t in TRIPLE.items()}
for compilers in GCC, CLANG:
    compilers["aarch64"] += " -mno-outline-atomics"
    compilers["x86"] += " -fno-pic"  # else each function calls for its own address
EMULATION = {"aarch64": "aarch64linux", "riscv64": "elf64lriscv", "x86_64": "elf_x86_64", "x86": "elf_i386",
             "arm": "armelf_linux_eabi", "ppc64": "elf64lppc"}
LD = {c: ["ld.lld", "-m", emulation] for c, emulation in EMULATION.items()}
# On arm LLD fills a gap with what reads as a branch; s390x it has from 18 on.
LD |= {c: [f"{TRIPLE[c]}-ld"] for c in ("arm", "s390x")}
FLAGS = "-std=c11 -O3 -ffreestanding -fno-stack-protector -ffunction-sections -fno-jump-tables".split()
Machine = collections.namedtuple("Machine", "cpu compiler flags linker", defaults=[""])
# LLVM 14 makes vectors for RISC-V only when told; its linker takes neither CPU nor ABI from what it links.
LLVM_RISCV = "-mllvm -scalable-vectorization=on -mllvm -riscv-v-vector-bits-min=128"
MACHINES = [
    Machine("aarch64", "gcc", "-march=armv8.4-a+sve -mtune=a64fx"),  # else gcc 14 prefers NEON
    Machine("aarch64", "clang", "-march=armv8.4-a+sve"),
    Machine("riscv64", "gcc", "-march=rv64gcv"),
    Machine("riscv64", "clang", f"-march=rv64gcv {LLVM_RISCV}",
            f"{LLVM_RISCV} -mllvm -target-abi=lp64d -mllvm -mattr=+m,+a,+f,+d,+c,+v"),
    Machine("x86_64", "gcc", "-march=x86-64-v4 -mprefer-vector-width=512"),
    Machine("x86_64", "clang", "-march=x86-64-v4 -mprefer-vector-width=512"),
]
MORE_MACHINES = [Machine("aarch64", "gcc", "-march=armv9-a -mtune=a64fx"),
                 Machine("aarch64", "clang", "-march=armv8.4-a+sve2")]
# For Linux only. NEON is not IEEE 754: so compilers take it for float only when they may.
LINUX_MACHINES = [
    Machine("x86", "gcc", "-march=skylake-avx512 -mprefer-vector-width=512 -mfpmath=sse"),
    Machine("x86", "clang", "-march=skylake-avx512 -mprefer-vector-width=512"),
    Machine("arm", "gcc", "-march=armv7-a+simd -mfloat-abi=hard -ffast-math"),
    Machine("arm", "clang", "-march=armv7-a -mfpu=neon -ffast-math"),
    Machine("ppc64", "gcc", "-mcpu=power9"),
    Machine("ppc64", "clang", "-mcpu=pwr9"),
    Machine("s390x", "gcc", "-march=z14"),
]
STREAMING = Machine("aarch64", "clang", "-march=armv9-a+sme")
# Systems that trap: kind, and CPUs
SYSTEMS = {name: (ROWS[name][0], sorted(ROWS[name][2])) for name in (
    "linux", "freebsd", "netbsd", "netbsd_park", "openbsd", "redox", "cloudabi", "darwin", "dragonfly", "illumos")}
KINDS = {"static": "VALET_STATIC", "target": "VALET_STATIC, vectors by the user's attribute",
         "lto": "LTO", "lto-vector": "LTO, the library with these flags"}
# The attribute of a user's function in a file that is compiled without vectors; for riscv64 no compiler here has it.
TARGETS = {("aarch64", "gcc"): "+sve,tune=a64fx", ("aarch64", "clang"): "sve",
           ("x86_64", "gcc"): "arch=x86-64-v4,prefer-vector-width=512",
           ("x86_64", "clang"): "avx512f,avx512vl"}

# Faults in the library: (pattern, what replaces it), each at most once in a file
NEVER_INLINED = (r"#define VALET_SYS_CALL VALET_SYS_NOIPA VALET_UNPROTECTED", "#define VALET_SYS_CALL")
NO_LIST = (r"#if defined (?:__ARM_FEATURE_SVE|__riscv_vector .*)", "#if 0")
INLINED = {"VALET_SYS_CALL is empty": [NEVER_INLINED]}
INLINED_UNLISTED = {"VALET_SYS_CALL is empty, and no trap says what it loses": [NEVER_INLINED, NO_LIST]}
INLINED_CLOCK = (r"VALET_SYS_CALL (static uint64_t valet_sys_clock)\b", r"\1")
UNLISTED = {"two traps in one function, and none says what it loses": [INLINED_CLOCK, NO_LIST]}
NOIPA = (r"__attribute__\(\(noipa\)\)", "__attribute__((noinline))")
NOINLINE = {"VALET_SYS_CALL is noinline": [NOIPA]}
# ... and in the loops of vector.c: the call
CALL = "(void)(call);"



def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def loops():
    return Path("test/codegen/vector.c").read_text(encoding="utf-8")


def with_faults(texts, faults):
    """The texts with each fault in one of them at least"""
    for name, changes in faults.items():
        places = 0
        for old, new in changes:
            done = [re.subn(f"(?m)^{old}$" if old.startswith("#") else old, new, text) for text in texts]
            texts = [text for text, _ in done]
            places += sum(count for _, count in done)
        if places == 0:
            raise ValueError(f"no place to plant: {name}")
    return texts


WRITING = threading.Lock()


@functools.cache
def one_file(top, system, cpu, spin):
    here = f"{top}/one-{system}-{cpu}-{spin}"
    os.makedirs(here)
    run([sys.executable, "-BS", "core/amalgamate.py", ".", system, SYSTEMS[system][0], f"{system}.c", cpu, str(spin),
         "0", f"{here}/valet.c", f"{here}/valet.h", f"{here}/valet.d"])
    return here


class Form:
    """A program of the user's, the library, and what makes them one."""

    def __init__(self, top, machine, system="linux", kind="static", faults=None, source=None, user=""):
        self.user = user
        self.machine, self.system, self.kind, self.faults = machine, system, kind, faults or {}
        self.cpu, self.compiler = machine.cpu, machine.compiler
        self.source = source or loops()
        self.command = {"gcc": GCC, "clang": CLANG}[self.compiler][self.cpu].split() + FLAGS
        if self.compiler == "gcc":
            self.command.append("-fno-ipa-icf")  # functions that do the same stay two
        self.spin = 1 if system == "linux" and self.cpu not in ("arm", "x86") else 0
        flag = machine.flags.split()[0]
        self.title = f"{self.cpu}, {self.compiler} {flag}, {system}, {KINDS[kind]}"
        self.directory = os.path.abspath(f"{top}/{len(os.listdir(top))}-{self.cpu}-{self.compiler}-{system}-{kind}")
        os.makedirs(self.directory)

    def compile(self, source, output, *more):
        run([*self.command, *more, "-c", source, "-o", f"{self.directory}/{output}"])
        return f"{self.directory}/{output}"

    def amalgamate(self):
        """The one file in this directory, its headers in another one"""
        with WRITING:
            headers = one_file(os.path.dirname(self.directory), self.system, self.cpu, self.spin)
        text = Path(f"{headers}/valet.c").read_text(encoding="utf-8")
        write(f"{self.directory}/valet.c", with_faults([text], self.faults)[0])
        return headers

    def build(self):
        here, flags = self.directory, self.machine.flags.split()
        write(f"{here}/user.c", self.source)
        if self.kind in ("static", "target"):
            headers = self.amalgamate()
            if self.kind == "target":
                flags = [f'-DUSER=__attribute__((target("{TARGETS[self.cpu, self.compiler]}")))']
            elif self.user:
                flags.append(f"-DUSER={self.user}")
            return self.link([self.compile(f"{here}/user.c", "user.o", *flags, "-DVALET_STATIC", f"-I{headers}",
                                           f'-DVALET_C="{here}/valet.c"')])
        include = [f"-I{here}", "-I.", "-Iinclude"]
        objects = [self.compile(f"{here}/user.c", "user.o", *flags, *include, "-flto",
                                f"-DUSER=__attribute__((used)) {self.user}")]
        more = ["-O2", "-flto", f"-DVALET_SPIN={self.spin}", *include, *(flags if self.kind == "lto-vector" else [])]
        headers = ["include/valet_sys.h", f"arch/{self.cpu}.h"]
        if self.cpu.startswith("riscv"):
            headers.append("arch/riscv.h")
        texts = [Path(file).read_text(encoding="utf-8") for file in headers]
        for file, text in zip(headers, with_faults(texts, self.faults)):
            write(f"{here}/{os.path.basename(file) if file.startswith('include') else file}", text)
        kind = SYSTEMS[self.system][0]
        for file in f"core/park_{kind}", f"core/waiters_{kind}", f"core/futex_{kind}", "core/now", f"sys/{self.system}":
            objects.append(self.compile(f"{file}.c", os.path.basename(file) + ".o", *more))
        return self.link(objects)

    def link(self, objects):
        here = self.directory
        if self.system == "darwin":  # what libSystem has
            write(f"{here}/system.c", "unsigned long clock_gettime_nsec_np(int c) { return (unsigned long)c; }\n")
            objects = [*objects, self.compile(f"{here}/system.c", "system.o")]
        lto = self.kind.startswith("lto")
        if self.compiler == "gcc" and lto:
            run([*GCC[self.cpu].split(), "-O3", "-flto", "-nostdlib", "-static", "-Wl,-e,0", *objects, "-o",
                 f"{here}/linked"])
        else:
            # -X: without the local labels, which would pass for functions
            more = ["--lto-O3", *self.machine.linker.split()] if lto else []
            ld = ["ld.lld", "-m", EMULATION[self.cpu]] if lto else LD[self.cpu]
            run([*ld, "-X", "-e", "0", *more, *objects, "-o", f"{here}/linked"])
        return f"{here}/linked"

    def examine(self):
        return examine(self.cpu, self.build())

    def check(self):
        looked, faults, nothing = self.examine()
        return not faults + nothing, f"{self.title}: {looked}", faults + nothing

    def must_report(self, what, *patterns):
        """Each pattern among the faults"""
        _, faults, nothing = self.examine()
        missing = [f"not reported: {p}" for p in patterns if not any(re.search(p, f) for f in faults + nothing)]
        said = f"planted in {self.title}: {what}: {len(faults + nothing)} reports"
        return not missing, said, missing + faults + nothing


# ---- Registers, instruction by instruction ---------------------------------------------------------
# Functions of a few instructions around a call, each named by what must be reported: user_REGISTERS_..., or
# user_none_...

CALLS = {
    "aarch64": """
.arch armv8.4-a+sve2
.macro f name, before, after, more
user_\\name: stp x29, x30, [sp, #-16]!
\\before
bl valet_library
\\after
\\more
ldp x29, x30, [sp], #16
ret
.endm
valet_library: ret
f p0_kept, "ptrue p0.s", "ld1w {z0.s}, p0/z, [x0]"
f z1_d1_q1_kept, "mov z1.s, s0", "add z0.s, z1.s, z1.s"
f d1_q1_neon, "movi v1.4s, #0", "str q1, [x0]"
f none_d8, "fmov d8, d0", "str d8, [x0]"
f q8_neon, "fmov d8, d0", "str q8, [x0]"
f z8_q8_whole, "mov z8.s, s0", "str z8, [x0]"
f none_made_anew, "ptrue p0.s", "ptrue p0.s", "ld1w {z0.s}, p0/z, [x0]"
f z0_d0_q0_p1_merged, "ptrue p1.s", "add z0.s, p1/m, z0.s, z0.s"
f z2_d2_q2_z3_d3_q3_accumulated, "mov z3.s, s0", "smlalb z2.s, z3.h, z3.h"
f d4_q4_one_element, "movi v4.4s, #0", "mov v4.s[1], w0", "str q4, [x0]"
f none_lower_half_is_whole, "mov z5.s, s0", "fmov s5, w0", "str z5, [x0]"
f ffr_first_fault, "setffr", "rdffr p0.b"
user_p2_one_path: stp x29, x30, [sp, #-16]!
ptrue p2.s
1: bl valet_library
cbz x0, 2f
ld1w {z0.s}, p2/z, [x1]
2: mov z0.s, #0
cbnz x1, 1b
ldp x29, x30, [sp], #16
ret
user_none_other_path: stp x29, x30, [sp, #-16]!
ptrue p2.s
cbz x0, 1f
bl valet_library
b 2f
1: mov z0.s, #0
ld1w {z0.s}, p2/z, [x1]
2: ldp x29, x30, [sp], #16
ret
""",
    "riscv64": """
.option arch, +v
.macro f name, before, after, more
user_\\name: addi sp, sp, -16
sd ra, 8(sp)
\\before
call valet_library
\\after
\\more
ld ra, 8(sp)
addi sp, sp, 16
ret
.endm
valet_library: ret
f v8_kept, "vid.v v8", "vsetvli a0, zero, e32, m1, ta, ma", "vadd.vx v9, v8, a0"
f vl_length, "vsetvli a0, zero, e32, m1, ta, ma", "vmv.v.i v8, 0"
f vl_kept_length, "vsetvli a0, zero, e32, m1, ta, ma", "vsetvli zero, zero, e64, m2, ta, ma"
f v8_whole_register, "vid.v v8", "vs1r.v v8, (a0)"
f none_made_anew, "vid.v v8", "vsetivli zero, 4, e32, m1, ta, ma", "vmv.v.i v8, 0"
f v0_v8_masked, "vid.v v8", "vsetivli zero, 4, e32, m1, ta, ma", "vmv.v.i v9, 0 ; vadd.vi v8, v9, 1, v0.t"
f v8_accumulated, "vid.v v8", "vsetivli zero, 4, e32, m1, ta, ma", "vmv.v.i v9, 0 ; vmacc.vv v8, v9, v9"
f v8_stored, "vid.v v8", "vsetivli zero, 4, e32, m1, ta, ma", "vse32.v v8, (a0)"
f none_spilled, "vs1r.v v8, (sp)", "vl1r.v v8, (sp)", "vsetivli zero, 4, e32, m1, ta, ma ; vse32.v v8, (a0)"
""",
    "x86_64": """
.intel_syntax noprefix
.macro f name, before, after, more
user_\\name: push rax
\\before
call valet_library
\\after
\\more
pop rax
ret
.endm
valet_library: ret
f v1_kept, "vbroadcastss zmm1, xmm0", "vaddps zmm0, zmm1, [rdi]"
f v17_high, "vbroadcastss zmm17, xmm0", "vmovups [rdi], zmm17"
f k1_mask, "kxnorw k1, k1, k1", "vmovups zmm0{k1}{z}, [rdi]"
f none_zero, "vbroadcastss zmm1, xmm0", "vpxor xmm1, xmm1, xmm1", "vmovups [rdi], zmm1"
f none_made_anew, "vbroadcastss zmm1, xmm0", "vbroadcastss zmm1, dword ptr [rdi]", "vmovups [rdi], zmm1"
f k1_v1_merged, "kxnorw k1, k1, k1", "vmovups zmm1{k1}, [rdi]"
f v1_v2_accumulated, "vbroadcastss zmm1, xmm0", "vfmadd213ps zmm1, zmm2, [rdi]"
f v3_sse, "movaps xmm3, xmm0", "addps xmm3, [rdi]"
""",
    "arm": """
.syntax unified
.arch armv7-a
.fpu neon
.thumb
.macro f name, before, after, more
user_\\name: push {r3, lr}
\\before
bl valet_library
\\after
\\more
pop {r3, pc}
.endm
valet_library: bx lr
f d16_d17_kept, "vdup.32 q8, r0", "vst1.32 {d16-d17}, [r0]"
f none_callees_q4, "vdup.32 q4, r0", "vst1.32 {d8-d9}, [r0]"
f d0_scalar, "vmov.f32 s0, #1.0", "vstr s0, [r0]"
f none_made_anew, "vdup.32 q8, r0", "vdup.32 q8, r0", "vst1.32 {d16-d17}, [r0]"
f none_zero, "vdup.32 q8, r0", "veor q8, q8, q8", "vst1.32 {d16-d17}, [r0]"
f d16_d17_d18_d19_accumulated, "vdup.32 q9, r0", "vmla.f32 q8, q9, q9"
f d20_one_element, "vdup.32 d20, r0", "vmov.32 d20[1], r0", "vstr d20, [r0]"
f none_loaded_list, "vdup.32 q8, r0", "vldmia r0, {d16-d17}", "vst1.32 {d16-d17}, [r0]"
f d30_d31_added, "vdup.32 q15, r0", "vadd.i32 q0, q15, q15"
""",
    "ppc64": """
.machine power9
.macro f name, before, after, more
user_\\name: mflr 0
stdu 1, -112(1)
\\before
bl valet_library
\\after
\\more
addi 1, 1, 112
mtlr 0
blr
.endm
valet_library: blr
f v2_kept, "vspltisw 2, 1", "vadduwm 3, 2, 2"
f none_callees_v20, "vspltisw 20, 1", "vadduwm 3, 20, 20"
f f1_w1_kept, "lxvx 1, 0, 3", "stxvx 1, 0, 3"
f w14_half, "lxvx 14, 0, 3", "stxvx 14, 0, 3"
f none_callees_f14, "lfd 14, 0(3)", "stfd 14, 0(3)"
f none_made_anew, "vspltisw 2, 1", "vspltisw 2, 1", "vadduwm 3, 2, 2"
f none_zero, "lxvx 1, 0, 3", "xxlxor 1, 1, 1", "stxvx 1, 0, 3"
f f0_w0_f2_w2_accumulated, "lxvx 2, 0, 3", "xvmaddasp 0, 2, 2"
f f3_scalar, "lfd 3, 0(3)", "fadd 4, 3, 3"
f v1_by_its_other_name, "vspltisw 1, 1", "stxvx 33, 0, 3"
""",
    "s390x": """
.machine z14
.macro f name, before, after, more
user_\\name: stmg %r14, %r15, 112(%r15)
aghi %r15, -160
\\before
brasl %r14, valet_library
\\after
\\more
lmg %r14, %r15, 272(%r15)
br %r14
.endm
valet_library: br %r14
f f0_w0_kept, "vrepif %v0, 1", "vaf %v1, %v0, %v0"
f f24_w24_high, "vrepif %v24, 1", "vst %v24, 0(%r2)"
f w8_half, "vl %v8, 0(%r2)", "vst %v8, 0(%r2)"
f none_callees_f8, "ld %f8, 0(%r2)", "std %f8, 0(%r2)"
f f0_scalar, "ld %f0, 0(%r2)", "std %f0, 0(%r2)"
f none_made_anew, "vrepif %v0, 1", "vrepif %v0, 1", "vst %v0, 0(%r2)"
f f2_w2_one_element, "vrepif %v2, 1", "vlvgf %v2, %r2, 1", "vst %v2, 0(%r2)"
f none_replicated, "vrepif %v2, 1", "vlvgf %v2, %r2, 1", "vrepf %v2, %v2, 1"
f f2_w2_replicated, "vrepif %v2, 1", "vlvgf %v2, %r2, 1", "vrepf %v2, %v2, 2"
f none_several, "vlm %v0, %v3, 0(%r2)", "vlm %v0, %v3, 0(%r2)", "vst %v3, 0(%r2)"
f f4_w4_f6_w6_multiplied, "vrepif %v4, 1", "vfmasb %v0, %v4, %v6, %v4"
""",
}
CALLS["x86"] = CALLS["x86_64"].replace("rax", "eax").replace("rdi", "edi").replace("17", "7")


def registers(top, cpu):
    """That each of these functions, and no other, is reported, with exactly these registers"""
    here = f"{top}/registers-{cpu}"
    text = CALLS[cpu]
    write(f"{here}.s", ".text\n" + text)
    run([*GCC[cpu].split(), *(["-march=rv64gcv"] if cpu == "riscv64" else []), "-c", f"{here}.s", "-o", f"{here}.o"])
    run([*LD[cpu], "-X", "-e", "0", f"{here}.o", "-o", here])
    _, faults, _ = examine(cpu, here)
    found = {}
    for fault in faults:
        m = re.match(r"(user_\w+): (.*) live over the call", fault)
        if m:
            found[m.group(1)] = set(m.group(2).split(", "))
    wrong = []
    names = re.findall(r"(?m)^(?:f |user_)(\w+)", text)
    for name in names:
        expected = set(re.findall(r"(?:^|_)((?:[zqdpvkfw]\d+|ffr|vl)(?=_))", name))
        if found.get(f"user_{name}", set()) != expected:
            wrong.append(f"{name}: reported: {', '.join(sorted(found.get(f'user_{name}', set()))) or 'nothing'}")
    said = f"planted for {cpu}: {len(names)} calls, in {len(found)} of which registers are live"
    return not wrong and len(names) > 7, said, wrong


def vectorizes(machine):
    """Whether this compiler makes vectors of a loop with these flags"""
    command = {"gcc": GCC, "clang": CLANG}[machine.compiler][machine.cpu].split()
    loop = "void f(float *a, float x, int n) { for (int i = 0; i < n; i++) a[i] += x; }"
    done = subprocess.run([*command, "-O3", *machine.flags.split(), "-S", "-xc", "-", "-o", "-"], input=loop, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    return re.search(r"\bz\d+\.s|\bvset\w+|\bzmm|\bq\d+\b|\bxvaddsp|\bvfasb", done.stdout) is not None


def outcomes(job):
    try:
        return job()
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        return False, "a check that could not be made", str(problem).splitlines()


def jobs(top, deep):
    known, clang = [], int(run(["clang", "-dumpversion"]).split(".")[0])
    for machine in MACHINES + MORE_MACHINES + LINUX_MACHINES:
        if vectorizes(machine):
            known.append(machine)
            continue
        command = {"gcc": GCC, "clang": CLANG}[machine.compiler][machine.cpu].split()[0]
        version = run([command, "--version"]).splitlines()[0]
        yield "skipped", f"{machine.cpu}, {machine.compiler} {machine.flags.split()[0]}: no vectors from {version}"
    for n, (system, (_, cpus)) in enumerate(SYSTEMS.items()):
        machines = [m for m in known if m.cpu in cpus and (system == "linux" or m in MACHINES)]
        for machine in machines if deep or system == "linux" else [machines[n % len(machines)]]:
            all_kinds = system == "linux" and (deep or machine not in LINUX_MACHINES)
            kinds = ["static", "lto", "lto-vector"] if all_kinds else \
                ["static", "lto-vector"] if system == "netbsd_park" else ["static"]
            if (machine.cpu, machine.compiler) in TARGETS and machine in MACHINES and system == "linux":
                kinds.append("target")
            if (machine.cpu, machine.compiler) == ("ppc64", "clang"):
                kinds = ["static"]  # LLD 14 has no .TOC. for what link-time optimisation makes
            for kind in kinds:
                yield "check", Form(top, machine, system, kind).check

    # SME: functions that run in streaming mode
    probe = subprocess.run([*CLANG["aarch64"].split(), STREAMING.flags, "-xc", "-c", "-", "-o", "/dev/null"], text=True,
                           input="__arm_locally_streaming void f(void) {}", stderr=subprocess.DEVNULL, timeout=60)
    if probe.returncode == 0:
        for kind in ("static", "lto"):
            yield "check", Form(top, STREAMING, kind=kind, user="__arm_locally_streaming").check
        yield "check", lambda: Form(top, STREAMING, user="__arm_locally_streaming", source=loops().replace(
            CALL, f'{CALL} __asm__ volatile("svc #0");')).must_report(
                "a trap in the loop", "^user_sum_unpark: streaming mode at a trap")
    else:
        yield "skipped", f"aarch64, SME: no streaming functions in {run(['clang', '--version']).splitlines()[0]}"

    yield from (("check", lambda cpu=cpu: registers(top, cpu)) for cpu in CPUS)
    # What must be seen in a loop with a trap in it
    live = {"aarch64": [r"^user_sum_unpark: .*\bp\d.* live over a trap",
                        r"^user_\w+_unpark: .*\bz\d.* live over a trap"],
            "riscv64": [r"^user_index_unpark: .*\bv\d.* live over a trap",
                        r"^user_kept_store_and_wake: .*\bv\d.* live over a trap"],
            "x86_64": [], "x86": [], "arm": [], "ppc64": [], "s390x": []}
    for machine in known:
        if machine in MORE_MACHINES:
            continue
        of_linux = machine in LINUX_MACHINES
        # clang 19 leaves out of a loop here what 14 has in it.
        trap = r"^user_sum_\w+: a trap in it" if of_linux else "^user_sum_unpark: a trap in it"
        # No compiler here inlines into a RISC-V function that has more extensions.
        riscv = machine.cpu == "riscv64"
        other = ("lto-vector", INLINED_UNLISTED) if riscv else ("lto", INLINED)
        for kind, faults in (("static", INLINED_UNLISTED), other)[:1 if of_linux else 2]:
            yield "check", lambda m=machine, k=kind, f=faults: Form(top, m, kind=k, faults=f).must_report(
                *f, trap, *live[m.cpu])
        if machine.compiler == "gcc" and not riscv and not of_linux:  # where gcc 14 keeps no vector register either
            register = "z" if machine.cpu == "aarch64" else "v"
            yield "check", lambda m=machine, r=register: Form(top, m, kind="lto", faults=NOINLINE).must_report(
                *NOINLINE, rf"^user_kept_unpark: .*\b{r}\d.* live over the call")
        if riscv and machine.compiler == "clang" and clang != 14:
            yield "skipped", f"planted in riscv64, clang, netbsd_park: clang {clang} keeps nothing over that call"
        elif riscv:
            yield "check", lambda m=machine: Form(top, m, "netbsd_park", faults=UNLISTED).must_report(
                *UNLISTED, r"^valet_sys_sema_wait: v\d.* live over a trap")
    plain = Machine("aarch64", "gcc", "-march=armv8-a")
    yield "check", lambda: Form(top, plain).must_report("flags without vectors",
                                                        "^user_sum_unpark: no vector instruction")
    yield "check", lambda: Form(top, known[0], source=loops().replace(CALL, "(void)p;")).must_report(
        "no call", "^user_sum_unpark: no call")


def main(top, deep):
    global passed, failed, skipped
    os.makedirs(top, exist_ok=True)
    found = list(jobs(top, deep))
    for kind, text in found:
        if kind == "skipped":
            skipped += 1
            say(kind, text)
    checks = [job for kind, job in found if kind == "check"]
    for right, text, details in multiprocessing.pool.ThreadPool(2).imap(outcomes, checks):
        if right:
            passed += 1
        else:
            failed += 1
        say("ok" if right else "FAILED", text, [] if right else details)
    print(f"vector: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ.get("STRENGTH", "deep") == "deep"))
