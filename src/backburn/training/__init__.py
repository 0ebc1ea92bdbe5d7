"""The one fit loop."""

from .loop import fit
from .settings import BatchTransform, Objective, Remembering, Training
from .task import TrainingTask

__all__ = ["BatchTransform", "Objective", "Remembering", "Training", "TrainingTask", "fit"]
