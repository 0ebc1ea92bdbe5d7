"""What an attack on the readers found, each as a test that failed before it was closed."""

import ast
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foldered import ESCAPES, PNG, PREPROCESSORS, RESNET, changed, good_run, hub_folder, linked
from pickled import BARE, FILES, SAFETENSORS, archive, views

from backburn import limited_process
from backburn.data.load_images import load_images
from backburn.errors import BackburnError, InputError
from backburn.models.open.huggingface_config import read_preprocessing
from backburn.models.open.open_model import open_model
from backburn.models.out_of_memory import is_out_of_memory
from backburn.runs import path_in_run, write_in_run, write_run
from backburn.runs.safe_files import check_plain
from torchvision_schemas import COMMAND

assert COMMAND  # transformers cannot be imported without
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


PROGRAMS = ["TorchScript", "TorchScript that writes by another name", "an exported program"]


@pytest.mark.filterwarnings("ignore:.torch.jit")  # deprecated, and files of it stay
@pytest.mark.parametrize("name", [*PROGRAMS, "a pickled module"])
def test_a_program_is_not_opened_without_trust(here, name):
    FILES[name](here / "m.pt")
    with pytest.raises(InputError, match=r"torch\.save\(model\.state_dict\(\).*--trust"):
        open_model("m.pt")
    assert not (here / "proof").exists()


def test_trust_is_not_taken_from_a_run(here, cli):
    changed(here / "run", arguments={"model": "m.pt", "data": "photos", "trust": True})
    archive(BARE["os.mkdir"], here / "m.pt")
    done = cli("repair", "run", "--out", "out")
    assert (done.code, "could run code" in done.err) == (2, True), done.err
    assert not (here / "proof").exists()


@pytest.mark.parametrize("name", ["figures", "report.html"])
def test_a_report_follows_no_link_out_of_its_run(here, cli, name):
    linked(name, {"figures": "elsewhere", "report.html": "elsewhere/report.html"}[name])(
        here / "run"
    )
    before = {path: path.read_bytes() for path in (here / "elsewhere").iterdir()}
    done = cli("report", "run")
    assert done.code == 2
    assert f"run/{name} is a link" in done.err
    assert {path: path.read_bytes() for path in (here / "elsewhere").iterdir()} == before


def test_a_page_shows_nothing_from_outside_of_its_run(here, cli):
    good_run(here / "run")
    (here / "secret.toml").write_text("password = 'open sesame'")
    (here / "run" / "config.toml").unlink()
    (here / "run" / "config.toml").symlink_to(here / "secret.toml")
    assert cli("report", "run").code == 2
    assert not (here / "run" / "report.html").exists()


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_a_name_that_leaves_a_run_is_refused(here, name):
    with pytest.raises(InputError, match="no file of"):
        write_in_run(here, name, b"")


def test_pipes_in_a_run_or_its_work_are_not_waited_for(here):
    os.mkfifo(here / "record.json")
    with pytest.raises(InputError, match="no plain file"):
        path_in_run(here, "record.json")
    (here / "deep").mkdir()
    (here / "deep" / "link").symlink_to("/etc")
    (here / "record.json").unlink()
    with pytest.raises(InputError, match="link"):
        check_plain(here)


def test_a_run_in_a_folder_that_is_a_link_of_the_users_own_is_written(here):
    (here / "disk").mkdir()
    (here / "run").symlink_to(here / "disk")
    write_in_run(here / "run", "figures/a.csv", b"a")
    assert (here / "disk" / "figures" / "a.csv").read_bytes() == b"a"


def test_a_run_has_the_rights_that_the_umask_leaves(here, cli):
    good_run(here / "run")
    before = os.umask(0o077)
    try:
        from backburn.runs import read_record

        write_run(here / "private", read_record(here / "run"), {"figures/a": b"a"})
    finally:
        os.umask(before)
    kept = [here / "private", *(here / "private").rglob("*")]
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


GREEDY = ["bytearray of 30 GB", "bytearray by NEWOBJ", "FloatTensor of 40 GB", "hex, 30 times"]
GREEDY += ["UntypedStorage of 40 GB", "a storage of 10^10 numbers", "a tensor of 10^9 of 4 numbers"]
GREEDY += ["BUILD of a tensor", "a tuple of depth 10^6", "keys that collide"]


@pytest.mark.parametrize("name", GREEDY)
@pytest.mark.parametrize("wrap", ["bare", "archive"])
def test_a_small_pickle_takes_little_memory_and_time(here, name, wrap):
    if wrap == "bare":
        (here / "m.pt").write_bytes(BARE[name])
    else:
        archive(BARE[name], here / "m.pt", {"0": bytes(16)})
    began, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        open_model("m.pt", "small_cnn")
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 2**20  # KiB: a GiB


def test_many_names_of_one_storage_are_counted_together(here):
    pickled, content = views(2000, 10**5)
    archive(pickled, here / "m.pt", {"0": content})
    with pytest.raises(InputError, match="together"):
        open_model("m.pt", "small_cnn")


def test_a_configuration_without_end_ends(here, monkeypatch):
    monkeypatch.setattr(limited_process, "CPU_SECONDS", 2)
    deep = '{"model_type":"clip","vision_config":{"num_hidden_layers":10000000}}'
    hub_folder(deep, None)(here / "hub")
    with pytest.raises(InputError, match="cannot be built and asked within 2 seconds"):
        open_model("hub")


@pytest.mark.parametrize(
    "name", ["rescale_factor a list", "rescale_factor 10^400", "image_mean of 10^400"]
)
def test_odd_numbers_of_a_preprocessor_are_left_alone(here, name):
    hub_folder(RESNET, PREPROCESSORS[name])(here / "hub")
    assert read_preprocessing(here / "hub")[1] is None


def test_a_width_of_5000_digits_is_no_network(here):
    (here / "m.safetensors").write_bytes(SAFETENSORS["small_cnn-w and 5,000 digits"])
    with pytest.raises(InputError, match="unknown architecture") as caught:
        open_model("m.safetensors")
    assert len(str(caught.value)) < 400


def test_rows_without_images_or_with_the_same_ones_are_not_gone_through(here):
    count = 300_000
    label = pa.array(np.arange(count) % 2)
    pictures = pa.DictionaryArray.from_arrays(
        pa.array(np.arange(count, dtype=np.int32) % 2), pa.array([PNG, PNG + b"x"], pa.binary())
    )
    columns = {"nulls": pa.nulls(count, pa.binary()), "repeats": pictures.cast(pa.binary())}
    for name, image in columns.items():
        pq.write_table(pa.table({"image": image, "label": label}), f"{name}.parquet")
        began = time.process_time()
        with pytest.raises(InputError, match="300000 rows"):
            load_images(f"{name}.parquet")
        assert time.process_time() - began < 5


def test_a_table_that_names_one_image_again_and_again_is_refused_with_the_counts(here, monkeypatch):
    monkeypatch.setattr("backburn.data.scan_headers.FIRST_CHECK", 500)
    (here / "a.png").write_bytes(PNG)
    (here / "rows.csv").write_text("path,label\n" + "a.png,a\n" * 10_000)
    with pytest.raises(InputError, match=r"of its first 500 rows 0 have no image.* only 1 diff"):
        load_images("rows.csv")


def test_what_is_packed_too_well_is_not_unpacked(here, monkeypatch):
    for reader in ("numpy_files", "parquet"):
        monkeypatch.setattr(f"backburn.data.sources.{reader}.FREE_SIZE", 2**16)
    np.savez_compressed("zeros.npz", images=np.zeros((9, 3, 400, 400), np.uint8), labels=range(9))
    table = pa.table({"image": [bytes(10**6)], "label": [0]})
    pq.write_table(table, "zeros.parquet", compression="zstd")
    for name in ("zeros.npz", "zeros.parquet"):
        with pytest.raises(InputError, match="hardly shrink"):
            load_images(name)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_terminal_obeys_nothing_that_a_run_says(here, cli, flags):
    odd = {"command": ESCAPES, "created": ESCAPES, "metrics": {"verdict": {"state": ESCAPES}}}
    changed(here / "run", **odd)
    done = cli("ls", ".", *flags)
    assert done.code == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(done.out + done.err)
    assert "owned" in done.out


def test_what_is_raised_and_warned_of_can_be_printed(here):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(BackburnError) as raised:
            open_model(f"{ESCAPES}.pt", "small_cnn")
    assert "\x1b" not in str(raised.value)
    assert "owned" in str(raised.value)
    assert not [each for each in caught if "\x1b" in str(each.message)]


def test_only_one_module_prints():
    """What is shown passes `terminal`, and errors and warnings `main`."""
    folder = Path(sys.modules["backburn"].__file__).parent / "cli"
    for path in folder.glob("*.py"):
        calls = [
            node.func
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        ]
        named = {ast.unparse(called) for called in calls} & {"click.echo", "Console", "print"}
        assert not named or path.name in ("terminal.py", "main.py"), f"{path.name}: {named}"


def test_a_command_that_is_not_ours_is_not_offered(here, cli):
    work = here / ".x-work"
    work.mkdir()
    begun = {"command": "audit", "line": ["rm", "-rf", "~"], "arguments": {}, "made_of": {}}
    (work / "begun.json").write_text(
        json.dumps({**begun, "versions": {}, "threads": 1, "created": "2026"})
    )
    done = cli("ls", ".")
    assert "rm -rf" not in done.out
    assert "no command of ours" in done.out


@pytest.mark.parametrize("said", ["could not create a primitive", "std::bad_alloc"])
def test_what_libraries_say_of_memory_is_understood(said):
    assert is_out_of_memory(RuntimeError(said))


def test_too_little_memory_from_the_start_is_said_in_a_line(here):
    program = "from backburn.cli.main import main; main()"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); "
    words = [sys.executable, "-c", limit + program, "ls", "."]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("backburn: a process may have 512 MiB here")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_while_it_imports_ends_in_a_line(here, number, code):
    # an import that takes a second, and turns what it is stopped with into another error
    (here / "slow.py").write_text(
        "import time\ntry:\n    end = time.time() + 1\n    print('now', flush=True)\n"
        "    while time.time() < end: time.sleep(0.01)\n"
        "except BaseException as error:\n    raise SystemError('swallowed') from error\n"
    )
    program = (
        "import click, sys; sys.path.insert(0, '.'); import backburn.cli.main as m\n"
        "def run(): import slow\n"
        "m.cli.main = lambda **_: run() or __import__('time').sleep(60)\nm.main()\n"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe)
    assert process.stdout.readline() == b"now\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert said == b"backburn: stopped\n"
    assert process.returncode == code


def test_what_is_ignored_stays_so(monkeypatch):
    from backburn.cli.signals import stoppable

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_connection_that_asks_nothing_is_closed(here, monkeypatch):
    from backburn.report.finished_run import open_finished_run
    from backburn.serve import server
    from backburn.serve.decisions import Decisions
    from backburn.serve.server import prepare_server
    from backburn.serve.session import ReviewSession
    from backburn.serve.thumbnails import ThumbnailSource

    monkeypatch.setattr(server, "REQUEST_TIMEOUT", 0.5)
    finished = open_finished_run(good_run(here / "run"))
    decisions = Decisions(here / "run" / "review.csv", finished.gallery)
    thumbnails = ThumbnailSource(finished.gallery)
    served = prepare_server(ReviewSession(finished, decisions, thumbnails))
    port = served.listener.getsockname()[1]
    thread = threading.Thread(target=served.server.run, kwargs={"sockets": [served.listener]})
    thread.start()
    try:
        begins = [b"", b"GET / HTTP/1.1\r\nHost: ", b"GET / HTTP/1.1\r\n\r\nGET /"]
        begins += [f"POST /decisions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()]
        sockets = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in begins]
        for each, begin in zip(sockets, begins, strict=True):
            each.sendall(begin)
        for each in sockets:
            while each.recv(4096):
                pass
            each.close()
    finally:
        served.server.should_exit = True
        thread.join(30)
        served.listener.close()
