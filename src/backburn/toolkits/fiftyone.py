"""The suspects of a run as labels and tags of a FiftyOne data set."""

import os
from pathlib import Path
from typing import Any

from ..data.sources.find_reader import open_rows
from ..errors import InputError
from .run_suspects import SuspectRow, read_suspects

FIELD, TAG = "backburn_restored", "backburn_suspect"


def label_samples(dataset: Any, run: str | Path, data: str | Path) -> int:
    """Mark the suspects of a run in a FiftyOne data set.

    Each suspect gets the tag `backburn_suspect`. Its field `backburn_restored` becomes a
    Classification of the restored label with its confidence. Other samples are not changed.

    Args:
        dataset: a `fiftyone.Dataset` (or view) of the images of the run.
        run: the folder of an audit or a repair.
        data: the folder of images that the run was given.
    Returns:
        How many samples were marked.
    Raises:
        InputError: fiftyone is not installed, there is no such run, the images are rows of a file,
            or the data set lacks a suspect.
    """
    try:
        import fiftyone as fo
    except ImportError as error:
        raise InputError("FiftyOne is not installed: pip install fiftyone") from error
    suspects = _suspects_by_sample(dataset, read_suspects(Path(run)), Path(data))
    labels = {
        sample: fo.Classification(label=suspect.restored_label, confidence=suspect.confidence)
        for sample, suspect in suspects.items()
    }
    if labels:
        dataset.set_values(FIELD, labels, key_field="id")
        dataset.select(list(labels)).tag_samples(TAG)
    return len(labels)


def _suspects_by_sample(
    dataset: Any, suspects: dict[str, SuspectRow], data: Path
) -> dict[str, SuspectRow]:
    """The suspects by the id of their sample. Samples are matched by absolute path."""
    files = {row.name: row.image for row in open_rows(data, "train", None).read()}
    ids, paths = dataset.values(["id", "filepath"])
    sample_ids = {os.path.realpath(path): sample for path, sample in zip(paths, ids, strict=True)}
    suspects_by_id = {}
    for name, suspect in suspects.items():
        file = files.get(name)
        if not isinstance(file, Path):
            raise InputError(f"{data} has no file {name!r}: give the folder that the run looked at")
        sample = sample_ids.get(os.path.realpath(file))
        if sample is None:
            raise InputError(f"the FiftyOne data set has no {str(file)!r}: load this folder in it")
        suspects_by_id[sample] = suspect
    return suspects_by_id
