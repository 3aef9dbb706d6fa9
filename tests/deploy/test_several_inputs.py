"""Packages of networks with several inputs, through the driver, on the golden model."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

import accelgen
from accelgen.deploy.driver.accelerator import Accelerator
from accelgen.deploy.driver.errors import DriverError, InputError
from accelgen.errors import ModelError
from accelgen.flow import packages
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.program.places import two_places
from tests.helpers.fake_board import FakeBoard
from tests.helpers.nets import node
from tests.helpers.several_inputs import MODELS, added, given, save_given


def built(model, where):
    net, calib = save_given(model, where)
    compiled = accelgen.compile(net, accelgen.target(preset="small"), calib=calib)
    packages.build(compiled, where / "package", calib=calib, program_only=True)
    return compiled, where / "package"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Colour and depth."""
    return built(added(), tmp_path_factory.mktemp("several"))


def opened(compiled, where):
    places = two_places(compiled.parts, compiled.model.graph.model_outputs())
    accelerator = Accelerator(FakeBoard(compiled.parts[0], places), where)
    accelerator.load()
    return accelerator


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_frames_in_a_stream(tmp_path, make):
    """Floats in the model's order, floats otherwise, and int8; every frame has other inputs."""
    compiled, where = built(make(), tmp_path)
    graph, x = compiled.model.graph, given(make(), 4, seed=7)
    frames = [{name: v[i] for name, v in x.items()} for i in range(4)]
    real = [{name: v.transpose(1, 2, 0)[None] for name, v in f.items()} for f in frames]
    values = [interpret(graph, frame) for frame in real]

    with opened(compiled, where) as accelerator:
        got = list(accelerator.run_many(frames))
        turned = accelerator.run({n: v[0] for n, v in real[2].items()}, layout="hwc")
        integers = accelerator.run({name: values[3][name] for name in graph.inputs})

    for i, found in (*enumerate(got), (2, turned), (3, integers)):
        for name, want in model_outputs(graph, values[i]).items():
            assert found[name].tobytes() == np.ascontiguousarray(want).tobytes()


def test_what_the_manifest_says(package):
    compiled, where = package
    manifest = json.loads((where / "manifest.json").read_text())

    assert manifest["format"] == 4
    assert [place["tensor"] for place in manifest["inputs"]] == ["rgb", "depth"]
    assert [place["map"] for place in manifest["inputs"]] == [[12, 12, 3], [12, 12, 1]]
    assert manifest["input"] == manifest["inputs"][0]
    assert (where / "frame.bin").read_bytes()[:8] == b"ACGFRAM3"
    book = (where / "classify.ipynb").read_text()
    assert "inputs.npz" in book
    assert "picture.png" not in book
    assert "example.py inputs.npz" in (where / "README.md").read_text()
    again, _ = packages.open_package(where)
    assert [p.image for p in again.parts] == [p.image for p in compiled.parts]
    sample = packages.sample_of(where, *again.layouts).arrays
    for name, x in given(added(), 1).items():
        assert np.array_equal(sample[name].shape, x.transpose(0, 2, 3, 1).shape)


def test_an_order_of_axes_for_each_input(tmp_path):
    """The model takes the second as pixels; so does its package, which is opened again."""
    model, x = added(), given(added())
    model.graph.node.insert(0, node("Transpose", "pixels", "depth", perm=[0, 3, 1, 2]))
    model.graph.input[1].CopyFrom(
        helper.make_tensor_value_info("pixels", TensorProto.FLOAT, (1, 12, 12, 1))
    )
    compiled, where = built(model, tmp_path)

    again, _ = packages.open_package(where)
    sample = packages.sample_of(where, *again.layouts).arrays

    assert again.layouts == compiled.layouts == ("nchw", "nhwc")
    assert sample["pixels"].shape == (1, 12, 12, 1)
    with opened(compiled, where) as accelerator:
        frame = {"rgb": x["rgb"][0], "pixels": x["depth"][0].transpose(1, 2, 0)}
        (got,) = accelerator.run(frame).values()
    real = {"rgb": x["rgb"][:1].transpose(0, 2, 3, 1), "pixels": frame["pixels"][None]}
    (want,) = model_outputs(compiled.model.graph, interpret(compiled.model.graph, real)).values()
    assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m.pop("inputs"), "has manifest format 4, this accelgen reads 3"),
        (lambda m: m.update(format=3), "has manifest format 3, this accelgen reads 4"),
        (lambda m: m["inputs"].pop(), "inputs"),
        (lambda m: m["inputs"][1].update(map=[12, 12]), "inputs"),
    ],
    ids=["no list", "another format", "a list of one", "no map"],
)
def test_a_manifest_that_was_changed(package, tmp_path, change, sentence):
    manifest = json.loads((package[1] / "manifest.json").read_text())
    change(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ModelError, match=sentence):
        packages.sample_of(tmp_path, "nchw", "nchw")


def test_a_manifest_of_another_network(package, tmp_path):
    where = tmp_path / "package"
    shutil.copytree(package[1], where)
    manifest = json.loads((where / "manifest.json").read_text())
    del manifest["inputs"]
    (where / "manifest.json").write_text(json.dumps(manifest | {"format": 3}))

    with pytest.raises(ModelError, match=r"manifest and network\.onnx have other inputs"):
        packages.open_package(where)


def test_what_does_not_fit(package):
    compiled, where = package
    x = {name: v[0] for name, v in given(added(), 1).items()}
    with opened(compiled, where) as accelerator:
        for wrong, sentence in (
            (x["rgb"], "has 2 inputs: give a dict with an array for each of 'rgb', 'depth'"),
            ({"rgb": x["rgb"]}, "there is no array for the model's input 'depth'"),
            (x | {"z": x["rgb"]}, "the model has no input 'z', but 'rgb', 'depth'"),
            (x | {"depth": x["rgb"]}, r"takes \(1, 1, 12, 12\) in NCHW order as 'depth'"),
            (x | {"depth": x["depth"].astype(int)}, "normalized floats, or int8"),
        ):
            with pytest.raises(InputError, match=sentence):
                accelerator.run(wrong)
        accelerator.run(x)


def test_a_frame_file_that_is_damaged(package, tmp_path):
    """Words of the inputs' part changed one by one: read, or refused, and never a crash."""
    compiled, where = package
    data = bytearray((where / "frame.bin").read_bytes())
    at = data.index(b"rgb\0")
    for name in ("manifest.json", "program.bin"):
        (tmp_path / name).write_bytes((where / name).read_bytes())
    (tmp_path / "ps").symlink_to(where / "ps")
    places = two_places(compiled.parts, compiled.model.graph.model_outputs())
    data[at + 3] = ord("x")  # the name goes on into its padding: no end within its bytes
    (tmp_path / "frame.bin").write_bytes(data)

    with pytest.raises(DriverError, match=r"frame\.bin is damaged"):
        Accelerator(FakeBoard(compiled.parts[0], places), tmp_path)


def test_scripts_on_a_stand_in(package, tmp_path):
    """selftest.py and example.py, as they lie in the package."""
    _, where = package
    np.savez(tmp_path / "inputs.npz", **{n: v[0] for n, v in given(added(), 1).items()})
    (where / "accelgen.bit").touch()

    for script, arguments, said in (
        ("selftest.py", (), "all well"),
        ("example.py", (str(tmp_path / "inputs.npz"),), "cycles per frame"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tests.helpers.pynq_stand_in", where, script, *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert said in done.stdout
    refused = subprocess.run(
        [sys.executable, "-m", "tests.helpers.pynq_stand_in", where, "example.py", "x.npy"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "give an .npz with arrays 'rgb', 'depth'" in refused.stderr
