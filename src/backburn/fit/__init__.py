"""Does this model belong to these images, read this way? Class order, pixels, outputs, shape."""

from .fit_check import Fit, FitCheck

__all__ = ["Fit", "FitCheck"]
