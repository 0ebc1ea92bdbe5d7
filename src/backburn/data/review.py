"""What a person decided about suspects."""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Flags, LabeledImages


class Decision(IntEnum):
    """Reject: no poison. Accept: poison, with the restored label. Relabel: poison, with another."""

    REJECT = 0
    ACCEPT = 1
    RELABEL = 2


@dataclass(frozen=True, slots=True)
class Review:
    """Decided suspects. What is in no row is undecided.

    Args:
        index: `(m,)` int64, rows of the images, each once.
        decision: `(m,)` int64, a `Decision` each.
        label: `(m,)` int64, the class to use; of rejected ones the given label.
    """

    index: Tensor
    decision: Tensor
    label: Tensor

    def __len__(self) -> int:
        return self.index.shape[0]

    @property
    def rejected(self) -> Tensor:
        """Rows of images that stay as they were given."""
        return self.index[self.decision == Decision.REJECT]

    @property
    def accepted(self) -> Tensor:
        """Rows of images that are held to be poison, relabeled ones, too."""
        return self.index[self.decision != Decision.REJECT]

    def decided(self, count: int) -> Flags:
        """Which of `count` images somebody has decided on."""
        return torch.zeros(count, dtype=torch.bool).index_fill(0, self.index, True)


def check_review(review: Review, images: LabeledImages) -> Review:
    """The review, if it can be one of these images.

    Raises:
        InputError: columns of other shapes or types, or a row, decision or label that there is not.
    """
    columns = (review.index, review.decision, review.label)
    limits = (len(images), len(Decision), images.class_count)
    for name, column, limit in zip(("index", "decision", "label"), columns, limits, strict=True):
        if column.dtype != torch.long or column.shape != (len(review),):
            raise InputError(
                f"the review's {name} is {column.dtype} of shape {tuple(column.shape)}: give int64 "
                f"of shape ({len(review)},)"
            )
        if len(column) and not 0 <= int(column.min()) <= int(column.max()) < limit:
            raise InputError(f"the review's {name} is out of range: give 0 to {limit - 1}")
    if len(set(review.index.tolist())) != len(review):
        raise InputError("the review decides on an image twice: give each row once")
    kept = review.decision == Decision.REJECT
    if not torch.equal(review.label[kept], images.labels.cpu()[review.index[kept]]):
        raise InputError("the review rejects an image under a label that it was not given")
    return review
