"""An optimizer's parameters and state, replaced for the length of a block."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.optim.optimizer import Optimizer

_NAME = "swap_in_optimizer_params_and_state"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


def _check_group(i: int, live: dict, new: Any) -> list[int]:
    """The ids of a new group's parameters; RuntimeError unless it has the form of the live one."""
    _require(isinstance(new, dict), f"{_NAME} requires each optimizer param group to be a dictionary.")
    ids = new.get("params")
    _require(
        isinstance(ids, list) and all(isinstance(n, int) for n in ids),
        f"{_NAME} requires optimizer.state_dict()-style param_groups[*]['params'] entries keyed by packed parameter ids.",
    )
    _require(
        len(live["params"]) == len(ids),
        f"swapin_optim_state param group {i} has a different number of params than the live optimizer param group.",
    )
    extra, absent = [k for k in new if k not in live], [k for k in live if k not in new]
    _require(
        not extra and not absent,
        f"{_NAME} requires optimizer.state_dict()-style param group keys to exactly match the live optimizer group keys for group {i}. "
        f"Keys only in swap-in: {extra}. Keys only in live: {absent}.",
    )
    return ids


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """A block in which `optimizer` works on other parameters (in its order) with another state (as `state_dict` gives it).

    What it does in place to those tensors stays; its own parameters, state and groups come back at the end.
    """
    _require(bool(optimizer.state), f"{_NAME} requires initialized optimizer state.")
    _require(isinstance(swapin_optim_state, dict), f"{_NAME} requires a DCP-style optimizer state_dict.")
    state, groups = swapin_optim_state.get("state"), swapin_optim_state.get("param_groups")
    if not isinstance(state, dict):
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['state'] to be a dict of per-parameter states, got {type(state).__name__}."
        )
    if not isinstance(groups, list):
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['param_groups'] to be a list of param-group dicts, got {type(groups).__name__}."
        )
    _require(
        len(optimizer.param_groups) == len(groups),
        "swapin_optim_state has a different number of parameter groups than the live optimizer.",
    )
    tensors = list(swapin_parameters.values())
    new_state: defaultdict[Tensor, Any] = defaultdict(dict)
    new_params = []
    used: set[int] = set()
    for i, (live, new) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        ids = _check_group(i, live, new)
        used.update(ids)
        _require(len(tensors) >= len(ids), f"{_NAME} requires the explicit parameter state to match optimizer.param_groups ordering.")
        params, tensors = tensors[: len(ids)], tensors[len(ids) :]
        new_params.append(params)
        for param, n in zip(params, ids, strict=True):
            new_state[param] = dict(state.get(n, {}))
    unknown = [k for k in state if k not in used]
    _require(
        not unknown,
        f"{_NAME} requires swapin_optim_state['state'] to be keyed only by packed parameter ids from param_groups[*]['params']; "
        f"got extra keys {unknown!r}.",
    )
    old_state, old_groups = optimizer.state, [dict(g) for g in optimizer.param_groups]
    try:
        for live, new, params in zip(optimizer.param_groups, groups, new_params, strict=True):
            live.update({**new, "params": params})
        optimizer.state = new_state
        yield
    finally:
        for live, old in zip(optimizer.param_groups, old_groups, strict=True):
            live.clear()
            live.update(old)
        optimizer.state = old_state
