"""NAD: the backdoored model learns to look where a fine-tuned copy of it looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Given
from ...models.inference import hooked, predict
from ...training import Objective, Training
from ...types import Case, Images, LabeledImages, Labels, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy
from .tuning import FEW_CLEAN, fine_tune, fine_tuning

SPATIAL = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True)
class NAD(Defense):
    """A teacher is fine-tuned; the student's attention maps are drawn to the teacher's.

        cross entropy + sum over stages of beta |A(student) - A(teacher)|^2 / (h w)

    Args:
        betas: how much the attention of each of the last stages counts, lowest stage first.
        power: `p` of the attention `sum over channels of |F|^p`, scaled to length 1.
        teacher_epochs: of the teacher's fine-tuning.
        training: of both; the epochs are the student's.
    Source: Li et al., Neural Attention Distillation, ICLR 2021, arXiv 2101.05930, for betas and
    teacher; rate and epochs as in BackdoorBench. Departures: a stage's map is the last one of its
    resolution that a convolution, a batch norm or a block with one returns, so that any network
    will do; no Cutout; mirror images as for `ft`.
    """

    given: ClassVar[Given] = FEW_CLEAN

    betas: tuple[float, ...] = (500.0, 1000.0, 1000.0)
    power: float = 2.0
    teacher_epochs: int = 10
    training: Training = field(default_factory=partial(fine_tuning, 1e-4))

    def __post_init__(self) -> None:
        if not self.betas or not all(0 <= beta < torch.inf for beta in self.betas):
            raise InputError(f"betas are {self.betas}: give one of 0 or more for each stage")
        if not 1 <= self.power < torch.inf or self.teacher_epochs < 1:
            raise InputError(
                f"power={self.power}, teacher_epochs={self.teacher_epochs}: give 1 or more"
            )

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        holdout = holdout_of(case, "NAD")
        student, teacher = trainable_copy(case.model), trainable_copy(case.model)
        _check_stages(student, holdout)
        short = replace(self.training, epochs=self.teacher_epochs)
        fine_tune(teacher, case, holdout, short, generator, phase="teacher", progress=progress)
        fine_tune(
            student,
            case,
            holdout,
            self.training,
            generator,
            objective=distillation(teacher, self.betas, self.power),
            phase="distillation",
            progress=progress,
        )
        return Repaired(model=student)


def distillation(teacher: nn.Module, betas: tuple[float, ...], power: float) -> Objective:
    """Cross entropy and, for each of the last stages, the distance to the teacher's attention."""

    def loss(student: nn.Module, images: Images, labels: Labels) -> Tensor:
        with torch.no_grad(), stages(teacher) as wanted:
            teacher(images)
        with stages(student) as maps:
            total = F.cross_entropy(student(images).float(), labels, reduction="none")
        pairs = zip(_coarsest_first(maps), _coarsest_first(wanted), strict=True)
        for beta, (mine, theirs) in zip(reversed(betas), pairs, strict=False):
            gap = attention(mine, power) - attention(theirs, power)
            total = total + beta * gap.square().mean(1)
        return total

    return loss


def attention(maps: Float[Tensor, "n c h w"], power: float) -> Float[Tensor, "n p"]:
    """Where the channels of a feature map are strong, all together; of length 1."""
    return F.normalize(maps.float().abs().pow(power).sum(1).flatten(1))


@contextmanager
def stages(model: nn.Module) -> Iterator[dict[tuple[int, int], Tensor]]:
    """The last feature map `(n, c, h, w)` of every resolution above 1x1, once the model is asked.

    Transformers' tokens, and layers that have channels last, are no feature maps.
    """
    seen: dict[tuple[int, int], Tensor] = {}

    def note(_layer: nn.Module, _given: object, out: object) -> None:
        if isinstance(out, Tensor) and out.dim() == 4 and out.shape[-2] * out.shape[-1] > 1:
            seen[(out.shape[-2], out.shape[-1])] = out

    parts = [part for part in model.modules() if any(map(_is_spatial, part.modules()))]
    with hooked(parts, note):
        yield seen


def _is_spatial(layer: nn.Module) -> bool:
    return isinstance(layer, SPATIAL)


def _coarsest_first(maps: dict[tuple[int, int], Tensor]) -> list[Tensor]:
    return [maps[size] for size in sorted(maps, key=lambda size: size[0] * size[1])]


def _check_stages(model: nn.Module, holdout: LabeledImages) -> None:
    with stages(model) as seen:
        predict(model, holdout.pixels[:2])
    if not seen:
        raise InputError(
            f"NAD needs feature maps of convolutions, and {type(model).__name__} shows none: give "
            "a convolutional model"
        )
