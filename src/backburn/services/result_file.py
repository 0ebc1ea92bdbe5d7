"""The whole of a result in a run directory, as safetensors: for whoever reads the run in Python."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import InputError, first_line
from ..runs import own
from ..types import Audit, BoundaryResult, Evidence, Suspects, Unlearned, Verdict

RESULT = "result.safetensors"
EACH = {
    "score": torch.float32,
    "flagged": torch.bool,
    "found": torch.bool,
    "distance": torch.float32,
    "crossed_label": torch.int64,
}
"""Columns with a row an image."""
SUSPECT = {
    "index": torch.int64,
    "given_label": torch.int64,
    "restored_label": torch.int64,
    "confidence": torch.float32,
}
"""Columns with a row a suspect, highest score first."""


def dump_result(result: Audit | Unlearned) -> bytes:
    """Scores, flags, boundary and suspects; not the verdict, which is text."""
    evidence, boundary, suspects = result.evidence, result.boundary, result.suspects
    columns = {
        "score": evidence.score,
        "flagged": evidence.flagged,
        "found": boundary.found,
        "distance": boundary.distance,
        "crossed_label": boundary.crossed_label,
        **{f"suspects.{name}": getattr(suspects, name) for name in SUSPECT},
    }
    if result.second_opinion is not None:
        columns["second_opinion"] = result.second_opinion
    return save({name: each.cpu().clone().contiguous() for name, each in columns.items()})


def read_result(run: Path, verdict: Verdict) -> Audit:
    """What `dump_result` wrote, with its verdict.

    Raises:
        InputError: the run has none, or one that is damaged.
    """
    file = own(run, RESULT)
    if not file.is_file():
        raise InputError(f"{run} has no {RESULT}: it is of an older version, make it again")
    try:
        held = load(file.read_bytes())
        count = len(held["score"])
        each = {name: _checked(held[name], kind, count) for name, kind in EACH.items()}
        said = held.get("second_opinion")
        second = None if said is None else _checked(said, torch.int64, count)
        few = len(held["suspects.index"])
        columns = {
            name: _checked(held[f"suspects.{name}"], kind, few) for name, kind in SUSPECT.items()
        }
        if few and not 0 <= int(columns["index"].min()) <= int(columns["index"].max()) < count:
            raise ValueError("suspects that are no images")
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(
            f"{file} cannot be read: {first_line(error)}; make the run again"
        ) from error
    boundary = BoundaryResult(each["found"], each["distance"], each["crossed_label"])
    evidence = Evidence(each["score"], each["flagged"])
    suspects = Suspects(**columns)
    return Audit(suspects, evidence, verdict, boundary, second_opinion=second)


def _checked(column: Tensor, kind: torch.dtype, count: int) -> Tensor:
    if column.dtype != kind or tuple(column.shape) != (count,):
        raise ValueError(f"a column of {column.dtype} and shape {tuple(column.shape)}")
    return column
