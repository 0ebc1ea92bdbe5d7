"""Lets torchvision's wheel be imported beside a torch that cannot load its operators.

Its Python describes operators that its library, built for another torch, would declare; classifiers
use none of them. Import this before torchvision, timm or transformers.
"""

import importlib

import torch

from backburn import limited_process

COMMAND = "import torchvision_schemas; from backburn.cli.main import main; main()"
"""The command line, for `python -c` where tests/ is on the path."""

try:
    importlib.import_module("torchvision")
except RuntimeError:
    LIBRARY = torch.library.Library("torchvision", "DEF")  # declared as long as it lives
    for name in ("nms", "qnms"):
        LIBRARY.define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")

limited_process.CODE = limited_process.CODE.replace("; from", "; import torchvision_schemas; from")
