"""A finished run as one page that needs nothing else."""

import base64
import hashlib
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from ..config import read_toml
from ..errors import InputError, first_line
from ..runs import RECORD, Record, read_record
from ..types import Phase
from . import charts
from .gallery import Gallery
from .gallery_files import read_gallery
from .sections import Told, checked, cost, scored
from .tables import round_rows
from .thumbnails import COLUMNS, ROWS, data_uri, sheets_within
from .words import STATES, per_cent, verdict_sentence, why_accused

LIMIT = 8_000_000
"""Bytes of a page, for pages that are mailed and kept."""
CONFIG = "config.toml"


def page_of(run: Path, limit: int = LIMIT) -> bytes:
    """The report of a run, as HTML in UTF-8 that loads nothing from anywhere.

    Args:
        limit: bytes that the page may have; its pictures are made to fit.
    Raises:
        InputError: no run there, or one that has no gallery or is damaged.
    """
    record, gallery = read_record(run), read_gallery(run)
    try:
        msgspec.convert(record.metrics, Told)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{run / RECORD} does not say what a report needs ({first_line(error)}): give a run "
            "of audit, repair or demo"
        ) from error
    return _filled(run, record, gallery, limit).encode("utf-8", "replace")


def _filled(run: Path, record: Record, gallery: Gallery, limit: int) -> str:
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    metrics, verdict = record.metrics, record.metrics["verdict"]
    config, false_alarm = _configuration(run)
    data = review_data(run, gallery)
    shown = {
        "config": config,
        "state": STATES[verdict["state"]],
        "sentence": verdict_sentence(isolated(verdict), false_alarm),
        "accused": [
            why_accused({**each, "name": isolate(each["name"])})
            for each in verdict["classes"]
            if each["label"] in verdict["target_labels"]
        ],
        "scores": [*scored(metrics), *checked(metrics.get("checks"))],
        "found": _known(metrics["suspects"]),
        "cost": cost(record.seconds),
        "charts": _charts(gallery, metrics),
        "triggers": [(gallery.classes[k], data_uri(part)) for k, part in gallery.shared.items()],
        "policy": _policy(style, script),
        "style": Markup(style),  # noqa: S704  our own file
        "script": Markup(script),  # noqa: S704  our own file
    }
    # what is not pictures: the names as the page writes them, and room for all that surrounds them
    room = limit - len(htmlsafe_json_dumps(data)) - 400_000
    sheets = _sheets(gallery, max(200_000, room))
    return _template().render(
        run=run.resolve().name,
        record=record,
        verdict=verdict,
        gallery=gallery,
        data={**data, "sheets": sheets},
        drawing=charts,
        **shown,
    )


def isolated(verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict with names that can stand in a sentence."""
    return {**verdict, "target_names": [isolate(name) for name in verdict["target_names"]]}


def isolate(name: str) -> str:
    """A name that does not turn the words around it, whichever way it is written."""
    return f"\u2068{name}\u2069"


def _known(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """How the suspects match the truth, where it is known."""
    return found if found and found.get("tpr") is not None else None


def review_data(run: Path, gallery: Gallery) -> dict[str, Any]:
    """What the script of the page is told: suspects as rows, by rank.

    `key` is of this run and no other: decisions are kept under it.
    """
    return {
        "key": hashlib.sha256((run / RECORD).read_bytes()).hexdigest(),
        "classes": list(gallery.classes),
        "suspects": [
            [
                each.image,
                each.row,
                each.given,
                each.restored,
                each.confidence,
                each.score,
                each.distance if found and isfinite(each.distance) else None,
                each.crossed,
            ]
            for each, found in zip(gallery.suspects, gallery.found, strict=True)
        ],
    }


def _sheets(gallery: Gallery, room: int) -> dict[str, Any] | None:
    if not gallery.suspects:
        return None
    kinds = {name: getattr(gallery, name) for name in ("image", "perturbation", "perturbed")}
    sheets = sheets_within(kinds, room)
    size = {"width": sheets.width, "height": sheets.height, "columns": COLUMNS}
    return {**size, "each": COLUMNS * ROWS, "uris": sheets.uris}


def _charts(gallery: Gallery, metrics: dict[str, Any]) -> list[charts.Chart]:
    history = msgspec.convert(metrics.get("history", []), list[Phase])
    drawn = [charts.distance_chart(gallery.distances), charts.round_chart(round_rows(history))]
    return [chart for chart in drawn if chart is not None]


def _configuration(run: Path) -> tuple[str, float | None]:
    """The text of the run's configuration, and the p-value that raises its alarm."""
    values = read_toml(run / CONFIG)
    detector = values.get("detector")
    level = detector.get("false_alarm") if isinstance(detector, dict) else None
    text = (run / CONFIG).read_text(encoding="utf-8")
    return text, level if isinstance(level, float) else None


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and nothing runs but what was written here."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (files("backburn.report") / "page" / name).read_text(encoding="utf-8")


def _template() -> jinja2.Template:
    home = jinja2.PackageLoader("backburn.report", "page")
    room = jinja2.Environment(
        loader=home,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    room.filters["per_cent"] = per_cent
    return room.get_template("page.html")
