"""The BLAS is held to one thread, and let go again."""

import pytest

from accelgen.golden import blas
from accelgen.golden.blas import blas_threads, one_blas_thread


def test_the_blas_has_one_thread_until_the_last_user_is_done():
    before = blas_threads()
    if before is None:
        pytest.skip("numpy has no OpenBLAS here")
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == 1
        assert blas_threads() == 1
    assert blas_threads() == before


def test_another_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(blas, "_functions", lambda: (lambda: 0, lambda count: None))

    with one_blas_thread():
        assert blas_threads() is None
