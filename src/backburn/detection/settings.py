"""The settings of the detector that decide."""

import math
from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class DecisionSettings:
    """Significance levels, sample sizes, and shares of images that decide a verdict.

    Args:
        false_alarm: p-value of a case below which it is called backdoored. It is the share of clean
            models that may be accused.
        suspicion: p-value below which a case is called suspicious.
        smallest: fewest images of a candidate group. What fewer have in common may be chance.
        asked: images of other classes that each intervention is applied to.
        resolution: finest scale of the tail of transfer's null distribution, as a share of images.
            A share of `asked` images is no more precise.
        resolution_probe: the same for the probe test. On 16 clean development cases the least
            p-values were .017 and .02.
        least: share of images. A group is flagged only if its transfer or its probe statistic is at
            least this large, and it leads the other group of its split by as much.
        resolution_transplant: the same for mixtures and crops, which move content, too. Groups of
            clean models transferred up to .3 more of it than their siblings.
        resolution_source: the same for changes from a source class. Those of clean models' groups
            flipped up to .4 of the class that the group resembles.
        smallest_class: fewest images that the model calls by their label of a class that is split.
        placebos: placebo groups to aim for. With few classes, more splits of each are measured.
        tail: share of the null distribution that its tail is fitted to.
        natural_group: images of a typical natural group, such as frames of one object. A group of
            this size counts half.
        standard_errors: a pixel belongs to the estimated trigger only if its difference exceeds
            this many standard errors.
        min_foreign: share of a group that must be foreign to its class before transplants count,
            before its change is estimated from these images alone, and before it is a second
            backdoor of its class (there it is the probe statistic). If most classes have such a
            group, all of them may be targets.
        lost_lead: an image loses its label if less than this share of its lead remains. A network
            that has memorized poisoned images keeps their label without the trigger, with a smaller
            lead.
        min_necessity: necessity above which the change tells members of a group from other images.
        min_similarity: images outside of the split's group join it if they depend on its change by
            at least this share of what the group does.

    >>> DecisionSettings(asked=120).resolution
    0.02

    Raises:
        InputError: a value is out of range.
    """

    false_alarm: float = 0.01
    suspicion: float = 0.05
    smallest: int = 10
    asked: int = 60
    resolution: float = 0.02
    resolution_probe: float = 0.04
    least: float = 0.05
    resolution_transplant: float = 0.06
    resolution_source: float = 0.15
    smallest_class: int = 20
    placebos: int = 24
    tail: float = 0.25
    natural_group: int = 30
    standard_errors: float = 2.0
    min_foreign: float = 0.3
    lost_lead: float = 0.5
    min_necessity: float = 0.3
    min_similarity: float = 0.5

    def __post_init__(self) -> None:
        for names, least in (
            ("asked placebos natural_group", 1),
            ("smallest", 2),
            ("smallest_class", 10),
        ):
            for name in names.split():
                if getattr(self, name) < least:
                    raise InputError(f"{name}={getattr(self, name)}: give {least} or more")
        for name in (
            "resolution",
            "resolution_probe",
            "resolution_transplant",
            "resolution_source",
            "tail",
        ):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give a fraction between 0 and 1")
        for name in ("least", "min_foreign", "lost_lead", "min_necessity", "min_similarity"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give a fraction below 1")
        if not 0 <= self.standard_errors < math.inf:
            raise InputError(f"standard_errors={self.standard_errors}: give 0 or more")
        if not 0 < self.false_alarm <= self.suspicion < 1:
            raise InputError(
                f"false_alarm={self.false_alarm}, suspicion={self.suspicion}: give "
                "0 < false_alarm <= suspicion < 1"
            )
