"""Training of models: settings, tasks and the fit loop."""

from .loop import fit
from .settings import BatchTransform, Objective, StatefulTransform, Training, WeightChange
from .task import TrainingTask

__all__ = [
    "BatchTransform",
    "Objective",
    "StatefulTransform",
    "Training",
    "TrainingTask",
    "WeightChange",
    "fit",
]
