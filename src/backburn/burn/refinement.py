"""Phase 2a, progressive data refinement: what the sanitized model makes of the suspects."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..detection.records import Findings
from ..errors import InputError
from ..metrics import rate
from ..models.inference import predict
from ..types import Case, Index, Labels
from .fine_tuning import Workbench
from .restoration import Restored, relabel, standing
from .trigger_estimate import EstimatedTrigger

TRUST_IN_EVIDENCE = 0.999


@dataclass(frozen=True)
class Refinement:
    """Feedback from where the backdoored and the sanitized model disagree.

    Plain feedback drifts: it takes every clean image that fine-tuning got wrong for poison. So the
    evidence of the boundary and the sanitized model are two witnesses whose log-odds add up, the
    second trusted less, and only images of the target classes can be suspects at all. Suspects
    can return to the clean set, and new ones can join.

    Args:
        rounds: looks at the sanitized model, with a purification between two, at the most.
        trust: the sanitized model's word counts as a probability in [1 - trust, trust].
    Source: progressive data refinement of BURN (Su et al., arXiv 2507.10491). Departures: as said.
    """

    rounds: int = 1
    trust: float = 0.99

    def __post_init__(self) -> None:
        if self.rounds < 1 or not 0.5 < self.trust < 1:
            raise InputError(
                f"refinement: rounds={self.rounds}, trust={self.trust}: give 1 or more, (0.5, 1)"
            )


def refine(
    settings: Refinement,
    case: Case,
    findings: Findings,
    sanitized: nn.Module,
    restored: Restored,
    bench: Workbench,
) -> Restored:
    """The suspects and their labels after one look at the sanitized model.

    Args:
        restored: what was held of the suspects before.
    """
    targets = torch.tensor(findings.verdict.target_labels)
    rows = torch.isin(case.images.labels, targets).nonzero().flatten()
    pixels, given = case.images.pixels[rows], case.images.labels[rows]
    says = predict(sanitized, pixels, phase="refinement", progress=bench.progress).softmax(1)
    differs = says.argmax(1) != given
    doubt = 1 - says.gather(1, given[:, None])[:, 0]
    odds = _log_odds(findings.evidence.score[rows], TRUST_IN_EVIDENCE) + _log_odds(
        doubt, settings.trust
    )
    chosen = odds > 0
    if not bool(chosen.any()):
        none = torch.zeros(0, dtype=torch.bool)
        suspects = relabel(case.images, rows[chosen], says[chosen], none)
        return replace(restored, suspects=suspects, discrepancy=rate(differs))
    says = bench.ask(sanitized, pixels[chosen])
    owner = _owners(findings, rows[chosen], given[chosen])
    for number, trigger in enumerate(restored.triggers):
        mine = owner == number
        if isinstance(trigger, EstimatedTrigger) and bool(mine.any()):
            without = bench.ask(sanitized, trigger.invert(pixels[chosen][mine]))
            says[mine] = (says[mine] + without) / 2
    suspects = relabel(case.images, rows[chosen], says, standing(owner, restored.kept))
    return replace(restored, suspects=suspects, discrepancy=rate(differs))


def _owners(findings: Findings, rows: Index, given: Labels) -> Tensor:
    """The finding of each image: its own, or of one that joined now, the first of its class."""
    owner = findings.owner(len(findings.agreed))[rows]
    for number, finding in enumerate(findings.found):
        owner[(owner < 0) & (given == finding.label)] = number
    return owner


def _log_odds(probability: Tensor, bound: float) -> Tensor:
    return probability.clamp(1 - bound, bound).logit()
