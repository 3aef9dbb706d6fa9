"""The one place that makes names: for what accelgen adds to a model, never one that is taken."""

from __future__ import annotations

from collections.abc import Iterable

from accelgen.ir.graph import Graph

__all__ = ["Names", "graph_names"]


def graph_names(graph: Graph) -> set[str]:
    """Names of all tensors, nodes, constants and outputs of ``graph``."""
    taken = {*graph.inputs, *graph.outputs, *(view.name for view in graph.views)}
    for node in graph.nodes:
        taken |= {node.name, node.output, *node.inputs}
    return taken | set(graph.tensors)


class Names:
    """Gives out names that nothing else has.

    Parameters
    ----------
    taken : iterable of str
        Names that already mean something.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._made: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}

    @classmethod
    def of(cls, graph: Graph, *, constants: bool = True) -> Names:
        """Names beside all tensors, nodes and outputs of ``graph``, and what it has reserved.

        ``constants``: beside its constants, too; not where new ones take their place.
        """
        taken = graph_names(graph) | graph.reserved
        return cls(taken if constants else taken - set(graph.constants))

    def fresh(self, wanted: str) -> str:
        """``wanted``, or ``wanted`` with a number when it is taken; another one each time."""
        name, count = wanted, self._next.get(wanted, 2)
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        # So that a thousand equal wishes are not tried from the start each.
        self._next[wanted] = count
        self._taken.add(name)
        return name

    def of_part(self, base: str, suffix: str) -> str:
        """``base + suffix`` made free; the same name for the same two, whenever asked."""
        key = base, suffix
        if key not in self._made:
            self._made[key] = self.fresh(base + suffix)
        return self._made[key]
