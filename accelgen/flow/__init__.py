"""From a model's file to everything a board needs. Command line and Python come in here, both.

``network.load`` -> ``compiler.compile`` (quantizes, places the last fully connected layers, and
schedules) -> ``verbs.estimate``, ``runs.simulate``, ``packages.build``, each of which also takes a
model's file; ``verbs.check`` asks before. ``import accelgen`` has all of them by name.
"""

__all__: list[str] = []
