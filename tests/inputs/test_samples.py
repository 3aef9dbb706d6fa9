"""Calibration samples: arrays and pictures become the input, or a sentence says why not."""

import numpy as np
import pytest
from PIL import Image

from accelgen.errors import QuantizationError
from accelgen.inputs.pictures import Pictures
from accelgen.inputs.samples import Calibration, load_samples
from tests.helpers.nets import weights

SHAPE = (1, 6, 8, 3)
IMAGENET = Pictures(mean="0.485,0.456,0.406", std="0.229,0.224,0.225")


def picture(where, size=(6, 8), mode="RGB", seed=0, name="a.png"):
    height, width = size
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(where / name)
    return pixels


def test_pictures_of_a_directory_are_normalised_by_name(tmp_path):
    second = picture(tmp_path, seed=1, name="b.PNG")
    first = picture(tmp_path, seed=2, name="a.png")
    (tmp_path / "notes.txt").write_text("not a picture")

    got = load_samples(tmp_path, shape=SHAPE, pictures=IMAGENET)

    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    want = (np.stack([first, second]).astype(np.float32) / np.float32(255) - mean) / std
    np.testing.assert_array_equal(got, want)


def test_bgr_turns_channels_and_means_are_in_the_networks_order(tmp_path):
    pixels = picture(tmp_path)
    options = Pictures(mean="0.1,0.2,0.3", std="1", bgr=True)

    (got,) = load_samples(tmp_path / "a.png", shape=SHAPE, pictures=options)

    want = pixels[..., ::-1] / np.float32(255) - np.float32([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "RGB"])
def test_one_channel_is_gray_whatever_the_file_has(tmp_path, mode):
    picture(tmp_path, mode=mode)

    got = load_samples(tmp_path, shape=(1, 6, 8, 1), pictures=Pictures(mean="0", std="1"))

    gray = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    np.testing.assert_array_equal(got[0, ..., 0], gray / np.float32(255))


PLAIN = {"mean": "0", "std": "1"}


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, SHAPE, r"pictures need normalising; say how the network was trained: --preprocess"),
        (PLAIN, (1, 7, 8, 3), r"becomes 6x8, but the network takes 7x8; give --resize 7x8"),
        (PLAIN | {"crop": "9"}, (1, 9, 9, 3), r"a.png: a centre of 9x9 does not fit into 6x8"),
        (
            PLAIN | {"crop": "5x5"},
            SHAPE,
            r"5x5, but the network takes 6x8; --resize and",
        ),
        (PLAIN | {"resize": "5x5"}, SHAPE, r"become 5x5, but"),
        (PLAIN | {"mean": "0,1"}, SHAPE, r"--mean takes one number or 3"),
        (PLAIN | {"std": "one"}, SHAPE, r"--std takes numbers with commas, not 'one'"),
        (PLAIN | {"std": "0"}, SHAPE, r"std must be above 0"),
        (PLAIN | {"mean": "nan"}, SHAPE, r"mean takes 3 numbers"),
        (PLAIN | {"resize": "big"}, SHAPE, r"--resize takes N or HxW, like 256 or"),
        (PLAIN | {"resize": "0"}, SHAPE, r"--resize takes N or HxW"),
        (PLAIN | {"bgr": True}, (1, 6, 8, 1), r"--bgr is for three channels"),
        (PLAIN, (1, 6, 8, 4), r"input has 4 channels; pictures have 1 or 3"),
    ],
)
def test_what_does_not_become_the_input_is_one_sentence(tmp_path, options, shape, message):
    picture(tmp_path)

    with pytest.raises(QuantizationError, match=message):
        load_samples(tmp_path, shape=shape, pictures=Pictures(**options))


def test_broken_and_deep_pictures_are_named(tmp_path):
    options = Pictures(mean="0", std="1")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(QuantizationError, match=r"cannot read picture .*a\.jpg"):
        load_samples(tmp_path, shape=SHAPE, pictures=options)

    (tmp_path / "a.jpg").unlink()
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(QuantizationError, match=r"deep\.png has pixels of mode I;16; save"):
        load_samples(tmp_path, shape=SHAPE, pictures=options)


def arrays(where, x):
    np.savez(where / "x.npz", x=x)
    return where / "x.npz"


@pytest.mark.parametrize(
    ("x", "layout", "message"),
    [
        (np.zeros((2, 3, 6, 8), np.uint8), "nchw", r"are uint8: raw pixels; say how"),
        (np.zeros((2, 6, 8, 3), np.float32), "nchw",
         r"\(2, 6, 8, 3\); .* \(n, 3, 6, 8\), NCHW; they are NHWC: x.transpose\(0, 3, 1, 2\)"),
        (np.zeros((2, 3, 6, 8), np.float32), "nhwc",
         r"\(2, 3, 6, 8\); .* \(n, 6, 8, 3\), NHWC; they are NCHW: x.transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 3, 8, 8), np.float32), "nchw", r"NCHW; resize them to the model's input"),
        (np.zeros((2, 3), np.float32), "nchw", r"are float32 \(2, 3\); they must be float"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_named_as_the_user_has_them(tmp_path, x, layout, message):
    with pytest.raises(QuantizationError, match=message):
        load_samples(arrays(tmp_path, x), shape=SHAPE, layout=layout)


def test_a_directory_of_both_or_of_nothing_is_refused(tmp_path):
    with pytest.raises(QuantizationError, match=r"no picture .* and no .npz or .npy file in"):
        load_samples(tmp_path, shape=SHAPE)
    arrays(tmp_path, np.zeros((1, 3, 6, 8), np.float32))
    picture(tmp_path)
    with pytest.raises(QuantizationError, match="holds pictures and arrays"):
        load_samples(tmp_path, shape=SHAPE)
    with pytest.raises(QuantizationError, match="calibration data is"):
        load_samples(tmp_path / "x.txt", shape=SHAPE)


def test_a_calibration_is_a_path_a_string_or_nothing(tmp_path):
    file = arrays(tmp_path, weights(2, 3, 6, 8))

    for given in (file, str(file), Calibration(where=file)):
        assert Calibration.of(given).samples(SHAPE, "nchw").shape == (2, 6, 8, 3)
    assert Calibration.of(None).samples(SHAPE, "nchw") is None
    assert Calibration.of(file).preprocess(SHAPE, "nchw") is None
    assert Calibration.of(file).picture() is None


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_scaling_per_channel(tmp_path, layout):
    order = (3, 6, 8) if layout == "nchw" else (6, 8, 3)
    raw = np.random.default_rng(0).integers(0, 256, (2, *order)).astype(np.uint8)
    mean, std, divisor = np.float32([0.1, 0.2, 0.3]), np.float32([1, 2, 4]), np.float32([255] * 3)
    np.savez(tmp_path / "s.npz", calib_uint8=raw, mean=mean, std=std, divisor=divisor)

    got = load_samples(tmp_path / "s.npz", shape=SHAPE, layout=layout)

    pixels = raw.transpose(0, 2, 3, 1) if layout == "nchw" else raw
    np.testing.assert_allclose(got, (pixels / 255 - mean) / std, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"std": np.float32([1, 2])}, "std must be one number, or one of each channel"),
        ({"std": np.float32(0)}, "std must not be 0"),
        ({"mean": np.float32(np.nan)}, "mean must be one number"),
        ({"divisor": np.array("255")}, None),
        ({"divisor": np.array("many")}, "cannot read calibration data"),
    ],
)
def test_scaling_that_is_no_number(tmp_path, scaling, message):
    raw = np.arange(144, dtype=np.uint8).reshape(1, 3, 6, 8)
    np.savez(tmp_path / "s.npz", calib_uint8=raw, **scaling)

    if message is None:
        assert load_samples(tmp_path / "s.npz", shape=SHAPE).shape == (1, 6, 8, 3)
        return
    with pytest.raises(QuantizationError, match=message):
        load_samples(tmp_path / "s.npz", shape=SHAPE)


def test_a_damaged_archive(tmp_path):
    np.savez(tmp_path / "s.npz", x=np.ones((2, 3, 6, 8), np.float32))
    data = bytearray((tmp_path / "s.npz").read_bytes())
    data[400] ^= 255
    (tmp_path / "s.npz").write_bytes(data)

    with pytest.raises(QuantizationError, match=r"cannot read calibration data .*Bad CRC-32"):
        load_samples(tmp_path / "s.npz", shape=SHAPE)


def test_an_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("accelgen.array_files.MOST_BYTES", 1000)
    np.savez_compressed(tmp_path / "s.npz", x=np.ones((2, 3, 6, 8), np.float32))

    with pytest.raises(QuantizationError, match="it holds 1,152 bytes; up to 1,000 are read"):
        load_samples(tmp_path / "s.npz", shape=SHAPE)


def test_flat_samples_of_a_flat_input(tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 144)).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=x)

    got = load_samples(tmp_path / "s.npz", shape=SHAPE)

    assert np.array_equal(got, x.reshape(2, 3, 6, 8).transpose(0, 2, 3, 1))


@pytest.mark.parametrize("name", ["mean", "divisor", "calib_uint8"])
def test_x_beside_what_would_scale_it_is_refused(tmp_path, name):
    x = np.ones((2, 3, 6, 8), np.float32)
    np.savez(tmp_path / "s.npz", **{"x": x, name: np.float32([1])})

    with pytest.raises(QuantizationError, match=rf"it has 'x'.*beside it '{name}'; keep 'x' alone"):
        load_samples(tmp_path / "s.npz", shape=(1, 6, 8, 3))


def test_wild_names_in_an_archive_reach_no_terminal(tmp_path):
    np.savez(tmp_path / "s.npz", **{"X\x1b[2J": np.zeros(3)})

    with pytest.raises(QuantizationError, match=r"only X\\x1b\[2J") as caught:
        load_samples(tmp_path / "s.npz", shape=(1, 6, 8, 3))

    assert str(caught.value).isprintable()
