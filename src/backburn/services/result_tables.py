"""Results of an audit or a repair as tables, summaries and digests."""

import io
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest

from ..config import to_toml
from ..data.csv_cells import csv_bytes
from ..data.tensor_digest import digest
from ..executor.digests import digest_of_images, digest_of_model
from ..metrics import DetectionScores, evaluate_model, score_detection
from ..report.phrases import NO_POISON, STATE_TITLES
from ..results import Audit, Scores, Unlearned
from ..toolkits.run_suspects import COLUMNS
from ..types import LabeledImages, Labels, Progress
from .opened_case import OpenedCase


def case_digests(opened: OpenedCase, method: object, review: str | None = None) -> dict[str, str]:
    """Digests of all that a result depends on beside the command line, by name.

    Args:
        method: its hyperparameters.
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
    if opened.evaluation_set is not None:
        made_of["test images"] = digest_of_images(opened.evaluation_set.clean)
    if review is not None:
        made_of["review"] = review
    return made_of


def scores_before_after(
    opened: OpenedCase, repaired: Unlearned, progress: Progress
) -> tuple[Scores | None, Scores | None]:
    """Scores of the model before and after the repair; None without evaluation images."""
    if opened.evaluation_set is None:
        return None, None
    before = evaluate_model(opened.case.model, opened.evaluation_set, progress)
    after = evaluate_model(repaired.model, opened.evaluation_set, progress)
    return before, after


def compare_with_truth(opened: OpenedCase, result: Audit | Unlearned) -> DetectionScores | None:
    """Rates of the detection against the truth; None if it is unknown."""
    if opened.truth is None:
        return None
    return score_detection(result.evidence, result.suspects, opened.truth)


def suspects_csv(images: LabeledImages, result: Audit | Unlearned) -> bytes:
    """One row per suspect: image, given and restored label, confidence, score, distance."""
    suspects = result.suspects
    rows = [
        {
            "image": images.name_of(row),
            "given_label": class_name(images, int(suspects.given_label[rank])),
            "restored_label": class_name(images, int(suspects.restored_label[rank])),
            "confidence": f"{suspects.confidence[rank]:.4f}",
            "score": f"{result.evidence.score[row]:.4f}",
            "distance": f"{result.boundary.distance[row]:.5f}",
        }
        for rank, row in enumerate(suspects.index.tolist())
    ]
    return csv_bytes(COLUMNS, rows)


def second_opinion_csv(images: LabeledImages, opinion: Labels) -> bytes:
    """One row per image whose second opinion differs from its label: image and both labels."""
    rows = [
        {
            "image": images.name_of(row),
            "given_label": class_name(images, int(images.labels[row])),
            "second_opinion": class_name(images, int(opinion[row])),
        }
        for row in (opinion != images.labels).nonzero().flatten().tolist()
    ]
    return csv_bytes(("image", "given_label", "second_opinion"), rows)


def second_opinion_line(images: LabeledImages, opinion: Labels) -> str:
    """The number of images whose second opinion differs from their label, as a sentence."""
    differing = int((opinion != images.labels).sum())
    return (
        f"second opinion: {differing} of {len(images)} images look like another class than their "
        "label's to it"
    )


def evidence_parquet(result: Audit | Unlearned) -> bytes:
    """One row per test statistic and candidate group; all p-values can be computed from them.

    Columns:

    - `label`: class number.
    - `level`: 1 for a group of the whole class, 2 for one of a group of its split.
    - `group`, `rest`: numbers of images.
    - `placebo`: 1 if the group only serves the null distribution.
    - `statistic`, `value`: name and value of the statistic.
    - `p_value`: of the group, before the correction for multiple tests.

    The null distribution of a statistic is its values in all other classes that were not excluded
    (docs/method.md).
    """
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("label", "level", "group", "rest", "placebo", "statistic", "value", "p_value")
    }
    for row in result.statistics:
        for name, value in row.items():
            if name == "necessity" or name.startswith(("transfer_", "probe_")):
                cells = {**row, "statistic": name, "value": float(value)}
                for column, values in columns.items():
                    values.append(cells[column])
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def class_name(images: LabeledImages, label: int) -> str:
    """Name of a class, or its number if it has none."""
    return images.class_names[label] if images.class_names else str(label)


def verdict_summary(opened: OpenedCase, result: Audit | Unlearned) -> dict[str, Any]:
    """The verdict as plain values, with the names of the target classes.

    `suspect_share` is a 95 % confidence interval (Clopper-Pearson) of the share of suspects among
    all images, of which these may be a sample.
    """
    verdict, images = result.verdict, opened.case.images
    interval = binomtest(len(result.suspects), len(images)).proportion_ci(0.95, "exact")
    return {
        "state": verdict.state,
        "says": NO_POISON if verdict.state == "clean" else STATE_TITLES[verdict.state].lower(),
        "target_labels": list(verdict.target_labels),
        "target_names": [class_name(images, label) for label in verdict.target_labels],
        "p_value": verdict.p_value,
        "reason": verdict.reason,
        "smallest_group": verdict.smallest_group,
        "classes": [
            {"name": class_name(images, evidence.label), **asdict(evidence)}
            for evidence in verdict.classes
        ],
        "suspects": len(result.suspects),
        "suspect_share": [float(interval.low), float(interval.high)],
        "images": len(images),
        "images_in_all": opened.total_images,
        "skipped": list(images.skipped),
    }
