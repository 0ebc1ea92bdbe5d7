"""Logits relative to that of the image's label."""

from ...types import Labels, Logits


def logit_gaps(logits: Logits, labels: Labels) -> Logits:
    """Every logit minus that of the image's label, whose own entry is -inf.

    In double precision, since cross entropies of a fitted network are too small for single.

    >>> import torch
    >>> logit_gaps(torch.tensor([[1.0, 3.0]]), torch.tensor([1])).tolist()
    [[-2.0, -inf]]
    """
    columns = labels[:, None]
    logits = logits.double()
    return (logits - logits.gather(1, columns)).scatter(1, columns, float("-inf"))
