"""Fuzzes one reader for as long as is wanted, led by coverage: `python explore.py older.pt`.

Arguments after the name are libFuzzer's, such as -max_total_time=600. Needs atheris.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["backburn", "zipfile", "pickletools", "tarfile", "csv"]):
    from bounds import one_line_at_most
    from reading import CORPUS, READERS


def main() -> None:
    """Hands what libFuzzer makes of the seed to its reader."""
    name, folder = sys.argv.pop(1), tempfile.mkdtemp()
    (Path(folder) / "seed").write_bytes((CORPUS / name).read_bytes())

    def read(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as place, one_line_at_most():
            (Path(place) / name).write_bytes(content)
            READERS[name](Path(place) / name)

    atheris.Setup([*sys.argv, folder], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
