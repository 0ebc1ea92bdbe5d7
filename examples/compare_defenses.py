"""Compare defences on one victim: digits with BadNets at 10 %.

Each is given what it says it needs: BURN the training set as it was found, the others a few clean
images. A study compares methods properly, over attacks and seeds: `make bench`, docs/benchmark.md.
"""

import time
from collections.abc import Mapping

import torch

from backburn import BURN, Case, load_images
from backburn.attacks import BadNets, Recipe, Training, make_evaluation_set
from backburn.baselines import (
    CLP,
    FTSAM,
    IBAU,
    Defense,
    FinePruning,
    FineTuning,
    Scores,
    der,
    evaluate_model,
)
from backburn.types import LabeledImages, Victim

DEFENSES = {
    "BURN": BURN(),
    "fine-tuning": FineTuning(),
    "fine-pruning": FinePruning(),
    "FT-SAM": FTSAM(),
    "I-BAU": IBAU(),
    "CLP": CLP(),
}


def halves(images: LabeledImages) -> tuple[LabeledImages, LabeledImages]:
    """Every fifth image, which stands in for clean images at hand, and the others, to judge by."""
    fifth = torch.arange(len(images)) % 5 == 0
    return images.take(fifth), images.take(~fifth)


def compare(
    victim: Victim, clean: LabeledImages, test: LabeledImages, defenses: Mapping[str, Defense]
) -> dict[str, Scores]:
    """ACC, ASR and RA after each defence; printed as a table as they come."""
    exam, case = make_evaluation_set(victim, test), Case(victim.model, victim.images, holdout=clean)
    before = evaluate_model(victim.model, exam)
    print(f"{'':14}{'ACC':>7}{'ASR':>7}{'RA':>7}{'DER':>7}{'seconds':>9}")
    print(f"{'(none)':14}{before.acc:7.1%}{before.asr:7.1%}{before.ra:7.1%}")
    results = {}
    for name, defense in defenses.items():
        started = time.perf_counter()
        repaired = defense.repair(case, torch.Generator().manual_seed(0))
        seconds, after = time.perf_counter() - started, evaluate_model(repaired.model, exam)
        results[name] = after
        gain = der(before, after)
        print(f"{name:14}{after.acc:7.1%}{after.asr:7.1%}{after.ra:7.1%}{gain:7.1%}{seconds:9.1f}")
    return results


def main() -> None:
    """Train the victim, and repair it in every way."""
    recipe = Recipe("small_cnn", Training(epochs=16, batch_size=64, learning_rate=0.05))
    attack = BadNets(poisoning_rate=0.1)
    victim = attack.train_victim(load_images("digits"), recipe, torch.Generator().manual_seed(0))
    compare(victim, *halves(load_images("digits", split="test")), DEFENSES)


if __name__ == "__main__":
    main()
