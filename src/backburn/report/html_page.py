"""The HTML report page of a finished run, standalone or served."""

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

from ..results import Phase
from . import svg_charts
from .figure_tables import round_rows
from .finished_run import FinishedRun, open_finished_run
from .next_steps import steps_on_page
from .page_data import build_page_sheets, standalone_page_data, trigger_regions
from .phrases import (
    STATE_TITLES,
    explain_class,
    explain_verdict,
    format_percent,
    plain_sentence,
    verdict_sentence,
)
from .report_tables import check_rows, cost_rows, read_outcomes, score_rows
from .svg_scatter import embedding_chart
from .thumbnails import to_data_uri

MAX_PAGE_BYTES = 8_000_000
"""Default maximum size of a standalone page, which must be small enough to mail."""
STYLE = "page.css"
STANDALONE_SCRIPTS = ("shared.js", "standalone.js", "page.js")
"""Scripts of a standalone page, in order; standalone.js keeps its decisions in the browser."""
SERVED_SCRIPTS = ("shared.js", "served.js", "page.js")
"""Scripts of a served page, in order; served.js sends its decisions to the server."""


def render_standalone_page(path: Path, limit: int = MAX_PAGE_BYTES) -> bytes:
    """Render the report of a run as one HTML file in UTF-8 that loads nothing else.

    Args:
        path: the run directory.
        limit: maximum size in bytes; the thumbnails are made to fit.
    Raises:
        InputError: there is no run, or it has no gallery or is damaged.
    """
    run = open_finished_run(path)
    data = standalone_page_data(run)
    point_count = sum(map(len, run.gallery.embedding.values()))
    # thumbnails get what remains after the data, the chart of the embedding, and all other HTML
    room = limit - len(htmlsafe_json_dumps(data)) - 400_000 - 200 * point_count
    sheets = build_page_sheets(run.gallery, max(200_000, room))
    policy = content_security_policy(STANDALONE_SCRIPTS)
    return render_page(run, {**data, "sheets": sheets}, STANDALONE_SCRIPTS, policy)


def render_page(
    run: FinishedRun,
    data: dict[str, Any],
    scripts: Sequence[str],
    policy: str,
    decisions_path: str | None = None,
) -> bytes:
    """Render the page, as HTML in UTF-8.

    Args:
        run: the run to report.
        data: read by the scripts, see `page_data`.
        scripts: names of the script files, in order.
        policy: content security policy that the page declares.
        decisions_path: the file to which the server writes decisions; None without a server.
    """
    record, gallery, metrics = run.record, run.gallery, run.record.metrics
    verdict = metrics["verdict"]
    regions = trigger_regions(gallery)
    page = _template().render(
        run_name=run.name,
        record=record,
        verdict=verdict,
        gallery=gallery,
        data={**data, "regions": regions},
        regions=regions,
        state_title=STATE_TITLES[verdict["state"]],
        plain_sentence=plain_sentence(isolate_names(verdict)),
        verdict_sentence=verdict_sentence(isolate_names(verdict), run.false_alarm),
        verdict_meaning=explain_verdict(verdict),
        class_explanations=[
            explain_class({**evidence, "name": isolate(evidence["name"])}, verdict["suspects"] > 0)
            for evidence in verdict["classes"]
            if evidence["label"] in verdict["target_labels"]
        ],
        steps=steps_on_page(record, str(run.path)),
        outcomes=read_outcomes(run.path),
        decisions_path=decisions_path,
        svg=svg_charts,
        config=run.config,
        scores=[*score_rows(metrics), *check_rows(metrics.get("checks"))],
        truth_match=_truth_match(metrics["suspects"]),
        cost_rows=cost_rows(record.seconds),
        charts=_charts(run),
        mean_directions=[
            (gallery.classes[label], to_data_uri(direction))
            for label, direction in gallery.mean_directions.items()
        ],
        policy=policy,
        style=Markup(_asset(STYLE)),  # noqa: S704  our own file
        script=Markup(_script(scripts)),  # noqa: S704  our own files
    )
    return page.encode("utf-8", "replace")


def isolate_names(verdict: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict with class names that are safe inside a sentence, see `isolate`."""
    return {**verdict, "target_names": [isolate(name) for name in verdict["target_names"]]}


def isolate(name: str) -> str:
    """Wrap a name in Unicode isolates, so that right-to-left names don't reorder the sentence."""
    return f"\u2068{name}\u2069"


def _truth_match(scores: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return how well the suspects match the truth, None if the truth isn't known."""
    return scores if scores and scores.get("tpr") is not None else None


def _charts(run: FinishedRun) -> list[svg_charts.Chart]:
    gallery = run.gallery
    history = msgspec.convert(run.record.metrics.get("history", []), list[Phase])
    charts = [
        svg_charts.distance_chart(gallery.distances),
        embedding_chart(gallery.embedding),
        svg_charts.round_chart(round_rows(history)),
    ]
    return [chart for chart in charts if chart is not None]


def content_security_policy(
    scripts: Sequence[str], image_sources: str = "data:", directives: str = ""
) -> str:
    """Return a content security policy that allows only our own style and scripts, by hash.

    Args:
        scripts: names of the script files, in order.
        image_sources: sources from which images may come.
        directives: further directives, each with a semicolon in front.
    """
    style, script = _hash_source(_asset(STYLE)), _hash_source(_script(scripts))
    return (
        f"default-src 'none'; img-src {image_sources}; style-src {style}; script-src {script}; "
        f"base-uri 'none'; form-action 'none'{directives}"
    )


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script(names: Sequence[str]) -> str:
    return "".join(map(_asset, names))


def _asset(name: str) -> str:
    return (files("backburn.report") / "page" / name).read_text(encoding="utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backburn.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["format_percent"] = format_percent
    return environment.get_template("page.html")
