"""Where a training stands: all that its next step depends on, to be kept and to go on from."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..models.inference import device_of
from .flat_state import below, flattened, under, unflatten
from .settings import BatchTransform, Remembering

MODEL, OPTIMIZER, TRANSFORM = "model.", "optimizer.", "transform."


@dataclass(slots=True)
class Course:
    """A training under way.

    Args:
        step: steps done; `losses`: of the finished epochs; `total`: summed up in this one.
        slower: what the learning rate is multiplied by.
        begun: the generator's state when this epoch began; its order is drawn from it.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    transform: BatchTransform | None
    step: int = 0
    losses: list[float] = field(default_factory=list)
    total: float = 0.0
    slower: float = 1.0
    begun: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))

    def order(self, rows: Tensor, within: bool) -> Tensor:
        """The rows in the order of this epoch, `within` which the training is, or which begins."""
        if not within:
            self.begun = self.generator.get_state()
            return rows[torch.randperm(len(rows), generator=self.generator)]
        now = self.generator.get_state()
        self.generator.set_state(self.begun)
        order = rows[torch.randperm(len(rows), generator=self.generator)]
        self.generator.set_state(now)
        return order

    def result(self) -> dict[str, Tensor]:
        """What is left of it when it is over, as copies on the CPU."""
        kept = {
            "generator": self.generator.get_state(),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            **under(MODEL, self.model.state_dict()),
        }
        if isinstance(self.transform, Remembering):
            kept |= under(TRANSFORM, self.transform.remember())
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in kept.items()}

    def state(self) -> dict[str, Tensor]:
        """All of it, as copies on the CPU."""
        kept = {
            "step": torch.tensor(self.step),
            "total": torch.tensor([self.total, self.slower], dtype=torch.float64),
            "begun": self.begun,
            **under("random.", _drawn(device_of(self.model))),
        }
        kept |= under(OPTIMIZER, flattened(self.optimizer))
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in kept.items()}
        return {**copies, **self.result()}

    def over(self, kept: Mapping[str, Tensor]) -> bool:
        """Whether that is a `result`."""
        return "step" not in kept

    def load(self, kept: Mapping[str, Tensor]) -> None:
        """Become what `state` or `result` told of."""
        self.model.load_state_dict(below(MODEL, kept))
        self.losses = kept["losses"].tolist()
        if isinstance(self.transform, Remembering):
            self.transform.recall(below(TRANSFORM, kept))
        self.generator.set_state(kept["generator"])
        if self.over(kept):
            return
        self.step, self.begun = int(kept["step"]), kept["begun"]
        self.total, self.slower = kept["total"].tolist()
        _draw_on(below("random.", kept))
        unflatten(self.optimizer, below(OPTIMIZER, kept))


@contextmanager
def layers_drawing(device: torch.device, generator: torch.Generator) -> Iterator[None]:
    """Layers that draw (dropout) do so from torch's own generators: here by our seed.

    The generator is not drawn from, and torch's are left as they were.
    """
    seed = int(hashlib.sha256(generator.get_state().numpy().tobytes()).hexdigest()[:15], 16)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _drawn(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators that layers on this device draw from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states[str(device)] = torch.cuda.get_rng_state(device)
    return states


def _draw_on(states: Mapping[str, Tensor]) -> None:
    for name, state in states.items():
        if name == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, name)
