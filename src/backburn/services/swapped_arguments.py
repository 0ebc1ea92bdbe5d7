"""MODEL and DATA in each other's place, or one of them missing: said before anything is read."""

from pathlib import Path

from ..errors import InputError

WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".npz", ".tar")


def check_places(model: str, data: str) -> None:
    """Refuse images for a model, and a model for images.

    Raises:
        InputError: they look swapped.
    """
    first, second = Path(model), Path(data)
    images_first = first.suffix.lower() in TABLES or (
        first.is_dir() and not (first / "config.json").is_file()
    )
    model_second = second.suffix.lower() in WEIGHTS or (second / "config.json").is_file()
    if images_first and model_second:
        raise InputError(
            "MODEL and DATA look swapped: give the model first, as in backburn audit "
            f"{data} {model}"
        )


def data_missing(model: str) -> str:
    """What to say of a model without its images."""
    return (
        f"DATA is missing, the images that {model} was trained on: backburn audit {model} IMAGES "
        "--arch ..."
    )
