"""The driver in C: against registers in C, sanitized and as NEON code, and on the hardware."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.flow import driven, packages
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.program import pack_tensor
from accelgen.program.places import two_places
from accelgen.ps.runner import CROSS, missing_tools
from accelgen.simulation.check import golden_tensors
from tests.helpers.parts_net import package_in_parts
from tests.helpers.several_inputs import given, late, save_given

MODELS = Path(__file__).parents[1] / "models"
FAKE = Path(__file__).with_name("fake_board.c")
KINDS = {"twin": (), "sanitized": ("SANITIZE=address,undefined",), "qemu": (f"CROSS={CROSS}",)}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """trained_fmnist_effse with its last layer on the PS: directory, compiled network, pictures."""
    where = tmp_path_factory.mktemp("c") / "package"
    hardware = accelgen.target(preset="small")
    compiled = accelgen.compile(
        MODELS / "trained_fmnist_effse.onnx", hardware, fc_on="ps",
        calib=MODELS / "trained_fmnist_effse_test.npz",
    )  # fmt: skip
    packages.build(compiled, where, program_only=True)
    data = np.load(MODELS / "trained_fmnist_effse_test.npz")
    x = (data["x_uint8"][:5] / data["divisor"] - data["mean"]) / data["std"]
    return where, compiled, x.astype(np.float32)


def frames_file(compiled, x):
    """What ``fake_board.c`` reads."""
    graph, rows = compiled.model.graph, []
    places = two_places(compiled.parts, graph.model_outputs())
    table = []
    for part in places.parts:
        table += [len(part.inputs[0]), len(part.outputs[0])]
        both = ((*part.inputs[k], *part.outputs[k]) for k in (0, 1))
        for first, second in zip(*both, strict=True):
            table += [first.offset, second.offset, first.size_bytes]
    x = x if isinstance(x, dict) else {graph.input: x}
    count = len(x[graph.input])
    for i in range(count):
        real = {name: v[i : i + 1].transpose(0, 2, 3, 1) for name, v in x.items()}
        values = interpret(graph, real)
        for part in compiled.parts:  # what only its program has, too
            values |= golden_tensors(part, {p.tensor: values[p.tensor] for p in part.inputs})
        planes = b"".join(x[name][i].tobytes() for name in graph.inputs)
        maps = b"".join(
            pack_tensor(values[p.tensor].reshape(p.shape), p, part.program.arch)
            for part in places.parts
            for p in (*part.inputs[0], *part.outputs[0])
        )
        results = b"".join(np.ascontiguousarray(y).tobytes()
                           for y in model_outputs(graph, values).values())  # fmt: skip
        row = planes + maps + results
        rows.append(row + bytes(-len(row) % 8))
        head = [count, len(places.parts), len(planes) // 4, len(results)]
    return struct.pack(f"<{len(head + table)}Q", *head, *table) + b"".join(rows)


def make(package, out, *targets, kind="twin"):
    return subprocess.run(
        ["make", "-s", "-C", str(package / "c"), f"OUT={out}", *KINDS[kind], *targets],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def in_parts(tmp_path_factory):
    """A network with the PS in the middle twice: as ``package``."""
    compiled, where, x = package_in_parts(tmp_path_factory.mktemp("c") / "parts")
    return where, compiled, x


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A network with two inputs, the second of them read in its last part: as ``package``."""
    where = tmp_path_factory.mktemp("c")
    model = late()
    net, calib = save_given(model, where)
    compiled = accelgen.compile(net, accelgen.target(preset="small"), calib=calib)
    packages.build(compiled, where / "package", calib=calib, program_only=True)
    return where / "package", compiled, given(model, 5, seed=3)


@pytest.mark.parametrize(
    ("which", "kind"),
    [
        *(("package", kind) for kind in KINDS),
        *((which, kind) for which in ("in_parts", "several") for kind in ("sanitized", "qemu")),
    ],
)
def test_frames_faults_and_recovery(request, which, tmp_path, kind):
    if lack := missing_tools(kind):
        pytest.skip(f"{lack} (NEON code runs under qemu: issue 4)")
    where, compiled, x = request.getfixturevalue(which)
    copy = tmp_path / "package"
    shutil.copytree(where, copy)
    shutil.copy(FAKE, copy / "c")
    (tmp_path / "frames").write_bytes(frames_file(compiled, x))
    out = tmp_path / "build"

    built = make(copy, out, f"{out}/fake_board", kind=kind)
    assert (built.returncode, built.stderr) == (0, "")
    emulator = ["qemu-aarch64"] if kind == "qemu" else []
    done = subprocess.run(
        [*emulator, str(out / "fake_board"), str(copy), str(tmp_path / "frames")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    name = "neon" if kind == "qemu" else "portable"
    assert done.stdout == f"{name}: all right\n"


@pytest.mark.parametrize("kind", ["twin", "qemu"])
def test_the_example_builds_without_a_warning_and_says_what_it_wants(package, tmp_path, kind):
    if lack := missing_tools(kind):
        pytest.skip(f"{lack} (NEON code runs under qemu: issue 4)")

    built = make(package[0], tmp_path, kind=kind)

    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    emulator = ["qemu-aarch64"] if kind == "qemu" else []
    for arguments, status, sentence in (
        ((), 2, "usage: "),
        ((str(package[0]), "x.npy", "/dev/no-such-uio"), 1, "cannot open the registers"),
    ):
        done = subprocess.run(
            [*emulator, str(tmp_path / "classify"), *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status
        assert sentence in done.stderr


SCRIPT = '''
"""The C driver on a board's registers and memory, through ctypes."""
import ctypes as c, subprocess
import numpy as np, pynq
from driver.library import _Output, load_library

subprocess.run(["make", "-s", "-C", "c"], check=True)
library = c.CDLL("c/build/libaccelgen.so")
library.accelgen_error.restype = c.c_char_p
library.accelgen_output.restype = c.POINTER(_Output)
READ = c.CFUNCTYPE(c.c_uint32, c.c_void_p, c.c_uint32)
WRITE = c.CFUNCTYPE(None, c.c_void_p, c.c_uint32, c.c_uint32)
WAIT = c.CFUNCTYPE(None, c.c_void_p, c.c_int)
RANGE = c.CFUNCTYPE(None, c.c_void_p, c.c_size_t, c.c_size_t)
CLOSE = c.CFUNCTYPE(None, c.c_void_p)

class Board(c.Structure):
    _fields_ = [
        ("self", c.c_void_p), ("read", READ), ("write", WRITE), ("window", c.c_void_p),
        ("wait", WAIT), ("flush", RANGE), ("invalidate", RANGE), ("close", CLOSE),
        ("memory", c.c_void_p), ("address", c.c_uint64), ("bytes", c.c_size_t),
    ]

registers = pynq.Overlay("accelgen.bit").accelgen_0.mmio.array
memory = pynq.allocate(1 << 24, np.uint8)
board = Board(
    None, READ(lambda _, o: registers[o // 4]),
    WRITE(lambda _, o, v: registers.__setitem__(o // 4, v)), None, c.cast(None, WAIT),
    RANGE(lambda _, o, n: memory[o:o + n].flush()),
    RANGE(lambda _, o, n: memory[o:o + n].invalidate()), c.cast(None, CLOSE), memory.ctypes.data,
    memory.device_address, memory.size)

def check(status):
    assert status == 0, library.accelgen_error()

a = c.c_void_p()
check(library.accelgen_open(c.byref(a), c.byref(board), b"."))
with np.load("expected.npz") as stored:
    x, want = np.ascontiguousarray(stored["input_float"]), stored["output_0"]
def is_right():
    y = library.accelgen_output(a, 0).contents
    got = np.ctypeslib.as_array(c.cast(y.values, c.POINTER(c.c_float)), (y.count,))
    return got.tobytes() == want.tobytes()
for place in (0, 1):
    check(library.accelgen_put(a, c.c_void_p(x.ctypes.data), 1, place))
check(library.accelgen_start(a, 0))
check(library.accelgen_turn(a, 1, 60000))
check(library.accelgen_wait(a, 60000))
for place in (0, 1):
    check(library.accelgen_collect(a, place))
    assert is_right()
check(library.accelgen_start(a, 1))
assert library.accelgen_start(a, 0) == -3
check(library.accelgen_recover(a))
check(library.accelgen_run(a, c.c_void_p(x.ctypes.data), 1))
assert is_right()
library.accelgen_close(a)
print("right")
'''


@pytest.mark.slow
def test_frames_on_the_simulated_hardware(tmp_path):
    hardware = accelgen.target(preset="small")
    compiled = accelgen.compile(
        MODELS / "trained_digits_tiny.onnx", hardware, fc_on="ps",
        calib=MODELS / "trained_digits_tiny_test.npz",
    )  # fmt: skip
    packages.build(compiled, tmp_path / "package", program_only=True)
    (tmp_path / "script.py").write_text(SCRIPT)

    result = driven.run_in_package(tmp_path / "package", tmp_path / "script.py")

    assert result.status == 0, result.output
    assert result.output == "right\n"
    assert result.violations == ()
