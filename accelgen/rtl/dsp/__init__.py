"""Arithmetic as the vendor's multipliers like it.

``multiply_add`` (one DSP48E2, instantiated or described), ``packed`` (two products in one),
``accumulate`` (an accumulator's adder), ``double_pump`` (a clock twice the fabric's, and the ways
in and out of it), ``interleaved`` (two accumulators in one).
"""
