"""Labels by name, by order and by folder; what is none is one sentence."""

import numpy as np
import pytest

from accelgen.errors import QuantizationError
from accelgen.inputs.labels import (
    check_labels,
    labels_in_order,
    labels_of_folders,
    labels_of_names,
)


def written(where, text):
    file = where / "labels.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    "text",
    [
        "a.png,3\nd/b c.png,0\n",
        "name,label\na.png,3\nd/b c.png,0",
        "\ufeffa.png 3\r\n\r\nd/b c.png 0\r\n",
        'd/b c.png;\t0\n"./a.png", 3\n'.replace('"./', '"'),
        "./a.png\t3\nd/b c.png,0\n",
    ],
)
def test_lines_of_names(tmp_path, text):
    labels, others = labels_of_names(written(tmp_path, text), ["a.png", "d/b c.png"])

    assert labels.tolist() == [3, 0]
    assert others == 0


def test_lines_of_other_pictures_are_counted(tmp_path):
    file = written(tmp_path, "b.png 1\na.png 2\nc.png 3\n")

    labels, others = labels_of_names(file, ["a.png"])

    assert (labels.tolist(), others) == ([2], 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b.png,1\n", r"labels.txt has no label for 'a.png'; write a line 'name,label'"),
        ("", r"has no label for 'a.png'"),
        ("a.png,1\na.png,2\n", r"has two labels for 'a.png'"),
        ("a.png,1\nb.png,cat\n", r"line 2: 'b.png,cat' is no 'name,label' with the number of a"),
        ("a.png,cat\n", r"line 1: 'a.png,cat' is no 'name,label'"),
        ("a.png,1.5\n", r"line 1: 'a.png,1.5' is no"),
        ("name,label\nid,label\na.png,1", r"line 2: 'id,label' is no"),
        (b"\xff\xfe\x00", r"labels .*labels.txt are no text \(UTF-8\)"),
    ],
)
def test_lines_that_are_none(tmp_path, text, message):
    with pytest.raises(QuantizationError, match=message):
        labels_of_names(written(tmp_path, text), ["a.png"])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(QuantizationError, match=r"cannot read labels .*none.csv: No such file"):
        labels_in_order(tmp_path / "none.csv", 2)


def test_labels_in_order(tmp_path):
    assert labels_in_order(written(tmp_path, "4\n0\n\n7\n"), 3).tolist() == [4, 0, 7]
    with pytest.raises(QuantizationError, match="has 3 labels for 4 samples"):
        labels_in_order(tmp_path / "labels.txt", 4)
    with pytest.raises(QuantizationError, match=r"line 1: 'a.png,4' is no number; samples of an"):
        labels_in_order(written(tmp_path, "a.png,4\n"), 1)


def test_folders_are_numbers_or_in_the_order_of_names():
    assert labels_of_folders(["n02", "n01", "n10", "n01"]) == {"n01": 0, "n02": 1, "n10": 2}
    assert labels_of_folders(["10", "9", "2"]) == {"10": 10, "9": 9, "2": 2}
    assert labels_of_folders(["10", "9", "cat"]) == {"10": 0, "9": 1, "cat": 2}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 10, 3], r"label of b is 10, and the network has classes 0 to 9; labels count from 0"),
        ([0, 2, -1], r"label of c is -1,"),
        ([1, 10, 3], r"of b is 10.*; they seem to count from 1: labels count from 0"),
    ],
)
def test_a_label_that_is_no_class_names_its_picture(labels, message):
    with pytest.raises(QuantizationError, match=message):
        check_labels(np.array(labels), 10, ["a", "b", "c"])
    check_labels(np.array([0, 9, 3]), 10, ["a", "b", "c"])
