"""Calibration data that is broken, odd or large: one sentence that names it, or the right result.

Every case goes through the command line and through Python, which must say the same.
"""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import accelgen
from accelgen.inputs.samples import load_samples
from tests.helpers.cli import answer, run
from tests.helpers.nets import make_net, node, weights

F = np.float32
SHAPE = (1, 6, 8, 3)
HOW = {"mean": "0.4,0.5,0.6", "std": "0.2,0.3,0.4"}
PICTURES = accelgen.Pictures(**HOW)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
X = RNG.standard_normal((4, 3, 6, 8)).astype(F)
BYTES = RNG.integers(0, 256, (4, 3, 6, 8)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    where = tmp_path_factory.mktemp("net") / "net.onnx"
    nodes = [
        node("Conv", "x w b", "t", pads=[1, 1, 1, 1]), node("Relu", "t", "u"),
        node("GlobalAveragePool", "u", "v"), node("Flatten", "v"),
    ]  # fmt: skip
    constants = {"w": weights(4, 3, 3, 3), "b": weights(4)}
    onnx.save(make_net(nodes, constants, shape=(1, 3, 6, 8)), where)
    return where


def npz(where, **arrays):
    np.savez(where / "x.npz", **arrays)
    return where / "x.npz"


def npy(where, x):
    np.save(where / "x.npy", x)
    return where / "x.npy"


def png(where, name="a.png", pixels=PIXELS, mode="RGB", **options):
    Image.fromarray(pixels).convert(mode).save(where / name, **options)
    return where


def chunks(width, height, depth, *more):
    """A PNG made by hand, of RGB."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), *more, (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content
        data += struct.pack(">I", zlib.crc32(kind + content))
    return data


def cut(where, name):
    """A picture of which the second half is lost."""
    png(where, name, RNG.integers(0, 256, (60, 80, 3)).astype(np.uint8))
    data = (where / name).read_bytes()
    (where / name).write_bytes(data[: len(data) // 2])
    return where


def flipped(where):
    png(where)
    png(where, "b.png")
    data = bytearray((where / "a.png").read_bytes())
    data[60] ^= 255
    (where / "a.png").write_bytes(data)
    return where


def written(name, content):
    def make(where):
        (where / name).write_bytes(content)
        return where

    return make


def arrays(**content):
    return lambda where: npz(where, **content)


def linked(name, target):
    def make(where):
        os.symlink(where / target, where / name)
        return png(where, "b.png")

    return make


def of_one_colour(where):
    for i in range(3):
        png(where, f"{i}.png", np.full((6, 8, 3), (124, 116, 104), np.uint8))
    return where


def of_mixed_sizes(where):
    png(where)
    return png(where, "b.png", RNG.integers(0, 256, (7, 9, 3)).astype(np.uint8))


def of_20000(where):
    Image.new("1", (20000, 20000)).save(where / "a.png")
    return where


def animated(where, name="a.gif"):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(where / "t.gif", save_all=True, append_images=frames[1:])
    (where / "t.gif").rename(where / name)
    return where


def piped(where):
    os.mkfifo(where / "a.png")
    return where


def piped_array(where):
    os.mkfifo(where / "x.npz")
    return where / "x.npz"


def foldered(where):
    (where / "a.png").mkdir()
    return png(where, "b.png")


def with_nan(value):
    x = X.copy()
    x[2, 0, 0, 0] = value
    return x


TEXT = (b"zTXt", b"k\0\0" + zlib.compress(b"x" * 100_000_000))
ANEW = "save it anew, or take it out"

REFUSED = {
    # The ten of the kind that users bring along.
    "NHWC": (arrays(x=X.transpose(0, 2, 3, 1)), "x.npz", "they are NHWC: x.transpose(0, 3, 1, 2)"),
    "raw uint8": (arrays(x=BYTES), "x.npz", "are uint8: raw pixels; say how they become"),
    "one colour": (of_one_colour, "{where}", "of one colour: no ranges can be taken of it; calib"),
    "NaN": (arrays(x=with_nan(np.nan)), "sample 2 of {where}/x.npz", "NaN or infinity"),
    "statistics of two channels": (
        arrays(calib_uint8=BYTES, mean=F([0.4, 0.5])), "x.npz", "mean must be one number, or one of"
    ),
    "corrupt PNG": (flipped, "a.png", f"broken data stream when reading image file; {ANEW}"),
    "20,000 x 20,000": (of_20000, "a.png", "has 20,000 x 20,000 pixels; up to 67,108,864 are"),
    "mixed sizes": (of_mixed_sizes, "b.png", "a picture becomes 7x9, but the network takes 6x8"),
    "empty folder": (lambda where: where, "{where}", "no picture (.png, .jpg, .jpeg) and no .npz"),
    "nothing there": (lambda where: where / "no", "there is no {where}/no", "calibration data is"),
    # Others.
    "truncated PNG": (lambda w: cut(w, "a.png"), "a.png", f"image file is truncated; {ANEW}"),
    "truncated JPEG": (lambda w: cut(w, "a.jpg"), "a.jpg", "image file is truncated ("),
    "16 bits of gray": (
        lambda w: png(w, pixels=PIXELS[..., 0].astype(np.uint16) * 250, mode="I;16"), "a.png",
        "has pixels of mode I;16; save it with 8 bits per channel",
    ),
    "animated GIF": (animated, "{where} holds a.gif", "is no PNG or JPEG file; save it as one"),
    "GIF called PNG": (lambda w: animated(w, "a.png"), "a.png", f"no PNG or JPEG file; {ANEW}"),
    "text called PNG": (written("a.png", b"hello"), "a.png", f"it is no PNG or JPEG file; {ANEW}"),
    "no bytes": (written("a.png", b""), "a.png", f"it is empty; {ANEW}"),
    "no bytes of arrays": (
        lambda w: written("x.npz", b"")(w) / "x.npz", "x.npz", "it is empty"
    ),
    "folder called PNG": (foldered, "a.png", "is no file that can be read; take it out"),
    "pipe called PNG": (piped, "a.png", "is no file that can be read; take it out"),
    "pipe called NPZ": (piped_array, "x.npz", "it is no file"),
    "link to itself": (linked("a.png", "a.png"), "a.png", "is no file that can be read"),
    "link to nothing": (linked("a.png", "no.png"), "a.png", "is no file that can be read"),
    "WebP": (lambda w: png(w, "a.webp"), "{where} holds a.webp", "is no PNG or JPEG file"),
    "WebP in a folder": (
        lambda w: png(in_folders(w) / "cat", "a.webp").parent, "{where}/cat holds a.webp",
        "is no PNG or JPEG file",
    ),
    "pickle": (arrays(x=np.array([{1: 2}], object)), "x.npz", "its values are object, and must be"),
    "infinity": (arrays(x=with_nan(np.inf)), "sample 2 of {where}/x.npz", "NaN or infinity"),
    "numbers beyond float32": (arrays(x=X.astype(float) * 1e300), "x.npz", "infinity as float32"),
    "one channel": (arrays(x=X[:, :1]), "x.npz", "NCHW; the network's input has 3 channels"),
    "four channels": (arrays(x=X[:, [0, 1, 2, 0]]), "x.npz", "the network's input has 3 channels"),
    "no sample": (lambda w: npy(w, X[:0]), "x.npy", "holds no sample"),
    "truth values": (lambda w: npy(w, X > 0), "x.npy", "are bool (4, 3, 6, 8); they must be float"),
    "complex": (lambda w: npy(w, X.astype(complex)), "x.npy", "its values are complex128"),
    "texts": (lambda w: npy(w, np.array(["a", "b"])), "x.npy", "are <U1 (2,); they must be float"),
    "a number": (arrays(x=F(3)), "x.npz", "are float32 (); they must be float (n, c, h, w)"),
    "control characters": (
        written("a\x1b[2J\n.png", b"junk"), r"a\x1b[2J\x0a.png", "it is no PNG or JPEG file"
    ),
    "a name that is no UTF-8": (written("a\udcff.png", b"junk"), r"a\xff.png", "it is no PNG"),
    "bomb": (
        written("a.png", chunks(100_000, 100_000, 8, (b"IDAT", zlib.compress(b"\0" * 1000)))),
        "a.png", "has 100,000 x 100,000 pixels; up to 67,108,864 are read: make it smaller",
    ),
    "bomb of text": (
        written("a.png", chunks(8, 6, 8, TEXT)), "a.png", "Decompressed data too large for"
    ),
    "both kinds": (
        lambda w: npz(png(w), x=X).parent, "{where}", "holds pictures and arrays; keep one kind"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_one_sentence(what, model, tmp_path):
    make, name, sentence = REFUSED[what]
    folder = tmp_path / "data"
    folder.mkdir()
    where, out = make(folder), tmp_path / "q.onnx"
    options = () if where.suffix in (".npz", ".npy") else _options()
    how = PICTURES if options else accelgen.Pictures()

    said = run("quantize", model, "--calib", where, *options, "-o", out)
    raised = answer(
        accelgen.quantize, model, out, calib=accelgen.Calibration(where=where, pictures=how)
    )

    assert (said.status, said.out) == (2, "")
    assert said.err == f"error: {raised}\n"
    assert name.format(where=folder) in said.err
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1
    assert not out.exists()


def _options():
    return tuple(text for key, value in HOW.items() for text in (f"--{key}", value))


def normalized(pixels):
    mean, std = (np.array(v.split(","), F) for v in HOW.values())
    return (pixels.astype(F) / F(255) - mean) / std


def grayed(pixels):
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    return np.repeat(gray[..., None], 3, axis=2)


def turned(where):
    """A picture that is stored on its side."""
    picture = Image.fromarray(np.rot90(PIXELS).copy())
    exif = Image.Exif()
    exif[0x112] = 6
    picture.save(where / "a.png", exif=exif)
    return where


def of_16_bits(where):
    rows = (PIXELS.astype(np.uint16) * 256 + 77).astype(">u2")
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    data = chunks(8, 6, 16, (b"IDAT", zlib.compress(lines)))
    return written("a.png", data)(where)


def transparent_palette(where):
    few = Image.fromarray(PIXELS).quantize(16)
    few.save(where / "a.png", transparency=bytes(range(16)))
    return where


def palette():
    return np.asarray(Image.fromarray(PIXELS).quantize(16).convert("RGB"))


def transparent(where):
    Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]])).save(where / "a.png")
    return where


def ink(where):
    Image.fromarray(PIXELS).convert("CMYK").save(where / "a.jpg", quality=100, subsampling=0)
    return where


def beside(where):
    png(where)
    (where / "notes.txt").write_text("none of it")
    (where / "empty").mkdir()
    os.symlink(where, where / "loop")
    return where


def in_folders(where):
    for name in ("cat", "ape"):
        (where / name).mkdir()
    png(where / "cat")
    png(where / "ape", pixels=255 - PIXELS)
    return where


RIGHT = {
    "one picture": (png, PIXELS),
    "gray": (lambda w: png(w, mode="L"), grayed(PIXELS)),
    "gray with alpha": (lambda w: png(w, mode="LA"), grayed(PIXELS)),
    "alpha": (transparent, PIXELS),
    "palette with alpha": (transparent_palette, palette()),
    "16 bits of a colour": (of_16_bits, PIXELS),
    "EXIF says it is turned": (turned, PIXELS),
    "text, empty folder and loop beside it": (beside, PIXELS),
    "a name that is no UTF-8": (lambda w: png(w, "a\udcff.png"), PIXELS),
    "folders of classes": (in_folders, np.stack([255 - PIXELS, PIXELS])),
}


@pytest.mark.parametrize("what", RIGHT)
def test_odd_pictures_are_read_right(what, model, tmp_path):
    make, pixels = RIGHT[what]
    where = make(tmp_path)

    got = load_samples(where, shape=SHAPE, pictures=PICTURES)

    want = normalized(pixels).reshape(-1, 6, 8, 3)
    np.testing.assert_array_equal(got, want)
    assert run("quantize", model, "--calib", where, *_options(), "-o", tmp_path / "q").status == 0


def test_ink_becomes_light(model, tmp_path):
    got = load_samples(ink(tmp_path), shape=SHAPE, pictures=PICTURES)

    assert np.abs(got - normalized(PIXELS)).mean() < 0.1


SCALED = (BYTES.astype(F) / F(255) - F([0.4, 0.5, 0.6]).reshape(3, 1, 1)) / F(0.5)
ARRAYS = {
    "float64": (arrays(x=X.astype(np.float64)), X),
    "float16": (arrays(x=X.astype(np.float16)), X.astype(np.float16).astype(F)),
    "big end first": (arrays(x=X.astype(">f4")), X),
    "Fortran's order": (lambda w: npy(w, np.asfortranarray(X)), X),
    "one sample": (arrays(x=X[0]), X[:1]),
    "statistics of each channel": (
        arrays(calib_uint8=BYTES, mean=F([0.4, 0.5, 0.6]), std=F(0.5), divisor=F(255)), SCALED
    ),
    "what a file has to be judged on": (
        arrays(x_uint8=BYTES, mean=F([0.4, 0.5, 0.6]), std=F(0.5), divisor=F(255)), SCALED
    ),
    "capitals": (lambda w: arrays(x=X)(w).rename(w / "X.NPZ"), X),
    "two files": (lambda w: npy(arrays(x=X)(w).parent, X[:1]).parent, np.concatenate([X[:1], X])),
}  # fmt: skip


@pytest.mark.parametrize("what", ARRAYS)
def test_odd_arrays_are_read_right(what, model, tmp_path):
    make, want = ARRAYS[what]
    where = make(tmp_path)

    got = load_samples(where, shape=SHAPE)

    np.testing.assert_allclose(got, want.transpose(0, 2, 3, 1), rtol=1e-6, atol=1e-6)
    said = run("quantize", model, "--calib", where, "-o", tmp_path / "q")
    assert said.status == 0
    assert ("calibrated on one sample alone" in said.err) == (len(want) == 1)


def test_bytes_with_words_on_pictures(tmp_path):
    got = load_samples(arrays(x=BYTES)(tmp_path), shape=SHAPE, pictures=PICTURES)

    np.testing.assert_array_equal(got, normalized(BYTES.transpose(0, 2, 3, 1)))
    assert Path(tmp_path / "x.npz").exists()
