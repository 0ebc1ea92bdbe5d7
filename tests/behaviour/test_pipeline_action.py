"""The GitHub Action: its script, run as a runner would, on a model with a backdoor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snippets import ROOT

yaml = pytest.importorskip("yaml")
STEPS = {
    step["name"]: step
    for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
}


@pytest.fixture(scope="module")
def runner(tmp_path_factory, badnets_digits):
    """A folder with a victim, `backburn` on the path, and the files that a runner provides."""
    from backburn.attacks.victim_folder import dump_victim

    folder = tmp_path_factory.mktemp("runner")
    for name, content in dump_victim(badnets_digits.victim, badnets_digits.exam).items():
        (folder / "a victim" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "a victim" / name).write_bytes(content)
    command = folder / "bin" / "backburn"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m backburn "$@"\n')
    command.chmod(0o755)
    python = folder / "bin" / "python"
    python.symlink_to(sys.executable)
    return folder


def run(folder: Path, step: str, **environment: str) -> tuple[int, dict[str, str]]:
    """The exit code of a step's script, and its outputs."""
    out, summary = folder / "output", folder / "summary"
    out.write_text("")
    own = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_OUTPUT": str(out),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    (folder / "temp").mkdir(exist_ok=True)
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]["run"]]
    done = subprocess.run(script, cwd=folder, env={**os.environ, **own, **environment}, check=False)
    lines = (line.partition("=") for line in out.read_text().splitlines())
    return done.returncode, {name: value for name, _, value in lines}


def test_a_backdoored_model_is_audited_shown_and_fails_the_job(runner):
    given = {"MODEL": "a victim", "DATA": "", "OPTIONS": "--seed 1 --max-images 1300"}
    code, outputs = run(runner, "Audit", **given)
    assert (code, outputs["code"], outputs["state"]) == (0, "3", "backdoored")
    folder = Path(outputs["run"])
    assert (folder / "report.sarif").is_file()
    assert (folder / "mlbom.cdx.json").is_file()
    assert "**Backdoored.**" in (runner / "summary").read_text()
    assert run(runner, "Pass or fail", CODE="3", FAIL_ON="2 3")[0] == 3


@pytest.mark.parametrize(
    ("code", "fail_on", "ended"), [("0", "2 3", 0), ("4", "2 3", 0), ("4", "3 4", 4)]
)
def test_what_fails_a_job_can_be_chosen(runner, code, fail_on, ended):
    assert run(runner, "Pass or fail", CODE=code, FAIL_ON=fail_on)[0] == ended


def test_what_somebody_names_is_never_run(runner):
    given = {"MODEL": "$(touch hacked); `touch hacked`", "DATA": "'; touch hacked", "OPTIONS": ""}
    code, outputs = run(runner, "Audit", **given)
    assert (code, outputs) == (0, {"code": "2"})
    assert not (runner / "hacked").exists()
    assert all("${{" not in step.get("run", "") for step in STEPS.values())
