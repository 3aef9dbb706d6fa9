"""Benchmarks: single layers from DDR to DDR, and whole networks, beside what others published."""
