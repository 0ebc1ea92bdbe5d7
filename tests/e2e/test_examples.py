"""The examples, at the size of a test; `make examples` runs them as they are."""

import importlib.util
from types import ModuleType

import pytest
import torch

from backburn.baselines.defenses.clp import CLP
from backburn.data.sources.digits import digits
from backburn.models.nets.zoo import build
from backburn.models.save_model import dump_model
from backburn.testing.attacks import check_attack
from snippets import ROOT


def example(name: str) -> ModuleType:
    """An example, imported as it stands."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, name, module)  # dataclasses ask for it
        spec.loader.exec_module(module)
    return module


def test_a_folder_is_audited(tmp_path, capsys):
    from backburn.data.writing import dump_folder

    for name, content in dump_folder(digits("test"), "photos").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    model = build("small_cnn-w4", 10, 1, generator=torch.Generator().manual_seed(0))
    (tmp_path / "model.safetensors").write_bytes(dump_model(model))
    found = example("audit_folder").audit(tmp_path / "model.safetensors", tmp_path / "photos")
    assert found.verdict.state == "abstained"
    assert "0 of 360 images are suspect" in capsys.readouterr().out


def test_defences_are_compared(badnets_digits, capsys):
    module = example("compare_defenses")
    clean, test = module.halves(digits("test"))
    assert len(clean) + len(test) == 360
    results = module.compare(badnets_digits.victim, clean, test, {"CLP": CLP()})
    assert results["CLP"].acc > 0.5
    assert "CLP" in capsys.readouterr().out


def test_the_trigger_of_ones_own_keeps_to_the_contract():
    check_attack(example("own_trigger").Stripes(poisoning_rate=0.1))
