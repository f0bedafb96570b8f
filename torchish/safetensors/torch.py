"""`safetensors.torch`: files of torchish tensors."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from torchish._tensor.creation import from_host
from torchish._tensor.size import device as Device
from torchish._tensor.tensor import Tensor
from torchish.safetensors import _format


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a file with these tensors."""
    return b"".join(bytes(p) for p in _format.pieces(_arrays(tensors), metadata))


def save_file(tensors: dict[str, Tensor], filename: Any, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a file, which is replaced as a whole."""
    _format.write(filename, _format.pieces(_arrays(tensors), metadata))


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a file."""
    header, body = _format.parse(data)
    return {name: from_host(np.array(_format.array(header, name, body))) for name in header.entries}


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors of a file, on a device."""
    found = load(_format.read(filename))
    where = Device("cuda", device) if isinstance(device, int) else Device(device)
    return found if where.type == "cpu" else {k: v.to(where) for k, v in found.items()}


def save_model(model: Any, filename: str, metadata: dict[str, str] | None = None, force_contiguous: bool = True) -> None:
    """Write a module's state; of tensors that share memory one is kept, the others' names go into the metadata."""
    state = model.state_dict()
    metadata = dict(metadata or {})
    for names in _shared(state):
        kept = min(n for n in names if state[n].numel() == max(state[m].numel() for m in names))
        for name in names:
            if name != kept:
                metadata[name] = kept
                del state[name]
    if force_contiguous:
        state = {k: v.contiguous() for k, v in state.items()}
    save_file(state, filename, metadata)


def load_model(model: Any, filename: Any, strict: bool = True, device: Any = "cpu") -> tuple[list[str], list[str]]:
    """Give a module the state in a file; returns the names that were missing and those that were not used."""
    state = load_file(filename, device=device)
    own = model.state_dict()
    result = model.load_state_dict(state, strict=False)
    unexpected = list(result.unexpected_keys)
    covered = {n for names in _shared(own) if any(m in state for m in names) for n in names}
    missing = [n for n in result.missing_keys if n not in covered]
    if strict and (missing or unexpected):
        text = f"Error(s) in loading state_dict for {type(model).__name__}:"
        if missing:
            text += "\n    Missing key(s) in state_dict: " + ", ".join(f'"{k}"' for k in sorted(missing))
        if unexpected:
            text += "\n    Unexpected key(s) in state_dict: " + ", ".join(f'"{k}"' for k in sorted(unexpected))
        raise RuntimeError(text)
    return missing, unexpected


def _shared(tensors: Any) -> list[list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    for name, t in tensors.items():
        if t.numel():
            groups[id(t._storage)].append(name)
    return [names for names in groups.values() if len(names) > 1]


def _arrays(tensors: Any) -> dict[str, np.ndarray]:
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    for name, t in tensors.items():
        if not isinstance(t, Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(t)}")
    if shared := _shared(tensors):
        raise RuntimeError(
            f"\n            Some tensors share memory, this will lead to duplicate memory on disk and potential differences when "
            f"loading them again: {[set(names) for names in shared]}.\n            A potential way to correctly save your model is to "
            "use `save_model`.\n            More information at https://huggingface.co/docs/safetensors/torch_shared_tensors\n            "
        )
    for name, t in tensors.items():
        if not t.is_contiguous():
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. It either means you are trying to save "
                "tensors which are reference of each other in which case it's recommended to save only the full tensors, and reslice at "
                "load time, or simply call `.contiguous()` on your tensor to pack it before saving."
            )
    return {name: t.detach().cpu()._host() for name, t in tensors.items()}
