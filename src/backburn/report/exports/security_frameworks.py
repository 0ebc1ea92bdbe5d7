"""Identifiers of backdoors and their mitigations in security frameworks.

They change between editions, so each framework names the edition that its identifiers are from.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """An entry of a framework; `name` is the framework's own wording, empty if it has none."""

    id: str
    name: str


class Framework(NamedTuple):
    """A list of threats, mitigations or requirements, with the entries about backdoors."""

    name: str
    edition: str
    organization: str
    entries: tuple[Entry, ...]


ATLAS = Framework(
    "MITRE ATLAS",
    "read 2026-11",
    "MITRE",
    (
        Entry("AML.T0020", "Poison Training Data"),
        Entry("AML.T0018.000", "Manipulate AI Model: Poison AI Model"),
        Entry("AML.T0043.004", "Craft Adversarial Data: Insert Backdoor Trigger"),
        Entry("AML.T0010.002", "AI Supply Chain Compromise: Data"),
        Entry("AML.T0010.003", "AI Supply Chain Compromise: Model"),
        Entry("AML.M0007", "Sanitize Training Data"),
        Entry("AML.M0008", "Validate AI Model"),
    ),
)
NIST = Framework(
    "NIST AI 100-2",
    "E2025",
    "NIST",
    (Entry("NISTAML.023", "Backdoor poisoning"), Entry("NISTAML.021", "Clean-label poisoning")),
)
OWASP_LLM = Framework("OWASP Top 10 for LLM Applications", "2026", "OWASP", (Entry("LLM05", ""),))
OWASP_AISVS = Framework(
    "OWASP AISVS", "1.0", "OWASP", tuple(Entry(i, "") for i in ("1.3.1", "1.3.5", "6.1.4", "6.2.1"))
)
EU_AI_ACT = Framework(
    "EU AI Act", "2024/1689", "European Union", (Entry("Art. 15(5)", "Cybersecurity"),)
)
FRAMEWORKS = (ATLAS, NIST, OWASP_LLM, OWASP_AISVS, EU_AI_ACT)

MODEL_IDS = (
    "AML.T0018.000", "AML.T0043.004", "AML.T0010.003", "AML.M0008", "NISTAML.023", "LLM05",
    "6.1.4", "6.2.1", "Art. 15(5)",
)  # fmt: skip
"""Identifiers that apply to a backdoored model."""
IMAGE_IDS = (
    "AML.T0020", "AML.T0010.002", "AML.M0007", "NISTAML.023", "LLM05", "1.3.1", "1.3.5",
)  # fmt: skip
"""Identifiers that apply to a suspect image."""
CLEAN_LABEL_ID = "NISTAML.021"
"""Identifier that also applies to a suspect whose label is restored to itself."""
