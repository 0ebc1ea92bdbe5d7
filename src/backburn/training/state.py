"""The state of an unfinished training: everything that its next step depends on."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..models.inference import device_of
from .flat_mapping import add_prefix, flatten_optimizer_state, restore_optimizer_state, strip_prefix
from .settings import BatchTransform, StatefulTransform

MODEL, OPTIMIZER, TRANSFORM, RANDOM = "model.", "optimizer.", "transform.", "random."


@dataclass(slots=True)
class TrainingState:
    """A training in progress, which can be saved and restored as a mapping of tensors.

    Args:
        step: steps done.
        losses: mean loss of each finished epoch.
        loss_sum: sum of the losses of the images seen in the current epoch.
        rate_factor: the learning rate is multiplied by it.
        epoch_start: state of the generator at the start of the epoch. The order of the images is
            drawn from it.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    transform: BatchTransform | None
    step: int = 0
    losses: list[float] = field(default_factory=list)
    loss_sum: float = 0.0
    rate_factor: float = 1.0
    epoch_start: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))

    def shuffle(self, rows: Tensor, mid_epoch: bool) -> Tensor:
        """The rows in the order of this epoch.

        Args:
            mid_epoch: the training was restored in the middle of the epoch. The order is then drawn
                again, and the generator is left as it was.
        """
        if not mid_epoch:
            self.epoch_start = self.generator.get_state()
            return rows[torch.randperm(len(rows), generator=self.generator)]
        current = self.generator.get_state()
        self.generator.set_state(self.epoch_start)
        order = rows[torch.randperm(len(rows), generator=self.generator)]
        self.generator.set_state(current)
        return order

    def result(self) -> dict[str, Tensor]:
        """What a finished training leaves behind, as copies on the CPU."""
        tensors = {
            "generator": self.generator.get_state(),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            **add_prefix(MODEL, self.model.state_dict()),
        }
        if isinstance(self.transform, StatefulTransform):
            tensors |= add_prefix(TRANSFORM, self.transform.get_state())
        return _copy_to_cpu(tensors)

    def snapshot(self) -> dict[str, Tensor]:
        """The whole state, as copies on the CPU."""
        tensors = {
            "step": torch.tensor(self.step),
            "total": torch.tensor([self.loss_sum, self.rate_factor], dtype=torch.float64),
            "begun": self.epoch_start,
            **add_prefix(RANDOM, _get_random_states(device_of(self.model))),
        }
        tensors |= add_prefix(OPTIMIZER, flatten_optimizer_state(self.optimizer))
        return {**_copy_to_cpu(tensors), **self.result()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `snapshot` or `result` returned."""
        self.model.load_state_dict(strip_prefix(MODEL, tensors))
        self.losses = tensors["losses"].tolist()
        if isinstance(self.transform, StatefulTransform):
            self.transform.set_state(strip_prefix(TRANSFORM, tensors))
        self.generator.set_state(tensors["generator"])
        if is_result(tensors):
            return
        self.step, self.epoch_start = int(tensors["step"]), tensors["begun"]
        self.loss_sum, self.rate_factor = tensors["total"].tolist()
        _set_random_states(strip_prefix(RANDOM, tensors))
        restore_optimizer_state(self.optimizer, strip_prefix(OPTIMIZER, tensors))


def is_result(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these tensors are of a finished training."""
    return "step" not in tensors


def _copy_to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


@contextmanager
def seeded_layer_randomness(device: torch.device, generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generators, which random layers such as dropout draw from.

    The seed follows from the state of `generator`, which is not advanced. The global generators are
    restored afterwards.
    """
    seed = int(hashlib.sha256(generator.get_state().numpy().tobytes()).hexdigest()[:15], 16)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _get_random_states(device: torch.device) -> dict[str, Tensor]:
    """States of the global generators that layers on this device draw from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states[str(device)] = torch.cuda.get_rng_state(device)
    return states


def _set_random_states(states: Mapping[str, Tensor]) -> None:
    for name, state in states.items():
        if name == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, name)
