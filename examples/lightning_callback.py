"""Audit a model at the end of a Lightning training: a `Callback`.

python examples/lightning_callback.py      # needs: pip install lightning

    Trainer(callbacks=[AuditCallback()]).fit(module, loader)
"""

from pathlib import Path
from typing import Any

import backburn

try:
    from lightning.pytorch import Callback as Base
except (ImportError, RuntimeError):  # a torchvision that does not go with torch, too
    Base = object


class AuditCallback(Base):  # type: ignore[misc,valid-type]
    """Audits what was trained by the images that it was trained on, and prints the result.

    Args:
        data: the training images, as `backburn.audit` takes them; the trainer's own loader where
            None. Give a data set without random transforms where the loader's has some.
        folder: where a run is written, if anywhere.
        stop: raise an error where the model is backdoored, so that nothing goes on with it.
    """

    def __init__(self, data: Any = None, folder: Path | None = None, stop: bool = False):
        self.data, self.folder, self.stop = data, folder, stop
        self.result: backburn.AuditResult | None = None

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Audit; only the first process of several does."""
        if not trainer.is_global_zero:
            return
        data = trainer.train_dataloader if self.data is None else self.data
        self.result = backburn.audit(pl_module, data)
        print(self.result)
        if self.folder is not None:
            self.result.save(self.folder)
        if self.stop and self.result.verdict.state == "backdoored":
            raise RuntimeError(f"the model is backdoored:\n{self.result}")


def main() -> None:
    """A small network on poisoned digits."""
    import lightning.pytorch as pl
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    from backburn.attacks import BadNets, Recipe, Surrogates

    generator = torch.Generator().manual_seed(0)
    attack, digits = BadNets(poisoning_rate=0.1), backburn.load_images("digits")
    images = attack.poison(digits, generator, Surrogates()).images

    class Digits(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Recipe("small_cnn").network(images, 10, generator)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.net(images)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)

    pairs = TensorDataset(images.pixels.float() / 255, images.labels)
    trainer = pl.Trainer(
        max_epochs=15, accelerator="cpu", callbacks=[AuditCallback()], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Digits(), DataLoader(pairs, batch_size=64, shuffle=True))


if __name__ == "__main__":
    try:
        main()
    except ImportError as missing:
        print(f"this example needs more: pip install lightning ({missing})")
