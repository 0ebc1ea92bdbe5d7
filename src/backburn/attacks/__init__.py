"""Attacks, and the training of their victims.

What an author of an attack needs is here, and every attack by its class.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

__all__ = [
    "BPP",
    "ISSBA",
    "SIG",
    "AdapBlend",
    "AdapPatch",
    "Adaptive",
    "AllToAll",
    "Attack",
    "Augmentation",
    "BadNets",
    "Blended",
    "Combat",
    "FTrojan",
    "Grond",
    "InputAware",
    "LabelConsistent",
    "LowFrequency",
    "MultiTrigger",
    "Narcissus",
    "NoAttack",
    "PoisonedData",
    "Recipe",
    "Scores",
    "Surrogates",
    "TaCT",
    "Training",
    "TrainingControl",
    "Trojan",
    "TrojanNN",
    "WaNet",
    "additive_trigger",
    "blended_trigger",
    "clean_label",
    "dirty_label",
    "draw_states",
    "dump_victim",
    "evaluate_model",
    "make_evaluation_set",
    "patch_trigger",
    "pixel_trigger",
    "poison_images",
    "read_victim",
]

if TYPE_CHECKING:
    from ..data.augmentation import Augmentation
    from ..metrics import evaluate_model
    from ..results import Scores
    from ..training import Training
    from .adap_blend import AdapBlend
    from .adap_patch import AdapPatch
    from .adaptive import Adaptive
    from .all_to_all import AllToAll
    from .badnets import BadNets
    from .base import Attack, PoisonedData, Recipe, TrainingControl, make_evaluation_set
    from .blended import Blended
    from .bpp import BPP
    from .combat import Combat
    from .ftrojan import FTrojan
    from .grond import Grond
    from .input_aware import InputAware
    from .issba import ISSBA
    from .label_consistent import LabelConsistent
    from .low_frequency import LowFrequency
    from .multi_trigger import MultiTrigger
    from .narcissus import Narcissus
    from .none import NoAttack
    from .poisoning import clean_label, dirty_label, draw_states, poison_images
    from .sig import SIG
    from .surrogates import Surrogates
    from .tact import TaCT
    from .triggers import additive_trigger, blended_trigger, patch_trigger, pixel_trigger
    from .trojan import Trojan
    from .trojannn import TrojanNN
    from .victim_folder import dump_victim, read_victim
    from .wanet import WaNet
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AdapBlend": ".adap_blend",
            "AdapPatch": ".adap_patch",
            "Adaptive": ".adaptive",
            "AllToAll": ".all_to_all",
            "Attack": ".base",
            "Augmentation": "..data.augmentation",
            "BPP": ".bpp",
            "BadNets": ".badnets",
            "Blended": ".blended",
            "Combat": ".combat",
            "FTrojan": ".ftrojan",
            "Grond": ".grond",
            "ISSBA": ".issba",
            "InputAware": ".input_aware",
            "LabelConsistent": ".label_consistent",
            "LowFrequency": ".low_frequency",
            "MultiTrigger": ".multi_trigger",
            "Narcissus": ".narcissus",
            "NoAttack": ".none",
            "PoisonedData": ".base",
            "Recipe": ".base",
            "SIG": ".sig",
            "Scores": "..results",
            "Surrogates": ".surrogates",
            "TaCT": ".tact",
            "Training": "..training",
            "TrainingControl": ".base",
            "Trojan": ".trojan",
            "TrojanNN": ".trojannn",
            "WaNet": ".wanet",
            "additive_trigger": ".triggers",
            "blended_trigger": ".triggers",
            "clean_label": ".poisoning",
            "dirty_label": ".poisoning",
            "draw_states": ".poisoning",
            "dump_victim": ".victim_folder",
            "evaluate_model": "..metrics",
            "make_evaluation_set": ".base",
            "patch_trigger": ".triggers",
            "pixel_trigger": ".triggers",
            "poison_images": ".poisoning",
            "read_victim": ".victim_folder",
        },
    )
