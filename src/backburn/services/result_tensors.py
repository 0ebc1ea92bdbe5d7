"""The result of a run as a safetensors file."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import InputError, first_line
from ..results import Audit, Evidence, Suspects, Unlearned, Verdict
from ..runs import path_in_run
from ..types import BoundaryResult

RESULT = "result.safetensors"
IMAGE_COLUMNS = {
    "score": torch.float32,
    "flagged": torch.bool,
    "found": torch.bool,
    "distance": torch.float32,
    "crossed_label": torch.int64,
}
"""Columns with one row per image."""
SUSPECT_COLUMNS = {
    "index": torch.int64,
    "given_label": torch.int64,
    "restored_label": torch.int64,
    "confidence": torch.float32,
}
"""Columns with one row per suspect, highest score first."""


def dump_result(result: Audit | Unlearned) -> bytes:
    """Encode scores, flags, boundary and suspects; the verdict is in the record."""
    evidence, boundary, suspects = result.evidence, result.boundary, result.suspects
    columns = {
        "score": evidence.score,
        "flagged": evidence.flagged,
        "found": boundary.found,
        "distance": boundary.distance,
        "crossed_label": boundary.crossed_label,
        **{f"suspects.{name}": getattr(suspects, name) for name in SUSPECT_COLUMNS},
    }
    if result.second_opinion is not None:
        columns["second_opinion"] = result.second_opinion
    return save({name: column.cpu().clone().contiguous() for name, column in columns.items()})


def read_result(run: Path, verdict: Verdict) -> Audit:
    """Read what `dump_result` wrote, and add the verdict.

    Raises:
        InputError: the run has no such file, or a damaged one.
    """
    file = path_in_run(run, RESULT)
    if not file.is_file():
        raise InputError(f"{run} has no {RESULT}: it is of an older version, make it again")
    try:
        tensors = load(file.read_bytes())
        count = len(tensors["score"])
        by_image = {
            name: _checked(tensors[name], dtype, count) for name, dtype in IMAGE_COLUMNS.items()
        }
        second_opinion = tensors.get("second_opinion")
        if second_opinion is not None:
            _checked(second_opinion, torch.int64, count)
        suspect_count = len(tensors["suspects.index"])
        columns = {
            name: _checked(tensors[f"suspects.{name}"], dtype, suspect_count)
            for name, dtype in SUSPECT_COLUMNS.items()
        }
        if (
            suspect_count
            and not 0 <= int(columns["index"].min()) <= int(columns["index"].max()) < count
        ):
            raise ValueError("suspects that are no images")
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(
            f"{file} cannot be read: {first_line(error)}; make the run again"
        ) from error
    boundary = BoundaryResult(by_image["found"], by_image["distance"], by_image["crossed_label"])
    evidence = Evidence(by_image["score"], by_image["flagged"])
    suspects = Suspects(**columns)
    return Audit(suspects, evidence, verdict, boundary, second_opinion=second_opinion)


def _checked(column: Tensor, dtype: torch.dtype, count: int) -> Tensor:
    if column.dtype != dtype or tuple(column.shape) != (count,):
        raise ValueError(f"a column of {column.dtype} and shape {tuple(column.shape)}")
    return column
