"""What a package brings for the first day: whole, valid, and nothing of a model runs in it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import accelgen
from accelgen.deploy.board import example
from accelgen.deploy.driver.bitstream import BitstreamError, find_bitstream
from accelgen.deploy.escape import md
from accelgen.deploy.notebook import notebook
from accelgen.errors import ModelError
from accelgen.flow import packages
from accelgen.flow.compiled import keeping_all
from accelgen.golden import interpret
from accelgen.inputs.pictures import Pictures
from accelgen.inputs.samples import Calibration
from accelgen.ps.picture import Preprocess, quantized, read_picture
from tests.helpers.nasty import NASTY

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
NAMES = [f"digit {i}" for i in range(10)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Calibration by twelve pictures of digits: bytes are 0 to 16 in the data, 0 to 255 here."""
    where = tmp_path_factory.mktemp("pictures")
    data = np.load(MODELS / "trained_digits_tiny_test.npz")
    for i, x in enumerate(data["x_uint8"][:12, 0]):
        Image.fromarray((x.astype(np.float64) * 255 / 16).round().astype(np.uint8)).save(
            where / f"{i:02}.png"
        )
    mean, std = (str(float(data[name])) for name in ("mean", "std"))
    return Calibration(where=where, pictures=Pictures(mean=mean, std=std))


@pytest.fixture(scope="module")
def package(pictures, tmp_path_factory):
    """A package with a program only, made from pictures, and its network."""
    hardware = accelgen.target(preset="small")
    compiled = accelgen.compile(DIGITS, hardware, fc_on="pl", calib=pictures)
    where = tmp_path_factory.mktemp("first_day") / "package"
    labels = where.parent / "labels.txt"
    labels.write_text("\n".join(NAMES) + "\n")
    packages.build(compiled, where, calib=pictures, labels=labels, program_only=True)
    return where, compiled, hardware


def manifest_of(where):
    return json.loads((where / "manifest.json").read_text())


def test_expected_results_are_the_golden_models_of_the_sample_picture(package):
    where, compiled, _ = package
    graph, manifest = compiled.model.graph, manifest_of(where)
    how = Preprocess.from_dict(manifest["preprocess"])
    scale = graph.tensors[graph.input].quantization
    x = quantized(read_picture(where / "sample.png", how.order), how, scale.scale, scale.zero_point)

    stored = np.load(where / "expected.npz")

    np.testing.assert_array_equal(stored["input"], x[0])
    values = interpret(compiled.program.graph, x)  # with what only the program has
    assert [e["tensor"] for e in manifest["expected"]] == [
        p.tensor for p in compiled.program.outputs
    ]
    for i, entry in enumerate(manifest["expected"]):
        np.testing.assert_array_equal(stored[f"tensor_{i}"], values[entry["tensor"]][0])
        assert entry["nodes"]


def test_keep_all_has_every_tensor_that_the_schedule_makes(package, pictures, tmp_path):
    _, compiled, _ = package
    kept = keeping_all(compiled)

    packages.build(kept, tmp_path / "all", calib=pictures, program_only=True)

    manifest = manifest_of(tmp_path / "all")
    made = {t for s in kept.program.steps for t in (s.output, s.squeezed) if t}
    assert {e["tensor"] for e in manifest["expected"]} == made
    assert len(made) > len(compiled.program.outputs)
    stored = np.load(tmp_path / "all" / "expected.npz")
    assert f"tensor_{len(made) - 1}" in stored.files


def test_labels_and_layers_are_in_the_manifest(package):
    where, compiled, _ = package
    manifest = manifest_of(where)

    assert manifest["labels"] == NAMES
    assert manifest["calibrated"] is True
    execs = [i for step in manifest["layers"] for i in step["execs"]]
    assert sorted(execs) == list(range(len(execs)))
    assert all(step["cycles"] > 0 for step in manifest["layers"])
    assert [s["nodes"] for s in manifest["layers"]] == [
        list(s.nodes) for s in compiled.program.steps
    ]


def test_wrong_labels_are_refused(package, tmp_path):
    _, compiled, _ = package
    labels = tmp_path / "labels.txt"
    labels.write_text("only\ntwo\n")
    with pytest.raises(ModelError, match=r"has 2 labels; the network has output '.*' with 10 val"):
        packages.build(compiled, tmp_path / "p", labels=labels, program_only=True)
    with pytest.raises(ModelError, match=r"cannot read labels"):
        packages.build(compiled, tmp_path / "p", labels=tmp_path, program_only=True)


def test_a_package_without_data_says_that_accuracy_means_nothing(package, tmp_path):
    where, _, hardware = package
    compiled = accelgen.compile(DIGITS, hardware, fc_on="pl")
    packages.build(compiled, tmp_path / "p", program_only=True)

    told = "its accuracy does not"
    assert told in (tmp_path / "p" / "README.md").read_text()
    assert told not in (where / "README.md").read_text()
    manifest = manifest_of(tmp_path / "p")
    assert manifest["preprocess"] is None
    assert manifest["calibrated"] is False


@pytest.mark.parametrize("name", NASTY)
def test_a_models_name_is_text_in_the_notebook(name):
    book = notebook(name, sample=True)

    nbformat.validate(nbformat.from_dict(book))
    plain = notebook("plain", sample=True)
    code, same = ([c for c in b["cells"] if c["cell_type"] == "code"] for b in (book, plain))
    assert code == same
    heading = book["cells"][0]["source"]
    assert "".join(heading) == f"# {md(name)}"
    assert len(heading) == 1  # on one line, whatever the name holds


def test_the_packages_notebook_is_valid(package):
    where, _, _ = package

    book = nbformat.read(where / "classify.ipynb", as_version=4)

    nbformat.validate(book)
    assert any("sample.png" in cell.source for cell in book.cells)


def test_scripts_need_nothing_of_accelgen(package):
    where, _, _ = package
    code = (
        f"import sys; sys.path.insert(0, {str(where)!r}); "
        "import driver, example, picture, selftest; "
        "sys.exit(any(m.startswith(('accelgen', 'pynq')) for m in sys.modules))"
    )

    done = subprocess.run([sys.executable, "-I", "-c", code], check=False)

    assert done.returncode == 0


class Network:
    """An accelerator that answers with what it is told."""

    def __init__(self, manifest, outputs):
        self.manifest, self.outputs = manifest, outputs

    def run(self, x):
        self.x = x
        return self.outputs


def test_classes_have_names_and_the_largest_come_first(package, monkeypatch):
    where, _, _ = package
    monkeypatch.syspath_prepend(where)
    values = np.float32([[0, 3, 1, 9, -2, 4, 4, 0, 0, 5]])
    network = Network(manifest_of(where), {"logits": values})

    found = example.classify(network, where / "sample.png", top=4)

    assert found == [("digit 3", 9.0), ("digit 9", 5.0), ("digit 5", 4.0), ("digit 6", 4.0)]
    np.testing.assert_array_equal(network.x[0], np.load(where / "expected.npz")["input"])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_an_argmax_gives_the_class_itself(package, shape):
    one = Network({**manifest_of(package[0]), "labels": None}, {"y": np.full(shape, 417)})

    assert example.top_classes(one, one.outputs) == [("417", 417.0)]


def test_what_is_no_classifier_or_takes_no_picture_is_said(package):
    manifest = manifest_of(package[0])
    maps = Network(manifest, {"a": np.zeros((1, 2, 3, 3)), "b": np.zeros((1, 2, 6, 6))})
    with pytest.raises(ValueError, match=r"does not classify: its outputs are a \(1, 2, 3, 3\), b"):
        example.top_classes(maps, maps.outputs)
    places = Network(manifest, {"y": np.zeros((1, 17), np.int64)})
    with pytest.raises(ValueError, match=r"does not classify: its outputs are y \(1, 17\)"):
        example.top_classes(places, places.outputs)
    blind = Network({**manifest, "preprocess": None}, {})
    with pytest.raises(ValueError, match="built without --mean and --std"):
        example.load_input(blind, "a.png")


def test_a_bitstream_is_found_by_its_configuration(package, tmp_path):
    where, _, hardware = package
    manifest = manifest_of(where)
    for name, arch in (("a", replace(hardware.arch, acc_depth=32)), ("b", hardware.arch)):
        network = accelgen.compile(DIGITS, replace(hardware, arch=arch), fc_on="pl")
        packages.build(network, tmp_path / name, program_only=True)
        (tmp_path / name / "accelgen.bit").write_bytes(b"bits")
    (tmp_path / "mine").mkdir()

    right = tmp_path / "b" / "accelgen.bit"
    assert find_bitstream(tmp_path / "mine", manifest) == right
    assert find_bitstream(where, manifest, tmp_path) == right
    assert find_bitstream(where, manifest, tmp_path / "b") == right
    assert find_bitstream(where, manifest, tmp_path / "a" / "accelgen.bit").parent.name == "a"
    (tmp_path / "mine" / "accelgen.bit").write_bytes(b"bits")
    assert find_bitstream(tmp_path / "mine", manifest).parent.name == "mine"
    with pytest.raises(BitstreamError, match=r"no accelgen.bit of configuration 0x"):
        find_bitstream(where, manifest, tmp_path / "a")
    with pytest.raises(BitstreamError, match="there is no bitstream"):
        find_bitstream(where, manifest, tmp_path / "none.bit")
