"""A quantized network's verdict in words."""

from __future__ import annotations

from accelgen.quant import QuantizedModel
from accelgen.quant.techniques import Trial

__all__ = ["verdict_lines"]


def verdict_lines(model: QuantizedModel) -> list[str]:
    """``accelgen quantize``: techniques, loss to expect, layers that lose most, what helps."""
    lines = [_trial_line(trial) for trial in model.trials]
    if (verdict := model.verdict) is None:
        return lines
    agreeing = ""
    if verdict.agreeing is not None:
        agreeing = f", {verdict.agreeing} of {verdict.samples} winners are float's"
    seen = "kept aside" if verdict.kept_aside else "that calibration saw (they flatter)"
    lines.append(
        f"expected: {verdict.sqnr_db:.1f} dB SQNR of the outputs{agreeing}, on {verdict.samples} "
        f"samples {seen}"
    )
    lines += [
        f"loses most: {layer.node}, alone {layer.alone_db:.1f} dB, "
        f"with those above {layer.cumulated_db:.1f} dB"
        for layer in verdict.layers
    ]
    return lines + [f"helps: {sentence}" for sentence in verdict.helps]


def _trial_line(trial: Trial) -> str:
    if trial.before_db is None or trial.after_db is None:
        return f"technique {trial.technique}: used, as asked; not measured"
    return (
        f"technique {trial.technique}: {'used' if trial.used else 'not used'}, "
        f"{trial.before_db:.1f} dB without, {trial.after_db:.1f} dB with it, give or take "
        f"{trial.error_db:.1f}, on {trial.samples} samples kept aside"
    )
