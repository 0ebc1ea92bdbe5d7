"""Test statistics of candidate groups, measured by interventions on images and by probes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..memory_mapped import copy_rows, evenly_spaced
from ..models.inference import (
    as_images,
    device_of,
    effective_batch_size,
    fast_inference,
    map_batches,
)
from ..types import Index, LabeledImages, Labels, Pixels
from .boundary_statistics import logit_margin
from .interventions.base import Change, EstimationData, Intervention, natural_directions
from .interventions.transplant import TransplantChange
from .linear_probe import LinearProbe, ProbeResult
from .records import CandidateGroup, GroupStatistics
from .sampling import sample_rows, size_weight
from .settings import DecisionSettings
from .witness import WitnessClassifier

BATCH_SIZE = 512
MAX_DIRECTIONS, VALUES_PER_DIRECTION, VARIATION_SAMPLE = 16, 96, 100
"""Most natural directions, numbers in an image for each of them, and most images of either group
that they are estimated from."""
PILOT_IMAGES = 20
"""Images that a change is applied to first. Most changes flip none of them, and stop there."""


@dataclass(frozen=True, slots=True)
class StatisticsCalculator:
    """Measures the test statistics of candidate groups of one case.

    Args:
        model, images: the case.
        rows: rows of every class that may be used as images of another class.
        subgroups: `(n,)` number of each image's class and group in the class's first split.
        variation_rows: rows of all classes that natural variation is estimated from.
        interventions: by name.
        probes: by name.
        early_probe: a probe of the first layers, whose features show the image's content rather
            than its label.
        settings: sample sizes, and the shares below which something counts as nothing.
        seed: for all random draws.
        witness: gives a second opinion, if there is one.
    """

    model: nn.Module
    images: LabeledImages
    rows: Mapping[int, Tensor]
    subgroups: Tensor
    variation_rows: Index
    interventions: Mapping[str, Intervention]
    probes: Mapping[str, LinearProbe]
    early_probe: LinearProbe | None
    settings: DecisionSettings
    seed: int
    witness: WitnessClassifier | None = None

    def measure_split(
        self, groups: tuple[CandidateGroup, CandidateGroup], among: Int64[Tensor, " a"]
    ) -> tuple[GroupStatistics, GroupStatistics]:
        """The statistics of both groups of a split, each on images that no estimate used.

        Args:
            among: images of the class that are not set aside as poison.
        """
        first, second = groups
        results = self._test_by_probes(first, among), self._test_by_probes(second, among)
        cores = self._foreign(first, results[0]), self._foreign(second, results[1])
        natural = self._natural_directions(cores)
        one = self._measure(first, results[0], cores, natural)
        other = self._measure(second, results[1], cores[::-1], natural)
        return (
            replace(one, sibling_excess=other.excess),
            replace(other, sibling_excess=one.excess),
        )

    def _test_by_probes(
        self, candidate: CandidateGroup, among: Int64[Tensor, " a"]
    ) -> dict[str, ProbeResult]:
        results = {name: probe.test_group(candidate, among) for name, probe in self.probes.items()}
        if self.witness is not None:
            results["witness"] = self.witness.test_group(candidate)
        return results

    def _foreign(self, candidate: CandidateGroup, results: Mapping[str, ProbeResult]) -> Tensor:
        """The images of a group that its change is estimated from: those foreign to its class.

        Clean images in a poisoned group make its trigger look like natural variation. All images
        count where the group is not foreign to its class.
        """
        strongest = _most_foreign(results)
        if strongest is None:
            return candidate.group
        foreign = candidate.group[strongest.predicted != candidate.label]
        enough = max(self.settings.min_foreign * len(candidate.group), 2 * self.settings.smallest)
        return foreign if len(foreign) >= enough else candidate.group

    def _measure(
        self,
        candidate: CandidateGroup,
        results: Mapping[str, ProbeResult],
        cores: tuple[Tensor, Tensor],
        natural: Tensor,
    ) -> GroupStatistics:
        """The statistics of a group.

        Args:
            results: of the probes.
            cores: rows of the group and of its sibling that changes are estimated from.
            natural: directions of natural variation.
        """
        generator = torch.Generator().manual_seed(self.seed)
        group, held_out = _halves(cores[0], generator)
        rest, _ = _halves(cores[1], generator)
        strongest = _most_foreign(results)
        foreign = strongest.excess if strongest else 0.0
        reference, source = self._draw_source_class(candidate.label, strongest)
        estimate = EstimationData(self.images.pixels, group, rest, natural, self.seed, reference)
        changes = {name: each.fit(estimate) for name, each in self.interventions.items()}
        pixels = copy_rows(self.images.pixels, self._draw_other_classes(candidate.label, generator))
        transfer = {
            name: self._source_transfer(change, source, candidate.label, foreign)
            if self.interventions[name].from_source
            else self._transfer(change, pixels, candidate.label, foreign)
            for name, change in changes.items()
        }
        probes = {
            name: self.probe_statistic(result, candidate, self._largest_from_source(transfer))
            for name, result in results.items()
        }
        smaller = min(len(candidate.group), len(candidate.rest))
        one_class = 1 / max(1, len(self.rows.keys() - {candidate.label}))
        return GroupStatistics(
            candidate,
            transfer,
            self._necessities(changes, transfer, held_out, candidate.label),
            probes,
            self.early_probe.diversity(candidate) if self.early_probe else 0.0,
            changes,
            size_weight(smaller, self.settings.natural_group),
            {k: one_class if each.from_source else 1.0 for k, each in self.interventions.items()},
            cores[0],
            1.0 if len(cores[0]) < len(candidate.group) else min(1.0, max(0.0, foreign)),
        )

    def _necessities(
        self,
        changes: Mapping[str, Change],
        transfer: Mapping[str, float],
        held_out: Index,
        label: int,
    ) -> dict[str, float]:
        """The share of held-out images of a group that lose their lead without each change."""
        drawn = held_out[: self.settings.asked]
        return {
            name: self._share_losing_label(change, drawn, label)
            if transfer[name] >= self.settings.least
            else 0.0
            for name, change in changes.items()
        }

    def _largest_from_source(self, transfer: Mapping[str, float]) -> float:
        """The largest transfer from a source class."""
        names = [name for name, each in self.interventions.items() if each.from_source]
        return max((transfer[name] for name in names), default=0.0)

    def probe_statistic(
        self, result: ProbeResult, candidate: CandidateGroup, source_transfer: float
    ) -> float:
        """How little the rest of the class supports a group's label, in [0, 1].

        Args:
            source_transfer: transfer of the group's change from the class that it looks like.
        Returns:
            The product of two factors. One is the excess of the group that a probe without it calls
            by other classes, weighted by `size_weight`. The other is how widely these predictions
            are spread, or that transfer. A natural group that stands alone goes to the one class
            that looks like it, and no change turns this class into its own.
        """
        share = max(0.0, result.excess) * size_weight(
            len(candidate.group), self.settings.natural_group
        )
        if share < self.settings.least:
            return 0.0
        return share * max(self._spread(result.predicted, candidate.label), source_transfer)

    def similarity(
        self, measured: GroupStatistics, rows: Index, among: Int64[Tensor, " a"]
    ) -> float:
        """How much other images of the class depend on a group's change, relative to the group.

        If the group needs its change, these are images that lose the label without it. If it
        doesn't (warps, for example), they are images that a probe which saw neither calls by
        another class.

        Args:
            among: images of the class that are not set aside as poison.
        Returns:
            1: as much as the group; 0: not at all, or nothing is known.
        """
        label, group = measured.candidate.label, measured.candidate.group
        if measured.necessity and measured.supported_necessity >= self.settings.min_necessity:
            drawn = evenly_spaced(rows, self.settings.asked)
            change = measured.changes[measured.best_intervention]
            return self._share_losing_label(change, drawn, label) / measured.necessity
        both = torch.cat([group, rows])
        rest = among[~torch.isin(among, both)]
        if not self.probes or not len(rest):
            return 0.0
        probe = next(iter(self.probes.values()))
        moved = (probe.held_out_scores(label, both, rest).argmax(1) != label).float()
        own, others = moved[: len(group)].mean(), moved[len(group) :].mean()
        return float(others / own.clamp_min(1e-6))

    def _spread(self, predicted: Labels, label: int) -> float:
        """How evenly the images that a probe calls otherwise are spread over the other classes."""
        moved = predicted[predicted != label]
        if not len(moved):
            return 0.0
        sizes = torch.zeros(max(int(moved.max()), *self.rows) + 1)
        for other, rows in self.rows.items():
            sizes[other] = len(rows) * (other != label)
        return relative_spread(torch.bincount(moved, minlength=len(sizes)), sizes)

    def _draw_source_class(
        self, label: int, strongest: ProbeResult | None
    ) -> tuple[Index, Int64[Tensor, " t"]]:
        """Images of the class that a group looks like: half to estimate on, the others to test on.

        It is the class that most images foreign to their own are called by. Both are empty if the
        group is not foreign to its class: a change from another class moves natural content, too.

        Args:
            strongest: the probe result with the largest excess, if there is a probe.
        """
        rows = torch.zeros(0, dtype=torch.long)
        if strongest and strongest.excess >= self.settings.min_foreign:
            counts = strongest.predicted[strongest.predicted != label].bincount()
            if len(counts):
                rows = self.rows.get(int(counts.argmax()), rows)
        reference, tested = _halves(rows, torch.Generator().manual_seed(self.seed))
        return reference, tested[: self.settings.asked]

    def _source_transfer(
        self, change: Change, source: Int64[Tensor, " t"], label: int, foreign: float
    ) -> float:
        """The images of a source class that a change flips to the label, as a share of `asked`.

        Where there are fewer images, each of them counts no more. Like that of transplants, it
        counts as far as the group is foreign to its class.
        """
        if not len(source):
            return 0.0
        share = self._flipped_share(change, copy_rows(self.images.pixels, source), label)
        return foreign * share * len(source) / self.settings.asked

    def _transfer(self, change: Change, pixels: Pixels, label: int, foreign: float) -> float:
        """Increase of the share of images of other classes that are called by the label."""
        if not isinstance(change, TransplantChange):
            return self._flipped_share(change, pixels, label)
        if foreign < self.settings.min_foreign:
            return 0.0
        changed, reference = change.apply(pixels), change.reference(pixels)
        return foreign * (
            self._predicted_share(changed, label) - self._predicted_share(reference, label)
        )

    def _flipped_share(self, change: Change, pixels: Pixels, label: int) -> float:
        """The share of these images that a change flips to the label."""
        changed = change.apply(pixels)
        if torch.equal(changed, pixels):
            return 0.0
        first, others = changed[:PILOT_IMAGES], changed[PILOT_IMAGES:]
        flipped = self._predicted_share(first, label) * len(first)
        if not flipped:
            return 0.0
        return (flipped + self._predicted_share(others, label) * len(others)) / len(changed)

    def _natural_directions(self, groups: tuple[Tensor, Tensor]) -> Tensor:
        """Directions of natural variation, of other classes and of the class within both groups.

        Only variation within the groups counts, because what sets them apart may be the trigger.
        """
        generator = torch.Generator().manual_seed(self.seed)
        own = [sample_rows(group, VARIATION_SAMPLE, generator) for group in groups]
        others = self.variation_rows
        return directions_within_groups(self.images.pixels, own, others, self.subgroups[others])

    def _draw_other_classes(self, label: int, generator: torch.Generator) -> Index:
        """Random images of other classes, as evenly spread over these as possible."""
        others = [rows for other, rows in self.rows.items() if other != label]
        per_class = -(-self.settings.asked // max(1, len(others)))
        drawn = [sample_rows(rows, per_class, generator) for rows in others]
        chosen = torch.cat(drawn) if drawn else torch.zeros(0, dtype=torch.long)
        return sample_rows(chosen, self.settings.asked, generator)

    def _share_losing_label(self, change: Change, rows: Index, label: int) -> float:
        """The share of these images that lose their lead without the change; see `lost_lead`."""
        pixels = copy_rows(self.images.pixels, rows)
        inverted = change.invert(pixels)
        if inverted is None or not len(rows):
            return 0.0
        labels = torch.full((len(rows),), label)
        before, after = (logit_margin(self._logits(each), labels) for each in (pixels, inverted))
        return float((after < self.settings.lost_lead * before).float().mean())

    def _predicted_share(self, pixels: Pixels, label: int) -> float:
        """The share of these images that the model calls by the label; 0 without images."""
        if not len(pixels):
            return 0.0
        return float((self._logits(pixels).argmax(1) == label).float().mean())

    def _logits(self, pixels: Pixels) -> Tensor:
        """Logits, in bf16 where that is faster: only shares of many images depend on them."""
        device = device_of(self.model)
        parts = torch.split(pixels, max(1, effective_batch_size(pixels, BATCH_SIZE, device)))
        with fast_inference(self.model):
            outputs = map_batches(self.model, (as_images(part, device) for part in parts))
            return torch.cat([part.float().cpu() for part in outputs])


def _most_foreign(results: Mapping[str, ProbeResult]) -> ProbeResult | None:
    """The result of the probe to which the group is most foreign; None without a probe."""
    return max(results.values(), key=lambda result: result.excess, default=None)


def relative_spread(counts: Int64[Tensor, " k"], sizes: Float[Tensor, " k"]) -> float:
    """How evenly images are spread over the classes, in [0, 1].

    Args:
        counts: images of each class.
        sizes: images of each class that even images would be drawn from.
    Returns:
        How likely two images drawn by `sizes` are of the same class, over how likely two of these
        are; at most 1. Two or more classes are needed to be spread, and two images.
    Source: Simpson, Measurement of diversity, Nature 1949; its estimate is unbiased for few images.

    >>> relative_spread(torch.tensor([5, 5, 0]), torch.tensor([9.0, 9.0, 0.0]))
    1.0
    >>> relative_spread(torch.tensor([5, 0, 0]), torch.tensor([9.0, 9.0, 0.0]))
    0.5
    """
    total = int(counts.sum())
    if total < 2:
        return 0.0
    same = float((counts * (counts - 1)).sum()) / (total * (total - 1))
    expected = float((sizes / sizes.sum().clamp_min(1)).square().sum())
    return min(1.0, expected / same) if same else 1.0


def directions_within_groups(
    pixels: Pixels, own: Sequence[Tensor], others: Index, kinds: Tensor
) -> Tensor:
    """Directions of natural variation within the groups of a class and within other kinds.

    Args:
        own: rows of each group of the class.
        others: rows of other images.
        kinds: `(m,)` number of the kind of each of these, 0 or more.
    """
    numbers = [torch.full((len(rows),), -1 - number) for number, rows in enumerate(own)]
    count = min(MAX_DIRECTIONS, max(1, pixels[0].numel() // VALUES_PER_DIRECTION))
    return natural_directions(
        pixels, torch.cat([*own, others]), torch.cat([*numbers, kinds]), count
    )


def _halves(rows: Index, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two random halves of the rows: one to estimate on, one to test on."""
    drawn = sample_rows(rows, len(rows), generator)
    return drawn[: (len(drawn) + 1) // 2], drawn[(len(drawn) + 1) // 2 :]
