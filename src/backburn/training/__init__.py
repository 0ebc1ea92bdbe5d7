"""The one fit loop."""

from .lesson import Lesson
from .loop import fit
from .settings import BatchTransform, Objective, Remembering, Training

__all__ = ["BatchTransform", "Lesson", "Objective", "Remembering", "Training", "fit"]
