"""What is installed, what is missing for which feature, and what is installed but broken."""

import os
import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from ..errors import first_line

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of builds without CUDA."""
State = Literal["ok", "missing", "broken"]
FEATURES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("audit, repair, report", ("torch", "numpy", "sklearn", "scipy", "PIL", "safetensors"), ""),
    ("parquet files", ("pyarrow",), ""),
    ("saved and hf: data sets", ("datasets",), "hub"),
    ("--arch timm:...", ("timm",), "networks"),
    ("--arch torchvision:...", ("torchvision",), "networks"),
    ("Hugging Face models", ("transformers",), "networks"),
    ("figures, backburn.show", ("matplotlib",), "figures"),
    ("serve", ("starlette", "uvicorn"), "serve"),
    ("suspects.to_pandas()", ("pandas",), "pandas"),
    ("SSIM of triggers in bench", ("skimage",), "benchmark"),
    ("cleanlab's issues", ("cleanlab",), "cleanlab"),
    ("--ray", ("ray",), "ray"),
)
"""What can be done, the modules that it needs, and the extra that brings them."""
PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow", "skimage": "scikit-image"}
"""What a module's package is called, where it is called otherwise."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what it is about, how it is, what was found, and what would mend it."""

    name: str
    state: State
    found: str
    remedy: str = ""


def examine() -> list[Check]:
    """Everything that is looked at, in order; modules are imported to see whether they load."""
    return [_python(), _torch(), _pair(), *(_feature(*each) for each in FEATURES)]


def is_well(checks: Iterable[Check]) -> bool:
    """Whether nothing that is installed is broken."""
    return all(check.state != "broken" for check in checks)


def _python() -> Check:
    state: State = "ok" if sys.version_info >= (3, 10) else "broken"
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("Python", state, found)


def _torch() -> Check:
    error = _fault("torch")
    if error is not None:
        return Check("PyTorch", "broken", error, "pip install --force-reinstall torch")
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    return Check("PyTorch", "ok", f"{torch.__version__}, {device}, {threads}")


def _pair() -> Check:
    """torchvision's operators are built for one version and build of torch."""
    own, other = _version("torch"), _version("torchvision")
    name = "torch with torchvision"
    if own is None or other is None:
        return Check(name, "missing", "no torchvision; only its own networks need it")
    wanted = torchvision_for(own)
    build = f" --index-url {CPU_INDEX}" if "+cpu" in own else ""
    remedy = f"pip install --force-reinstall --no-deps 'torchvision=={wanted}.*'{build}"
    error = _fault("torchvision")
    if error is not None:
        why = f"torch {own} with torchvision {other}: {error}"
        return Check(name, "broken", why, remedy)
    if wanted and not other.startswith(f"{wanted}."):
        why = f"torch {own} wants torchvision {wanted}, found {other}"
        return Check(name, "broken", why, remedy)
    return Check(name, "ok", f"{own} with {other}")


def torchvision_for(torch: str) -> str:
    """The version of torchvision that goes with one of torch: 2.6 with 0.21, and so on."""
    found = re.match(r"2\.(\d+)", torch)
    return f"0.{int(found[1]) + 15}" if found else ""


def _feature(name: str, modules: tuple[str, ...], extra: str) -> Check:
    faults = {module: _fault(module) for module in modules}
    lacking = [module for module in modules if _version(_package(module)) is None]
    if lacking:
        missing = ", ".join(map(_package, lacking))
        remedy = f"pip install 'backburn[{extra}]'" if extra else f"pip install {missing}"
        return Check(name, "missing" if extra else "broken", f"no {missing}", remedy)
    broken = [f"{_package(module)}: {error}" for module, error in faults.items() if error]
    if broken:
        again = " ".join(_package(module) for module in modules if faults[module])
        pair = any("torchvision" in error for error in broken)  # mended by the pair's line
        remedy = "" if pair else f"pip install --force-reinstall {again}"
        return Check(name, "broken", "; ".join(broken), remedy)
    found = ", ".join(f"{_package(module)} {_version(_package(module))}" for module in modules)
    return Check(name, "ok", found)


def _package(module: str) -> str:
    return PACKAGES.get(module, module)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _fault(module: str) -> str | None:
    """Why a module does not load; None where it does."""
    try:
        import_module(module)
    except Exception as error:  # whatever a package of the wrong build raises
        return first_line(error)
    return None
