"""What was found, as sentences: the same on the screen and on a page."""

from collections.abc import Mapping
from math import isnan
from typing import Any

STATES = {
    "clean": "No poison found",
    "suspicious": "Suspicious",
    "backdoored": "Backdoored",
    "abstained": "No verdict",
}
NO_POISON = "no poison found in these images"
"""What clean is said of."""
ELSEWHERE = (
    "A model that was trained on other images, too, is not cleared: poison among those is not seen."
)
MEANINGS = {
    "clean": "No class holds images that behave as planted ones do. That is evidence, and no "
    f"proof: what few images plant may not be found. {ELSEWHERE}",
    "suspicious": "Look at the class before the model is used. More images, or a model that "
    "calls more of them by their label, make the evidence stronger.",
    "backdoored": "Whoever planted these images can make the model call any image so, by adding "
    "what they have in common. On ordinary images it works as it should, which is why tests do "
    "not show it.",
    "abstained": "Nothing is said about a backdoor, neither for nor against.",
}


LEAST = 1e-6
"""P-values below this are said to be below it: they are extrapolated from the case's own groups,
and nobody knows a tail so far out."""
PLAIN = 0.1
"""Transfer from which on it says more than what a probe says."""


def per_cent(value: float | None) -> str:
    """A fraction in per cent, or a dash where there is none."""
    return "-" if value is None or isnan(value) else f"{100 * value:.1f} %"


def p_words(value: float) -> str:
    """A p-value behind a verdict, as far as anybody can know it; empty where there is none.

    >>> p_words(0.0024), p_words(1e-9)
    (' (p = 0.0024)', ' (p < 1e-06)')
    """
    if isnan(value):
        return ""
    return f" (p < {LEAST:.0e})" if value < LEAST else f" (p = {value:.2g})"


def why_accused(tried: Mapping[str, Any], flagged: bool = True) -> str:
    """What the tests of a class showed, as a sentence.

    Args:
        tried: one of the verdict's `classes`, with its name.
        flagged: whether the class has suspects; some of a suspicious one are just set apart.
    """
    them = "the suspects" if flagged else "some of its images"
    name = f"class {tried['name']}"
    if tried["transfer"] >= PLAIN:
        return (
            f"Adding the pattern shared by {them} to images of other classes turns "
            f"{per_cent(tried['transfer'])} of them into {name}"
        )
    return (
        f"A classifier that was fitted without {them} takes them for other classes than {name}, "
        "although it knows the rest of the class"
    )


def plain_sentence(verdict: Mapping[str, Any]) -> str:
    """The verdict in one sentence that needs no statistics; `verdict` as in `verdict.json`."""
    names = ", ".join(map(str, verdict["target_names"]))
    classes = f"class{'es' * (len(verdict['target_names']) > 1)} {names}"
    if verdict["state"] == "backdoored":
        images = f"{verdict['suspects']:,} of its {verdict['images']:,} training images"
        return f"This model was backdoored: {images} teach it to take others for {classes}."
    if verdict["state"] == "suspicious":
        return f"This model may be backdoored: {classes} behaves oddly, but nothing proves it."
    if verdict["state"] == "abstained":
        return f"It cannot be told whether this model was backdoored: {verdict['reason']}."
    return f"{NO_POISON.capitalize()}."


def meaning_of(verdict: Mapping[str, Any]) -> str:
    """What that means for whoever uses the model."""
    return MEANINGS[verdict["state"]]


def verdict_sentence(verdict: Mapping[str, Any], false_alarm: float | None) -> str:
    """The verdict with how often it would be wrong.

    Args:
        verdict: as in `verdict.json`.
        false_alarm: p-value under which a case is called backdoored; None where there is none.
    """
    names = ", ".join(map(str, verdict["target_names"]))
    chance = verdict["p_value"]
    said = f"{verdict['suspects']:,} of {verdict['images']:,} images are suspect"
    if verdict["state"] == "abstained":
        return f"It cannot be told whether this model was backdoored: {verdict['reason']}."
    if chance is None or isnan(chance):
        return (
            f"Taken to be backdoored{', target class ' * bool(names)}{names}: {said}. The method "
            "as published has no verdict, so nothing is known of its false alarms."
        )
    rule = "" if false_alarm is None else f"; the alarm is raised below {false_alarm:g}"
    known = f"{chance:.2g}" if chance >= LEAST else f"below {LEAST:.0e} (extrapolated)"
    rate = f"a clean model gives such evidence with probability {known}{rule}"
    if verdict["state"] == "backdoored":
        classes = "class" if len(verdict["target_names"]) == 1 else "classes"
        return f"This model was backdoored, target {classes} {names}: {said}, and {rate}."
    if verdict["state"] == "suspicious" and verdict["reason"]:
        return (
            f"A backdoor is likely in {names}, and {rate}. Nothing is flagged: {verdict['reason']}."
        )
    if verdict["state"] == "suspicious":
        return f"Something is odd, but too little to accuse single images of: {rate}."
    return f"{NO_POISON.capitalize()}: {rate}. {ELSEWHERE}"
