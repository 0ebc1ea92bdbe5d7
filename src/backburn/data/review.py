"""A reviewer's decisions about suspects."""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Flags, LabeledImages


class Decision(IntEnum):
    """REJECT: not poison. ACCEPT: poison, use the restored label. RELABEL: poison, use another."""

    REJECT = 0
    ACCEPT = 1
    RELABEL = 2


@dataclass(frozen=True, slots=True)
class Review:
    """Decisions about suspects. Images in no row are undecided.

    Args:
        index: `(m,)` int64, rows of the images, without duplicates.
        decision: `(m,)` int64, one `Decision` per row.
        label: `(m,)` int64, the class to use; the given label for rejected suspects.

    >>> review = Review(torch.tensor([4, 7]), torch.tensor([0, 1]), torch.tensor([2, 5]))
    >>> review.accepted
    tensor([7])
    """

    index: Tensor
    decision: Tensor
    label: Tensor

    def __len__(self) -> int:
        return self.index.shape[0]

    @property
    def rejected(self) -> Tensor:
        """Rows of images that keep their label."""
        return self.index[self.decision == Decision.REJECT]

    @property
    def accepted(self) -> Tensor:
        """Rows of images that are taken for poison, relabeled ones included."""
        return self.index[self.decision != Decision.REJECT]

    def decided(self, count: int) -> Flags:
        """Return `(count,)` flags, True for the images with a decision."""
        return torch.zeros(count, dtype=torch.bool).index_fill(0, self.index, True)


def check_review(review: Review, images: LabeledImages) -> Review:
    """Return the review if it fits the images.

    Raises:
        InputError: a column of another shape or type, a row, decision or label out of range, a
            duplicate row, or a rejected image whose label is not the given one.
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
    rejected = review.decision == Decision.REJECT
    if not torch.equal(review.label[rejected], images.labels.cpu()[review.index[rejected]]):
        raise InputError("the review rejects an image under a label that it was not given")
    return review
