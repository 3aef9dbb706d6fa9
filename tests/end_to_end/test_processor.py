"""Trained networks to the end: PL simulated, then the processor's code, then the right class."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.flow import runs
from accelgen.golden.arith import quantize_array, real_array
from accelgen.golden.interpret import interpret
from accelgen.program import pack_tensor
from accelgen.ps import kernels
from accelgen.ps.kernels import Layout
from accelgen.ps.runner import missing_tools
from accelgen.quant import quantize
from accelgen.schedule import schedule_parts
from accelgen.simulation.check import simulate_frame
from accelgen.simulation.processor import processor
from accelgen.simulation.verilated import VerilatedSimulator

MODELS = Path(__file__).parents[1] / "models"
#: Of ImageNet's classes.
BALLOON = 417


@pytest.fixture(params=["twin", "qemu"])
def on_ps(request):
    if lack := missing_tools(request.param):
        pytest.skip(f"{lack} (NEON code runs under qemu: issue 4)")
    return processor(request.param)


def classify(program, logits, runner):
    """As the board would: the last map out of the feature memory's order, then argmax."""
    (place,) = [p for p in program.outputs if p.tensor in program.graph.outputs]
    layout = Layout(
        pixels=1, channels=place.shape[2], lanes=program.arch.lanes, groups=place.groups,
        stride=place.stride, slots=place.slots,
    )  # fmt: skip
    packed = np.frombuffer(pack_tensor(logits, place, program.arch), np.int8)
    (answer,) = runner.run([kernels.from_feature_memory(packed, layout)])
    (top,) = runner.run([kernels.argmax(answer.outputs[0])])
    return answer.outputs[0].reshape(-1), top.status


@cache
def effse(fc, se):
    fc_on, se_on = ("ps" if there else "pl" for there in (fc, se))
    hardware = accelgen.target(preset="small")
    calib = MODELS / "trained_fmnist_effse_test.npz"
    return accelgen.compile(
        MODELS / "trained_fmnist_effse.onnx", hardware, calib=calib, fc_on=fc_on, se_on=se_on
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("se", [False, True], ids=["fc", "fc and se"])
def test_effse_ends_in_the_right_class(on_ps, se):
    compiled = effse(True, se)
    data = np.load(MODELS / "trained_fmnist_effse_test.npz")
    x = (data["x_uint8"][:1] / data["divisor"] - data["mean"]) / data["std"]
    graph = compiled.model.graph
    sample = x.astype(np.float32).transpose(0, 2, 3, 1)
    golden = interpret(graph, sample)
    simulator = VerilatedSimulator(compiled.parts[0].arch)

    values = {graph.input: golden[graph.input]}
    for part in compiled.parts:
        report = simulate_frame(part, values, simulator, processor=on_ps)
        assert report.match, str(report)
        values |= report.outputs

    logits = values[graph.outputs[0]]
    assert len(compiled.parts) == (6 if se else 1)
    assert logits.tobytes() == golden[graph.outputs[0]].tobytes()
    assert logits.dtype == np.int32
    real = real_array(logits, graph.tensors[graph.outputs[0]])
    (top,) = on_ps.run([kernels.argmax(real.reshape(-1))])
    assert top.status == data["y"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "slower"), [("mobilenet_v2@32", 1.2), ("mobilenet_v1@64", 1.01)]
)
def test_the_processors_traffic_takes_its_share_of_the_memory(monkeypatch, network, slower):
    """More weights a frame than the second-level cache holds, and a megabyte that it might, beside
    a PL that loads and stores much for its size."""
    hardware = accelgen.target(preset="small")
    compiled = accelgen.compile(f"zoo:{network}", hardware, fc_on="ps")
    numbers = accelgen.estimate(compiled, hardware)
    beside = accelgen.simulate(compiled, hardware).frame
    alone_settings = runs.ddr_settings
    monkeypatch.setattr(runs, "ddr_settings", lambda m, seed, _: alone_settings(m, seed))
    alone = accelgen.simulate(compiled, hardware).frame

    assert beside.match
    assert alone.match
    wanted = numbers.competing_bytes_per_cycle * beside.cycles
    # A little less where both want all of the memory: the stream takes its turn like the others.
    assert beside.ps_ddr_bytes == pytest.approx(wanted, rel=0.02)
    assert alone.ps_ddr_bytes == 0
    assert beside.cycles > slower * alone.cycles
    # The memory is short of bandwidth all the time, and who comes first is only roughly known.
    assert beside.cycles == pytest.approx(numbers.cycles, rel=0.04)


def balloon():
    """A drawing, BGR minus the means SqueezeNet was trained with."""
    y, x = np.mgrid[0:224, 0:224]
    disc = ((x - 112) ** 2 + (y - 112) ** 2 < 70**2)[..., None]
    picture = np.where(disc, [30, 140, 250], [200, 200, 200])
    return (picture - [103.939, 116.779, 123.68]).astype(np.float32)[None]


@pytest.mark.slow
def test_squeezenet_ends_in_the_right_class(on_ps):
    loaded = accelgen.load(MODELS / "trained_squeezenet1_1.onnx")
    sample = balloon()
    graph = quantize(loaded.imported.graph, sample).graph
    arch = accelgen.target(preset="ultra96").arch
    (program,) = schedule_parts(graph, arch)
    quantization = graph.tensors[graph.input].quantization
    x = quantize_array(sample, quantization)
    want = interpret(graph, x)[graph.outputs[0]]

    report = simulate_frame(program, x, VerilatedSimulator(arch), processor=on_ps)
    logits, top = classify(program, report.outputs[graph.outputs[0]][0], on_ps)

    assert report.match, str(report)
    assert logits.tobytes() == want.tobytes()
    assert top == BALLOON
    assert interpret(loaded.imported.graph, sample)[graph.outputs[0]].argmax() == BALLOON
