"""An audit that was killed goes on with what it has of the boundary search."""

import subprocess
import sys
import time
from pathlib import Path


def audit_of(victim: Path, run: Path) -> list[object]:
    """The command, for a process of its own."""
    return [sys.executable, "-m", "backburn", "audit", victim, "--out", run]


def test_a_killed_audit_goes_on_and_says_the_same(victim, tmp_path):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run, work = tmp_path / "run", tmp_path / ".run-work"

    def shards() -> list[Path]:
        return sorted(work.glob("boundary/*.safetensors"))

    with subprocess.Popen(audit_of(victim, run), **quiet) as audit:
        while not shards() and audit.poll() is None:
            time.sleep(0.005)
        audit.kill()
    assert shards()
    assert not run.exists()
    (work / "boundary" / "other.safetensors").write_bytes(b"nobody's")
    for folder in (run, tmp_path / "whole"):
        assert subprocess.run(audit_of(victim, folder), check=False, **quiet).returncode == 3
    for name in ("suspects.csv", "verdict.json"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "whole"]


def test_an_audit_without_a_name_leaves_nothing_beside_it(cli, victim, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("audit", victim.resolve()).code == 3
    assert [path.name for path in (tmp_path / "runs").iterdir()]
    assert not list((tmp_path / "runs").glob(".*"))
