"""ANP with the threshold of the least ASR on the test images, as its public code chooses it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from ...errors import InputError
from ...interfaces import Oracle, OracleInputs
from ...results import Scores
from ...types import Case, Progress, no_progress
from .anp import ANP, prune_neurons


@dataclass(frozen=True)
class ANPOracle(Oracle):
    """Adversarial Neuron Pruning with the threshold chosen by the test images with triggers.

    The mask is that of `ANP`. One model is pruned at each threshold. Of those that keep the
    accuracy on the test images, the one with the least ASR on them is kept; the given model if
    none has less. No defender can make this choice.

    Args:
        anp: how the mask is learned; its threshold is not used.
        step: step between thresholds, from 0 on.
        highest: highest threshold.
        tolerance: share of its accuracy on the test images that the model may lose or gain.
    Source: BackdoorBench, defense/anp.py and its configuration (Wu et al., arXiv 2206.12654).
    Departures: those of `ANP`.
    """

    inputs: ClassVar[OracleInputs] = OracleInputs("none", 0.05)

    anp: ANP = field(default_factory=ANP)
    step: float = 0.05
    highest: float = 0.9
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.step <= 1 or not 0 <= self.highest <= 1:
            raise InputError(
                f"step={self.step}, highest={self.highest}: give numbers in (0, 1] and [0, 1]"
            )
        if not 0 < self.tolerance <= 1:
            raise InputError(f"tolerance is {self.tolerance}: give a share in (0, 1]")

    def candidates(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Iterator[nn.Module]:
        """Yield the model pruned at each threshold."""
        mask = self.anp.learn_mask(case, generator, progress)
        for threshold in self.thresholds():
            yield prune_neurons(case.model, mask <= threshold)

    def thresholds(self) -> list[float]:
        """The thresholds from 0 on, in steps, none above the highest.

        >>> ANPOracle(step=0.4, highest=0.7).thresholds()
        [0.0, 0.4]
        """
        # 0.15 / 0.05 is a little less than 3
        count = int(self.highest / self.step + 1e-6) + 1
        return [number * self.step for number in range(count)]

    def prefers(self, given: Scores, best: Scores, new: Scores) -> bool:
        """Less ASR, at an accuracy near the given one. Without triggers nothing is preferred."""
        kept = abs(new.acc - given.acc) < self.tolerance * given.acc
        return kept and not math.isnan(new.asr) and new.asr < best.asr
