"""Recurrent layers as scans over time: the size of the compiled program does not depend on the sequence length."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.declare import op
from torchish.ops.elementary import tanh
from torchish.ops.precision import is_half, widen

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _step(mode: str, x, e, h, c, w_hh, w_hr):
    """One step from the projected input `x` (batch, gates * hidden) and what the projected state gets added, if anything:
    the new output and cell state."""
    g = h @ w_hh.T
    if e is not None:
        g = g + e
    if mode == "LSTM":
        i, f, n, o = jnp.split(x + g, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * tanh(n)
        h = jax.nn.sigmoid(o) * tanh(c)
        return (h if w_hr is None else h @ w_hr.T), c
    if mode == "GRU":
        x_r, x_z, x_n = jnp.split(x, 3, axis=-1)
        g_r, g_z, g_n = jnp.split(g, 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + g_r), jax.nn.sigmoid(x_z + g_z)
        n = tanh(x_n + r * g_n)
        return n + z * (h - n), c
    return (tanh(x + g) if mode == "RNN_TANH" else jnp.maximum(x + g, 0)), c


def _steps(mode: str, reverse: bool, x, e, h0, c0, w_hh, w_hr, mask):
    """All steps of one direction: outputs (time, batch, hidden), last h, last c."""

    def step(carry, inputs):
        h, c = carry
        xt, et, keep = inputs
        h2, c2 = _step(mode, xt, et, h, c, w_hh, w_hr)
        if keep is not None:  # past the end of its sequence a row keeps its state
            keep = keep[:, None]
            h2, c2 = jnp.where(keep, h2, h), jnp.where(keep, c2, c)
        return (h2, c2), h2

    (h, c), outputs = lax.scan(step, (h0, c0), (x, e, mask), reverse=reverse)
    return outputs, h, c


_loop = jax.custom_jvp(_steps, nondiff_argnums=(0, 1))


@_loop.defjvp
def _(mode, reverse, primals, tangents):
    # A change of w_hh acts on every step like a change of that step's input, which one product gives for all steps. So its
    # gradient is one product after the loop; JAX's own would add up an outer product per step: 1.1 to 1.3 times slower.
    x, e, h0, c0, w_hh, w_hr, mask = primals
    dx, de, dh, dc, dw, dr, _ = tangents
    results, push = jax.linearize(lambda x, e, h0, c0, w_hr: _steps(mode, reverse, x, e, h0, c0, w_hh, w_hr, mask), x, e, h0, c0, w_hr)
    outputs = results[0]
    before = jnp.concatenate([outputs[1:], h0[None]] if reverse else [h0[None], outputs[:-1]])
    through = before @ dw.T
    dx, de = (dx + through, None) if e is None else (dx, de + through)
    return results, push(dx, de, dh, dc, dr)


def _direction(mode: str, x, h0, c0, weights: dict[str, Any], mask, reverse: bool):
    """One layer in one direction over x (time, batch, features): outputs, last h, last c."""
    projected = x @ weights["ih"].T
    if "b_ih" in weights:
        projected = projected + weights["b_ih"]
    inner = None
    if mode == "GRU":  # whose reset gate multiplies the recurrent bias too
        inner = jnp.broadcast_to(weights.get("b_hh", np.zeros((), x.dtype)), projected.shape)
    elif "b_hh" in weights:
        projected = projected + weights["b_hh"]
    return _loop(mode, reverse, projected, inner, h0, h0[:, :0] if c0 is None else c0, weights["hh"], weights.get("hr"), mask)


def _weights(params: list, has_biases: bool, has_projections: bool) -> list[dict[str, Any]]:
    names = ["ih", "hh"] + (["b_ih", "b_hh"] if has_biases else []) + (["hr"] if has_projections else [])
    n = len(names)
    return [dict(zip(names, params[i : i + n], strict=True)) for i in range(0, len(params), n)]


def _grad_name(spec, flat) -> str:
    mode, bidirectional = spec.statics[0], spec.statics[3]
    return "CatBackward0" if bidirectional else "MkldnnRnnLayerBackward0" if mode == "LSTM" else "StackBackward0"


@op(
    "_rnn(Tensor input, Tensor hx, Tensor? cx, Tensor[] params, Tensor[] noise, Tensor? mask, *, "
    "str mode, bool has_biases, bool has_projections, bool bidirectional)",
    out=False, method=False, function=False, grad=_grad_name, indices=("noise", "mask"), alone=("mask",),
)  # fmt: skip
def rnn(input, hx, cx, params, noise, mask, mode, has_biases, has_projections, bidirectional):
    """All layers of a recurrent network: input (time, batch, features), hx and cx (layers * directions, batch, hidden).

    `noise` holds the dropout factors behind each layer but the last. `mask` (time, batch) says which steps exist, when
    not all do. Returns output, h_n and, for LSTM, c_n.
    """
    if not input.shape[0]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    dtype = input.dtype
    half = is_half(dtype)
    x, hx, cx = widen(input), widen(hx), widen(cx)
    layers = _weights([widen(p) for p in params], has_biases, has_projections)
    hs, cs = [], []
    directions = 2 if bidirectional else 1
    for i in range(len(layers) // directions):
        outputs = []
        for d in range(directions):
            k = i * directions + d
            y, h, c = _direction(mode, x, hx[k], None if cx is None else cx[k], layers[k], mask, d == 1)
            outputs.append(y)
            hs.append(h)
            cs.append(c)
        x = outputs[0] if directions == 1 else jnp.concatenate(outputs, axis=-1)
        if half:
            x = widen(x.astype(dtype))
        if i < len(noise):
            x = x * widen(noise[i])
    results = [x, jnp.stack(hs)] + ([jnp.stack(cs)] if mode == "LSTM" else [])
    return tuple(r.astype(dtype) for r in results)


@op("_rnn_unpack(Tensor input, Tensor place, Tensor mask, Tensor packed)", out=False, method=False, function=False,
    saves=("place", "mask", "packed"), indices=("place", "mask", "packed"))  # fmt: skip
def unpack(input, place, mask, packed):
    """Packed steps (steps, features) as (time, batch, features): `place` says where each is, `packed` the way back."""
    return input[place]


@unpack.backward
def _(grad, place, mask, packed):
    return pack.body(grad, place, mask, packed), None, None, None


@op("_rnn_pack(Tensor input, Tensor place, Tensor mask, Tensor packed)", out=False, method=False, function=False,
    saves=("place", "mask", "packed"), indices=("place", "mask", "packed"), grad="CatBackward0")  # fmt: skip
def pack(input, place, mask, packed):
    """The steps of (time, batch, features) that exist, packed: (steps, features)."""
    return input.reshape(-1, input.shape[-1])[packed]


@pack.backward
def _(grad, place, mask, packed):
    return jnp.where(mask[:, :, None], grad[place], 0), None, None, None


@op("_rnn_state(Tensor input)", out=False, method=False, function=False, saves=(), grad="StackBackward0")
def state(input):
    """The identity under the name that PyTorch gives to the stack of last states."""
    return input
