"""Audit a model at the end of a Hugging Face training: a `TrainerCallback`.

python examples/trainer_callback.py      # needs: pip install transformers accelerate

    trainer = Trainer(model, args, train_dataset=data, callbacks=[AuditCallback(data)])
    trainer.train()
"""

from pathlib import Path
from typing import Any

import backburn

try:
    from transformers import TrainerCallback as Base
except (ImportError, RuntimeError):  # a torchvision that does not go with torch, too
    Base = object


class AuditCallback(Base):  # type: ignore[misc,valid-type]
    """Audits what was trained by the images that it was trained on, and prints the result.

    Args:
        data: the training images, as `backburn.audit` takes them.
        folder: where a run is written, if anywhere.
        stop: raise an error where the model is backdoored, so that nothing goes on with it.
    """

    def __init__(self, data: Any, folder: Path | None = None, stop: bool = False):
        self.data, self.folder, self.stop = data, folder, stop
        self.result: backburn.AuditResult | None = None

    def on_train_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
    ) -> None:
        """Audit; only the first process of several does."""
        if not state.is_world_process_zero:
            return
        self.result = backburn.audit(model, self.data)
        print(self.result)
        if self.folder is not None:
            self.result.save(self.folder)
        if self.stop and self.result.verdict.state == "backdoored":
            raise RuntimeError(f"the model is backdoored:\n{self.result}")


def main() -> None:
    """A tiny vision transformer on poisoned digits."""
    import torch
    from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

    from backburn.attacks import BadNets, Surrogates

    generator = torch.Generator().manual_seed(0)
    attack, digits = BadNets(poisoning_rate=0.1), backburn.load_images("digits")
    images = attack.poison(digits, generator, Surrogates()).images
    data = [
        {"pixel_values": pixels.float() / 255, "labels": int(label)}
        for pixels, label in zip(images.pixels, images.labels, strict=True)
    ]
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=8, patch_size=2, num_channels=1, hidden_size=64, num_hidden_layers=3,
        num_attention_heads=4, intermediate_size=128, num_labels=10, hidden_dropout_prob=0.0,
    )  # fmt: skip
    arguments = TrainingArguments(
        "runs/trainer", num_train_epochs=12, per_device_train_batch_size=64, learning_rate=2e-3,
        report_to=[], disable_tqdm=True, save_strategy="no", logging_strategy="no", use_cpu=True,
        seed=0,
    )  # fmt: skip
    callback = AuditCallback(images)
    model = ViTForImageClassification(config)
    Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()


if __name__ == "__main__":
    try:
        main()
    except ImportError as missing:
        print(f"this example needs more: pip install transformers accelerate ({missing})")
