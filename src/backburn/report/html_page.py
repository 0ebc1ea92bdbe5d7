"""A finished run as one page, which needs nothing else or a server that shows more of it."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from ..types import Phase
from . import svg_charts
from .figure_tables import round_rows
from .finished_run import Finished, open_finished
from .next_steps import on_page
from .page_data import sheets_in_page, told_in_page, told_regions
from .phrases import (
    STATES,
    meaning_of,
    per_cent,
    plain_sentence,
    verdict_sentence,
    why_accused,
)
from .report_tables import checked, cost, scored
from .review_outcomes import outcomes_of
from .svg_scatter import embedding_chart
from .thumbnails import data_uri

LIMIT = 8_000_000
"""Bytes of a page, for pages that are mailed and kept."""
STYLE = "page.css"
IN_PAGE, SERVED = (("shared.js", own, "page.js") for own in ("inpage.js", "served.js"))
"""Scripts of a page, in order: the second says where suspects and decisions are."""


def page_of(run: Path, limit: int = LIMIT) -> bytes:
    """The report of a run, as HTML in UTF-8 that loads nothing from anywhere.

    Args:
        limit: bytes that the page may have; its pictures are made to fit.
    Raises:
        InputError: no run there, or one that has no gallery or is damaged.
    """
    finished = open_finished(run)
    data = told_in_page(finished)
    places = sum(map(len, finished.gallery.embedding.values()))
    # what is not pictures: the names as the page writes them, and room for all that surrounds them
    room = limit - len(htmlsafe_json_dumps(data)) - 400_000 - 200 * places
    sheets = sheets_in_page(finished.gallery, max(200_000, room))
    return rendered(finished, {**data, "sheets": sheets}, IN_PAGE, policy_of(IN_PAGE))


def rendered(
    finished: Finished,
    data: dict[str, Any],
    scripts: Sequence[str],
    policy: str,
    kept: str | None = None,
) -> bytes:
    """The page, as HTML in UTF-8.

    Args:
        data: what the script is told.
        policy: content security policy that the page says of itself.
        kept: where decisions are written, if they are.
    """
    record, gallery, metrics = finished.record, finished.gallery, finished.record.metrics
    verdict = metrics["verdict"]
    regions = told_regions(gallery)
    page = _template().render(
        run=finished.name,
        record=record,
        verdict=verdict,
        gallery=gallery,
        data={**data, "regions": regions},
        regions=regions,
        plain=plain_sentence(isolated(verdict)),
        meaning=meaning_of(verdict),
        steps=on_page(record, str(finished.run)),
        outcomes=outcomes_of(finished.run),
        kept=kept,
        drawing=svg_charts,
        config=finished.config,
        state=STATES[verdict["state"]],
        sentence=verdict_sentence(isolated(verdict), finished.false_alarm),
        accused=[
            why_accused({**each, "name": isolate(each["name"])}, verdict["suspects"] > 0)
            for each in verdict["classes"]
            if each["label"] in verdict["target_labels"]
        ],
        scores=[*scored(metrics), *checked(metrics.get("checks"))],
        found=_known(metrics["suspects"]),
        cost=cost(record.seconds),
        charts=_charts(finished),
        triggers=[(gallery.classes[k], data_uri(part)) for k, part in gallery.shared.items()],
        policy=policy,
        style=Markup(_asset(STYLE)),  # noqa: S704  our own file
        script=Markup(_script(scripts)),  # noqa: S704  our own files
    )
    return page.encode("utf-8", "replace")


def isolated(verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict with names that can stand in a sentence."""
    return {**verdict, "target_names": [isolate(name) for name in verdict["target_names"]]}


def isolate(name: str) -> str:
    """A name that does not turn the words around it, whichever way it is written."""
    return f"\u2068{name}\u2069"


def _known(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """How the suspects match the truth, where it is known."""
    return found if found and found.get("tpr") is not None else None


def _charts(finished: Finished) -> list[svg_charts.Chart]:
    gallery = finished.gallery
    history = msgspec.convert(finished.record.metrics.get("history", []), list[Phase])
    drawn = [
        svg_charts.distance_chart(gallery.distances),
        embedding_chart(gallery.embedding),
        svg_charts.round_chart(round_rows(history)),
    ]
    return [chart for chart in drawn if chart is not None]


def policy_of(scripts: Sequence[str], images: str = "data:", more: str = "") -> str:
    """A content security policy: nothing runs but what was written here.

    Args:
        images: from where pictures may come.
        more: further directives.
    """
    style, script = _hash(_asset(STYLE)), _hash(_script(scripts))
    return (
        f"default-src 'none'; img-src {images}; style-src {style}; script-src {script}; "
        f"base-uri 'none'; form-action 'none'{more}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script(names: Sequence[str]) -> str:
    return "".join(map(_asset, names))


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
