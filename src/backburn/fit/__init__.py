"""Does this model belong to these images, read this way? Class order, pixels, outputs, shape."""

from .record import Fit, FitCheck

__all__ = ["Fit", "FitCheck"]
