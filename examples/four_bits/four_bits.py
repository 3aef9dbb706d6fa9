"""What late layers' weights in four bits would cost in accuracy, and save at most in cycles.

    python examples/four_bits/four_bits.py MODEL --calib DIR --data DIR [--mean ... --std ...]

An experiment: accelgen does not build it. A weight is ``k * q``, q of four bits in [-7, 7], k a
whole number per output channel, or per 32 inputs of each, in steps of the layer's own int8 weights:
what a decoder before the PE array could make of half the bytes, with no other change. So the golden
model of int8 says what comes out, to the bit.

Layers in four bits are convolutions, not depthwise, of maps of 14 x 14 and smaller (late, whose
weights DDR is busy with), or all with ``--all``. Ways: "rounded" to the nearest, k the one of least
squared error; "gptq": column after column, what rounding did is made up for by the columns that
follow (Frantar et al., GPTQ, arXiv 2210.17323). Biases are corrected after both.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from accelgen.flow.network import load, quantized
from accelgen.golden.arith import real_array
from accelgen.golden.interpret import interpret, walk
from accelgen.inputs.pictures import Pictures
from accelgen.inputs.samples import Calibration, open_samples
from accelgen.ir.ops import QConv2d
from accelgen.quant.layerwise import improve
from accelgen.quant.weights import fold

LATE, GROUP, DAMPING = 14, 32, 0.01


def chosen(graph, every):
    """Convolutions whose weights are in four bits."""
    for node in graph.nodes:
        if not isinstance(node.op, QConv2d) or node.op.groups > 1:
            continue
        _, height, width, _ = graph.tensors[node.inputs[0]].shape
        if every or (max(height, width) <= LATE and max(height, width) > 1):
            yield node


def best_k(columns):
    """Per row of (o, inputs) the whole number of least squared error."""
    tried = []
    for k in range(1, 19):
        error = columns - k * np.clip(np.rint(columns / k), -7, 7)
        tried.append((error**2).sum(1))
    return 1 + np.argmin(tried, axis=0)[:, None]


def rounded(weight, _, group):
    """(o, inputs) in integers, each ``group`` columns with a k of their own."""
    made = np.empty_like(weight)
    for first in range(0, weight.shape[1], group):
        part = weight[:, first : first + group]
        k = best_k(part)
        made[:, first : first + group] = k * np.clip(np.rint(part / k), -7, 7)
    return made


def gptq(weight, x, group):
    """The same, errors weighed by the inputs ``x`` (pixels, inputs)."""
    hessian = x.T @ x
    hessian[np.diag_indices_from(hessian)] += DAMPING * np.mean(np.diag(hessian)) + 1e-6
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    left, made = weight.copy(), np.empty_like(weight)
    for first in range(0, weight.shape[1], group):
        k = best_k(left[:, first : first + group])[:, 0]
        for i in range(first, min(first + group, weight.shape[1])):
            made[:, i] = k * np.clip(np.rint(left[:, i] / k), -7, 7)
            error = (left[:, i] - made[:, i]) / upper[i, i]
            left[:, i + 1 :] -= np.outer(error, upper[i, i + 1 :])
    return np.clip(made, -127, 127)


def patches(x, op):
    """(pixels, inputs) of a map (n, h, w, c), as the kernel sees them; some of all."""
    top, left, bottom, right = (max(p, 0) for p in op.pads)
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, op.kernel, (1, 2))
    windows = windows[:, :: op.stride[0], :: op.stride[1]].transpose(0, 1, 2, 4, 5, 3)
    rows = windows.reshape(-1, windows.shape[3] * windows.shape[4] * windows.shape[5])
    return rows[:: max(1, len(rows) // 4096)].astype(np.float64)


def in_four_bits(model, samples, way, group, every):
    """``model`` with other weights, and the bytes that changed."""
    constants, integers, graph = dict(model.graph.constants), dict(model.integers), model.graph
    nodes, changed = {n.name: n for n in chosen(graph, every)}, 0
    inputs = {n.inputs[0] for n in nodes.values()}
    seen = {name: value for name, value in walk(graph, samples) if name in inputs}
    for node in nodes.values():
        given = integers[node.name]
        x, y = (graph.tensors[t].quantization for t in (node.inputs[0], node.output))
        real = seen[node.inputs[0]].astype(np.float64) - x.zero_point
        flat = given.weight.reshape(len(given.weight), -1).astype(np.float64)
        made = way(flat, patches(real, node.op), group or flat.shape[1]).astype(np.int8)
        integers[node.name] = replace(given, weight=made.reshape(given.weight.shape))
        bias, _, _ = fold(integers[node.name], x, y, node.name)
        constants[node.inputs[1]], constants[node.inputs[2]] = integers[node.name].weight, bias
        changed += made.size
    graph = replace(graph, constants=constants)
    made = replace(model, graph=graph, integers=integers)
    return improve(made, samples, {"bias"}), changed


def winners(graph, pictures):
    """Index of the largest output, picture by picture."""
    (name,), found = graph.outputs, []
    for picture in pictures:
        value = interpret(graph, picture[None])[name]
        found.append(int(np.argmax(real_array(value, graph.tensors[name]))))
    return np.array(found)


def main():
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--calib", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--mean")
    parser.add_argument("--std")
    parser.add_argument("--bgr", action="store_true")
    parser.add_argument("--all", action="store_true", help="not only maps of 14 x 14 and less")
    parser.add_argument("--pictures", type=int, default=256)
    asked = parser.parse_args()

    loaded = load(asked.model)
    pictures = Pictures(mean=asked.mean, std=asked.std, bgr=asked.bgr)
    model, _ = quantized(
        loaded, calib=Calibration(where=Path(asked.calib), pictures=pictures), technique="bias"
    )
    shape, layout = model.graph.tensors[model.graph.input].shape, loaded.imported.input_layout
    calib, data = (
        open_samples(where, shape=shape, layout=layout, pictures=pictures)
        for where in (asked.calib, asked.data)
    )
    samples, shown = np.asarray(calib), np.asarray(data[: asked.pictures])
    wanted = winners(model.float_graph, shown)
    total = sum(i.weight.size for i in model.integers.values())
    for name, way, group in (
        ("8 bits", None, 0),
        ("4 bits, rounded, a k per channel", rounded, 0),
        ("4 bits, rounded, a k per 32 inputs", rounded, GROUP),
        ("4 bits, gptq, a k per 32 inputs", gptq, GROUP),
    ):
        made, changed = (model, 0) if way is None else in_four_bits(
            model, samples, way, group, asked.all
        )  # fmt: skip
        agreeing = np.mean(winners(made.graph, shown) == wanted)
        print(f"{name}: {agreeing:.2%} agree with float; {changed:,} of {total:,} weights")


if __name__ == "__main__":
    main()
