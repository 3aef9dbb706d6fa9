"""Memories for pixels and weights.

``feature_memory`` (every map, and who may have its row port) and `rtl/window`'s ring are a
``pixel_memory`` each: P banks, any P pixels in a row at once; a ``bank`` is described or one of
``ram_cells``. ``row_reader`` streams rows of a map. ``block_ring`` holds weights and taps,
``block_queue`` beats that were asked for.
"""
