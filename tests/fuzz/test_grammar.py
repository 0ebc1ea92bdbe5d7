"""Pickles, configurations and runs that a grammar makes: read, or refused in one line."""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path

import pytest
from bounds import FUZZED, one_line_at_most
from grammar import GALLERY, PICKLES, RECORD, SETTINGS, archived, legacy, mutated, run_of
from hypothesis import given
from hypothesis import strategies as st

from backburn.cli.ls import command as ls
from backburn.models.open.huggingface_config import read_preprocessing, read_settings
from backburn.models.open.open_model import open_model
from backburn.report.html_page import render_standalone_page
from backburn.report.run_figures import run_figure_files
from backburn.services.case_options import CaseOptions
from backburn.services.repair_options import RepairOptions, resolve_options
from backburn.toolkits.run_suspects import read_suspects
from backburn.toolkits.safe_torch_load import safe_load

pytestmark = pytest.mark.filterwarnings("ignore")


@FUZZED
@given(PICKLES, st.sampled_from([archived, legacy, bytes]))
def test_a_pickle(pickled, wrapped):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.pt"
        path.write_bytes(wrapped(pickled))
        with one_line_at_most():
            open_model(path, "small_cnn")
        with one_line_at_most():
            safe_load(path)
        assert os.listdir(folder) == ["m.pt"]


@FUZZED
@given(SETTINGS)
def test_a_configuration(settings):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("config.json", "preprocessor_config.json"):
            (Path(folder) / name).write_text(json.dumps(settings))
        with one_line_at_most():
            read_settings(Path(folder) / "config.json")
            read_preprocessing(Path(folder))


@FUZZED
@given(mutated(RECORD), mutated(GALLERY), st.integers(0, 199))
def test_a_run(record, gallery, drawn):
    with tempfile.TemporaryDirectory() as folder:
        run = run_of(Path(folder), record, gallery)
        with one_line_at_most(), contextlib.redirect_stdout(io.StringIO()):
            ls.callback(str(run), False)
        with one_line_at_most():
            resolve_options(RepairOptions(CaseOptions(str(run))))
        with one_line_at_most():
            render_standalone_page(run)
        with one_line_at_most():
            run_figure_files(run) if drawn == 199 else read_suspects(
                run
            )  # a picture takes a second
