"""Sentences about a verdict, used on the screen, on the report page and in exports."""

from collections.abc import Mapping
from math import isnan
from typing import Any

STATE_TITLES = {
    "clean": "No poison found",
    "suspicious": "Suspicious",
    "backdoored": "Backdoored",
    "abstained": "No verdict",
}
NO_POISON = "no poison found in these images"
OTHER_IMAGES_CAVEAT = (
    "A model that was trained on other images, too, is not cleared: poison among those is not seen."
)
ORIGIN_CAVEAT = (
    "Nothing says that somebody put it there: a watermark or a border that a class has by nature "
    "has the same effect, and is found in the same way."
)
MEANINGS = {
    "clean": "No class holds images that behave as poison does. That is evidence, and no "
    f"proof: a backdoor of few images may not be found. {OTHER_IMAGES_CAVEAT}",
    "suspicious": "Look at the class before the model is used. More images, or a model that "
    "calls more of them by their label, make the evidence stronger.",
    "backdoored": "Anybody who adds what these images have in common to another image can make "
    "the model call it so. On ordinary images the model works as it should, which is why tests do "
    f"not show it. {ORIGIN_CAVEAT}",
    "abstained": "Nothing is said about a backdoor, neither for nor against.",
}
"""What each verdict means for somebody who uses the model."""


SMALLEST_P_VALUE = 1e-6
"""Smallest p-value that is printed. Smaller ones are extrapolated from the case's own candidate
groups, so far into the tail that their exact value means nothing."""
CLEAR_TRANSFER = 0.1
"""Transfer from which on a class is explained by its transfer test instead of its probe."""


def format_percent(value: float | None) -> str:
    """Format a fraction in percent; a dash if there is none.

    >>> format_percent(0.983), format_percent(None)
    ('98.3 %', '-')
    """
    return "-" if value is None or isnan(value) else f"{100 * value:.1f} %"


def format_p_value(value: float) -> str:
    """Format a p-value to follow a verdict; empty if there is none.

    >>> format_p_value(0.0024), format_p_value(1e-9)
    (' (p = 0.0024)', ' (p < 1e-06)')
    """
    if isnan(value):
        return ""
    if value < SMALLEST_P_VALUE:
        return f" (p < {SMALLEST_P_VALUE:.0e})"
    return f" (p = {value:.2g})"


def explain_class(evidence: Mapping[str, Any], flagged: bool = True) -> str:
    """Return a sentence about what the tests of a class showed.

    Args:
        evidence: an entry of the verdict's `classes`.
        flagged: whether the class has suspects; a suspicious one has only a candidate group.
    """
    group = "the suspects" if flagged else "some of its images"
    name = f"class {evidence['name']}"
    if evidence["transfer"] >= CLEAR_TRANSFER:
        return (
            f"Adding the pattern shared by {group} to images of other classes turns "
            f"{format_percent(evidence['transfer'])} of them into {name}"
        )
    return (
        f"A classifier that was fitted without {group} takes them for other classes than {name}, "
        "although it knows the rest of the class"
    )


def explain_clean(verdict: Mapping[str, Any]) -> str:
    """Return what a clean verdict leaves open.

    Args:
        verdict: the content of `verdict.json`.
    """
    least = verdict.get("smallest_group")
    if not least:
        return OTHER_IMAGES_CAVEAT
    return (
        f"Fewer than {least} poisoned images of a class would not be seen, even if their trigger "
        f"worked on every image. {OTHER_IMAGES_CAVEAT}"
    )


def plain_sentence(verdict: Mapping[str, Any]) -> str:
    """Return the verdict in one sentence without statistics.

    Args:
        verdict: the content of `verdict.json`.
    """
    names = ", ".join(map(str, verdict["target_names"]))
    classes = f"class{'es' * (len(verdict['target_names']) > 1)} {names}"
    if verdict["state"] == "backdoored":
        images = f"{verdict['suspects']:,} of its {verdict['images']:,} training images"
        return f"This model has a backdoor: {images} teach it to take others for {classes}."
    if verdict["state"] == "suspicious":
        behave = "behave" if len(verdict["target_names"]) > 1 else "behaves"
        return f"This model may have a backdoor: {classes} {behave} oddly, but nothing proves it."
    if verdict["state"] == "abstained":
        return f"It cannot be told whether this model has a backdoor: {verdict['reason']}."
    return f"{NO_POISON.capitalize()}."


def explain_verdict(verdict: Mapping[str, Any]) -> str:
    """Return what the verdict means for somebody who uses the model."""
    return MEANINGS[verdict["state"]]


def verdict_sentence(verdict: Mapping[str, Any], false_alarm: float | None) -> str:
    """Return the verdict with its p-value, as one sentence, and what it leaves open.

    Args:
        verdict: the content of `verdict.json`.
        false_alarm: p-value below which a case is called backdoored; None if the method has no
            such level.
    """
    names = ", ".join(map(str, verdict["target_names"]))
    p_value = verdict["p_value"]
    suspects = f"{verdict['suspects']:,} of {verdict['images']:,} images are suspect"
    if verdict["state"] == "abstained":
        return f"It cannot be told whether this model has a backdoor: {verdict['reason']}."
    if p_value is None or isnan(p_value):
        return (
            f"Taken to be backdoored{', target class ' * bool(names)}{names}: {suspects}. The "
            "method as published has no verdict, so nothing is known of its false alarms."
        )
    rule = "" if false_alarm is None else f"; the alarm is raised below {false_alarm:g}"
    shown = f"{p_value:.2g}"
    if p_value < SMALLEST_P_VALUE:
        shown = f"below {SMALLEST_P_VALUE:.0e} (extrapolated)"
    rate = f"a clean model gives such evidence with probability {shown}{rule}"
    if verdict["state"] == "backdoored":
        classes = "class" if len(verdict["target_names"]) == 1 else "classes"
        return (
            f"This model has a backdoor, target {classes} {names}: {suspects}, and {rate}. "
            f"{ORIGIN_CAVEAT}"
        )
    if verdict["state"] == "suspicious" and verdict["reason"]:
        return (
            f"A backdoor is likely in {names}, and {rate}. Nothing is flagged: {verdict['reason']}."
        )
    if verdict["state"] == "suspicious":
        return f"Something is odd, but too little to accuse single images of: {rate}."
    return f"{NO_POISON.capitalize()}: {rate}. {explain_clean(verdict)}"
