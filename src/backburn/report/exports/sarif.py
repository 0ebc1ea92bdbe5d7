"""A run's findings as SARIF 2.1.0, for code scanning: the model, and each suspect image."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...errors import printable
from ..gallery import Suspect
from ..phrases import verdict_sentence
from .common import METHOD, Audited, uri
from .identifiers import CLEAN_LABEL, FRAMEWORKS, OF_IMAGE, OF_MODEL

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST = 5000
"""Results of a run that code scanning shows, at the most; the model's own is the first."""
MODEL, IMAGE = "backdoored-model", "poisoned-image"
STATES: Mapping[str, tuple[str, str]] = {
    "backdoored": ("fail", "error"),
    "suspicious": ("fail", "warning"),
    "abstained": ("review", "none"),
    "clean": ("pass", "none"),
}
"""Kind and level of the result about the model, by verdict."""


def sarif_of(audited: Audited) -> bytes:
    """The whole log, with one run."""
    suspects = audited.finished.gallery.suspects
    results = [_about_model(audited)]
    results += [_about_image(audited, each) for each in suspects[: MOST - 1]]
    left = len(suspects) - len(results) + 1
    run = {
        "tool": {"driver": _driver(audited)},
        "invocations": [
            {
                "executionSuccessful": True,
                "endTimeUtc": audited.record.created.replace("+00:00", "Z"),
                "properties": {"suspectsLeftOut": max(0, left)},
            }
        ],
        "taxonomies": [_taxonomy(framework) for framework in FRAMEWORKS],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1).encode("ascii") + b"\n"


def _driver(audited: Audited) -> dict[str, Any]:
    return {
        "name": "backburn",
        "version": audited.record.versions.get("backburn", "unknown"),
        "informationUri": METHOD,
        "rules": [
            _rule(
                MODEL,
                "BackdooredModel",
                "The model was backdoored by its training images.",
                "A hidden trigger turns images into the target class. Repair the model with "
                "`backburn repair`, or train it again without the suspects.",
                OF_MODEL,
            ),
            _rule(
                IMAGE,
                "PoisonedImage",
                "A training image is held to be poison.",
                "Look at it with `backburn report`, then leave it out or restore its label with "
                "`backburn export`.",
                OF_IMAGE,
            ),
        ],
    }


def _rule(
    name: str, title: str, short: str, help_text: str, ids: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "id": name,
        "name": title,
        "shortDescription": {"text": short},
        "help": {"text": help_text},
        "defaultConfiguration": {"level": "error"},
        "relationships": [
            {"target": target, "kinds": ["relevant"]} for target in map(_reference, ids)
        ],
        "properties": {"tags": ["security", "machine-learning"], "security-severity": "8.0"},
    }


def _about_model(audited: Audited) -> dict[str, Any]:
    verdict = audited.verdict
    kind, level = STATES[verdict["state"]]
    text = verdict_sentence(verdict, audited.finished.false_alarm)
    told = {name: verdict[name] for name in ("state", "target_names", "p_value", "suspects")}
    return {
        "ruleId": MODEL,
        "ruleIndex": 0,
        "kind": kind,
        "level": level,
        "message": {"text": _shown(text)},
        "locations": [_location(audited.model)],
        "taxa": [_reference(each) for each in OF_MODEL],
        "partialFingerprints": {"model/v1": f"{audited.model}:{verdict['target_labels']}"},
        "properties": told,
    }


def _about_image(audited: Audited, suspect: Suspect) -> dict[str, Any]:
    classes = audited.finished.gallery.classes
    given, restored = classes[suspect.given], classes[suspect.restored]
    same = suspect.given == suspect.restored
    said = "keeps its label" if same else f"should be {restored}"
    ids = (*OF_IMAGE, CLEAN_LABEL) if same else OF_IMAGE
    location = _location(audited.image(suspect))
    location["logicalLocations"] = [{"name": suspect.image, "kind": "member"}]
    return {
        "ruleId": IMAGE,
        "ruleIndex": 1,
        "level": "error" if audited.verdict["state"] == "backdoored" else "warning",
        "message": {
            "text": _shown(f"{suspect.image} is labeled {given} and {said}; it looks planted.")
        },
        "locations": [location],
        "taxa": [_reference(each) for each in ids],
        "partialFingerprints": {"image/v1": f"{suspect.image}:{suspect.given}"},
        "rank": round(100 * suspect.score, 2),
        "properties": {"score": suspect.score, "confidence": suspect.confidence},
    }


def _shown(text: str) -> str:
    """Text in which a stranger's name makes no link, as brackets do in SARIF."""
    return re.sub(r"([\\\[\]])", r"\\\1", "\n".join(map(printable, text.split("\n"))))


def _location(path: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": uri(path)}}}


def _taxonomy(framework: Any) -> dict[str, Any]:
    taxa = [
        {"id": each.id, **({"name": each.name} if each.name else {})} for each in framework.entries
    ]
    return {
        "name": framework.name,
        "version": framework.edition,
        "organization": framework.organization,
        "taxa": taxa,
    }


def _reference(identifier: str) -> dict[str, Any]:
    for place, framework in enumerate(FRAMEWORKS):
        for index, entry in enumerate(framework.entries):
            if entry.id == identifier:
                component = {"name": framework.name, "index": place}
                return {"id": identifier, "index": index, "toolComponent": component}
    raise ValueError(f"no framework has {identifier}")
