"""From accumulators to int8 pixels, after either engine.

In order of the data: ``acc_queue`` (vectors in, beats out) with ``acc_column`` (its memory, double
pumped), ``acc_join`` (the array's, or SCALE's), ``requantizer``, which holds ``channel_params``,
``requantize_lane`` (times, plus) with ``scale_down`` and ``shifter``, ``activation_table``, and
``packer`` (without the lanes that are not kept).
"""
