"""Every attack, with auxiliary networks that take no time: what the contract is tried on."""

from dataclasses import replace

from backburn.attacks.adap_blend import AdapBlend
from backburn.attacks.adap_patch import AdapPatch
from backburn.attacks.adaptive import Adaptive
from backburn.attacks.all_to_all import AllToAll
from backburn.attacks.badnets import BadNets
from backburn.attacks.base import Recipe
from backburn.attacks.blended import Blended
from backburn.attacks.bpp import BPP
from backburn.attacks.combat import Combat
from backburn.attacks.ftrojan import FTrojan
from backburn.attacks.grond import Grond
from backburn.attacks.input_aware import InputAware
from backburn.attacks.issba import ISSBA
from backburn.attacks.label_consistent import LabelConsistent
from backburn.attacks.low_frequency import LowFrequency
from backburn.attacks.multi_trigger import MultiTrigger
from backburn.attacks.narcissus import Narcissus
from backburn.attacks.sig import SIG
from backburn.attacks.tact import TaCT
from backburn.attacks.trojan import Trojan
from backburn.attacks.trojannn import TrojanNN
from backburn.attacks.wanet import WaNet
from backburn.data.augmentation import Augmentation
from backburn.training import Training

BRIEF = Training(1, 32, 1e-3, optimizer="adam", augmentation=Augmentation(0.0))
TINY = Recipe("small_cnn-w4", replace(BRIEF, optimizer="sgd"))
SUITE = [
    AdapBlend(0.1, cover_rate=0.1),
    AdapPatch(0.1, cover_rate=0.1),
    Adaptive(0.1, extra=4),
    Adaptive(0.1, pattern="blended", extra=4),
    AllToAll(),
    AllToAll(pattern="blended"),
    BadNets(0.1),
    Blended(0.1, target_label=2),
    BPP(),
    Combat(0.1, width=4, surrogate=TINY),
    FTrojan(),
    Grond(0.1, steps=5, surrogate=TINY),
    InputAware(mask_training=BRIEF, width=4),
    ISSBA(training=BRIEF, specializing=BRIEF, width=4),
    LabelConsistent(0.1, steps=2, surrogate=TINY),
    LowFrequency(0.1),
    MultiTrigger(0.1, cover_rate=0.1, source_labels=(1, 2)),
    MultiTrigger(0.1, source_labels=(1, 2), target_labels=(2, 3), cover_rate=0.1),
    Narcissus(0.1, steps=20, learning_rate=0.05, surrogate=TINY),
    SIG(0.1, target_label=3),
    TaCT(0.1, cover_rate=0.1),
    Trojan(0.1),
    Trojan(0.1, kind="watermark"),
    TrojanNN(0.1, steps=2, surrogate=TINY),
    WaNet(),
]
