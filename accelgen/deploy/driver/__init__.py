"""Host driver of a generated accelerator. Python 3.8, numpy, and the package's C library.

Stands alone: this directory is copied into every package. On a PYNQ board:

    from driver import open_package

    with open_package(".") as accelerator:            # loads the bitstream and the program
        logits = accelerator.run(image)["logits"]     # one frame
        for outputs in accelerator.run_many(images):  # as many per second as there can be
            ...

Anything else that has registers and memory will do as a *board*: see :class:`Accelerator`.
"""

from .accelerator import Accelerator, open_package
from .errors import DriverError, InputError
from .registers import Registers

__all__ = ["Accelerator", "DriverError", "InputError", "Registers", "open_package"]
