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
from .burn.base import Unlearning
from .burn.burn import BURN
from .burn.paper import PaperBURN
from .detection.boundary_detector import BoundaryDetector
from .errors import unknown_name
from .methods import Defense, Detector

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

DEFENSES: dict[str, type[Defense]] = {**METHODS}

DETECTORS: dict[str, type[Detector]] = {"boundary": BoundaryDetector}

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
