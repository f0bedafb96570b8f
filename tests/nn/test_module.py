"""`Module` itself against PyTorch's: hooks and their order, state dictionaries, walking, conversion."""

from __future__ import annotations

import copy
import io
import warnings
import weakref

import pytest
import torch

import torchish


def both(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(torchish) == run(torch)


def test_hooks_and_their_order():
    def run(t):
        m = t.nn.modules.module
        seen = []
        net = t.nn.Sequential(t.nn.Linear(2, 2, bias=False), t.nn.ReLU())
        net[0].weight.data.copy_(t.eye(2))
        handles = [
            m.register_module_forward_pre_hook(lambda mod, a: seen.append(("gpre", type(mod).__name__))),
            m.register_module_forward_hook(lambda mod, a, k, o: seen.append(("gpost", type(mod).__name__, sorted(k))), with_kwargs=True),
            m.register_module_full_backward_hook(lambda mod, gi, go: seen.append(("gback", type(mod).__name__, go[0].tolist()))),
            net.register_forward_pre_hook(lambda mod, a: (a[0] * 2,)),
            net.register_forward_pre_hook(lambda mod, a, k: seen.append(("first", len(a))), prepend=True, with_kwargs=True),
            net.register_forward_hook(lambda mod, a, o: o + 1),
            net[0].register_full_backward_hook(lambda mod, gi, go: (gi[0] * 10,)),
            net[0].register_full_backward_hook(lambda mod, gi, go: seen.append("prepended"), prepend=True),
            net[1].register_full_backward_pre_hook(lambda mod, go: (go[0] + 1,)),
        ]
        x = t.ones(1, 2, requires_grad=True)
        out = net(x)
        out.sum().backward()
        for h in handles:
            h.remove()
        net(x)
        return seen, out.tolist(), x.grad.tolist()

    both(run)


def test_always_called_hooks_and_errors():
    def run(t):
        seen = []

        class Fails(t.nn.Module):
            def forward(self, x):
                raise ValueError("no")

        net = Fails()
        net.register_forward_hook(lambda m, a, o: seen.append(o), always_call=True)
        with pytest.raises(ValueError, match="no"):
            net(1)
        net.register_backward_hook(lambda *a: None)
        with pytest.raises(RuntimeError) as e:
            net.register_full_backward_hook(lambda *a: None)
        return seen, str(e.value)

    both(run)


def test_state_dict_hooks_prefixes_and_partial_loading():
    def run(t):
        net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
        net.register_buffer("temporary", t.ones(1), persistent=False)
        seen = []
        net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((prefix, keep)))
        net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
        net.register_load_state_dict_pre_hook(lambda m, sd, prefix, *a: seen.append((type(m).__name__, len(sd))))
        state = net.state_dict(prefix="a.")
        part = {k[2:]: v for k, v in state.items() if "bias" not in k}
        result = net.load_state_dict({**part, "more": t.zeros(1)}, strict=False)
        other = t.nn.Linear(2, 2)
        errors = []
        for bad in ({"weight": t.zeros(2, 3), "bias": 3}, {"weight": t.zeros(2, 2)}, {"a.b": t.zeros(1)}):
            with pytest.raises(RuntimeError) as e:
                other.load_state_dict(bad)
            errors.append(str(e.value).replace("torchish.", "torch."))
        fresh = {"weight": t.ones(2, 2), "bias": t.zeros(2)}
        other.load_state_dict(fresh, assign=True)
        return (
            seen, list(state), dict(state._metadata), str(result), errors, other.weight.data_ptr() == fresh["weight"].data_ptr(),
            str(net.load_state_dict(net.state_dict())),
        )  # fmt: skip

    both(run)


def test_walking_sharing_and_replacing():
    def run(t):
        shared = t.nn.Linear(2, 2)
        net = t.nn.Sequential(shared, t.nn.Sequential(shared, t.nn.ReLU()))
        net.extra = t.nn.Parameter(t.zeros(1))
        net[1].register_parameter("none", None)
        net.set_submodule("1.1", t.nn.Tanh())
        errors = []
        for f in (
            lambda: net.get_submodule("1.x"), lambda: net.get_submodule("extra"), lambda: net.set_submodule("", net),
            lambda: net.get_parameter("0.nope"), lambda: net.get_parameter("0"), lambda: net.get_buffer("extra"),
            lambda: net.set_submodule("1.1", 3), lambda: setattr(net, "extra", 3), lambda: delattr(net, "nope"),
        ):  # fmt: skip
            with pytest.raises(Exception) as e:
                f()
            errors.append((e.type, str(e.value)))
        twin = copy.deepcopy(net)
        return (
            [n for n, _ in net.named_parameters()], [n for n, _ in net.named_parameters(remove_duplicate=False)],
            [n for n, _ in net.named_modules()], [n for n, _ in net.named_children()], repr(net), errors,
            twin[0] is twin[1][0], twin[0].weight is net[0].weight, sum(p.numel() for p in net.parameters()),
        )  # fmt: skip

    both(run)


def test_conversion_modes_and_gradients():
    def run(t):
        net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
        weight = net[0].weight
        net(t.ones(3, 2)).sum().backward()
        net.to(t.float64)
        dtypes = [str(v.dtype) for v in net.state_dict().values()]
        grads = [str(p.grad.dtype) for p in net.parameters()]
        net.eval().requires_grad_(False)
        flags = [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
        net.zero_grad(set_to_none=False)
        zero = net[0].weight.grad.abs().sum().item()
        net.zero_grad()
        counted = []
        net.apply(lambda m: counted.append(type(m).__name__))
        return dtypes, grads, weight is net[0].weight, flags, zero, net[0].weight.grad is None, counted, str(net.half()[0].bias.dtype)

    both(run)


@pytest.mark.parametrize("setting", ["none", "overwrite_module_params", "swap_module_params"])
def test_what_conversion_and_loading_do_with_parameters(setting):
    # which objects stay, by the settings of torch.__future__ and when data appear or go
    def run(m):
        seen = []
        for convert in (lambda f: f.double(), lambda f: f.to("meta"), lambda f: f.to("meta").to_empty(device="cpu")):
            f = m.nn.Linear(2, 3)
            f(m.ones(1, 2)).sum().backward()
            f.bias.requires_grad_(False)
            w, g = f.weight, f.weight.grad
            convert(f)
            seen.append((f.weight is w, f.weight.grad is g, str(f.weight.dtype), str(f.weight.grad.device), f.bias.requires_grad))
        state = {k: v.double() + 1 for k, v in f.state_dict().items()}
        for assign in (False, True):
            f = m.nn.Linear(2, 3)
            w = f.weight
            f.load_state_dict(state, assign=assign)
            seen.append((f.weight is w, str(f.weight.dtype), type(f.bias).__name__, f.weight.requires_grad))
        watched = weakref.ref(f.weight)
        for use in (lambda: f.half(), lambda: f.load_state_dict(state)):
            try:
                seen.append(str(use()))
            except RuntimeError as e:
                seen += [str(e), repr(e.__cause__)]
        return seen, watched() is f.weight

    results = []
    for m in (torch, torchish):
        if setting != "none":
            getattr(m.__future__, f"set_{setting}_on_conversion")(True)
        try:
            results.append(run(m))
        finally:
            m.__future__.set_overwrite_module_params_on_conversion(False)
            m.__future__.set_swap_module_params_on_conversion(False)
    assert results[0] == results[1]


def test_text_of_custom_modules():
    def run(t):
        class Odd(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.a = t.nn.Linear(1, 1)
                self.none = None
                self.register_module("empty", None)

            def extra_repr(self):
                return "line one\nline two"

        class Bare(t.nn.Module):
            def extra_repr(self):
                return "x=1"

        return repr(Odd()), repr(Bare()), repr(t.nn.Module()), repr(t.nn.Sequential(Odd(), Bare()))

    both(run)


def test_lazy_modules_become_themselves():
    def run(t):
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.LazyConv2d(3, 2), t.nn.LazyBatchNorm2d(), t.nn.Flatten(), t.nn.LazyLinear(2))
        before = repr(net), repr(net[3].weight)
        loaded = t.nn.LazyLinear(2)
        out = net(t.ones(2, 1, 4, 4))
        loaded.load_state_dict(net[3].state_dict())
        errors = []
        for f in (lambda: t.nn.LazyLinear(2).weight.shape, lambda: t.nn.LazyConv2d(3, 2)(t.ones(2))):
            with pytest.raises(RuntimeError) as e:
                f()
            errors.append(str(e.value))
        return before, repr(net), tuple(out.shape), tuple(loaded.weight.shape), errors, [n for n, _ in net.named_parameters()]

    both(run)


def test_pickle_and_copy():
    import pickle

    net = torchish.nn.Sequential(torchish.nn.Linear(2, 3), torchish.nn.LSTM(3, 2))
    twin = copy.deepcopy(net)
    assert repr(twin) == repr(net)
    assert all((a == b).all() for a, b in zip(twin.parameters(), net.parameters(), strict=True))
    assert io.BytesIO(pickle.dumps({k: v.numpy() for k, v in net.state_dict().items()}))


def test_warnings_and_errors_of_backward_hooks():
    def run(t):
        def outcome(register, hook, x):
            layer = t.nn.Linear(2, 2)
            getattr(layer, register)(hook)
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                try:
                    layer(x).sum().backward()
                except RuntimeError as error:
                    return str(error)
            return [(w.category, str(w.message)) for w in seen]

        return [
            outcome("register_full_backward_pre_hook", lambda m, g: (g[0], g[0]), t.ones(1, 2, requires_grad=True)),
            outcome("register_full_backward_hook", lambda m, i, o: None, t.ones(1, 2)),
            outcome("register_full_backward_hook", lambda m, i, o: [None], t.ones(1, 2)),
            outcome("register_full_backward_hook", lambda m, i, o: i[0], t.ones(3, 2, requires_grad=True)),
            outcome("register_backward_hook", lambda m, i, o: None, t.ones(1, 2)),
        ]

    both(run)


def test_backward_hooks_may_return_lists():
    def run(t):
        layer, x = t.nn.Linear(2, 2), t.ones(1, 2, requires_grad=True)
        layer.register_full_backward_pre_hook(lambda m, g: [g[0] * 2])
        layer.register_full_backward_hook(lambda m, i, o: [t.ones_like(i[0]) * o[0].sum()])
        layer(x).sum().backward()
        return x.grad.tolist()

    both(run)


def test_arguments_that_do_not_fit():
    def run(t):
        calls = [
            lambda: t.nn.ReLU(1, 2, 3), lambda: t.nn.AvgPool2d(), lambda: t.nn.LazyConv2d(1), lambda: t.nn.ConstantPad1d(1),
            lambda: t.nn.ELU(alpha="a")(t.ones(1)), lambda: t.nn.Softplus(1, None)(t.ones(1)), lambda: t.nn.Threshold("a", 1)(t.ones(1)),
            lambda: t.nn.BCELoss()(t.ones(3) * 2, t.ones(3)), lambda: t.nn.BCELoss()(t.ones(2), t.tensor([0.0, 2.0])),
            lambda: t.nn.MultiheadAttention(4, 2)(*[t.ones(3, 1, 4)] * 3, key_padding_mask=t.zeros(2, 3, dtype=t.bool)),
            lambda: t.optim.Adagrad([t.ones(1)], foreach=True, fused=True),
        ]  # fmt: skip
        said = []
        for call in calls:
            with pytest.raises(Exception) as caught:
                call()
            said.append((caught.type, str(caught.value)))
        return said

    both(run)
