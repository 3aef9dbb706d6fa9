"""A trained network to INT8, and one frame through its generated Verilog, bit by bit."""

import tempfile
from pathlib import Path

import accelgen

MODELS = Path(__file__).resolve().parents[1] / "tests" / "models"


def main():
    with tempfile.TemporaryDirectory() as scratch:
        int8 = Path(scratch) / "int8.onnx"
        samples = MODELS / "trained_fmnist_dscnn_test.npz"
        accelgen.quantize(MODELS / "trained_fmnist_dscnn.onnx", int8, calib=samples)
        # The small configuration: its simulator is built in a minute, and kept.
        result = accelgen.simulate(int8, accelgen.target("ultra96v2", preset="small"))
    frame = result.frame
    print(f"{frame.cycles:,} cycles simulated, {frame.estimated_cycles:,} estimated")
    print("bit-exact" if result.match else "\n".join(result.faults))
    return 0 if result.match else 1


if __name__ == "__main__":
    raise SystemExit(main())
