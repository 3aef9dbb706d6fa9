"""The package's C library (``ps/``) by ctypes: what the processor computes for a frame."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DriverError

__all__ = ["Frame", "load_library"]

NAME = "libaccelgen_ps.so"


class _Span(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint64), ("bytes", ctypes.c_uint64)]


class _Output(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("values", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("count", ctypes.c_size_t),
    ]


#: By an output's type.
TYPES = (ctypes.c_float, ctypes.c_int8, ctypes.c_uint8, ctypes.c_int64)


def load_library(sources: Path) -> Any:
    """The library of directory ``sources``, built there when it is missing.

    Raises DriverError with the command that builds it when that cannot be done here.
    """
    path = sources / "build" / NAME
    if not path.exists():
        _build(sources)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise DriverError(f"{path} does not load ({error}): make -C {sources} clean all") from error
    pointer, place, index = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    word = ctypes.c_uint32
    for name, result, arguments in (
        ("agps_frame_create", ctypes.c_int, [pointer, index, ctypes.c_int, pointer]),
        ("agps_frame_destroy", None, [pointer]),
        ("agps_frame_program", ctypes.c_int, [pointer, index, place, pointer]),
        ("agps_frame_map", ctypes.c_int, [pointer, index, index, place, pointer]),
        ("agps_frame_written", ctypes.c_int, [pointer, index, index, place, pointer]),
        ("agps_frame_input_at", ctypes.c_int, [pointer, index, pointer, ctypes.c_int, place]),
        ("agps_frame_input_int8_at", ctypes.c_int, [pointer, index, pointer, place]),
        ("agps_frame_hand_over", ctypes.c_int, [pointer, pointer, place]),
        ("agps_frame_between", ctypes.c_int, [pointer, pointer, index, place]),
        ("agps_frame_finish", ctypes.c_int, [pointer, pointer, place]),
        ("agps_frame_results", ctypes.c_int, [pointer, place]),
        ("agps_frame_output", ctypes.POINTER(_Output), [pointer, index]),
        ("agps_implementation", ctypes.c_char_p, []),
        ("agps_start", ctypes.c_int, [pointer, word, word]),
        ("agps_wait", ctypes.c_int, [pointer, ctypes.c_int]),
        ("agps_turn", ctypes.c_int, [pointer, word, word, ctypes.c_int]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _build(sources: Path) -> None:
    command = f"make -C {sources}"
    missing = [tool for tool in ("make", "gcc") if shutil.which(tool) is None]
    if missing:
        raise DriverError(
            f"{sources / 'build' / NAME} is not built and {' and '.join(missing)} not found here: "
            f"apt install gcc make, then {command}"
        )
    done = subprocess.run(
        ["make", "-s", "-C", str(sources)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        text = done.stdout.decode(errors="replace").strip()[-1000:]
        raise DriverError(f"the library does not build ({command}): {text}")


class Frame:
    """``frame.bin`` in the library. Methods raise DriverError when the library refuses.

    Parameters
    ----------
    library : ctypes.CDLL
        From :func:`load_library`.
    data : bytes
        The file.
    image : uint8 array
        The image as this processor sees it; it must stay where it is.
    threads : int
        Cores for fully connected layers, 1 to 4.
    """

    def __init__(self, library: Any, data: bytes, image: np.ndarray, threads: int = 1) -> None:
        self._library = library
        self._image = image.ctypes.data
        self._frame: ctypes.c_void_p | None = ctypes.c_void_p()
        status = library.agps_frame_create(data, len(data), threads, ctypes.byref(self._frame))
        if status:
            self._frame = None
            raise DriverError(
                "out of memory" if status == -2 else
                "frame.bin is damaged, or of another accelgen than the library in ps/"
            )  # fmt: skip
        self.outputs = [self._find_outputs(place) for place in (0, 1)]

    def close(self) -> None:
        """Free what the library holds; output arrays are invalid then."""
        if self._frame is not None:
            self.outputs = []
            self._library.agps_frame_destroy(self._frame)
            self._frame = None

    def programs(self, place: int) -> list[tuple[int, int]]:
        """Offset and size of the program of each of the frame's parts at ``place``."""
        return self._spans(self._library.agps_frame_program, (), place)

    def maps(self, part: int, place: int) -> list[tuple[int, int]]:
        """Offset and size of what is read in the image at ``place`` after ``part``."""
        return self._spans(self._library.agps_frame_map, (part,), place)

    def written(self, part: int, place: int) -> list[tuple[int, int]]:
        """The same of what :meth:`between` writes."""
        return self._spans(self._library.agps_frame_written, (part,), place)

    def _spans(self, function: Any, of: tuple[int, ...], place: int) -> list[tuple[int, int]]:
        span = _Span()
        found: list[tuple[int, int]] = []
        while function(self._frame, *of, len(found), place, ctypes.byref(span)):
            found.append((span.offset, span.bytes))
        return found

    def make_ready(self, x: np.ndarray, planes: bool, place: int, index: int = 0) -> None:
        """Input ``index`` of ``place``, outside the image yet: C order, floats or int8 pixels."""
        library, at = self._library, x.ctypes.data
        if x.dtype == np.int8:
            status = library.agps_frame_input_int8_at(self._frame, index, at, place)
        else:
            status = library.agps_frame_input_at(self._frame, index, at, planes, place)
        _check(status)

    def hand_over(self, place: int) -> None:
        """What was made ready goes into the image."""
        _check(self._library.agps_frame_hand_over(self._frame, self._image, place))

    def between(self, part: int, place: int) -> None:
        """What the accelerator left at ``place`` after ``part``, to what the next part reads."""
        _check(self._library.agps_frame_between(self._frame, self._image, part, place))

    def finish(self, place: int) -> None:
        """What the accelerator left at ``place``, through all steps, to ``outputs[place]``."""
        _check(self._library.agps_frame_finish(self._frame, self._image, place))

    def _find_outputs(self, place: int) -> list[tuple[str, np.ndarray]]:
        """Name and values, flat: the library's own memory."""
        _check(self._library.agps_frame_results(self._frame, place))
        found: list[tuple[str, np.ndarray]] = []
        while True:
            pointer = self._library.agps_frame_output(self._frame, len(found))
            if not pointer:
                return found
            output = pointer.contents
            values = ctypes.cast(output.values, ctypes.POINTER(TYPES[output.type]))
            array = np.ctypeslib.as_array(values, (output.count,))
            found.append((output.name.decode(), array))


def _check(status: int) -> None:
    if status:
        raise DriverError(f"the library refuses this frame's numbers (status {status})")
