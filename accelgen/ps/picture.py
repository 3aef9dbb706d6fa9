"""Pictures to a network's input: size, crop, order of colours, mean and deviation.

Stands alone: this file is copied into every package and needs Python 3.8 and numpy, and Pillow to
read files. accelgen calibrates with it and the driver runs with it, so both make the same numbers.
:func:`resize`, :func:`image_table` and :func:`quantize_image` are also the definition of the C
library's kernels of these names.
"""

from __future__ import annotations

import struct
import threading
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ORDERS",
    "SUFFIXES",
    "PictureError",
    "Preprocess",
    "image_table",
    "normalized",
    "quantize_image",
    "quantized",
    "read_picture",
    "resize",
    "sized",
]

Bytes = npt.NDArray[np.uint8]
Int8s = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]

#: What a file must be called to be taken for a picture.
SUFFIXES = (".png", ".jpg", ".jpeg")
#: Orders of colours, and how many channels they have.
ORDERS = {"rgb": 3, "bgr": 3, "gray": 1}
#: Pixels of the largest picture that is read, or that resizing may make.
MOST_PIXELS = 1 << 26
# Pillow's modes of eight bits per channel, with or without a palette or alpha.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class PictureError(ValueError):
    """A picture cannot be read, or does not become the network's input."""


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the network's input: the ``preprocess`` block of ``manifest.json``.

    A picture is resized, its centre is cropped, its bytes become ``(v / 255 - mean) / std``.

    Parameters
    ----------
    size : (int, int)
        Height and width of the network's input.
    mean, std : tuple of float
        Per channel, in the network's order of channels.
    resize : int, (int, int) or None
        New length of the short side (the ratio is kept, the long side rounded down), or height and
        width, or no change.
    crop : (int, int) or None
        Height and width of the centre that is kept: from row ``(height - crop) // 2`` on.
    order : str
        The network's order of channels: "rgb", "bgr" or "gray".
    layout : str
        The ONNX model's order of dimensions: "nchw" or "nhwc".
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    order: str = "rgb"
    layout: str = "nchw"

    def __post_init__(self) -> None:
        channels = ORDERS.get(self.order)
        if channels is None:
            raise PictureError(f"the order of colours is rgb, bgr or gray, not {self.order!r}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != channels or not np.isfinite(values).all():
                raise PictureError(
                    f"{name} takes {channels} numbers for {self.order}, not {list(values)}"
                )
        if not all(value > 0 for value in self.std):
            raise PictureError(f"std must be above 0, not {list(self.std)}")
        exact = self.crop or (self.resize if isinstance(self.resize, tuple) else self.size)
        if tuple(exact) != tuple(self.size):
            raise PictureError(
                f"pictures become {exact[0]}x{exact[1]}, but the network takes "
                f"{self.size[0]}x{self.size[1]}"
            )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """Inverse of :meth:`to_dict`."""
        known: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**known)

    def __str__(self) -> str:
        """For people."""
        steps = []
        if isinstance(self.resize, int):
            steps.append(f"short side resized to {self.resize}")
        elif self.resize:
            steps.append(f"resized to {self.resize[0]}x{self.resize[1]}")
        if self.crop:
            steps.append(f"the centre of {self.crop[0]}x{self.crop[1]}")
        mean, std = (", ".join(f"{v:g}" for v in values) for values in (self.mean, self.std))
        return ", ".join([*steps, self.order, f"(v / 255 - ({mean})) / ({std})"])


def read_picture(path: str | Path, order: str = "rgb") -> Bytes:
    """A PNG or JPEG file as uint8 (h, w, c): red, green, blue, or for "gray" one channel.

    As viewers show it: turned as its EXIF says. What is transparent keeps its colour, of 16 bits of
    a colour the upper eight count. The content counts, not the name.

    Raises PictureError for what is no picture or too large, or has 16 bits of gray.
    """
    try:
        if not Path(path).is_file():  # opening a pipe would wait
            raise PictureError(f"{path} is no file that can be read; take it out")
        with open(path, "rb") as file, _opened(file) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise PictureError(
                    f"{path} has {width:,} x {height:,} pixels; up to {MOST_PIXELS:,} are read: "
                    "make it smaller"
                )
            if picture.mode not in _MODES:
                raise PictureError(
                    f"{path} has pixels of mode {picture.mode}; save it with 8 bits per channel"
                )
            picture.load()
            number = _orientation(picture.info.get("exif", b""))
            # Palettes with transparency are converted with a warning else.
            whole = picture.convert("RGBA") if "transparency" in picture.info else picture
            stored = np.asarray(whole.convert("L" if order == "gray" else "RGB"))
            pixels = np.ascontiguousarray(_turned(stored, number))
    except PictureError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise PictureError(f"cannot read picture {path}: {reason}; {_WAY_OUT}") from error
    # Broken files end in whatever Pillow stumbles on.
    except Exception as error:
        raise PictureError(f"cannot read picture {path}: {error}; {_WAY_OUT}") from error
    return pixels.reshape(*pixels.shape[:2], ORDERS[order])


def _turned(x: Bytes, number: int) -> Bytes:
    """From how a picture is stored to how it is seen, by EXIF's number."""
    if number in (5, 6, 7, 8):
        x = x.swapaxes(0, 1)
    if number in (2, 3, 6, 7):
        x = x[:, ::-1]
    return x[::-1] if number in (3, 4, 7, 8) else x


def _orientation(exif: bytes) -> int:
    """EXIF's number, of which 2 to 8 turn; 0 where there is none, or no sense in it."""
    data = exif[6:] if exif[:6] == b"Exif\0\0" else exif
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", data, at)
            if (tag, kind) == (0x0112, 3):
                return int(value)
    except struct.error:
        pass
    return 0


_WAY_OUT = "save it anew, or take it out"


def _opened(file: IO[bytes]) -> Any:
    """Pillow's reader: no other formats, and its own limit of pixels, which warns, is not asked."""
    from PIL import JpegImagePlugin, PngImagePlugin

    head = file.read(8)
    file.seek(0)
    if head == b"\x89PNG\r\n\x1a\n":
        reader: Any = PngImagePlugin.PngImageFile
    elif head[:3] == b"\xff\xd8\xff":
        reader = JpegImagePlugin.JpegImageFile
    else:
        raise ValueError("it is no PNG or JPEG file" if head else "it is empty")
    # It warns of EXIF without sense. Filters are the process's, so one thread at a time.
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reader(file)


_FILTERS = threading.Lock()


def sized(pixels: Bytes, preprocess: Preprocess) -> Bytes:
    """``pixels`` (h, w, c) resized and cropped to the network's size; colours as they were.

    Raises PictureError when they do not come out at that size.
    """
    target = preprocess.resize
    if isinstance(target, int):
        height, width = pixels.shape[:2]
        short = min(height, width)
        target = (height * target // short, width * target // short)
    if target:
        if target[0] * target[1] > MOST_PIXELS:
            raise PictureError(f"it becomes {target[0]}x{target[1]}: too large a picture")
        pixels = resize(pixels, *target)
    height, width = pixels.shape[:2]
    rows, columns = preprocess.crop or (height, width)
    if rows > height or columns > width:
        raise PictureError(f"a centre of {rows}x{columns} does not fit into {height}x{width}")
    top, left = (height - rows) // 2, (width - columns) // 2
    pixels = pixels[top : top + rows, left : left + columns]
    if pixels.shape[:2] != tuple(preprocess.size):
        raise PictureError(
            f"a picture becomes {rows}x{columns}, but the network takes "
            f"{preprocess.size[0]}x{preprocess.size[1]}"
        )
    return pixels


def normalized(pixels: Bytes, preprocess: Preprocess) -> Floats:
    """A picture (h, w, c) as the network's float input (1, h, w, c), channels in its order."""
    colours = sized(pixels, preprocess)
    if preprocess.order == "bgr":
        colours = colours[..., ::-1]
    mean, std = (np.asarray(v, np.float32) for v in (preprocess.mean, preprocess.std))
    result: Floats = (colours.astype(np.float32) / np.float32(255) - mean) / std
    return result[np.newaxis]


def quantized(pixels: Bytes, preprocess: Preprocess, scale: float, zero_point: int) -> Int8s:
    """A picture (h, w, c) as the network's int8 input (1, h, w, c): :func:`normalized`, divided by
    ``scale``, rounded half to even, plus ``zero_point``, saturated."""
    tables = np.stack([
        image_table(mean, std, scale, zero_point)
        for mean, std in zip(preprocess.mean, preprocess.std)  # noqa: B905  Python 3.8 on boards
    ])
    colours = sized(pixels, preprocess)
    height, width = preprocess.size
    reverse = preprocess.order == "bgr"
    return quantize_image(colours, 0, 0, height, width, tables, reverse=reverse)[np.newaxis]


# The kernels of the C library.


def resize(x: Bytes, height: int, width: int) -> Bytes:
    """Bilinear: uint8 (h, w, c) to (height, width, c), half-pixel centres, edges repeated.

    In 1/256 pixels: ``position(d) = clamp((2 d + 1) * in * 128 // out - 128, 0, (in - 1) * 256)``.
    Columns blend to ``a * (256 - f) + b * f``, rows of those the same way, then
    ``(sum + 32768) >> 16``. As ONNX's Resize (linear, half_pixel), to within 1 of 255.
    """
    columns, right, fx = _positions(x.shape[1], width)
    rows, below, fy = _positions(x.shape[0], height)
    # Columns are picked before they are widened: a camera's picture would take 100 MB.
    wide = x[:, columns] * (256 - fx)[:, None] + x[:, right] * fx[:, None]
    tall = wide[rows] * (256 - fy)[:, None, None] + wide[below] * fy[:, None, None]
    result: Bytes = np.right_shift(tall + 32768, 16).astype(np.uint8)
    return result


def _positions(size: int, out: int) -> tuple[npt.NDArray[np.int32], ...]:
    """For every output: the input before it, the one after it, and 1/256 of the way."""
    d = np.arange(out, dtype=np.int64)
    at = np.clip((2 * d + 1) * size * 128 // out - 128, 0, (size - 1) * 256)
    before = at >> 8
    after = np.minimum(before + 1, size - 1)
    return before.astype(np.int32), after.astype(np.int32), (at & 255).astype(np.int32)


def image_table(mean: float, deviation: float, scale: float, zero: int) -> Int8s:
    """int8 of each byte v of a channel: ``((v / 255 - mean) / deviation) / scale``, in float32
    step by step, rounded half to even, plus ``zero``, saturated."""
    v = np.arange(256, dtype=np.float32) / np.float32(255)
    with np.errstate(over="ignore"):
        steps = np.rint((v - np.float32(mean)) / np.float32(deviation) / np.float32(scale))
    result: Int8s = (np.clip(steps, -128 - zero, 127 - zero) + zero).astype(np.int8)
    return result


def quantize_image(
    x: Bytes, top: int, left: int, height: int, width: int, tables: Int8s, *, reverse: bool = False
) -> Int8s:
    """Crop uint8 (h, w, c) and look up ``tables`` (c, 256). ``reverse``: channels back to front."""
    crop = x[top : top + height, left : left + width]
    crop = crop[..., ::-1] if reverse else crop
    return tables[np.arange(x.shape[2]), crop]
