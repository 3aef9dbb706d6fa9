"""NPZ and NPY that somebody damaged or made up: an AccelgenError that names the file, or right."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelgen.array_files import read_arrays
from accelgen.boards import DEFAULT_BOARD
from accelgen.errors import AccelgenError, ModelError, QuantizationError
from accelgen.flow.packages import sample_of
from accelgen.inputs.samples import load_samples
from accelgen.simulation.reproducer import Reproducer, load_reproducer, save_reproducer
from tests.deploy.conftest import MODELS
from tests.helpers.cli import answer, run

SHAPE = (1, 8, 8, 1)
DIGITS = MODELS / "trained_digits_tiny.onnx"
QUIET = settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


def assert_samples_or_sentence(file):
    x = answer(load_samples, file, shape=SHAPE)
    if isinstance(x, QuantizationError):
        assert str(file) in str(x)
        assert len(str(x).splitlines()) == 1, x
    else:
        assert x.dtype == np.float32
        assert x.shape[1:] == SHAPE[1:]


def header(shape, kind="<f4", order=False, version=b"\x01\x00"):
    text = f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


def good_npz(**more):
    data = io.BytesIO()
    np.savez_compressed(data, x=np.ones((3, 1, 8, 8), np.float32), **more)
    return data.getvalue()


@given(st.data())
@QUIET
def test_damaged_bytes(tmp_path, data):
    npy = io.BytesIO()
    np.save(npy, np.ones((3, 1, 8, 8), np.float32))
    suffix = data.draw(st.sampled_from([".npz", ".npy"]))
    content = bytearray(good_npz() if suffix == ".npz" else npy.getvalue()[:300])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(len(content) // 2, 2 * len(content))) :]
    file = tmp_path / f"calib{suffix}"
    file.write_bytes(content)
    assert_samples_or_sentence(file)


@given(
    st.sampled_from(["x", "calib_uint8", "divisor", "mean", "std"]),
    st.sampled_from(["<f4", "<f8", "<i8", "|O", "|b1", "<U3", "|S9", "<M8[s]", "<c8", "|V8", "?"]),
    st.lists(st.sampled_from([0, 1, 2, 3, 8]), max_size=5),
)
@QUIET
def test_any_type_and_shape(tmp_path, name, kind, shape):
    kind = np.dtype(kind)
    values = np.zeros(shape, kind)
    arrays = {"calib_uint8": np.zeros((3, 1, 8, 8), np.uint8), "divisor": np.float32(255)}
    file = tmp_path / "calib.npz"
    np.savez(file, **({name: values} if name == "x" else arrays | {name: values}))
    assert_samples_or_sentence(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((1 << 40,)), "holds 4,398,046,511,104 bytes; up to"),
        (header((1 << 62, 1 << 62)), "up to"),
        (header((-1, 8)), "negative side"),
        (header((1000, 1000)), "header speaks of 4,000,000 bytes"),
        (header((3,), "|O") + pickle.dumps([1, 2, 3]), "its values are object"),
        (header((3,), "<U99999999"), "header speaks of 1,199,999,988 bytes"),
        (header("__import__('os').system('touch pwned')"), "cannot read"),
        (header("(" * 9000 + ")" * 9000), "cannot read"),
        (pickle.dumps({"x": 1}), "magic string"),
        (b"", "cannot read"),
        (b"\x93NUMPY\x01\x00", "cannot read"),
        (header((3,), version=b"\x09\x00"), "cannot read"),
    ],
)
def test_headers_are_judged_before_data(tmp_path, content, message):
    file = tmp_path / "x.npy"
    file.write_bytes(content)

    with pytest.raises(QuantizationError, match=message) as caught:
        load_samples(file, shape=SHAPE)
    assert len(str(caught.value)) < 1000


def test_an_archive_that_unpacks_to_much_more(tmp_path):
    file = tmp_path / "bomb.npz"
    count = 1 << 22
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((count,)) + bytes(4 * count))
    assert file.stat().st_size < 20_000

    with pytest.raises(ValueError, match="holds 16,777,216 bytes; up to 1,000,000 are read"):
        read_arrays(file, ("x",), most=1_000_000)


def test_an_archive_that_lies_about_its_size(tmp_path):
    file = tmp_path / "lie.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((3, 1, 8, 8)) + bytes(768))
    content = bytearray(file.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0xFFFF_FFF0)
    file.write_bytes(content)
    assert_samples_or_sentence(file)


@pytest.mark.parametrize("name", ["../x.npy", "/x.npy"])
def test_only_arrays_of_plain_names_are_looked_at(tmp_path, name):
    file = tmp_path / "paths.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, header((1,)) + bytes(4))

    with pytest.raises(QuantizationError, match="has no array 'x' or"):
        load_samples(file, shape=SHAPE)


# Reproducers.


@pytest.fixture
def saved(tmp_path):
    file = tmp_path / "run.npz"
    run_ = Reproducer(
        model=DIGITS.read_bytes(),
        sample=np.zeros(SHAPE, np.float32),
        config={"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
        board=DEFAULT_BOARD,
    )
    save_reproducer(run_, file)
    return file


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample", np.zeros(SHAPE, np.int64)),
        ("sample", np.full(SHAPE, np.nan, np.float32)),
        ("sample", np.zeros((1, 9, 8, 1), np.float32)),
        ("sample", np.zeros((0, 8, 8, 1), np.float32)),
        ("calib", np.zeros((2, 8, 9, 1), np.float32)),
        ("calib", np.zeros(SHAPE, np.uint8)),
        ("model", np.zeros(3, np.float32)),
        ("model", np.zeros(0, np.uint8)),
        ("settings", np.array("{}")),
        ("settings", np.array("[" * 90_000)),
        ("settings", np.array(3)),
        ("settings", np.array(["a", "b"])),
    ],
)
def test_a_reproducer_with_other_arrays(saved, name, value):
    with np.load(saved) as content:
        arrays = dict(content)
    np.savez(saved, **(arrays | {name: value}))

    outcome = run("simulate", saved)

    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1, outcome.err


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1), ("seed", 1.5), ("seed", 1 << 80), ("board", 3), ("board", "/etc/passwd"),
        ("config", []), ("config", {"lanes": "8"}), ("config", {"lane": 8}), ("note", None),
        ("memory", {"bytes_per_cycle": 0}), ("memory", {"latency_cycles": 1e9}),
        ("memory", {"stalls": float("nan")}), ("memory", {"nothing": 1}), ("extra", 1),
    ],
)  # fmt: skip
def test_a_reproducer_with_other_settings(saved, key, value):
    with np.load(saved) as content:
        arrays = dict(content)
    known = json.loads(str(arrays["settings"])) | {key: value}
    np.savez(saved, **(arrays | {"settings": np.array(json.dumps(known))}))

    outcome = run("simulate", saved)

    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1, outcome.err


@given(st.data())
@settings(QUIET, max_examples=150)
def test_a_damaged_reproducer(saved, tmp_path, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged.npz"
    file.write_bytes(content)
    got = answer(load_reproducer, file)
    if isinstance(got, ModelError):
        assert str(file) in str(got)
    else:
        assert got.sample.dtype == np.float32


@pytest.mark.parametrize(
    "value", [np.zeros((1, 1, 8, 9), np.float32), np.zeros(3), np.array("x"), None]
)
def test_a_package_s_sample(tmp_path, value):
    where = tmp_path / "package"
    assert run("build", DIGITS, "--program-only", "-o", where).status == 0
    np.savez(where / "expected.npz", **({} if value is None else {"input_float": value}))
    assert json.loads((where / "manifest.json").read_text())["input"]["map"] == [8, 8, 1]

    with pytest.raises(AccelgenError, match=r"expected\.npz holds no input"):
        sample_of(where, "nchw")
