"""What a network's resolution costs: one estimate per resolution."""

import accelgen


def main():
    for size in (96, 160, 224):
        result = accelgen.estimate(f"zoo:mobilenet_v2@{size}", "ultra96v2")
        print(f"{size} x {size}: {result.cycles:,} cycles, {result.fps:,.0f} fps (estimated)")


if __name__ == "__main__":
    main()
