"""What to do about ONNX operators that are not built, said in errors and in docs/operators.md."""

from __future__ import annotations

__all__ = ["OTHERWISE", "WAYS_OUT", "domain_way_out", "way_out"]

#: What a sentence ends in when nothing below fits.
OTHERWISE = "replace it, or run it outside the accelerator"

_BY_WAY = {
    "use BatchNormalization, whose statistics are constants": ("RMSNormalization"),
    "cut the model off before it: no engine multiplies two activations as matrices": (
        "Attention Einsum RotaryEmbedding"
    ),
    "its shape must be a constant": "ConstantOfShape",
    "quantize statically (quantize_static, with calibration data)": (
        "ConvInteger DynamicQuantizeLinear MatMulInteger"
    ),
    "export without control flow": "If Loop Optional OptionalGetElement OptionalHasElement Scan"
    " SequenceMap",
    "unroll it into convolutions, or run it outside the accelerator": (
        "GRU LSTM RNN TensorScatter"
    ),
    "export the model for inference: the loss belongs to training": (
        "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"
    ),
    "end the model before it and choose on the host": (
        "Compress Hardmax MaxRoiPool NonMaxSuppression NonZero OneHot RoiAlign TopK Unique"
    ),
    "end the model before it: text, sound and files are the host's": (
        "BlackmanWindow DFT HammingWindow HannWindow ImageDecoder MelWeightMatrix RegexFullMatch"
        " STFT StringConcat StringNormalizer StringSplit TfIdfVectorizer"
    ),
    "use tensors instead of sequences": (
        "ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase"
        " SequenceInsert SequenceLength SplitToSequence"
    ),
    "use values that do not change from frame to frame: int8 inference draws no numbers": (
        "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"
    ),
    "use Clip, Relu or a table's function: maps hold numbers, not bits": (
        "BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor IsInf IsNaN Xor"
    ),
    "use a Softmax at the end, or take the logarithm on the host": "LogSoftmax",
}
#: Operator: what helps.
WAYS_OUT = {op: way for way, ops in _BY_WAY.items() for op in ops.split()}


def way_out(op_type: str) -> str:
    """What to do about an operator that has no importer."""
    return WAYS_OUT.get(op_type, OTHERWISE)


#: How domains of quantizers begin, and what they write instead.
_DOMAINS = {
    "qonnx": "export it as QCDQ (brevitas.export.export_onnx_qcdq, or qonnx's ConvertQONNXtoQCDQ)",
    "onnx.brevitas": "export it as QCDQ (brevitas.export.export_onnx_qcdq)",
    "finn": "export it as QCDQ (brevitas.export.export_onnx_qcdq), before FINN's transformations",
    "trt": "quantize to int8 (quantize_mode='int8'), which is written with standard operators",
    "aimet": "write it with to_onnx_qdq(), which has standard operators",
    "com.amd.quark": "quantize to int8 (XINT8, A8W8), which is written with standard operators",
    "com.vai": "quantize to int8 with standard QuantizeLinear (QuantFormat.QDQ)",
}


def domain_way_out(domain: str) -> str:
    """What to do about an operator of another domain than ONNX's own."""
    found = (way for start, way in _DOMAINS.items() if domain.startswith(start))
    return next(found, "export with standard ai.onnx operators only")
