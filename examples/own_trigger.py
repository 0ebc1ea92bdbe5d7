"""Plug in a trigger of your own: plant it, see whether it works, find it, remove it."""

from dataclasses import dataclass

import torch

import backburn
from backburn.attacks import (
    Attack,
    PoisonedData,
    Recipe,
    Scores,
    Surrogates,
    Training,
    dirty_label,
    evaluate_model,
    make_evaluation_set,
    pixel_trigger,
)
from backburn.testing import check_attack
from backburn.types import LabeledImages


@dataclass(frozen=True)
class Stripes(Attack):
    """Every `period`-th column brighter by `levels`."""

    levels: int = 60
    period: int = 4

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        def brighter(values: torch.Tensor) -> torch.Tensor:
            values[..., :: self.period] += self.levels
            return values

        return dirty_label(self, images, pixel_trigger(brighter), generator)


def report(name: str, scores: Scores) -> None:
    """One line a model."""
    print(f"{name:8} ACC {scores.acc:.1%}  ASR {scores.asr:.1%}  RA {scores.ra:.1%}")


def main() -> None:
    """From the contract to the repaired model."""
    attack = Stripes(poisoning_rate=0.1)
    check_attack(attack)  # raises ContractError and says which rule is broken
    print(f"{attack} keeps to the contract")

    recipe = Recipe("small_cnn", Training(epochs=16, batch_size=64, learning_rate=0.05))
    images, test = (backburn.load_images("digits", split=split) for split in ("train", "test"))
    victim = attack.train_victim(images, recipe, torch.Generator().manual_seed(0))
    exam = make_evaluation_set(victim, test)
    report("before", evaluate_model(victim.model, exam))

    result = backburn.repair(victim.model, victim.images.pixels, victim.images.labels)
    planted = set(victim.truth.poison.nonzero().flatten().tolist())
    found = planted & set(result.suspects.index.tolist())
    print(f"{result.verdict.state}: classes {result.verdict.target_labels}")
    print(f"{len(result.suspects)} suspects, {len(found)} of {len(planted)} poisoned images")
    report("after", evaluate_model(result.model, exam))


if __name__ == "__main__":
    main()
