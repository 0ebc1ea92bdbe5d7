"""Detectors and defenses of the literature.

Both have the same interfaces as ours.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

__all__ = [
    "ABL",
    "AGPD",
    "ANP",
    "CLP",
    "DBR",
    "FLARE",
    "FST",
    "FTSAM",
    "IBAU",
    "IBDPSC",
    "MSPC",
    "NAD",
    "PSBD",
    "SAU",
    "SPECTRE",
    "STRIP",
    "TAC",
    "VAB",
    "ANPOracle",
    "ActivationClustering",
    "Augmentation",
    "Beatrix",
    "ConfusionTraining",
    "Defense",
    "Detector",
    "FinePruning",
    "FineTuning",
    "Inputs",
    "Loss",
    "Margin",
    "NeuralCleanse",
    "Retraining",
    "SCAn",
    "ScaleUp",
    "Scores",
    "SpectralSignatures",
    "Training",
    "TrainingTask",
    "auroc",
    "der",
    "evaluate_model",
    "evidence_by_rank",
    "fit",
    "predict",
    "require_holdout",
    "require_training_set",
    "trainable_copy",
]

if TYPE_CHECKING:
    from ..data.augmentation import Augmentation
    from ..interfaces import Defense, Detector, Inputs
    from ..metrics import auroc, der, evaluate_model
    from ..models.inference import predict
    from ..results import Scores
    from ..training import Training, TrainingTask, fit
    from .defenses.abl import ABL
    from .defenses.anp import ANP
    from .defenses.anp_oracle import ANPOracle
    from .defenses.clp import CLP
    from .defenses.dbr import DBR
    from .defenses.fine_pruning import FinePruning
    from .defenses.fine_tuning import FineTuning
    from .defenses.fst import FST
    from .defenses.ft_sam import FTSAM
    from .defenses.ibau import IBAU
    from .defenses.nad import NAD
    from .defenses.neural_cleanse import NeuralCleanse
    from .defenses.retrain import Retraining
    from .defenses.sau import SAU
    from .defenses.tac import TAC
    from .defenses.vab import VAB
    from .detectors.activation_clustering import ActivationClustering
    from .detectors.agpd import AGPD
    from .detectors.beatrix import Beatrix
    from .detectors.confusion_training import ConfusionTraining
    from .detectors.flare import FLARE
    from .detectors.ibd_psc import IBDPSC
    from .detectors.loss import Loss
    from .detectors.margin import Margin
    from .detectors.mspc import MSPC
    from .detectors.psbd import PSBD
    from .detectors.scale_up import ScaleUp
    from .detectors.scan import SCAn
    from .detectors.spectral import SpectralSignatures
    from .detectors.spectre import SPECTRE
    from .detectors.strip import STRIP
    from .input_checks import require_holdout, require_training_set, trainable_copy
    from .rank_evidence import evidence_by_rank
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ABL": ".defenses.abl",
            "AGPD": ".detectors.agpd",
            "ANP": ".defenses.anp",
            "ANPOracle": ".defenses.anp_oracle",
            "ActivationClustering": ".detectors.activation_clustering",
            "Augmentation": "..data.augmentation",
            "Beatrix": ".detectors.beatrix",
            "CLP": ".defenses.clp",
            "ConfusionTraining": ".detectors.confusion_training",
            "DBR": ".defenses.dbr",
            "Defense": "..interfaces",
            "Detector": "..interfaces",
            "FLARE": ".detectors.flare",
            "FST": ".defenses.fst",
            "FTSAM": ".defenses.ft_sam",
            "FinePruning": ".defenses.fine_pruning",
            "FineTuning": ".defenses.fine_tuning",
            "IBAU": ".defenses.ibau",
            "IBDPSC": ".detectors.ibd_psc",
            "Inputs": "..interfaces",
            "Loss": ".detectors.loss",
            "MSPC": ".detectors.mspc",
            "Margin": ".detectors.margin",
            "NAD": ".defenses.nad",
            "NeuralCleanse": ".defenses.neural_cleanse",
            "PSBD": ".detectors.psbd",
            "Retraining": ".defenses.retrain",
            "SAU": ".defenses.sau",
            "SCAn": ".detectors.scan",
            "SPECTRE": ".detectors.spectre",
            "STRIP": ".detectors.strip",
            "ScaleUp": ".detectors.scale_up",
            "Scores": "..results",
            "SpectralSignatures": ".detectors.spectral",
            "TAC": ".defenses.tac",
            "Training": "..training",
            "TrainingTask": "..training",
            "VAB": ".defenses.vab",
            "auroc": "..metrics",
            "der": "..metrics",
            "evaluate_model": "..metrics",
            "evidence_by_rank": ".rank_evidence",
            "fit": "..training",
            "predict": "..models.inference",
            "require_holdout": ".input_checks",
            "require_training_set": ".input_checks",
            "trainable_copy": ".input_checks",
        },
    )
