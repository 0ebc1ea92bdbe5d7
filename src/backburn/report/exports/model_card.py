"""Export of a run as a model card in Markdown, as the Hugging Face Hub displays it."""

from typing import Any

from ..phrases import STATE_TITLES, verdict_sentence
from ..report_tables import check_rows, score_rows
from .common import EVIDENCE_STATEMENT, LIMITATIONS, METHOD_URL, AuditedRun
from .security_frameworks import FRAMEWORKS

FRONT_MATTER = """---
pipeline_tag: image-classification
tags:
- image-classification
- backdoor-audit
---
"""


def render_model_card(audited: AuditedRun) -> bytes:
    """Render the model card, in UTF-8."""
    record, verdict = audited.record, audited.verdict
    verb = "Repaired model" if audited.repaired else "Audited model"
    parts = [
        FRONT_MATTER,
        f"# {verb}: {_escape(audited.model)}",
        f"**{STATE_TITLES[verdict['state']]}.** "
        + _escape(verdict_sentence(verdict, audited.finished.false_alarm)),
        "## What was examined",
        _table(
            ("", ""),
            [
                ("Model", audited.model),
                ("Network", record.arguments.get("arch") or "as its file says"),
                ("Training images", audited.data),
                ("Images examined", f"{verdict['images']:,} of {verdict['images_in_all']:,}"),
                ("Suspects", f"{verdict['suspects']:,}"),
                ("Date", record.created),
                ("backburn", f"{record.versions.get('backburn')}, commit {record.commit}"),
                ("Seed", record.seed),
                ("Method", f"BURN, {METHOD_URL}"),
            ],
        ),
    ]
    rows = [*score_rows(record.metrics), *check_rows(record.metrics.get("checks"))]
    if rows:
        cells = [(row.name, row.before, row.after, row.change) for row in rows]
        parts += ["## Before and after", _table(("", "before", "after", "change"), cells)]
    parts += ["## What this verdict proves", EVIDENCE_STATEMENT]
    parts += ["\n".join(f"- {line}" for line in LIMITATIONS), "## References", _references()]
    return ("\n\n".join(parts) + "\n").encode("utf-8", "replace")


def _references() -> str:
    return "\n".join(
        f"- {framework.name} ({framework.edition}): "
        + ", ".join(f"{entry.id} {entry.name}".strip() for entry in framework.entries)
        for framework in FRAMEWORKS
    )


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_escape(str(cell)) for cell in line)} |" for line in lines)


def _escape(text: str) -> str:
    """Escape text, so that an untrusted name can't make a table, link or HTML."""
    printable = "".join(c if c.isprintable() and c not in "\u2068\u2069" else " " for c in text)
    return printable.replace("|", "\\|").replace("<", "&lt;").replace("`", "'").replace("[", "\\[")
