"""Pictures to be judged on: what there is, by name and label, a few at a time."""

import numpy as np
import pytest

from accelgen.errors import QuantizationError
from accelgen.inputs.pictures import NO_OPTIONS, Pictures
from accelgen.inputs.shown import open_shown
from tests.inputs.test_samples import SHAPE, picture

PLAIN = Pictures(mean="0", std="1")


def opened(where, pictures=PLAIN, layout="nchw", labels=None, shape=SHAPE):
    return open_shown(where, shape=shape, layout=layout, pictures=pictures, labels=labels)


def test_pictures_of_a_directory_are_read_when_asked_for(tmp_path, monkeypatch):
    made = [picture(tmp_path, seed=n, name=f"{n}.png") for n in range(4)]
    read = []
    from accelgen.inputs import pictures as module

    read_picture = module.read_picture
    monkeypatch.setattr(
        module, "read_picture", lambda f, o: read.append(f.name) or read_picture(f, o)
    )

    shown = opened(tmp_path)
    some = shown.read(1, 3)

    assert shown.names == ["0.png", "1.png", "2.png", "3.png"]
    assert shown.labels is None
    assert read == ["1.png", "2.png"]
    np.testing.assert_array_equal(some, np.stack(made[1:3]) / np.float32(255))


def test_folders_are_classes(tmp_path):
    for folder, name in (("cat", "b.png"), ("ape", "z.png"), ("cat", "a.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        picture(tmp_path / folder, name=name)
    (tmp_path / "empty").mkdir()

    shown = opened(tmp_path)

    assert shown.names == ["ape/z.png", "cat/a.png", "cat/b.png"]
    assert shown.labels.tolist() == [0, 1, 1]
    assert shown.read(0, 3).shape == (3, 6, 8, 3)


def test_a_file_of_labels(tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path, name=name)
    (tmp_path / "labels.csv").write_text("name,label\nb.png,4\na.png,1\nc.png,7\n")

    shown = opened(tmp_path, labels=tmp_path / "labels.csv")

    assert shown.labels.tolist() == [1, 4]
    assert len(shown.warnings) == 1
    assert "1 labels of" in shown.warnings[0]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("name", ["y", "labels"])
def test_an_archive_of_raw_pixels_with_its_scaling(tmp_path, layout, name):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
    raw = pixels.transpose(0, 3, 1, 2) if layout == "nchw" else pixels
    mean, y = np.float32([0.1, 0.2, 0.3]), np.arange(5, dtype=np.uint8)
    np.savez(tmp_path / "t.npz", x_uint8=raw, mean=mean, std=2.0, divisor=255.0, **{name: y})

    shown = opened(tmp_path / "t.npz", NO_OPTIONS, layout)

    wanted = (pixels.astype(np.float32) / np.float32(255) - mean) / np.float32(2)
    np.testing.assert_array_equal(shown.read(1, 4), wanted[1:4])
    assert shown.labels.tolist() == [0, 1, 2, 3, 4]
    assert shown.names[4] == "sample 4"


def test_bytes_go_through_the_words_on_pictures(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 12, 16)).astype(np.uint8)
    np.savez(tmp_path / "t.npz", x=pixels[:, :, 3:9, 4:12])

    shown = opened(tmp_path / "t.npz", Pictures(mean="0.5", std="2", bgr=True))

    want = pixels[:, ::-1, 3:9, 4:12].transpose(0, 2, 3, 1) / np.float32(255)
    np.testing.assert_array_equal(shown.read(0, 3), (want - np.float32(0.5)) / np.float32(2))


def test_floats_are_the_networks_own_input(tmp_path):
    x = np.random.default_rng(0).standard_normal((3, 3, 6, 8))
    np.save(tmp_path / "t.npy", x)
    (tmp_path / "y.txt").write_text("2\n0\n1\n")

    shown = opened(tmp_path / "t.npy", NO_OPTIONS, labels=tmp_path / "y.txt")

    np.testing.assert_array_equal(shown.read(0, 9), x.transpose(0, 2, 3, 1).astype(np.float32))
    assert shown.labels.tolist() == [2, 0, 1]


FLOATS = np.zeros((2, 3, 6, 8), np.float32)
BYTES = FLOATS.astype(np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": BYTES}, r"samples in .* are uint8: raw pixels; say how"),
        ({"x": FLOATS.transpose(0, 2, 3, 1)}, r"NCHW; they are NHWC: x.transpose\(0, 3, 1, 2\)"),
        ({"x": FLOATS[..., :4]}, r"takes \(n, 3, 6, 8\), NCHW; resize them"),
        ({"x": FLOATS[:0]}, r"holds no sample"),
        ({"z": FLOATS}, r"it has no array 'x' or 'x_uint8' .*only z"),
        ({"y": np.arange(2)}, r"it has no array 'x' or 'x_uint8'"),
        ({"x": FLOATS, "x_uint8": BYTES}, r"it has 'x' and 'x_uint8'; keep one"),
        ({"x": FLOATS, "mean": 0.5}, r"it has 'x', which nothing scales, and beside it 'mean'"),
        ({"x_uint8": BYTES, "std": 0.0}, r"std must not be 0"),
        ({"x": FLOATS, "y": np.arange(3)}, r"array 'y' or 'labels' of 2 whole numbers, or"),
        ({"x": FLOATS, "y": np.zeros(2)}, r"as many maps of them, not float64 \(2,\)"),
        ({"x": FLOATS, "y": np.arange(2), "labels": np.arange(2)}, r"must be one array"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, content, message):
    np.savez(tmp_path / "t.npz", **content)

    with pytest.raises(QuantizationError, match=message):
        opened(tmp_path / "t.npz", NO_OPTIONS)


def test_a_sample_that_is_no_number_is_named(tmp_path):
    x = FLOATS.copy()
    x[1, 0, 0, 0] = np.nan
    np.savez(tmp_path / "t.npz", x=x)

    with pytest.raises(
        QuantizationError, match=r"sample 1 of .* holds NaN or infinity as float32; remove it"
    ):
        opened(tmp_path / "t.npz", NO_OPTIONS).read(1, 2)


def test_what_is_nothing_to_look_at(tmp_path):
    with pytest.raises(
        QuantizationError, match=r"no picture \(.png.* nor in folders of it; --data"
    ):
        opened(tmp_path)
    with pytest.raises(QuantizationError, match=r"there is no .*nothing; --data takes"):
        opened(tmp_path / "nothing")
    (tmp_path / "t.txt").write_text("x")
    with pytest.raises(QuantizationError, match=r"no picture .* in .*t\.txt"):
        opened(tmp_path / "t.txt")
    picture(tmp_path)
    with pytest.raises(QuantizationError, match="pictures need normalising; say how"):
        opened(tmp_path, NO_OPTIONS)
    (tmp_path / "cat").mkdir()
    picture(tmp_path / "cat")
    with pytest.raises(QuantizationError, match="pictures and folders of pictures; keep one"):
        opened(tmp_path)


def test_labels_that_are_there_twice(tmp_path):
    np.savez(tmp_path / "t.npz", x=FLOATS, y=np.arange(2))
    (tmp_path / "y.txt").write_text("2\n0\n")

    with pytest.raises(QuantizationError, match="has labels of its own; leave --labels out"):
        opened(tmp_path / "t.npz", NO_OPTIONS, labels=tmp_path / "y.txt")
