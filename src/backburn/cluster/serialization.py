"""Sending models, training tasks and shards of pixels to a cluster."""

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


def put_model(model: nn.Module) -> Any:
    """Put a model into the object store, on the CPU. Each node fetches it once.

    The module itself is sent, never the file that it was loaded from.

    Returns:
        A reference to the model.
    """
    ray.util.register_serializer(
        RecursiveScriptModule, serializer=_script_to_bytes, deserializer=_script_from_bytes
    )
    # on the CPU, because a worker may have no such device
    return ray.put(model if device_of(model).type == "cpu" else copy.deepcopy(model).cpu())


def _script_to_bytes(script: RecursiveScriptModule) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(script, buffer)
    return buffer.getvalue()


def _script_from_bytes(content: bytes) -> Any:
    return torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]


def put_training_task(task: TrainingTask, generator: torch.Generator) -> tuple[Any, Any]:
    """Put a training task and its generator into the object store.

    Task and generator are sent together, because the batch transform may share that generator.

    Returns:
        References to the pixels, which a training reads without a copy, and to the rest.
    """
    no_pixels = torch.zeros((), dtype=torch.uint8).expand(task.pixels.shape)  # one byte
    pixels = ray.put(task.pixels.cpu().numpy())
    return pixels, ray.put((replace(task, pixels=no_pixels), generator))


def get_training_task(pixels: Any, rest: Any) -> tuple[TrainingTask, torch.Generator]:
    """Task and generator, from the two values that `put_training_task` stored."""
    task, generator = rest
    return replace(task, pixels=read_only_tensor(pixels)), generator


def shard_to_table(number: int, pixels: Pixels, predictions: Labels | None) -> pa.Table:
    """A shard as a table of one row: its number, its pixels, and the predictions if known."""
    values = pixels.detach().cpu().contiguous()
    columns = {
        "shard": pa.array([number]),
        "shape": pa.array([list(values.shape)]),
        "pixels": _binary_value(values),
        "predictions": pa.nulls(1, pa.large_binary())
        if predictions is None
        else _binary_value(predictions.contiguous()),
    }
    return pa.table(columns)


def _binary_value(values: Tensor) -> pa.Array:
    """A column whose single value is the bytes of a tensor, without a copy."""
    content = pa.py_buffer(values.numpy().reshape(-1).view(np.uint8))
    offsets = pa.py_buffer(np.array([0, content.size], np.int64))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, content])


def table_to_shard(table: pa.Table) -> tuple[int, Pixels, Labels | None]:
    """Number, pixels and predictions from a table that `shard_to_table` made.

    The pixels are those in the object store and must not be changed.
    """
    shape, labels = table["shape"][0].as_py(), table["predictions"][0]
    pixels = _from_buffer(table["pixels"][0].as_buffer(), np.uint8).reshape(shape)
    predictions = _from_buffer(labels.as_buffer(), np.int64) if labels.is_valid else None
    return table["shard"][0].as_py(), pixels, predictions


def _from_buffer(content: Any, dtype: Any) -> Tensor:
    return read_only_tensor(np.frombuffer(content, dtype))


def read_only_tensor(values: Any) -> Tensor:
    """A tensor over a read-only array, without a copy. It must not be changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(values)
