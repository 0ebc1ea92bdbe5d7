"""Test statistics of candidate groups, each an intervention on images."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from ..memory_mapped import evenly, rows_of
from ..models.inference import as_images, asked, at_once, device_of, quick
from ..types import Index, LabeledImages, Pixels
from .boundary_statistics import logit_margin
from .interventions.base import Change, Estimate, Intervention, natural_directions
from .interventions.transplant import TransplantChange
from .probe_test import Asked, Probe
from .records import Candidate, Measured
from .sampling import shrunk, some
from .witness import Witness

BATCH = 512
DIRECTIONS, NUMBERS, VARYING = 16, 96, 100
"""Natural directions at the most, numbers of an image for each, and images of either group that
they are taken from."""
FOREIGN = 0.3
"""Share of a group that must be foreign to its class for a transplant to mean anything."""
TRIED_FIRST = 20
"""Images that a change is tried on before it is tried on the others: most change nothing."""
NEEDED = 0.3
"""Necessity from which on it tells members of a group from others."""
LEAD_LOST = 0.5
"""An image loses its label where less than this share of its lead is left: what a network has
learnt by heart keeps its label without the trigger, by less."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """Measures candidates of one case.

    Args:
        model, images: the case.
        others: rows of every class that may be used as images of another class.
        kinds: `(n,)` the kind of each image: its class and side of its class's first split.
        varying: rows of all classes that natural variation is estimated from.
        interventions: by name.
        probes: by name.
        early: a probe of the first layers, which see what is in an image rather than its label.
        asked: images of other classes that are changed for each candidate and intervention.
        least: share of images; what is less does not count, and is not looked into.
        seed: of all draws.
        witness: who gives a second opinion, if anybody does.
    """

    model: nn.Module
    images: LabeledImages
    others: Mapping[int, Tensor]
    kinds: Tensor
    varying: Index
    interventions: Mapping[str, Intervention]
    probes: Mapping[str, Probe]
    early: Probe | None
    asked: int
    least: float
    seed: int
    witness: Witness | None = None

    def split(
        self, sides: tuple[Candidate, Candidate], among: Int64[Tensor, " a"]
    ) -> tuple[Measured, Measured]:
        """Both groups of a split; see `measure`."""
        natural = self._natural(sides[0])
        first, second = sides
        return self.measure(first, among, natural), self.measure(second, among, natural)

    def measure(
        self, candidate: Candidate, among: Int64[Tensor, " a"], natural: Tensor | None = None
    ) -> Measured:
        """All statistics of a group, each on images that its estimate did not use.

        Args:
            among: images of the class that are not set aside as poison.
            natural: directions of natural variation, which both groups of a split share.
        """
        generator = torch.Generator().manual_seed(self.seed)
        group, tested = _halves(candidate.group, generator)
        rest, _ = _halves(candidate.rest, generator)
        natural = self._natural(candidate) if natural is None else natural
        estimate = Estimate(self.images.pixels, group, rest, natural, self.seed)
        changes = {name: each.fit(estimate) for name, each in self.interventions.items()}
        pixels = rows_of(self.images.pixels, self._other_classes(candidate.label, generator))
        called = {name: each.ask(candidate, among) for name, each in self.probes.items()}
        if self.witness is not None:
            called["witness"] = self.witness.ask(candidate)
        foreign = max((each.excess for each in called.values()), default=0.0)
        transfer = {
            name: self._transfer(change, pixels, candidate.label, foreign)
            for name, change in changes.items()
        }
        best = max(transfer, key=lambda name: transfer[name])
        necessity = 0.0
        if transfer[best] >= self.least:
            necessity = self._lost(changes[best], tested[: self.asked], candidate.label)
        probes = {name: self.probed(each, candidate, changes) for name, each in called.items()}
        diversity = self.early.diversity(candidate) if self.early else 0.0
        return Measured(candidate, transfer, necessity, probes, diversity, changes)

    def probed(self, asked: Asked, candidate: Candidate, changes: Mapping[str, Change]) -> float:
        """How little the rest of the class supports a group's label, in [0, 1].

        Returns:
            The excess of the group that a probe without it calls by other classes, `shrunk`, times
            how widely it is spread over these. A natural kind that stands alone goes to the one
            class that looks like it.
        """
        share = max(0.0, asked.excess) * shrunk(len(candidate.group))
        if share < self.least:
            return 0.0
        return share * self._spread(asked.destinations, candidate.label, changes["affine"])

    def alike(self, measured: Measured, rows: Index, among: Int64[Tensor, " a"]) -> float:
        """How dependent other images of the class are on a group's change, beside the group's own.

        Where the group needs its change, by who else loses the label without it; where it doesn't
        (warps, for one), by whom a probe that never saw either calls otherwise.

        Args:
            among: images of the class that are not set aside as poison.
        Returns:
            1: as much as the group; 0: not at all, or nothing is known.
        """
        label, group = measured.candidate.label, measured.candidate.group
        if measured.necessity >= NEEDED:
            drawn = evenly(rows, self.asked)
            return self._lost(measured.changes[measured.best], drawn, label) / measured.necessity
        both = torch.cat([group, rows])
        rest = among[~torch.isin(among, both)]
        if not self.probes or not len(rest):
            return 0.0
        probe = next(iter(self.probes.values()))
        moved = (probe.without(label, both, rest).argmax(1) != label).float()
        own, others = moved[: len(group)].mean(), moved[len(group) :].mean()
        return float(others / own.clamp_min(1e-6))

    def _spread(self, destinations: Tensor, label: int, change: Change) -> float:
        """Whether a group moves back to many classes, or to one from which its change transfers.

        A natural kind moves to the few classes that look like it, and what sets it apart does not
        turn these into its class.
        """
        counts = torch.zeros_like(destinations)
        for other, rows in self.others.items():
            counts[other] = len(rows) * (other != label)
        expected = counts / counts.sum().clamp_min(1)
        even = 1 - float((destinations - expected).clamp_min(0).sum())
        source = int(destinations.argmax())
        if source == label or source not in self.others:
            return even
        pixels = rows_of(self.images.pixels, evenly(self.others[source], self.asked // 2))
        return max(even, self._turned(change, pixels, label))

    def _transfer(self, change: Change, pixels: Pixels, label: int, foreign: float) -> float:
        """By how much more of these images, none of which is called so, are called by the label."""
        if not isinstance(change, TransplantChange):
            return self._turned(change, pixels, label)
        if foreign < FOREIGN:
            return 0.0
        changed, reference = change.apply(pixels), change.reference(pixels)
        return foreign * (self._called(changed, label) - self._called(reference, label))

    def _turned(self, change: Change, pixels: Pixels, label: int) -> float:
        """The share of these images that a change turns into the label."""
        changed = change.apply(pixels)
        if torch.equal(changed, pixels):
            return 0.0
        first, others = changed[:TRIED_FIRST], changed[TRIED_FIRST:]
        turned = self._called(first, label) * len(first)
        if not turned:
            return 0.0
        return (turned + self._called(others, label) * len(others)) / len(changed)

    def _natural(self, candidate: Candidate) -> Tensor:
        """Directions of natural variation: of other classes, and of the class within both groups.

        Within the groups, because what sets them apart may be the trigger.
        """
        generator = torch.Generator().manual_seed(self.seed)
        numbers = self.images.pixels[0].numel()
        sides = candidate.group, candidate.rest
        own = [some(side, VARYING, generator) for side in sides]
        rows = torch.cat([*own, self.varying])
        kind = torch.cat(
            [
                torch.full((len(own[0]),), -1),
                torch.full((len(own[1]),), -2),
                self.kinds[self.varying],
            ]
        )
        count = min(DIRECTIONS, max(1, numbers // NUMBERS))
        return natural_directions(self.images.pixels, rows, kind, count)

    def _other_classes(self, label: int, generator: torch.Generator) -> Index:
        """Images of other classes, as many of each as there can be."""
        rows = [rows for other, rows in self.others.items() if other != label]
        each = -(-self.asked // max(1, len(rows)))
        drawn = [some(of_class, each, generator) for of_class in rows]
        chosen = torch.cat(drawn) if drawn else torch.zeros(0, dtype=torch.long)
        return some(chosen, self.asked, generator)

    def _lost(self, change: Change, rows: Index, label: int) -> float:
        """The share of the group that loses its lead without the change."""
        pixels = rows_of(self.images.pixels, rows)
        without = change.invert(pixels)
        if without is None or not len(rows):
            return 0.0
        labels = torch.full((len(rows),), label)
        before, after = (logit_margin(self._say(each), labels) for each in (pixels, without))
        return float((after < LEAD_LOST * before).float().mean())

    def _called(self, pixels: Pixels, label: int) -> float:
        return float((self._say(pixels).argmax(1) == label).float().mean()) if len(pixels) else 0.0

    def _say(self, pixels: Pixels) -> Tensor:
        """Logits, in bf16 where that is faster: only shares of many images are read off them."""
        device = device_of(self.model)
        parts = torch.split(pixels, max(1, at_once(pixels, BATCH, device)))
        with quick(self.model):
            said = asked(self.model, (as_images(part, device) for part in parts))
            return torch.cat([part.float().cpu() for part in said])


def _halves(rows: Index, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two random halves: one to estimate with, one to test on."""
    drawn = some(rows, len(rows), generator)
    return drawn[: (len(drawn) + 1) // 2], drawn[(len(drawn) + 1) // 2 :]
