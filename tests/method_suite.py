"""Every defence and detector, by its name, with little to do: what the contracts are tried on."""

from dataclasses import replace

from backburn.baselines.defenses.abl import ABL
from backburn.baselines.defenses.anp import ANP
from backburn.baselines.defenses.clp import CLP
from backburn.baselines.defenses.dbr import DBR
from backburn.baselines.defenses.fine_pruning import FinePruning
from backburn.baselines.defenses.fine_tuning import FineTuning
from backburn.baselines.defenses.fst import FST
from backburn.baselines.defenses.ft_sam import FTSAM
from backburn.baselines.defenses.ibau import IBAU
from backburn.baselines.defenses.inversion import TriggerInversion
from backburn.baselines.defenses.nad import NAD
from backburn.baselines.defenses.neural_cleanse import NeuralCleanse
from backburn.baselines.defenses.retrain import Retraining
from backburn.baselines.defenses.sau import SAU
from backburn.baselines.defenses.tac import TAC
from backburn.baselines.defenses.vab import VAB
from backburn.baselines.detectors.activation_clustering import ActivationClustering
from backburn.baselines.detectors.agpd import AGPD
from backburn.baselines.detectors.beatrix import Beatrix
from backburn.baselines.detectors.confusion_training import ConfusionTraining
from backburn.baselines.detectors.flare import FLARE
from backburn.baselines.detectors.ibd_psc import IBDPSC
from backburn.baselines.detectors.loss import Loss
from backburn.baselines.detectors.margin import Margin
from backburn.baselines.detectors.mspc import MSPC
from backburn.baselines.detectors.psbd import PSBD
from backburn.baselines.detectors.scale_up import ScaleUp
from backburn.baselines.detectors.scan import SCAn
from backburn.baselines.detectors.spectral import SpectralSignatures
from backburn.baselines.detectors.spectre import SPECTRE
from backburn.baselines.detectors.strip import STRIP
from backburn.burn.burn import BURN
from backburn.burn.paper import PaperBURN
from backburn.detection.detector import PoisonDetector


def brief(method):
    """The method with one epoch of each training that it does, in small batches."""
    trainings = {n: v for n, v in vars(method).items() if hasattr(v, "epochs")}
    return replace(method, **{n: replace(v, epochs=1, batch_size=16) for n, v in trainings.items()})


DEFENSES = {
    "default": BURN(),
    "paper": PaperBURN(rounds=1),
    "abl": brief(ABL()),
    "anp": ANP(iterations=3, batch_size=16),
    "clp": CLP(),
    "dbr": brief(DBR()),
    "fp": brief(FinePruning()),
    "fst": brief(FST()),
    "ft": brief(FineTuning()),
    "ft_sam": brief(FTSAM()),
    "ibau": IBAU(rounds=1, iterations=1),
    "nad": brief(NAD(teacher_epochs=1)),
    # every class whose norm is below the median is unlearned
    "nc": brief(NeuralCleanse(abnormal=1e-9, inversion=TriggerInversion(success=0.01))),
    "retrain": brief(Retraining()),
    "sau": brief(SAU(steps=1)),
    # the class of the smallest norm is poisoned, whatever the norm
    "tac": brief(TAC(abnormal=1e-9)),
    "vab": brief(VAB()),
}
DETECTORS = {
    "boundary": PoisonDetector(),
    "ac": ActivationClustering(),
    "agpd": AGPD(),
    "beatrix": Beatrix(orders=2),
    "ct": brief(ConfusionTraining(steps=1, keep=(0.5,), weights=(20.0, 20.0))),
    "flare": FLARE(),
    "ibd_psc": IBDPSC(),
    "loss": Loss(),
    "margin": Margin(),
    "mspc": MSPC(scales=(2.0, 6.0), rounds=1, epochs=1),
    "psbd": PSBD(rates=(0.3, 0.6), passes=1),
    "scale_up": ScaleUp(),
    "scan": SCAn(),
    "spectral": SpectralSignatures(),
    "spectre": SPECTRE(dimensions=(1, 2)),
    "strip": STRIP(superpositions=3),
}
