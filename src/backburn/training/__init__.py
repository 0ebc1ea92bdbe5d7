"""The one fit loop."""

from .loop import fit
from .settings import BatchTransform, Objective, Remembering, Training

__all__ = ["BatchTransform", "Objective", "Remembering", "Training", "fit"]
