"""What was found in a case, as plain values and tables."""

import io
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest

from ..config import to_toml
from ..data.csv_cells import csv_bytes
from ..data.digest import digest
from ..executor.digests import digest_of_images, digest_of_model
from ..metrics import Found, Scores, judge, match
from ..report.phrases import NO_POISON, STATES
from ..toolkits.run_suspects import COLUMNS
from ..types import Audit, LabeledImages, Labels, Progress, Unlearned
from .opened_case import Opened


def case_digests(opened: Opened, method: object, review: str | None = None) -> dict[str, str]:
    """What comes of a case depends on these, and the command line does not say them.

    Args:
        review: digest of a person's decisions.
    """
    case = opened.case
    made_of = {
        "model": digest_of_model(case.model),
        "images": digest_of_images(case.images),
        "settings": digest(to_toml(method)),
    }
    for name, network in (("base", case.base), ("witness", case.witness)):
        if network is not None:
            made_of[name] = digest_of_model(network)
    if case.holdout is not None:
        made_of["holdout"] = digest_of_images(case.holdout)
    if opened.exam is not None:
        made_of["test images"] = digest_of_images(opened.exam.clean)
    if review is not None:
        made_of["review"] = review
    return made_of


def judge_both(
    opened: Opened, repaired: Unlearned, progress: Progress
) -> tuple[Scores | None, Scores | None]:
    """How the model did before and after, where there are images to judge it by."""
    if opened.exam is None:
        return None, None
    before = judge(opened.case.model, opened.exam, progress)
    after = judge(repaired.model, opened.exam, progress)
    return before, after


def match_truth(opened: Opened, result: Audit | Unlearned) -> Found | None:
    """The suspects against the truth, where it is known."""
    if opened.truth is None:
        return None
    return match(result.evidence, result.suspects, opened.truth)


def suspects_csv(images: LabeledImages, result: Audit | Unlearned) -> bytes:
    """One line a suspect: image, given and restored label, confidence, score, distance."""
    suspects = result.suspects
    rows = [
        {
            "image": images.name_of(row),
            "given_label": class_name(images, int(suspects.given_label[place])),
            "restored_label": class_name(images, int(suspects.restored_label[place])),
            "confidence": f"{suspects.confidence[place]:.4f}",
            "score": f"{result.evidence.score[row]:.4f}",
            "distance": f"{result.boundary.distance[row]:.5f}",
        }
        for place, row in enumerate(suspects.index.tolist())
    ]
    return csv_bytes(COLUMNS, rows)


def second_opinion_csv(images: LabeledImages, said: Labels) -> bytes:
    """One line an image that a witness calls otherwise than its label: image and both labels."""
    rows = [
        {
            "image": images.name_of(row),
            "given_label": class_name(images, int(images.labels[row])),
            "second_opinion": class_name(images, int(said[row])),
        }
        for row in (said != images.labels).nonzero().flatten().tolist()
    ]
    return csv_bytes(("image", "given_label", "second_opinion"), rows)


def second_opinion_line(images: LabeledImages, said: Labels) -> str:
    """How many images a witness calls otherwise."""
    return (
        f"second opinion: {int((said != images.labels).sum())} of {len(images)} images look like "
        "another class than their label's to it"
    )


def evidence_parquet(result: Audit | Unlearned) -> bytes:
    """One row a test statistic of a candidate group, from which every p-value can be had again.

    Columns: `label` (class number), `level` (1: a group of the whole class, 2: of a side of its
    split), `group` and `rest` (images), `placebo` (1: made for the null distribution alone),
    `statistic` (name), `value`, and `p_value` (of the group, before it is paid for by looks at
    others). The null distribution of a statistic is its values
    in all other classes that were not set aside (docs/method.md).
    """
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("label", "level", "group", "rest", "placebo", "statistic", "value", "p_value")
    }
    for row in result.statistics:
        for name, value in row.items():
            if name == "necessity" or name.startswith(("transfer_", "probe_")):
                told = {**row, "statistic": name, "value": float(value)}
                for column, values in columns.items():
                    values.append(told[column])
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def class_name(images: LabeledImages, label: int) -> str:
    """The class's name, or its number where it has none."""
    return images.class_names[label] if images.class_names else str(label)


def verdict_summary(opened: Opened, result: Audit | Unlearned) -> dict[str, Any]:
    """The verdict as plain values, with the target classes' names.

    `suspect_share` is a 95 % confidence interval (Clopper and Pearson) for the share of suspects
    among all the images of which these are a sample.
    """
    verdict, images = result.verdict, opened.case.images
    interval = binomtest(len(result.suspects), len(images)).proportion_ci(0.95, "exact")
    return {
        "state": verdict.state,
        "says": NO_POISON if verdict.state == "clean" else STATES[verdict.state].lower(),
        "target_labels": list(verdict.target_labels),
        "target_names": [class_name(images, label) for label in verdict.target_labels],
        "p_value": verdict.p_value,
        "reason": verdict.reason,
        "classes": [
            {"name": class_name(images, tried.label), **asdict(tried)} for tried in verdict.classes
        ],
        "suspects": len(result.suspects),
        "suspect_share": [float(interval.low), float(interval.high)],
        "images": len(images),
        "images_in_all": opened.in_all,
        "skipped": list(images.skipped),
    }
