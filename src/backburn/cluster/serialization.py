"""What is sent to a cluster by value: models, lessons, and pixels a shard at a time."""

import copy
import io
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import torch
from torch import Tensor, nn
from torch.jit._script import RecursiveScriptModule

from ..models.inference import device_of
from ..training import TrainingTask
from ..types import Labels, Pixels


def ship_model(model: nn.Module) -> Any:
    """A reference to the model on the CPU; each node fetches it once.

    What is shipped is the module that this process made, never the file it was made from.
    """
    ray.util.register_serializer(
        RecursiveScriptModule, serializer=_script_bytes, deserializer=_script
    )
    # a worker may have no such device
    return ray.put(model if device_of(model).type == "cpu" else copy.deepcopy(model).cpu())


def _script_bytes(script: RecursiveScriptModule) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(script, buffer)
    return buffer.getvalue()


def _script(content: bytes) -> Any:
    return torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]


def ship_lesson(lesson: TrainingTask, generator: torch.Generator) -> tuple[Any, Any]:
    """References to the pixels, and to all else that a training needs beside the model.

    Pixels are an array of their own, which all processes of a node share. Lesson and generator are
    shipped together, for the batch transform may share that generator.
    """
    blank = torch.zeros((), dtype=torch.uint8).expand(lesson.pixels.shape)  # one byte
    pixels = ray.put(lesson.pixels.cpu().numpy())
    return pixels, ray.put((replace(lesson, pixels=blank), generator))


def shipped_lesson(pixels: Any, rest: Any) -> tuple[TrainingTask, torch.Generator]:
    """What `ship_lesson` was given, of what its references stand for."""
    lesson, generator = rest
    return replace(lesson, pixels=read_only(pixels)), generator


def to_table(number: int, pixels: Pixels, predictions: Labels | None) -> pa.Table:
    """One shard as one row: its number, its pixels, and the model's predictions where known."""
    values = pixels.detach().cpu().contiguous()
    columns = {
        "shard": pa.array([number]),
        "shape": pa.array([list(values.shape)]),
        "pixels": _one_value(values),
        "predictions": pa.nulls(1, pa.large_binary())
        if predictions is None
        else _one_value(predictions.contiguous()),
    }
    return pa.table(columns)


def _one_value(values: Tensor) -> pa.Array:
    """The bytes of a tensor as the one value of a column, without a copy."""
    content = pa.py_buffer(values.numpy().reshape(-1).view(np.uint8))
    ends = pa.py_buffer(np.array([0, content.size], np.int64))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, content])


def from_table(table: pa.Table) -> tuple[int, Pixels, Labels | None]:
    """What `to_table` was given; the pixels are those in the object store, not to be written."""
    shape, said = table["shape"][0].as_py(), table["predictions"][0]
    pixels = _tensor(table["pixels"][0].as_buffer(), np.uint8).reshape(shape)
    predictions = _tensor(said.as_buffer(), np.int64) if said.is_valid else None
    return table["shard"][0].as_py(), pixels, predictions


def _tensor(content: Any, kind: Any) -> Tensor:
    return read_only(np.frombuffer(content, kind))


def read_only(values: Any) -> Tensor:
    """A tensor on numbers that nobody may write, without a copy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(values)
