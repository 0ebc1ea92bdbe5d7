"""NAD: the attention of the backdoored model is drawn to that of a fine-tuned copy."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...results import Repaired
from ...training import Objective, Training
from ...types import Case, Images, Labels, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy
from .clean_fine_tuning import FIVE_PERCENT_CLEAN, fine_tune, fine_tuning_settings
from .stage_maps import coarsest_first, record_stages, require_stages


@dataclass(frozen=True)
class NAD(Defense):
    """Neural Attention Distillation: fine-tune a teacher, then match its attention maps.

    The student is the backdoored model. Its loss is

        cross entropy + sum over stages of beta |A(student) - A(teacher)|^2 / (h w)

    Args:
        betas: weights of the attention of the last stages, lowest stage first.
        power: `p` of the attention map `sum over channels of |F|^p`, scaled to length 1.
        teacher_epochs: epochs of the teacher's fine-tuning.
        training: the training of both; the epochs are the student's.
    Source: Li et al., Neural Attention Distillation, ICLR 2021, arXiv 2101.05930, for betas and
    teacher. Learning rate and epochs are those of BackdoorBench. Departures: the map of a stage is
    the last one of its resolution that a convolution, a batch norm or a block with one returns.
    So any network will do. There is no Cutout. Images are mirrored as for `ft`.
    """

    inputs: ClassVar[Inputs] = FIVE_PERCENT_CLEAN

    betas: tuple[float, ...] = (500.0, 1000.0, 1000.0)
    power: float = 2.0
    teacher_epochs: int = 10
    training: Training = field(default_factory=partial(fine_tuning_settings, 1e-4))

    def __post_init__(self) -> None:
        if not self.betas or not all(0 <= beta < torch.inf for beta in self.betas):
            raise InputError(f"betas are {self.betas}: give one of 0 or more for each stage")
        if not 1 <= self.power < torch.inf or self.teacher_epochs < 1:
            raise InputError(
                f"power={self.power}, teacher_epochs={self.teacher_epochs}: give 1 or more"
            )

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        holdout = require_holdout(case, "NAD")
        student, teacher = trainable_copy(case.model), trainable_copy(case.model)
        require_stages(student, holdout.pixels, "NAD")
        short = replace(self.training, epochs=self.teacher_epochs)
        fine_tune(teacher, case, holdout, short, generator, phase="teacher", progress=progress)
        fine_tune(
            student,
            case,
            holdout,
            self.training,
            generator,
            objective=distillation_loss(teacher, self.betas, self.power),
            phase="distillation",
            progress=progress,
        )
        return Repaired(model=student)


def distillation_loss(teacher: nn.Module, betas: tuple[float, ...], power: float) -> Objective:
    """The loss: cross entropy plus the distances of attention maps to the teacher's."""

    def loss(student: nn.Module, images: Images, labels: Labels) -> Tensor:
        with torch.no_grad(), record_stages(teacher) as teacher_maps:
            teacher(images)
        with record_stages(student) as student_maps:
            total = F.cross_entropy(student(images).float(), labels, reduction="none")
        pairs = zip(coarsest_first(student_maps), coarsest_first(teacher_maps), strict=True)
        for beta, (student_map, teacher_map) in zip(reversed(betas), pairs, strict=False):
            difference = attention_map(student_map, power) - attention_map(teacher_map, power)
            total = total + beta * difference.square().mean(1)
        return total

    return loss


def attention_map(maps: Float[Tensor, "n c h w"], power: float) -> Float[Tensor, "n p"]:
    """The attention map over positions, all channels together, scaled to length 1."""
    return F.normalize(maps.float().abs().pow(power).sum(1).flatten(1))
