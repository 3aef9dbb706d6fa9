"""Nodes that move data: channels joined, parted and shuffled, maps enlarged."""

from __future__ import annotations

import numpy as np
from onnx import helper

from accelgen.zoo.net_graph import NetGraph, Tensor
from accelgen.zoo.probe import linear, moved, shuffled, unpooled

__all__ = ["NetMoves"]


class NetMoves(NetGraph):
    """Layers that compute nothing."""

    def concat(self, name: str, *parts: Tensor) -> Tensor:
        """Concat along channels."""
        return self._append(
            "Concat", name, parts, np.concatenate([p.probe for p in parts], 1), axis=1
        )

    def split(self, name: str, x: Tensor, *sizes: int) -> list[Tensor]:
        """Split along channels in parts of ``sizes``; one number: in that many equal parts."""
        if len(sizes) == 1:
            sizes = (x.channels // sizes[0],) * sizes[0]
        outputs = [f"{name}.out{i}" for i in range(len(sizes))]
        names = self._constant(f"{name}.sizes", np.array(sizes, np.int64))
        self._nodes.append(helper.make_node("Split", [x.name, names], outputs, name, axis=1))
        probes = np.split(x.probe, np.cumsum(sizes)[:-1], 1)
        return [
            Tensor(output, probe, x.side) for output, probe in zip(outputs, probes, strict=True)
        ]

    def shuffle(self, name: str, x: Tensor, groups: int) -> Tensor:
        """Channel shuffle: Reshape to groups, Transpose, Reshape."""
        probe = shuffled(x.probe, groups)
        shapes = [
            self._constant(f"{name}.{key}", np.array(shape, np.int64))
            for key, shape in (
                ("split", (1, groups, x.channels // groups, x.side, x.side)),
                ("joined", (1, x.channels, x.side, x.side)),
            )
        ]
        y = self._append("Reshape", f"{name}.split", [x], probe, shapes[:1])
        y = self._append("Transpose", f"{name}.transpose", [y], probe, perm=[0, 2, 1, 3, 4])
        return self._append("Reshape", f"{name}.join", [y], probe, shapes[1:])

    def flatten(self, name: str, x: Tensor) -> Tensor:
        """Flatten."""
        return self._append("Flatten", name, [x], x.probe, axis=1)

    def shift(self, name: str, x: Tensor, kernel: int) -> Tensor:
        """Channels in ``kernel`` x ``kernel`` equal groups, each moved by the place that its number
        has in a kernel; what does not divide goes with the group in the middle, that stays.

        Split; Pad and Slice of each group that moves; Concat: as exporters write it.
        """
        count = kernel * kernel
        sizes = [x.channels // count] * count
        sizes[count // 2] += x.channels % count
        axes = self._constant(f"{name}.axes", np.array([2, 3]))
        parts = []
        for index, part in enumerate(self.split(f"{name}.split", x, *sizes)):
            down, across = index // kernel - kernel // 2, index % kernel - kernel // 2
            if (down, across) != (0, 0):
                part = self._moved(f"{name}.{index}", part, (down, across), axes)
            parts.append(part)
        return self.concat(f"{name}.join", *parts)

    def _moved(self, name: str, x: Tensor, offset: tuple[int, int], axes: str) -> Tensor:
        """Pixel (y, x) becomes pixel (y, x) + ``offset``, or 0."""
        before, after = [max(0, -n) for n in offset], [max(0, n) for n in offset]
        pads = self._constant(f"{name}.pads", np.array([0, 0, *before, 0, 0, *after]))
        start = self._constant(f"{name}.start", np.array(after))
        end = self._constant(f"{name}.end", np.array([x.side + n for n in after]))
        probe = moved(x.probe, offset)
        padded = self._append("Pad", f"{name}.pad", [x], probe, [pads])
        return self._append("Slice", f"{name}.slice", [padded], probe, [start, end, axes])

    def max_unpool(self, name: str, x: Tensor, indices: Tensor, like: Tensor) -> Tensor:
        """MaxUnpool by 2: each value goes where ``indices`` of :meth:`max_pool_indices` found the
        largest in ``like``, zeros to the others."""
        return self._append(
            "MaxUnpool", name, [x, indices], unpooled(x.probe, like.probe), side=like.side,
            kernel_shape=[2, 2], strides=[2, 2],
        )  # fmt: skip

    def upsample(self, name: str, x: Tensor) -> Tensor:
        """Resize to twice the size, nearest neighbour."""
        scales = self._constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        return self._append(
            "Resize", name, [x], x.probe.repeat(2, 2).repeat(2, 3), ["", scales],
            side=2 * x.side,
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    def upsample_linear(self, name: str, x: Tensor) -> Tensor:
        """Resize to twice the size, bilinear, half pixels."""
        scales = self._constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        return self._append(
            "Resize", name, [x], linear(x.probe), ["", scales], side=2 * x.side,
            mode="linear", coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
