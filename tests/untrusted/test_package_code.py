"""Code of a package that accelgen did not write is not run, unless the user says --edited."""

import json
import shutil

import pytest

from accelgen.deploy.keep import file_hash
from accelgen.flow.packages import copy_to_run, open_package
from tests.deploy.conftest import MODELS
from tests.helpers.cli import run

DIGITS = MODELS / "trained_digits_tiny.onnx"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    where = tmp_path_factory.mktemp("code") / "package"
    assert run("build", DIGITS, "--preset", "small", "-o", where).status == 0
    return where


def forged(package, tmp_path, name, change):
    """A copy with one file changed, and a manifest that agrees."""
    where = tmp_path / "forged"
    shutil.copytree(package, where)
    file = where / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(change(file.read_text() if file.exists() else ""))
    manifest = json.loads((where / "manifest.json").read_text())
    manifest["files"][name] = file_hash(file)
    (where / "manifest.json").write_text(json.dumps(manifest))
    return where


def assert_refused(*arguments, word):
    outcome = run("simulate", *arguments)

    assert outcome.status == 2, outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert word in outcome.err


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rtl/accelgen_top.v", lambda t: t + 'module x; initial $system("touch pwned"); endmodule'),
        ("driver/accelerator.py", lambda t: "import os; os.system('touch pwned')\n" + t),
        ("driver/__init__.py", lambda t: t + "\nprint('pwned')\n"),
        ("ps/Makefile", lambda t: t + "\n$(shell touch pwned)\n"),
        ("ps/frame.c", lambda t: t + "\n__attribute__((constructor)) void f(void) {}\n"),
        ("selftest.py", lambda t: "print('pwned')\n"),
        ("picture.py", lambda t: "print('pwned')\n"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--driver", "1"), ("--script", "selftest.py")])
def test_code_of_others_is_refused(package, tmp_path, name, change, options):
    where = forged(package, tmp_path, name, change)
    assert (package / name).exists()

    assert_refused(where, *options, word="--edited")
    assert open_package(where, edited=True)


@pytest.mark.parametrize("name", ["rtl/accelgen_top.v", "driver/maps.py"])
def test_an_edited_file_whose_checksum_is_the_old_one(package, tmp_path, name):
    where = forged(package, tmp_path, name, lambda t: t)
    with (where / name).open("a") as file:
        file.write("\n// mine\n" if name.endswith(".v") else "\n# mine\n")

    assert_refused(where, word="was changed since it was built: build it again, or give --edited")
    assert open_package(where, edited=True)


@pytest.mark.parametrize("name", ["frame.bin", "program.bin"])
def test_data_that_is_not_the_network_s_is_refused_edited_or_not(package, tmp_path, name):
    where = forged(package, tmp_path, "note.txt", lambda t: "x")
    data = bytearray((where / name).read_bytes())
    data[len(data) // 2] ^= 1
    (where / name).write_bytes(data)
    manifest = json.loads((where / "manifest.json").read_text())
    manifest["files"][name] = file_hash(where / name)
    (where / "manifest.json").write_text(json.dumps(manifest))

    for options in ((), ("--edited",)):
        assert_refused(where, *options, word=f"compiles its network to another {name}")


def test_what_is_run_holds_nothing_else(package, tmp_path):
    where = forged(package, tmp_path, "numpy.py", lambda t: "print('pwned')\n")
    (where / "ps" / "build").mkdir()
    (where / "ps" / "build" / "libaccelgen_ps.so").write_bytes(b"pwned")
    (where / "mine.py").write_text("print('pwned')\n")

    copy_to_run(where, tmp_path / "run")

    there = {p.relative_to(tmp_path / "run").as_posix() for p in (tmp_path / "run").rglob("*")}
    assert not {"numpy.py", "mine.py", "ps/build", "rtl"} & there
    assert {"driver/accelerator.py", "selftest.py", "program.bin", "ps/Makefile"} <= there
    for generated in ("accelgen_regs.h", "c/accelgen.c"):  # what `make -C c` needs
        assert (tmp_path / "run" / generated).read_bytes() == (where / generated).read_bytes()
    assert_refused(where, "--script", "mine.py", word="a script that accelgen did not write")


def test_a_text_of_verilog_is_accelgen_s_own_though_comments_differ(package, tmp_path):
    where = forged(package, tmp_path, "rtl/accelgen_top.v", lambda t: "// of elsewhere\n" + t)

    assert open_package(where)[1] == (package / "rtl" / "accelgen_top.v").read_text()


def test_edited_is_about_packages():
    assert_refused(DIGITS, "--edited", word="--edited is about a package")
