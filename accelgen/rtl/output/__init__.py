"""From requantized pixels to the feature memory.

In order of the data, under the block diagram ``output_path``: ``row_cutter`` (rows to beats),
``adder`` (the residual), ``squeeze`` (sums per channel), ``row_assembler`` (beats to rows),
``feature_writer`` (addresses, and when a step is done).
"""
