"""The run directory: written whole or not at all, by one writer, and nothing in it is pickled."""

from .atomic import whole_folder, write_own, write_run, write_whole
from .checksum import read_sealed, sealed
from .json_text import to_json
from .lock import claimed
from .paths import plan_file, plan_run, work_of
from .records import RECORD, Record, commit, new_record, read_record, table_in, versions
from .safe_files import own
from .stopwatch import Stopwatch

__all__ = [
    "RECORD",
    "Record",
    "Stopwatch",
    "claimed",
    "commit",
    "new_record",
    "own",
    "plan_file",
    "plan_run",
    "read_record",
    "read_sealed",
    "sealed",
    "table_in",
    "to_json",
    "versions",
    "whole_folder",
    "work_of",
    "write_own",
    "write_run",
    "write_whole",
]
