"""Asking the model: margins, their gradients, and how often it was asked."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..types import Images


def flatten(images: Images) -> Float[Tensor, "n d"]:
    """Rows in channels-last order: free of charge where that is how the images lie in memory."""
    return images.permute(0, 2, 3, 1).reshape(len(images), -1)


@dataclass(slots=True)
class Oracle:
    """A frozen model, the images it is asked about, and the passes spent on each.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        images: `(n, c, h, w)` in [0, 1].
        low_precision: take gradients in bf16 unless a caller asks for fp32.
    """

    model: nn.Module
    images: Images
    low_precision: bool
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
        """fp32 logits `(m, k)` of points in [0, 1] that belong to these images."""
        self.passes.index_add_(0, image, torch.ones_like(image))
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=low):
            logits: Tensor = self.model(self.unflatten(rows))
        return logits.float()

    def margins(
        self,
        image: Int64[Tensor, " m"],
        rows: Float[Tensor, "m d"],
        start: Int64[Tensor, " m"],
    ) -> tuple[Float[Tensor, " m"], Int64[Tensor, " m"]]:
        """fp32 logit of `start` above the best other class, and the predictions; no gradient."""
        with torch.no_grad():
            logits = self.logits(image, rows)
        gap = logits.gather(1, start[:, None])[:, 0] - _others(logits, start).amax(1)
        return gap, logits.argmax(1)

    def linearize(
        self,
        image: Int64[Tensor, " m"],
        rows: Float[Tensor, "m d"],
        start: Int64[Tensor, " m"],
        *,
        low: bool,
    ) -> tuple[Float[Tensor, " m"], Float[Tensor, "m d"]]:
        """Margin of `start` above the best other class at each point, and its gradient."""
        points = rows.requires_grad_()
        logits = self.logits(image, points, low=low)
        other = _others(logits.detach(), start).argmax(1, keepdim=True)
        gap = (logits.gather(1, start[:, None]) - logits.gather(1, other))[:, 0]
        return gap.detach(), self._gradient(image, gap, points, last=True)

    def screen(
        self, candidates: int
    ) -> tuple[
        Int64[Tensor, " n"], Int64[Tensor, "n m"], Float[Tensor, "n m"], Float[Tensor, "n m d"]
    ]:
        """At the images: predictions, the likeliest other classes, margins above, gradients."""
        image = torch.arange(len(self.images), device=self.images.device)
        points = self.origin.detach().clone().requires_grad_()
        logits = self.logits(image, points, low=self.low_precision)
        start = self._predictions(logits.detach())
        tried = min(candidates, logits.shape[1] - 1)
        others = _others(logits.detach(), start).topk(tried, 1).indices
        margins = logits.gather(1, start[:, None]) - logits.gather(1, others)
        gradients = [
            self._gradient(image, margins[:, k], points, last=k == tried - 1) for k in range(tried)
        ]
        return start, others, margins.detach().clamp_min(0), torch.stack(gradients, 1)

    def _predictions(self, logits: Tensor) -> Tensor:
        """Predictions; in fp32 where bf16 cannot tell the first two classes apart."""
        start = logits.argmax(1)
        if not self.low_precision:
            return start
        first = logits.topk(2, 1).values
        unsure = (first[:, 0] - first[:, 1] < 0.1 * logits.abs().amax(1)).nonzero().flatten()
        if len(unsure):
            _, start[unsure] = self.margins(unsure, self.origin[unsure], start[unsure])
        return start

    def _gradient(self, image: Tensor, gap: Tensor, points: Tensor, *, last: bool) -> Tensor:
        self.passes.index_add_(0, image, torch.ones_like(image))
        if not gap.requires_grad:  # a constant model: nothing leads to its input
            return torch.zeros_like(points)
        (gradient,) = torch.autograd.grad(
            gap.sum(), points, retain_graph=not last, allow_unused=True, materialize_grads=True
        )
        return gradient.detach()


def _others(logits: Tensor, start: Tensor) -> Tensor:
    """The logits with that of `start` out of the race."""
    return logits.scatter(1, start[:, None], -torch.inf)
