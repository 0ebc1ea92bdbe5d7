"""Weights of a torch.export archive.

`torch.export.load` unpickles, evaluates expressions and imports by name: its program is never
loaded. Its weights lie beside it as raw numbers, which this reads.
"""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, first_line

CONFIG = "data/weights/model_weights_config.json"
DTYPES = {4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32, 8: torch.float64}
DTYPES |= {13: torch.bfloat16}
"""Numbers that the archive's schema gives to types of weights."""


def exported_weights(path: Path) -> dict[str, Tensor]:
    """The state_dict of what `torch.export.save` wrote (torch 2.9 or newer).

    Raises:
        InputError: weights that are pickled, of another type, or no whole tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].partition("/")[0]
            table = json.loads(archive.read(f"{root}/{CONFIG}"))["config"]
            return {
                str(name): _tensor(entry, archive.read(_place(root, entry)))
                for name, entry in table.items()
            }
    except Exception as error:  # a foreign file may be wrong in any way
        raise InputError(
            f"{path} is a torch.export archive whose weights cannot be read without running code "
            f"({first_line(error)}): save its state_dict as .safetensors"
        ) from error


def _place(root: str, entry: dict[str, Any]) -> str:
    if entry["use_pickle"]:
        raise ValueError("pickled weights")
    return f"{root}/data/weights/{entry['path_name']}"


def _tensor(entry: dict[str, Any], raw: bytes) -> Tensor:
    meta = entry["tensor_meta"]
    sizes, strides = ([int(k["as_int"]) for k in meta[name]] for name in ("sizes", "strides"))
    flat = torch.frombuffer(bytearray(raw), dtype=DTYPES[meta["dtype"]])
    if math.prod(sizes) > len(flat):
        raise ValueError(f"a shape {tuple(sizes)} that {len(flat)} values cannot fill")
    return flat.as_strided(sizes, strides, int(meta["storage_offset"]["as_int"])).clone()
