"""ONNX's own node tests through import and golden model."""
