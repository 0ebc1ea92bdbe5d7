"""What a pickle asks for, followed opcode by opcode before anything is built from it.

torch's own list of what a pickle may call lets it ask for any amount of memory. Here a file may
make what a state_dict and what lies beside it are made of, and no more of it than the file has room
for. Values are followed as far as they matter: numbers, texts, names and tuples of these.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST = 10**7
"""Leaves that a tuple may have when every reference in it is followed."""
DEEPEST = 100
"""Tuples in each other: they are hashed and let go of by recursion."""
ODD = 10_000
"""Keys that are neither text nor small numbers: made to collide, many would take forever."""
SMALL, STORAGE = 2**60, "storage"
PICKLES = 5
"""A file of the format before 1.6 is that many pickles, and numbers after them."""

CALLED = frozenset(
    {
        "collections.OrderedDict",
        "collections.Counter",
        "torch.Size",
        "torch.device",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_parameter",
    }
)
"""What may be called with anything; none of it makes more than it is given, tensors excepted."""
STATEFUL = frozenset({"collections.OrderedDict", "collections.Counter"})
TENSORS = frozenset(name for name in CALLED if name.startswith("torch._utils._rebuild_tensor"))
BYTES = {"_codecs.encode": ("latin1",), "builtins.bytearray": ("latin-1",)}
"""How protocol 2 writes bytes: a text and its encoding."""


class ObjectsError(ValueError):
    """A pickle of more than plain values and tensors."""


@dataclass(frozen=True, slots=True)
class Name:
    """A function, class or constant that a pickle asks for."""

    path: str


@dataclass(frozen=True, slots=True)
class Nested:
    """A tuple; `leaves` and `depth` are those of all that is in it."""

    parts: tuple[Any, ...]
    leaves: int
    depth: int


@dataclass(frozen=True, slots=True)
class Made:
    """What a call of `path` made; a storage has numbers that lie elsewhere in the file."""

    path: str | None


OTHER, MARK = object(), object()
"""A value that is not followed, and what is put before several values."""


def check_pickles(path: Path, zipped: bool, also: Collection[str] = ()) -> None:
    """Read the pickles of what `torch.save` wrote.

    Args:
        also: further names that may be called.
    Raises:
        ObjectsError: it asks for code.
        ValueError: it asks for more than the file holds, or forever; or it is no pickle.
    """
    size = path.stat().st_size
    if zipped:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    _Reading(size, frozenset(also)).follow(io.BytesIO(archive.read(name)))
        return
    with path.open("rb") as file:
        for _ in range(PICKLES):
            _Reading(size, frozenset(also)).follow(file)


class _Reading:
    def __init__(self, size: int, also: frozenset[str]):
        self.size, self.called, self.stateful = size, CALLED | also, STATEFUL | also
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.odd = 0

    def follow(self, file: io.BufferedReader | io.BytesIO) -> None:
        """Follow every opcode."""
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
                place = len(self.memo) if name == "MEMOIZE" else int(argument or 0)
                self.memo[place] = self.stack[-1] if self.stack else OTHER
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                self.stack.append(self.memo.get(int(argument or 0), OTHER))
            elif name == "MARK":
                self.stack.append(MARK)
            else:
                made = self._made(name, argument, self._taken(opcode))
                self.stack += [made] * len(opcode.stack_after)

    def _taken(self, opcode: pickletools.OpcodeInfo) -> list[Any]:
        """Take off the stack what the opcode takes, in the order in which it was put there."""
        wanted, taken = [kind.name for kind in opcode.stack_before], []
        if "mark" in wanted:
            while self.stack and (value := self.stack.pop()) is not MARK:
                taken.append(value)
            wanted = wanted[: wanted.index("mark")]
        for _ in wanted:
            taken.append(self.stack.pop() if self.stack else OTHER)
        return taken[::-1]

    def _made(self, name: str, argument: Any, taken: list[Any]) -> Any:
        """What an opcode leaves on the stack."""
        made = OTHER if argument is None or taken else argument
        if name in ("GLOBAL", "STACK_GLOBAL"):
            path = ".".join(map(str, argument.split(" ", 1) if argument else taken))
            made = Name(path.replace("__builtin__.", "builtins."))  # as Python 2 called it
        elif name.startswith("TUPLE") or name == "EMPTY_TUPLE":
            made = self._tuple(taken)
        elif name in ("BINPERSID", "PERSID"):
            made = self._stored(taken)
        elif name in ("REDUCE", "NEWOBJ"):
            made = self._call(*taken)
        elif name in ("INST", "OBJ", "NEWOBJ_EX"):
            raise ObjectsError(f"it asks for {_short(argument or 'objects').replace(' ', '.')}")
        elif name == "BUILD":
            made = self._with_state(taken[0])
        elif name in ("SETITEM", "SETITEMS", "APPEND", "APPENDS"):
            self._keys(taken[1::2] if name.startswith("SET") else [])
            made = taken[0]
        return made

    def _tuple(self, parts: list[Any]) -> Nested:
        inner = [part for part in parts if isinstance(part, Nested)]
        leaves = len(parts) - len(inner) + sum(part.leaves for part in inner)
        depth = 1 + max((part.depth for part in inner), default=0)
        if leaves > LARGEST or depth > DEEPEST:
            raise ValueError("it holds a tuple that would take forever")
        return Nested(tuple(parts), max(1, leaves), depth)

    def _keys(self, keys: list[Any]) -> None:
        plain = (str, bytes, bool, type(None))
        self.odd += sum(
            not isinstance(key, plain) and not (isinstance(key, int) and abs(key) < SMALL)
            for key in keys
        )
        if self.odd > ODD:
            raise ValueError(f"it has more than {ODD} keys that are no names")

    def _stored(self, taken: list[Any]) -> Made:
        """Raises ValueError where a storage has more numbers than the file has bytes."""
        parts = taken[0].parts if taken and isinstance(taken[0], Nested) else ()
        count = parts[4] if len(parts) > 4 else None
        if not isinstance(count, int) or not 0 <= count <= self.size:
            raise ValueError(f"a storage of {_short(count)} numbers is more than the file holds")
        return Made(STORAGE)

    def _call(self, called: Any, arguments: Any) -> Any:
        path = called.path if isinstance(called, Name) else None
        parts = arguments.parts if isinstance(arguments, Nested) else (OTHER,)
        if path in BYTES:
            text = not parts or (isinstance(parts[0], str) and parts[1:] == BYTES[path])
            given = path == "builtins.bytearray" and isinstance(parts[0] if parts else 0, bytes)
            if not text and not given:
                raise ValueError(f"it asks for {path} of {_short(parts[0])}")
        elif path not in self.called:
            raise ObjectsError(f"it asks for {_short(path or 'what it made itself')}")
        if path in TENSORS:
            self._tensor(parts)
        return Made(path)

    def _with_state(self, made: Any) -> Any:
        """A state_dict has attributes; what else has a state could make more of it than it is."""
        if not isinstance(made, Made) or made.path not in self.stateful:
            raise ObjectsError("it gives a state to what has none")
        return made

    def _tensor(self, parts: tuple[Any, ...]) -> None:
        """A tensor has a storage, and no more numbers than the file has bytes."""
        shape = parts[2] if len(parts) > 2 else None
        sides = shape.parts if isinstance(shape, Nested) else (None,)
        whole = all(isinstance(side, int) and side >= 0 for side in sides)
        if parts[0] != Made(STORAGE) or not whole or math.prod(sides) > self.size:
            raise ValueError("it holds a tensor that is larger than its file")


def _short(value: Any) -> str:
    return str(value)[:80]
