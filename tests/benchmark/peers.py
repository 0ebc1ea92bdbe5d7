"""Other people's minimum-norm engines, as functions from images to perturbed images."""

import sys
import types
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

Engine: TypeAlias = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""From a frozen model, images in [0, 1] and the predicted labels to perturbed images."""

UNUSED = ("visdom", "torchvision", "torchvision.models", "torchvision.transforms", "git")
"""What peers import for features that are not run here."""


def stand_in() -> None:
    """Empty modules for these: a benchmark needs neither them nor a torchvision that loads."""
    for name in UNUSED:
        module = types.ModuleType(name)
        module.__getattr__ = lambda _: None  # type: ignore[method-assign]
        sys.modules.setdefault(name, module)


def engines(norm: str) -> dict[str, Engine]:
    """All peers that measure this norm, from the cheapest."""
    stand_in()
    return {**_adversarial_library(norm), **_foolbox(norm), **_torchattacks(norm)}


def _adversarial_library(norm: str) -> dict[str, Engine]:
    from adv_lib.attacks import ddn, df, fmn, sdf
    from adv_lib.attacks.fast_adaptive_boundary import fab

    def fast_minimum_norm(steps: int) -> Engine:
        first = 0.3 if norm == "2" else 10.0
        return lambda m, x, y: fmn(m, x, y, norm=float(norm), steps=steps, α_init=first)

    found: dict[str, Engine] = {
        "adv_lib DeepFool": lambda m, x, y: df(m, x, y, norm=float(norm)),
        "adv_lib FMN 10": fast_minimum_norm(10),
        "adv_lib FMN 30": fast_minimum_norm(30),
        "adv_lib FMN 100": fast_minimum_norm(100),
        "adv_lib FAB 20": lambda m, x, y: fab(m, x, y, norm=float(norm), n_iter=20),
    }
    if norm == "2":
        found["adv_lib SuperDeepFool"] = sdf
        found["adv_lib DDN 20"] = lambda m, x, y: ddn(m, x, y, steps=20, init_norm=0.3)
    return found


def _foolbox(norm: str) -> dict[str, Engine]:
    import foolbox

    attack = (
        foolbox.attacks.L2DeepFoolAttack() if norm == "2" else foolbox.attacks.LinfDeepFoolAttack()
    )

    def run(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
        found: Tensor = attack(wrapped, images, labels, epsilons=None)[0]
        return found

    return {"foolbox DeepFool 50": run}


def _torchattacks(norm: str) -> dict[str, Engine]:
    if norm != "2":
        return {}
    from torchattacks import DeepFool

    def run(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = DeepFool(model, steps=50)(images, labels)
        return found

    return {"torchattacks DeepFool 50": run}


def distance(
    model: nn.Module, images: Tensor, perturbed: Tensor, start: Tensor, norm: str
) -> Tensor:
    """Length of each perturbation that fp32 verifies inside the box; inf for the others."""
    with torch.no_grad():
        crossed = model(perturbed).argmax(1) != start
    inside = (perturbed.amin((1, 2, 3)) >= -1e-6) & (perturbed.amax((1, 2, 3)) <= 1 + 1e-6)
    steps = (perturbed - images).flatten(1)
    length = steps.norm(dim=1) if norm == "2" else steps.abs().amax(1)
    return torch.where(crossed & inside, length, torch.inf)
