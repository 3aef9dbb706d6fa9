"""How each tool is asked. A recipe has its ``PACKAGE`` and ``SETTINGS``: a function for each.

A function takes the float model's path, calibration pictures (n, ...) as the model takes them, and
the path of the QDQ file that it writes. It returns what computes that network for a few pictures,
or None: then onnxruntime runs the file. The first setting is the tool's default.
"""
