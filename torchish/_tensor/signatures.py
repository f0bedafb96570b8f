"""PyTorch's signatures of functions that have several, as its argument errors list them, where the declarations here differ.

A line without indentation names functions (and methods, with a dot) whose signatures follow it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_FACTORY = (
    "torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, bool pin_memory = False, "
    "bool requires_grad = False"
)
_CTC = "int blank = 0, int reduction = at::Reduction::Mean, bool zero_infinity = False"
_STFT = "bool normalized = False, bool onesided = None, bool return_complex = None, bool align_to_window = None"
_SHORT = {
    "<stft>": f'str pad_mode = "reflect", {_STFT}', "<short stft>": _STFT,
    "<ctc>": _CTC, "<out>": "Tensor out = None", "<factory>": _FACTORY, "<out factory>": f"Tensor out = None, {_FACTORY}", "<none>": "",
}  # fmt: skip
_TEXT = """
addmm
    Tensor input, Tensor mat1, Tensor mat2, *, Number beta = 1, Number alpha = 1, <out>
    Tensor input, Tensor mat1, Tensor mat2, torch.dtype out_dtype, *, Number beta = 1, Number alpha = 1, <out>
all any
    Tensor input, *, <out>
    Tensor input, tuple of ints dim = None, bool keepdim = False, *, <out>
    Tensor input, int dim, bool keepdim = False, *, <out>
.all .any
    <none>
    tuple of ints dim = None, bool keepdim = False
    int dim, bool keepdim = False
arange
    Number end, *, <out factory>
    Number start, Number end, *, <factory>
    Number start, Number end, Number step = 1, *, <out factory>
argsort
    Tensor input, *, bool stable, int dim = -1, bool descending = False, <out>
    Tensor input, int dim = -1, bool descending = False
.argsort .sort
    *, bool stable, int dim = -1, bool descending = False
    int dim = -1, bool descending = False
baddbmm
    Tensor input, Tensor batch1, Tensor batch2, *, Number beta = 1, Number alpha = 1, <out>
    Tensor input, Tensor batch1, Tensor batch2, torch.dtype out_dtype, *, Number beta = 1, Number alpha = 1, <out>
.bernoulli_
    Tensor p, *, torch.Generator generator = None
    float p = 0.5, *, torch.Generator generator = None
bmm mm
    Tensor input, Tensor mat2, *, <out>
    Tensor input, Tensor mat2, torch.dtype out_dtype, *, <out>
bucketize
    Tensor input, Tensor boundaries, *, bool out_int32 = False, bool right = False, <out>
    Number self, Tensor boundaries, *, bool out_int32 = False, bool right = False
clamp_ clip_
    Tensor input, Tensor min = None, Tensor max = None
    Tensor input, Number min = None, Number max = None
clamp_max_
    Tensor input, Tensor max
    Tensor input, Number max
clamp_min_
    Tensor input, Tensor min
    Tensor input, Number min
ctc_loss
    Tensor log_probs, Tensor targets, tuple of ints input_lengths, tuple of ints target_lengths, <ctc>
    Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, <ctc>
count_nonzero
    Tensor input, int dim = None
    Tensor input, tuple of ints dim
.count_nonzero
    int dim = None
    tuple of ints dim
div
    Tensor input, Tensor other, *, <out>
    Tensor input, Tensor other, *, str rounding_mode, <out>
    Tensor input, Number other, *, str rounding_mode
.div .div_
    Tensor other
    Tensor other, *, str rounding_mode
    Number other, *, str rounding_mode
divide
    Tensor input, Tensor other, *, <out>
    Tensor input, Tensor other, *, str rounding_mode, <out>
    Tensor input, Number other
    Tensor input, Number other, *, str rounding_mode
.divide .divide_
    Tensor other
    Tensor other, *, str rounding_mode
    Number other
    Number other, *, str rounding_mode
fill fill_
    Tensor input, Tensor value
    Tensor input, Number value
.fill_
    Tensor value
    Number value
.float_power_
    Tensor exponent
    Number exponent
floor_divide multiply true_divide
    Tensor input, Tensor other, *, <out>
    Tensor input, Number other
.floor_divide .floor_divide_ .multiply .multiply_ .true_divide .true_divide_
    Tensor other
    Number other
gradient
    Tensor input, *, tuple of ints dim, int edge_order = 1
    Tensor input, *, Number spacing, tuple of ints dim, int edge_order = 1
    Tensor input, *, Number spacing = None, int dim = None, int edge_order = 1
    Tensor input, *, tuple of Scalars spacing, int dim = None, int edge_order = 1
    Tensor input, *, tuple of Scalars spacing, tuple of ints dim, int edge_order = 1
    Tensor input, *, tuple of Tensors spacing, int dim = None, int edge_order = 1
    Tensor input, *, tuple of Tensors spacing, tuple of ints dim, int edge_order = 1
histogram
    Tensor input, Tensor bins, *, Tensor weight = None, bool density = False, tuple of Tensors out = None
    Tensor input, int bins = 100, *, tuple of floats range = None, Tensor weight = None, bool density = False, tuple of Tensors out = None
histogramdd
    Tensor input, int bins, tuple of floats range = None, Tensor weight = None, bool density = False
    Tensor input, tuple of ints bins, tuple of floats range = None, Tensor weight = None, bool density = False
    Tensor input, tuple of Tensors bins, tuple of floats range = None, Tensor weight = None, bool density = False
index_fill
    Tensor input, int dim, Tensor index, Tensor value
    Tensor input, int dim, Tensor index, Number value
.index_fill .index_fill_
    int dim, Tensor index, Tensor value
    int dim, Tensor index, Number value
isin
    Tensor elements, Tensor test_elements, *, bool assume_unique = False, bool invert = False, <out>
    Number element, Tensor test_elements, *, bool assume_unique = False, bool invert = False, <out>
    Tensor elements, Number test_element, *, bool assume_unique = False, bool invert = False, <out>
linalg_cond
    Tensor input, Number p = None, *, <out>
    Tensor input, str p, *, <out>
linalg_matrix_norm
    Tensor input, Number ord, tuple of ints dim = {-2,-1}, bool keepdim = False, *, torch.dtype dtype = None, <out>
    Tensor input, str ord = "fro", tuple of ints dim = {-2,-1}, bool keepdim = False, *, torch.dtype dtype = None, <out>
linalg_matrix_rank
    Tensor input, *, Tensor atol = None, Tensor rtol = None, bool hermitian = False, <out>
    Tensor input, *, float atol = None, float rtol = None, bool hermitian = False, <out>
    Tensor input, Tensor tol, bool hermitian = False, *, <out>
    Tensor input, float tol, bool hermitian = False, *, <out>
linalg_norm
    Tensor input, Number ord = None, tuple of ints dim = None, bool keepdim = False, *, torch.dtype dtype = None, <out>
    Tensor input, str ord, tuple of ints dim = None, bool keepdim = False, *, torch.dtype dtype = None, <out>
linalg_pinv
    Tensor input, *, Tensor atol = None, Tensor rtol = None, bool hermitian = False, <out>
    Tensor input, *, float atol = None, float rtol = None, bool hermitian = False, <out>
    Tensor input, Tensor rcond, bool hermitian = False, *, <out>
    Tensor input, float rcond, bool hermitian = False, *, <out>
linspace
    Tensor start, Tensor end, int steps, *, <out factory>
    Number start, Tensor end, int steps, *, <out factory>
    Tensor start, Number end, int steps, *, <out factory>
    Number start, Number end, int steps, *, <out factory>
logspace
    Tensor start, Tensor end, int steps, float base = 10.0, *, <out factory>
    Number start, Tensor end, int steps, float base = 10.0, *, <out factory>
    Tensor start, Number end, int steps, float base = 10.0, *, <out factory>
    Number start, Number end, int steps, float base = 10.0, *, <out factory>
masked_fill
    Tensor input, Tensor mask, Tensor value
    Tensor input, Tensor mask, Number value
.masked_fill .masked_fill_
    Tensor mask, Tensor value
    Tensor mask, Number value
max min
    Tensor input, *, <out>
    Tensor input, Tensor other, *, <out>
    Tensor input, int dim, bool keepdim = False, *, tuple of Tensors out = None
mean
    Tensor input, *, torch.dtype dtype = None, <out>
    Tensor input, tuple of ints dim, bool keepdim = False, *, torch.dtype dtype = None, <out>
median nanmedian
    Tensor input
    Tensor input, int dim, bool keepdim = False, *, tuple of Tensors out = None
moveaxis movedim
    Tensor input, int source, int destination
    Tensor input, tuple of ints source, tuple of ints destination
.moveaxis .movedim
    int source, int destination
    tuple of ints source, tuple of ints destination
nanquantile quantile
    Tensor input, Tensor q, int dim = None, bool keepdim = False, *, str interpolation = "linear", <out>
    Tensor input, float q, int dim = None, bool keepdim = False, *, str interpolation = "linear", <out>
.nanquantile .quantile
    Tensor q, int dim = None, bool keepdim = False, *, str interpolation = "linear"
    float q, int dim = None, bool keepdim = False, *, str interpolation = "linear"
narrow
    Tensor input, int dim, Tensor start, int length
    Tensor input, int dim, int start, int length
.narrow
    int dim, Tensor start, int length
    int dim, int start, int length
.nonzero
    <none>
    *, bool as_tuple
normal
    Tensor mean, Tensor std, *, torch.Generator generator = None, <out>
    Tensor mean, float std = 1, *, torch.Generator generator = None, <out>
    float mean, Tensor std, *, torch.Generator generator = None, <out>
    float mean, float std, tuple of ints size, *, torch.Generator generator = None, <out factory>
nuclear_norm
    Tensor input, tuple of ints dim, bool keepdim = False, *, <out>
    Tensor input, bool keepdim = False, *, <out>
rand randn
    tuple of ints size, *, torch.Generator generator, <out factory>
    tuple of ints size, *, <out factory>
rand_like randn_like
    Tensor input, *, torch.Generator generator, torch.memory_format memory_format = None, <factory>
    Tensor input, *, torch.memory_format memory_format = None, <factory>
randint_like
    Tensor input, int low, int high, *, torch.Generator generator, torch.memory_format memory_format = None, <factory>
    Tensor input, int low, int high, *, torch.memory_format memory_format = None, <factory>
    Tensor input, Tensor high, *, torch.Generator generator, torch.memory_format memory_format = None, <factory>
    Tensor input, Tensor high, *, torch.memory_format memory_format = None, <factory>
    Tensor input, int high, *, torch.Generator generator, torch.memory_format memory_format = None, <factory>
    Tensor input, int high, *, torch.memory_format memory_format = None, <factory>
.random_
    *, torch.Generator generator = None
    int from, int to, *, torch.Generator generator = None
    int to, *, torch.Generator generator = None
randperm
    int n, *, torch.Generator generator, <out factory>
    int n, *, <out factory>
repeat_interleave
    Tensor input, Tensor repeats, int dim = None, *, int output_size = None
    Tensor repeats, *, int output_size = None
    Tensor input, int repeats, int dim = None, *, int output_size = None
.repeat_interleave
    Tensor repeats, int dim = None, *, int output_size = None
    int repeats, int dim = None, *, int output_size = None
result_type
    Tensor tensor, Tensor other
    Number scalar, Tensor tensor
    Tensor tensor, Number other
    Number scalar1, Number scalar2
round
    Tensor input, *, <out>
    Tensor input, *, int decimals, <out>
.round .round_
    <none>
    *, int decimals
round_
    Tensor input
    Tensor input, *, int decimals
scatter
    Tensor input, int dim, Tensor index, Tensor src, *, <out>
    Tensor input, int dim, Tensor index, Tensor src, *, str reduce, <out>
    Tensor input, int dim, Tensor index, Number value, *, <out>
    Tensor input, int dim, Tensor index, Number value, *, str reduce, <out>
.scatter .scatter_
    int dim, Tensor index, Tensor src
    int dim, Tensor index, Tensor src, *, str reduce
    int dim, Tensor index, Number value
    int dim, Tensor index, Number value, *, str reduce
searchsorted
    Tensor sorted_sequence, Tensor input, *, bool out_int32 = False, bool right = False, str side = None, Tensor sorter = None, <out>
    Tensor sorted_sequence, Number self, *, bool out_int32 = False, bool right = False, str side = None, Tensor sorter = None, <out>
sort
    Tensor input, *, bool stable, int dim = -1, bool descending = False, tuple of Tensors out = None
    Tensor input, int dim = -1, bool descending = False, *, tuple of Tensors out = None
split
    Tensor input, int split_size, int dim = 0
    Tensor input, tuple of ints split_size, int dim = 0
.squeeze_
    <none>
    int dim
    tuple of ints dim
std var
    Tensor input, tuple of ints dim, bool unbiased = True, bool keepdim = False, *, <out>
    Tensor input, tuple of ints dim = None, *, Number correction = None, bool keepdim = False, <out>
    Tensor input, bool unbiased = True
.std .var
    tuple of ints dim, bool unbiased = True, bool keepdim = False
    tuple of ints dim = None, *, Number correction = None, bool keepdim = False
    bool unbiased = True
std_mean var_mean
    Tensor input, tuple of ints dim, bool unbiased = True, bool keepdim = False
    Tensor input, tuple of ints dim = None, *, Number correction = None, bool keepdim = False
    Tensor input, bool unbiased = True
stft
    Tensor input, int n_fft, int hop_length = None, int win_length = None, Tensor window = None, bool center = True, <stft>
    Tensor input, int n_fft, int hop_length = None, int win_length = None, Tensor window = None, <short stft>
subtract
    Tensor input, Tensor other, *, Number alpha = 1, <out>
    Tensor input, Number other, Number alpha = 1
.subtract .subtract_
    Tensor other, *, Number alpha = 1
    Number other, Number alpha = 1
tensor_split
    Tensor input, tuple of ints indices, int dim = 0
    Tensor input, Tensor tensor_indices_or_sections, int dim = 0
    Tensor input, int sections, int dim = 0
.tensor_split
    tuple of ints indices, int dim = 0
    Tensor tensor_indices_or_sections, int dim = 0
    int sections, int dim = 0
trapz
    Tensor y, *, float dx = 1, int dim = -1
    Tensor y, Tensor x, *, int dim = -1
.view
    torch.dtype dtype
    tuple of ints size
view_copy
    Tensor input, torch.dtype dtype, *, <out>
    Tensor input, tuple of ints size, *, <out>
where
    Tensor condition
    Tensor condition, Tensor input, Tensor other, *, <out>
    Tensor condition, Number self, Tensor other
    Tensor condition, Tensor input, Number other
    Tensor condition, Number self, Number other
.where
    Tensor condition, Tensor other
    Tensor condition, Number other
xlogy_
    Tensor input, Tensor other
    Tensor input, Number other
"""


# Functions that are written in Python there too, so that Python itself says which arguments are missing, too many or unknown (the
# values of the defaults do not matter).
_IN_PYTHON = """
norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None)
unique: _return_output(input, sorted=True, return_inverse=False, return_counts=False, dim=None)
unique_consecutive: _consecutive_return_output(input, return_inverse=False, return_counts=False, dim=None)
tensordot(a, b, dims=2, out=None)
split(tensor, split_size_or_sections, dim=0)
stft(input,n_fft,hop_length=_,win_length=_,window=_,center=_,pad_mode=_,normalized=_,onesided=_,return_complex=_,align_to_window=_)
cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary")
unravel_index(indices, shape)
.split(self, split_size, dim=0)
.unflatten(self, dim, sizes)
.stft(self,n_fft,hop_length=_,win_length=_,window=_,center=_,pad_mode=_,normalized=_,onesided=_,return_complex=_,align_to_window=_)
"""


@functools.cache
def _forms() -> dict[str, Callable]:
    found = {}
    for line in _IN_PYTHON.strip().splitlines():
        function, _, form = line.rpartition(": ")  # where it calls itself otherwise
        key = function or form[: form.index("(")]
        name = form[: form.index("(")].removeprefix(".")
        made: dict[str, Any] = {}
        exec(f"_ = None\ndef {form.removeprefix('.')}: pass", made)
        made[name].__qualname__ = f"Tensor.{name}" if key[0] == "." else name
        found[key] = made[name]
    return found


def in_python(name: str, method: bool) -> Callable | None:
    """A function that takes what PyTorch's does and does nothing; None where that is not written in Python."""
    return _forms().get(f".{name}" if method else name)


@functools.cache
def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in _TEXT.strip().splitlines():
        if line[0] != " ":
            lines = []
            table.update(dict.fromkeys(line.split(), lines))
            continue
        for short, full in _SHORT.items():
            line = line.replace(short, full)
        lines.append(f"({line.strip()})")
    return table


def listed(name: str, method: bool) -> list[str] | None:
    """The signatures of a function or method as PyTorch's errors list them; None where the declarations say it."""
    return _table().get(f".{name}" if method else name)


def takes(signature: str, count: int) -> bool:
    """Whether a signature takes this many arguments."""
    params = [p for p in signature[1:-1].split(", ") if p not in ("*", "")]
    return sum(" = " not in p for p in params) <= count <= len(params)


def positional(signature: str) -> list[str]:
    """The names of the parameters that a signature takes by position."""
    params = [p for p in signature[1:-1].split(", ") if p]
    return [p.split(" = ")[0].rpartition(" ")[2] for p in params[: params.index("*") if "*" in params else None]]
