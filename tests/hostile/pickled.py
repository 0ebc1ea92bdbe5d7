"""Pickles and what torch wraps around them, made to run, to grow, to hang or to crash."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

Maker = Callable[[Path], None]


def archive(pickled: bytes, path: Path, storages: dict[str, bytes] | None = None) -> None:
    """What torch.save writes, around another pickle."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/version", "3\n")
        made.writestr("archive/byteorder", "little")
        for name, content in (storages or {}).items():
            made.writestr(f"archive/data/{name}", content)


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def whole(value: int) -> bytes:
    """LONG1."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def called(path: str, *arguments: bytes) -> bytes:
    """GLOBAL, a tuple and REDUCE."""
    module, _, name = path.rpartition(".")
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def stored(count: int, kind: str = "FloatStorage", key: str = "0") -> bytes:
    """The persistent id of a storage."""
    head = b"(" + text("storage") + f"ctorch\n{kind}\n".encode()
    return head + text(key) + text("cpu") + whole(count) + b"tQ"


def tensor(count: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A rebuilt tensor."""
    sides, steps = (b"(" + b"".join(map(whole, each)) + b"t" for each in (shape, stride))
    hooks = called("collections.OrderedDict")
    made = stored(count) + whole(0) + sides + steps + b"\x89" + hooks
    return called("torch._utils._rebuild_tensor_v2", made)


def held(value: bytes, key: str = "w") -> bytes:
    """A dictionary of one."""
    return b"\x80\x02}" + text(key) + value + b"s."


def nested(depth: int) -> bytes:
    """A tuple in a tuple ... as a key: it is hashed by recursion in C."""
    return b"\x80\x02}K\x01" + b"\x85" * depth + b"K\x01s."


def doubled(times: int) -> bytes:
    """Tuples of the same tuple twice."""
    body = b"".join(b"h" + bytes([k]) + b"\x86q" + bytes([k + 1]) for k in range(times))
    return b"\x80\x02}K\x01K\x01\x86q\x00" + body + b"K\x01s."


def hexed(times: int) -> bytes:
    """A text twice as long each time."""
    value = text("a" * 1000)
    for _ in range(times):
        value = called("_codecs.encode", value, text("hex"))
    return held(value)


def colliding(count: int) -> bytes:
    """Numbers of one hash as keys."""
    keys = b"".join(whole(k * (2**61 - 1)) + b"N" for k in range(1, count))
    return b"\x80\x02}(" + keys + b"u."


def views(count: int, size: int) -> tuple[bytes, bytes]:
    """Many names of one large storage."""
    body = b"".join(text(f"w{k}") + tensor(size, (size,), (1,)) for k in range(count))
    return b"\x80\x02}(" + body + b"u.", bytes(4 * size)


PROOF = b"S'proof'\n"
BARE: dict[str, bytes] = {
    "os.mkdir": b"cos\nmkdir\n(" + PROOF + b"tR.",
    "INST os.mkdir": b"(" + PROOF + b"ios\nmkdir\n.",
    "OBJ os.mkdir": b"(cos\nmkdir\n" + PROOF + b"o.",
    "STACK_GLOBAL os.mkdir": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c\x05proof\x85R.",
    "exec": b"cbuiltins\nexec\n(S'import os; os.mkdir(\"proof\")'\ntR.",
    "bytearray of 30 GB": held(called("builtins.bytearray", whole(30 * 10**9))),
    "bytearray by NEWOBJ": held(b"cbuiltins\nbytearray\n" + whole(10**10) + b"\x85\x81"),
    "FloatTensor of 40 GB": held(called("torch.FloatTensor", whole(10**10))),
    "Tensor by its shape": held(called("torch.Tensor", whole(10**5), whole(10**5))),
    "UntypedStorage of 40 GB": held(called("torch.storage.UntypedStorage", whole(4 * 10**10))),
    "a storage of 10^10 numbers": held(tensor(10**10, (2,), (1,))),
    "a tensor of 10^9 of 4 numbers": held(tensor(4, (10**9,), (1,))),
    "a tensor of negative sides": held(tensor(4, (-5, -5), (1, 1))),
    "a tensor spread by strides of 0": held(tensor(1, (10**5, 10**5), (0, 0))),
    "hex, 30 times": hexed(30),
    "a tuple of depth 10^6": nested(10**6),
    "tuples doubled 60 times": doubled(60),
    "keys that collide": colliding(50_000),
    "a set that collides": held(called("builtins.set", b"](" + whole(2**61 - 1) * 9 + b"e")),
    "BUILD of a tensor": held(tensor(4, (2,), (1,)) + b"(" + whole(10**9) + b"tb"),
    "BUILD over a method": b"\x80\x02"
    + called("collections.OrderedDict")
    + b"}"
    + text("items")
    + b"K\x01sb.",
    "memo without end": b"\x80\x02"
    + b"".join(b"Nr" + struct.pack("<I", k) + b"0" for k in range(10**5))
    + b"}.",
    "endless marks": b"\x80\x02" + b"(" * 10**6 + b".",
    "nothing": b"",
    "no STOP": b"\x80\x02}",
    "a long int of a megabyte": held(b"\x8b" + struct.pack("<I", 10**6) + b"\x7f" * 10**6),
}
"""As they are, and in torch's archive."""


def _views(path: Path) -> None:
    pickled, content = views(2000, 10**6)
    archive(pickled, path, {"0": content})


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", bytes(2**28))


def _overlapping(path: Path) -> None:
    """A hundred members whose directory entries all lead to the same content."""
    archive(held(b"N"), path, {"0": bytes(10**6)})
    content = path.read_bytes()
    with zipfile.ZipFile(path) as made:
        start, entry = made.start_dir, len(made.infolist())
    directory = content[start:]
    path.write_bytes(content[:start] + directory * 50)
    assert entry


def _twice(path: Path) -> None:
    archive(held(b"N"), path)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("archive/DATA.PKL", BARE["os.mkdir"])


def _module(path: Path) -> None:
    torch.save(nn.Linear(3, 2), path)


def _script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Flatten()), path)


PROGRAM = """def forward(self, x: Tensor) -> Tensor:
    o = ops
    _0 = o.image.write_file("proof", x)
    return x
"""


def _writing_script(path: Path) -> None:
    """The name of all operators under another name: what a check by names lets through."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Flatten())), buffer)
    with zipfile.ZipFile(buffer) as given, zipfile.ZipFile(path, "w") as made:
        for name in given.namelist():
            content = given.read(name)
            if name.endswith(".py") and b"class Sequential" in content:
                content = content.split(b"  def forward")[0] + b"  " + PROGRAM.encode()
            made.writestr(name, content)


def _exported(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("m/models/model.json", "{\"expr_str\": \"__import__('os').mkdir('proof')\"}")


def _header(content: bytes) -> Maker:
    return lambda path: path.with_suffix(".safetensors").write_bytes(content) and None


ENTRY = '{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'


def _lie(told: str, data: bytes = b"", size: int | None = None) -> bytes:
    raw = told.encode()
    return struct.pack("<Q", len(raw) if size is None else size) + raw + data


SAFETENSORS: dict[str, bytes] = {
    "header longer than the file": _lie("{}", size=2**62),
    "offsets beyond the end": _lie('{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,1e15]}}'),
    "a shape of 2^62": _lie(
        '{"w":{"dtype":"F32","shape":[2147483648,2147483648],"data_offsets":[0,16]}}', bytes(16)
    ),
    "overlapping": _lie(f'{{"w":{ENTRY},"v":{ENTRY}}}', bytes(16)),
    "nested 200,000 deep": _lie("[" * 200_000),
    "a million names": _lie(
        "{"
        + ",".join(
            f'"{k}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for k in range(100_000)
        )
        + "}"
    ),
    "NaN": _lie(f'{{"w":{ENTRY}}}', b"\xff" * 16),
    "small_cnn-w and 5,000 digits": _lie(
        '{"__metadata__":{"backburn":"{\\"architecture\\": \\"small_cnn-w'
        + "9" * 5000
        + '\\"}"},"w":'
        + ENTRY
        + "}",
        bytes(16),
    ),
    "small_cnn of width 99,999": _lie(
        '{"__metadata__":{"backburn":"{\\"architecture\\": \\"small_cnn-w99999\\"}"},"w":'
        + ENTRY
        + "}",
        bytes(16),
    ),
    "code to import": _lie(
        '{"__metadata__":{"backburn":"{\\"architecture\\": \\"evil:build\\"}"},"w":' + ENTRY + "}",
        bytes(16),
    ),
    "escape sequences as names": _lie(
        '{"\\u001b]0;owned\\u0007\\u001b[31m":' + ENTRY + "}", bytes(16)
    ),
}

FILES: dict[str, Maker] = {
    **{
        f"pickle: {name}": (lambda path, raw=raw: path.write_bytes(raw) and None)
        for name, raw in BARE.items()
    },
    **{
        f"archive: {name}": (lambda path, raw=raw: archive(raw, path)) for name, raw in BARE.items()
    },
    "archive: 2,000 names of one storage": _views,
    "archive: a pickle that unpacks to 256 MiB": _bomb,
    "archive: members that overlap": _overlapping,
    "archive: two members of one name": _twice,
    "a pickled module": _module,
    "TorchScript": _script,
    "TorchScript that writes by another name": _writing_script,
    "an exported program": _exported,
    "a pickle by its suffix": lambda path: path.write_bytes(pickle.dumps([1, 2])) and None,
    **{f"safetensors: {name}": _header(raw) for name, raw in SAFETENSORS.items()},
}
"""A model's file by what is odd about it; its maker is given a path that ends with .pt."""
