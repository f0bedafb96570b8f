"""`torch.compile`, `torch.compiler`, accelerators and streams behave as PyTorch's do on a machine without a GPU."""

import copy
import pickle
from types import SimpleNamespace

import pytest
import torch as pytorch

import torchish

BOTH = (pytorch, torchish)


def outcome(f, m):
    try:
        return f(m)
    except Exception as e:
        return type(e).__name__, str(e)


def same(f):
    a, b = (outcome(f, m) for m in BOTH)
    assert a == b


def model(m):
    m.manual_seed(0)
    return m.nn.Sequential(m.nn.Linear(3, 4), m.nn.ReLU(), m.nn.Linear(4, 2))


def compiled(m):
    return m.compile(model(m), backend="eager")


@pytest.mark.parametrize(
    "ask",
    [
        lambda m, c: list(c.state_dict()),
        lambda m, c: [n for n, _ in c.named_parameters()],
        lambda m, c: [n for n, _ in c.named_modules()],
        lambda m, c: repr(c),
        lambda m, c: type(c).__name__,
        lambda m, c: isinstance(c, m.nn.Module),
        lambda m, c: len(c),
        lambda m, c: repr(c[0]),
        lambda m, c: (c.eval().training, c._orig_mod.training, c.train().training), lambda m, c: type(c._orig_mod).__name__,
        lambda m, c: [type(x).__name__ for x in c],
        lambda m, c: (setattr(c, "mark", 3), c.mark, c._orig_mod.mark), lambda m, c: c.missing,
        lambda m, c: str(c._orig_mod.load_state_dict({k.removeprefix("_orig_mod."): v for k, v in c.state_dict().items()})),
    ],
)  # fmt: skip
def test_compiled_modules_are_wrapped_as_pytorchs(ask):
    same(lambda m: ask(m, compiled(m)))


def test_compiled_modules_train_and_copy():
    for m in BOTH:
        c = compiled(m)
        x = m.ones(2, 3)
        assert c(x).tolist() == c._orig_mod(x).tolist()
        c(x).sum().backward()
        assert all(p.grad is not None for p in c.parameters())
        assert list(copy.deepcopy(c).state_dict()) == list(c.state_dict())
    for fullgraph in (False, True):
        c = torchish.compile(model(torchish), fullgraph=fullgraph)
        for made in (pickle.loads(pickle.dumps(c)), copy.deepcopy(c)):
            assert list(made.state_dict()) == list(c.state_dict()) and made(torchish.ones(2, 3)).tolist() == c(torchish.ones(2, 3)).tolist()
            assert hasattr(made.__dict__["_call"], "_step") == fullgraph


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.compile(lambda x: x * 2, backend="eager")(m.ones(2)).tolist(),
        lambda m: m.compile(backend="eager")(lambda x: x + 1)(m.ones(2)).tolist(),
        lambda m: m.compile(model(m), mode="default", options={}),
        lambda m: m.compile(3),
        lambda m: type(m.compile(model(m), disable=True)).__name__,
        lambda m: m.compiler.is_compiling(), lambda m: m.compiler.is_dynamo_compiling(), lambda m: m.compiler.is_exporting(),
        lambda m: m.compiler.reset(), lambda m: m.compiler.disable(lambda x: x + 1)(1), lambda m: m.compiler.disable()(lambda x: x + 1)(1),
        lambda m: m.compiler.allow_in_graph(len) is len, lambda m: m.compiler.cudagraph_mark_step_begin(),
        lambda m: m.compiler.set_stance("force_eager").__enter__(), lambda m: m.compiler.assume_constant_result(lambda: 3)(),
    ],
)  # fmt: skip
def test_torch_compiler(use):
    same(use)


def test_options_of_the_code_generator_can_be_set():
    import torch._inductor.config as theirs

    ours = torchish._inductor.config
    names = {name: getattr(ours, name) for name in vars(ours) if name[0].islower()}
    assert len(names) > 15
    for name, value in names.items():
        if isinstance(value, SimpleNamespace):
            assert vars(value) == {k: getattr(getattr(theirs, name), k) for k in vars(value)}
        elif name != "SimpleNamespace":
            assert getattr(theirs, name) == value, name
    with torchish._inductor.utils.fresh_inductor_cache():
        assert compiled(torchish)(torchish.ones(1, 3)).shape == (1, 2)
    torchish._logging.set_logs(graph_code=True, recompiles=True)


def test_what_is_compiled_says_so():
    # the code that `torch.compile` was given takes its branch of `is_compiling()`, that of a disabled function does not, nor any
    # under the stance "force_eager"
    def asked(m):
        def f(x):
            tracing, y = m.compiler.is_dynamo_compiling(), x + 1 if m.compiler.is_compiling() else x - 1
            return tracing, left_out(), y.tolist()

        class Mod(m.nn.Module):
            def forward(self, x):
                return f(x)

        left_out = m.compiler.disable(m.compiler.is_compiling)
        in_place = Mod()
        in_place.compile(backend="eager")
        eager = m.compiler.set_stance("force_eager")
        eager.__exit__(None, None, None)
        compiled = [m.compile(f, backend="eager"), m.compile(Mod(), backend="eager"), in_place, m.compile(f, disable=True)]

        def ask():
            return [g(m.ones(2)) for g in compiled] + [m.compiler.is_compiling()]

        seen = [ask(), eager(ask)(), ask()]
        with eager:
            seen.append(ask())
        seen.append(ask())
        m.compiler.set_stance("force_eager")
        seen.append(ask())
        m.compiler.set_stance("default")
        return [*seen, ask(), outcome(lambda m: m.compiler.set_stance("force_eager", force_backend="eager"), m)]

    same(asked)

    @torchish.compile(fullgraph=True)
    def whole(x):
        return x + (1 if torchish.compiler.is_compiling() else -1)

    assert [whole(torchish.ones(1)).item() for _ in range(3)] == [2, 2, 2] and whole._step.replays
    with torchish.compiler.set_stance("force_eager"):
        assert whole(torchish.ones(1)).item() == 0


def test_what_tells_the_tracer_of_functions_leaves_them_as_they_are():
    def run(m):
        d = m._dynamo

        @d.error_on_graph_break(True)
        @d.dont_skip_tracing
        @d.config.patch(verbose=True)
        def f(x):
            d.graph_break()
            with d.error_on_graph_break(False), d.patch_dynamo_config(capture_scalar_outputs=True):
                return x.tolist(), d.config.capture_scalar_outputs, d.config.verbose

        x = m.ones(2)
        d.decorators.mark_dynamic(x, 0), d.decorators.mark_unbacked(m.ones(3), 0), d.mark_static(x), d.maybe_mark_dynamic(x, 0)
        return f(x), d.config.verbose, d.config.capture_scalar_outputs, d.nonstrict_trace(m.sin)(x).tolist()

    same(run)


def test_a_graph_break_is_an_error_in_one_program():
    def run(m, fullgraph):
        pytorch._dynamo.reset()  # it remembers where it broke

        def f(x):
            y = x + 1
            m._dynamo.graph_break("here")
            return y * 2

        try:
            return m.compile(f, backend="eager", fullgraph=fullgraph)(m.ones(2)).tolist()
        except m._dynamo.exc.Unsupported as e:
            return str(e).partition("\nfrom user code")[0].strip()

    for fullgraph in (False, True):
        theirs, ours = (run(m, fullgraph) for m in BOTH)
        assert theirs == ours


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "use",
    [
        lambda m: m._check(True), lambda m: m._check(False), lambda m: m._check(False, lambda: f"of size {3}"), lambda m: m._check(1),
        lambda m: m._check(False, "text"), lambda m: m._check(m.tensor(True)), lambda m: m._check_value(False, lambda: 3),
        lambda m: m._check_index(False), lambda m: m._check_type(False), lambda m: m._check_not_implemented(False),
        lambda m: m._check_with(KeyError, False, lambda: "key"), lambda m: m._check_is_size(-1), lambda m: m._check_is_size(3, max=2),
        lambda m: m._check_tensor_all(m.tensor([True, False]), lambda: "not all"), lambda m: m._check_tensor_all(m.ones(2)),
        lambda m: m._check_tensor_all(True),
    ],
)  # fmt: skip
def test_checks_of_conditions(use):
    same(use)


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.accelerator.is_available(), lambda m: m.accelerator.device_count(), lambda m: m.accelerator.current_accelerator(),
        lambda m: m.cpu.is_available(), lambda m: m.cpu.device_count(), lambda m: m.cpu.current_device(), lambda m: m.cpu.synchronize(),
        lambda m: type(m.cpu.current_stream()).__name__, lambda m: m.cuda.is_available(), lambda m: m.cuda.device_count(),
        lambda m: m.get_device_module("cpu").__name__.partition(".")[2], lambda m: m.get_device_module(3),
        lambda m: m.get_float32_matmul_precision(), lambda m: m.set_float32_matmul_precision(3),
        lambda m: (m.set_float32_matmul_precision("high"), m.get_float32_matmul_precision(), m.set_float32_matmul_precision("highest")),
        lambda m: [(m.set_float32_matmul_precision(p), m.backends.cuda.matmul.allow_tf32) for p in ("high", "medium", "highest")],
        lambda m: [(setattr(m.backends.cuda.matmul, "allow_tf32", on), m.get_float32_matmul_precision()) for on in (True, False)],
        lambda m: (setattr(m.backends.cudnn.conv, "fp32_precision", "tf32"), m.backends.cudnn.rnn.fp32_precision),
        lambda m: setattr(m.backends.cuda.matmul, "fp32_precision", "exact"),
        lambda m: setattr(m.backends.cudnn.rnn, "fp32_precision", "bf16"),
        lambda m: m.Event("cpu").record(), lambda m: m.Stream("cpu").device.type, lambda m: m.ones(1).record_stream(None),
    ],
)  # fmt: skip
def test_devices_without_an_accelerator(use):
    same(use)


@pytest.mark.skipif(torchish.cuda.is_available(), reason="what there is without a GPU")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.cuda.Event(enable_timing=True), lambda m: m.cuda.Stream(), lambda m: m.cuda.Stream(device=0),
        lambda m: m.cuda.current_stream(), lambda m: m.cuda.default_stream(), lambda m: m.cuda.set_stream(None),
        lambda m: m.cuda.stream(None).__enter__(), lambda m: type(m.cuda.stream(None)).__name__,
        lambda m: m.cuda.get_rng_state(), lambda m: m.cuda.get_rng_state_all(), lambda m: m.cuda.set_rng_state(m.get_rng_state()),
        lambda m: m.cuda.set_rng_state_all([m.get_rng_state()]), lambda m: m.cuda.set_rng_state_all(m.cuda.get_rng_state_all()),
        lambda m: m.cuda.manual_seed(3), lambda m: m.cuda.manual_seed_all(3), lambda m: m.cuda.seed(), lambda m: m.cuda.seed_all(),
        lambda m: m.cuda.initial_seed(), lambda m: m.cuda.memory_stats(), lambda m: m.cuda.memory_reserved(),
        lambda m: m.cuda.memory_cached(), lambda m: m.cuda.max_memory_cached(), lambda m: m.cuda.mem_get_info(),
        lambda m: (m.cuda.Event.__module__, m.cuda.Stream.__module__, m.cuda.StreamContext.__module__),
    ],
)  # fmt: skip
def test_cuda_without_a_gpu(ask):
    same(ask)


@pytest.mark.parametrize("module", ["_dynamo", "_inductor", "_C"])
def test_what_private_modules_lack_says_whose_fault_it_is(module):
    with pytest.raises(AttributeError, match=rf"^module 'torch\.{module}' has no attribute 'explain' \(torchish does not have it\)$"):
        getattr(torchish, module).explain  # noqa: B018
