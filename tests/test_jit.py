"""`torch.jit`: what is scripted or traced computes, prints and warns as PyTorch's."""

import copy
import pickle
import warnings
from importlib import import_module

import pytest
import torch as pytorch

import torchish

BOTH = (pytorch, torchish)


def outcome(f, m):
    """What `f` gives or raises, and the warnings that it gives."""
    import_module(f"{m.__name__}.jit")
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            result = f(m)
        except Exception as e:
            result = type(e).__name__, str(e)
    # of files that are collected meanwhile Python warns, too
    return result, [(w.category.__name__, str(w.message)) for w in given if w.category is not ResourceWarning]


def same(f):
    a, b = (outcome(f, m) for m in BOTH)
    assert a == b


def branch(x, k: int = 2):
    """Doc."""
    if bool(x.sum() > 0):
        return x * k
    return x - k


def plus(x):
    return x + 1


def net(m):
    class Net(m.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.n = m.nn.Linear(3, 4), 3
            self.rest = m.nn.Sequential(m.nn.BatchNorm1d(4), m.nn.Dropout(0.5), m.nn.Linear(4, 2))
            self.register_buffer("offset", m.ones(2))

        def forward(self, x):
            return self.rest(self.first(x)) + self.offset

        def other(self, x):
            return x + 1

    m.manual_seed(0)
    return Net()


def x(m):
    return m.arange(6.0).reshape(2, 3) / 6


def trained(module, m):
    """Losses and state of some steps."""
    optimizer = m.optim.SGD(module.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = module(x(m)).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 3))
    grads = [round(p.grad.abs().sum().item(), 3) for p in module.parameters()]
    return losses, grads, [(k, round(v.double().sum().item(), 3)) for k, v in module.state_dict().items()]


MAKE = {
    "script": lambda m: m.jit.script(net(m)),
    "trace": lambda m: m.jit.trace(net(m), x(m)),
    "trace, unchecked": lambda m: m.jit.trace(net(m).eval(), x(m), check_trace=False),
    "trace_module": lambda m: m.jit.trace_module(net(m).eval(), {"forward": x(m), "other": x(m)}),
    "frozen": lambda m: m.jit.freeze(m.jit.script(net(m)).eval()),
    "for inference": lambda m: m.jit.optimize_for_inference(m.jit.script(net(m)).eval()),
}
ASK = {
    "print": lambda m, s: repr(s),
    "kinds": lambda m, s: (type(s).__name__, isinstance(s, m.jit.ScriptModule), isinstance(s, m.nn.Module), s.original_name),
    "state": lambda m, s: (list(s.state_dict()), [n for n, _ in s.named_parameters()], [n for n, _ in s.named_modules()]),
    "numbers": lambda m, s: [round(v, 4) for v in s.eval()(x(m)).flatten().tolist()],
    "draws": lambda m, s: m.rand(2).tolist(),
    "copy": lambda m, s: list(copy.deepcopy(s).state_dict()),
    "attributes": lambda m, s: hasattr(s, "training"),
    "again": lambda m, s: m.jit.script(s) is s,
}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("make", MAKE)
def test_modules(make, ask):
    def run(m):
        made = MAKE[make](m)
        return ASK[ask](m, made)

    (a, v), (b, w) = (outcome(run, m) for m in BOTH)
    assert a == b
    assert sorted({t for t in v if t[0] != "TracerWarning"}) == sorted(set(w) - {t for t in w if t[0] == "TracerWarning"})


@pytest.mark.parametrize("make", ["script", "trace"])
def test_modules_train(make):
    (a, _), (b, _) = (outcome(lambda m: trained(MAKE[make](m), m), m) for m in BOTH)
    assert a == b


CASES = {
    "mode": lambda m: (lambda n, s: (s.eval().training, s.rest.training, n.training, s.train().rest[1].training))(
        *(lambda n: (n, m.jit.script(n)))(net(m))
    ),
    "the parameters are the module's": lambda m: (lambda n: m.jit.script(n).first.weight is n.first.weight)(net(m)),
    "an attribute is its own": lambda m: (lambda n, s: (setattr(s, "n", 7), s.n, n.n, setattr(s, "new", 1), hasattr(n, "new")))(
        *(lambda n: (n, m.jit.script(n)))(net(m))
    ),
    "dtype": lambda m: (lambda n: (str(m.jit.script(n).double().first.weight.dtype)[-7:], str(n.first.weight.dtype)[-7:]))(net(m)),
    "what a trace froze": lambda m: (lambda t: t.train()(x(m)).equal(t(x(m))))(m.jit.trace(net(m).eval(), x(m))),
    "a child that is not scripted": lambda m: setattr(m.jit.script(net(m)), "first", m.nn.Linear(3, 4)),
    "pickled": lambda m: pickle.dumps(m.jit.script(m.nn.Identity()))[:0],
    "freeze in training": lambda m: m.jit.freeze(m.jit.script(net(m))),
    "freeze of a module": lambda m: m.jit.freeze(net(m)),
    "inference of a module": lambda m: m.jit.optimize_for_inference(net(m)),
    "a function": lambda m: (lambda f: (f(m.ones(2)).tolist(), f(-m.ones(2), k=3).tolist(), f.name, f.__doc__, callable(f)))(
        m.jit.script(branch)
    ),
    "a traced function": lambda m: (lambda f: (f(m.ones(2)).tolist(), f.name, isinstance(f, m.jit.ScriptFunction)))(
        m.jit.trace(plus, m.ones(2))
    ),
    "a traced lambda": lambda m: m.jit.trace(lambda x: (x, x + 1), (m.ones(2),)).name,
    "a gradient": lambda m: (lambda t: (m.jit.script(branch)(t).sum().backward(), t.grad.tolist()))(m.ones(2, requires_grad=True)),
    "a method": lambda m: type(m.jit.trace(m.nn.Linear(2, 2).forward, m.ones(1, 2))).__name__,
    "keywords": lambda m: m.jit.trace(plus, example_kwarg_inputs={"x": m.ones(2)})(x=m.ones(2)).tolist(),
    "traced twice": lambda m: (lambda s: m.jit.trace(s, m.ones(1, 2)) is s)(m.jit.script(m.nn.Linear(2, 2))),
    "an example that is a number": lambda m: m.jit.trace(plus, (m.ones(2), 3)),
    "an example of texts": lambda m: m.jit.trace(plus, ({"a": "b"},)),
    "no example": lambda m: m.jit.trace(plus),
    "a dict": lambda m: m.jit.trace(lambda x: {"a": x}, m.ones(2)),
    "a dict, not strict": lambda m: m.jit.trace(lambda x: {"a": x}, m.ones(2), strict=False)(m.ones(2))["a"].tolist(),
    "no tensor": lambda m: m.jit.trace(lambda x: 3, m.ones(2)),
    "no module": lambda m: m.jit.trace_module(plus, {"forward": m.ones(2)}),
    "no dictionary": lambda m: m.jit.trace_module(net(m), [m.ones(2)]),
    "a number": lambda m: m.jit.script(3),
    "old argument": lambda m: m.jit.script(branch, optimize=True).name,
    "where it is": lambda m: (m.jit.is_scripting(), m.jit.is_tracing()),
    "fork": lambda m: m.jit.wait(m.jit.fork(plus, m.ones(1))).tolist(),
    "attribute": lambda m: (str(m.jit.Attribute(3, int)), m.jit.annotate(int, 3), str(m.jit.Final)),
    "decorators": lambda m: [d(plus) is plus for d in (m.jit.ignore, m.jit.unused, m.jit.export, m.jit.ignore())],
    "a deprecated ignore": lambda m: m.jit.ignore(drop=True)(plus) is plus,
    "a wrong ignore": lambda m: m.jit.ignore(3),
    "script_if_tracing": lambda m: (lambda f: (f.__name__, f(m.ones(1)).tolist()))(m.jit.script_if_tracing(plus)),
    "isinstance": lambda m: [m.jit.isinstance(v, t) for v, t in (
        ([1], list[int]), ([1], list[str]),
        ({"a": [1]}, dict[str, list[int]]), ((1, "a"), tuple[int, str]), (1, (int, str)), ([], list[int]),
    )],
    "isinstance of nothing": lambda m: m.jit.isinstance([1], list),
    "fusion": lambda m: type(m.jit.strict_fusion()).__name__,
    "no interface": lambda m: m.jit.interface(3),
    "no file": lambda m: m.jit.load("/no/such/file"),
    "a folder": lambda m: m.jit.load("/"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_cases(name):
    same(CASES[name])


def test_script_modules():
    def run(m):
        class Doubled(m.jit.ScriptModule):
            def __init__(self):
                super().__init__()
                self.linear = m.nn.Linear(2, 2)

            @m.jit.script_method
            def forward(self, x):
                return self.linear(x) * 2

        m.manual_seed(0)
        made = Doubled()
        return repr(made), list(made.state_dict()), [round(v, 4) for v in made(m.ones(1, 2)).flatten().tolist()]

    same(run)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_function_knows_that_it_is():
    def plain(x):
        return x + 1 if pytorch.jit.is_scripting() else x

    def ours(x):
        return x + 1 if torchish.jit.is_scripting() else x

    assert pytorch.jit.script(plain)(pytorch.ones(1)).tolist() == torchish.jit.script(ours)(torchish.ones(1)).tolist() == [2.0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "ask",
    [
        lambda jit, s, path: s.graph, lambda jit, s, path: s.code, lambda jit, s, path: s.save(path),
        lambda jit, s, path: jit.save(s, path), lambda jit, s, path: jit.load(__file__),
    ],
)  # fmt: skip
def test_what_needs_torchscript_says_what_to_use(ask, tmp_path):
    for made in (torchish.jit.script(torchish.nn.Linear(2, 2)), torchish.jit.script(plus)):
        with pytest.raises(NotImplementedError, match=r"^.*: torchish has no TorchScript; use torch.compile to compile, and torch.save "):
            ask(torchish.jit, made, tmp_path / "m.pt")
