"""The PE array, from the feature memory to accumulators.

In order of the data, under the block diagram ``array_path``: ``array_reader`` (runs and weights,
beat by beat; or the copy), ``pe_array`` (C x C x P products per cycle), ``pe_chain`` (the C
multipliers of one output channel). After them: `rtl/requantize`, rows by `rtl/output`.
"""
