"""What the README tells people to type."""

import re
import sys
from pathlib import Path

import pytest
import torch

from backburn.attacks.badnets import BadNets
from backburn.attacks.base import Recipe
from backburn.cli.main import VERBS
from backburn.data.digits import digits
from backburn.training import Training

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_python_snippet_runs_and_repairs(capsys):
    recipe = Recipe("small_cnn", Training(epochs=12, batch_size=64, learning_rate=0.05))
    victim = BadNets().mount(digits("train"), recipe, torch.Generator().manual_seed(5))
    names = {
        "model": victim.model,
        "images": victim.images.pixels.numpy(),
        "labels": victim.images.labels.numpy(),
    }
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(snippet, names)  # noqa: S102  our own README
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "backdoored (0,)"
    planted = victim.truth.poison.nonzero().flatten().tolist()
    named = [int(line.split()[0]) for line in printed[1:]]
    assert len(set(named) & set(planted)) > 0.95 * len(planted)
    assert len(set(named) - set(planted)) < 0.05 * len(planted)
    assert names["clean_model"] is not victim.model


def test_an_attack_of_ones_own_is_written_and_checked_as_the_page_says():
    page = (ROOT / "docs" / "attacks" / "README.md").read_text()
    names = {"__name__": "a_module_of_ones_own"}
    sys.modules.setdefault("a_module_of_ones_own", sys.modules[__name__])  # dataclasses ask for it
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(snippet, names)  # noqa: S102  our own page
    assert names["Darker"]().levels == 40


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"backburn (\w+)", README)) & set(VERBS)))
def test_every_verb_that_is_named_exists(verb):
    assert (ROOT / "src" / "backburn" / "cli" / f"{verb}.py").is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make ([a-z-]+)", README))))
def test_every_make_target_that_is_named_exists(target):
    rules = re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert any(re.fullmatch(rule.replace("%", ".+"), target) for rule in rules)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!http)[^)]+)\)", README))))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()
