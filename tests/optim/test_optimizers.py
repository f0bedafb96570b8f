"""Optimizers and schedulers against PyTorch's: values, state dictionaries, text and errors."""

from __future__ import annotations

import copy
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import torchish

RNG = np.random.default_rng(7)
X, Y = RNG.standard_normal((9, 5)).astype("f"), RNG.standard_normal((9, 3)).astype("f")
W, B = RNG.standard_normal((3, 5)).astype("f") * 0.4, RNG.standard_normal(3).astype("f") * 0.1

SETTINGS = [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}), ("Adam", {}), ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("AdamW", {"weight_decay": 0.1}), ("Adamax", {"weight_decay": 0.1}), ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01}), ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5}), ("Adadelta", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9}), ("Rprop", {}), ("ASGD", {"t0": 2, "lambd": 0.1}), ("Adafactor", {}),
]  # fmt: skip


def steps(t, name, kwargs, n=7, dtype="float32", change=None):
    d = getattr(t, dtype)
    w, b, unused = (t.nn.Parameter(t.tensor(v).to(d)) for v in (W, B, B))
    x, y = t.tensor(X).to(d), t.tensor(Y).to(d)
    opt = getattr(t.optim, name)([{"params": [w, unused]}, {"params": [b], "lr": 0.05}], **kwargs)
    for i in range(n):
        opt.zero_grad()
        ((t.tanh(x @ w.t() + b) - y) ** 2).mean().backward()
        if change is not None:
            change(t, opt, i)
        opt.step()
    return opt, [p.detach().to(t.float64).numpy() for p in (w, b, unused)]


def numbers(state):
    if hasattr(state, "numpy"):
        return state.detach().numpy()
    if isinstance(state, dict):
        return {k: numbers(v) for k, v in state.items()}
    return [numbers(v) for v in state] if isinstance(state, list) else state


def agree(got, want):
    if isinstance(want, dict):
        assert list(got) == list(want)
        for k in want:
            agree(got[k], want[k])
    elif isinstance(want, list):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            agree(a, b)
    elif isinstance(want, np.ndarray):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=5e-6)
    elif isinstance(want, float):
        assert got == pytest.approx(want, rel=1e-12)
    else:
        assert got == want


@pytest.mark.parametrize(("name", "kwargs"), SETTINGS, ids=lambda v: v if isinstance(v, str) else "")
def test_steps_state_and_text(name, kwargs):
    (opt, want), (mine, got) = steps(torch, name, kwargs), steps(torchish, name, kwargs)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert repr(mine) == repr(opt)
    assert str(type(mine)) == str(type(opt))
    agree(numbers(mine.state_dict()), numbers(opt.state_dict()))


ROOTLESS = ("SGD", "Adamax", "Rprop", "ASGD")  # PyTorch's square roots come from MKL, which does not round correctly on all processors


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "kwargs"), SETTINGS[:9] + SETTINGS[-3:-1], ids=lambda v: v if isinstance(v, str) else "")
def test_every_rounding_is_pytorchs(name, kwargs, dtype):
    def run(t):
        rng = np.random.default_rng(0)
        p = t.nn.Parameter(t.from_numpy(rng.standard_normal((37, 11)).astype(dtype)))
        opt = getattr(t.optim, name)([p], **kwargs)
        for _ in range(5):
            p.grad = t.from_numpy(rng.standard_normal((37, 11)).astype(dtype))
            opt.step()
        return {"parameter": p.detach().numpy(), **{k: v.numpy() for k, v in opt.state[p].items() if v is not None}}

    want, got = run(torch), run(torchish)
    for k, v in want.items():
        if k != "parameter" or name in ROOTLESS:
            np.testing.assert_array_equal(got[k], v, err_msg=k)


def test_state_dict_carries_over_both_ways():
    opt, _ = steps(torch, "Adam", {})
    mine, _ = steps(torchish, "Adam", {}, n=1)
    state = numbers(opt.state_dict())
    for s in state["state"].values():
        s.update({k: torchish.tensor(v) for k, v in s.items()})
    mine.load_state_dict(state)
    agree(numbers(mine.state_dict()), numbers(opt.state_dict()))
    again = copy.deepcopy(mine)
    agree(numbers(again.state_dict()), numbers(opt.state_dict()))


def test_hyperparameters_never_recompile():
    from torchish.engine.program import STATS

    compiled = []

    def change(t, opt, i):
        for group in opt.param_groups:
            group["lr"] = 0.1 / (i + 1)
            group["betas"] = (0.9 - 0.01 * i, 0.99)
        if t is torchish:
            compiled.append(STATS.compiled + STATS.loaded)

    (_, want), (_, got) = steps(torch, "Adam", {}, 9, change=change), steps(torchish, "Adam", {}, 9, change=change)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert compiled[-1] == compiled[-4]


def test_views_strides_and_versions():
    def run(t):
        base = t.arange(24, dtype=t.float32).reshape(4, 6) / 10
        column = base[:, 2:4].detach().requires_grad_()
        turned = t.nn.Parameter(t.arange(6.0).reshape(2, 3).t())
        opt = t.optim.Adam([column, turned], lr=0.1)
        for _ in range(3):
            opt.zero_grad()
            ((column**2).sum() + (turned**3).sum()).backward()
            opt.step()
        state = opt.state[turned]["exp_avg"]
        return base.numpy(), turned.detach().numpy(), turned.stride(), state.stride(), turned._version, column._version

    want, got = run(torch), run(torchish)
    for a, b in zip(got[:2], want[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert got[2:] == want[2:]


@pytest.mark.parametrize(("name", "kwargs"), [
    *SETTINGS, ("AdamW", {"weight_decay": 0}), ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.1}), ("NAdam", {}),
    ("ASGD", {"foreach": True}), ("Adafactor", {"weight_decay": 0.1}), ("Muon", {}), ("RAdam", {"decoupled_weight_decay": True}),
])  # fmt: skip
def test_versions_count_what_pytorchs_step_writes(name, kwargs):
    def run(t):
        p = t.nn.Parameter(t.ones(2, 3))
        opt = getattr(t.optim, name)([p], **kwargs)
        for _ in range(2):
            opt.zero_grad()
            (p * p).sum().backward()
            opt.step()
        return p._version

    assert run(torchish) == run(torch)


def test_tensor_learning_rate_and_complex_parameters():
    def run(t):
        z = t.tensor([1 + 2j, 3 - 1j, -2j], dtype=t.complex64, requires_grad=True)
        rate = t.tensor(0.1)
        opts = [t.optim.Adam([z], lr=rate), t.optim.SGD([z], lr=rate, momentum=0.5), t.optim.Rprop([z]), t.optim.RMSprop([z])]
        for opt in opts:
            for _ in range(3):
                opt.zero_grad()
                (z.abs() ** 2).sum().backward()
                opt.step()
                rate.mul_(0.9)
        return z.detach().numpy()

    np.testing.assert_allclose(run(torchish), run(torch), rtol=1e-5)


def test_lbfgs():
    def run(t, **kwargs):
        p = t.tensor([-1.2, 1.0, 0.5], dtype=t.float64, requires_grad=True)
        opt = t.optim.LBFGS([p], **kwargs)

        def closure():
            opt.zero_grad()
            loss = (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()
            loss.backward()
            return loss

        losses = [float(opt.step(closure).detach()) for _ in range(4)]
        return losses, p.detach().numpy(), opt.state_dict()["state"][0]["func_evals"]

    for kwargs in ({"lr": 0.01}, {"line_search_fn": "strong_wolfe", "history_size": 3}):
        want, got = run(torch, **kwargs), run(torchish, **kwargs)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-10)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-5)
        assert got[2] == want[2]


def PARAMS(t):
    return [t.nn.Parameter(t.ones(2, 2))]


ERRORS = [
    lambda t: t.optim.SGD([], lr=0.1), lambda t: t.optim.SGD(t.ones(2), lr=0.1), lambda t: t.optim.SGD([1], lr=0.1),
    lambda t: t.optim.SGD(PARAMS(t), lr=-1), lambda t: t.optim.SGD(PARAMS(t), lr=1, momentum=-1),
    lambda t: t.optim.SGD(PARAMS(t), lr=1, nesterov=True), lambda t: t.optim.Adam(PARAMS(t), betas=(1.0, 0.9)),
    lambda t: t.optim.Adam(PARAMS(t), betas=(0, 0.9)), lambda t: t.optim.Adam(PARAMS(t), eps=-1),
    lambda t: t.optim.Adam([t.ones(2, requires_grad=True) * 2]),
    lambda t: t.optim.SGD([{"params": PARAMS(t)}, {"params": {t.ones(1)}}]),
    lambda t: t.optim.SGD([{"params": 2 * [p := PARAMS(t)[0]]}, {"params": p}]),
    lambda t: t.optim.Adadelta(PARAMS(t), rho=2), lambda t: t.optim.Rprop(PARAMS(t), etas=(1, 2)),
    lambda t: t.optim.ASGD(PARAMS(t), lr=-1),
    lambda t: t.optim.LBFGS([{"params": PARAMS(t)}, {"params": PARAMS(t)}]), lambda t: t.optim.Adafactor(PARAMS(t), d=0.5),
    lambda t: t.optim.Muon([t.ones(2)]), lambda t: t.optim.SparseAdam(PARAMS(t), lr=0), lambda t: t.optim.RMSprop(PARAMS(t), alpha=-1),
    lambda t: t.optim.SGD(PARAMS(t)).add_param_group([]),
    lambda t: t.optim.SGD(PARAMS(t)).load_state_dict({"state": {}, "param_groups": []}),
    lambda t: t.optim.SGD([("a", PARAMS(t)[0]), PARAMS(t)[0]]), lambda t: t.optim.Optimizer(PARAMS(t), {}).step(),
    lambda t: t.optim.lr_scheduler.StepLR(3, 1), lambda t: t.optim.lr_scheduler.LambdaLR(t.optim.SGD(PARAMS(t)), [1, 2]),
    lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(t.optim.SGD(PARAMS(t)), mode="x"),
    lambda t: t.optim.lr_scheduler.OneCycleLR(t.optim.SGD(PARAMS(t)), 0.1),
    lambda t: t.optim.lr_scheduler.CyclicLR(t.optim.Adagrad(PARAMS(t)), 0.1, 1),
    lambda t: t.optim.lr_scheduler.StepLR(t.optim.SGD(PARAMS(t)), 1, last_epoch=3), lambda t: t.optim.swa_utils.get_ema_avg_fn(2),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_are_those_of_pytorch(number):
    def outcome(t):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ERRORS[number](t)
        except Exception as e:
            return type(e), str(e)
        return None

    want = outcome(torch)
    assert want is not None
    assert outcome(torchish) == want


def S(t):
    return t.optim.lr_scheduler


SCHEDULERS = {
    "lambda": lambda t, o: S(t).LambdaLR(o, lambda e: 0.95**e), "multiplicative": lambda t, o: S(t).MultiplicativeLR(o, lambda e: 0.9),
    "step": lambda t, o: S(t).StepLR(o, 3, 0.5), "multistep": lambda t, o: S(t).MultiStepLR(o, [2, 5, 5], 0.3),
    "constant": lambda t, o: S(t).ConstantLR(o, 0.5, 4), "linear": lambda t, o: S(t).LinearLR(o, 0.2, 0.9, 6),
    "exponential": lambda t, o: S(t).ExponentialLR(o, 0.9), "polynomial": lambda t, o: S(t).PolynomialLR(o, 6, 2.0),
    "cosine": lambda t, o: S(t).CosineAnnealingLR(o, 5, 0.01), "restarts": lambda t, o: S(t).CosineAnnealingWarmRestarts(o, 3, 2),
    "cyclic": lambda t, o: S(t).CyclicLR(o, 0.01, 0.5, 3, mode="triangular2"),
    "range": lambda t, o: S(t).CyclicLR(o, 0.01, 0.5, 3, 2, "exp_range", 0.9),
    "onecycle": lambda t, o: S(t).OneCycleLR(o, 0.4, total_steps=20),
    "threephase": lambda t, o: S(t).OneCycleLR(
        o, [0.4, 0.2], epochs=4, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "sequential": lambda t, o: S(t).SequentialLR(o, [S(t).ConstantLR(o, 0.1, 3), S(t).ExponentialLR(o, 0.9)], [4]),
    "chained": lambda t, o: S(t).ChainedScheduler([S(t).ConstantLR(o, 0.1, 3), S(t).ExponentialLR(o, 0.9)]),
    "swa": lambda t, o: t.optim.swa_utils.SWALR(o, 0.05, 4),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules(name):
    def rates(t):
        opt = t.optim.SGD([{"params": PARAMS(t)}, {"params": PARAMS(t), "lr": 0.3}], lr=0.1, momentum=0.9)
        scheduler = SCHEDULERS[name](t, opt)
        seen = []
        for _ in range(14):
            opt.step()
            scheduler.step()
            seen.append((scheduler.get_last_lr(), [g["lr"] for g in opt.param_groups], [g["momentum"] for g in opt.param_groups]))
        state = {k: v for k, v in scheduler.state_dict().items() if not callable(v) and k != "_schedulers"}
        return seen, sorted(state)

    (want, keys), (got, mine) = rates(torch), rates(torchish)
    assert got == want
    assert set(keys) - {"anneal_func"} <= set(mine)


def test_plateau_and_warning():
    def rates(t):
        opt = t.optim.SGD(PARAMS(t), lr=0.1)
        scheduler = S(t).ReduceLROnPlateau(opt, patience=1, cooldown=1, min_lr=1e-3)
        seen = []
        for metric in (1.0, 0.9, 0.95, 0.96, 0.97, 0.98, 0.5, 0.6, 0.7, 0.8, 0.9):
            scheduler.step(t.tensor(metric))
            seen.append(scheduler.get_last_lr())
        early = t.optim.SGD(PARAMS(t), lr=0.1)
        late = S(t).StepLR(early, 1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            late.step()
        return seen, [str(w.message) for w in caught]

    assert rates(torchish) == rates(torch)


def test_averages_and_batch_norm_update():
    def run(t):
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4))
        mean = t.optim.swa_utils.AveragedModel(net)
        moving = t.optim.swa_utils.AveragedModel(net, multi_avg_fn=t.optim.swa_utils.get_ema_multi_avg_fn(0.9))
        opt = t.optim.SGD(net.parameters(), lr=0.1)
        x = t.arange(24.0).reshape(8, 3) / 10
        for _ in range(3):
            opt.zero_grad()
            net(x).sin().sum().backward()
            opt.step()
            mean.update_parameters(net)
            moving.update_parameters(net)
        t.optim.swa_utils.update_bn([x, x + 1], mean)
        return [v.numpy() for m in (mean, moving) for v in m.state_dict().values()]

    for a, b in zip(run(torchish), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_hooks_are_called_in_order():
    def run(t):
        seen = []
        opt = t.optim.SGD(PARAMS(t), lr=0.1)
        opt.register_step_pre_hook(lambda o, a, k: seen.append("pre"))
        handle = opt.register_step_post_hook(lambda o, a, k: seen.append("post"))
        opt.step()
        handle.remove()
        opt.step()
        opt.register_state_dict_post_hook(lambda o, s: {**s, "extra": 1})
        return seen, opt.state_dict()["extra"]

    assert run(torchish) == run(torch)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adamax", "nadam", "radam", "adagrad", "adadelta", "rmsprop", "rprop", "asgd"])
def test_transforms_in_plain_jax(name):
    """The public transformations train a JAX function under jit as PyTorch's optimizers train a tensor."""
    classes = {n.lower(): n for n in dir(torch.optim) if n[0].isupper()}
    kwargs = {"momentum": 0.9, "dampening": 0.5} if name == "sgd" else {}
    tx = getattr(torchish.optim.transforms, name)(lr=0.1, **kwargs)
    params = {"w": jnp.asarray(W), "b": jnp.asarray(B)}
    state = tx.init(params)

    @jax.jit
    def step(params, state):
        def loss(p):
            return jnp.mean((jnp.tanh(X @ p["w"].T + p["b"]) - Y) ** 2)

        updates, state = tx.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    w, b = torch.nn.Parameter(torch.tensor(W)), torch.nn.Parameter(torch.tensor(B))
    opt = getattr(torch.optim, classes[name])([w, b], lr=0.1, **kwargs)
    for _ in range(8):
        params, state = step(params, state)
        opt.zero_grad()
        ((torch.tanh(torch.tensor(X) @ w.t() + b) - torch.tensor(Y)) ** 2).mean().backward()
        opt.step()
    np.testing.assert_allclose(params["w"], w.detach().numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(params["b"], b.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_from_optax_drives_tensors_and_follows_schedulers():
    w = torchish.nn.Parameter(torchish.tensor(W))
    opt = torchish.optim.from_optax([w], optax.inject_hyperparams(optax.adam)(learning_rate=0.1))
    params = [jnp.asarray(W)]
    tx = optax.inject_hyperparams(optax.adam)(learning_rate=0.1)
    state = tx.init(params)
    for i in range(4):
        opt.zero_grad()
        (w**2).sum().backward()
        opt.step()
        opt.param_groups[0]["lr"] = 0.1 / (i + 1)
        updates, state = tx.update([2 * params[0]], state, params)
        params = optax.apply_updates(params, updates)
        state.hyperparams["learning_rate"] = jnp.asarray(0.1 / (i + 1), jnp.float32)
    np.testing.assert_allclose(w.detach().numpy(), params[0], rtol=1e-5)


@pytest.mark.parametrize("t", [torch, torchish], ids=lambda t: t.__name__)
def test_schedulers_are_of_the_module_that_programs_compare_them_with(t):
    optimizer = t.optim.SGD([t.ones(1, requires_grad=True)], lr=0.1)
    assert t.optim.lr_scheduler.MultiStepLR(optimizer, [1]).__module__ == t.optim.lr_scheduler.__name__
