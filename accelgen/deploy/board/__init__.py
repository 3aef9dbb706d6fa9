"""Scripts that every package gets as they are. They stand alone: Python 3.8, numpy, the driver."""
