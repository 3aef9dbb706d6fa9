"""Every error accelgen raises on purpose.

* AccelgenError
  - ModelError           the file is not a model we can read (corrupt, opset, NaN, shapes)
  - UnsupportedOpError   the model uses an operator, attribute or shape we do not build
  - QuantizationError    calibration data or scales do not fit the model
    - MissingScaleError  a QDQ model leaves a tensor without scale
  - ConfigError          a hardware knob has a value the hardware cannot have
  - ScheduleError        the model does not fit the chosen hardware
  - BoardError           unknown board, or a board file with a fault
  - ToolError            a tool we need (g++, make, Verilator) is missing or failed
  - OutputError          the output directory cannot be written

The message of each is one sentence that names the place in the user's model (node and
attribute), what was found, and the way out. The command line prints it and exits with status 2.
"""

import re

from accelgen.plain_text import printable

__all__ = [
    "AccelgenError",
    "BoardError",
    "ConfigError",
    "MissingScaleError",
    "ModelError",
    "OutputError",
    "QuantizationError",
    "ScheduleError",
    "ToolError",
    "UnsupportedOpError",
]


#: How a sentence about a node begins.
_PLACE = re.compile(r"""^node ('.*?'|".*?")( \(\w+\))?:? """)


class AccelgenError(Exception):
    """Base of every deliberate accelgen error.

    Parameters
    ----------
    sentence : str
        The whole message. What names in files bring along is escaped here, for every reader.
    node, attribute : str
        What of the user's model it is about, by name; empty where it is about none.
    reason, way_out : str
        What was found and what helps. By default as the form of all sentences has them: ``node 'x'
        (Op): reason; way out``. Nobody else takes a sentence apart.
    """

    def __init__(
        self, sentence: str = "", *, node: str = "", attribute: str = "", reason: str = "",
        way_out: str = "",
    ) -> None:  # fmt: skip
        sentence = printable(sentence)
        super().__init__(sentence)
        self.node = node
        self.attribute = attribute
        found, _, helps = _PLACE.sub("", sentence, 1).partition("; ")
        self.reason = reason or found
        self.way_out = way_out or helps


class ModelError(AccelgenError):
    """The file is not a model we can read."""


class UnsupportedOpError(AccelgenError):
    """The model uses an operator, attribute or shape we do not build."""


class QuantizationError(AccelgenError):
    """Calibration data or scales do not fit the model."""


class MissingScaleError(QuantizationError):
    """A QDQ model leaves a tensor without scale that needs one."""


class ConfigError(AccelgenError, ValueError):
    """A hardware knob has a value the hardware cannot have."""


class ScheduleError(AccelgenError):
    """The model does not fit the chosen hardware."""


class BoardError(AccelgenError):
    """Unknown board, or a board file with a fault."""


class ToolError(AccelgenError):
    """A tool we need is missing or failed."""


class OutputError(AccelgenError):
    """The output directory cannot be written."""
