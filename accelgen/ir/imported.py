"""What the front end hands on: a float graph, and what a QDQ file said about integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir.graph import Graph
from accelgen.ir.types import Quantization

__all__ = ["Imported"]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A model as read from ONNX. All mappings are empty for a float model.

    Passes give every constant they change a new name: a constant that still has its name is
    exactly the one described here.

    Parameters
    ----------
    graph : Graph
        Float operations, NHWC, weights OHWI float32; QuantizeLinear and DequantizeLinear removed,
        quantized weights and biases dequantized.
    quantization : mapping of tensor to Quantization
        int8 scale and zero point of each tensor that passed Q/DQ, under its name in ``graph``
        (uint8 is converted: ``zero_point - 128``).
    weight_scales : mapping of constant to float32 array (o,)
        Scale of each output channel of each quantized weight.
    integer_weights : mapping of constant to int8 array (o, kh, kw, i)
        ``constants[name] == integer_weights[name] * weight_scales[name]`` per output channel, to
        the bit of a float32 product; in [-127, 127].
    integer_biases : mapping of constant to int32 array (o,)
        Biases as the file had them, in steps of ``bias_scales``.
    bias_scales : mapping of constant to float64 array (o,)
        Usually input scale times weight scale; where not, the bias is rounded to that.
    logits : mapping of tensor to Quantization
        What wide logits (ir.wide), which the file does not round, are rounded to where they have
        to be int8: accelgen writes it beside the graph.
    input_layout : str
        ``"nchw"`` or ``"nhwc"``: the order in which the ONNX model takes its input, of several
        the first; ``graph`` always takes NHWC.
    more_layouts : tuple of str
        Those of ``graph.more``.
    preprocess : str
        How pictures become the input, as accelgen noted it in the file; "" where it did not.
    warnings : tuple of str
        One sentence each: what was changed on the way in and may cost accuracy.
    """

    graph: Graph
    quantization: Mapping[str, Quantization] = field(default_factory=dict)
    weight_scales: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    integer_weights: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    integer_biases: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    bias_scales: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    logits: Mapping[str, Quantization] = field(default_factory=dict)
    input_layout: str = "nchw"
    more_layouts: tuple[str, ...] = ()
    preprocess: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def layouts(self) -> dict[str, str]:
        """The order of each input, by name."""
        return dict(zip(self.graph.inputs, (self.input_layout, *self.more_layouts), strict=True))
