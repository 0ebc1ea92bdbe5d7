"""`backburn doctor`: checks of the installation, feature by feature."""

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
"""Name of a feature, the modules that it needs, and the extra that installs them."""
PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow", "skimage": "scikit-image"}
"""Package name of each module that is named differently."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Args:
        name: of what is checked.
        state: `ok`, `missing` or `broken`.
        found: versions, or what is wrong.
        remedy: command that would fix it, if any.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def run_checks() -> list[Check]:
    """Run all checks, in the order of their report; modules are imported to test them."""
    return [_python(), _torch(), _torch_pair(), *(_feature(*feature) for feature in FEATURES)]


def is_healthy(checks: Iterable[Check]) -> bool:
    """Whether nothing is broken; missing optional packages are fine."""
    return all(check.state != "broken" for check in checks)


def _python() -> Check:
    state: State = "ok" if sys.version_info >= (3, 10) else "broken"
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("Python", state, found)


def _torch() -> Check:
    error = _import_error("torch")
    if error is not None:
        return Check("PyTorch", "broken", error, "pip install --force-reinstall torch")
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    return Check("PyTorch", "ok", f"{torch.__version__}, {device}, {threads}")


def _torch_pair() -> Check:
    """Check that torchvision was built for the installed version and build of torch."""
    torch, torchvision = _version("torch"), _version("torchvision")
    name = "torch with torchvision"
    if torch is None or torchvision is None:
        return Check(name, "missing", "no torchvision; only its own networks need it")
    wanted = matching_torchvision(torch)
    build = f" --index-url {CPU_INDEX}" if "+cpu" in torch else ""
    remedy = f"pip install --force-reinstall --no-deps 'torchvision=={wanted}.*'{build}"
    error = _import_error("torchvision")
    if error is not None:
        why = f"torch {torch} with torchvision {torchvision}: {error}"
        return Check(name, "broken", why, remedy)
    if wanted and not torchvision.startswith(f"{wanted}."):
        why = f"torch {torch} wants torchvision {wanted}, found {torchvision}"
        return Check(name, "broken", why, remedy)
    return Check(name, "ok", f"{torch} with {torchvision}")


def matching_torchvision(torch: str) -> str:
    """The torchvision version that belongs to a torch version; empty if unknown.

    >>> matching_torchvision("2.6.0+cpu")
    '0.21'
    """
    minor = re.match(r"2\.(\d+)", torch)
    return f"0.{int(minor[1]) + 15}" if minor else ""


def _feature(name: str, modules: tuple[str, ...], extra: str) -> Check:
    errors = {module: _import_error(module) for module in modules}
    not_installed = [module for module in modules if _version(_package(module)) is None]
    if not_installed:
        missing = ", ".join(map(_package, not_installed))
        remedy = f"pip install 'backburn[{extra}]'" if extra else f"pip install {missing}"
        return Check(name, "missing" if extra else "broken", f"no {missing}", remedy)
    broken = [f"{_package(module)}: {error}" for module, error in errors.items() if error]
    if broken:
        packages = " ".join(_package(module) for module in modules if errors[module])
        # the check of the pair names the remedy
        is_pair = any("torchvision" in error for error in broken)
        remedy = "" if is_pair else f"pip install --force-reinstall {packages}"
        return Check(name, "broken", "; ".join(broken), remedy)
    versions = ", ".join(f"{_package(module)} {_version(_package(module))}" for module in modules)
    return Check(name, "ok", versions)


def _package(module: str) -> str:
    return PACKAGES.get(module, module)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _import_error(module: str) -> str | None:
    """First line of the error that importing a module raises; None if it imports."""
    try:
        import_module(module)
    except Exception as error:  # a package of the wrong build may raise anything
        return first_line(error)
    return None
