"""Sums over batches are those of all pictures at once, by their definitions."""

import numpy as np
import pytest

from accelgen.quant.report import sqnr_db
from accelgen.quant.tally import Answers, Noise, Ranks, Worst, Worsts, ranks, winners


def drawn(rng, n=60, classes=12):
    return rng.integers(-5, 6, (n, classes)).astype(np.float32)  # many ties


def test_ranks_are_places_in_a_stable_order():
    rng = np.random.default_rng(0)
    outputs, labels = drawn(rng), rng.integers(0, 12, 60)

    places = [
        sorted(range(12), key=lambda c: (-row[c], c)).index(label)
        for row, label in zip(outputs, labels, strict=True)
    ]

    assert ranks(outputs, labels).tolist() == places
    np.testing.assert_array_equal(ranks(outputs, labels) == 0, winners(outputs) == labels)


@pytest.mark.parametrize("cut", [1, 13, 59])
def test_batches_add_up(cut):
    rng = np.random.default_rng(1)
    real, made, labels = drawn(rng), drawn(rng), rng.integers(0, 12, 60)
    found, answers, noise = Ranks(), Answers(), Noise()
    for part in (slice(0, cut), slice(cut, None)):
        found.add(made[part], labels[part])
        answers.add(real[part], made[part])
        each = noise.add(real[part], made[part])

    order = np.argsort(-made, axis=1, kind="stable")
    top1 = np.mean(order[:, 0] == labels)
    top5 = np.mean((order[:, :5] == labels[:, None]).any(axis=1))
    assert found.shares(12) == pytest.approx((top1, top5))
    assert answers.agreeing == (real.argmax(1) == made.argmax(1)).sum()
    assert answers.tied == sum((row == row.max()).sum() > 1 for row in made)
    assert noise.sqnr_db == pytest.approx(sqnr_db(real, made))
    assert noise.largest == np.abs(real - made).max()
    assert noise.equal == (real == made).sum()
    assert noise.count == real.size
    assert each[-1] == pytest.approx(sqnr_db(real[-1], made[-1]))


def test_of_five_classes_there_is_no_top5_and_without_labels_nothing():
    found = Ranks()
    assert found.shares(10) == (None, None)
    found.add(np.eye(5), np.arange(5))
    assert found.shares(5) == (1.0, None)


def test_no_error_and_nothing_but_error():
    same, all_ = Noise(), Noise()
    same.add(np.zeros((1, 3)), np.zeros((1, 3)))
    all_.add(np.zeros((1, 3)), np.ones((1, 3)))

    assert (same.sqnr_db, all_.sqnr_db) == (200, -200)


def test_the_worst_are_those_with_another_winner_then_by_noise():
    def one(name, reference, int8, db):
        return Worst(picture=name, label=None, reference=reference, int8=int8, sqnr_db=db)

    worst = Worsts(3)
    worst.add([one("a", 1, 1, 3.0), one("b", 1, 2, 30.0)])
    worst.add([one("c", 1, 1, 2.0), one("d", 3, 2, 20.0), one("e", 0, 0, 1.0)])

    assert [w.picture for w in worst.pictures] == ["d", "b", "e"]
