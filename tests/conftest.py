"""What holds for every test."""

from hypothesis import settings

# Seeded, so that a run can be repeated; no deadline, because a loaded machine is not a bug.
settings.register_profile("accelgen", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("accelgen")
