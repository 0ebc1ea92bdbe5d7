"""Writing what came of a run: images without poison, or the repaired model."""

from collections import Counter
from pathlib import Path
from typing import Any, cast

from ..data.encoded import EncodedImages, encoded_images
from ..data.exporting import WRITERS
from ..errors import InputError
from ..models.open.open_model import open_model
from ..runs import (
    RECORD,
    Record,
    Stopwatch,
    new_record,
    own,
    to_json,
    whole_folder,
    write_run,
    write_whole,
)
from ..toolkits.backdoorbench import RESULT, dump_defense_result
from ..toolkits.run_suspects import Cure, cleansed, read_suspects


def export_images(
    run: Path, record: Record, path: Path, data: str | None, layout: str, cure: str
) -> dict[str, Any]:
    """Write the images of a run without its suspects, or with these relabeled.

    Returns:
        How many rows are `kept`, `dropped` and `relabeled`, and how many had no image to write.
    Raises:
        InputError: no suspects in the run, images that are not the run's, or `path` within them.
    """
    source, suspects, watch = data or data_of(record), read_suspects(run), Stopwatch()
    _check_apart(path, source)
    tally = Counter({"kept": 0, "dropped": 0, "relabeled": 0})
    given = {"run": str(run), "data": source, "as": layout, "suspects": cure}
    with whole_folder(path) as hidden:
        with watch("write"):
            images = encoded_images(source)
            rows = cleansed(images.rows, suspects, images.class_names, cast(Cure, cure), tally)
            WRITERS[layout](EncodedImages(images.class_names, rows), hidden)
        tally["unreadable"] = len(images.unreadable)
        made = new_record("export", given, record.seed, watch.seconds, dict(tally), "cpu")
        write_whole(hidden / RECORD, to_json(made))
    return dict(tally)


def export_model(run: Path, record: Record, path: Path) -> dict[str, Any]:
    """Write the repaired model of a run as BackdoorBench's `defense_result.pt`.

    Raises:
        InputError: no model in the run, or a network that BackdoorBench does not have.
    """
    name = record.arguments.get("arch")
    opened = open_model(model_of(run), name)
    architecture = name or str(getattr(opened.network, "architecture", ""))
    content = dump_defense_result(opened.network.state_dict(), architecture, opened.classes)
    made = new_record(
        "export", {"run": str(run), "as": "backdoorbench"}, record.seed, {}, {}, "cpu"
    )
    write_run(path, made, {RESULT: content})
    return {"model": architecture}


def model_of(run: Path) -> Path:
    """The repaired model of a run: a file, or a folder.

    Raises:
        InputError: there is none.
    """
    found = sorted(run.glob("model.*")) + sorted(run.glob("model"))
    if not found:
        raise InputError(f"{run} holds no repaired model: give the folder of a repair")
    return own(run, found[0].name)


def data_of(record: Record) -> str:
    """The images that a run looked at: its `DATA`, or the folder that `attack` wrote."""
    source = record.arguments.get("data") or record.arguments.get("model")
    if not isinstance(source, str):
        raise InputError("the run does not say what images it looked at: name them with --data")
    return source


def _check_apart(path: Path, source: str) -> None:
    """A folder within the images' own could be read as one of their classes."""
    if path.resolve().is_relative_to(Path(source).resolve()):
        raise InputError(f"{path} lies within {source}, which is left as it is: give another DEST")
