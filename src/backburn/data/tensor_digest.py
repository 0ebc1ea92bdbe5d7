"""SHA-256 digests of tensors."""

import hashlib

import torch


def digest(first: bytes, *tensors: torch.Tensor) -> str:
    """Return the hexadecimal SHA-256 of the bytes and of each tensor's dtype, shape and values.

    >>> digest(b"seed 0", torch.zeros(2))[:8]
    'f2a01de5'
    """
    sha256 = hashlib.sha256(first)
    for tensor in tensors:
        sha256.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        sha256.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return sha256.hexdigest()
