"""Reference networks as ONNX, with seeded weights; no training framework needed."""

from accelgen.zoo.build import build, default_resolution, names

__all__ = ["build", "default_resolution", "names"]
