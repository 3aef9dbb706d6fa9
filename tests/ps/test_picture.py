"""Pictures become the same numbers in calibration, in the driver and in the C library."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from accelgen.golden.arith import quantize_array
from accelgen.ir import Quantization
from accelgen.ps import kernels
from accelgen.ps.picture import (
    PictureError,
    Preprocess,
    normalized,
    quantized,
    read_picture,
    resize,
    sized,
)

HOWS = [
    Preprocess(size=(20, 30), mean=(0.5,), std=(0.25,), order="gray"),
    Preprocess(size=(9, 7), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25), resize=(9, 7)),
    Preprocess(size=(8, 8), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25), resize=11, crop=(8, 8)),
    Preprocess(size=(8, 10), mean=(0.0, 0.5, 1.0), std=(1.0, 0.01, 3.0), crop=(8, 10), order="bgr"),
]


def pixels(how, seed=0):
    channels = len(how.mean)
    return np.random.default_rng(seed).integers(0, 256, (20, 30, channels)).astype(np.uint8)


@pytest.mark.parametrize("how", HOWS, ids=str)
@pytest.mark.parametrize(("scale", "zero"), [(0.0173, -5), (0.004, -128), (1e-30, 127)])
def test_calibration_and_driver_make_the_same_of_a_picture(how, scale, zero):
    x = pixels(how)

    got = quantized(x, how, scale, zero)

    want = quantize_array(normalized(x, how), Quantization(scale=scale, zero_point=zero))
    np.testing.assert_array_equal(got, want)
    assert got.shape == (1, *how.size, len(how.mean))


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_the_c_library_makes_the_same_of_a_picture(runner, how):
    x, scale, zero = pixels(how), 0.02, -7
    if how.resize:
        target = how.resize if isinstance(how.resize, tuple) else (11, 30 * 11 // 20)
        (answer,) = runner.run([kernels.resize(x, *target)])
        x_small = answer.outputs[0].reshape(*target, len(how.mean))
    else:
        x_small = x
    answers = runner.run([
        kernels.image_table(mean, std, scale, zero)
        for mean, std in zip(how.mean, how.std, strict=True)
    ])
    tables = np.stack([a.outputs[0].reshape(256) for a in answers])
    rows, columns = how.size
    at = (x_small.shape[0] - rows) // 2, (x_small.shape[1] - columns) // 2
    reverse = how.order == "bgr"
    (answer,) = runner.run([
        kernels.quantize_image(x_small, (*at, rows, columns), tables, reverse=reverse)
    ])

    want = quantized(x, how, scale, zero)
    assert answer.outputs[0].tobytes() == want.tobytes()


def test_short_side_keeps_the_ratio_and_the_centre_is_kept():
    how = HOWS[2]
    x = pixels(how)

    np.testing.assert_array_equal(sized(x, how), resize(x, 11, 16)[1:9, 4:12])
    tall = x.transpose(1, 0, 2)
    np.testing.assert_array_equal(sized(tall, how), resize(tall, 16, 11)[4:12, 1:9])


def test_a_preprocess_block_goes_through_json():
    for how in HOWS:
        assert Preprocess.from_dict(json.loads(json.dumps(how.to_dict()))) == how


def test_a_picture_that_resizing_makes_enormous():
    # One row of 60,000 pixels, short side to 256: 256 x 15,360,000.
    row = np.zeros((1, 60_000, 3), np.uint8)
    how = Preprocess(size=(224, 224), mean=(0,) * 3, std=(1,) * 3, resize=256, crop=(224, 224))

    with pytest.raises(PictureError, match="becomes 256x15360000: too large a picture"):
        sized(row, how)


STORED = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)


@pytest.mark.parametrize("number", [*range(11), 60_000])
@pytest.mark.parametrize("end", ["png", "jpg"])
def test_pictures_are_turned_as_pillow_turns_them(tmp_path, number, end):
    file, exif = tmp_path / f"a.{end}", Image.Exif()
    exif[0x112] = number
    Image.fromarray(STORED).save(file, exif=exif)

    with Image.open(file) as picture:
        want = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(read_picture(file), want)


@pytest.mark.parametrize(
    "data", ["MM\0*\0\0\0\x08\0\x05garbage", "II*\0\xff\xff\xff\xff", "II", "x" * 99]
)
def test_exif_without_sense_is_silent(tmp_path, data):
    Image.fromarray(STORED).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + data.encode("latin-1"))

    assert read_picture(tmp_path / "a.jpg").shape == (6, 8, 3)
