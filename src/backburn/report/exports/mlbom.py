"""Export of a run as a CycloneDX 1.6 bill of materials: models, data and vulnerability."""

import json
import uuid
from pathlib import Path, PurePath
from typing import Any

from ..phrases import verdict_sentence
from .common import LIMITATIONS, METHOD_URL, AuditedRun, file_sha256
from .security_frameworks import FRAMEWORKS

UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, METHOD_URL)


def render_mlbom(audited: AuditedRun) -> bytes:
    """Render the bill of materials as JSON. The same run gives the same bytes."""
    record, verdict = audited.record, audited.verdict
    components = [_model(audited), _data(audited)]
    if audited.repaired is not None:
        components.append(_repaired(audited, audited.repaired))
    bill: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(UUID_NAMESPACE, audited.finished.key)}",
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


def _model(audited: AuditedRun) -> dict[str, Any]:
    arguments, verdict = audited.record.arguments, audited.verdict
    parameters: dict[str, Any] = {
        "task": "image-classification",
        "datasets": [{"ref": "data"}],
    }
    if arguments.get("arch"):
        parameters["modelArchitecture"] = str(arguments["arch"])
    digests = arguments.get("made_of") or {}
    return {
        "bom-ref": "model",
        "type": "machine-learning-model",
        "name": _name(audited.model),
        "modelCard": {
            "modelParameters": parameters,
            "quantitativeAnalysis": {"performanceMetrics": _metrics(audited, "before")},
            "considerations": {"technicalLimitations": list(LIMITATIONS)},
        },
        "properties": [
            _property("path", audited.model),
            _property("weights-digest", digests.get("model", "not recorded")),
            _property("verdict", verdict["state"]),
            _property("p-value", verdict["p_value"]),
            _property("target-classes", ", ".join(map(str, verdict["target_names"])) or "none"),
        ],
    }


def _data(audited: AuditedRun) -> dict[str, Any]:
    digests = audited.record.arguments.get("made_of") or {}
    return {
        "bom-ref": "data",
        "type": "data",
        "name": _name(audited.data),
        "data": [{"type": "dataset", "name": _name(audited.data)}],
        "properties": [
            _property("path", audited.data),
            _property("images-digest", digests.get("images", "not recorded")),
            _property("images", audited.verdict["images"]),
            _property("suspects", audited.verdict["suspects"]),
        ],
    }


def _repaired(audited: AuditedRun, file: Path) -> dict[str, Any]:
    before = {"type": "machine-learning-model", "name": _name(audited.model)}
    return {
        "bom-ref": "repaired-model",
        "type": "machine-learning-model",
        "name": f"{_name(audited.model)} (repaired)",
        "hashes": [{"alg": "SHA-256", "content": file_sha256(file)}],
        "modelCard": {
            "modelParameters": {"task": "image-classification", "datasets": [{"ref": "data"}]},
            "quantitativeAnalysis": {"performanceMetrics": _metrics(audited, "after")},
        },
        "pedigree": {"ancestors": [before]},
        "properties": [_property("file", file.name)],
    }


def _metrics(audited: AuditedRun, when: str) -> list[dict[str, Any]]:
    """Return the scores on test images that were measured; `when` is `before` or `after`."""
    scores = audited.record.metrics.get(when) or {}
    slices = {"acc": "clean test images", "asr": "triggered images", "ra": "triggered images"}
    return [
        {"type": name.upper(), "value": f"{scores[name]:.4f}", "slice": slices[name]}
        for name in slices
        if scores.get(name) is not None
    ]


def _vulnerability(audited: AuditedRun) -> dict[str, Any]:
    repaired = audited.repaired is not None
    state = "exploitable" if audited.verdict["state"] == "backdoored" else "in_triage"
    detail = "The repaired model in this bill is a copy without it." if repaired else ""
    references = [
        {"id": entry.id, "source": {"name": f"{framework.name} {framework.edition}"}}
        for framework in FRAMEWORKS
        for entry in framework.entries
    ]
    return {
        "bom-ref": "backdoor",
        "id": "backdoor",
        "source": {"name": "backburn", "url": METHOD_URL},
        "references": references,
        "description": verdict_sentence(audited.verdict, audited.finished.false_alarm),
        "recommendation": "Look at the suspects, then use the repaired model or train again "
        "without them.",
        "analysis": {"state": state, **({"detail": detail} if detail else {})},
        "affects": [{"ref": "model"}],
    }


def _tool(version: str) -> dict[str, Any]:
    return {"type": "application", "name": "backburn", "version": version}


def _property(name: str, value: Any) -> dict[str, str]:
    return {"name": f"backburn:{name}", "value": "none" if value is None else str(value)}


def _name(path: str) -> str:
    return PurePath(path).name or path
