"""The package's driver against a board whose accelerator is the golden model."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.deploy import driver
from accelgen.deploy.driver import Accelerator, DriverError, InputError
from accelgen.deploy.driver import library as driver_library
from accelgen.deploy.driver.maps import unpack_map
from accelgen.golden import interpret
from accelgen.golden.arith import quantize_array
from accelgen.ir.views import Choice
from accelgen.program import pack_tensor
from accelgen.program.places import two_places
from tests.deploy.test_package import written
from tests.helpers.fake_board import FakeBoard, expected


def test_a_frame_from_pixels_to_logits(accelerator, digits, pictures):
    for x in pictures:
        name, q, real = expected(digits, x)

        got = accelerator.run(x[None])

        assert got[name].dtype == np.float32
        assert got[name].shape == (1, q.shape[3])
        assert got[name].tobytes() == real.tobytes()
        assert accelerator.collect(0)[name].tobytes() == real.tobytes()


def test_a_network_that_ends_in_argmax_gives_int64(tmp_path, digits, pictures):
    program = digits[1]
    (logits,) = program.graph.model_outputs()
    index = replace(logits, name="top", dtype="int64", choice=Choice(axis=1, keepdims=False))
    program = replace(program, graph=replace(program.graph, views=(index, logits)))
    where = written(tmp_path, program)

    with Accelerator(FakeBoard(program, two_places(program)), where) as made:
        made.load()
        answers = list(made.run_many(pictures))

    assert made.manifest["model_outputs"][0] == {"name": "top", "shape": [1], "dtype": "int64"}
    for x, got in zip(pictures, answers, strict=True):
        name, q, _ = expected(digits, x)
        assert got["top"].dtype == np.int64
        assert got["top"].tolist() == [q.reshape(-1).argmax()]
        assert got["top"] == got[name].argmax()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_many_frames_come_in_order_from_both_places(accelerator, digits, pictures, board, count):
    results = list(accelerator.run_many(iter(pictures[:count])))

    assert len(results) == count
    for x, got in zip(pictures, results, strict=False):
        name, _, real = expected(digits, x)
        assert got[name].tobytes() == real.tobytes()
    assert board.frames == [i % 2 for i in range(count)]


def test_a_frame_runs_while_the_one_before_is_collected(accelerator, pictures, board):
    board.looks = None  # a frame ends when the test says so
    order = []
    start, turn, collect = accelerator.start, accelerator.turn, accelerator.collect
    accelerator.start = lambda k: (order.append("start"), start(k))
    accelerator.turn = lambda k: (order.append("turn"), setattr(board, "left", 1), turn(k))
    accelerator.collect = lambda k: (order.append("collect"), collect(k))[1]

    wait = accelerator.wait
    accelerator.wait = lambda: (order.append("wait"), setattr(board, "left", 1), wait())

    list(accelerator.run_many(pictures[:3]))

    assert order == ["start", "turn", "collect", "turn", "collect", "wait", "collect"]


def test_what_goes_wrong_beside_is_raised_here(accelerator, pictures, monkeypatch):
    def fail(*_):
        raise DriverError("no room")

    monkeypatch.setattr(accelerator._frame, "make_ready", fail)

    with pytest.raises(DriverError, match="no room"):
        list(accelerator.run_many(pictures))


def test_a_wrong_image_among_many_ends_what_runs(accelerator, pictures):
    frames = accelerator.run_many([*pictures[:2], np.zeros((3, 3)), pictures[2]])
    with pytest.raises(InputError, match="not \\(3, 3\\)"):
        list(frames)

    assert len(list(accelerator.run_many(pictures))) == len(pictures)


def test_a_time_out_among_many_is_not_waited_for_twice(accelerator, pictures, board, monkeypatch):
    board.looks = None
    waits = []
    turn = accelerator.turns.turn
    monkeypatch.setattr(accelerator.turns, "turn", lambda *a: (waits.append(a), turn(*a[:2], 0.01)))
    monkeypatch.setattr(accelerator.turns, "wait", waits.append)

    with pytest.raises(DriverError, match="not done"):
        list(accelerator.run_many(pictures))

    assert len(waits) == 1


def test_leaving_early_ends_what_runs(accelerator, digits, pictures):
    frames = accelerator.run_many(pictures)
    next(frames)
    frames.close()

    name, _, real = expected(digits, pictures[3])
    assert accelerator.run(pictures[3])[name].tobytes() == real.tobytes()


def test_every_order_and_type_of_an_input_gives_the_same(accelerator, digits, pictures):
    x = pictures[1]
    hwc = np.ascontiguousarray(x.transpose(1, 2, 0))
    to = digits[0].graph.tensors[digits[0].graph.input].quantization
    wanted = next(iter(accelerator.run(x).values()))

    for given, layout in (
        (x[None], None), (x.astype(np.float64), "chw"), (hwc, "hwc"), (hwc[None], "nhwc"),
        (hwc[::-1][::-1], "HWC"), (quantize_array(hwc, to), None),
        (quantize_array(x, to), "chw"), (quantize_array(hwc, to)[None], "nhwc"),
    ):  # fmt: skip
        got = next(iter(accelerator.run(given, layout=layout).values()))
        assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("given", "layout", "sentence"),
    [
        (np.zeros((8, 8, 1), np.float32), None, r"takes \(1, 1, 8, 8\) in NCHW order, not \(8, 8"),
        (np.zeros((1, 8, 8, 1), np.float32), None, "layout='hwc' or 'chw'"),
        (np.zeros((1, 1, 4, 16), np.float32), None, r"not \(1, 1, 4, 16\)"),
        (np.zeros((2, 1, 8, 8), np.float32), None, r"not \(2, 1, 8, 8\)"),
        (np.zeros((1, 8, 8), np.uint8), None, "not uint8: pictures go through"),
        (np.zeros((1, 8, 8), np.int64), None, "not int64"),
        (np.zeros((1, 8, 8), np.int8), None, r"in NHWC order, not \(1, 8, 8\)"),
        (np.zeros((1, 8, 8), np.float32), "cwh", "layout is nchw, chw, nhwc or hwc, not 'cwh'"),
        ("cat.jpg", None, "takes normalized floats"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_one_sentence(accelerator, board, given, layout, sentence):
    before = bytes(board.buffer.dram)
    with pytest.raises(InputError, match=sentence):
        accelerator.run(given, layout=layout)
    with pytest.raises(ValueError, match=sentence):
        list(accelerator.run_many([given], layout=layout))

    assert bytes(board.buffer.dram) == before


def test_caches_are_cleaned_where_data_is_and_nowhere_else(accelerator, package, board, pictures):
    _, places, _ = package
    board.buffer.log.clear()

    list(accelerator.run_many(pictures[:2]))

    flushed = {(o, n) for what, o, n in board.buffer.log if what == "flush"}
    dropped = {(o, n) for what, o, n in board.buffer.log if what == "invalidate"}
    assert flushed == {(p.offset, p.size_bytes) for p in places.inputs}
    assert dropped == {(p.offset, p.size_bytes) for both in places.outputs for p in both}
    assert len(board.buffer.log) == 4


# Out of turn.


def test_calls_out_of_turn_are_errors(accelerator, pictures, board):
    board.looks = None
    with pytest.raises(DriverError, match="no frame was started"):
        accelerator.wait()
    accelerator.put(pictures[0], 1)
    accelerator.start(1)
    with pytest.raises(DriverError, match="is busy: wait for its frame"):
        accelerator.start(0)
    with pytest.raises(DriverError, match="the frame at place 1 is running"):
        accelerator.collect(1)
    assert not accelerator.done()


def test_an_old_done_is_not_seen(accelerator, pictures, board):
    accelerator.run(pictures[0])
    board.looks = None
    accelerator.start(0)

    assert not accelerator.done()
    with pytest.raises(DriverError, match=r"not done after 0\.01 s"):
        accelerator.wait(timeout_seconds=0.01)


# Faults.


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ("read_response", r"AXI error: a read was refused at address 0xc000 \(master: load"),
        ("write_response", "AXI error: a write was refused"),
        ("outside", "an access outside the image was stopped"),
        ("command", "the program is damaged"),
    ],
)
def test_a_fault_is_named_and_recovered_from(accelerator, digits, pictures, board, cause, sentence):
    board.fault = cause
    with pytest.raises(DriverError, match=sentence):
        accelerator.run(pictures[0])
    with pytest.raises(DriverError, match=rf"the last frame failed \(.*{cause}\).*recover\(\)"):
        accelerator.run(pictures[0])
    board.buffer.dram[:64] = bytes(64)

    accelerator.recover()

    name, _, real = expected(digits, pictures[0])
    assert accelerator.run(pictures[0])[name].tobytes() == real.tobytes()


def test_a_frame_that_hangs_is_aborted(accelerator, digits, pictures, board):
    board.looks = None
    accelerator.put(pictures[0])
    accelerator.start(0)
    with pytest.raises(DriverError, match="not done after"):
        accelerator.wait(timeout_seconds=0.01)
    board.looks = 1

    accelerator.recover()

    name, _, real = expected(digits, pictures[2])
    assert accelerator.run(pictures[2])[name].tobytes() == real.tobytes()


def test_a_fault_among_many_frames_ends_them(accelerator, pictures, board):
    frames = accelerator.run_many(pictures)
    next(frames)
    board.fault = "read_response"
    with pytest.raises(DriverError, match="AXI error"):
        list(frames)

    accelerator.recover()
    assert len(list(accelerator.run_many(pictures))) == len(pictures)


def test_hardware_that_stays_busy_is_said(accelerator, board, pictures, monkeypatch):
    board.looks = None
    accelerator.start(0)
    write = board.write
    monkeypatch.setattr(board, "write", lambda o, v: v & 8 or write(o, v))

    with pytest.raises(DriverError, match=r"memory does not answer .* reset the PL, or load the"):
        accelerator.registers.abort(timeout_seconds=0.01)


def test_closing_ends_what_runs_and_frees_the_memory(package, board, pictures):
    board.looks = None
    with Accelerator(board, package[2]) as accelerator:
        accelerator.load()
        accelerator.put(pictures[0])
        accelerator.start(0)

    assert board.closed
    assert not board.get("status")


# The package.


def test_wrong_hardware_is_named(accelerator, board):
    board.set("config", 0xBAD)
    with pytest.raises(DriverError, match="the bitstream's configuration is 0x00000bad"):
        accelerator.load()
    board.set("id", 0)
    with pytest.raises(DriverError, match="no accelgen accelerator here: id is 0x0"):
        accelerator.load()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("program.bin", b"\1" * 64, r"program\.bin is damaged"),
        ("frame.bin", b"\1" * 64, r"frame\.bin is damaged"),
        ("manifest.json", b'{"format": 1}', "manifest format 1, this driver reads 3"),
        ("manifest.json", b"{}", "not a package made by accelgen build"),
        ("manifest.json", b"{", "not a package made by accelgen build"),
    ],
)
def test_damaged_files_are_named(package, board, tmp_path, name, content, sentence):
    where = tmp_path / "copy"
    shutil.copytree(package[2], where)
    (where / name).write_bytes(content)

    with pytest.raises(DriverError, match=sentence):
        Accelerator(board, where).load()


@pytest.mark.parametrize(("asked", "taken"), [(None, 3), (2, 2)])
def test_threads_are_by_default_those_of_the_estimate(
    package, board, tmp_path, monkeypatch, asked, taken
):
    where = tmp_path / "copy"
    shutil.copytree(package[2], where)
    manifest = json.loads((where / "manifest.json").read_text())
    manifest["hardware"]["ps_threads"] = 3
    (where / "manifest.json").write_text(json.dumps(manifest))
    seen = []
    frame = driver_library.Frame
    monkeypatch.setattr(driver.accelerator, "Frame", lambda *a: seen.append(a[-1]) or frame(*a))

    with Accelerator(board, where, asked):
        assert seen == [taken]


def test_a_library_that_cannot_be_built_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(driver_library.shutil, "which", lambda tool: None)

    with pytest.raises(DriverError, match=f"apt install gcc make, then make -C {tmp_path}"):
        driver_library.load_library(tmp_path)


def test_a_library_that_does_not_build_shows_why(tmp_path):
    (tmp_path / "Makefile").write_text("all:\n\t@echo no such thing; false\n")

    with pytest.raises(DriverError, match="no such thing"):
        driver_library.load_library(tmp_path)


def test_counters_step_log_and_tensors_are_read(accelerator, digits, pictures, package):
    name = package[0].outputs[0].tensor
    accelerator.run(pictures[0])
    graph = digits[0].graph
    q = quantize_array(pictures[0].transpose(1, 2, 0), graph.tensors[graph.input].quantization)

    assert accelerator.counters()["cycles"] == 1234
    assert accelerator.step_log() == [600, 1200]
    assert accelerator.tensor(name).tobytes() == interpret(graph, q[None])[name].tobytes()
    with pytest.raises(DriverError, match="does not keep 'nothing'; known: "):
        accelerator.tensor("nothing")


def test_a_kept_map_in_phases_is_read(digits):
    """As the compiler's own unpacking has it."""
    from dataclasses import replace

    from accelgen.program.layout import in_phases

    program = digits[1]
    rng = np.random.default_rng(3)
    lanes, pixels = program.arch.lanes, program.arch.pixels
    place = replace(program.outputs[0], shape=(5, 8, 3), slots=(0, 1, 2, *[-1] * (lanes - 3)),
                    groups=1, stride=2 * pixels * lanes * 10, phases=True)  # fmt: skip
    x = rng.integers(-128, 128, place.shape).astype(np.int8)
    plain = np.frombuffer(pack_tensor(x, place, program.arch), np.uint8).reshape(-1, lanes)
    raw = np.zeros_like(plain)
    raw[in_phases(np.arange(40), pixels)] = plain[:40]

    described = {"shape": place.shape, "slots": place.slots, "groups": 1, "stride": place.stride}

    got = unpack_map(raw.reshape(-1), {**described, "phases": True}, lanes, pixels)
    np.testing.assert_array_equal(got, x)
    np.testing.assert_array_equal(unpack_map(plain.reshape(-1), described, lanes, pixels), x)


def test_driver_needs_nothing_of_accelgen(package):
    """It is copied into packages and runs on boards that have numpy only."""
    code = (
        f"import sys; sys.path.insert(0, {str(package[2])!r}); import driver; "
        "sys.exit(any(m.startswith('accelgen') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], check=False)

    assert done.returncode == 0
    here = Path(driver.__file__).parent
    for file in here.glob("*.py"):
        assert (package[2] / "driver" / file.name).read_text() == file.read_text()
    assert json.loads((package[2] / "manifest.json").read_text())["format"] == 3
