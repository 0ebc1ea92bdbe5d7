"""Shapes and types are checked at run time, unless SHAPES=unchecked.

The hook goes in before backburn does.
"""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, runtime_checkable

import pytest
import torch

import checking

# not in `make test-ray`: workers of a cluster are not checked, and what is checked is not folded
CHECKED = os.environ.get("SHAPES") != "unchecked"
if CHECKED:
    checking.install()
collect_ignore = ["cluster"] if CHECKED else []
runtime_checkable(importlib.import_module("backburn.types").Progress)  # beartype asks for it
os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def cifar10() -> Path:
    """The folder of CIFAR-10's parquet files; a test that asks for it is skipped without it."""
    data = os.environ.get("BACKBURN_DATA")
    folder = (Path(data) if data else ROOT.parent / "shared" / "data") / "cifar10"
    if not folder.is_dir():
        pytest.skip("no CIFAR-10: set BACKBURN_DATA to the folder that holds cifar10/")
    return folder


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cli() -> Callable[..., Done]:
    """The command line's entry point, in this process: `cli("audit", "victim")`."""
    from backburn.cli.main import main

    def run(*arguments: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(sys, "argv", ["backburn", *map(str, arguments)])
            with pytest.raises(SystemExit) as caught:
                main()
        code = caught.value.code
        return Done(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())

    return run


class Inline:
    """Runs what is submitted to it at once: no processes in tests."""

    def __init__(self, *arguments):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def shutdown(self, **_):
        pass

    def submit(self, function, *arguments) -> Future:
        future = Future()
        future.set_result(function(*arguments))
        return future


@pytest.fixture
def inline_pool(monkeypatch):
    """Studies run their cells in this process."""
    monkeypatch.setattr("backburn.benchmark.run_study.ProcessPoolExecutor", Inline)


@pytest.fixture(scope="session")
def badnets_digits():
    """Digits with BadNets at 10 %: an `attacked.Attacked` of ASR 1."""
    from attacked import attacked_digits
    from backburn.attacks.badnets import BadNets

    return attacked_digits(BadNets(poisoning_rate=0.1))


@pytest.fixture(scope="session")
def blended_digits():
    """Digits with Blended at 10 %: an `attacked.Attacked` of ASR 1."""
    from attacked import attacked_digits
    from backburn.attacks.blended import Blended

    return attacked_digits(Blended(poisoning_rate=0.1))
