"""`torch.utils.checkpoint`: parts of a model whose intermediate values are computed again in the backward pass instead of kept."""

from __future__ import annotations

import contextlib
import enum
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torchish as torch
from torchish.autograd.graph import tasks
from torchish.autograd.saved import saved_tensors_hooks

_MATCH_TIP = """
Tip: To see a more detailed error message, either pass `debug=True` to
`torch.utils.checkpoint.checkpoint(...)` or wrap the code block
with `with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):` to
enable checkpoint‑debug mode globally.
"""


class CheckpointError(RuntimeError):
    """The recomputation differs from the forward pass."""

    __module__ = "torch.utils.checkpoint"


class _Settings:
    early_stop: bool | None = None
    debug: bool | None = None


@contextlib.contextmanager
def _set(name: str, value: bool | None) -> Iterator[None]:
    previous = getattr(_Settings, name)
    setattr(_Settings, name, value)
    try:
        yield
    finally:
        setattr(_Settings, name, previous)


def set_checkpoint_early_stop(enable: bool) -> contextlib.AbstractContextManager[None]:
    """Inside the block, whether recomputation ends with the last value that is needed; overrides `checkpoint(early_stop=…)`."""
    return _set("early_stop", enable)


def set_checkpoint_debug_enabled(enabled: bool | None) -> contextlib.AbstractContextManager[None]:
    """Accepted: the errors of `checkpoint` are the same with it."""
    return _set("debug", enabled)


class DefaultDeviceType:
    """The device type whose random state is kept when no argument says which."""

    __module__ = "torch.utils.checkpoint"
    _default_device_type: str | None = None

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Set it."""
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        """The device type, "cuda" unless set."""
        return DefaultDeviceType._default_device_type or "cuda"


def noop_context_fn() -> tuple[contextlib.AbstractContextManager, contextlib.AbstractContextManager]:
    """Two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def detach_variable(inputs: tuple) -> tuple:
    """The tensors of a tuple without their history, each still requiring a gradient if it did; RuntimeError for anything else."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    out = []
    for x in inputs:
        if isinstance(x, torch.Tensor):
            requires_grad = x.requires_grad
            x = x.detach()
            x.requires_grad = requires_grad
        out.append(x)
    return tuple(out)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn when no tensor among the inputs requires a gradient."""
    if not any(x.requires_grad for x in inputs if isinstance(x, torch.Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class GraphExecGroup:
    """Inside the block several backward passes compute a checkpointed part again once between them, each value for one of them.

    RuntimeError for a group within a group.
    """

    __module__ = "torch.utils.checkpoint"
    _current: GraphExecGroup | None = None

    def __enter__(self) -> GraphExecGroup:
        if GraphExecGroup._current is not None:
            raise RuntimeError(f"GraphExecGroup contexts cannot be nested. Already inside group {GraphExecGroup._current}")
        GraphExecGroup._current = self
        return self

    def __exit__(self, *args: object) -> None:
        GraphExecGroup._current = None

    @classmethod
    def _get_current_group(cls) -> GraphExecGroup | None:
        return cls._current


class CheckpointPolicy(enum.Enum):
    """What becomes of an operation's result in a checkpointed part."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


CheckpointPolicy.__module__ = "torch.utils.checkpoint"


def create_selective_checkpoint_contexts(policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False) -> tuple:
    """Contexts for `context_fn`, which change nothing: all is computed again, and gradients are the same whatever the policy.

    TypeError unless the policy is a function or a list.
    """
    if not isinstance(policy_fn_or_list, list) and not callable(policy_fn_or_list):
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    return noop_context_fn()


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """The devices, other than the CPU, of the tensors among the arguments, and the states of their random generators."""
    from torchish._tensor.generator import generator_for

    found = [a for a in args if isinstance(a, torch.Tensor) and a.device.type not in ("cpu", "meta")]
    return [a.get_device() for a in found], [generator_for(a._aval.device).get_state() for a in found]


def set_device_states(devices: Iterable[int], states: Iterable[Any], *, device_type: str | None = None) -> None:
    """Give the random generators of devices the states that `get_device_states` found."""
    from torchish._tensor.generator import generator_for

    kind = DefaultDeviceType.get_device_type() if device_type is None else device_type
    for i, state in zip(devices, states, strict=False):
        generator_for(f"{kind}:{i}").set_state(state)


class _State:
    """What a part of a model depends on besides its arguments: random generators and autocast."""

    def __init__(self, preserve_rng_state: bool, args: Sequence[Any]):
        kinds = [a.device.type for a in args if isinstance(a, torch.Tensor) and a.device.type not in ("cpu", "meta")]
        self.device_type = kinds[0] if kinds else None
        self.rng = torch.get_rng_state() if preserve_rng_state else None
        self.devices: list[str] = []
        self.device_rng: list[Any] = []
        if preserve_rng_state and self.device_type is not None:
            from torchish._tensor.generator import generator_for

            self.devices = sorted({str(a._aval.device) for a in args if isinstance(a, torch.Tensor) and a.device.type == self.device_type})
            self.device_rng = [generator_for(d).get_state() for d in self.devices]
        self.autocast = [
            (d, torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in ("cpu", self.device_type) if d is not None
        ]

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Inside the block everything is as it was."""
        from torchish._tensor.generator import generator_for

        now = torch.get_rng_state() if self.rng is not None else None
        device_now = [generator_for(d).get_state() for d in self.devices]
        try:
            if self.rng is not None:
                torch.set_rng_state(self.rng)
            for d, state in zip(self.devices, self.device_rng, strict=True):
                generator_for(d).set_state(state)
            with contextlib.ExitStack() as stack:
                for d, enabled, dtype in self.autocast:
                    if torch.amp.is_autocast_available(d):
                        stack.enter_context(torch.amp.autocast(d, enabled=enabled, dtype=dtype))
                yield
        finally:
            if now is not None:
                torch.set_rng_state(now)
            for d, state in zip(self.devices, device_now, strict=True):
                generator_for(d).set_state(state)


# With a backward pass inside the backward pass ------------------------------------------------------------------------------------


class CheckpointFunction(torch.autograd.Function):
    """The variant that runs a backward pass of its own inside the backward pass (`use_reentrant=True`)."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function, ctx.state = run_function, _State(preserve_rng_state, args)
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        ctx.inputs = [None if isinstance(a, torch.Tensor) else a for a in args]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if tasks and tasks[-1].goals is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible"
                " with .grad() or passing an `inputs` parameter to .backward()."
                " To resolve this error, you can either set use_reentrant=False,"
                " or call .backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.inputs)
        for i, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[i] = t
        detached = detach_variable(tuple(inputs))
        with ctx.state.again(), torch.enable_grad():
            outputs = ctx.run_function(*detached)
        if isinstance(outputs, torch.Tensor):
            outputs = (outputs,)
        pairs = [(o, g) for o, g in zip(outputs, grads, strict=False) if isinstance(o, torch.Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x.grad if isinstance(x, torch.Tensor) else None for x in detached))


CheckpointFunction.__module__ = "torch.utils.checkpoint"


# Without one ----------------------------------------------------------------------------------------------------------------------


class _Holder:
    """Stands for a tensor that the forward pass would have saved: its number in the order of saving."""

    __slots__ = ("number", "__weakref__")

    def __init__(self, number: int):
        self.number = number


class _Done(Exception):
    """The recomputation has saved all that is needed."""


def _metadata(x: Any) -> dict[str, Any]:
    return {"shape": x.shape, "dtype": x.dtype, "device": x.device}


_CHECKS: dict[str, Callable[[Any], Any]] = {"default": _metadata, "none": lambda _: None}


class _Frame:
    """One checkpointed call: what it saved in the forward pass, and how to compute that again."""

    def __init__(self, recompute: Callable[[], None], metadata: Callable[[Any], Any], early_stop: bool):
        self.recompute, self.metadata, self.early_stop = recompute, metadata, early_stop
        self.holders: list[weakref.ref[_Holder]] = []
        self.seen: list[Any] = []  # the metadata of each saved tensor
        self.complete = False
        self.values: dict[Any, dict[int, Any]] = {}  # by backward pass, what was recomputed and not yet handed out

    def pack(self, x: Any) -> _Holder:
        holder = _Holder(len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.seen.append(self.metadata(x))
        return holder

    def unpack(self, holder: _Holder) -> Any:
        task = GraphExecGroup._current or (tasks[-1].number if tasks else None)
        if task is None:  # outside of a backward pass: `grad_fn._saved_self`
            return self._computed_again()[holder.number]
        values = self.values.get(task)
        if values is None:
            self.values = {task: (values := self._computed_again())}
        if holder.number not in values:
            extra = (
                "Performing two backward calls that overlap (i.e. require the same "
                "saved activation in order to compute gradients) is not allowed while "
                "under the torch.utils.checkpoint.GraphExecGroup context. "
            )
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already "
                f"unpacked once. {extra if GraphExecGroup._current else ''}If you are calling ctx.saved_tensors in backward, make sure "
                "to do so only once. Otherwise please open an issue with details on your use case."
            )
        return values.pop(holder.number)

    def _computed_again(self) -> dict[int, Any]:
        values: dict[int, Any] = {}
        count = 0
        loose = False  # a backward pass inside of the checkpointed part, before its end

        def keep(x: Any) -> Any:
            nonlocal count, loose
            number, count = count, count + 1
            x = x.detach() if x.requires_grad else x
            if number >= len(self.holders):
                if not self.complete:
                    loose = True
                    return x
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during "
                    f"recomputation than during the original forward pass.\n{_MATCH_TIP}"
                )
            if self.holders[number]() is not None:
                values[number] = x
            if self.early_stop and count == len(self.holders):
                raise _Done
            return x

        with contextlib.suppress(_Done), saved_tensors_hooks(keep, lambda x: x), torch.enable_grad():
            self.recompute()
        if not loose:
            self._compare(values, count)
        return values

    def _compare(self, values: dict[int, Any], count: int) -> None:
        if count != len(self.holders):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved "
                "during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {count}.\n{_MATCH_TIP}"
            )
        text = ""
        for number, x in values.items():
            before, after = self.seen[number], self.metadata(x)
            if before != after:
                text += f"tensor at position {number}:\nsaved metadata: {before}\nrecomputed metadata: {after}\n"
        if text:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors "
                f"have different metadata than during the forward pass.\n{text}.\n{_MATCH_TIP}"
            )


def checkpoint(
    function: Callable, *args: Any, use_reentrant: bool | None = None, context_fn: Callable = noop_context_fn,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args, **kwargs)`, whose intermediate values the backward pass computes again instead of finding them kept.

    `preserve_rng_state=True` (keyword) repeats the random numbers of the forward pass. With `use_reentrant=False` the recomputation is
    compared with the forward pass by shape, dtype and device, unless `determinism_check="none"`: CheckpointError where they differ.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be "
            "passed explicitly. Starting in PyTorch 2.9, calling checkpoint "
            "without use_reentrant will raise an exception. use_reentrant=False is "
            "recommended, but if you need to preserve the current default "
            "behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            stacklevel=1,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        _no_keywords(kwargs)
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in _CHECKS:
        raise ValueError(f"determinism_check should be one of {list(_CHECKS)}, but got {determinism_check}")
    if (debug if _Settings.debug is None else _Settings.debug) and context_fn is not noop_context_fn:
        raise ValueError("debug=True is incompatible with non-default context_fn")
    forward_context, recompute_context = context_fn()
    if not torch.is_grad_enabled():
        return function(*args, **kwargs)
    state = _State(preserve, args)

    def recompute() -> None:
        with state.again(), recompute_context:
            function(*args, **kwargs)

    frame = _Frame(recompute, _CHECKS[determinism_check], early_stop if _Settings.early_stop is None else _Settings.early_stop)
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        result = function(*args, **kwargs)
    frame.complete = True
    return result


def _no_keywords(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """A Sequential or a list of functions applied to `input` in `segments` parts, each but the last checkpointed."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant "
            "parameter should be passed explicitly. "
            "In version 2.9 we will raise an exception if use_reentrant "
            "is not passed. use_reentrant=False is "
            "recommended, but if you need to preserve the current default "
            "behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    _no_keywords(kwargs)
    if isinstance(functions, torch.nn.Sequential):
        functions = list(functions.children())

    def part(start: int, stop: int) -> Callable:
        def forward(x: Any) -> Any:
            for f in functions[start:stop]:
                x = f(x)
            return x

        return forward

    size, done = len(functions) // segments, 0
    for start in range(0, size * (segments - 1), size):
        done = start + size
        input = checkpoint(part(start, done), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(done, len(functions))(input)


__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "DefaultDeviceType", "GraphExecGroup", "check_backward_validity",
    "checkpoint", "checkpoint_sequential", "create_selective_checkpoint_contexts", "detach_variable", "get_device_states",
    "noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip
