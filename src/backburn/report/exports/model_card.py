"""A run as a model card: Markdown as the Hugging Face Hub shows it."""

from typing import Any

from ..phrases import STATES, verdict_sentence
from ..report_tables import checked, scored
from .common import LIMITS, METHOD, PROVES, Audited
from .identifiers import FRAMEWORKS

HEAD = """---
pipeline_tag: image-classification
tags:
- image-classification
- backdoor-audit
---
"""


def model_card_of(audited: Audited) -> bytes:
    """The card, in UTF-8."""
    record, verdict = audited.record, audited.verdict
    verb = "Repaired model" if audited.repaired else "Audited model"
    parts = [
        HEAD,
        f"# {verb}: {_plain(audited.model)}",
        f"**{STATES[verdict['state']]}.** "
        + _plain(verdict_sentence(verdict, audited.finished.false_alarm)),
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
                ("Method", f"BURN, {METHOD}"),
            ],
        ),
    ]
    rows = [*scored(record.metrics), *checked(record.metrics.get("checks"))]
    if rows:
        shown = [(row.name, row.before, row.after, row.change) for row in rows]
        parts += ["## Before and after", _table(("", "before", "after", "change"), shown)]
    parts += ["## What this verdict proves", PROVES]
    parts += ["\n".join(f"- {line}" for line in LIMITS), "## References", _references()]
    return ("\n\n".join(parts) + "\n").encode("utf-8", "replace")


def _references() -> str:
    return "\n".join(
        f"- {framework.name} ({framework.edition}): "
        + ", ".join(f"{e.id}{f' {e.name}' if e.name else ''}" for e in framework.entries)
        for framework in FRAMEWORKS
    )


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_plain(str(cell)) for cell in line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text in which a stranger's name makes no table, link or HTML."""
    kept = "".join(c if c.isprintable() and c not in "\u2068\u2069" else " " for c in text)
    return kept.replace("|", "\\|").replace("<", "&lt;").replace("`", "'").replace("[", "\\[")
