"""`python -m tests.backend`: write anew which of ONNX's node tests accelgen refuses, and why."""

from tests.backend.refused import REFUSED, page, refusals

if __name__ == "__main__":
    found = refusals()
    REFUSED.write_text(page(found))
    print(f"{len(found)} of ONNX's node tests are refused: {REFUSED.name}")
