"""Streams: valid and ready, each payload once and in order (proved, `tests/formal/streams.py`).

Registers in the way: ``skid`` (of ready), ``register`` (of both, at half the rate). Room:
``queue``; ``credits`` and ``credit_queue`` for pipelines that cannot stop. Ways: ``switch`` (one to
several, two to one), ``width`` (parts and wholes).
"""
