"""What goes wrong, in one sentence each."""

__all__ = ["DriverError", "InputError"]


class DriverError(Exception):
    """The hardware is not what the package was made for, or failed, or was used out of turn."""


class InputError(DriverError, ValueError):
    """What was given to run is not what the model takes."""
