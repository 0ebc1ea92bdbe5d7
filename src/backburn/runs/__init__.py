"""The run directory: written whole or not at all, by one writer, and nothing in it is pickled."""

from .locks import claimed
from .own import own
from .places import plan_file, plan_run, work_of
from .plain import to_json
from .records import RECORD, Record, commit, new_record, read_record, table_in, versions
from .sealing import read_sealed, sealed
from .watch import Stopwatch
from .writing import whole_folder, write_own, write_run, write_whole

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
