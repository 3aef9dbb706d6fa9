"""Faults put into accelgen, to see that the fuzzer finds each: one function per kind."""

import time

from accelgen.errors import ScheduleError
from accelgen.golden.float_ops import FLOAT_OPS
from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir.ops import MaxPool, QGlobalAvgPool

__all__ = ["BREAKS"]


def float_value():
    """A maximum that is too large where the kernel has more than one row."""
    right = FLOAT_OPS[MaxPool]
    FLOAT_OPS[MaxPool] = lambda op, x: right(op, x) + (op.kernel[0] > 1)


def int8_value():
    """An average that is two steps too large."""
    right = INT8_OPS[QGlobalAvgPool]
    INT8_OPS[QGlobalAvgPool] = lambda op, *x: (right(op, *x) + 2).clip(-128, 127).astype("int8")


def _instead(op, what):
    from accelgen.frontend import registry

    entry = registry.IMPORTERS[op]

    def read(graph, node):
        what()
        return entry.read(graph, node)

    registry.IMPORTERS[op] = type(entry)(read, entry.attributes)


def exception():
    """An importer that divides by zero."""
    _instead("Sigmoid", lambda: 1 // 0)


def hang():
    """An importer that never ends."""

    def wait():
        while True:
            time.sleep(0)

    _instead("Sigmoid", wait)


def memory():
    """An importer that asks for eight gigabytes."""
    _instead("Sigmoid", lambda: bytearray(8 << 30))


def death():
    """An importer that ends the process."""
    import os

    _instead("Sigmoid", lambda: os.abort())


def opinion():
    """A compiler that refuses what check accepts."""
    from tests.fuzz import judge

    right = judge.schedule_parts

    def refuse(graph, *how, **more):
        if any(isinstance(node.op, QGlobalAvgPool) for node in graph.nodes):
            raise ScheduleError("no averages today")
        return right(graph, *how, **more)

    judge.schedule_parts = refuse


#: Kind of failure: what makes it.
BREAKS = {
    "float differs": float_value, "int8 differs": int8_value, "traceback": exception,
    "hang": hang, "memory": memory, "died": death, "check disagrees": opinion,
}  # fmt: skip
