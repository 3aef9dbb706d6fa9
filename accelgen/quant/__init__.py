"""Float graph in, int8 graph out."""

from accelgen.quant.quantize import QuantizedModel, quantize, quantize_imported
from accelgen.quant.to_int8 import to_int8
from accelgen.quant.write_qdq import write_qdq

__all__ = ["QuantizedModel", "quantize", "quantize_imported", "to_int8", "write_qdq"]
