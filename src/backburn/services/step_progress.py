"""How far a command has come: which of its steps, and what share of the whole."""

import time
from dataclasses import dataclass, field

from .time_estimate import Step, brief

KNOWN = 0.1
"""Share of the whole after which its own pace says how long the rest takes."""
WORDS = {
    "activations": "asking the model",
    "witness": "asking the witness",
    "predict": "asking the model",
    "boundary": "searching the boundary",
    "tests": "testing groups",
    "restoration": "restoring labels",
    "decoupling": "unlearning",
    "refinement": "looking again",
    "purification": "unlearning again",
    "gallery": "drawing suspects",
    "checks": "checking the repair",
    "test": "measuring",
}
"""What goes on in a phase, where its name does not say so to everybody."""


def words_of(phase: str) -> str:
    """A phase in plain words."""
    return WORDS.get(phase, phase)


@dataclass(slots=True)
class Track:
    """Where a command is among its steps. A phase that comes again does not lead back."""

    steps: tuple[Step, ...] = ()
    place: int = 0
    share: float = 0.0
    phase: str = ""
    done: int = 0
    phase_began: float = 0.0
    planned: float = field(default_factory=time.monotonic)

    def note(self, phase: str, done: int, total: int) -> bool:
        """Take in what is told; whether another phase has begun."""
        begins = phase != self.phase or done < self.done
        if begins:
            self.phase, self.phase_began = phase, time.monotonic()
        self.done = done
        self._advance(phase, done / total if total else 0.0)
        return begins

    def _advance(self, phase: str, within: float) -> None:
        owners = (n for n, step in enumerate(self.steps) if phase in step.phases)
        place = next((n for n in owners if n >= self.place), None)
        if place is None:
            return
        self.place, seconds = place, [step.seconds for step in self.steps]
        share = (sum(seconds[:place]) + within * seconds[place]) / max(sum(seconds), 1e-9)
        self.share = max(self.share, min(1.0, share))

    def headline(self) -> str:
        """The step in words, or what goes on where there are no steps."""
        if not self.steps:
            return words_of(self.phase)
        step = self.steps[self.place]
        return f"step {self.place + 1} of {len(self.steps)}: {step.words}"

    def left(self) -> str:
        """The time that is left: as estimated at first, then as the work has gone so far."""
        spent = time.monotonic() - self.planned
        planned = sum(step.seconds for step in self.steps)
        whole = spent / self.share if self.share > KNOWN else planned
        return f"{brief(whole * (1 - self.share))} left"
