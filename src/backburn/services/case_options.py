"""The options that describe a case, from a command line or a run's record, and their check.

Nothing heavy is imported here, so that `--help` stays quick.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..errors import InputError

Resize: TypeAlias = Literal["crop", "squash", "letterbox", "zoom"]
RESIZES: tuple[Resize, ...] = ("crop", "squash", "letterbox", "zoom")
"""The same as in `data.decoding_options`, which imports torch."""
WEIGHT_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
DATA_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".npz", ".tar")


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """How to open a case: MODEL, DATA and their options, documented in `cli.options`."""

    model: str
    data: str | None = None
    arch: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    resize: Resize | None = None
    classes: str | None = None
    cache: str | None = None
    max_images: int | None = None
    trust: bool = False
    base: str | None = None
    witness: str | None = None
    witness_arch: str | None = None

    def set_options(self) -> dict[str, Any]:
        """The options that are set, by name.

        >>> CaseOptions("model.pt", "photos", trust=False).set_options()
        {'model': 'model.pt', 'data': 'photos'}
        """
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


def check_argument_order(model: str, data: str) -> None:
    """Refuse MODEL and DATA in each other's place, before anything is read.

    Raises:
        InputError: the arguments look swapped.
    """
    model_path, data_path = Path(model), Path(data)
    model_holds_images = model_path.suffix.lower() in DATA_SUFFIXES or (
        model_path.is_dir() and not (model_path / "config.json").is_file()
    )
    data_is_model = (
        data_path.suffix.lower() in WEIGHT_SUFFIXES or (data_path / "config.json").is_file()
    )
    if model_holds_images and data_is_model:
        raise InputError(
            "MODEL and DATA look swapped: give the model first, as in backburn audit "
            f"{data} {model}"
        )


def data_missing_message(model: str) -> str:
    """Error message for a model without its images."""
    return (
        f"DATA is missing, the images that {model} was trained on: backburn audit {model} IMAGES "
        "--arch ..."
    )
