"""`backburn serve` as a command: what it serves, how it ends, and what it refuses."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

import backburn.serve
from backburn.cli.serve import open_run, thumbnails_of
from handmade import written


@contextmanager
def stopping(server: subprocess.Popen) -> Iterator[None]:
    """No server outlives a test that fails."""
    try:
        yield
    finally:
        server.kill()


@pytest.fixture
def run(tmp_path) -> Path:
    return written(tmp_path / "run", count=3)


def test_it_serves_until_it_is_stopped_and_then_says_what_is_kept(run):
    command = [sys.executable, "-m", "backburn", "serve", str(run), "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as server, stopping(server):
        first, then = (server.stdout.readline().decode() for _ in range(2))
        address = re.fullmatch(r"review: (http://127\.0\.0\.1:\d+/\?token=\S{43})\n", first)[1]
        jar = urllib.request.HTTPCookieProcessor(CookieJar())
        with urllib.request.build_opener(jar).open(address, timeout=20) as answer:
            assert b"Each decision is written to" in answer.read()
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, b"")
    assert then == "Ctrl-C ends it.\n"
    said = f"\nstopped: 0 decided, in {run / 'review.csv'}\nNext: backburn repair "
    assert out.decode().startswith(said)
    assert not any(each.name.startswith(".") for each in run.iterdir())


def test_what_cannot_be_served_is_refused(refused, here, run):
    assert "no run at photos" in refused("serve", "photos")
    assert "no run at nowhere" in refused("serve", "nowhere")
    (here / ".coming-x1").mkdir()
    assert "coming is still being written" in refused("serve", "coming")
    assert "nowhere is no folder" in refused("serve", run, "--review", "nowhere/review.csv")
    assert "--arch and --trust go with --draw" in refused("serve", run, "--arch", "mine:net")
    assert "no model file at model.pt" in refused("serve", run, "--draw")  # the run names it
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused("serve", run, "--port", port)
    assert f"port {port} cannot be used" in line
    (run / "review.csv").write_text("image,comment\n")
    assert "column 'comment', which would be lost" in refused("serve", run)
    (run / "gallery.json").unlink()
    assert "has no gallery.json" in refused("serve", run)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_it_needs_is_named(refused, run, monkeypatch, missing):
    monkeypatch.setattr(backburn, "serve", backburn.serve)  # the import below puts another there
    for name in [each for each in sys.modules if each.startswith("backburn.serve")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [each for each in sys.modules if each.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'backburn[serve]'" in refused("serve", run)


def test_what_a_run_looked_at_is_opened_to_draw_more(audited, tmp_path):
    run = shutil.copytree(audited, tmp_path / "run")
    thumbnails = thumbnails_of(open_run(run), None, False, draw=True)
    pictured = thumbnails.get([0])[0]
    (drawn,) = thumbnails.renderer.render([0]).values()
    assert drawn.suspect == pictured.suspect
    assert drawn.image.equal(pictured.image)
    assert drawn.perturbed.equal(pictured.perturbed)
