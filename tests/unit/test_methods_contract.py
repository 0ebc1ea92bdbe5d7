"""Every defence and detector of the registry under the public contract suites."""

import pytest

from backburn import registry
from backburn.testing import defenses, detectors
from method_suite import DEFENSES, DETECTORS


def test_the_suite_is_the_registry():
    kinds = {name: type(method) for name, method in (DEFENSES | DETECTORS).items()}
    assert kinds == {**registry.DEFENSES, **registry.DETECTORS}
    assert not set(registry.DEFENSES) & set(registry.DETECTORS)


@pytest.mark.parametrize("check", defenses.CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("name", DEFENSES)
def test_a_defense_keeps_the_contract(name, check):
    check(DEFENSES[name])


@pytest.mark.parametrize("check", detectors.CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_keeps_the_contract(name, check):
    check(DETECTORS[name])
