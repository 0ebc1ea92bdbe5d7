"""Phase 2a, progressive data refinement: what the sanitized model makes of the suspects."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data.augmentation import Augmentation
from ..detection.boundary_detector import Findings
from ..errors import InputError
from ..models.inference import predict
from ..types import Case, Flags, Logits, Pixels, Progress, Suspects, silent

VIEWS = 3
TRUST_IN_EVIDENCE = 0.999


@dataclass(frozen=True)
class Refinement:
    """Feedback from where the backdoored and the sanitized model disagree.

    Plain feedback drifts: it takes every clean image that fine-tuning got wrong for poison. So the
    evidence of the boundary and the sanitized model are two witnesses whose log-odds add up, the
    second trusted less, and only images of the target classes can be suspects at all. Suspects
    can return to the clean set, and new ones can join.

    Args:
        rounds: purifications, each after a refinement, at the most; a last refinement looks at
            the model that came of them.
        trust: the sanitized model's word counts as a probability in [1 - trust, trust].
        clean_label: where the sanitized model calls more than this share of a class's suspects
            by their given label, they are held to be clean-label poison: they keep their label
            and are left out of training.
    Source: progressive data refinement of BURN (Su et al., arXiv 2507.10491). Departures: as said.
    """

    rounds: int = 1
    trust: float = 0.99
    clean_label: float = 0.5

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InputError(f"refinement.rounds is {self.rounds}: give 1 or more")
        if not 0.5 < self.trust < 1 or not 0 < self.clean_label < 1:
            raise InputError(
                f"refinement: trust={self.trust}, clean_label={self.clean_label}: give (0.5, 1) "
                "and (0, 1)"
            )


def refine(
    settings: Refinement,
    case: Case,
    findings: Findings,
    sanitized: nn.Module,
    augmentation: Augmentation,
    generator: torch.Generator,
    progress: Progress = silent,
) -> Suspects:
    """The suspects and their labels after one look at the sanitized model."""
    eligible = _eligible(case, findings)
    rows = eligible.nonzero().flatten()
    given = case.images.labels[rows]
    says = probabilities(sanitized, case.images.pixels[rows], augmentation, generator, progress)
    doubt = 1 - says.gather(1, given[:, None])[:, 0]
    odds = _log_odds(findings.evidence.score[rows], TRUST_IN_EVIDENCE) + _log_odds(
        doubt, settings.trust
    )
    chosen = odds > 0
    return _relabel(settings, rows[chosen], given[chosen], says[chosen])


def _eligible(case: Case, findings: Findings) -> Flags:
    """Images that the backdoored model agrees on, in a class that holds two populations."""
    targets = torch.tensor(findings.verdict.target_labels)
    return findings.agreed & torch.isin(case.images.labels, targets)


def probabilities(
    model: nn.Module,
    pixels: Pixels,
    augmentation: Augmentation,
    generator: torch.Generator,
    progress: Progress = silent,
) -> Logits:
    """Class probabilities `(n, k)`, averaged over the images and `VIEWS` augmented copies."""
    views = [pixels, *(augmentation(pixels, generator) for _ in range(VIEWS))]
    said = [predict(model, view, phase="refinement", progress=progress) for view in views]
    return torch.stack([logits.softmax(1) for logits in said]).mean(0)


def _log_odds(probability: Tensor, bound: float) -> Tensor:
    return probability.clamp(1 - bound, bound).logit()


def _relabel(settings: Refinement, index: Tensor, given: Tensor, says: Tensor) -> Suspects:
    """Restored labels: the likeliest other class, or the given one for clean-label poison."""
    others = says.scatter(1, given[:, None], 0)
    confidence, label = (others / others.sum(1, keepdim=True)).max(1)
    keeps = says.argmax(1) == given
    for target in sorted(set(given.tolist())):
        of_class = given == target
        if keeps[of_class].float().mean() > settings.clean_label:
            label = torch.where(of_class, given, label)
            confidence = torch.where(of_class, says[:, target], confidence)
    return Suspects(index, given, label, confidence)
