"""Model fit: does a model match its images? Class order, decoding, normalization and accuracy."""

from .fit_check import FitCheck, FitResult

__all__ = ["FitCheck", "FitResult"]
