"""What the papers say of ABL, I-BAU, Neural Cleanse, SAU and D-BR, on digits."""

from dataclasses import replace

import torch

from backburn.baselines.defenses.abl import ABL
from backburn.baselines.defenses.dbr import DBR
from backburn.baselines.defenses.ibau import IBAU
from backburn.baselines.defenses.inversion import TriggerInversion
from backburn.baselines.defenses.neural_cleanse import NeuralCleanse, anomaly_index
from backburn.baselines.defenses.sau import SAU
from backburn.baselines.defenses.unlearning import FLIP_ONLY
from backburn.benchmark.cell import case_for_method
from backburn.metrics import auroc, evaluate_model
from backburn.training import Training


def seeded():
    return torch.Generator().manual_seed(0)


def shown(attacked, method):
    """The case as the method sees it; of so few images, a fifth are held out."""
    given = method.inputs
    given = replace(given, holdout=0.2) if given.holdout else given
    return case_for_method(attacked.victim.case(), attacked.victim.truth, given, seeded())


def repaired(attacked, method):
    """What came of it, and the scores before and after."""
    result = method.repair(shown(attacked, method), seeded())
    return (
        result,
        evaluate_model(attacked.victim.model, attacked.exam),
        evaluate_model(result.model, attacked.exam),
    )


def assert_removed(before, after, asr=0.2, acc=0.05):
    assert before.asr > 0.95
    assert after.asr < asr, after
    assert after.acc > before.acc - acc, after


def test_abl_isolates_poison_and_unlearns_it(badnets_digits):
    train = Training(4, 64, 0.05, weight_decay=1e-4, warmup=0, augmentation=FLIP_ONLY)
    method = ABL(
        isolation=train,
        recovery=replace(train, epochs=8),
        unlearning=replace(train, epochs=10, batch_size=8, learning_rate=8e-4),
    )
    result, before, after = repaired(badnets_digits, method)
    poison = badnets_digits.victim.truth.poison
    assert auroc(result.evidence.score, poison) > 0.9
    assert poison[result.suspects.index].float().mean() > 0.9
    assert_removed(before, after)


def test_dbr_finds_poison_sensitive_and_unlearns_it(badnets_digits):
    train = Training(4, 128, 0.03, warmup=0, augmentation=FLIP_ONLY)
    removal = Training(10, 16, 5e-4, warmup=0)
    method = DBR(learning=train, removal=removal)
    result, before, after = repaired(badnets_digits, method)
    poison = badnets_digits.victim.truth.poison
    assert auroc(result.evidence.score, poison) > 0.9
    assert poison[result.suspects.index].float().mean() > 0.9
    assert_removed(before, after, acc=0.1)


def test_ibau_unlearns_the_trigger(badnets_digits):
    _, before, after = repaired(badnets_digits, IBAU(batch_size=32))
    assert_removed(before, after, acc=0.1)


def test_neural_cleanse_finds_the_target_and_unlearns_its_trigger(badnets_digits):
    method = NeuralCleanse(
        inversion=TriggerInversion(batch_size=32), training=Training(20, 64, 0.01, warmup=0)
    )
    case = shown(badnets_digits, method)
    patches = method.inversion.invert(case.model, case.holdout.pixels, 10, seeded())
    flagged = patches.works & (anomaly_index(patches.norm) > method.abnormal)
    assert tuple(flagged.nonzero().flatten()) == badnets_digits.victim.target_labels
    _, before, after = repaired(badnets_digits, method)
    assert_removed(before, after)


def test_neural_cleanse_leaves_a_model_alone_whose_patches_are_alike(badnets_digits):
    # nothing is so abnormal
    method = NeuralCleanse(abnormal=100.0, inversion=TriggerInversion(epochs=1))
    result, _, _ = repaired(badnets_digits, method)
    theirs = result.model.state_dict()
    for name, value in badnets_digits.victim.model.state_dict().items():
        assert torch.equal(value, theirs[name])


def test_sau_unlearns_what_both_models_are_fooled_by(blended_digits):
    training = replace(SAU().training, epochs=20, batch_size=64, learning_rate=1e-3)
    _, before, after = repaired(blended_digits, SAU(training=training))
    assert_removed(before, after)
