"""A damaged file is read, or refused in one line; no code in it runs, and nothing hangs."""

import re
import struct
import tempfile
from pathlib import Path

import pytest
from altering import altered
from bounds import FUZZED, one_line_at_most
from hypothesis import given
from hypothesis import strategies as st
from reading import CORPUS, READERS

from backburn.errors import BackburnError

pytestmark = pytest.mark.filterwarnings("ignore")
UNFIT = {"weights.safetensors", "zipped.pt"}
"""Weights of a network that is not built in: whole files that are refused."""


def test_every_seed_has_a_reader_and_is_read(tmp_path):
    assert {path.name for path in CORPUS.iterdir() if path.is_file()} == set(READERS)
    for name, read in READERS.items():
        folder = tmp_path / name
        folder.mkdir()
        path = folder / name
        path.write_bytes((CORPUS / name).read_bytes())
        if name not in UNFIT:
            read(path)


NESTED = b"[" * 10**5
SPLIT = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 2) + b"PK\5\6" + bytes(18)
"""The end of a zip archive that says that it goes on on another disk."""
NEWER = (CORPUS / "rows.npz").read_bytes().replace(b"PK\x01\x02-\x03-", b"PK\x01\x02-\x03\xff")
"""A zip archive that only a later version of the format could unpack."""
FOUND = [
    ("record.json", b"\xff"),
    ("record.json", NESTED),
    ("gallery.json", NESTED),
    ("config.toml", b"a = " + NESTED),
    ("study.toml", b"a = " + NESTED),
    ("zipped.pt", SPLIT),
    ("older.pt", SPLIT),
    ("rows.npz", SPLIT),
    ("rows.npz", NEWER),
    ("review.csv", b"\nimage,label\n"),
    ("suspects.csv", b"\nimage,label\n"),
]
"""What was no line once."""


@pytest.mark.parametrize(("name", "content"), FOUND, ids=[name for name, _ in FOUND])
def test_what_was_found_stays_mended(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackburnError, match=re.escape(name)):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file(name):
    whole = (CORPUS / name).read_bytes()

    @FUZZED
    @given(altered(whole) | st.binary(max_size=64))
    def read(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            with one_line_at_most():
                READERS[name](path)

    read()
