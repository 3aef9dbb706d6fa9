"""The library, built once per session: as NEON code under qemu, and as the portable twin."""

import pytest

from accelgen.ps.runner import build_runner, missing_tools

KINDS = ("qemu", "twin", "sanitized")


@pytest.fixture(scope="session")
def runner_of(tmp_path_factory):
    """Function: kind -> Runner. Skips the test, saying what is missing."""
    built = {}

    def get(kind):
        if lack := missing_tools(kind):
            pytest.skip(f"{lack} (NEON kernels are judged under qemu: issue 4)")
        if kind not in built:
            built[kind] = build_runner(tmp_path_factory.mktemp(kind), kind)
        return built[kind]

    return get


@pytest.fixture(params=KINDS)
def runner(request, runner_of):
    """Each implementation in turn."""
    return runner_of(request.param)
