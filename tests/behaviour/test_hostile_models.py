"""Model files that are malicious, broken or foreign: nothing runs, nothing hangs, one line."""

import collections
import contextlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import torchvision_schemas
from backburn import limited_process
from backburn.errors import InputError
from backburn.models.nets.zoo import build
from backburn.models.open.open_model import open_model

assert torchvision_schemas  # transformers cannot be imported without
pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
ARCH = "small_cnn"


class Trap:
    """Unpickling it makes a folder: proof that code was run."""

    def __init__(self, proof: Path):
        self.proof = proof

    def __reduce__(self):
        return os.mkdir, (str(self.proof),)


def weights() -> dict[str, torch.Tensor]:
    made = build("small_cnn-w4", 5, 3, generator=torch.Generator().manual_seed(0))
    return {name: weight.contiguous() for name, weight in made.state_dict().items()}


def opcodes(proof: Path) -> dict[str, bytes]:
    """Pickles that make the folder, each in another way."""
    name = str(proof).encode()
    short = b"\x8c" + bytes([len(name)]) + name
    return {
        "GLOBAL": b"cos\nmkdir\n(S'" + name + b"'\ntR.",
        "INST": b"(S'" + name + b"'\nios\nmkdir\n.",
        "OBJ": b"(cos\nmkdir\nS'" + name + b"'\no.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93" + short + b"\x85R.",
        "NEWOBJ": b"\x80\x02cos\nmkdir\n" + b"S'" + name + b"'\n\x85\x81.",
        "builtins": b"cbuiltins\nexec\n(S'import os; os.mkdir(\"" + name + b"\")'\ntR.",
        "getattr": b"cbuiltins\ngetattr\n(cos\npath\nS'os'\ntR(S'x'\nd.",
        "BUILD": b"cos\nmkdir\n(S'x'\nS'" + name + b"'\ndb.",
    }


def zipped(pickled: bytes, path: Path, kind: int = zipfile.ZIP_STORED) -> None:
    """What torch.save writes, around another pickle."""
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")


def refused(path: Path, proof: Path, arch: str | None = ARCH) -> str:
    """The one line that the file is refused with; nothing was run."""
    with pytest.raises(InputError) as caught:
        open_model(path, arch)
    line = str(caught.value)
    assert not proof.exists()
    assert "\n" not in line
    assert str(path) in line
    assert len(line) < 600
    return line


@pytest.fixture
def proof(tmp_path) -> Path:
    return tmp_path / "proof"


@pytest.mark.parametrize("suffix", ["pt", "ckpt", "bin"])
@pytest.mark.parametrize("opcode", opcodes(Path("x")))
def test_a_pickle_that_would_run_code_is_refused(tmp_path, proof, opcode, suffix):
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(opcodes(proof)[opcode])
    assert "could run code" in refused(path, proof)
    zipped(opcodes(proof)[opcode], path)
    assert "could run code" in refused(path, proof)
    refused(path, proof, None)


@pytest.mark.parametrize("opcode", ["GLOBAL", "INST", "STACK_GLOBAL", "builtins"])
def test_these_pickles_would_run(proof, opcode):
    pickle.loads(opcodes(proof)[opcode])  # noqa: S301
    assert proof.exists()


@pytest.mark.parametrize(
    "hide",
    [
        lambda trap: {"state_dict": weights(), "optimizer": trap},
        lambda trap: collections.OrderedDict(**weights(), extra=[trap]),
        lambda trap: {"model": weights(), "acc": np.array([trap], dtype=object)},
    ],
    ids=["beside", "within", "numpy"],
)
@pytest.mark.parametrize("new", [True, False])
def test_a_trap_beside_good_weights_is_refused(tmp_path, proof, hide, new):
    torch.save(hide(Trap(proof)), tmp_path / "m.pth", _use_new_zipfile_serialization=new)
    assert "could run code" in refused(tmp_path / "m.pth", proof)


def test_a_whole_pickled_model_is_refused(tmp_path, proof):
    torch.save(nn.Linear(3, 2), tmp_path / "m.pt")
    assert "asks for torch.nn.modules.linear.Linear" in refused(tmp_path / "m.pt", proof)


def test_the_oldest_format_a_tar_of_pickles_is_refused(tmp_path, proof):
    with tarfile.open(tmp_path / "m.pt", "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            content = opcodes(proof)["GLOBAL"]
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    refused(tmp_path / "m.pt", proof)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 9, 300, -1, -400])
def test_a_truncated_file_is_refused(tmp_path, proof, suffix, keep):
    path = tmp_path / f"m.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(weights(), path)
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, proof)


def test_flipped_bits_are_refused_or_change_numbers_only(tmp_path, proof):
    generator = torch.Generator().manual_seed(0)
    for suffix, save in (("pt", torch.save), ("safetensors", save_file)):
        path = tmp_path / f"m.{suffix}"
        save(weights(), path)
        good = path.read_bytes()
        for place in torch.randint(len(good), (60,), generator=generator).tolist():
            path.write_bytes(good[:place] + bytes([good[place] ^ 16]) + good[place + 1 :])
            with contextlib.suppress(InputError):
                assert open_model(path, ARCH).classes == 5


def header(content: dict, data: bytes = b"") -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + data


ENTRY = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
LIES = {
    "header longer than the file": struct.pack("<Q", 2**62) + b"{}",
    "header of nothing": struct.pack("<Q", 0),
    "no JSON": struct.pack("<Q", 4) + b"<p>!",
    "offsets beyond the end": header({"w": {**ENTRY, "data_offsets": [0, 2**40]}}, b"\0" * 16),
    "huge shape": header({"w": {**ENTRY, "shape": [2**31, 2**31]}}, b"\0" * 16),
    "overlap": header({"w": ENTRY, "v": ENTRY}, b"\0" * 16),
    "negative": header({"w": {**ENTRY, "shape": [-4]}}, b"\0" * 16),
    "unknown type": header({"w": {**ENTRY, "dtype": "PICKLE"}}, b"\0" * 16),
    "deep nesting": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "bytes left over": header({"w": ENTRY}, b"\0" * 32),
    "empty": header({}),
    "none that fit": header({"w": ENTRY}, b"\0" * 16),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_safetensors_header_is_refused(tmp_path, proof, lie):
    (tmp_path / "m.safetensors").write_bytes(LIES[lie])
    refused(tmp_path / "m.safetensors", proof)


def test_a_zip_bomb_is_refused(tmp_path, proof):
    with zipfile.ZipFile(tmp_path / "m.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 2**25)
    assert "unpacks to" in refused(tmp_path / "m.pt", proof)


@pytest.mark.parametrize("new", [True, False])
def test_tuples_that_would_be_hashed_forever_are_refused(tmp_path, proof, new):
    doubled = b"".join(b"h" + bytes([k]) + b"\x86q" + bytes([k + 1]) for k in range(60))
    pickled, path = b"\x80\x02}K\x01K\x01\x86q\x00" + doubled + b"K\x01s.", tmp_path / "m.pt"
    if new:
        zipped(pickled, path)
    else:
        path.write_bytes(pickled)
    assert "take forever" in refused(path, proof)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path, proof):
    zipped(pickle.dumps({}), tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt", "a") as archive:
        archive.writestr("archive/DATA.pkl", opcodes(proof)["GLOBAL"])
    assert "twice" in refused(tmp_path / "m.pt", proof)


def test_a_tensor_that_is_larger_than_its_file_is_refused(tmp_path, proof):
    spread = torch.zeros(1).expand(10**6, 10**6)
    torch.save({**weights(), "conv1.weight": spread}, tmp_path / "m.pt")
    assert "larger than its file" in refused(tmp_path / "m.pt", proof)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({**weights(), "conv1.weight": 3}, "1 missing: 'conv1.weight'"),
        ({**weights(), 7: torch.ones(1)}, "no state_dict"),
        ({"labels": [0, 1, 2]}, "no state_dict"),
        ({**weights(), "head.bias": torch.full((5,), float("nan"))}, "5 of 5 values"),
        ({**weights(), "head.bias": torch.full((5,), float("-inf"))}, "NaN or infinite"),
        ({**weights(), "head.bias": torch.ones(2, 2)}, "of another shape"),
        ({**weights(), "head.bias": torch.ones(5).to_sparse()}, "asks for torch."),
        (
            {**weights(), "head.bias": torch.ones(5, device="meta")},
            "asks for torch.",
        ),
        ({**weights(), "head.bias": torch.ones(5, dtype=torch.complex64)}, "no plain tensor"),
        ({"<script>alert(1)</script>\n" * 9: torch.ones(1)}, "0 weights match"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_state_dict_of_that_network_is_refused(tmp_path, proof, held, told):
    torch.save(held, tmp_path / "m.pt")
    assert told in refused(tmp_path / "m.pt", proof)


@pytest.mark.parametrize("make", ["loop", "fifo", "device", "folder", "text"])
def test_what_is_no_file_of_weights_is_refused(tmp_path, proof, make):
    path = tmp_path / "m.pt"
    if make == "loop":
        path.symlink_to(path)
    elif make == "fifo":
        os.mkfifo(path)
    elif make == "device":
        path = Path("/dev/zero")
    elif make == "folder":
        path.mkdir()
    else:
        path.write_text("<!DOCTYPE html><title>404</title>")
    refused(path, proof)


CONFIGS = {
    "own code": ('{"model_type": "evil", "auto_map": {"AutoModel": "evil.Evil"}}', "never run"),
    "HTML": ("<html><body>not found</body></html>", "cannot be read as JSON"),
    "a list": ("[1, 2]", "holds a list"),
    "deep": ("[" * 100_000, "cannot be read as JSON"),
    "no type": ("{}", "model_type None"),
    "another library": ('{"model_type": "timm_wrapper"}', "timm_wrapper"),
    "too deep a net": ('{"model_type": "vit", "num_hidden_layers": 100000}', "cannot be built"),
    "too wide a net": ('{"model_type": "vit", "hidden_size": 98304}', "does not make a vit"),
    "wrong types": ('{"model_type": "vit", "hidden_size": "wide"}', "does not make a vit"),
    "other weights": ('{"model_type": "resnet", "depths": [1], "hidden_sizes": [8]}', "resnet"),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_hostile_folder_is_refused(tmp_path, proof, config, monkeypatch):
    monkeypatch.setattr(limited_process, "CPU_SECONDS", 3)
    text, told = CONFIGS[config]
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(proof)!r})\nclass Evil: pass\n")
    save_file(weights(), tmp_path / "model.safetensors")
    assert told in refused(tmp_path, proof, None)


def test_a_folder_with_a_pickle_for_weights_is_refused(tmp_path, proof):
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "pytorch_model.bin").write_bytes(opcodes(proof)["GLOBAL"])
    assert "save_pretrained" in refused(tmp_path, proof, None)
