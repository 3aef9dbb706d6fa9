"""The walk of an engine over a map: which pixels, in which order, which of them are padding.

``raster`` makes a beat per cycle of ``raster_loops`` (group, vector, tap, input group) and
``raster_lanes`` (where the P lanes are). Used by the readers of both engines.
"""
