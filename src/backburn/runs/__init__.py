"""The run directory: paths, lock, atomic writes."""

from .atomic import atomic_folder, write_atomic, write_in_run, write_run
from .checksum import read_checked, with_checksum
from .json_text import to_json
from .lock import locked
from .paths import check_new_file, plan_run, work_folder
from .records import RECORD, Record, dict_in, git_commit, new_record, package_versions, read_record
from .safe_files import path_in_run
from .stopwatch import Stopwatch

__all__ = [
    "RECORD",
    "Record",
    "Stopwatch",
    "atomic_folder",
    "check_new_file",
    "dict_in",
    "git_commit",
    "locked",
    "new_record",
    "package_versions",
    "path_in_run",
    "plan_run",
    "read_checked",
    "read_record",
    "to_json",
    "with_checksum",
    "work_folder",
    "write_atomic",
    "write_in_run",
    "write_run",
]
