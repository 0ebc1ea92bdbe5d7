"""A run with a gallery, written without a model: for pages, and for what reads them."""

from pathlib import Path

import torch

from backburn.burn.burn import BURN
from backburn.config import to_toml
from backburn.report.gallery import MAX_PICTURED, Gallery, Suspect
from backburn.report.gallery_files import gallery_files
from backburn.report.repair_checks import RepairChecks
from backburn.results import Phase
from backburn.runs import new_record, write_run

CLASSES = ("airplane", "cat", "dog", "frog")


def made_gallery(
    count: int = 90, classes=CLASSES, names=None, side: int = 32, channels: int = 3
) -> Gallery:
    """Suspects of the first two classes in turn, restored to all others in turn."""
    generator = torch.Generator().manual_seed(0)
    names = names or tuple(f"photo {k:04d}.png" for k in range(count))
    smooth = torch.rand(min(count, MAX_PICTURED), channels, 5, 5, generator=generator)
    pixels = torch.nn.functional.interpolate(smooth, (side, side), mode="bicubic").clamp(0, 1)
    noise = torch.rand(pixels.shape, generator=generator)
    image = (255 * pixels).byte()
    suspects = tuple(
        Suspect(
            names[k], 3 * k, k % 2, (k % 2 + 1 + k % (len(classes) - 1)) % len(classes),
            round(0.5 + 0.49 * (k * 7 % 10) / 10, 4), round(1 - k / 2 / count, 4),
            round(0.2 + (k * 37 % 100) / 100, 5), k % len(classes) if k % 10 else -1,
        )
        for k in range(count)
    )  # fmt: skip
    return Gallery(
        suspects=suspects,
        classes=tuple(classes),
        image=image,
        perturbed=(image.float() * 0.9 + 20 * noise).byte(),
        perturbation=(127 + 40 * (noise - 0.5)).byte(),
        has_boundary=tuple(each.crossed >= 0 for each in suspects),
        mean_directions={0: image[0]} if count else {},
        distances={"suspects": (0.2, 0.4, 0.5), "images of other classes": (0.5, 0.9)},
        embedding={"other": ((0.0, 1.0), (0.5, 2.0)), "suspect": ((4.0, 1.0),)} if count else {},
    )


def written(path: Path, gallery: Gallery | None = None, **given) -> Path:
    """The run of a repair that found these suspects, with its record and configuration."""
    gallery = gallery or made_gallery(**given)
    name = gallery.classes[0]
    tried = {
        "name": name, "label": 0, "images": 90, "transfer": 0.9,
        "necessity": 0.8, "probe": 0.4, "p_value": 1e-9,
    }  # fmt: skip
    verdict = {
        "state": "backdoored" if len(gallery.suspects) else "clean",
        "target_labels": [0] if len(gallery.suspects) else [],
        "target_names": [name] if len(gallery.suspects) else [],
        "p_value": 1e-9 if len(gallery.suspects) else 0.4,
        "reason": "",
        "classes": [tried] if len(gallery.suspects) else [],
        "suspects": len(gallery.suspects),
        "suspect_share": [0.08, 0.1],
        "images": 1000,
        "images_in_all": 1000,
        "skipped": [],
    }
    checks = RepairChecks((0.99, 0.98), (0.0, 0.97), (0.4, 0.5), 910, 90, 64)
    metrics = {
        "before": {"acc": 0.9, "asr": 0.95, "ra": 0.04},
        "after": {"acc": 0.89, "asr": 0.01, "ra": 0.85},
        "suspects": {"count": len(gallery.suspects)},
        "checks": checks if len(gallery.suspects) else None,
        "verdict": verdict,
        "notes": (),
        "history": (
            Phase("restoration", 0.1, {"suspects": 92}),
            Phase("refinement", 0.1, {"suspects": 90, "discrepancy": 0.25}),
        ),
    }
    seconds = {"read": 0.5, "boundary": 2.0, "repair": 4.0}
    record = new_record(
        "repair", {"model": "model.pt", "data": "photos"}, 0, seconds, metrics, "cpu"
    )
    return write_run(path, record, {"config.toml": to_toml(BURN()), **gallery_files(gallery)})
