"""Check a pickle opcode by opcode before anything is built from it.

torch's own list of allowed calls lets a pickle ask for any amount of memory. Here a file may build
only what checkpoints are made of, and no more of it than the file has room for. Values are tracked
as far as they matter: numbers, strings, names and tuples of these.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_TUPLE_LEAVES = 10**7
"""Leaves that a tuple may have when every reference in it is followed."""
MAX_TUPLE_DEPTH = 100
"""Depth of nested tuples, which are hashed and freed by recursion."""
MAX_ODD_KEYS = 10_000
"""Keys that are neither strings nor small numbers: many of them could be made to collide."""
MAX_PLAIN_INTEGER = 2**60
STORAGE = "storage"
LEGACY_PICKLES = 5
"""A file of the format before torch 1.6 is this many pickles, followed by numbers."""

ALLOWED_CALLS = frozenset(
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
"""Callables that any arguments are allowed for; only tensors can be larger than their arguments."""
STATEFUL_TYPES = frozenset({"collections.OrderedDict", "collections.Counter"})
"""Types whose instances may be given a state."""
TENSOR_BUILDERS = frozenset(
    name for name in ALLOWED_CALLS if name.startswith("torch._utils._rebuild_tensor")
)
BYTE_BUILDERS = {"_codecs.encode": ("latin1",), "builtins.bytearray": ("latin-1",)}
"""How protocol 2 writes bytes: a string and its encoding."""


class UnsafePickleError(ValueError):
    """A pickle of more than plain values and tensors."""


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A function, class or constant that a pickle imports."""

    path: str


@dataclass(frozen=True, slots=True)
class TupleValue:
    """A tuple, with the number of leaves and the depth of everything in it."""

    parts: tuple[Any, ...]
    leaves: int
    depth: int


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of calling `path`; a storage has numbers that lie elsewhere in the file."""

    path: str | None


UNTRACKED, MARK = object(), object()
"""A value that is not tracked, and the mark before a sequence of values."""


def check_pickles(path: Path, zipped: bool, extra_calls: Collection[str] = ()) -> None:
    """Check the pickles in a file of `torch.save`.

    Args:
        zipped: whether the file is a zip archive, as torch writes it since 1.6.
        extra_calls: further names that may be called.
    Raises:
        UnsafePickleError: it asks for code.
        ValueError: it asks for more than the file holds, or for endless work; or it is no pickle.
    """
    size = path.stat().st_size
    if zipped:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    _PickleChecker(size, frozenset(extra_calls)).check(
                        io.BytesIO(archive.read(name))
                    )
        return
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            _PickleChecker(size, frozenset(extra_calls)).check(file)


class _PickleChecker:
    """A pickle machine that tracks what would be built, without building it.

    Args:
        size: bytes of the file.
        extra_calls: names that may be called, and whose results may be given a state.
    """

    def __init__(self, size: int, extra_calls: frozenset[str]):
        self.size = size
        self.allowed_calls = ALLOWED_CALLS | extra_calls
        self.stateful_types = STATEFUL_TYPES | extra_calls
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.odd_keys = 0

    def check(self, file: io.BufferedReader | io.BytesIO) -> None:
        """Follow every opcode of one pickle."""
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
                index = len(self.memo) if name == "MEMOIZE" else int(argument or 0)
                self.memo[index] = self.stack[-1] if self.stack else UNTRACKED
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                self.stack.append(self.memo.get(int(argument or 0), UNTRACKED))
            elif name == "MARK":
                self.stack.append(MARK)
            else:
                result = self._result(name, argument, self._pop_operands(opcode))
                self.stack += [result] * len(opcode.stack_after)

    def _pop_operands(self, opcode: pickletools.OpcodeInfo) -> list[Any]:
        """Pop the opcode's operands off the stack, and return them in the order of pushing."""
        kinds, operands = [kind.name for kind in opcode.stack_before], []
        if "mark" in kinds:
            while self.stack and (value := self.stack.pop()) is not MARK:
                operands.append(value)
            kinds = kinds[: kinds.index("mark")]
        for _ in kinds:
            operands.append(self.stack.pop() if self.stack else UNTRACKED)
        return operands[::-1]

    def _result(self, name: str, argument: Any, operands: list[Any]) -> Any:
        """What an opcode pushes on the stack."""
        result = UNTRACKED if argument is None or operands else argument
        if name in ("GLOBAL", "STACK_GLOBAL"):
            path = ".".join(map(str, argument.split(" ", 1) if argument else operands))
            result = GlobalName(path.replace("__builtin__.", "builtins."))  # Python 2's name
        elif name.startswith("TUPLE") or name == "EMPTY_TUPLE":
            result = self._tuple(operands)
        elif name in ("BINPERSID", "PERSID"):
            result = self._storage(operands)
        elif name in ("REDUCE", "NEWOBJ"):
            result = self._call(*operands)
        elif name in ("INST", "OBJ", "NEWOBJ_EX"):
            raise UnsafePickleError(
                f"it asks for {_shorten(argument or 'objects').replace(' ', '.')}"
            )
        elif name == "BUILD":
            result = self._with_state(operands[0])
        elif name in ("SETITEM", "SETITEMS", "APPEND", "APPENDS"):
            self._check_keys(operands[1::2] if name.startswith("SET") else [])
            result = operands[0]
        return result

    def _tuple(self, parts: list[Any]) -> TupleValue:
        inner = [part for part in parts if isinstance(part, TupleValue)]
        leaves = len(parts) - len(inner) + sum(part.leaves for part in inner)
        depth = 1 + max((part.depth for part in inner), default=0)
        if leaves > MAX_TUPLE_LEAVES or depth > MAX_TUPLE_DEPTH:
            raise ValueError("it holds a tuple that would take forever")
        return TupleValue(tuple(parts), max(1, leaves), depth)

    def _check_keys(self, keys: list[Any]) -> None:
        plain = (str, bytes, bool, type(None))
        self.odd_keys += sum(
            not isinstance(key, plain)
            and not (isinstance(key, int) and abs(key) < MAX_PLAIN_INTEGER)
            for key in keys
        )
        if self.odd_keys > MAX_ODD_KEYS:
            raise ValueError(f"it has more than {MAX_ODD_KEYS} keys that are no names")

    def _storage(self, operands: list[Any]) -> CallResult:
        """Refuse a storage of more numbers than the file has bytes."""
        parts = operands[0].parts if operands and isinstance(operands[0], TupleValue) else ()
        count = parts[4] if len(parts) > 4 else None
        if not isinstance(count, int) or not 0 <= count <= self.size:
            raise ValueError(f"a storage of {_shorten(count)} numbers is more than the file holds")
        return CallResult(STORAGE)

    def _call(self, function: Any, arguments: Any) -> Any:
        path = function.path if isinstance(function, GlobalName) else None
        parts = arguments.parts if isinstance(arguments, TupleValue) else (UNTRACKED,)
        if path in BYTE_BUILDERS:
            is_text = not parts or (isinstance(parts[0], str) and parts[1:] == BYTE_BUILDERS[path])
            is_bytes = path == "builtins.bytearray" and isinstance(parts[0] if parts else 0, bytes)
            if not is_text and not is_bytes:
                raise ValueError(f"it asks for {path} of {_shorten(parts[0])}")
        elif path not in self.allowed_calls:
            raise UnsafePickleError(f"it asks for {_shorten(path or 'what it made itself')}")
        if path in TENSOR_BUILDERS:
            self._check_tensor(parts)
        return CallResult(path)

    def _with_state(self, value: Any) -> Any:
        """Allow a state for state_dicts, which have attributes; other objects could misuse it."""
        if not isinstance(value, CallResult) or value.path not in self.stateful_types:
            raise UnsafePickleError("it gives a state to what has none")
        return value

    def _check_tensor(self, parts: tuple[Any, ...]) -> None:
        """Refuse a tensor without a storage, or of more numbers than the file has bytes."""
        shape = parts[2] if len(parts) > 2 else None
        sizes = shape.parts if isinstance(shape, TupleValue) else (None,)
        valid = all(isinstance(size, int) and size >= 0 for size in sizes)
        if parts[0] != CallResult(STORAGE) or not valid or math.prod(sizes) > self.size:
            raise ValueError("it holds a tensor that is larger than its file")


def _shorten(value: Any) -> str:
    return str(value)[:80]
