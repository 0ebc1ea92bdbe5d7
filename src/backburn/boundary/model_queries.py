"""Queries of the model in a boundary search: margins, gradients, and a count of passes."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..errors import InputError
from ..types import Images


def flatten(images: Images) -> Float[Tensor, "n d"]:
    """Rows in channels-last order, without a copy if the images are stored in that order."""
    return images.permute(0, 2, 3, 1).reshape(len(images), -1)


@dataclass(slots=True)
class Oracle:
    """A frozen model, the images that are searched, and the passes spent on each.

    In all methods `image` `(m,)` is the image that each row belongs to, and `predictions` `(m,)` is
    that image's predicted class.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        reference: decides the class of an image; `model`, or what `model` is a faster copy of.
        images: `(n, c, h, w)` in [0, 1].
        low_precision: take gradients in bf16 unless a caller asks for fp32.
        predictions: fp32 predictions of `reference`, if known.
    """

    model: nn.Module
    reference: nn.Module
    images: Images
    low_precision: bool
    predictions: Int64[Tensor, " n"] | None = None
    origin: Float[Tensor, "n d"] = field(init=False)
    passes: Int64[Tensor, " n"] = field(init=False)

    def __post_init__(self) -> None:
        self.origin = flatten(self.images)
        self.passes = torch.zeros(len(self.images), dtype=torch.int64, device=self.images.device)

    def unflatten(self, rows: Float[Tensor, "m d"]) -> Images:
        """The inverse of `flatten`."""
        _, channels, height, width = self.images.shape
        return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)

    def logits(
        self, image: Int64[Tensor, " m"], rows: Float[Tensor, "m d"], *, low: bool = False
    ) -> Tensor:
        """fp32 logits `(m, k)` of points in [0, 1], computed in bf16 if `low`."""
        self._count(image)
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=low):
            return self._ask(self.model, rows)

    def margins(
        self,
        image: Int64[Tensor, " m"],
        rows: Float[Tensor, "m d"],
        predictions: Int64[Tensor, " m"],
    ) -> tuple[Float[Tensor, " m"], Int64[Tensor, " m"]]:
        """The reference's margin over the best other class, and its classes, in fp32."""
        self._count(image)
        with torch.no_grad():
            logits = self._ask(self.reference, rows)
        own = logits.gather(1, predictions[:, None])[:, 0]
        return own - _mask_class(logits, predictions).amax(1), logits.argmax(1)

    def linearize(
        self,
        image: Int64[Tensor, " m"],
        rows: Float[Tensor, "m d"],
        predictions: Int64[Tensor, " m"],
        *,
        low: bool,
    ) -> tuple[Float[Tensor, " m"], Float[Tensor, "m d"]]:
        """The margin over the best other class at each point, and its gradient."""
        points = rows.detach().requires_grad_()
        logits = self.logits(image, points, low=low)
        other = _mask_class(logits.detach(), predictions).argmax(1, keepdim=True)
        margin = (logits.gather(1, predictions[:, None]) - logits.gather(1, other))[:, 0]
        return margin.detach(), self._gradient(image, margin, points, last=True)

    def linearize_images(
        self, candidates: int
    ) -> tuple[
        Int64[Tensor, " n"], Int64[Tensor, "n m"], Float[Tensor, "n m"], Float[Tensor, "n m d"]
    ]:
        """At the images: predictions, likeliest other classes, margins over these, gradients."""
        image = torch.arange(len(self.images), device=self.images.device)
        points = self.origin.detach().clone().requires_grad_()
        logits = self.logits(image, points, low=self.low_precision)
        predictions = self._reference_predictions(logits.detach())
        others = top_other_classes(logits.detach(), predictions, candidates)
        count = others.shape[1]
        margins = logits.gather(1, predictions[:, None]) - logits.gather(1, others)
        gradients = [
            self._gradient(image, margins[:, k], points, last=k == count - 1) for k in range(count)
        ]
        return predictions, others, margins.detach().clamp_min(0), torch.stack(gradients, 1)

    def _reference_predictions(self, logits: Tensor) -> Tensor:
        """The reference's predictions in fp32: those of bf16 can be wrong by any margin."""
        if self.predictions is not None:
            return self.predictions.to(logits.device)
        predictions = logits.argmax(1)
        if not self.low_precision and self.reference is self.model:
            return predictions
        image = torch.arange(len(predictions), device=predictions.device)
        return self.margins(image, self.origin, predictions)[1]

    def _ask(self, model: nn.Module, rows: Tensor) -> Tensor:
        """fp32 logits. A foreign network may not take an empty batch: it is not asked."""
        if not len(rows):
            return rows.new_zeros(0, 2)
        logits: Tensor = model(self.unflatten(rows)).float()
        return logits

    def _count(self, image: Tensor) -> None:
        self.passes.index_add_(0, image, torch.ones_like(image))

    def _gradient(self, image: Tensor, margin: Tensor, points: Tensor, *, last: bool) -> Tensor:
        self._count(image)
        return input_gradient(margin, points, keep=not last)


def input_gradient(margin: Float[Tensor, " m"], points: Tensor, *, keep: bool) -> Tensor:
    """The gradient of the margin at each point; zero if the model is constant.

    Args:
        keep: keep the graph for further gradients.
    """
    if not margin.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        margin.sum(), points, retain_graph=keep, allow_unused=True, materialize_grads=True
    )
    return gradient.detach()


def _mask_class(logits: Tensor, label: Tensor) -> Tensor:
    """The logits with that of `label` set to -inf."""
    return logits.scatter(1, label[:, None], -torch.inf)


def top_other_classes(
    logits: Float[Tensor, "n k"], predictions: Int64[Tensor, " n"], count: int
) -> Int64[Tensor, "n m"]:
    """The classes with the largest logits beside the predicted one, at most `count` of them.

    Raises:
        InputError: one class only.
    """
    if logits.shape[1] < 2:
        raise InputError("the model has one class only: there is no boundary to search")
    return _mask_class(logits, predictions).topk(min(count, logits.shape[1] - 1), 1).indices
