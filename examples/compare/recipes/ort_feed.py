"""Pictures one by one, as onnxruntime's quantizer and those built on it read them."""

import onnx
from onnxruntime.quantization import CalibrationDataReader


class Pictures(CalibrationDataReader):
    """Of (n, ...) one after the other, by the model's input name."""

    def __init__(self, model, calib):
        self._name, self._calib = input_name(model), calib
        self.rewind()

    def rewind(self):
        self._rest = iter(self._calib)

    def get_next(self):
        x = next(self._rest, None)
        return None if x is None else {self._name: x[None]}


def input_name(model):
    """Of a model's file."""
    graph = onnx.load(str(model)).graph
    constants = {tensor.name for tensor in graph.initializer}
    return next(value.name for value in graph.input if value.name not in constants)
