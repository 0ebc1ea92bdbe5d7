"""`--ray` where Ray is not installed, or is not asked for."""

import sys

import pytest


@pytest.fixture
def without_ray(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("ray", "backburn.cluster"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)


@pytest.mark.parametrize("verb", ["audit", "repair"])
def test_without_ray_it_is_said_what_to_install(refused, without_ray, verb):
    line = refused(verb, "model.safetensors", "photos", "--ray", "local")
    assert "pip install 'backburn[ray]'" in line


def test_a_study_without_ray_says_the_same(refused, without_ray, here):
    (here / "study.toml").write_text('dataset = "digits"\nattacks = ["badnets"]')
    line = refused("bench", "study.toml", "--out", "results", "--ray", "local")
    assert "pip install 'backburn[ray]'" in line


def test_options_that_would_do_nothing_are_refused(refused, here):
    line = refused("audit", "model.safetensors", "photos", "--ray-gpus", "0.5")
    assert "give --ray, too" in line
    (here / "study.toml").write_text('dataset = "digits"\nattacks = ["badnets"]')
    line = refused("bench", "study.toml", "--out", "results", "--ray", "local", "--workers", "2")
    assert "leave it out" in line
