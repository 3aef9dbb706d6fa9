"""AArch64 instructions as objdump prints them: what they are, read and write."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Instruction", "loops_of", "parse"]


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Parameters
    ----------
    mnemonic, operands : str
    kind : str
        "arithmetic" (vector), "insert" (general to vector register), "extract", "vector load",
        "vector store", "load" (prefetch included), "store", "integer", "branch".
    wide : bool
        Vector arithmetic on 128 bits, operands or result.
    data_bytes : int
        Bytes loaded or stored.
    reads, writes : frozenset of str
        "v0".., "x0".., "flags".
    """

    mnemonic: str
    operands: str
    kind: str
    wide: bool
    data_bytes: int
    reads: frozenset[str]
    writes: frozenset[str]

    @property
    def memory(self) -> bool:
        """Takes the load/store unit."""
        return "load" in self.kind or "store" in self.kind


_WIDE = re.compile(r"\bv\d+\.(16b|8h|4s|2d)\b|\bq\d+\b")
_REGISTER = re.compile(r"\b([vqdshbxw])(\d+)\b")
_SPAN = re.compile(r"v(\d+)\.(\w+)\s*-\s*v(\d+)\.\w+")
_BRANCH = re.compile(r"^(b|b\..+|cbn?z|tbn?z|bl|blr|br|ret)$")
# Mnemonics whose destination is a source too.
_ACCUMULATE = re.compile(r"^[su](ml[as]l2?|adalp|aba|sra)|^f?ml[as]$|^(tbx|bsl|bit|bif|ins|movk)$")
_UPPER_HALF = re.compile(r"(xtn|xtun|shrn|shrun)2$")
_READS_FLAGS = re.compile(r"^(b\.|cs|cinc|cset|cneg|ccmp|adc|sbc|fcsel)")
_WRITES_FLAGS = re.compile(r"^(adds|subs|ands|cmp|cmn|tst|ccmp|fcmpe?)$")
_BYTES = {"b": 1, "h": 2, "s": 4, "d": 8, "q": 16, "w": 4, "x": 8}


def parse(line: str) -> Instruction:
    """An instruction: mnemonic, white space, operands; a comment after // is dropped."""
    mnemonic, _, operands = line.split("//")[0].strip().partition("\t")
    if not operands:
        mnemonic, _, operands = mnemonic.partition(" ")
    operands = operands.strip()
    kind = _kind(mnemonic, operands)
    reads, writes = _registers(mnemonic, operands, kind)
    return Instruction(
        mnemonic, operands, kind, bool(_WIDE.search(operands)), _data_bytes(operands, kind),
        reads, writes,
    )  # fmt: skip


def _kind(mnemonic: str, operands: str) -> str:
    if _BRANCH.match(mnemonic):
        return "branch"
    vector = re.match(r"\{?\s*[vqdshb]\d", operands) is not None
    if mnemonic.startswith(("ld", "prfm")):
        return "vector load" if vector else "load"
    if mnemonic.startswith("st"):
        return "vector store" if vector else "store"
    if vector:
        return "insert" if re.search(r"\b[xw](\d|zr)", operands) else "arithmetic"
    return "extract" if re.search(r"\b[vdsh]\d", operands) else "integer"


def _data_bytes(operands: str, kind: str) -> int:
    if "load" not in kind and "store" not in kind:
        return 0
    data = operands.partition("[")[0]
    if span := _SPAN.search(data):
        return ((int(span[3]) - int(span[1])) % 32 + 1) * (16 if _WIDE.search(data) else 8)
    sizes = [_BYTES.get(letter, 0) for letter, _ in _REGISTER.findall(data)]
    if "v" in data:
        return len(sizes) * (16 if _WIDE.search(data) else 8)
    return sum(sizes)


def _names(text: str) -> set[str]:
    names = {("x" if f in "xw" else "v") + n for f, n in _REGISTER.findall(text)}
    for first, _, last in _SPAN.findall(text):
        count = (int(last) - int(first)) % 32 + 1
        names.update(f"v{(int(first) + i) % 32}" for i in range(count))
    return names


def _registers(mnemonic: str, operands: str, kind: str) -> tuple[frozenset[str], frozenset[str]]:
    data, bracket, address = operands.partition("[")
    memory = ("load" in kind or "store" in kind) and bool(bracket)
    if memory:
        moved = _names(data) if not mnemonic.startswith("prfm") else set[str]()
        reads, writes = _names(address), set[str]()
        (writes if "load" in kind else reads).update(moved)
        if "]!" in address or re.search(r"\],", address):  # writes its address back
            writes.update(_names(address.split("]")[0].split(",")[0]))
    elif kind == "branch" or mnemonic in ("cmp", "cmn", "tst", "ccmp", "fcmp", "fcmpe"):
        reads, writes = _names(operands), set()
    else:
        target, _, rest = operands.partition(",")
        reads, writes = _names(rest), _names(target)
        element = re.match(r"v\d+\.\w+\[", target) is not None
        if element or _ACCUMULATE.match(mnemonic) or _UPPER_HALF.search(mnemonic):
            reads |= writes
    if _READS_FLAGS.match(mnemonic):
        reads.add("flags")
    if _WRITES_FLAGS.match(mnemonic):
        writes.add("flags")
    return frozenset(reads), frozenset(writes)


def loops_of(disassembly: str, function: str) -> list[tuple[Instruction, ...]]:
    """Innermost loops of a function in ``objdump -d --no-show-raw-insn``'s text, in order."""
    body: list[tuple[int, str]] = []
    inside = False
    for line in disassembly.splitlines():
        if header := re.match(r"[0-9a-f]+ <(.+)>:", line):
            inside = header[1] == function
        elif inside and (code := re.match(r"\s+([0-9a-f]+):\s+(.*)", line)):
            body.append((int(code[1], 16), code[2]))
    places = {address: i for i, (address, _) in enumerate(body)}
    found: list[tuple[int, int]] = []
    for i, (_, text) in enumerate(body):
        branch = re.match(r"(?:b|b\.\w+|cbn?z|tbn?z)\s.*?([0-9a-f]+) <", text)
        if branch and (start := places.get(int(branch[1], 16), len(body))) <= i:
            found.append((start, i))
    inner = [
        (a, b)
        for a, b in found
        if not any(a <= c and d <= b and (a, b) != (c, d) for c, d in found)
    ]
    return [tuple(parse(text) for _, text in body[a : b + 1]) for a, b in inner]
