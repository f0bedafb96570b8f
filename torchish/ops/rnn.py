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


def _relu(x):
    return jnp.where(x <= 0, 0, x).astype(x.dtype)  # with PyTorch's slope of 0 at 0


def _step(mode: str, x, e, h, c, w_hh_t, w_hr):
    """One step from the projected input `x` (batch, gates * hidden) and what the projected state gets added, if anything:
    the new output and cell state, and the values of the gates, which the gradient needs."""
    g = h @ w_hh_t
    if e is not None:
        g = g + e
    if mode == "LSTM":
        i, f, n, o = jnp.split(x + g, 4, axis=-1)
        i, f, n, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), tanh(n), jax.nn.sigmoid(o)
        c = f * c + i * n
        h = o * tanh(c)
        return (h if w_hr is None else h @ w_hr.T), c, (i, f, n, o)
    if mode == "GRU":
        x_r, x_z, x_n = jnp.split(x, 3, axis=-1)
        g_r, g_z, g_n = jnp.split(g, 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + g_r), jax.nn.sigmoid(x_z + g_z)
        n = tanh(x_n + r * g_n)
        return n + z * (h - n), c, (r, z, n, g_n)
    return (tanh(x + g) if mode == "RNN_TANH" else _relu(x + g)), c, ()


def _steps(mode: str, reverse: bool, x, e, h0, c0, w_hh, w_hr, mask):
    """All steps of one direction: outputs (time, batch, hidden), last h, last c, and what the gradient needs of each step."""

    w_hh_t = w_hh.T  # once, not in each step's product: a tenth of the loop's time

    def step(carry, inputs):
        h, c = carry
        xt, et, keep = inputs
        h2, c2, gates = _step(mode, xt, et, h, c, w_hh_t, w_hr)
        if keep is not None:  # past the end of its sequence a row keeps its state
            keep = keep[:, None]
            h2, c2 = jnp.where(keep, h2, h), jnp.where(keep, c2, c)
        return (h2, c2), (h2, (*gates, c2) if mode == "LSTM" else gates)

    (h, c), (outputs, kept) = lax.scan(step, (h0, c0), (x, e, mask), reverse=reverse)
    return outputs, h, c, kept


_loop = jax.custom_jvp(_steps, nondiff_argnums=(0, 1))


@_loop.defjvp
def _(mode, reverse, primals, tangents):
    # A change of w_hh acts on every step like a change of that step's input, which one product gives for all steps. So its
    # gradient is one product after the loop; JAX's own would add up an outer product per step: 1.1 to 1.3 times slower.
    x, e, h0, c0, w_hh, w_hr, mask = primals
    dx, de, dh, dc, dw, dr, _ = tangents
    results, push = jax.linearize(lambda x, e, h0, c0, w_hr: _steps(mode, reverse, x, e, h0, c0, w_hh, w_hr, mask), x, e, h0, c0, w_hr)
    through = _before(results[0], h0, reverse) @ dw.T
    dx, de = (dx + through, None) if e is None else (dx, de + through)
    return results, push(dx, de, dh, dc, dr)


def _before(states, first, reverse: bool):
    """The state that each step began with."""
    return jnp.concatenate([states[1:], first[None]] if reverse else [first[None], states[:-1]])


def _steps_back(mode: str, reverse: bool, h0, c0, w_hh, w_hr, mask, outputs, kept, grad, dh, dc):
    """The gradients of `_steps`, for x, e, h0, c0, w_hh and w_hr, from those of outputs, last h and last c.

    All that does not depend on later steps' gradients is computed for all steps at once: the slopes of the gates.
    """
    before = _before(outputs, h0, reverse)
    exists = None if mask is None else mask[:, :, None]
    through = None if exists is None else 1 - exists.astype(outputs.dtype)  # a row that is past its end hands the gradient on

    def only(slope, elsewhere=0):
        return slope if exists is None else jnp.where(exists, slope, elsewhere)

    slopes: tuple
    if mode == "LSTM":
        i, f, n, o, cells = kept
        bent = tanh(cells)
        slopes = (
            only(n * i * (1 - i)), only(_before(cells, c0, reverse) * f * (1 - f)), only(i * (1 - n * n)), only(bent * o * (1 - o)),
            only(o * (1 - bent * bent)), only(f, 1),
        )  # fmt: skip
    elif mode == "GRU":
        r, z, n, g_n = kept
        slope = (1 - z) * (1 - n * n)
        slopes = (only(slope * g_n * r * (1 - r)), only((before - n) * z * (1 - z)), only(slope), only(slope * r))
        through = only(z, 1)
    else:
        slopes = (only(1 - outputs * outputs if mode == "RNN_TANH" else (outputs > 0).astype(outputs.dtype)),)

    def step(carry, inputs):
        dh, dc = carry
        dy, through, slopes = inputs
        dh = dh + dy
        if mode == "LSTM":
            d = dh if w_hr is None else dh @ w_hr
            dc = dc + d * slopes[4]
            dx = dg = jnp.concatenate([dc * slopes[0], dc * slopes[1], dc * slopes[2], d * slopes[3]], axis=-1)
            dc = dc * slopes[5]
        elif mode == "GRU":
            r, z, n, g_n = (dh * s for s in slopes)
            dx, dg = jnp.concatenate([r, z, n], axis=-1), jnp.concatenate([r, z, g_n], axis=-1)
        else:
            dx = dg = dh * slopes[0]
        back = dg @ w_hh
        return (back if through is None else back + dh * through, dc), (dx, None if dg is dx else dg, dh)

    (dh0, dc0), (dx, dg, dhs) = lax.scan(step, (dh, dc), (grad, through, slopes), reverse=not reverse)
    dg = dx if dg is None else dg
    dw_hr = None if w_hr is None else jnp.einsum("tbp,tbh->ph", only(dhs), o * bent)
    return dx, dg, dh0, dc0, before, dw_hr


def _direction(mode: str, x, h0, c0, weights: dict[str, Any], mask, reverse: bool):
    """One layer in one direction over x (time, batch, features): what `_steps` gives."""
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
    hs, cs, kept = [], [], []
    directions = 2 if bidirectional else 1
    for i in range(len(layers) // directions):
        outputs = []
        for d in range(directions):
            k = i * directions + d
            y, h, c, gates = _direction(mode, x, hx[k], None if cx is None else cx[k], layers[k], mask, d == 1)
            outputs.append(y)
            hs.append(h)
            cs.append(c)
            kept += [*gates, y]
        x = _joined(outputs, dtype, noise, i)
    results = [x, jnp.stack(hs)] + ([jnp.stack(cs)] if mode == "LSTM" else [])
    return *(r.astype(dtype) for r in results), *(kept if half or bidirectional else kept[:-1])


def _joined(outputs: list, dtype, noise: list, i: int):
    """What layer `i` hands on: its directions side by side, rounded to `dtype`, with dropout."""
    x = outputs[0] if len(outputs) == 1 else jnp.concatenate(outputs, axis=-1)
    if is_half(dtype):
        x = widen(x.astype(dtype))
    return x * widen(noise[i]) if i < len(noise) else x


rnn.hidden_results = True


@rnn.backward
def _(grad, input, hx, cx, params, noise, mask, result, given, mode, has_biases, has_projections, bidirectional):
    n_shown = 3 if mode == "LSTM" else 2
    if True in given[n_shown:]:  # a gradient of the gradient, which depends on the gates
        statics = {"mode": mode, "has_biases": has_biases, "has_projections": has_projections, "bidirectional": bidirectional}
        _, pull = jax.vjp(lambda *tensors: rnn.body(*tensors, noise, mask, **statics), input, hx, cx, params)
        return *pull(grad), None, None
    dtype = input.dtype
    layers = _weights([widen(p) for p in params], has_biases, has_projections)
    per_loop = {"LSTM": 6, "GRU": 5}.get(mode, 1)
    directions = 2 if bidirectional else 1
    kept = [*result[n_shown:], *(() if is_half(dtype) or bidirectional else result[:1])]
    loops = [kept[k * per_loop : (k + 1) * per_loop] for k in range(len(layers))]
    inputs = [widen(input)]
    for i in range(len(layers) // directions - 1):
        inputs.append(_joined([loop[-1] for loop in loops[i * directions : (i + 1) * directions]], dtype, noise, i))
    dy, dhs, dcs = widen(grad[0]), widen(grad[1]), widen(grad[2]) if mode == "LSTM" else None
    hx, cx = widen(hx), widen(cx)
    dh0s: list = [None] * len(layers)
    dc0s: list = [None] * len(layers)
    dparams: list = [None] * len(layers)
    for i in reversed(range(len(layers) // directions)):
        if i < len(noise):
            dy = dy * widen(noise[i])
        if is_half(dtype):
            dy = widen(dy.astype(dtype))
        parts = jnp.split(dy, directions, axis=-1)
        dy = None
        for d in range(directions):
            k = i * directions + d
            w, (*gates, y) = layers[k], loops[k]
            c0, dc = (hx[k][:, :0],) * 2 if mode != "LSTM" else (cx[k], dcs[k])  # type: ignore[index]
            dx, dg, dh0s[k], dc0s[k], before, dw_hr = _steps_back(
                mode, d == 1, hx[k], c0, w["hh"], w.get("hr"), mask, y, tuple(gates), parts[d], dhs[k], dc)  # fmt: skip
            if dx is dg:  # one product, whose smaller factor is the one to be transposed: a tenth less time than two
                both = jnp.einsum("tbi,tbg->ig", jnp.concatenate([inputs[i], before], -1), dx)
                dw_ih, dw_hh = both[: -before.shape[-1]].T, both[-before.shape[-1] :].T
            else:
                dw_ih, dw_hh = jnp.einsum("tbi,tbg->ig", inputs[i], dx).T, jnp.einsum("tbi,tbg->ig", before, dg).T
            grads = {"ih": dw_ih, "hh": dw_hh, "b_ih": dx.sum((0, 1)), "b_hh": dg.sum((0, 1)), "hr": dw_hr}
            dparams[k] = [grads[name] for name in w]
            back = dx @ w["ih"]
            dy = back if dy is None else dy + back
    dcx = None if cx is None else jnp.stack(dc0s)
    return dy, jnp.stack(dh0s), dcx, [g for gs in dparams for g in gs], None, None


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
