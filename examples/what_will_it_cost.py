"""What a network costs, before any synthesis: ``python examples/what_will_it_cost.py [MODEL]``."""

import sys

import accelgen


def main(model="zoo:mobilenet_v2@96"):
    for board in ("ultra96v2", "kv260"):
        result = accelgen.estimate(model, board)
        print(f"{model} on {board}: {result.fps:,.0f} frames per second (estimated)")
        steps = [layer for layer in result.layers if layer.cycles]
        for layer in sorted(steps, key=lambda layer: -layer.cycles)[:3]:
            share = layer.cycles / result.cycles
            print(f"  {layer.name}: {layer.cycles:,} cycles, {share:.0%}, bound by {layer.bound}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
