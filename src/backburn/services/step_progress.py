"""Progress of a command over its planned steps."""

import time
from dataclasses import dataclass, field

from .time_estimate import Step, format_duration_short

OWN_PACE_AFTER = 0.1
"""Finished share from which the time left is extrapolated from the time spent."""
PHASE_WORDS = {
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
"""What happens in a phase, where its name does not say so."""


def phase_words(phase: str) -> str:
    """A phase in plain words.

    >>> phase_words("gallery"), phase_words("read")
    ('drawing suspects', 'read')
    """
    return PHASE_WORDS.get(phase, phase)


@dataclass(slots=True)
class StepProgress:
    """How far a command has come; a phase that occurs again never leads back.

    Args:
        steps: all that are planned, in order.
        position: index of the present step.
        share: finished share of the whole, in [0, 1].
        phase: the present phase.
        done: finished items of the present phase.
        phase_start: time at which the present phase started, in monotonic seconds.
        start: time at which the steps were planned, in monotonic seconds.
    """

    steps: tuple[Step, ...] = ()
    position: int = 0
    share: float = 0.0
    phase: str = ""
    done: int = 0
    phase_start: float = 0.0
    start: float = field(default_factory=time.monotonic)

    def update(self, phase: str, done: int, total: int) -> bool:
        """Take in the progress of a phase, and return whether the phase is a new one."""
        is_new = phase != self.phase or done < self.done
        if is_new:
            self.phase, self.phase_start = phase, time.monotonic()
        self.done = done
        self._advance(phase, done / total if total else 0.0)
        return is_new

    def _advance(self, phase: str, phase_share: float) -> None:
        matching = (index for index, step in enumerate(self.steps) if phase in step.phases)
        position = next((index for index in matching if index >= self.position), None)
        if position is None:
            return
        self.position, seconds = position, [step.seconds for step in self.steps]
        done = sum(seconds[:position]) + phase_share * seconds[position]
        self.share = max(self.share, min(1.0, done / max(sum(seconds), 1e-9)))

    def headline(self) -> str:
        """The present step in words, or the present phase if no steps are planned."""
        if not self.steps:
            return phase_words(self.phase)
        step = self.steps[self.position]
        return f"step {self.position + 1} of {len(self.steps)}: {step.words}"

    def time_left(self) -> str:
        """The time left in words: as estimated at first, later as extrapolated."""
        spent = time.monotonic() - self.start
        planned = sum(step.seconds for step in self.steps)
        total = spent / self.share if self.share > OWN_PACE_AFTER else planned
        return f"{format_duration_short(total * (1 - self.share))} left"
