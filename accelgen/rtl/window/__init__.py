"""The window engine, from rows of pixels to accumulators.

In order of the data, under the block diagram ``window_path``: ``window_ring`` (rows come and go),
``window_reader`` (pixels and taps, beat by beat) with ``window_rows`` (which rows of the ring),
``window_lanes`` (a multiplier or a maximum per pixel and channel). After them: `rtl/requantize`.
"""
