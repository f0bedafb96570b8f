"""`torch.autograd.functional`: Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish.autograd.grad_mode import enable_grad


def _tuple_of(x: Any, arg: str, fn: str) -> tuple[bool, tuple]:
    """(was a tuple, the tuple), after checking that it holds tensors only."""
    from torchish._tensor.tensor import Tensor

    given = x
    is_tuple = isinstance(x, tuple)
    if not is_tuple:
        x = (x,)
    for i, t in enumerate(x):
        if not isinstance(t, Tensor):
            if is_tuple:
                raise TypeError(
                    f"The {arg} given to {fn} must be either a Tensor or a tuple of Tensors but the value at index {i} has type "
                    f"{type(t)}."
                )
            raise TypeError(
                f"The {arg} given to {fn} must be either a Tensor or a tuple of Tensors but the given {arg} has type {type(given)}."
            )
    return is_tuple, x


def _fresh(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs to differentiate with respect to: views of the originals when a graph is wanted, else new leaves."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)
    return tuple(t.detach().requires_grad_() for t in inputs)


def _result(x: Any, create_graph: bool) -> Any:
    if isinstance(x, tuple):
        return tuple(_result(t, create_graph) for t in x)
    return x if create_graph else x.detach()


def _unpack(x: tuple, is_tuple: bool) -> Any:
    return x if is_tuple else x[0]


def _check_vector(v: tuple, other: tuple, is_other_tuple: bool) -> None:
    if len(other) != len(v):
        if is_other_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(other)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, other, strict=True)):
        if a.size() != b.size():
            prefix = f"Entry {i} in " if is_other_tuple else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {b.size()} but got {a.size()}.")


_STRICT = {
    "outputs": "Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
    "differentiable manner from the input when running in strict mode.",
    "grad_inputs": "The gradient with respect to input {i} is independent of the inputs of the user-provided function. This is "
    "not allowed in strict mode.",
    "jacobian": "While computing the hessian, found that the jacobian of the user-provided function with respect to input {i} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice differentiable "
    "and that the jacobian depends on the inputs (this would be violated by a linear function for example).",
    "hessian": "The hessian of the user-provided function with respect to input {i} is independent of the input. This is not "
    "allowed in strict mode. You should ensure that your function is thrice differentiable and that the hessian depends on the "
    "inputs.",
}


def _check_grads(results: tuple, strict: bool, kind: str) -> None:
    """In strict mode, refuse results that do not depend on the inputs."""
    if not strict:
        return
    for i, t in enumerate(results):
        if t is None:
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
            )
        if not t.requires_grad:
            raise RuntimeError(_STRICT[kind].format(i=i))


def _grad(outputs, inputs, grad_outputs=None, create_graph=False, retain_graph=None) -> tuple:
    """`autograd.grad` that leaves out outputs without gradient and gives None where nothing flows."""
    from torchish.autograd import grad

    given = (None,) * len(outputs) if grad_outputs is None else grad_outputs
    kept = [(o, g) for o, g in zip(outputs, given, strict=True) if o is not None and o.requires_grad]
    if not kept:
        return (None,) * len(inputs)
    outs, gs = zip(*kept, strict=True)
    return grad(outs, inputs, gs, allow_unused=True, create_graph=create_graph, retain_graph=retain_graph)


def _fill(grads: tuple, refs: tuple, strict: bool, create_graph: bool, stage: str) -> tuple:
    import torchish

    out = []
    for i, (g, r) in enumerate(zip(grads, refs, strict=True)):
        if g is None:
            if strict:
                if stage == "back":
                    raise RuntimeError(
                        f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
                    )
                if stage == "back_trick":
                    raise RuntimeError(
                        f"The gradient with respect to the input is independent of entry {i} in the grad_outputs when using the "
                        "double backward trick to compute forward mode gradients. This is not allowed in strict mode."
                    )
                if stage == "double_back":
                    raise RuntimeError(
                        f"The jacobian of the user-provided function is independent of input {i}. This is not allowed in strict mode."
                    )
                raise RuntimeError(
                    f"The hessian of the user-provided function is independent of entry {i} in the grad_jacobian. This is not allowed "
                    "in strict mode as it prevents from using the double backward trick to replace forward mode AD."
                )
            g = torchish.zeros_like(r)
        elif strict and create_graph and not g.requires_grad:
            if "double" not in stage:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {i}. This is not allowed in strict mode when "
                    "create_graph=True."
                )
            raise RuntimeError(
                f"The hessian of the user-provided function is independent of input {i}. This is not allowed in strict mode when "
                "create_graph=True."
            )
        out.append(g)
    return tuple(out)


def _ones_if_scalar(v, ref: tuple, is_tuple: bool, what: str) -> tuple:
    if v is not None:
        _, v = _tuple_of(v, "v", what)
        v = _fresh_vector(v)
        _check_vector(v, ref, is_tuple)
        return v
    if len(ref) != 1 or ref[0].nelement() != 1:
        raise RuntimeError(_NO_V[what])
    return (None,)


_NO_V = {
    "vjp": "The vector v can only be None if the user-provided function returns a single Tensor with a single element.",
    "jvp": "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.",
    "vhp": "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.",
    "hvp": "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.",
}


def _fresh_vector(v: tuple) -> tuple:
    return tuple(t if t.requires_grad else t.detach() for t in v)


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), vᵀ J): the product of a vector with the Jacobian."""
    with enable_grad():
        is_inputs_tuple, inputs = _tuple_of(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        outputs = func(*inputs)
        is_outputs_tuple, outputs = _tuple_of(outputs, "outputs of the user-provided function", "vjp")
        _check_grads(outputs, strict, "outputs")
        v = _ones_if_scalar(v, outputs, is_outputs_tuple, "vjp")
        got = _fill(_grad(outputs, inputs, v, create_graph), inputs, strict, create_graph, "back")
    return _unpack(_result(outputs, create_graph), is_outputs_tuple), _unpack(_result(got, create_graph), is_inputs_tuple)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), J v): the product of the Jacobian with a vector."""
    import torchish

    with enable_grad():
        is_inputs_tuple, inputs = _tuple_of(inputs, "inputs", "jvp")
        inputs = _fresh(inputs, create_graph)
        v = _ones_if_scalar(v, inputs, is_inputs_tuple, "jvp")
        outputs = func(*inputs)
        is_outputs_tuple, outputs = _tuple_of(outputs, "outputs of the user-provided function", "jvp")
        _check_grads(outputs, strict, "outputs")
        dummy = tuple(torchish.zeros_like(o, requires_grad=True) for o in outputs)
        first = _grad(outputs, inputs, dummy, True)
        _check_grads(first, strict, "grad_inputs")
        first = _fill(first, inputs, strict, True, "back")
        got = _fill(_grad(first, dummy, v, create_graph), outputs, strict, create_graph, "back_trick")
    return _unpack(_result(outputs, create_graph), is_outputs_tuple), _unpack(_result(got, create_graph), is_outputs_tuple)


def jacobian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """All partial derivatives: entry [i][j] has the shape of output i followed by that of input j."""
    import torchish

    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than inputs, '
            '"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        is_inputs_tuple, inputs = _tuple_of(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        outputs = func(*inputs)
        is_outputs_tuple, outputs = _tuple_of(outputs, "outputs of the user-provided function", "jacobian")
        _check_grads(outputs, strict, "outputs")
        if vectorize:
            if strict:
                raise RuntimeError(
                    "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either "
                    "set `strict=False` or `vectorize=False`."
                )
            table = _result(_all_rows(outputs, inputs, create_graph), create_graph)
            return _unpack(tuple(_unpack(r, is_inputs_tuple) for r in table), is_outputs_tuple)
        rows = []
        for i, out in enumerate(outputs):
            columns: list[list] = [[] for _ in inputs]
            flat = out.reshape(-1)
            for j in range(out.nelement()):
                vj = _grad((flat[j],), inputs, retain_graph=True, create_graph=create_graph)
                for el, (column, g, inp) in enumerate(zip(columns, vj, inputs, strict=True)):
                    if g is not None:
                        if strict and create_graph and not g.requires_grad:
                            raise RuntimeError(
                                "The jacobian of the user-provided function is independent of input "
                                f"{i}. This is not allowed in strict mode when create_graph=True."
                            )
                        column.append(g)
                    else:
                        if strict:
                            raise RuntimeError(
                                f"Output {i} of the user-provided function is independent of input {el}. This is not allowed in "
                                "strict mode."
                            )
                        column.append(torchish.zeros_like(inp))
            rows.append(
                tuple(
                    torchish.stack(c, dim=0).view(out.size() + inp.size()) if c
                    else torchish.zeros(tuple(out.size() + inp.size()), dtype=inp.dtype)
                    for c, inp in zip(columns, inputs, strict=True)
                )
            )  # fmt: skip
        result = _result(tuple(rows), create_graph)
    rows_ = tuple(_unpack(r, is_inputs_tuple) for r in result)
    return _unpack(rows_, is_outputs_tuple)


def _all_rows(outputs: tuple, inputs: tuple, create_graph: bool) -> tuple:
    """The Jacobian as one backward pass for all elements of the outputs together."""
    import torchish
    from torchish.func import vmap
    from torchish.func._grad import standard_basis

    sizes = [o.numel() for o in outputs]

    def row(*cotangents):
        got = _grad(outputs, inputs, cotangents, create_graph, retain_graph=True)
        return tuple(torchish.zeros_like(x) if g is None else g for g, x in zip(got, inputs, strict=True))

    columns = [c.split(sizes, 0) for c in vmap(row)(*standard_basis(outputs, 0, sum(sizes)))]
    return tuple(
        tuple(c[i].view(tuple(o.shape) + tuple(x.shape)) for c, x in zip(columns, inputs, strict=True)) for i, o in enumerate(outputs)
    )


def _forward_jacobian(func: Callable, inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> Any:
    """The Jacobian as one forward pass with tangents for all elements of the inputs together (lists, as PyTorch gives them)."""
    import torchish
    from torchish.autograd import forward_ad
    from torchish.func import vmap
    from torchish.func._grad import standard_basis

    if strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `strategy=\"forward-mode\"` are not supported together (yet). Please "
            "either set `strict=False` or `strategy=\"reverse-mode\"`."
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`."
        )
    is_inputs_tuple, inputs = _tuple_of(inputs, "inputs", "jacobian")
    sizes = [x.numel() for x in inputs]
    known: dict = {}

    def pushforward(*tangents):
        with forward_ad.dual_level():
            duals = tuple(forward_ad.make_dual(x, t.view_as(x)) for x, t in zip(inputs, tangents, strict=True))
            known["tuple"], outs = _tuple_of(func(*duals), "outputs", "jacobian")
            slopes = []
            known["shapes"] = [tuple(o.shape) for o in outs]
            for o in outs:
                primal, tangent = forward_ad.unpack_dual(o)
                slopes.append(torchish.zeros_like(primal) if tangent is None else tangent)
            return tuple(slopes)

    table = []
    slopes = vmap(pushforward)(*standard_basis(inputs, 0, sum(sizes)))
    for s, shape in zip(slopes, known["shapes"], strict=True):
        parts = zip(s.split(sizes, 0), inputs, strict=True)
        table.append([p.permute(*range(1, p.ndim), 0).reshape(shape + tuple(x.shape)) for p, x in parts])
    rows = [r if is_inputs_tuple else r[0] for r in table]
    return rows if known["tuple"] else rows[0]


def _scalar_output(func: Callable, what: str) -> Callable:
    def f(*args):
        out = func(*args)
        is_tuple, outs = _tuple_of(out, "outputs of the user-provided function", what)
        if is_tuple or outs[0].nelement() != 1 or outs[0].dim() not in (0, 1):
            if is_tuple or not hasattr(out, "nelement"):
                raise RuntimeError("The function given to hessian should return a single Tensor")
            if out.nelement() != 1:
                raise RuntimeError("The Tensor returned by the function given to hessian should contain a single element")
        return out.squeeze()

    return f


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """All second derivatives of a function with one scalar output."""
    is_inputs_tuple, inputs = _tuple_of(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    single = _scalar_output(func, "hessian")

    def gradient(*xs):
        if outer_jacobian_strategy == "forward-mode":
            xs = tuple(x.requires_grad_(True) for x in xs)
        got = jacobian(single, xs, create_graph=True)
        _check_grads(got, strict, "jacobian")
        return got

    result = jacobian(
        gradient, inputs, create_graph=create_graph, strict=strict, vectorize=vectorize, strategy=outer_jacobian_strategy
    )
    return result if is_inputs_tuple else result[0][0]


def _second(func: Callable, inputs: Any, what: str, v: Any, strict: bool, create_graph: bool):
    is_inputs_tuple, inputs = _tuple_of(inputs, "inputs", what)
    inputs = _fresh(inputs, create_graph)
    v = _ones_if_scalar(v, inputs, is_inputs_tuple, what)
    outputs = func(*inputs)
    is_outputs_tuple, outputs = _tuple_of(outputs, "outputs of the user-provided function", what)
    _check_grads(outputs, strict, "outputs")
    if is_outputs_tuple or not hasattr(outputs[0], "nelement"):
        raise RuntimeError(f"The function given to {what} should return a single Tensor")
    if outputs[0].nelement() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {what} should contain a single element")
    jac = _grad(outputs, inputs, create_graph=True)
    _check_grads(jac, strict, "jacobian")
    jac = _fill(jac, inputs, strict, True, "back")
    return is_inputs_tuple, inputs, v, outputs, jac


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), vᵀ H): the product of a vector with the Hessian of a scalar function."""
    with enable_grad():
        is_tuple, inputs, v, outputs, jac = _second(func, inputs, "vhp", v, strict, create_graph)
        got = _fill(_grad(jac, inputs, v, create_graph), inputs, strict, create_graph, "double_back")
    return _result(outputs[0], create_graph), _unpack(_result(got, create_graph), is_tuple)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), H v): the product of the Hessian of a scalar function with a vector."""
    import torchish

    with enable_grad():
        is_tuple, inputs, v, outputs, jac = _second(func, inputs, "hvp", v, strict, create_graph)
        dummy = tuple(torchish.zeros_like(i, requires_grad=True) for i in inputs)
        double = _fill(_grad(jac, inputs, dummy, True), inputs, strict, True, "double_back")
        got = _fill(_grad(double, dummy, v, create_graph), inputs, strict, create_graph, "double_back_trick")
    return _result(outputs[0], create_graph), _unpack(_result(got, create_graph), is_tuple)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
