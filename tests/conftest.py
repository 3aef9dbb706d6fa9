"""What holds for every test."""

import os

from hypothesis import settings

# Seeded, so that a run can be repeated; no deadline, because a loaded machine is not a bug.
settings.register_profile("accelgen", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("accelgen")

# The terminal's size is no test's: readline puts it into the environment of pytest's workers.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
