"""Loss functions that PyTorch computes as one operation. `reduction` is "none", "mean" or "sum"."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops import elementary
from torchish.ops.apart import apart
from torchish.ops.declare import broadcast_shapes, op
from torchish.ops.folds import total
from torchish.ops.precision import common, quotient, stepwise, widen


def _loss(signature, **traits):
    return op(signature, method=False, function=False, out=False, **traits)


def reduce(x, reduction: str):
    """Apply a reduction to elementwise losses."""
    if reduction == "none":
        return x
    value = total(apart(x))
    return quotient(value, x.dtype.type(x.size)) if reduction == "mean" else value


def _norm(x, reduction: str, slope: float = 1.0):
    """What PyTorch's kernels multiply first: the slope of the loss in each element."""
    return x.dtype.type(slope / max(x.size, 1) if reduction == "mean" else slope)


# --- regression --------------------------------------------------------------------------------------------


@_loss("mse_loss(Tensor input, Tensor target, str reduction)", layout="pointwise")
def mse_loss(input, target, reduction):
    (x, t), out = common(input, target)
    d = x - t
    return reduce(d * d, reduction).astype(out)


def _slopes(grad, input, target, slope):
    """The gradients of a loss whose kernel gives `slope(input - target, grad)`, and takes them in the other order for the target's."""
    (g, x, t), _ = common(grad, input, target)
    return slope(x - t, g), slope(t - x, g)


@mse_loss.backward
def _(grad, input, target, reduction):
    return _slopes(grad, input, target, lambda d, g: apart(_norm(d, reduction, 2.0) * d) * g)


@_loss("smooth_l1_loss(Tensor input, Tensor target, str reduction, float beta)", layout="pointwise")
def smooth_l1_loss(input, target, reduction, beta):
    (x, t), out = common(input, target)
    z = jnp.abs(x - t)
    return reduce(jnp.where(z < beta, quotient(0.5 * z * z, x.dtype.type(beta)), z - 0.5 * beta), reduction).astype(out)


@smooth_l1_loss.backward
def _(grad, input, target, reduction, beta):
    def slope(d, g):
        near = jnp.abs(d) < beta
        inside = quotient(jnp.where(near, d, 0), d.dtype.type(beta))
        return apart(_norm(d, reduction) * jnp.where(near, inside, jnp.sign(d))) * g

    return _slopes(grad, input, target, slope)


@_loss("huber_loss(Tensor input, Tensor target, str reduction, float delta)", layout="copy")
def huber_loss(input, target, reduction, delta):
    (x, t), out = common(input, target)
    z = jnp.abs(x - t)
    return reduce(jnp.where(z <= delta, 0.5 * z * z, delta * (z - 0.5 * delta)), reduction).astype(out)


@huber_loss.backward
def _(grad, input, target, reduction, delta):
    def slope(d, g):
        near = jnp.abs(d) < delta
        inside = apart(_norm(d, reduction) * jnp.where(near, d, jnp.sign(d))) * g
        return jnp.where(near, inside, apart(inside) * delta)

    return _slopes(grad, input, target, slope)


@_loss("soft_margin_loss(Tensor input, Tensor target, str reduction)", layout="pointwise")
def soft_margin_loss(input, target, reduction):
    broadcast_shapes([input.shape, target.shape])  # its error
    (x, t), out = common(input, target)
    half = stepwise(out)  # PyTorch's steps, which overflow
    return reduce(half(elementary.log1p(half(jnp.exp(half(-x * t))))), reduction).astype(out)


@soft_margin_loss.backward
def _(grad, input, target, reduction):
    (g, x, t), out = common(grad, input, target)
    half = stepwise(out)
    z = half(jnp.exp(half(-x * t)))
    return half(half(half(t * z) * -_norm(z, reduction)) / half(z + 1)) * g, None


# --- classification ----------------------------------------------------------------------------------------


def _nll_name(spec, flat):
    ndim = flat[0]._aval.ndim
    return "NllLossBackward0" if ndim <= 2 else "NllLoss2DBackward0"


@_loss("nll_loss(Tensor input, Tensor target, Tensor? weight, str reduction, int ignore_index)", grad=_nll_name)
def nll_loss(input, target, weight, reduction, ignore_index):
    """Minus the log-probabilities (N, C, ...) of target classes (N, ...), weighted by class.

    Its gradient compares classes with an iota, where JAX would scatter.
    """
    x = widen(input)
    axis = 1 if x.ndim > 1 else 0
    if reduction != "none" and x.ndim == 2 and x.size > FEW and x.shape[0] <= _LOOPED and jax.default_backend() == "cpu":
        loss, weights = _nll_sums(x, target, weight, ignore_index)
        return (loss / weights if reduction == "mean" else loss).astype(input.dtype)
    factor, weights = _nll_factor(x.shape, target, weight, reduction, ignore_index, axis, x.dtype)
    picked = jnp.where(target != ignore_index, -_picked(x, target, axis), 0)
    if reduction == "none":
        return (picked * factor).astype(input.dtype)
    return ((picked * factor).sum() / weights).astype(input.dtype)


@nll_loss.backward
def _(grad, input, target, weight, reduction, ignore_index):
    axis = 1 if input.ndim > 1 else 0
    hit = _hits(input.shape, target, axis)
    g = widen(grad)
    factor, weights = _nll_factor(input.shape, target, weight, reduction, ignore_index, axis, g.dtype)
    each = g * factor / weights
    return jnp.where(hit, jnp.expand_dims(-each, axis), 0), None, None


def _hits(shape, target, axis):
    classes = lax.broadcasted_iota(target.dtype, tuple(n if i == axis else 1 for i, n in enumerate(shape)), axis)
    return jnp.expand_dims(target, axis) == classes


FEW = 1 << 14  # values to read them all and keep some; of 100000 x 10, that takes 1.2 ms on CPU, a gather 0.2


def _picked(x, target, axis):
    """The values of the target classes; nan for a target that is no class, as an ignored one may be."""
    n = x.shape[axis]
    if x.size <= FEW:
        picked = jnp.where(_hits(x.shape, target, axis), x, 0).sum(axis)
    else:
        here = jnp.expand_dims(jnp.clip(target, 0, n - 1), axis)
        picked = jnp.take_along_axis(x, here, axis, mode="promise_in_bounds").squeeze(axis)
    return jnp.where((target >= 0) & (target < n), picked, jnp.nan)


# Targets to look up one after the other: 1000 take 5 us, as XLA makes one function of the loop; a gather and two sums take 40, most of it
# to share them out among threads.
_LOOPED = 1 << 12


def _nll_sums(x, target, weight, ignore_index):
    """Minus the sum of the weighted values (N, C) of target classes, and the sum of their weights."""
    n = x.shape[1]

    def add(i, sums):
        k = target[i]
        here = jnp.clip(k, 0, n - 1)
        kept = k != ignore_index
        factor = jnp.where(kept, 1 if weight is None else widen(weight)[here], 0).astype(np.float64)
        return sums[0] - jnp.where(kept, jnp.where(k == here, x[i, here] * factor, jnp.nan), 0), sums[1] + factor

    return lax.fori_loop(0, x.shape[0], add, (jnp.zeros((), np.float64),) * 2)


def _nll_factor(shape, target, weight, reduction, ignore_index, axis, dtype):
    """Each target's weight (0 where ignored), and what the sum is divided by."""
    kept = target != ignore_index
    if weight is None:
        factor = kept.astype(dtype)
    else:
        w = widen(weight).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        factor = jnp.where(_hits(shape, target, axis), w, 0).sum(axis) * kept
    return factor, factor.sum() if reduction == "mean" else jnp.ones((), dtype)


@_loss("binary_cross_entropy(Tensor input, Tensor target, Tensor? weight, str reduction)", layout="copy")
def binary_cross_entropy(input, target, weight, reduction):
    """Cross entropy of probabilities; logarithms are held at -100 or more."""
    (x, t, w), out = common(input, target, weight)
    loss = _bce(x, t)
    if w is not None:
        loss = loss * w
    return reduce(loss, reduction).astype(out)


@jax.custom_jvp
def _bce(x, t):
    return (t - 1) * jnp.maximum(elementary.log1p(-x), -100) - t * jnp.maximum(jnp.log(x), -100)


@_bce.defjvp
def _(primals, tangents):
    x, t = primals
    dx, dt = tangents
    # PyTorch's derivatives: in x with a floor under the denominator, in t without the floor of -100
    return _bce(x, t), dx * (x - t) / jnp.maximum((1 - x) * x, 1e-12) + dt * (elementary.log1p(-x) - jnp.log(x))


@_loss(
    "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight, Tensor? pos_weight, str reduction)"
)
def binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction):
    """Cross entropy of sigmoid(input), in the targets' dtype: PyTorch multiplies the others into those in place."""
    (x, t, w, p), out = common(input, target, weight, pos_weight)
    half = stepwise(out)
    softplus = half(jnp.logaddexp(-x, 0))
    if p is not None:
        softplus = half(half(half(half(p - 1) * t) + 1) * softplus)
    loss = half(half(half(1 - t) * x) + softplus)
    if w is not None:
        loss = half(loss * w)
    return reduce(loss, reduction).astype(target.dtype)


@_loss("multi_margin_loss(Tensor input, Tensor target, Tensor? weight, float p, float margin, str reduction)",
       saves={"input": ("input",), "target": ("input",), "weight": ("input",)})  # fmt: skip
def multi_margin_loss(input, target, weight, p, margin, reduction):
    """mean_j max(0, margin - x[y] + x[j])^p over the wrong classes j."""
    x = widen(input)
    flat = x.ndim == 1
    x = x.reshape((-1, x.shape[-1] if x.ndim else 1))
    t = target.reshape(-1)
    hit = _hits(x.shape, t, 1)
    own = jnp.where(hit, x, 0).sum(1, keepdims=True)
    z = margin - own + x
    z = jnp.where((z > 0) & ~hit, z, 0)
    if p == 2:
        z = z * z
    if weight is not None:
        z = z * jnp.where(hit, widen(weight), 0).sum(1, keepdims=True)
    loss = z.sum(1) / x.shape[1]
    if reduction == "none" and (flat or input.ndim == 0):
        loss = loss.reshape(target.shape) if target.ndim == 0 else loss
    return reduce(loss, reduction).astype(input.dtype)


@_loss("multilabel_margin_loss(Tensor input, Tensor target, str reduction)")
def multilabel_margin_loss(input, target, reduction):
    """Hinge between every target class and every other; a row's targets end at the first -1."""
    x = widen(input)
    flat = x.ndim < 2
    x = x.reshape((1, -1)) if flat else x
    t = target.reshape(x.shape)
    c = x.shape[1]
    used = jnp.cumsum(t < 0, 1) == 0
    at = jnp.where(used, t, 0)
    is_target = ((at[:, :, None] == jnp.arange(c)) & used[:, :, None]).any(1)
    own = jnp.take_along_axis(x, at, 1)
    z = 1 - own[:, :, None] + x[:, None, :]
    z = jnp.where((z > 0) & used[:, :, None] & ~is_target[:, None, :], z, 0)
    loss = z.sum((1, 2)) / c
    if flat and reduction == "none":
        loss = loss.reshape(())
    return reduce(loss, reduction).astype(input.dtype)


# --- connectionist temporal classification -----------------------------------------------------------------


@_loss(
    "_ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank, bool "
    "zero_infinity)",
    grad="CtcLossBackward0",
)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """Minus log-likelihoods (N,) of targets (N, S) under log_probs (T, N, C): Graves et al., 2006."""
    lp = widen(log_probs)
    alpha = _ctc_alpha(lp, _ctc_labels(targets, blank), input_lengths, target_lengths)
    loss = _ctc_total(alpha, input_lengths, target_lengths)
    if zero_infinity:
        loss = jnp.where(loss == jnp.inf, 0, loss)
    return loss.astype(log_probs.dtype)


def _ctc_labels(targets, blank):
    """Targets with a blank between and around them: (N, 2 S + 1)."""
    n, s = targets.shape
    blanks = jnp.full((n, s), blank, targets.dtype)
    both = jnp.stack([blanks, targets], -1).reshape(n, 2 * s)
    return jnp.concatenate([both, jnp.full((n, 1), blank, targets.dtype)], 1)


def _ctc_emissions(lp, labels):
    return jnp.take_along_axis(lp, jnp.broadcast_to(labels, (lp.shape[0], *labels.shape)), 2)


def _skips(labels):
    """Where a path may come from two places before: other than the label there."""
    same = labels[:, 2:] == labels[:, :-2]
    odd = jnp.arange(labels.shape[1]) % 2 == 1
    skip = jnp.concatenate([jnp.zeros((labels.shape[0], min(2, labels.shape[1])), bool), ~same], 1)
    return skip & odd


def _logsumexp3(a, b, c):
    m = jnp.maximum(jnp.maximum(a, b), c)
    m = jnp.where(m == -jnp.inf, 0, m)
    return jnp.log(jnp.exp(a - m) + jnp.exp(b - m) + jnp.exp(c - m)) + m


def _shift(a, k):
    return jnp.concatenate([jnp.full((a.shape[0], k), -jnp.inf, a.dtype), a[:, :-k]], 1)[:, : a.shape[1]]


def _ctc_alpha(lp, labels, input_lengths, target_lengths):
    """log of the forward variables, (T, N, 2 S + 1)."""
    emit = _ctc_emissions(lp, labels)
    skip = _skips(labels)
    width = labels.shape[1]
    place = jnp.arange(width)
    first = jnp.where((place == 0) | ((place == 1) & (target_lengths[:, None] > 0)), emit[0], -jnp.inf)

    def step(a, e):
        b = _shift(a, 1) if width > 1 else jnp.full_like(a, -jnp.inf)
        c = jnp.where(skip, _shift(a, 2), -jnp.inf) if width > 2 else jnp.full_like(a, -jnp.inf)
        a = _logsumexp3(a, b, c) + e
        return a, a

    _, rest = lax.scan(step, first, emit[1:])
    return jnp.concatenate([first[None], rest], 0)


def _ctc_total(alpha, input_lengths, target_lengths):
    n = alpha.shape[1]
    at = jnp.clip(input_lengths - 1, 0, None)
    last = alpha[at, jnp.arange(n)]
    end = 2 * target_lengths
    a = jnp.take_along_axis(last, end[:, None], 1)[:, 0]
    b = jnp.take_along_axis(last, jnp.clip(end - 1, 0, None)[:, None], 1)[:, 0]
    b = jnp.where(target_lengths > 0, b, -jnp.inf)
    m = jnp.maximum(a, b)
    m = jnp.where(m == -jnp.inf, 0, m)
    loss = -(jnp.log(jnp.exp(a - m) + jnp.exp(b - m)) + m)
    # no time steps: certain for an empty target, impossible for another
    return jnp.where(input_lengths > 0, loss, jnp.where(target_lengths > 0, jnp.inf, 0))


@ctc_loss.backward
def _(grad, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    # PyTorch's gradient is that of log_softmax followed by the loss, projected on log_probs: exp(lp) - occupation.
    lp = widen(log_probs)
    labels = _ctc_labels(targets, blank)
    alpha = _ctc_alpha(lp, labels, input_lengths, target_lengths)
    loss = _ctc_total(alpha, input_lengths, target_lengths)
    beta = _ctc_beta(lp, labels, input_lengths, target_lengths)
    emit = _ctc_emissions(lp, labels)
    inside = jnp.arange(labels.shape[1]) < 2 * target_lengths[:, None] + 1
    ab = jnp.where(inside, alpha + beta - emit, -jnp.inf)  # log alpha beta / y
    ab = jnp.where(jnp.isnan(ab), -jnp.inf, ab)
    finite = jnp.where(loss == jnp.inf, 0, loss)
    occupation = jnp.exp(ab + finite[None, :, None])
    onehot = labels[:, :, None] == jnp.arange(lp.shape[2])
    occupied = jnp.einsum("tns,nsc->tnc", occupation, onehot.astype(lp.dtype), precision=lax.Precision.HIGHEST)
    g = jnp.exp(lp) - occupied
    g = jnp.where((loss == jnp.inf)[None, :, None], 0 if zero_infinity else jnp.nan, g)
    live = jnp.arange(lp.shape[0])[:, None] < input_lengths
    g = jnp.where(live[:, :, None], g * widen(grad)[None, :, None], 0)
    return g, None, None, None


def _ctc_beta(lp, labels, input_lengths, target_lengths):
    """log of the backward variables, (T, N, 2 S + 1); each sequence starts from its own last step."""
    emit = _ctc_emissions(lp, labels)
    t = lp.shape[0]
    width = labels.shape[1]
    place = jnp.arange(width)
    end = 2 * target_lengths[:, None]
    skip = _skips(labels)

    def back(a, k):
        return jnp.concatenate([a[:, k:], jnp.full((a.shape[0], min(k, width)), -jnp.inf, a.dtype)], 1)[:, :width]

    def step(b, xs):
        e, time = xs
        start = jnp.where((place == end) | ((place == end - 1) & (end > 0)), e, -jnp.inf)
        c = back(jnp.where(skip, b, -jnp.inf), 2)
        new = _logsumexp3(b, back(b, 1), c) + e
        last = (time == input_lengths - 1)[:, None]
        after = (time >= input_lengths)[:, None]
        b = jnp.where(last, start, jnp.where(after, -jnp.inf, new))
        b = jnp.where(place <= end, b, -jnp.inf)
        return b, b

    init = jnp.full((lp.shape[1], width), -jnp.inf, lp.dtype)
    _, out = lax.scan(step, init, (emit, jnp.arange(t)), reverse=True)
    return out
