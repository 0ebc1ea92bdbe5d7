"""Exporting from a run: its images without the poison, or its repaired model."""

from collections import Counter
from pathlib import Path
from typing import Any, cast

from ..data.encoded import EncodedImages, read_encoded_images
from ..data.exporting import WRITERS
from ..errors import InputError
from ..models.open.open_model import open_model
from ..runs import (
    RECORD,
    Record,
    Stopwatch,
    atomic_folder,
    new_record,
    path_in_run,
    to_json,
    write_atomic,
    write_run,
)
from ..toolkits.backdoorbench import RESULT, dump_defense_result
from ..toolkits.run_suspects import SuspectAction, read_suspects, without_poison


def export_images(
    run: Path, record: Record, path: Path, data: str | None, layout: str, action: str
) -> dict[str, Any]:
    """Write the images of a run with its suspects dropped or relabeled.

    Args:
        record: of the run.
        path: new folder to write.
        data: source of the images; None for the one in the record.
        layout: a key of `data.exporting.WRITERS`.
        action: what to do with suspects, `drop` or `relabel`.
    Returns:
        Counts of the rows that are `kept`, `dropped`, `relabeled` and `unreadable`.
    Raises:
        InputError: the run has no suspects, the images are not the run's, or contain `path`.
    """
    source, suspects, stopwatch = data or data_source(record), read_suspects(run), Stopwatch()
    _check_apart(path, source)
    tally = Counter({"kept": 0, "dropped": 0, "relabeled": 0})
    arguments = {"run": str(run), "data": source, "as": layout, "suspects": action}
    with atomic_folder(path) as hidden:
        with stopwatch("write"):
            images = read_encoded_images(source)
            rows = without_poison(
                images.rows, suspects, images.class_names, cast(SuspectAction, action), tally
            )
            WRITERS[layout](EncodedImages(images.class_names, rows), hidden)
        tally["unreadable"] = len(images.unreadable)
        exported = new_record(
            "export", arguments, record.seed, stopwatch.seconds, dict(tally), "cpu"
        )
        write_atomic(hidden / RECORD, to_json(exported))
    return dict(tally)


def export_model(run: Path, record: Record, path: Path) -> dict[str, Any]:
    """Write the repaired model of a run as BackdoorBench's `defense_result.pt`.

    Returns:
        The name of its architecture, as `model`.
    Raises:
        InputError: the run has no model, or BackdoorBench does not know its architecture.
    """
    name = record.arguments.get("arch")
    opened = open_model(repaired_model_path(run), name)
    architecture = name or str(getattr(opened.network, "architecture", ""))
    content = dump_defense_result(opened.network.state_dict(), architecture, opened.classes)
    exported = new_record(
        "export", {"run": str(run), "as": "backdoorbench"}, record.seed, {}, {}, "cpu"
    )
    write_run(path, exported, {RESULT: content})
    return {"model": architecture}


def repaired_model_path(run: Path) -> Path:
    """Path of a run's repaired model, which is a file or a folder.

    Raises:
        InputError: the run has no model.
    """
    paths = sorted(run.glob("model.*")) + sorted(run.glob("model"))
    if not paths:
        raise InputError(f"{run} holds no repaired model: give the folder of a repair")
    return path_in_run(run, paths[0].name)


def data_source(record: Record) -> str:
    """Source of a run's images: its DATA, or the folder that `attack` wrote.

    Raises:
        InputError: the record names none.
    """
    source = record.arguments.get("data") or record.arguments.get("model")
    if not isinstance(source, str):
        raise InputError("the run does not say what images it looked at: name them with --data")
    return source


def _check_apart(path: Path, source: str) -> None:
    """Refuse a folder within the images' own: it could later be read as a class."""
    if path.resolve().is_relative_to(Path(source).resolve()):
        raise InputError(f"{path} lies within {source}, which is left as it is: give another DEST")
