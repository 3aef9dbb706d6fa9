"""A directory a board can run, and the driver that runs it."""
