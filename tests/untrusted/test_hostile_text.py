"""TOML and JSON that somebody damaged or made up: an AccelgenError with the file, or right."""

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelgen.arch import ArchParams
from accelgen.assets import asset
from accelgen.bench.kept import kept_estimate
from accelgen.boards import Board, read_board
from accelgen.deploy.keep import existing
from accelgen.deploy.manifest_file import read_manifest, read_owned
from accelgen.deploy.results import Results, read_results
from accelgen.errors import AccelgenError, ConfigError, ModelError
from accelgen.flow import packages
from accelgen.flow.hardware import Target, target
from accelgen.untrusted import read_toml
from tests.deploy.conftest import MODELS
from tests.helpers.cli import answer, run

GOOD_BOARD = (asset("boards") / "ultra96v2" / "board.toml").read_text()
KNOBS = sorted(ArchParams().to_dict())

#: What somebody may write behind a key.
TOML_VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([
        "nan", "inf", "-inf", "1e308", "-0.0", "5120.0", "1e3", "true", "false", '""', "[]", "{}",
        "[1, 2]", "{ a = 1 }", "1979-05-27", "07:32:00", "0x" + "f" * 6000, "9" * 5000, "'../x'",
        '"\\u0000"', '"a\\nb"', "[" * 3000 + "]" * 3000,
    ]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=20).map(json.dumps),
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
QUIET = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


def is_one_sentence(error, file):
    """It names the file, in one line."""
    assert str(file) in str(error)
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 600


def assert_right_or_one_sentence(got, kind, file):
    if isinstance(got, AccelgenError):
        is_one_sentence(got, file)
    else:
        assert isinstance(got, kind)


@given(st.sampled_from(KNOBS), TOML_VALUES)
@QUIET
def test_a_knob_of_any_value(tmp_path, knob, value):
    file = tmp_path / "c.toml"
    file.write_text(f"{knob} = {value}\n")
    assert_right_or_one_sentence(answer(target, config=file), Target, file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feature_rows = 5120.0", "feature_rows must be a valid integer, not 5120.0"),
        ("acc_bits = '27'", "acc_bits must be a valid integer, not '27'"),
        ("acc_depth = true", "acc_depth must be a valid integer, not True"),
        ("outstanding = 1", "outstanding must be a power of two from 2 to 64, not 1"),
        ("acc_depth = 9223372036854775808", "acc_depth must be a power of two from 1 to 1024"),
        ("pe_mode = 3", "pe_mode must be a valid string, not 3"),
        ("[arch]\nlanes = 8", "arch is not known; known: lanes, pixels"),
        ("drain_pixels = -8", "drain_pixels must be 0 or a power of two"),
        ("lanes = " + "9" * 5000, "is not TOML"),
        ("lanes = 0x" + "f" * 6000, "lanes must be"),
        ("a = " + "[" * 5000, "is not TOML"),
        ("\ud800".encode("utf-8", "surrogatepass"), "cannot read configuration"),
    ],
)
def test_a_configuration_s_fault_is_named(tmp_path, text, message):
    file = tmp_path / "c.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        target(config=file)
    is_one_sentence(caught.value, file)


@pytest.mark.parametrize("file", ["/dev/zero", "/", "/proc/self/mem", "nothing\0.toml"])
def test_what_is_no_file(file):
    with pytest.raises(ConfigError) as caught:
        read_toml(Path(file), "configuration", ConfigError)
    assert len(str(caught.value).splitlines()) == 1


@given(st.data())
@QUIET
def test_a_board_with_any_value(tmp_path, data):
    lines = GOOD_BOARD.splitlines()
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line]))
    key, is_value, _ = lines[at].partition(" = ")
    lines[at] = f"{key} = {data.draw(TOML_VALUES)}" if is_value else ""
    file = tmp_path / "board.toml"
    file.write_text("\n".join(lines))
    assert_right_or_one_sentence(answer(read_board, file), Board, file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mhz = 300.0", "mhz = 0"),
        ("mts = 1066", "mts = 0"),
        ("efficiency = 0.925", "efficiency = 0"),
        ("efficiency = 0.925", "efficiency = 93"),
        ("latency_ns = 200.0", "latency_ns = 1e308"),
        ("latency_ns = 200.0", "latency_ns = nan"),
        ("cores = 4", "cores = 0"),
        ("width_bits = 32", "width_bits = 18446744073709551616"),
    ],
)
def test_numbers_that_nothing_can_be_divided_by(tmp_path, old, new):
    assert old in GOOD_BOARD
    file = tmp_path / "board.toml"
    file.write_text(GOOD_BOARD.replace(old, new, 1))

    with pytest.raises(AccelgenError, match=old.split(" = ")[0]):
        read_board(file)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    where = tmp_path_factory.mktemp("hostile") / "package"
    arguments = ("build", MODELS / "trained_digits_tiny.onnx", "--program-only", "-o", where)
    assert run(*arguments).status == 0
    return where


def changed(content, data):
    """One place of a JSON value replaced, removed or added to."""
    here = content
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = here[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            here = inner
            continue
        if data.draw(st.booleans()):
            here[key] = data.draw(JSON_VALUES)
        elif isinstance(here, dict) and data.draw(st.booleans()):
            here[data.draw(st.text(max_size=8))] = here.pop(key)
        else:
            del here[key]
        return


@given(st.data())
@QUIET
def test_a_manifest_with_any_value(package, tmp_path, data):
    manifest = json.loads((package / "manifest.json").read_text())
    changed(manifest, data)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert_right_or_one_sentence(answer(read_manifest, tmp_path), dict, tmp_path)
    assert isinstance(read_owned(tmp_path), dict)
    assert isinstance(existing(tmp_path).shown, list)
    # There are no reports.
    assert isinstance(answer(packages.results, tmp_path), AccelgenError)


@given(st.data())
@settings(QUIET, max_examples=40)
def test_a_package_with_any_manifest(package, tmp_path, data):
    where = tmp_path / "package"
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(package, where)
    manifest = json.loads((where / "manifest.json").read_text())
    changed(manifest, data)
    (where / "manifest.json").write_text(json.dumps(manifest))
    opened = answer(packages.open_package, where)
    if isinstance(opened, AccelgenError):
        assert len(str(opened).splitlines()) == 1
    else:
        assert packages.sample_of(where, opened[0].input_layout).shape == (1, 8, 8, 1)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "[" * 100_000, '{"generator": "accelgen"}', "\x00", "9" * 5000, "NaN"],
)
def test_what_is_no_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(ModelError) as caught:
        read_manifest(tmp_path)
    is_one_sentence(caught.value, tmp_path)
    assert existing(tmp_path).manifest == {}
    assert run("simulate", tmp_path).status == 2
    assert run("results", tmp_path).status == 2
    # Whoever builds there is told that it is somebody else's.
    built = run("build", MODELS / "trained_digits_tiny.onnx", "--program-only", "-o", tmp_path)
    assert built.status in (0, 2)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a//b", "rtl/../x", "."])
def test_files_outside_the_package(package, tmp_path, name):
    manifest = json.loads((package / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ModelError, match="files"):
        read_manifest(tmp_path)
    assert read_owned(tmp_path) == {}


@given(JSON_VALUES | st.dictionaries(st.sampled_from(["wns", "lut", "part", "dsp"]), JSON_VALUES))
@QUIET
def test_results_of_any_value(tmp_path, values):
    (tmp_path / "results.json").write_text(json.dumps(values))
    assert_right_or_one_sentence(answer(read_results, tmp_path), Results, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "\xff", "1"])
def test_a_kept_result_that_is_damaged(tmp_path, monkeypatch, text):
    monkeypatch.setenv("ACCELGEN_CACHE", str(tmp_path))
    assert kept_estimate("what", lambda: {"fps": 1}) == {"fps": 1}
    (file,) = tmp_path.glob("bench/*/result.json")
    file.write_text(text, encoding="latin-1")

    with pytest.raises(AccelgenError) as caught:
        kept_estimate("what", lambda: {"fps": 1})
    is_one_sentence(caught.value, file)
