"""The disk is full, or nobody reads: one sentence, or none, and nothing half-made.

/dev/full stands for stdout; cache, output and scratch are on a small disk of their own.
"""

import subprocess

import pytest

from accelgen.cache import cache_directory
from tests.deploy.conftest import MODELS
from tests.helpers.command import Command, with_shelves

DIGITS = MODELS / "trained_digits_tiny.onnx"
RESULTS = [
    ("estimate", DIGITS, "--preset", "small"),
    ("estimate", DIGITS, "--preset", "small", "--json"),
    ("check", DIGITS),
    ("check", DIGITS, "--json"),
    ("boards",),
    ("boards", "--json"),
    ("zoo", "list"),
    ("--help",),
    ("--version",),
]
IDS = [" ".join(str(a) for a in r if a != DIGITS) for r in RESULTS]


@pytest.mark.parametrize("arguments", RESULTS, ids=IDS)
def test_stdout_on_a_full_disk(arguments, tmp_path):
    with open("/dev/full", "w") as full, Command(tmp_path, *arguments, stdout=full) as command:
        status = command.process.wait(120)

        assert status == 2
        assert command.said().splitlines()[-1].startswith("error: ")
        assert "No space left on device" in command.said()
        assert "Traceback" not in command.said()


@pytest.mark.parametrize("arguments", RESULTS, ids=IDS)
def test_a_closed_pipe_is_quiet(arguments, tmp_path):
    with Command(tmp_path, *arguments, stdout=subprocess.PIPE) as command:
        command.process.stdout.close()
        status = command.process.wait(120)

        assert "error" not in command.said()
        assert "Traceback" not in command.said()
        # typer answers for what it prints itself.
        assert status == (1 if arguments[0].startswith("--") else 141)


def test_stderr_on_a_full_disk_changes_nothing(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*Command.line("estimate", DIGITS, "--preset", "small")],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0
    assert "frames per second" in done.stdout


#: Mounts a disk of a size at a place, with what is in ``.before`` beside it, if it is there; runs
#: the command, lists what is there then.
_ON_A_SMALL_DISK = """
mount -t tmpfs -o size=$1 none "$2" || exit 99
where=$2 listing=$3
[ ! -e "$2.before" ] || cp -r "$2.before/." "$2" || exit 99
shift 3
"$@"
status=$?
find "$where" ! -type d ! -name '*.lock' > "$listing"
exit $status
"""


@pytest.fixture(scope="module")
def small_disk():
    """What stands before a command so that it sees a disk of ``size`` at ``where``."""
    tried = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this system lets nobody mount: no disk can be made small")

    def before(size, where, listing):
        where.mkdir(exist_ok=True)
        return ["unshare", "-rm", "sh", "-c", _ON_A_SMALL_DISK, "sh", size, where, listing]

    return before


def fails_on(disk, size, tmp_path, *arguments):
    """One sentence, status 2; nothing on the disk, nothing elsewhere. Returns the sentence."""
    listing = tmp_path / "listing.txt"
    before = disk[0](size, disk[1], listing)
    with Command(tmp_path, *arguments, before=before) as command:
        status = command.process.wait(300)

        assert status == 2, command.said()
        said = [s for s in command.said().splitlines() if not s.startswith("warning: ")]
        assert len(said) == 1, command.said()
        assert said[0].startswith("error: ")
        assert command.processes() == []
        assert list(command.tmp.iterdir()) == []
    assert listing.read_text() == ""
    return said[0]


@pytest.mark.parametrize("size", ["4k", "16k", "64k"])
@pytest.mark.parametrize("verb", ["quantize", "build"])
def test_output_on_a_full_disk(verb, size, small_disk, tmp_path):
    disk = tmp_path / "disk"
    options = ["--program-only", "--fc-on", "pl"] if verb == "build" else []
    out = disk / "out.onnx"
    # 1.5 MB of picture: larger than the disk in any case.
    sentence = fails_on(
        (small_disk, disk), size, tmp_path, verb, "zoo:squeezenet1_1@32", "-o", out, *options
    )

    assert "No space left" in sentence


@pytest.mark.parametrize("size", ["4k", "1m"])
def test_exported_network_on_a_full_disk(size, small_disk, tmp_path):
    disk = tmp_path / "disk"
    arguments = ("zoo", "export", "squeezenet1_1", "-o", disk / "out.onnx")

    assert "No space left" in fails_on((small_disk, disk), size, tmp_path, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "made"),
    [
        ("64k", []),  # the text of the Verilog does not fit
        ("8m", ["verilog"]),  # Verilator's run time does not
        ("1m", ["verilog", "runtime"]),  # what Verilator makes of the design does not
    ],
)
def test_cache_on_a_full_disk(size, made, small_disk, tmp_path):
    disk = tmp_path / "cache"
    with_shelves(tmp_path / "cache.before", *made)
    arguments = ("simulate", DIGITS, "--preset", "small")
    listing = tmp_path / "listing.txt"
    with Command(tmp_path, *arguments, before=small_disk(size, disk, listing)) as command:
        status = command.process.wait(600)

        assert status == 2, command.said()
        said = [s for s in command.said().splitlines() if not s.startswith("warning: ")]
        assert len(said) == 1, command.said()
        assert "No space left" in said[0]
        assert list(command.tmp.iterdir()) == []
    # Whole entries may be there, of a stage that was done.
    assert ".making-" not in listing.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4k", "1m"])
def test_scratch_on_a_full_disk(size, small_disk, tmp_path):
    arguments = ("simulate", DIGITS, "--preset", "small")
    listing = tmp_path / "listing.txt"
    before = small_disk(size, tmp_path / "scratch", listing)
    with Command(tmp_path, *arguments, before=before, cache=cache_directory()) as command:
        status = command.process.wait(600)

        assert status == 2, command.said()
        assert "Traceback" not in command.said()
        assert "No space left" in command.said()
    assert listing.read_text() == ""
