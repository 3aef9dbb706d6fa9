"""One step of a network as a program of its own."""

from __future__ import annotations

from accelgen.cost import Memory
from accelgen.program.records import Program
from accelgen.schedule.build import plan_graph

__all__ = ["single_step"]


def single_step(program: Program, step: int, memory: Memory | None = None) -> Program:
    """A program that runs step ``step`` of ``program`` alone.

    Its ``inputs`` are the tensors the step reads, to be filled by the host (from the golden model);
    its ``outputs`` what the step makes: the map if it is written, the squeezed vector. Tiles may
    differ from the network's, since the whole feature memory is free; they go by ``memory``, as
    :func:`~accelgen.schedule.build.schedule`'s do.

    Raises
    ------
    IndexError
        There is no such step.
    """
    chosen = program.steps[step]
    whole = program.graph
    cut = whole.with_nodes(
        tuple(n for n in whole.nodes if n.name in chosen.nodes),
        input=chosen.inputs[0],
        more=(),
        outputs=tuple(t for t in (chosen.output, chosen.squeezed) if t),
        name=f"{whole.name}.step{step}",
        views=(),
    )
    # An input that the network folds is folded here too; a tensor made in between never is.
    folded = frozenset(
        p.tensor for p in program.inputs if p.shape != whole.tensors[p.tensor].shape[1:]
    )
    return plan_graph(cut, program.arch, memory or Memory(), foldable=folded).program()
