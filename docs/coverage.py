"""Writes docs/coverage.md: which of PyTorch 2.13's public names torchish has, and why it lacks the others.

    python docs/coverage.py           # write the page
    python docs/coverage.py --check   # exit with 1 when the page is stale or a name is absent without a reason

The names are those of `torchish/_runner/pytorch_names.txt`, which were read off PyTorch 2.13. A name counts as there
when the attribute exists. The tables below are the only place where reasons are given.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from torchish._runner._names import pytorch_names, torchish_name

PAGE = Path(__file__).with_suffix(".md")

NAMESPACES = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.linalg", "torch.fft", "torch.special", "torch.optim",
    "torch.nn.init", "torch.nn.utils", "torch.autograd", "torch.utils.data", "torch.func", "torch.signal.windows", "torch.masked",
    "torch.amp", "torch.profiler", "torch.utils.checkpoint", "torch.hub", "torch.distributions", "torch.jit",
)  # fmt: skip


class Reason(NamedTuple):
    """Why names are not there. `names` are regular expressions that match whole names, within `where` (all of it below)."""

    text: str
    where: str
    names: str


MODULES = "modules; the absent ones have reasons above"

# Names that are no part of what a program on dense tensors uses: they do not count, whether present or not.
NOT_COUNTED = (
    Reason(MODULES, "torch",
           "accelerator amp ao autograd backends classes compiler cpp cpu cuda distributed distributions export fft func functional "
           "futures fx hub jit library linalg masked monitor mps mtia multiprocessing nested nn ops optim overrides package "
           "profiler quantization "
           "quasirandom random return_types serialization signal sparse special storage testing torch torch_version types utils version "
           "windows xpu"),
    Reason(MODULES, "torch.distributions",
           "bernoulli beta binomial categorical cauchy chi2 constraint_registry constraints continuous_bernoulli dirichlet distribution "
           "exp_family exponential fishersnedecor gamma generalized_pareto geometric gumbel half_cauchy half_normal independent "
           "inverse_gamma kl kumaraswamy laplace lkj_cholesky log_normal logistic_normal lowrank_multivariate_normal mixture_same_family "
           "multinomial multivariate_normal negative_binomial normal one_hot_categorical pareto poisson relaxed_bernoulli "
           "relaxed_categorical studentT transformed_distribution transforms uniform utils von_mises weibull wishart"),
    Reason(MODULES, "torch.nn",
           "attention common_types functional grad init intrinsic modules parallel parameter qat quantizable quantized utils"),
    Reason(MODULES, "torch.nn.utils",
           "clip_grad convert_parameters fusion init memory_format parametrizations parametrize rnn spectral_norm stateless "
           "weight_norm"),
    Reason(MODULES, "torch.autograd",
           "anomaly_mode forward_ad function functional grad_mode graph profiler profiler_legacy profiler_util"),
    Reason(MODULES, "torch.utils.data",
           "dataloader datapipes dataset distributed graph graph_settings sampler"),
    Reason(MODULES, "torch.*",
           "torch lr_scheduler swa_utils windows maskedtensor autocast_mode grad_scaler"),
    Reason(MODULES, "torch.nn.functional", "grad"),
    Reason("names that a module imported for its own use", "torch.*",
           "Tensor DType BroadcastingList[123] boolean_dispatch assert_int_or_pair handle_torch_function has_torch_function\\w* "
           "is_tensor_like variable PRIVATE_OPS USE_\\w+ classproperty get_file_path prepare_multiprocessing_environment"),
    Reason("texts that documentation is made of", "torch.*", "\\w+_notes \\w*common_args multi_dim_common"),
    Reason("TorchScript and its types", "torch",
           "\\w+Type Script\\w+ Graph GraphExecutorState Block Node Value Use Type Argument ArgumentSpec CompleteArgumentSpec AliasDb "
           "CallStack Capsule Code CompilationUnit ConcreteModuleTypeBuilder DeepCopyMemoTable ErrorReport ExecutionPlan "
           "FatalError FileCheck "
           "FunctionSchema Future Gradient IODescriptor JITException LiteScriptModule LockingLogger LoggerBase NoopLogger ModuleDict "
           "ParameterDict BufferDict OperatorInfo PyTorchFileReader PyTorchFileWriter StaticModule TracingState "
           "(De)?[sS]erializationStorageContext ThroughputBenchmark Benchmark\\w+ AVG SUM DeviceObjType StreamObjType "
           "import_ir_module\\w* merge_type_from_type_comment "
           "parse_\\w+ unify_type_list fork wait"),
    Reason("programs of TorchScript: what is scripted or traced here runs as Python, whose operations XLA compiles", "torch.jit",
           "CompilationUnit ONNXTracedModule RecursiveScriptClass export_opnames frontend jit_module_from_flatbuffer "
           "last_executed_optimized_graph run_frozen_optimizations save_jit_module_to_flatbuffer"),
    Reason("names that a module imported for its own use", "torch.jit", "contextmanager set_module torch"),
    Reason("the internals of PyTorch's dispatcher and threads", "torch",
           "DispatchKey DispatchKeySet ExcludeDispatchKeyGuard DisableTorchFunction\\w* Tag StorageBase init_num_threads"),
    Reason("the internals of PyTorch's dispatcher and threads", "torch.utils.checkpoint", "SAC_IGNORED_OPS SelectiveCheckpointContext"),
    Reason("quantisation", "torch.*",
           "Q\\w+Storage q_\\w+ qu?int\\w+ qscheme int_repr (de)?quantize\\w* quantized_\\w+ per_(tensor|channel)_\\w+ fake_quantize_\\w+ "
           "fused_moving_avg_obs_fake_quant choose_qparams_optimized empty_quantized"),
    Reason("dtypes that hold bits for quantisation kernels", "torch", "bit bits\\w+ u?int[1-7] float4_e2m1fn_x2"),
    Reason("sparse and nested layouts", "torch.*",
           "sparse_\\w+ ((col|crow|ccol|row)_)?indices(_copy)? values(_copy)? coalesce is_coalesced dense_dim "
           "to_sparse\\w* to_padded_tensor resize_as_sparse_ smm hsp?mm saddmm sspaddmm jagged"),
    Reason("kernels of one vendor", "torch.*",
           "cudnn_\\w+ miopen_\\w+ mkldnn_\\w+ to_mkldnn fbgemm_\\w+ batch_norm_(stats|elemt|gather\\w+|backward\\w+|update_stats) "
           "profiler_allow_cudagraph\\w+ is_vulkan_available"),
    Reason("devices that JAX has no name for", "torch.*", "ipu xpu mtia \\w+autocast_(ipu|xla)_\\w+"),
    Reason("the profiler's records", "torch.autograd", "DeviceType Profiler\\w+ kineto_available SavedTensor NestedIOFunction"),
    Reason("the profiler's records", "torch.profiler", "DeviceType RecordScope KinetoStepTracker ExecutionTraceObserver itt"),
    Reason("names that a module imported for its own use", "torch.profiler",
           "Optimizer TypeVarTuple Unpack is_fbcode register_optimizer_step_post_hook profiler"),
    Reason("names that a module imported for its own use", "torch.hub", "HTTPError URLError Path Request deprecated tqdm urlopen urlparse"),
    Reason("names that a module imported for its own use", "torch.utils.checkpoint",
           "Abstract\\w+ Annotated AnyStr Async\\w+ Awaitable BinaryIO ByteString ChainMap Collection Container ContextManager Coroutine "
           "Counter DefaultDict Deque Dict ForwardRef FrozenSet Generator Hashable IO \\w+View List LiteralString LoggingTensorMode Match "
           "Mutable\\w+ Never NewType NotRequired OrderedDict ParamSpec\\w+ Pattern ReferenceType Required Reversible SavedTensor Self Set "
           "Sized Supports\\w+ Text TextIO TorchDispatchMode Tuple Type\\w* Unpack assert_\\w+ capture_logs clear_overloads "
           "dataclass_transform defaultdict final fx_traceback get_args get_origin get_overloads get_type_hints is_typeddict "
           "no_type_check\\w* reveal_type runtime_checkable tree_map"),
    Reason("data pipes, which PyTorch has stopped developing", "torch.utils.data",
           "\\w+DataPipe DataChunk functional_datapipe guaranteed_datapipes_determinism non_deterministic argument_validation "
           "runtime_validation\\w*"),
)  # fmt: skip

# Names that do count, and are absent.
ABSENT = (
    Reason("complex numbers of two 16-bit halves, which XLA lacks", "torch.*", "chalf complex32"),
    Reason("PyTorch itself has no such function for dense tensors", "torch", "native_norm"),
    Reason("indexing by the first-class dimensions of functorch.dim", "torch.Tensor", "index"),
    Reason("products of scaled 8-bit floats, for some GPUs' own instructions", "torch.nn.functional", "scaled_mm scaled_grouped_mm"),
)  # fmt: skip


# PyTorch's modules that torchish lacks, below `torch.`: all of them, and what is in them.
ABSENT_MODULES = (
    Reason("graphs of PyTorch's operators; here JAX captures programs (`torch.compile`, `torchish.flax`, `jax.export`)", "",
           "fx export package nativert utils\\.(jit|mobile_optimizer|bundled_inputs|model_dump)"),
    Reason("quantisation, which is kernels for 8-bit integers of one vendor's processors", "",
           "ao quantization nn\\.(intrinsic|qat|quantizable|quantized) backends\\.(quantized|xnnpack)"),
    Reason("layouts that XLA lacks, whose arrays are dense and rectangular", "", "sparse nested cuda\\.sparse"),
    Reason("operators registered with PyTorch's dispatcher, and extensions in C++; here operations are functions of JAX", "",
           "classes cpp contrib nn\\.(cpp|backends) backends\\.python_native "
           "utils\\.(cpp_extension|cpp_backtrace|hipify|file_baton|backend_registration|weak)"),
    Reason("processes that exchange tensors; one process drives all devices here", "",
           "distributed\\.\\w+ multiprocessing\\.(pool|queue|reductions) cuda\\.(nccl|comm)"),
    Reason("devices that JAX has no name for, and switches of one vendor's libraries", "",
           "mtia numa backends\\.(miopen|xeon) utils\\.mkldnn mps\\.(event|profiler) xpu\\.\\w+"),
    Reason("memory, graphs, streams and profilers of CUDA, which XLA manages itself; what there is of them is in `torch.cuda`", "",
           "cuda\\.(gds|graphs|green_contexts|jiterator|memory|nvtx|profiler|random|streams|tunable) accelerator\\.(graphs|memory)"),
    Reason("attention written for the compiler of PyTorch's GPU kernels; `scaled_dot_product_attention` takes any mask", "",
           "nn\\.attention\\.(bias|experimental|flex_attention|varlen)"),
    Reason("quasi-random numbers need a table of 21201 polynomials, which is data; `scipy.stats.qmc.Sobol` has the same sequence", "",
           "quasirandom"),
    Reason("the files that PyTorch keeps things in, which are there under the module's own name", "",
           "optim\\.(adadelta|adagrad|adamax|adamw|asgd|nadam|radam|rmsprop|rprop|sparse_adam) signal\\.windows\\.windows "
           "(cuda|cpu)\\.amp\\.\\w+ nn\\.modules\\.linear_cross_entropy masked\\.maskedtensor"),
    Reason("the profiler's records", "", "profiler\\.(itt|python_tracer) autograd\\.(profiler_legacy|profiler_util) monitor"),
    Reason("tools for the study of PyTorch itself, and what it keeps for older programs", "",
           "compiler\\.config utils\\.(backcompat|collect_env|debug_log|deterministic|flop_counter|module_tracker|"
           "serialization|show_pickle|throughput_benchmark|viz) utils\\.benchmark\\.(examples|op_fuzzers)"),
    Reason("data pipes, which PyTorch has stopped developing", "",
           "utils\\.data\\.(datapipes|graph|graph_settings|backward_compatibility)"),
)  # fmt: skip


class Row(NamedTuple):
    """One namespace: how many names count, those of them that are absent, and those that do not count, by reason."""

    namespace: str
    counted: int
    absent: dict[str, list[str]]
    aside: dict[str, list[str]]

    @property
    def missing(self) -> int:
        return sum(len(names) for names in self.absent.values())

    @property
    def share(self) -> float:
        return 1 - self.missing / self.counted


def resolve(name: str) -> Any:
    """torchish's object for the PyTorch module or class `name`."""
    if name == "torch.Tensor":
        return import_module("torchish").Tensor
    target = torchish_name(name)
    assert target is not None
    return import_module(target)


@cache
def _patterns(reason: Reason) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{n})" for n in reason.names.split()))


def reason_for(namespace: str, name: str, reasons: tuple[Reason, ...]) -> str | None:
    """The text of the first of `reasons` that covers `name`; None when none does."""
    for r in reasons:
        here = namespace.startswith("torch") if r.where == "torch.*" else namespace == r.where
        if here and _patterns(r).fullmatch(name):
            return r.text
    return None


UNEXPLAINED = "no reason given"


def has_module(name: str) -> bool:
    """Whether torchish has PyTorch's module `torch.` + name, as a module or as an attribute of one."""
    target = torchish_name(f"torch.{name}")
    if target is None:
        return False
    try:
        import_module(target)
    except ModuleNotFoundError as e:
        if not target.startswith(str(e.name)):  # something that tests or users may lack
            return True
        head, _, last = target.rpartition(".")
        return bool(head) and head != "torchish" and has_module(name.rpartition(".")[0]) and hasattr(import_module(head), last)
    return True


def absent_modules() -> dict[str, list[str]]:
    """PyTorch's modules that torchish lacks, by reason; below an absent one there is nothing else to tell."""
    found: dict[str, list[str]] = {}
    for name in sorted(pytorch_names()["modules"]):
        if not has_module(name):
            found.setdefault(next((r.text for r in ABSENT_MODULES if _patterns(r).fullmatch(name)), UNEXPLAINED), []).append(name)
    return found


def survey(namespace: str) -> Row:
    """Compare one namespace with PyTorch's names."""
    ours = resolve(namespace)
    counted, absent, aside = 0, {}, {}  # type: ignore[var-annotated]
    for name in sorted(pytorch_names()[namespace]):
        if not name.startswith("_"):
            apart = reason_for(namespace, name, NOT_COUNTED)
            if apart is not None:
                aside.setdefault(apart, []).append(name)
                continue
            counted += 1
            if not hasattr(ours, name):
                absent.setdefault(reason_for(namespace, name, ABSENT) or UNEXPLAINED, []).append(name)
    return Row(namespace, counted, absent, aside)


def unused_patterns() -> list[str]:
    """Patterns that match no name any more (and, among the absent ones, those whose names are all there now)."""
    unused = []
    lacking = [name for names in absent_modules().values() for name in names]
    for r in ABSENT_MODULES:
        unused += [f"module: {p}" for p in r.names.split() if not any(re.fullmatch(p, name) for name in lacking)]
    for reasons in (NOT_COUNTED, ABSENT):
        for r in reasons:
            for pattern in r.names.split():
                hits = [
                    name for ns in NAMESPACES if r.where in ("torch.*", ns) for name in pytorch_names()[ns]
                    if re.fullmatch(pattern, name) and not (reasons is ABSENT and hasattr(resolve(ns), name))
                ]  # fmt: skip
                if not hits:
                    unused.append(f"{r.where}: {pattern}")
    return unused


def page(rows: list[Row]) -> str:
    """The text of docs/coverage.md."""
    lines = [
        "# Coverage of PyTorch 2.13's names",
        "",
        "Written by `python docs/coverage.py`; do not edit. A name counts as there when the attribute exists; what it does is",
        "checked by the tests. Names that do not count are listed at the end.",
        "",
        "| namespace | names that count | there | share |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [f"| `{r.namespace}` | {r.counted} | {r.counted - r.missing} | {100 * r.share:.1f} % |" for r in rows]
    for title, of in (("Absent", "absent"), ("Not counted", "aside")):
        if of == "aside":
            lines += ["", "## Absent modules", ""]
            lines += [f"- {reason}: {', '.join(f'`torch.{n}`' for n in names)}" for reason, names in sorted(absent_modules().items())]
        lines += ["", f"## {title}"]
        for r in rows:
            groups: dict[str, list[str]] = getattr(r, of)
            if groups:
                lines += ["", f"### `{r.namespace}`" + ("" if of == "absent" else ", not counted"), ""]
                lines += [f"- {reason}: {', '.join(f'`{n}`' for n in names)}" for reason, names in sorted(groups.items())]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit status."""
    rows = [survey(ns) for ns in NAMESPACES]
    text = page(rows)
    bad = [f"{r.namespace}.{n}: {UNEXPLAINED}" for r in rows for n in r.absent.get(UNEXPLAINED, ())]
    bad += [f"torch.{n}: {UNEXPLAINED}" for n in absent_modules().get(UNEXPLAINED, ())]
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text() != text:
            bad.append(f"{PAGE.name} is stale: run python docs/coverage.py")
    else:
        PAGE.write_text(text)
    bad += [f"pattern without a name: {p}" for p in unused_patterns()]
    print("\n".join(bad) or "ok")
    return bool(bad)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
