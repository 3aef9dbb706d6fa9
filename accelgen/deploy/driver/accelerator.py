"""One network on one accelerator: frames in, outputs out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Callable

import numpy as np

from .bitstream import find_bitstream
from .errors import DriverError
from .helper import Helper
from .inputs import Inputs
from .library import Frame, load_library
from .maps import unpack_map
from .registers import Registers
from .turn import Turn

__all__ = ["Accelerator", "open_package"]

TIMEOUT_SECONDS = 10.0
FORMATS = (3, 4)


class Accelerator:
    """The accelerator with a package's program in its memory; see the package's README.

    Inputs and outputs have two *places*, 0 and 1, so that one frame can run while another is
    written or read: ``put(x, k)``, ``start(k)``, ``wait()``, ``collect(k)``. ``run`` and
    ``run_many`` do that by themselves.

    A frame has one program, or parts: programs with work of this processor between them. The
    accelerator stands still meanwhile, so this thread does it where it waits, in ``wait``, ``turn``
    and ``done``.

    Parameters
    ----------
    board : object
        ``read`` and ``write`` of :class:`Registers`; perhaps ``window``, and ``interrupt_file`` or
        ``wait_interrupt`` of :class:`Turn`; ``memory(size)``,
        a physically contiguous buffer with ``address`` (a multiple of 4096), ``array`` (uint8, as
        this processor sees it), ``flush(offset, size)`` and ``invalidate(offset, size)``, which
        clean and drop the cache's copy; ``close()``.
    where : path
        The package's directory.
    threads : int, optional
        Cores for the processor's layers; by default as many as the package's estimate has.

    Raises
    ------
    DriverError
        The package is incomplete or damaged.
    """

    def __init__(self, board: Any, where: Any = ".", threads: int | None = None) -> None:
        self.where = Path(where)
        self.manifest = _read_manifest(self.where)
        self.board = board
        self.registers = Registers(board, self.manifest)
        library = load_library(self.where / "ps")
        self.turns = Turn(library, self.registers)
        self.memory = board.memory(self.manifest["image_bytes"])
        threads = threads or self.manifest["hardware"]["ps_threads"]
        self._frame = Frame(
            library, (self.where / "frame.bin").read_bytes(), self.memory.array, threads
        )
        self._inputs = Inputs(self.manifest)
        self._shapes = [tuple(o["shape"]) for o in self.manifest["model_outputs"]]
        self._programs = [self._frame.programs(place) for place in (0, 1)]
        self._last = len(self._programs[0]) - 1
        parts = range(self._last + 1)
        self._maps = [[self._frame.maps(part, place) for part in parts] for place in (0, 1)]
        self._written = [[self._frame.written(part, place) for part in parts] for place in (0, 1)]
        self._part = 0
        #: Called after each part but the last: registers still say what that part took.
        self.after_part: Callable[[], Any] | None = None
        self._running: int | None = None

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # The image.

    def load(self) -> None:
        """Check hardware and program, end whatever runs (it may be of a process that died), write
        the image, tell the accelerator where it is.

        Raises DriverError when the bitstream or ``program.bin`` is not the manifest's.
        """
        self.registers.check()
        data = (self.where / "program.bin").read_bytes()
        if zlib.crc32(data) != self.manifest["program_crc"]:
            raise DriverError("program.bin is damaged: its checksum is not the manifest's")
        self._running = None
        self.registers.abort()
        at, content = 0, np.frombuffer(data, np.uint8)
        for section in self.manifest["sections"]:
            first, size = section["offset"], section["bytes"]
            self.memory.array[first : first + size] = content[at : at + size]
            self.memory.flush(first, size)
            at += size
        self.registers.set_image(self.memory.address, self.manifest["image_bytes"])

    def recover(self) -> None:
        """After an error, a time-out or an abort: idle, the image as new. The next frame is
        right."""
        self.load()

    def close(self) -> None:
        """End whatever runs and free the memory."""
        try:
            if self._running is not None:
                self._running = None
                self.registers.abort()
        finally:
            self._frame.close()
            self.board.close()

    # Frames.

    def run(self, x: Any, layout: str | None = None) -> dict[str, np.ndarray]:
        """One frame: the model's inputs in, its outputs out, by name, as the model gives them.

        ``x``: see :meth:`put`. Raises DriverError as :meth:`start` and :meth:`wait` do.
        """
        self.put(x, 0, layout)
        self.start(0)
        self.wait()
        return self.collect(0)

    def run_many(
        self, images: Iterable[Any], layout: str | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """``run`` of each of ``images``, in order, as an iterator.

        While the accelerator computes frame n + 1, this thread computes what is left of frame n
        and another prepares frame n + 2.
        """
        source = iter(images)
        with Helper() as helper:
            try:
                place, before, lost = 0, None, False
                ready = self._prepare(helper, source, place, layout)
                while ready or before is not None:
                    if ready:
                        helper.finish()
                        self._hand_over(place)
                    lost = before is not None
                    if before is not None and ready:
                        self.turn(place)
                    elif before is not None:
                        self.wait()
                    else:
                        self.start(place)
                    lost = False
                    done, before = before, place if ready else None
                    place = 1 - place
                    # The frame that was at this place is over: its input is not needed any more.
                    ready = ready and self._prepare(helper, source, place, layout)
                    if done is not None:
                        yield self.collect(done)
            finally:
                # Left early, or by a wrong image: what runs must not end in somebody's next frame.
                if self._running is not None and not lost:
                    self.wait()

    def put(self, x: Any, place: int = 0, layout: str | None = None) -> None:
        """Write the model's inputs into ``place``.

        Parameters
        ----------
        x : array
            Floats as the model takes them (normalized), or int8 pixels (h, w, c) already quantized
            with the manifest's ``input`` scale and zero point. The batch's 1 may be left out. For a
            model with several inputs a dict with an array for each, by name (the manifest's
            ``inputs``).
        layout : str
            "nchw", "chw", "nhwc" or "hwc" where it is not the model's own.

        Raises
        ------
        InputError
            Shape, type, layout or a name is not the model's.
        """
        self._make_ready(self._inputs.checked(x, layout), place)
        self._hand_over(place)

    def start(self, place: int) -> None:
        """Start the frame of ``place``. Raises DriverError when one is running, or one failed."""
        self.turns.start(*self._programs[place][0])
        self._running, self._part = place, 0

    def done(self) -> bool:
        """The frame that was started is done; when only a part of it is, the next one is started.
        Raises DriverError when it failed."""
        if not self.registers.done():
            return False
        if self._running is None or self._part == self._last:
            return True
        self.turns.wait(0)
        self._go_on()
        return False

    def wait(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Until the frame is done, all its parts.

        Raises DriverError when none was started, when it failed (naming the cause), or when a
        program takes more than the time given; ``recover()`` makes the accelerator usable again.
        """
        self._until_last(timeout_seconds)
        self.turns.wait(timeout_seconds)
        self._running = None

    def turn(self, place: int, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """``wait()`` and ``start(place)``, nothing between them: the accelerator stands still."""
        self._until_last(timeout_seconds)
        self.turns.turn(*self._programs[place][0], timeout_seconds)
        self._running, self._part = place, 0

    def _until_last(self, timeout_seconds: float) -> None:
        """The frame's last part runs."""
        self._check_running()
        while self._part < self._last:
            self.turns.wait(timeout_seconds)
            self._go_on()

    def _go_on(self) -> None:
        """What this processor computes after a part, and the next part's start."""
        if self.after_part is not None:
            self.after_part()
        place, part = self._check_running(), self._part
        for offset, size in self._maps[place][part]:
            self.memory.invalidate(offset, size)
        self._frame.between(part, place)
        for offset, size in self._written[place][part]:
            self.memory.flush(offset, size)
        self.turns.start(*self._programs[place][part + 1])
        self._part = part + 1

    def collect(self, place: int) -> dict[str, np.ndarray]:
        """The model's outputs of the frame at ``place``, what the processor has to add included."""
        if self._running == place:
            raise DriverError(f"the frame at place {place} is running: wait() first")
        for offset, size in self._maps[place][self._last]:
            self.memory.invalidate(offset, size)
        self._frame.finish(place)
        found = zip(self._shapes, self._frame.outputs[place])
        return {name: values.reshape(shape).copy() for shape, (name, values) in found}

    # After a frame.

    def tensor(self, name: str) -> np.ndarray:
        """int8 map (h, w, c) that the frame at place 0 left in memory.

        Raises DriverError when the program keeps no tensor of that name.
        """
        places = {p["tensor"]: p for p in (*self.manifest["outputs"], *self.manifest["kept"])}
        if name not in places:
            raise DriverError(f"the program does not keep {name!r}; known: {', '.join(places)}")
        place = places[name]
        offset, size = place["offsets"][0], place["groups"] * place["stride"]
        self.memory.invalidate(offset, size)
        raw = np.array(self.memory.array[offset : offset + size])
        config = self.manifest["config"]
        return unpack_map(raw, place, self.manifest["lanes"], config["pixels"])

    def counters(self) -> dict[str, int]:
        """All registers that count; of a frame in parts in its last program."""
        return self.registers.counters()

    def step_log(self) -> list[int]:
        """Cycle at which each EXEC of the program completed (the last 2,048 of them)."""
        return self.registers.step_log()

    def _check_running(self) -> int:
        """The place of the frame that runs."""
        if self._running is None:
            raise DriverError("no frame was started")
        return self._running

    # The input's way.

    def _prepare(
        self, helper: Helper, source: Iterator[Any], place: int, layout: str | None
    ) -> bool:
        """The next image on its way to ``place``; False when there is none."""
        for x in source:
            helper.begin(self._make_ready, self._inputs.checked(x, layout), place)
            return True
        return False

    def _make_ready(self, given: Any, place: int) -> None:
        """What :meth:`Inputs.checked` gave, outside the image yet."""
        for index, (x, planes) in enumerate(given):
            self._frame.make_ready(x, planes, place, index)

    def _hand_over(self, place: int) -> None:
        """What was made ready goes into the image, and leaves the processor's cache."""
        self._frame.hand_over(place)
        for its in self._inputs.places:
            self.memory.flush(its["offsets"][place], its["groups"] * its["stride"])


def open_package(
    where: Any = ".", bitstream: str | None = None, threads: int | None = None
) -> Accelerator:
    """The accelerator of a package directory on a PYNQ board, program loaded.

    ``bitstream``: a file, or a directory to look for one; by default this package's own, which
    Vivado makes, or that of a package beside it. One is enough for all networks of a configuration.
    ``threads``: as of :class:`Accelerator`.
    """
    from .pynq_board import PynqBoard

    manifest = _read_manifest(Path(where))
    accelerator = Accelerator(
        PynqBoard(str(find_bitstream(where, manifest, bitstream))), where, threads
    )
    accelerator.load()
    return accelerator


def _read_manifest(where: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((where / "manifest.json").read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise DriverError(f"{where} is not a package made by accelgen build: {error}") from error
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise DriverError(f"{where} is not a package made by accelgen build")
    if manifest.get("format") not in FORMATS:
        raise DriverError(
            f"{where} has manifest format {manifest.get('format')}, this driver reads "
            f"{' and '.join(map(str, FORMATS))}"
        )
    return manifest
