"""torch.lstm, gru, rnn_tanh, rnn_relu and their cells, and the packing of sequences of unequal lengths."""

from __future__ import annotations

import numpy as np

from torchish._tensor.apply import apply
from torchish._tensor.creation import from_host
from torchish._tensor.dispatch import composite
from torchish._tensor.random import dropout_factors
from torchish._tensor.tensor import Tensor
from torchish.autograd.graph import GradFn, named
from torchish.ops.rnn import pack, rnn, state, unpack

_STATE = state.spec(("T",), ())
_PACK, _UNPACK = (o.spec(("T",) * 4, ()) for o in (pack, unpack))


def _run(mode: str, input: Tensor, hx: Tensor, cx: Tensor | None, params: tuple, has_biases: bool, num_layers: int, dropout: float,
         train: bool, bidirectional: bool, batch_sizes: Tensor | None = None) -> tuple[Tensor, ...]:  # fmt: skip
    where = None if batch_sizes is None else _packing(tuple(batch_sizes.tolist()), padded=True)
    per_direction = 4 if has_biases else 2
    directions = 2 if bidirectional else 1
    projections = mode == "LSTM" and len(params) == (per_direction + 1) * num_layers * directions
    kinds = ["T", "T", "N" if cx is None else "T", len(params)]
    width = hx._aval.shape[-1] * directions
    noise = []
    if train and dropout > 0:
        for _ in range(num_layers - 1):
            noise.append(_noise(hx, (*input._aval.shape[:-1], width), dropout))
    kinds += [len(noise), "N" if where is None else "T"]
    spec = rnn.spec(tuple(kinds), (mode, has_biases, projections, bidirectional))
    state = (hx,) if cx is None else (hx, cx)
    shown = 1 + len(state)
    if where is None:
        output, *states = apply(spec, (input, *state, *params, *noise))[:shown]
    else:  # in a padded form, which has the same shape for many batches
        input, *noise = (apply(_UNPACK, (x, *where)) for x in (input, *noise))
        padded, *states = apply(spec, (input, *state, *params, *noise, where[1]))[:shown]
        output = apply(_PACK, (padded, *where))
    if (mode != "LSTM" and not bidirectional) or output._grad_fn is None:
        return output, *states
    return output, *(apply(_STATE, (t,)) for t in states)


def _noise(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    if p >= 1:
        return from_host(np.zeros(shape, like._aval.dtype), like._aval.device)
    return dropout_factors(like, shape, p)


def _rename(t: Tensor, name: str) -> None:
    if t._grad_fn is not None:
        t._grad_fn.__class__ = named(name, GradFn)


_packings: dict[tuple, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}


def _packing(batch_sizes: tuple[int, ...], padded: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Where the steps of packed data are in (time, batch), which of those exist, and the way back.

    `padded`: with a few more times than there are, so that sequences of many lengths take the same shape.
    """
    made = _packings.get((batch_sizes, padded))
    if made is None:
        sizes = np.asarray(batch_sizes, np.int64)
        if padded:
            unit = max(4, 1 << max(0, sizes.size.bit_length() - 3))
            sizes = np.pad(sizes, (0, -sizes.size % unit))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        columns = np.arange(batch_sizes[0])
        mask = columns[None, :] < sizes[:, None]
        place = np.where(mask, starts[:, None] + columns[None, :], 0)
        made = (place, mask, np.flatnonzero(mask))
        if len(_packings) > 256:
            _packings.clear()
        _packings[batch_sizes, padded] = made
    return tuple(from_host(a) for a in made)  # type: ignore[return-value]


def _batched(mode: str, input: Tensor, hx: Tensor, cx: Tensor | None, params, has_biases, num_layers, dropout, train, bidirectional,
             batch_first) -> tuple[Tensor, ...]:  # fmt: skip
    if not batch_first:
        return _run(mode, input, hx, cx, params, has_biases, num_layers, dropout, train, bidirectional)
    out, *states = _run(mode, input.transpose(0, 1), hx, cx, params, has_biases, num_layers, dropout, train, bidirectional)
    turned = out.transpose(0, 1)
    if mode != "LSTM":
        _rename(turned, "TransposeBackward1")
    return turned, *states


_TAIL = "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional"


@composite(f"lstm(Tensor input, Tensor[] hx, {_TAIL}, bool batch_first)", method=False)
def lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
    """LSTM layers over (time, batch, features): output, h_n, c_n."""
    h, c = hx
    return _batched("LSTM", input, h, c, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


@composite(f"lstm(Tensor data, Tensor batch_sizes, Tensor[] hx, {_TAIL})", method=False)
def lstm_packed(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional):
    """LSTM layers over packed sequences: output, h_n, c_n."""
    h, c = hx
    return _run("LSTM", data, h, c, params, has_biases, num_layers, dropout, train, bidirectional, batch_sizes)


def _declare(name: str, mode: str) -> None:
    def batched(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        return _batched(mode, input, hx, None, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)

    def packed(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional):
        return _run(mode, data, hx, None, params, has_biases, num_layers, dropout, train, bidirectional, batch_sizes)

    batched.__doc__ = f"{name} layers over (time, batch, features): output, h_n."
    packed.__doc__ = f"{name} layers over packed sequences: output, h_n."
    composite(f"{name}(Tensor input, Tensor hx, {_TAIL}, bool batch_first)", method=False)(batched)
    composite(f"{name}(Tensor data, Tensor batch_sizes, Tensor hx, {_TAIL})", method=False)(packed)


for _name, _mode in (("gru", "GRU"), ("rnn_tanh", "RNN_TANH"), ("rnn_relu", "RNN_RELU")):
    _declare(_name, _mode)


# --- cells -------------------------------------------------------------------------------------------------


def _check_cell(input: Tensor, hidden: Tensor, w_ih: Tensor, w_hh: Tensor, gates: int) -> None:
    size = w_hh._aval.shape[1]
    if input._aval.ndim == 2 and input._aval.shape[1] != w_ih._aval.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input._aval.shape[1]} expected {w_ih._aval.shape[1]}")
    if hidden._aval.ndim == 2 and hidden._aval.shape[1] != size:
        raise RuntimeError(f"hidden0 has inconsistent hidden_size: got {hidden._aval.shape[1]}, expected {size}")
    if input._aval.shape[0] != hidden._aval.shape[0]:
        raise RuntimeError(
            f"Input batch size {input._aval.shape[0]} doesn't match hidden0 batch size {hidden._aval.shape[0]}"
        )


def _linear(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    from torchish._tensor.products import linear

    return linear(x, w, b)


_CELL = "Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None"


@composite(f"lstm_cell(Tensor input, Tensor[] hx, {_CELL})", method=False)
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One LSTM step of (batch, features): h and c."""
    h, c = hx
    _check_cell(input, h, w_ih, w_hh, 4)
    i, f, g, o = (_linear(input, w_ih, b_ih) + _linear(h, w_hh, b_hh)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@composite(f"gru_cell(Tensor input, Tensor hx, {_CELL})", method=False)
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One GRU step of (batch, features): h."""
    _check_cell(input, hx, w_ih, w_hh, 3)
    x_r, x_z, x_n = _linear(input, w_ih, b_ih).chunk(3, 1)
    h_r, h_z, h_n = _linear(hx, w_hh, b_hh).chunk(3, 1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return n + z * (hx - n)


@composite(f"rnn_tanh_cell(Tensor input, Tensor hx, {_CELL})", method=False)
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a tanh network of (batch, features): h."""
    _check_cell(input, hx, w_ih, w_hh, 1)
    return (_linear(input, w_ih, b_ih) + _linear(hx, w_hh, b_hh)).tanh()


@composite(f"rnn_relu_cell(Tensor input, Tensor hx, {_CELL})", method=False)
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a ReLU network of (batch, features): h."""
    _check_cell(input, hx, w_ih, w_hh, 1)
    return (_linear(input, w_ih, b_ih) + _linear(hx, w_hh, b_hh)).relu()


# --- packing -----------------------------------------------------------------------------------------------


def pack_padded_sequence(input: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """The steps of (time, batch, *) that exist, one time after another, and how many each time has."""
    sizes = np.asarray(lengths.detach()._host())
    if sizes.ndim != 1:
        raise RuntimeError(f"Expected 1-D lengths tensor but got {sizes.ndim}-D tensor")
    batch = input._aval.shape[0 if batch_first else 1]
    if input._aval.size == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if sizes.size != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {sizes.size} (batch_size={batch})"
        )
    if (sizes[1:] > sizes[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do "
            "not need ONNX exportability."
        )
    if sizes[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    mask = np.arange(sizes[0])[:, None] < sizes[None, :]
    steps = input.transpose(0, 1) if batch_first else input
    if sizes[0] > steps._aval.shape[0]:
        raise RuntimeError(
            f"Expected sequence length to be larger than or equal to {sizes[0]}, but got {steps._aval.shape[0]}"
        )
    flat = steps.reshape(-1, *steps.shape[2:])
    data = flat.index_select(0, from_host(np.flatnonzero(mask)))
    _rename(data, "PackPaddedSequenceBackward0")
    return data, from_host(mask.sum(1).astype(np.int64))


def pad_packed_sequence(data: Tensor, batch_sizes: Tensor, batch_first: bool, padding_value: float,
                        total_length: int) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Packed steps as (time, batch, *) with `padding_value` where there are none, and the lengths."""
    sizes = tuple(batch_sizes.tolist())
    place, mask, _ = _packing(sizes)
    padded = data[place]
    missing = ~mask.reshape(*mask.shape, *(1,) * (data.dim() - 1))
    padded = padded.masked_fill(missing, padding_value)
    if total_length > len(sizes):
        padding = [0, 0] * (padded.dim() - 1) + [0, total_length - len(sizes)]
        from torchish._tensor.manipulate import pad

        padded = pad(padded, (*padding,), "constant", padding_value)
    _rename(padded, "CopySlices")  # PyTorch copies step by step
    lengths = np.asarray(mask._host()).sum(0).astype(np.int64)
    return (padded.transpose(0, 1) if batch_first else padded), from_host(lengths)
