"""`Optimizer`: parameter groups, state and hooks, and the step as one expression per group."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._pickling import reduce_ex
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine import policy
from torchish.engine.expr import LOCAL, Expr, Spec, aval, emit_multi
from torchish.nn.modules.module import _typename
from torchish.optim import transforms
from torchish.utils.hooks import RemovableHandle, add_hook

_global_optimizer_pre_hooks: OrderedDict = OrderedDict()
_global_optimizer_post_hooks: OrderedDict = OrderedDict()


class _RequiredParameter:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every optimizer's step."""
    return add_hook(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every optimizer's step."""
    return add_hook(_global_optimizer_post_hooks, hook)


_HOOKS = (
    "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks", "_optimizer_load_state_dict_post_hooks",
)  # fmt: skip


class Optimizer:
    """Base class of all optimizers: override `step`."""

    # What the optimizers of this package declare: see `_update_group`.
    _transform: Callable[..., Any]  # hyperparameters to an Optax transformation
    _numbers: tuple[str, ...] = ()  # hyperparameters that are inputs of the program
    _flags: tuple[str, ...] = ()  # hyperparameters that shape the program

    _opt_called: bool  # set by a scheduler once `step` was called
    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for name in _HOOKS:
            setattr(self, name, OrderedDict())
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got " + _typename(params)
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if len(groups) == 0:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        policy.before_training()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    __reduce_ex__ = reduce_ex

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)
        for group in self.param_groups:  # settings that older checkpoints lack
            for name, default in self.defaults.items():
                group.setdefault(name, default)
        for s in self.state.values():
            if isinstance(s, dict) and isinstance(s.get("step"), (int, float)) and type(self) in _STEP_TENSORS:
                s["step"] = step_tensor(float(s["step"]))

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"\nParameter Group {i}\n")
            lines += [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
        return f"{self.__class__.__name__} ({''.join(lines)})"

    # --- hooks ------------------------------------------------------------------------------------------------

    @staticmethod
    def profile_hook_step(func: Callable) -> Callable:
        """`func` with the step hooks called around it."""

        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            self = args[0]
            if _global_optimizer_pre_hooks or self._optimizer_step_pre_hooks:
                for hook in chain(_global_optimizer_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
                    result = hook(self, args, kwargs)
                    if result is not None:
                        if not (isinstance(result, tuple) and len(result) == 2):
                            step = repr(func).replace(func.__qualname__, f"{type(self).__name__}.step")
                            raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}.")
                        args, kwargs = result
            out = func(*args, **kwargs)
            if _global_optimizer_post_hooks or self._optimizer_step_post_hooks:
                for hook in chain(self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()):
                    hook(self, args, kwargs)
            return out

        return wrapper

    def _patch_step_function(self) -> None:
        cls = self.__class__
        if not getattr(cls.step, "hooked", None):
            cls.step = self.profile_hook_step(cls.step)  # type: ignore[method-assign]
            cls.step.hooked = True  # type: ignore[attr-defined]

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new arguments."""
        return add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another one."""
        return add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may return another one."""
        return add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # --- state dictionaries -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state, with parameters numbered in order, and the groups' settings."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                numbers.setdefault(id(p), i)
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            start += len(packed["params"])
            groups.append(packed)
        state = {(numbers[id(k)] if isinstance(k, Tensor) else k): v for k, v in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            got = hook(self, result)
            if got is not None:
                result = got
        return result

    @staticmethod
    def _process_value_according_to_param_policy(param: Tensor, value: Tensor, param_id, param_groups, key=None) -> Tensor:
        if key == "step":
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over state and settings; ValueError when the groups do not fit."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            got = hook(self, state_dict)
            if got is not None:
                state_dict = got
        groups = self.param_groups
        saved = deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved, strict=True)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        by_number = dict(
            zip(chain.from_iterable(g["params"] for g in saved), chain.from_iterable(g["params"] for g in groups), strict=True)
        )

        def cast(param, value, number, key=None):
            if isinstance(value, Tensor):
                return self._process_value_according_to_param_policy(param, value, number, state_dict["param_groups"], key)
            if isinstance(value, dict):
                return {k: cast(param, v, number, k) for k, v in value.items()}
            if isinstance(value, Iterable) and not isinstance(value, str):
                return type(value)(cast(param, v, number) for v in value)  # type: ignore[call-arg]
            return value

        state: defaultdict = defaultdict(dict)
        for k, v in state_dict["state"].items():
            if k in by_number:
                state[by_number[k]] = cast(by_number[k], v, k)
            else:
                state[k] = v
        for group, new in zip(groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # --- parameters -------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget (or zero) the gradients of all parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                g = p._grad
                if g is None:
                    continue
                if set_to_none:
                    p._grad = None
                else:
                    if g.grad_fn is not None:
                        g.detach_()
                    else:
                        g.requires_grad_(False)
                    g.zero_()

    def step(self, closure: Callable | None = None) -> Any:
        """Update the parameters; `closure` re-evaluates the model and returns the loss."""
        raise NotImplementedError

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with its own settings (missing ones are the defaults)."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change "
                "between runs. Please use a list instead."
            )
        params = list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names
            params = [p[1] for p in params]
        param_group["params"] = params
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + _typename(p))
            if not self.defaults.get("differentiable", None) and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see "
                "github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        known: set = set()
        for group in self.param_groups:
            known.update(group["params"])
            if ("param_names" in param_group) != ("param_names" in group):
                kind = "with names" if "param_names" in param_group else "without names"
                raise ValueError(
                    f"all optimizer param groups should be with/without names. cannot add param group {kind} to the optimizer"
                )
        if not known.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)


# --- the step as one expression ------------------------------------------------------------------------------


def step_tensor(value: float) -> Tensor:
    """A step counter: a 0-d tensor of the scalar dtype that PyTorch's optimizers use."""
    return Tensor._wrap(_count_leaf(value))


def _noted(group: dict, name: str, v: Any) -> Any:
    """A hyperparameter of a step that is being captured: its number is told apart from equal ones, to be looked up at each run."""
    if v.__class__ is not float or v == 0.0:
        return v
    key, i = ("betas", int(name[-1]) - 1) if name in ("beta1", "beta2") else (name, None)
    found = group.get(key)
    if (found if i is None else found[i]) is not v:  # type: ignore[index]
        return v
    own: float = v * 1.0  # type: ignore[operator]
    LOCAL.capture.setting(own, group, key, i)
    return own


_count_avals: dict = {}


def _count_leaf(value: float) -> Expr:
    d = np.float64 if dt._default is dt.float64 else np.float32
    a = _count_avals.get(d)
    if a is None:
        a = _count_avals[d] = aval((), np.dtype(d))
    return Expr(None, (), a, np.asarray(value, d))


def store(t: Tensor, e: Expr, writes: int = 1) -> None:
    """Give a tensor a new value, as so many in-place operations outside autograd do."""
    st = t._storage
    if t._chain or st.buffer is not None:
        t._write(e)
    else:
        st.expr = e
        st.writes += 1
    t._vc.version += writes


_SPECS: dict[tuple, tuple[Spec, tuple]] = {}
# Optimizers whose state counts steps in a tensor (filled by `FusedOptimizer`).
_STEP_TENSORS: set[type] = set()


class FusedOptimizer(Optimizer):
    """An optimizer whose step runs an Optax transformation over all parameters of a group, as one expression.

    A subclass names its transformation, the hyperparameters that are inputs of the program (`_numbers`: changing
    them never recompiles) and those that shape it (`_flags`), and makes the first state of a parameter.
    """

    _slots: tuple[str, ...] = ()  # state tensors, in the transformation's order
    _counts = True  # state["step"]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls._counts:
            _STEP_TENSORS.add(cls)

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any] | None:
        """The state of a parameter before its first update (None when there is nothing to keep)."""
        raise NotImplementedError

    def _check_group(self, group: dict, params: list[Tensor]) -> None:
        """Raise what PyTorch's step raises for parameters that it cannot update."""

    def _writes(self, group: dict) -> int:
        """How many in-place operations PyTorch's step changes a parameter by, as the version that errors name shows."""
        return 1

    def _values(self, group: dict) -> tuple:
        """The hyperparameters of `_numbers`, in order."""
        return tuple([group[k] for k in self._numbers])

    def _flag_values(self, group: dict) -> tuple:
        """The hyperparameters of `_flags`, in order."""
        return tuple([group[k] for k in self._flags])

    def _hyper(self, numbers: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
        """The transformation's arguments."""
        return {**numbers, **flags}

    def step(self, closure: Callable | None = None) -> Any:
        """Update the parameters that have gradients; `closure` re-evaluates the model and returns the loss."""
        loss = None
        enabled = STATE.enabled
        try:
            if closure is not None:
                STATE.enabled = True
                loss = closure()
            STATE.enabled = False
            for group in self.param_groups:
                self._update_group(group)
        finally:
            STATE.enabled = enabled
        return loss

    def _update_group(self, group: dict) -> None:
        params = [p for p in group["params"] if p._grad is not None]
        if not params:
            return
        self._check_group(group, params)
        all_state = self.state
        states = []
        for p in params:
            s = all_state.get(p)
            if not s:
                s = self._init_state(p, group)
                if s is None:
                    s = {}
                else:
                    all_state[p] = s
            states.append(s)
        devices = {p._aval.device for p in params}
        if len(devices) > 1:
            for where in sorted(devices):
                chosen = [i for i, p in enumerate(params) if p._aval.device == where]
                self._count_and_update(group, [params[i] for i in chosen], [states[i] for i in chosen])
        else:
            self._count_and_update(group, params, states)

    def _count_and_update(self, group: dict, params: list[Tensor], states: list[dict]) -> None:
        """Advance the step counters; parameters at the same count share one expression."""
        if not self._counts:
            self._emit(group, params, states, 1.0)
            return
        counters = [s["step"] for s in states]
        first = counters[0]._storage.expr
        if first.value is not None and not counters[0]._chain and len({id(c._storage.expr) for c in counters}) == 1:
            count = float(first.value) + 1.0
            new = _count_leaf(count)
            if LOCAL.capture is not None:
                LOCAL.capture.counted(first, count, new)
            for c in counters:
                store(c, new)
            self._emit(group, params, states, count)
            return
        by_count: dict[float, list[int]] = {}
        for i, c in enumerate(counters):
            value = c._storage.expr.value if not c._chain else None
            by_count.setdefault(float(c.item() if value is None else value) + 1.0, []).append(i)
        for count, chosen in by_count.items():
            new = _count_leaf(count)
            if LOCAL.capture is not None:
                first = counters[chosen[0]]._storage.expr
                LOCAL.capture.counted(first, count, new)
                if any(counters[i]._storage.expr is not first for i in chosen):
                    LOCAL.capture.unrepeatable("the step counters of its optimizer are not shared yet")
            for i in chosen:
                c = counters[i]
                if c._aval is new.aval:
                    store(c, new)
                else:
                    c.fill_(count)
            self._emit(group, [params[i] for i in chosen], [states[i] for i in chosen], count)

    def _emit(self, group: dict, params: list[Tensor], states: list[dict], count: float) -> None:
        inputs: list[Any] = [p._read() for p in params]
        inputs += [p._grad._read() for p in params]  # type: ignore[union-attr]
        slots = self._slots
        present = []
        for name in slots:
            for s in states:
                t = s.get(name)
                if t is None:
                    present.append(False)
                else:
                    present.append(True)
                    inputs.append(t._read())
        inputs.append(count)
        zeros = []
        values = self._values(group)
        if LOCAL.capture is not None:
            values = tuple([_noted(group, name, v) for name, v in zip(self._numbers, values, strict=True)])
        for v in values:
            if v.__class__ is float:
                pass
            elif isinstance(v, Tensor):
                v = v._read() if v._aval.ndim == 0 else v.reshape(())._read()
            else:
                v = float(v)
            zero = v.__class__ is float and v == 0.0
            zeros.append(zero)
            if not zero:
                inputs.append(v)
        flags = self._flag_values(group)
        key = (type(self), len(params), tuple(present), tuple(zeros), flags)
        found = _SPECS.get(key)
        if found is None:
            found = _SPECS[key] = self._make_spec(*key[1:])
        spec, after = found
        results = iter(emit_multi(spec, tuple(inputs)))
        writes = self._writes(group)
        for p in params:
            store(p, next(results), writes)
        i = 0
        for name in slots:
            for s, p in zip(states, params, strict=True):
                if after[i]:
                    e = next(results)
                    t = s.get(name)
                    if t is None:
                        s[name] = Tensor._wrap(e, p._strides if p._aval is e.aval else None)
                    else:
                        store(t, e)
                i += 1

    def _after(self, present: tuple[bool, ...], zeros: tuple[bool, ...], n: int) -> tuple[bool, ...]:
        """Which slots exist after the update."""
        return present

    def _make_spec(self, n: int, present: tuple[bool, ...], zeros: tuple[bool, ...], flags: tuple) -> tuple[Spec, tuple]:
        slots = self._slots
        after = self._after(present, zeros, n)
        fixed = dict(zip(self._flags, flags, strict=True))

        def run(*values):
            it = iter(values)
            params = [next(it) for _ in range(n)]
            grads = [next(it) for _ in range(n)]
            given = iter(present)
            tree = {k: [next(it) if next(given) else None for _ in range(n)] for k in slots}
            count = next(it)
            numbers = {k: 0 if zero else next(it) for k, zero in zip(self._numbers, zeros, strict=True)}
            tx = type(self)._transform(**self._hyper(numbers, fixed))
            results, new = tx.update(grads, transforms.State(count - 1, tree), params, whole=True)
            kept = iter(after)
            for k in slots:
                for old, v in zip(tree[k], new.slots.get(k, [None] * n), strict=True):
                    if next(kept):
                        results.append(old if v is None else v)
            return tuple(results)

        name = type(self).__name__
        state = iter(range(2 * n, 2 * n + len(present)))
        places = [next(state) if there else None for there in present]
        replaces = (*range(n), *[place for place, kept in zip(places, after, strict=True) if kept])
        return Spec(run, f"{name}.step", f"optim.{name}/{n}{present}{zeros}{flags}", replaces=replaces), after


__all__ = ["FusedOptimizer", "Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook", "required"]
