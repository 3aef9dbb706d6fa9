"""ONNX in, float graph out. The only package besides zoo that imports onnx."""

from accelgen.frontend.load import load_onnx

__all__ = ["load_onnx"]
