"""Yosys in processes of its own: Verilog in, mapped modules out."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from accelgen.cache import cache_directory, cached, hash_of
from accelgen.errors import ToolError
from accelgen.scratch import scratch_directory
from accelgen.synthesis.blocks import own_blocks, read_hierarchy
from accelgen.synthesis.delays import NET, delays_verilog

__all__ = ["map_modules"]

#: Run the commands given as arguments, in order.
_RUN = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""
#: Yosys 0.70 fails on wires that are driven bit by bit and never read: they are purged first.
_PREPARE = (
    "read_verilog -sv {source}", "hierarchy -top {top}", "proc", "opt_clean -purge",
    # Registers of wires to keep, which otherwise are merged with their copies.
    "setattr -set keep 1 w:* a:keep=true %i %ci1 t:$*dff* %i",
    "setattr -mod -set keep_hierarchy 1 {blocks}", "flatten", "opt_clean -purge",
    "write_rtlil {out}",
)  # fmt: skip
#: A top that holds one of each block keeps them all. Cells of the family are read once.
_SYNTH = "synth_xilinx -family {family} -noiopad -noclkbuf -top all_blocks"
_MAP = ("read_rtlil {source}", _SYNTH, "write_json {out}")
#: The same for UltraScale+, with its delays in place of Yosys's, which are those of Artix-7.
_MAP_PLUS = (
    "read_rtlil {source}", f"{_SYNTH} -run begin:prepare",
    "read_verilog -lib -specify -overwrite {delays}",
    f"scratchpad -set synth_xilinx.abc9.W {NET}",
    f"{_SYNTH} -run prepare:", "write_json {out}",
)  # fmt: skip
#: Characters of RTLIL mapped in one run: some passes take time with all of it for each block.
_BATCH = 700_000

_MODULE = re.compile(r"^module (\\\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r"^ *attribute \\(?:src|hdlname) .*\n", re.MULTILINE)
_PORT = re.compile(r"^  wire .*(?:in|out)put .*\n", re.MULTILINE)
#: Names Yosys made up, with line and running numbers in them.
_MADE_UP = re.compile(r"(?<=[\s{])\$(?:\S*\$\S*|\d+)")


def map_modules(
    verilog: str, *, top: str, family: str, flat: bool = False
) -> dict[str, dict[str, Any]]:
    """Netlists of the blocks of a design (``write_json``), mapped by ``synth_xilinx`` one by one.

    Logic is not optimized across the borders of blocks (:func:`~.own_blocks`); with ``flat`` the
    design is a single block, which takes several times as long. A block that was mapped before
    comes from the cache.

    Raises
    ------
    ToolError
        pyosys is missing or fails.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise ToolError("synthesis needs pyosys: pip install pyosys, or 'accelgen[synth]'")
    blocks = [top] if flat else own_blocks(read_hierarchy(verilog, top))
    with scratch_directory() as temporary:
        source, out = temporary / "top.v", temporary / "blocks.il"
        source.write_text(verilog)
        _yosys(_PREPARE, source=source, out=out, top=top, blocks=" ".join(blocks))
        texts = {
            m[1].lstrip("\\"): _SOURCE.sub("", m[2]) for m in _MODULE.finditer(out.read_text())
        }
    inputs = {name: _block_text(name, texts) for name in blocks if name in texts}
    version = metadata.version("pyosys")
    shelf = cache_directory() / "mapped"
    how = (*_MAP_PLUS, delays_verilog()) if family == "xcup" else _MAP
    keys = {name: hash_of(text, family, version, *how) for name, text in inputs.items()}
    missing = {name: text for name, text in inputs.items() if not (shelf / keys[name]).is_dir()}
    stubs = {name: _stub(name, text) for name, text in texts.items()}
    for batch in _batches(missing):
        others = [stub for name, stub in stubs.items() if name not in batch]
        _map_batch(batch, others, family, {name: shelf / keys[name] for name in batch})
    return {
        name: json.loads((shelf / key / "block.json").read_text()) for name, key in keys.items()
    }


def _block_text(name: str, texts: Mapping[str, str]) -> str:
    """RTLIL of a block, the same whenever the block is: without lines and running numbers."""
    numbers: dict[str, str] = {}
    own = _MADE_UP.sub(lambda m: numbers.setdefault(m[0], f"$made_up${len(numbers)}"), texts[name])
    return f"module \\{name}\n{own}end\n"


def _stub(name: str, text: str) -> str:
    """A block as one that holds it needs to know it."""
    return f"attribute \\blackbox 1\nmodule \\{name}\n{''.join(_PORT.findall(text))}end\n"


def _batches(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    batch: dict[str, str] = {}
    for name, text in texts.items():
        if batch and sum(map(len, batch.values())) + len(text) > _BATCH:
            yield batch
            batch = {}
        batch[name] = text
    if batch:
        yield batch


def _map_batch(
    batch: Mapping[str, str], others: Iterable[str], family: str, entries: Mapping[str, Path]
) -> None:
    """Map ``batch`` in one run of Yosys; netlists go to ``entries``."""
    instances = "".join(
        f"  attribute \\keep 1\n  cell \\{name} \\block{n}\n  end\n" for n, name in enumerate(batch)
    )
    with scratch_directory() as temporary:
        source = temporary / "batch.il"
        source.write_text(
            "".join([*batch.values(), *others, f"module \\all_blocks\n{instances}end\n"])
        )
        out, delays = temporary / "batch.json", temporary / "delays.v"
        delays.write_text(delays_verilog())
        commands = _MAP_PLUS if family == "xcup" else _MAP
        _yosys(commands, source=source, out=out, family=family, delays=delays)
        modules = json.loads(out.read_text())["modules"]
        for name, entry in entries.items():
            module = modules[name]

            def make(where: Path, module: Any = module) -> None:
                (where / "block.json").write_text(json.dumps(module))

            cached(entry.parent, entry.name, make)


def _yosys(commands: Iterable[str], **values: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *(command.format(**values) for command in commands)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        said = [line for line in lines if "ERROR" in line] or lines[-1:]
        raise ToolError(f"Yosys failed with status {done.returncode}: {' '.join(said)}")
