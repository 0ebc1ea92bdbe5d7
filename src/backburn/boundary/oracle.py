"""Asking the model: margins, their gradients, and how often it was asked."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..errors import InputError
from ..types import Images


def flatten(images: Images) -> Float[Tensor, "n d"]:
    """Rows in channels-last order: free of charge where that is how the images lie in memory."""
    return images.permute(0, 2, 3, 1).reshape(len(images), -1)


@dataclass(slots=True)
class Oracle:
    """A frozen model, the images it is asked about, and the passes spent on each.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        judge: says what an image is called; `model`, or what `model` is a faster copy of.
        images: `(n, c, h, w)` in [0, 1].
        low_precision: take gradients in bf16 unless a caller asks for fp32.
        start: fp32 predictions of `judge`, where they are known.
    """

    model: nn.Module
    judge: nn.Module
    images: Images
    low_precision: bool
    start: Int64[Tensor, " n"] | None = None
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
        self._count(image)
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=low):
            logits: Tensor = self.model(self.unflatten(rows))
        return logits.float()

    def margins(
        self,
        image: Int64[Tensor, " m"],
        rows: Float[Tensor, "m d"],
        start: Int64[Tensor, " m"],
    ) -> tuple[Float[Tensor, " m"], Int64[Tensor, " m"]]:
        """The judge's logit of `start` above the best other class, and its predictions, in fp32."""
        self._count(image)
        with torch.no_grad():
            logits: Tensor = self.judge(self.unflatten(rows)).float()
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
        points = rows.detach().requires_grad_()
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
        others = likeliest_others(logits.detach(), start, candidates)
        tried = others.shape[1]
        margins = logits.gather(1, start[:, None]) - logits.gather(1, others)
        gradients = [
            self._gradient(image, margins[:, k], points, last=k == tried - 1) for k in range(tried)
        ]
        return start, others, margins.detach().clamp_min(0), torch.stack(gradients, 1)

    def _predictions(self, logits: Tensor) -> Tensor:
        """The judge's predictions in fp32: those of bf16 can be wrong by any margin."""
        if self.start is not None:
            return self.start.to(logits.device)
        said = logits.argmax(1)
        if not self.low_precision and self.judge is self.model:
            return said
        return self.margins(torch.arange(len(said), device=said.device), self.origin, said)[1]

    def _count(self, image: Tensor) -> None:
        self.passes.index_add_(0, image, torch.ones_like(image))

    def _gradient(self, image: Tensor, gap: Tensor, points: Tensor, *, last: bool) -> Tensor:
        self._count(image)
        return gradient_of(gap, points, keep=not last)


def gradient_of(gap: Float[Tensor, " m"], points: Tensor, *, keep: bool) -> Tensor:
    """The gradient at each point; zero where the model is constant and nothing leads there."""
    if not gap.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        gap.sum(), points, retain_graph=keep, allow_unused=True, materialize_grads=True
    )
    return gradient.detach()


def _others(logits: Tensor, start: Tensor) -> Tensor:
    """The logits with that of `start` out of the race."""
    return logits.scatter(1, start[:, None], -torch.inf)


def likeliest_others(
    logits: Float[Tensor, "n k"], start: Int64[Tensor, " n"], count: int
) -> Int64[Tensor, "n m"]:
    """The classes with the largest logits beside `start`, `count` of them where there are.

    Raises:
        InputError: one class only.
    """
    if logits.shape[1] < 2:
        raise InputError("the model has one class only: there is no boundary to search")
    return _others(logits, start).topk(min(count, logits.shape[1] - 1), 1).indices
