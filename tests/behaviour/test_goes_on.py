"""An audit that was killed goes on with what it has of the boundary search."""

import subprocess
import sys
import time
from pathlib import Path


def suspects(run: Path) -> list[list[str]]:
    """Image, given and restored label of each; distances round differently between processes."""
    return [line.split(",")[:3] for line in (run / "suspects.csv").read_text().splitlines()]


def test_a_killed_audit_goes_on_and_says_the_same(cli, victim, audited, tmp_path):
    run, shard = tmp_path / "run", tmp_path / ".run-work" / "00000.safetensors"
    command = [sys.executable, "-m", "backburn", "audit", victim, "--out", run]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as audit:
        while not shard.exists() and audit.poll() is None:
            time.sleep(0.005)
        audit.kill()
    assert shard.exists()
    assert not run.exists()
    shard.with_name("00001.safetensors").write_bytes(b"nobody's")
    done = cli("audit", victim, "--out", run)
    assert done.code == 3, done.err
    assert suspects(run) == suspects(audited)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_audit_without_a_name_leaves_nothing_beside_it(cli, victim, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("audit", victim.resolve()).code == 3
    assert [path.name for path in (tmp_path / "runs").iterdir()]
    assert not list((tmp_path / "runs").glob(".*"))
