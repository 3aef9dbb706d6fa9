"""accelgen: what ``quantize`` does by itself, and with every technique.

Its golden model computes it: to the bit what the accelerator gives. ``--logits int8`` is beside it
because most tools round the logits, too.
"""

import functools

from accelgen.flow.network import load
from accelgen.inputs.samples import as_nhwc
from accelgen.quant import quantize
from accelgen.quant.accuracy import predict
from accelgen.quant.techniques import TECHNIQUES
from accelgen.quant.write_qdq import write_qdq

PACKAGE = "accelgen"


def _quantized(technique, model, calib, made, *, wide=True):
    imported = load(model).imported
    graph = imported.graph
    shape, layout = graph.tensors[graph.input].shape, imported.input_layout
    int8 = quantize(graph, as_nhwc(calib, shape, layout, made), technique=technique, wide=wide)
    write_qdq(int8, made)
    return lambda x: predict(int8.graph, as_nhwc(x, shape, layout, made))


SETTINGS = {
    "default": functools.partial(_quantized, "auto"),
    "default, logits int8": functools.partial(_quantized, "auto", wide=False),
    "no technique": functools.partial(_quantized, "none"),
    "every technique": functools.partial(_quantized, ",".join(TECHNIQUES)),
}
