"""SARIF, model card and bill of materials: by their schemas, and by what they say."""

import json
from pathlib import Path

import pytest

from backburn.report.exports.files import export_files
from backburn.report.exports.security_frameworks import FRAMEWORKS, IMAGE_IDS, MODEL_IDS
from handmade import made_gallery, written

ALL = ("sarif", "model-card", "mlbom")
REFERENCE = {
    "type": "object",
    "required": ["id", "toolComponent"],
    "properties": {
        "id": {"type": "string"},
        "index": {"type": "integer", "minimum": 0},
        "toolComponent": {
            "type": "object",
            "required": ["name", "index"],
            "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "index": {"type": "integer"}},
        },
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "properties": {
                                    "informationUri": {"type": "string", "format": "uri"},
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription", "help"],
                                            "properties": {
                                                "relationships": {
                                                    "items": {
                                                        "required": ["target"],
                                                        "properties": {"target": REFERENCE},
                                                    }
                                                }
                                            },
                                        }
                                    },
                                },
                            }
                        },
                    },
                    "invocations": {"items": {"required": ["executionSuccessful"]}},
                    "taxonomies": {
                        "items": {
                            "required": ["name", "taxa"],
                            "properties": {"taxa": {"items": {"required": ["id"]}}},
                        }
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "message", "locations"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "kind": {"enum": ["pass", "open", "review", "fail"]},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"type": "object", "required": ["text"]},
                                "rank": {"type": "number", "minimum": -1, "maximum": 100},
                                "taxa": {"type": "array", "items": REFERENCE},
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "properties": {"type": "object"},
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "required": ["uri"],
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "format": "uri-reference",
                                                            }
                                                        },
                                                    }
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What SARIF 2.1.0 asks of the objects that are written here; its whole schema is not ours to ship.

The files were held to the whole one (OASIS, errata 01) when this was written.
"""


def files(run: Path) -> dict[str, bytes]:
    return export_files(run, ALL)


@pytest.fixture
def run(tmp_path) -> Path:
    return written(tmp_path / "run")


@pytest.mark.parametrize("count", [90, 0])
def test_sarif_is_as_its_schema_has_it(tmp_path, count):
    jsonschema = pytest.importorskip("jsonschema")
    log = json.loads(files(written(tmp_path / "run", count=count))["report.sarif"])
    jsonschema.validate(log, SARIF, format_checker=jsonschema.FormatChecker())
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[each["ruleIndex"]] == each["ruleId"] for each in run["results"])
    for each in run["results"]:
        for taxon in each["taxa"]:
            framework = run["taxonomies"][taxon["toolComponent"]["index"]]
            assert framework["taxa"][taxon["index"]]["id"] == taxon["id"]


def test_the_bill_is_as_cyclonedx_has_it(run):
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    bill = files(run)["mlbom.cdx.json"].decode()
    checker = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert checker.validate_str(bill) is None


def test_the_model_and_each_suspect_are_a_result(run):
    (log,) = json.loads(files(run)["report.sarif"])["runs"]
    first, *others = log["results"]
    assert (first["ruleId"], first["level"]) == ("backdoored-model", "error")
    assert len(others) == 90
    where = others[0]["locations"][0]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == "photos/photo%200000.png"
    assert "is labeled airplane and should be" in others[0]["message"]["text"]


def test_a_clean_model_passes_and_has_no_vulnerability(tmp_path):
    made = files(written(tmp_path / "run", count=0))
    (log,) = json.loads(made["report.sarif"])["runs"]
    assert [(each["kind"], each["level"]) for each in log["results"]] == [("pass", "none")]
    assert "vulnerabilities" not in json.loads(made["mlbom.cdx.json"])
    assert "**No poison found.** No poison found in these images" in made["model-card.md"].decode()


def test_the_bill_names_model_data_and_backdoor(run):
    (run / "model.pt").write_bytes(b"weights")
    bill = json.loads(files(run)["mlbom.cdx.json"])
    kinds = {each["bom-ref"]: each["type"] for each in bill["components"]}
    assert kinds == {
        "model": "machine-learning-model",
        "data": "data",
        "repaired-model": "machine-learning-model",
    }
    (found,) = bill["vulnerabilities"]
    assert found["affects"] == [{"ref": "model"}]
    ids = {each["id"] for each in found["references"]}
    assert {"AML.T0020", "AML.T0043.004", "NISTAML.023", "LLM05", "6.2.1"} <= ids


def test_the_same_run_gives_the_same_files(run):
    assert files(run) == files(run)


def test_every_identifier_is_of_a_framework_with_an_edition():
    known = {entry.id for framework in FRAMEWORKS for entry in framework.entries}
    assert {*MODEL_IDS, *IMAGE_IDS} <= known
    assert all(framework.edition for framework in FRAMEWORKS)


def test_a_strangers_name_makes_no_markup_in_a_card(tmp_path):
    names = ("<script>|![x](http://e.vil)`", "cat", "dog", "frog")
    card = files(written(tmp_path / "run", made_gallery(9, classes=names)))["model-card.md"]
    text = card.decode()
    assert "<script>" not in text
    assert "![" not in text
    rows = [line for line in text.splitlines() if line.startswith("| Suspects |")]
    assert rows == ["| Suspects | 9 |"]


def test_a_strangers_name_makes_no_link_in_sarif_nor_in_a_card(tmp_path):
    names = ("[x](http://e.vil)\x1b[2J", "cat", "dog", "frog")
    made = files(written(tmp_path / "run", made_gallery(9, classes=names)))
    (log,) = json.loads(made["report.sarif"])["runs"]
    texts = [each["message"]["text"] for each in log["results"]]
    assert any("e.vil" in text for text in texts)
    for text in (*texts, made["model-card.md"].decode()):
        assert "[x](" not in text.replace("\\[x\\](", "").replace("\\[x](", "")
        assert "\x1b" not in text
