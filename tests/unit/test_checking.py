"""Functions of the package are checked at run time in tests, by the hook of tests/conftest.py."""

import jaxtyping
import pytest
import torch
from jaxtyping import TypeCheckError

import checking
from backburn.types import Labels, no_progress

LABELS = torch.arange(6)


def added(first: Labels, second: Labels) -> Labels:
    return first + second.sum()


def doubled(labels: Labels) -> Labels:
    return torch.cat([labels, labels])


def test_sizes_of_one_name_are_equal_in_a_call_and_others_in_the_next():
    run = checking.checked(checking.CHECKER, added)
    assert len(run(LABELS[:3], LABELS[:3])) == 3
    assert len(run(LABELS[:2], LABELS[:2])) == 2
    with pytest.raises(TypeCheckError, match="second"):
        run(LABELS[:3], LABELS[:2])
    with pytest.raises(TypeCheckError, match="first"):
        run(LABELS[:3].float(), LABELS[:3])


def test_what_is_returned_has_the_sizes_of_what_was_given():
    with pytest.raises(TypeCheckError, match="return"):
        checking.checked(checking.CHECKER, doubled)(LABELS)


def test_the_functions_of_the_package_are_checked():
    with pytest.raises(TypeCheckError, match="done"):
        no_progress("boundary", "half", 2)


def test_checks_can_be_switched_off(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert len(checking.checked(checking.CHECKER, doubled)(LABELS)) == 12
