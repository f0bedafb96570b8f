"""The exponential of matrices as PyTorch computes it: Taylor polynomials of a degree that goes with the norm, then squaring.

Bader, Blanes, Casas, "Computing the matrix exponential with an optimized Taylor polynomial approximation", 2019. The same degrees
at the same norms give the same rounding errors, which grow with each squaring: so do products and sums in PyTorch's order, and rounded
where it rounds them.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.apart import apart
from torchish.ops.folds import greatest
from torchish.ops.linalg_common import mm

# Up to which 1-norm the polynomials of degree 1, 2, 4, 8 and 12 are exact to rounding; beyond the last, that of degree 18 of the
# matrix scaled down to it.
_NORMS = {
    4: (1.192092800768788e-07, 5.978858893805233e-04, 5.116619363445086e-02, 5.800524627688768e-01, 1.461661507209034, 3.010066362817634),
    8: (2.220446049250313e-16, 2.580956802971767e-08, 3.397168839976962e-04, 4.991228871115323e-02, 2.996158913811580e-01,
        1.090863719290036),
}  # fmt: skip
_SQUARINGS = 32  # at most: more would need a norm of 1e9
_WRITTEN_OUT = 400  # multiplications: below, PyTorch's products of batches are loops, without fused multiply-adds

# Each row combines the powers 1, A, A^2, A^3 (and A^6) into one factor of the polynomial.
_DEGREE_12 = (
    (9.0198e-16, 0.46932117595418237389, -0.20099424927047284052, -0.04623946134063071740),
    (5.31597895759871264183, 1.19926790417132231573, 0.01179296240992997031, 0.01108844528519167989),
    (0.18188869982170434744, 0.05502798439925399070, 0.09351590770535414968, 0.00610700528898058230),
    (-2.0861320e-13, -0.13181061013830184015, -0.02027855540589259079, -0.00675951846863086359),
)
_DEGREE_18 = (
    (0.0, -1.00365581030144618291e-01, -8.02924648241156932449e-03, -8.92138498045729985177e-04, 0.0),
    (0.0, 3.97849749499645077844e-01, 1.36783778460411720168, 4.98289622525382669416e-01, -6.37898194594723280150e-04),
    (-1.09676396052962061844e01, 1.68015813878906206114, 5.71779846478865511061e-02, -6.98210122488052056106e-03,
     3.34975017086070470649e-05),
    (-9.04316832390810593223e-02, -6.76404519071381882256e-02, 6.75961301770459654925e-02, 2.95552570429315521194e-02,
     -1.39180257516060693404e-05),
    (0.0, 0.0, -9.23364619367118555360e-02, -1.69364939002081722752e-02, -1.40086798182036094347e-05),
)  # fmt: skip


def _mixed(powers: list, factors: tuple):
    total = None
    for p, f in zip(powers, factors, strict=True):
        if f:
            part = apart(p * np.asarray(f, jnp.finfo(p.dtype).dtype))
            total = part if total is None else total + part
    return total


def _product(a, b):
    n = a.shape[-1]
    if n**3 >= _WRITTEN_OUT:
        return mm(a, b)
    terms = apart(a[:, :, None] * b)
    return sum((terms[:, k] for k in range(1, n)), terms[:, 0])


def _degree_1(a):
    return _one(a) + a


def _degree_2(a):
    return _one(a) + a + _product(a, a) / 2


def _degree_4(a):
    square = _product(a, a)
    return _one(a) + a + _product(square, _mixed([_one(a), a, square], (1 / 2, 1 / 6, 1 / 24)))


def _degree_8(a):
    real = jnp.finfo(a.dtype).dtype.type
    root, x3 = float(real(math.sqrt(177))), float(real(2 / 3))  # in the matrix's precision, as in PyTorch
    square = _product(a, a)
    fourth = _product(square, _mixed([a, square], (x3 * ((1 + root) / 88), x3 * ((1 + root) / 352))))
    inner = _mixed(
        [_one(a), a, square, fourth],
        ((-271 + 29 * root) / (315 * x3), (-11 + 11 * root) / (1260 * x3), (-99 + 11 * root) / (5040 * x3), (89 - root) / (5040 * x3)),
    )
    eighth = _product(_mixed([square, fourth], (x3, 1.0)), inner)
    return _mixed([_one(a), a, square, eighth], (1.0, 1.0, (857 - 58 * root) / 630, 1.0))


def _degree_12(a):
    square = _product(a, a)
    powers = [_one(a), a, square, _product(a, square)]
    b = [_mixed(powers, row) for row in _DEGREE_12]
    sixth = b[2] + _product(b[3], b[3])
    return b[0] + _product(b[1] + sixth, sixth)


def _degree_18(a):
    square = _product(a, a)
    cube = _product(a, square)
    powers = [_one(a), a, square, cube, _product(cube, cube)]
    b = [_mixed(powers, row) for row in _DEGREE_18]
    ninth = b[3] + _product(b[0], b[4])
    return b[1] + _product(b[2] + ninth, ninth)


def _scaled(a, norm, top: float):
    times = jnp.maximum(jnp.ceil(jnp.log2(jnp.where(norm > 0, norm, 1) / top)), 0)
    small = a * (2.0 ** -lax.stop_gradient(times)).astype(norm.dtype)

    def square(x, k):
        return lax.cond(k < times, lambda x: _product(x, x), lambda x: x, x), None

    return lax.scan(square, _degree_18(small), jnp.arange(_SQUARINGS, dtype=norm.dtype))[0]


def _one(a):
    return jnp.eye(a.shape[-1], dtype=a.dtype)


def _norm(a):
    return lax.stop_gradient(greatest(jnp.sum(jnp.abs(a), 0)))


def _alone(a):
    norm = _norm(a)
    bounds = _NORMS[norm.dtype.itemsize]
    branch = jnp.sum(norm > np.asarray(bounds[:-1], norm.dtype), dtype=np.int32)
    branch = jnp.where(jnp.isnan(norm), len(bounds) - 1, branch)
    small = (_degree_1, _degree_2, _degree_4, _degree_8, _degree_12)
    return lax.switch(branch, [*small, lambda a: _scaled(a, norm, bounds[-1])], a)


def _among_others(a):
    norm = _norm(a)
    return _scaled(a, norm, _NORMS[norm.dtype.itemsize][-1])


def exponential(a):
    """The exponential of (batches of) square matrices in float32 or float64, real or complex."""
    if not a.size:
        return a
    if a.shape[-1] == 1:
        return jnp.exp(a)
    matrices = a.reshape((-1, *a.shape[-2:]))
    if len(matrices) == 1:
        return _alone(matrices[0]).reshape(a.shape)
    return lax.map(_among_others, matrices).reshape(a.shape)  # PyTorch takes the highest degree for all of several matrices
