"""What the logits say of the given label."""

from ...types import Labels, Logits


def rivals(logits: Logits, labels: Labels) -> Logits:
    """How far every other logit lies above that of the given label, whose own entry is -inf.

    In double precision: cross entropies of a fitted network are too small to differ in single.
    """
    given = labels[:, None]
    logits = logits.double()
    return (logits - logits.gather(1, given)).scatter(1, given, float("-inf"))
