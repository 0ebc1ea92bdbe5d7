"""Export of a run as SARIF 2.1.0 for code scanning: one result per model and suspect."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...errors import printable
from ..gallery import Suspect
from ..phrases import verdict_sentence
from .common import METHOD_URL, AuditedRun, to_uri
from .security_frameworks import CLEAN_LABEL_ID, FRAMEWORKS, IMAGE_IDS, MODEL_IDS, Framework

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MAX_RESULTS = 5000
"""Maximum number of results that code scanning shows; the first is about the model."""
MODEL_RULE, IMAGE_RULE = "backdoored-model", "poisoned-image"
RESULT_LEVELS: Mapping[str, tuple[str, str]] = {
    "backdoored": ("fail", "error"),
    "suspicious": ("fail", "warning"),
    "abstained": ("review", "none"),
    "clean": ("pass", "none"),
}
"""Kind and level of the result about the model, by verdict."""


def render_sarif(audited: AuditedRun) -> bytes:
    """Render the log, which has one run."""
    suspects = audited.finished.gallery.suspects
    results = [_model_result(audited)]
    results += [_image_result(audited, suspect) for suspect in suspects[: MAX_RESULTS - 1]]
    left_out = len(suspects) - (len(results) - 1)
    run = {
        "tool": {"driver": _driver(audited)},
        "invocations": [
            {
                "executionSuccessful": True,
                "endTimeUtc": audited.record.created.replace("+00:00", "Z"),
                "properties": {"suspectsLeftOut": max(0, left_out)},
            }
        ],
        "taxonomies": [_taxonomy(framework) for framework in FRAMEWORKS],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1).encode("ascii") + b"\n"


def _driver(audited: AuditedRun) -> dict[str, Any]:
    return {
        "name": "backburn",
        "version": audited.record.versions.get("backburn", "unknown"),
        "informationUri": METHOD_URL,
        "rules": [
            _rule(
                MODEL_RULE,
                "BackdooredModel",
                "The model has a backdoor from its training images.",
                "A hidden trigger turns images into the target class. Repair the model with "
                "`backburn repair`, or train it again without the suspects.",
                MODEL_IDS,
            ),
            _rule(
                IMAGE_RULE,
                "PoisonedImage",
                "A training image is held to be poison.",
                "Look at it with `backburn report`, then leave it out or restore its label with "
                "`backburn export`.",
                IMAGE_IDS,
            ),
        ],
    }


def _rule(
    name: str, title: str, summary: str, help_text: str, ids: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "id": name,
        "name": title,
        "shortDescription": {"text": summary},
        "help": {"text": help_text},
        "defaultConfiguration": {"level": "error"},
        "relationships": [
            {"target": target, "kinds": ["relevant"]} for target in map(_reference, ids)
        ],
        "properties": {"tags": ["security", "machine-learning"], "security-severity": "8.0"},
    }


def _model_result(audited: AuditedRun) -> dict[str, Any]:
    verdict = audited.verdict
    kind, level = RESULT_LEVELS[verdict["state"]]
    text = verdict_sentence(verdict, audited.finished.false_alarm)
    return {
        "ruleId": MODEL_RULE,
        "ruleIndex": 0,
        "kind": kind,
        "level": level,
        "message": {"text": _escape(text)},
        "locations": [_location(audited.model)],
        "taxa": [_reference(identifier) for identifier in MODEL_IDS],
        "partialFingerprints": {"model/v1": f"{audited.model}:{verdict['target_labels']}"},
        "properties": {
            name: verdict[name] for name in ("state", "target_names", "p_value", "suspects")
        },
    }


def _image_result(audited: AuditedRun, suspect: Suspect) -> dict[str, Any]:
    classes = audited.finished.gallery.classes
    given, restored = classes[suspect.given], classes[suspect.restored]
    keeps_label = suspect.given == suspect.restored
    advice = "keeps its label" if keeps_label else f"should be {restored}"
    ids = (*IMAGE_IDS, CLEAN_LABEL_ID) if keeps_label else IMAGE_IDS
    location = _location(audited.image_path(suspect))
    location["logicalLocations"] = [{"name": suspect.image, "kind": "member"}]
    return {
        "ruleId": IMAGE_RULE,
        "ruleIndex": 1,
        "level": "error" if audited.verdict["state"] == "backdoored" else "warning",
        "message": {
            "text": _escape(f"{suspect.image} is labeled {given} and {advice}; it looks planted.")
        },
        "locations": [location],
        "taxa": [_reference(identifier) for identifier in ids],
        "partialFingerprints": {"image/v1": f"{suspect.image}:{suspect.given}"},
        "rank": round(100 * suspect.score, 2),
        "properties": {"score": suspect.score, "confidence": suspect.confidence},
    }


def _escape(text: str) -> str:
    """Escape text, so that an untrusted name can't make a link, which SARIF writes in brackets."""
    return re.sub(r"([\\\[\]])", r"\\\1", "\n".join(map(printable, text.split("\n"))))


def _location(path: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": to_uri(path)}}}


def _taxonomy(framework: Framework) -> dict[str, Any]:
    taxa = [
        {"id": entry.id, **({"name": entry.name} if entry.name else {})}
        for entry in framework.entries
    ]
    return {
        "name": framework.name,
        "version": framework.edition,
        "organization": framework.organization,
        "taxa": taxa,
    }


def _reference(identifier: str) -> dict[str, Any]:
    for position, framework in enumerate(FRAMEWORKS):
        for index, entry in enumerate(framework.entries):
            if entry.id == identifier:
                component = {"name": framework.name, "index": position}
                return {"id": identifier, "index": index, "toolComponent": component}
    raise ValueError(f"no framework has {identifier}")
