"""Names to classes: the one list of what there is."""

from collections.abc import Mapping
from typing import TypeVar

from .attacks.adap_blend import AdapBlend
from .attacks.adap_patch import AdapPatch
from .attacks.all_to_all import AllToAll
from .attacks.badnets import BadNets
from .attacks.base import Attack
from .attacks.blended import Blended
from .attacks.bpp import BPP
from .attacks.ftrojan import FTrojan
from .attacks.input_aware import InputAware
from .attacks.issba import ISSBA
from .attacks.label_consistent import LabelConsistent
from .attacks.low_frequency import LowFrequency
from .attacks.none import NoAttack
from .attacks.sig import SIG
from .attacks.tact import TaCT
from .attacks.trojan import Trojan
from .attacks.trojannn import TrojanNN
from .attacks.wanet import WaNet
from .baselines.defenses.abl import ABL
from .baselines.defenses.anp import ANP
from .baselines.defenses.clp import CLP
from .baselines.defenses.dbr import DBR
from .baselines.defenses.fine_pruning import FinePruning
from .baselines.defenses.fine_tuning import FineTuning
from .baselines.defenses.ft_sam import FTSAM
from .baselines.defenses.ibau import IBAU
from .baselines.defenses.nad import NAD
from .baselines.defenses.neural_cleanse import NeuralCleanse
from .baselines.defenses.retrain import Retraining
from .baselines.defenses.sau import SAU
from .baselines.detectors.activation_clustering import ActivationClustering
from .baselines.detectors.agpd import AGPD
from .baselines.detectors.beatrix import Beatrix
from .baselines.detectors.ibd_psc import IBDPSC
from .baselines.detectors.loss import Loss
from .baselines.detectors.margin import Margin
from .baselines.detectors.mspc import MSPC
from .baselines.detectors.scale_up import ScaleUp
from .baselines.detectors.scan import SCAn
from .baselines.detectors.spectral import SpectralSignatures
from .baselines.detectors.spectre import SPECTRE
from .baselines.detectors.strip import STRIP
from .burn.burn import BURN
from .burn.interface import Unlearning
from .burn.paper import PaperBURN
from .detection.detector import PoisonDetector
from .errors import unknown_name
from .interfaces import Defense, Detector

ATTACKS: dict[str, type[Attack]] = {
    "adap_blend": AdapBlend,
    "adap_patch": AdapPatch,
    "all_to_all": AllToAll,
    "badnets": BadNets,
    "blended": Blended,
    "bpp": BPP,
    "ftrojan": FTrojan,
    "iad": InputAware,
    "issba": ISSBA,
    "lc": LabelConsistent,
    "lf": LowFrequency,
    "none": NoAttack,
    "sig": SIG,
    "tact": TaCT,
    "trojan": Trojan,
    "trojannn": TrojanNN,
    "wanet": WaNet,
}


METHODS: dict[str, type[Unlearning]] = {"default": BURN, "paper": PaperBURN}

DEFENSES: dict[str, type[Defense]] = {
    **METHODS,
    "abl": ABL,
    "anp": ANP,
    "clp": CLP,
    "dbr": DBR,
    "fp": FinePruning,
    "ft": FineTuning,
    "ft_sam": FTSAM,
    "ibau": IBAU,
    "nad": NAD,
    "nc": NeuralCleanse,
    "retrain": Retraining,
    "sau": SAU,
}

DETECTORS: dict[str, type[Detector]] = {
    "boundary": PoisonDetector,
    "ac": ActivationClustering,
    "agpd": AGPD,
    "beatrix": Beatrix,
    "ibd_psc": IBDPSC,
    "loss": Loss,
    "margin": Margin,
    "mspc": MSPC,
    "scale_up": ScaleUp,
    "scan": SCAn,
    "spectral": SpectralSignatures,
    "spectre": SPECTRE,
    "strip": STRIP,
}

T = TypeVar("T")


def attack_named(name: str) -> type[Attack]:
    """The attack of that name.

    Raises:
        InputError: no such attack; the message offers the nearest one.
    """
    return _named("attack", name, ATTACKS)


def method_named(name: str) -> type[Unlearning]:
    """The version of BURN of that name; errors as those of `attack_named`."""
    return _named("method", name, METHODS)


def compared_named(name: str) -> type[Defense] | type[Detector]:
    """The defence or detector of that name; errors as those of `attack_named`."""
    known: dict[str, type[Defense] | type[Detector]] = {**DEFENSES, **DETECTORS}
    return _named("method", name, known)


def _named(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise unknown_name(kind, name, known)
    return known[name]
