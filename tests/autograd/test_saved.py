"""`torch.autograd.graph`: what the tape saves, gradient edges, hooks on several tensors. Each case runs on both libraries."""

from __future__ import annotations

import pytest
import torch as pytorch

import torchish


def packing(t, log):
    a = t.ones(2, requires_grad=True)
    b = t.ones(2, requires_grad=True) * 2

    def pack(x):
        log("pack", x)
        return x.detach() * 1

    def unpack(x):
        log("unpack", x)
        return x

    with t.autograd.graph.saved_tensors_hooks(pack, unpack):
        w = (a * b).exp().sigmoid()
    w.sum().backward()
    return a.grad


def packing_in_a_function(t, log):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda x: log("pack", x) or x.detach(), lambda x: log("unpack", x) or x * 3):
        y = F.apply(a)
    y.sum().backward()
    return a.grad


def second_derivatives(t, log):
    a = t.tensor([2.0, 3.0], requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
        (g,) = t.autograd.grad((a**3).sum(), a, create_graph=True)
        return g, t.autograd.grad(g.sum(), a)


def unpacked_to_a_number(t, log):
    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: 3):
        y = a * a
    y.sum().backward()


def packed_in_place(t, log):
    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x.mul_(2), lambda x: x):
        return (a * 1) * a


def disabled(t, log):
    with t.autograd.graph.disable_saved_tensors_hooks("no hooks"), t.autograd.graph.save_on_cpu():
        pass


def on_cpu(t, log):
    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.save_on_cpu(pin_memory=True):
        y = (a * a).exp()
    y.sum().backward()
    return a.grad


def mutation(t, log):
    with t.autograd.graph.allow_mutation_on_saved_tensors():
        a = t.ones(2, 3, requires_grad=True)
        b = a.clone()
        out = (b**2).sum()
        b.sin_()
        out.backward()
    return a.grad, b


def mutation_seen_outside(t, log):
    with t.autograd.graph.allow_mutation_on_saved_tensors():
        a = t.ones(2, requires_grad=True)
        out = (a.clone() ** 2).sum()
    out.backward()


def mutation_nested(t, log):
    with t.autograd.graph.allow_mutation_on_saved_tensors(), t.autograd.graph.allow_mutation_on_saved_tensors():
        pass


def multi_grad_all(t, log):
    a, b = t.rand(2, 3, requires_grad=True), t.rand(2, 3, requires_grad=True)
    c, d = a * b, a * b
    t.autograd.graph.register_multi_grad_hook((a, b, c, d), lambda gs: log([g is not None for g in gs]))
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    (c.sum() + d.sum()).backward(retain_graph=True)
    t.autograd.grad(c.sum(), (c,), retain_graph=True)


def multi_grad_any(t, log):
    a, b = t.rand(2, requires_grad=True), t.rand(2, requires_grad=True)
    handle = t.autograd.graph.register_multi_grad_hook((a, b), lambda g: log(tuple(g.shape)), mode="any")
    (a * b).sum().backward()
    (a * b).sum().backward()
    handle.remove()
    (a * b).sum().backward()


def multi_grad_mode(t, log):
    t.autograd.graph.register_multi_grad_hook((t.ones(1),), print, mode="x")


def edges(t, log):
    a = t.ones(2, requires_grad=True)
    y = a * 2
    edge, leaf = t.autograd.graph.get_gradient_edge(y), t.autograd.graph.get_gradient_edge(a)
    log(type(edge).__name__, edge.node.name(), edge.output_nr, leaf.node.name())
    grad = t.autograd.grad
    return grad(y.sum(), edge, retain_graph=True), grad(y.sum(), [leaf], retain_graph=True), grad(edge, a, t.ones(2))


def no_edge(t, log):
    t.autograd.graph.get_gradient_edge(t.ones(2))


def saved_attributes(t, log):
    a, b = t.ones(2, requires_grad=True), t.full((2,), 3.0, requires_grad=True)
    s, e, m = a * b, a.exp(), t.ones(2, 2, requires_grad=True) @ t.ones(2, 2)
    log(s.grad_fn._saved_other is b, s.grad_fn._saved_self is a, e.grad_fn._saved_result.equal(e), m.grad_fn._saved_mat2.shape)
    log(type(s.grad_fn._raw_saved_self).__name__, hasattr(s.grad_fn, "_saved_foo"), a.sum(0).grad_fn._saved_dim)
    log(t.nn.functional.layer_norm(m, (2,)).grad_fn._saved_weight)  # not given
    log(isinstance(s.grad_fn, t.autograd.graph.Node), s.grad_fn.metadata, type(s.grad_fn), type(s.grad_fn.next_functions[0][0]))
    raw = s.grad_fn._raw_saved_self
    raw.register_hooks(lambda x: log("packed") or x.detach(), lambda x: log("unpacked") or x * 10)
    s.sum().backward()
    log(a.grad, b.grad)
    return s.grad_fn._saved_self


def functions_called(t, log):
    """A recorded function is called with the gradients of its outputs, and does its step alone, without hooks."""
    a, b = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, 4.0], requires_grad=True)
    y, g = a * b, t.ones(2)
    y.grad_fn.register_hook(lambda *_: log("hook"))
    log(*y.grad_fn(g), *(a * 2).grad_fn(g), a.exp().grad_fn(g), a.max(0)[0].grad_fn(g[0]), y.grad_fn(None), y.grad_fn.requires_grad)
    with t.no_grad():
        log((a**3).grad_fn(g))
    leaf = y.grad_fn.next_functions[0][0]
    log(leaf(g), leaf(g), a.grad)
    for args, kwargs in [((), {}), ((g, g), {}), ((1.0,), {}), ((g,), {"x": 1})]:
        try:
            y.grad_fn(*args, **kwargs)
        except TypeError as e:
            log(str(e))
    y.sum().backward()
    y.grad_fn(g)


def versions(t, log):
    y = t.ones(2, requires_grad=True).exp()
    t.autograd.graph.increment_version(y)
    log(y._version)
    y.sum().backward()


def float_in_grad_mode(t, log):
    import warnings

    x = t.ones(1, requires_grad=True)
    for mode in (t.no_grad, t.enable_grad, t.inference_mode):
        for f in (float, int, complex, bool):
            with warnings.catch_warnings(record=True) as caught, mode():
                warnings.simplefilter("always")
                f(x)
            log(mode.__name__, f.__name__, [str(w.message).splitlines()[0] for w in caught])


def multithreading(t, log):
    with t.autograd.set_multithreading_enabled(False):
        x = t.ones(2, requires_grad=True)
        x.sum().backward()
    return x.grad, t.is_inference(x)


def vectorized(t, log):
    F, x, y = t.autograd.functional, t.tensor([[0.1, 0.2], [0.3, 0.4]]), t.tensor([2.0, 3.0])

    def f(x, y):
        return x.sum(0) ** 2, x * y

    for kw in ({}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}):
        log(F.jacobian(f, (x, y), **kw), F.jacobian(t.square, y, **kw))
    for kw in ({}, {"vectorize": True}):
        log(F.hessian(lambda x, y: (f(x, y)[0] * y).sum(), (x, y), **kw), F.hessian(lambda y: (y**3).sum(), y, **kw))
    log(F.hessian(lambda y: (y**3).sum(), y, vectorize=True, outer_jacobian_strategy="forward-mode").tolist())
    z = y.clone().requires_grad_()
    return t.autograd.grad(z**2, z, t.eye(2), is_grads_batched=True)


def vectorized_strict(t, log):
    t.autograd.functional.jacobian(t.square, t.ones(2), strict=True, vectorize=True)


def forward_not_vectorized(t, log):
    t.autograd.functional.jacobian(t.square, t.ones(2), strategy="forward-mode")


def results_changed_in_place(t, log):
    """Only results that the gradient uses may not be changed before it is computed: positions, mostly."""
    F = t.nn.functional
    several = [
        lambda x: x.max(1), lambda x: x.min(1), lambda x: x.sort(1), lambda x: x.topk(2), lambda x: x.kthvalue(2), lambda x: x.median(1),
        lambda x: x.nanmedian(1), lambda x: x.mode(1), lambda x: x.cummax(1), lambda x: x.cummin(1), lambda x: (x.msort(),),
        lambda x: F.adaptive_max_pool1d(x, 2, return_indices=True), lambda x: t.std_mean(x, 1), lambda x: t.var_mean(x, 1),
        lambda x: F.fractional_max_pool2d(x[None], 2, output_size=2, return_indices=True), lambda x: t.linalg.svd(x, full_matrices=False),
        lambda x: t.linalg.qr(x), lambda x: t.linalg.eigh(x @ x.T), lambda x: (x.sigmoid(),), lambda x: (x.sin(),),
    ]  # fmt: skip
    for number, f in enumerate(several):
        for k in range(len(f(t.randn(4, 4)))):
            x = t.randn(4, 4, requires_grad=True)
            y = f(x * 1)
            with t.no_grad():
                y[k].add_(0)
            try:
                sum(v.sum() for v in y if v.requires_grad).backward()
                log(number, k, "fine")
            except RuntimeError as error:
                log(number, k, str(error))


def positions_are_saved(t, log):
    x = t.tensor([[3.0, 1.0, 2.0]], requires_grad=True)
    for y in (x.max(1), x.sort(1), x.topk(2), x.cummax(1), x.median(1)):
        fn = y[0].grad_fn
        log([name for name in dir(fn) if name.startswith("_saved_") and "res" not in name and "indices" in name], fn._saved_indices)
        fn._raw_saved_indices.register_hooks(lambda v: v * 1, lambda v: v)
        (first,) = t.autograd.grad(y[0].pow(2).sum(), x, create_graph=True)
        log(t.autograd.grad(first.sum(), x))
    with t.autograd.graph.saved_tensors_hooks(lambda v: log("pack", v) or v, lambda v: log("unpack", v) or v):
        y = x.max(1).values
    y.sum().backward()
    return x.grad


CASES = [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == __name__]


def run(f, t):
    lines = []
    t.manual_seed(0)
    try:
        result = f(t, lambda *x: lines.append(repr(x)))
    except Exception as e:
        result = type(e).__name__, str(e)
    return lines, repr(result)


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_as_in_pytorch(f):
    got, expected = run(f, torchish), run(f, pytorch)
    assert got == expected
