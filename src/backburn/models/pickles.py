"""How long a pickle may take: tuples of the same tuples, again and again, are never done hashing.

This reads opcodes and runs none. What a pickle may ask for is torch's business.
"""

import io
import pickletools
import zipfile
from pathlib import Path

LARGEST = 10**7
"""Leaves that a tuple may have when every reference in it is followed."""
PICKLES = 5
"""A file of the format before 1.6 is that many pickles, and numbers after them."""


def check_pickles(path: Path, zipped: bool) -> None:
    """Read the pickles of what `torch.save` wrote.

    Raises:
        ValueError: a tuple that takes forever, or no pickle.
    """
    if zipped:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    _read(io.BytesIO(archive.read(name)))
        return
    with path.open("rb") as file:
        for _ in range(PICKLES):
            _read(file)


def _read(file: io.BufferedReader | io.BytesIO) -> None:
    """Follow a pickle with the number of leaves in place of every value; None is a mark."""
    stack: list[int | None] = []
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else int(argument or 0)] = _leaves(stack[-1:])
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo.get(int(argument or 0), 1))
        elif name == "MARK":
            stack.append(None)
        else:
            taken = _taken(stack, opcode)
            leaves = _leaves(taken) if name.startswith("TUPLE") else 1
            if leaves > LARGEST:
                raise ValueError("it holds a tuple that would take forever")
            stack += [leaves] * len(opcode.stack_after)


def _taken(stack: list[int | None], opcode: pickletools.OpcodeInfo) -> list[int | None]:
    """Take off the stack what the opcode takes."""
    taken: list[int | None] = []
    wanted = [kind.name for kind in opcode.stack_before]
    if "mark" in wanted:
        while stack and (value := stack.pop()) is not None:
            taken.append(value)
        wanted = wanted[: wanted.index("mark")]
    for _ in wanted:
        taken.append(stack.pop() if stack else 1)
    return taken


def _leaves(values: list[int | None]) -> int:
    return max(1, sum(value or 0 for value in values))
