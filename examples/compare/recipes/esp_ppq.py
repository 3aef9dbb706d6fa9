"""esp-ppq: for Espressif's chips (powers of two), and for onnxruntime, plain and best."""

import shutil

import torch
from esp_ppq import QuantizationSettingFactory, TargetPlatform
from esp_ppq.api import espdl_quantize_onnx, export_ppq_graph, quantize_onnx_model
from esp_ppq.executor import TorchExecutor

PACKAGE = "esp-ppq"


def _espdl(model, calib, made):
    copy = made.with_name("simplified.onnx")  # it writes over the file that it reads
    shutil.copy(model, copy)
    graph = espdl_quantize_onnx(
        str(copy), str(made.with_suffix(".espdl")), _tensors(calib), len(calib),
        [1, *calib.shape[1:]], target="esp32p4", num_of_bits=8, error_report=False,
        skip_export=True,
    )  # fmt: skip
    # The file for what it tells of the network: onnxruntime rounds otherwise than the chip.
    export_ppq_graph(graph, TargetPlatform.ONNXRUNTIME, str(made))
    executor = TorchExecutor(graph, device="cpu")

    def run(x):
        outputs = [executor.forward(torch.from_numpy(one[None].copy()))[0] for one in x]
        return torch.cat(outputs).detach().numpy()

    return run


def _plain(model, calib, made):
    _for_onnxruntime(QuantizationSettingFactory.default_setting(), model, calib, made)


def _best(model, calib, made):
    """Layer-wise equalization, then steps and weights trained block by block (LSQ)."""
    setting = QuantizationSettingFactory.default_setting()
    setting.equalization = True
    setting.lsq_optimization = True
    setting.lsq_optimization_setting.collecting_device = "cpu"
    _for_onnxruntime(setting, model, calib, made)


def _for_onnxruntime(setting, model, calib, made):
    graph = quantize_onnx_model(
        str(model), _tensors(calib), len(calib), [1, *calib.shape[1:]],
        TargetPlatform.ONNXRUNTIME, setting=setting, device="cpu",
    )  # fmt: skip
    export_ppq_graph(graph, TargetPlatform.ONNXRUNTIME, str(made))


def _tensors(calib):
    return [torch.from_numpy(x[None].copy()) for x in calib]


SETTINGS = {"ESP-DL": _espdl, "onnxruntime's": _plain, "onnxruntime's, equalization, LSQ": _best}
