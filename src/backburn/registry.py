"""The registry: every attack, method, defense, detector and oracle by the name that studies use.

A name is stored with the place of its class, `module:Class`. The class is imported when it is
looked up, so a command imports no method that it does not run.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from .attacks.base import Attack
from .burn.interface import Unlearning
from .errors import unknown_name
from .interfaces import Defense, Detector, Oracle
from .lazy_names import load_name

T = TypeVar("T")


class Registry(Mapping[str, type[T]], Generic[T]):
    """Names of classes, each imported when it is looked up.

    Args:
        kind: what the classes are, for error messages, such as "attack".
        places: `module:Class` of each name; modules relative to `backburn`.
    """

    def __init__(self, kind: str, places: Mapping[str, str]) -> None:
        self.kind = kind
        self._places = dict(places)

    def __getitem__(self, name: str) -> type[T]:
        cls: type[T] = load_name(f".{self._places[name]}", "backburn")
        return cls

    def __contains__(self, name: object) -> bool:
        return name in self._places  # nothing is imported for the answer

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def named(self, name: str) -> type[T]:
        """The class of that name.

        >>> ATTACKS.named("badnets").__name__
        'BadNets'

        Raises:
            InputError: there is no such name; the message offers the nearest one.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self)
        return self[name]


ATTACKS: Registry[Attack] = Registry(
    "attack",
    {
        "adap_blend": "attacks.adap_blend:AdapBlend",
        "adap_patch": "attacks.adap_patch:AdapPatch",
        "adaptive": "attacks.adaptive:Adaptive",
        "all_to_all": "attacks.all_to_all:AllToAll",
        "badnets": "attacks.badnets:BadNets",
        "blended": "attacks.blended:Blended",
        "bpp": "attacks.bpp:BPP",
        "combat": "attacks.combat:Combat",
        "ftrojan": "attacks.ftrojan:FTrojan",
        "grond": "attacks.grond:Grond",
        "iad": "attacks.input_aware:InputAware",
        "issba": "attacks.issba:ISSBA",
        "lc": "attacks.label_consistent:LabelConsistent",
        "lf": "attacks.low_frequency:LowFrequency",
        "multi_trigger": "attacks.multi_trigger:MultiTrigger",
        "narcissus": "attacks.narcissus:Narcissus",
        "none": "attacks.none:NoAttack",
        "sig": "attacks.sig:SIG",
        "tact": "attacks.tact:TaCT",
        "trojan": "attacks.trojan:Trojan",
        "trojannn": "attacks.trojannn:TrojanNN",
        "wanet": "attacks.wanet:WaNet",
    },
)

_BURN = {"default": "burn.burn:BURN", "paper": "burn.paper:PaperBURN"}

METHODS: Registry[Unlearning] = Registry("method", _BURN)
"""The two versions of BURN, which `backburn repair --method` takes."""

DEFENSES: Registry[Defense] = Registry(
    "method",
    {
        **_BURN,
        "abl": "baselines.defenses.abl:ABL",
        "anp": "baselines.defenses.anp:ANP",
        "clp": "baselines.defenses.clp:CLP",
        "dbr": "baselines.defenses.dbr:DBR",
        "fp": "baselines.defenses.fine_pruning:FinePruning",
        "fst": "baselines.defenses.fst:FST",
        "ft": "baselines.defenses.fine_tuning:FineTuning",
        "ft_sam": "baselines.defenses.ft_sam:FTSAM",
        "ibau": "baselines.defenses.ibau:IBAU",
        "nad": "baselines.defenses.nad:NAD",
        "nc": "baselines.defenses.neural_cleanse:NeuralCleanse",
        "retrain": "baselines.defenses.retrain:Retraining",
        "sau": "baselines.defenses.sau:SAU",
        "tac": "baselines.defenses.tac:TAC",
        "vab": "baselines.defenses.vab:VAB",
    },
)

DETECTORS: Registry[Detector] = Registry(
    "method",
    {
        "boundary": "detection.detector:PoisonDetector",
        "ac": "baselines.detectors.activation_clustering:ActivationClustering",
        "agpd": "baselines.detectors.agpd:AGPD",
        "beatrix": "baselines.detectors.beatrix:Beatrix",
        "ct": "baselines.detectors.confusion_training:ConfusionTraining",
        "flare": "baselines.detectors.flare:FLARE",
        "ibd_psc": "baselines.detectors.ibd_psc:IBDPSC",
        "loss": "baselines.detectors.loss:Loss",
        "margin": "baselines.detectors.margin:Margin",
        "mspc": "baselines.detectors.mspc:MSPC",
        "psbd": "baselines.detectors.psbd:PSBD",
        "scale_up": "baselines.detectors.scale_up:ScaleUp",
        "scan": "baselines.detectors.scan:SCAn",
        "spectral": "baselines.detectors.spectral:SpectralSignatures",
        "spectre": "baselines.detectors.spectre:SPECTRE",
        "strip": "baselines.detectors.strip:STRIP",
    },
)


ORACLES: Registry[Oracle] = Registry(
    "method", {"anp_oracle": "baselines.defenses.anp_oracle:ANPOracle"}
)
"""Methods whose result the test images with triggers choose. They are no defenses."""


def compared_named(name: str) -> type[Defense] | type[Detector] | type[Oracle]:
    """The defense, detector or oracle of that name; raises as `Registry.named` does."""
    for registry in (DEFENSES, DETECTORS, ORACLES):
        if name in registry:
            return registry[name]
    raise unknown_name("method", name, [*DEFENSES, *DETECTORS, *ORACLES])
