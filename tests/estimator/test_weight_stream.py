"""The weight ring's model waits for what is read, whatever it holds."""

import pytest

from accelgen.cost.events import Delay, Wait
from accelgen.estimator.weight_stream import Group, WeightStream


def first_of(oldest):
    """What the ring waits for first, to hold five words fewer of the oldest group."""
    return next(WeightStream._free(object.__new__(WeightStream), oldest, 5))


@pytest.mark.parametrize("read_from", [-1.0, 7.0])
def test_a_group_without_words_frees_none_before_it_is_read(read_from):
    """A step of tables only, or of weights that were kept: its reading was divided by its words."""
    oldest = Group(words=0, read_from=read_from)

    wait = first_of(oldest)

    assert isinstance(wait, Wait)
    assert not wait.until()
    oldest.front_done = True
    assert wait.until()


def test_words_are_freed_as_they_are_read():
    delay = first_of(Group(words=20, read_from=7.0, read_cycles=40.0))

    assert isinstance(delay, Delay)
    assert delay.cycles == pytest.approx(5 * 40 / 20)
