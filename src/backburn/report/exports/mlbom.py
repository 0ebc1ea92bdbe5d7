"""A run as a CycloneDX 1.6 bill of materials: the models, the data, and the backdoor found."""

import json
import uuid
from pathlib import Path, PurePath
from typing import Any

from ..phrases import verdict_sentence
from .common import LIMITS, METHOD, Audited, sha256
from .identifiers import FRAMEWORKS

SPACE = uuid.uuid5(uuid.NAMESPACE_URL, METHOD)


def mlbom_of(audited: Audited) -> bytes:
    """The bill of materials as JSON; the same run gives the same bytes."""
    record, verdict = audited.record, audited.verdict
    components = [_model(audited), _data(audited)]
    if audited.repaired is not None:
        components.append(_repaired(audited, audited.repaired))
    bill: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, audited.finished.key)}",
        "version": 1,
        "metadata": {
            "timestamp": record.created,
            "tools": {"components": [_tool(record.versions.get("backburn", "unknown"))]},
            "component": {"type": "machine-learning-model", "name": _name(audited.model)},
        },
        "components": components,
    }
    if verdict["state"] in ("backdoored", "suspicious"):
        bill["vulnerabilities"] = [_vulnerability(audited)]
    return json.dumps(bill, indent=1).encode("ascii") + b"\n"


def _model(audited: Audited) -> dict[str, Any]:
    arguments, verdict = audited.record.arguments, audited.verdict
    parameters: dict[str, Any] = {
        "task": "image-classification",
        "datasets": [{"ref": "data"}],
    }
    if arguments.get("arch"):
        parameters["modelArchitecture"] = str(arguments["arch"])
    made_of = arguments.get("made_of") or {}
    return {
        "bom-ref": "model",
        "type": "machine-learning-model",
        "name": _name(audited.model),
        "modelCard": {
            "modelParameters": parameters,
            "quantitativeAnalysis": {"performanceMetrics": _metrics(audited, "before")},
            "considerations": {"technicalLimitations": list(LIMITS)},
        },
        "properties": [
            _property("path", audited.model),
            _property("weights-digest", made_of.get("model", "not recorded")),
            _property("verdict", verdict["state"]),
            _property("p-value", verdict["p_value"]),
            _property("target-classes", ", ".join(map(str, verdict["target_names"])) or "none"),
        ],
    }


def _data(audited: Audited) -> dict[str, Any]:
    made_of = audited.record.arguments.get("made_of") or {}
    return {
        "bom-ref": "data",
        "type": "data",
        "name": _name(audited.data),
        "data": [{"type": "dataset", "name": _name(audited.data)}],
        "properties": [
            _property("path", audited.data),
            _property("images-digest", made_of.get("images", "not recorded")),
            _property("images", audited.verdict["images"]),
            _property("suspects", audited.verdict["suspects"]),
        ],
    }


def _repaired(audited: Audited, file: Path) -> dict[str, Any]:
    before = {"type": "machine-learning-model", "name": _name(audited.model)}
    return {
        "bom-ref": "repaired-model",
        "type": "machine-learning-model",
        "name": f"{_name(audited.model)} (repaired)",
        "hashes": [{"alg": "SHA-256", "content": sha256(file)}],
        "modelCard": {
            "modelParameters": {"task": "image-classification", "datasets": [{"ref": "data"}]},
            "quantitativeAnalysis": {"performanceMetrics": _metrics(audited, "after")},
        },
        "pedigree": {"ancestors": [before]},
        "properties": [_property("file", file.name)],
    }


def _metrics(audited: Audited, when: str) -> list[dict[str, Any]]:
    """Test accuracy and the like, where there were test images."""
    scores = audited.record.metrics.get(when) or {}
    words = {"acc": "clean test images", "asr": "triggered images", "ra": "triggered images"}
    return [
        {"type": name.upper(), "value": f"{scores[name]:.4f}", "slice": words[name]}
        for name in words
        if scores.get(name) is not None
    ]


def _vulnerability(audited: Audited) -> dict[str, Any]:
    repaired = audited.repaired is not None
    state = "exploitable" if audited.verdict["state"] == "backdoored" else "in_triage"
    detail = "The repaired model in this bill is a copy without it." if repaired else ""
    references = [
        {"id": entry.id, "source": {"name": f"{framework.name} {framework.edition}"}}
        for framework in FRAMEWORKS
        for entry in framework.entries
    ]
    found: dict[str, Any] = {
        "bom-ref": "backdoor",
        "id": "backdoor",
        "source": {"name": "backburn", "url": METHOD},
        "references": references,
        "description": verdict_sentence(audited.verdict, audited.finished.false_alarm),
        "recommendation": "Look at the suspects, then use the repaired model or train again "
        "without them.",
        "analysis": {"state": state, **({"detail": detail} if detail else {})},
        "affects": [{"ref": "model"}],
    }
    return found


def _tool(version: str) -> dict[str, Any]:
    return {"type": "application", "name": "backburn", "version": version}


def _property(name: str, value: Any) -> dict[str, str]:
    return {"name": f"backburn:{name}", "value": "none" if value is None else str(value)}


def _name(path: str) -> str:
    return PurePath(path).name or path
