"""Pickles, configurations and runs that a grammar makes: whole to their readers, and odd within."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

from hypothesis import strategies as st
from reading import CORPUS

BIG = st.sampled_from([0, 1, 2, 3, 5, -1, 255, 2**31, 2**61 - 1, 2**63, 10**10, 10**400])
NUMBERS = BIG | st.integers(-3, 9)
NAMES = st.sampled_from(
    ["w", "state_dict", "model", "storage", "cpu", "0", "", "\x1b[31m", "../x", "latin1", "hex"]
) | st.text(max_size=3)
GLOBALS = st.sampled_from(
    [
        "collections OrderedDict", "collections Counter", "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter", "torch._utils _rebuild_tensor_v3", "torch Size",
        "torch FloatStorage", "torch float32", "torch device", "torch.storage UntypedStorage",
        "__builtin__ bytearray", "_codecs encode", "builtins set", "os mkdir", "builtins getattr",
        "torch Tensor", "torch.nn.parameter Parameter", "numpy dtype", "numpy ndarray",
        "numpy._core.multiarray _reconstruct", "numpy._core.multiarray scalar", "builtins bytes",
    ]
)  # fmt: skip


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _whole(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw if len(raw) < 256 else b"K\x09"


def _global(name: str) -> bytes:
    module, _, called = name.partition(" ")
    return f"c{module}\n{called}\n".encode()


LEAVES = (
    NUMBERS.map(_whole)
    | NAMES.map(_text)
    | st.sampled_from([b"N", b"\x88", b"\x89", b")", b"]", b"}", b"h\x00", b"h\x01"])
    | st.floats().map(lambda value: b"G" + struct.pack(">d", value))
    | GLOBALS.map(_global)
)


def _larger(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    several = st.lists(inner, max_size=6).map(b"".join)
    stored = st.tuples(NUMBERS, NAMES).map(
        lambda pair: (
            b"("
            + _text("storage")
            + b"ctorch\nFloatStorage\n"
            + _text(pair[1])
            + _text("cpu")
            + _whole(pair[0])
            + b"tQ"
        )
    )
    return (
        several.map(lambda body: b"(" + body + b"t")
        | several.map(lambda body: b"](" + body + b"e")
        | st.lists(st.tuples(inner, inner), max_size=4).map(
            lambda pairs: b"}(" + b"".join(key + value for key, value in pairs) + b"u"
        )
        | st.tuples(GLOBALS, several).map(lambda call: _global(call[0]) + b"(" + call[1] + b"tR")
        | st.tuples(GLOBALS, several).map(lambda call: _global(call[0]) + b"(" + call[1] + b"t\x81")
        | st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1] + b"b")
        | st.tuples(inner, st.sampled_from([b"q\x00", b"q\x01"])).map(b"".join)
        | stored
        | st.tuples(stored, st.lists(NUMBERS, max_size=3)).map(
            lambda pair: (
                b"ctorch._utils\n_rebuild_tensor_v2\n("
                + pair[0]
                + _whole(0)
                + b"("
                + b"".join(map(_whole, pair[1]))
                + b"t("
                + b"".join(_whole(1) for _ in pair[1])
                + b"t\x89ccollections\nOrderedDict\n)RtR"
            )
        )
    )


VALUES = st.recursive(LEAVES, _larger, max_leaves=12)
PICKLES = VALUES.map(lambda body: b"\x80\x02" + body + b".") | st.tuples(NAMES, VALUES).map(
    lambda pair: b"\x80\x02}" + _text(pair[0]) + pair[1] + b"s."
)


def archived(pickled: bytes) -> bytes:
    """What torch.save would write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/version", "3\n")
        made.writestr("archive/byteorder", "little")
        made.writestr("archive/data/0", bytes(64))
    return buffer.getvalue()


LEGACY = [
    pickle.dumps(0x1950A86A20F9469CFC6C, 2),
    pickle.dumps(1001, 2),
    pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2),
]


def legacy(pickled: bytes) -> bytes:
    """What it wrote before version 1.6."""
    return b"".join([*LEGACY, pickled, pickle.dumps(["0"], 2), struct.pack("<q", 16), bytes(64)])


PLAIN = st.none() | st.booleans() | NUMBERS | NAMES | st.floats()
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
SETTINGS = st.dictionaries(
    st.sampled_from(
        [
            "model_type", "num_hidden_layers", "hidden_size", "depths", "num_labels", "id2label",
            "image_size", "patch_size", "hidden_sizes", "auto_map", "vision_config", "size",
            "crop_size", "do_center_crop", "do_normalize", "rescale_factor", "image_mean",
            "image_std", "architectures", "torch_dtype", "problem_type", "backbone",
        ]
    ),
    JSON | st.sampled_from(["vit", "resnet", "clip", "efficientnet", [0.5] * 3, {"height": 32}]),
    max_size=6,
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, whole: object) -> object:
    """JSON with one to four of its values replaced by odd ones."""
    value = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 4))):
        holder = value
        while isinstance(holder, dict | list) and holder:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(keys))
            if not isinstance(holder[key], dict | list) or draw(st.booleans()):
                holder[key] = draw(JSON)
                break
            holder = holder[key]
    return value


RECORD, GALLERY = (
    json.loads((CORPUS / f"{name}.json").read_bytes()) for name in ("record", "gallery")
)
RECORD["metrics"]["verdict"] |= {
    "target_names": [], "p_value": 0.5, "reason": "", "classes": [], "images": 2,
    "suspect_share": [0.0, 0.1], "images_in_all": 2, "skipped": [],
}  # fmt: skip
RECORD["metrics"] |= {"suspects": None, "notes": []}
RECORD["seconds"] = {"read": 0.5}
RECORD["arguments"] |= {"arch": "timm:resnet18", "max_images": 5}


def run_of(folder: Path, record: object, gallery: object) -> Path:
    """A run's folder with these two; the rest is as it should be."""
    for name in ("gallery.safetensors", "suspects.csv", "config.toml"):
        (folder / name).write_bytes((CORPUS / name).read_bytes())
    for name, value in (("record.json", record), ("gallery.json", gallery)):
        (folder / name).write_text(json.dumps(value))
    return folder
