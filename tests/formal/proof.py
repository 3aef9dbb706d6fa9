"""A proof: a check, what it says in a sentence, and for each claim a fault that makes it false."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.formal.check import Check

__all__ = ["Fault", "Proof"]


@dataclass(frozen=True)
class Fault:
    """A line of the hardware, broken: in ``block`` (a path under ``accelgen/rtl``), ``old`` text
    becomes ``new``."""

    block: str
    old: str
    new: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """What is defined in the block's file is the broken one, for whoever uses it."""
        module = importlib.import_module("accelgen.rtl." + self.block.replace("/", "."))
        text = inspect.getsource(module)
        assert text.count(self.old) == 1, f"{self.block}: not once there: {self.old}"
        broken = {"__name__": module.__name__, "__file__": module.__file__}
        exec(compile(text.replace(self.old, self.new), module.__file__, "exec"), broken)
        swapped = []
        for user in list(sys.modules.values()):
            if not getattr(user, "__name__", "").startswith(("accelgen.rtl", "tests.formal")):
                continue
            for name, thing in list(vars(user).items()):
                if getattr(thing, "__module__", None) == module.__name__ and thing is vars(
                    module
                ).get(getattr(thing, "__name__", "")):
                    swapped.append((user, name, thing))
        try:
            for user, name, thing in swapped:
                setattr(user, name, broken[thing.__name__])
            yield
        finally:
            for user, name, thing in swapped:
                setattr(user, name, thing)


@dataclass(frozen=True)
class Proof:
    """``make()`` is a check of ``block`` (a path under ``accelgen/rtl``) in ``setting``.

    ``cycles``: looked at so many cycles only, else for ever. ``faults``: by name of a claim what
    breaks it; every claim of a check has one in one of its proofs.
    """

    block: str
    says: str
    setting: str
    make: Callable[[], Check]
    cycles: int | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)

    def __str__(self):
        return f"{self.block} ({self.setting})"
