"""The signs of singular and eigenvectors as PyTorch's CPU build returns them.

Vectors are determined up to a sign (real) that the course of an algorithm decides. XLA's LAPACK on the CPU is OpenBLAS,
PyTorch's is MKL, and they part in three places, found by comparing value by value:

- The QL/QR iteration of symmetric tridiagonal matrices (`steqr`, which LAPACK takes up to order 25). MKL's plane
  rotations come from the LAPACK of before 3.10 (`lartg`: r > 0 unless |f| > |g|), OpenBLAS's from the one since
  (r has the sign of f).
- Complex pairs of eigenvectors of real matrices: `geev` turns them with that same rotation, so that their largest
  component is real.
- Singular vectors of wide real matrices: MKL never factors A = L Q first, reference LAPACK does from n >= 11/6 m on.

Other platforms' vectors are left as they are: PyTorch has other libraries there too.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

_STEQR_ORDER = 25  # LAPACK's SMLSIZ


def _on_cpu(f, a, n: int):
    """f(a), signs of n vectors, on the CPU; all ones elsewhere."""
    real = jnp.finfo(a.dtype).dtype
    return lax.platform_dependent(
        lax.stop_gradient(a), cpu=lambda x: f(x).astype(real), default=lambda x: jnp.ones((*x.shape[:-2], n), real)
    )


# --- eigenvectors ------------------------------------------------------------------------------------------


def eigenvector_signs(a, lower: bool):
    """The factors (…, n) that turn XLA's eigenvectors of Hermitian matrices into PyTorch's."""
    n = a.shape[-1]

    def one(x):
        _, d, e, _ = lax.linalg.tridiagonal(x, lower=lower)
        return _rotation_signs(d, jnp.real(e))

    def signs(x):
        flat = x.reshape((-1, n, n))
        return lax.map(one, flat).reshape(x.shape[:-1])

    return _on_cpu(signs, a, n)


def needs_signs(n: int) -> bool:
    return 3 <= n <= _STEQR_ORDER


def _lartg(f, g):
    """(c, s, r) of the plane rotation that takes (f, g) to (r, 0), as LAPACK made it before 3.10."""
    r = jnp.sqrt(f * f + g * g)
    safe = jnp.where(r == 0, 1, r)
    c, s = f / safe, g / safe
    flip = jnp.where((jnp.abs(f) > jnp.abs(g)) & (c < 0), -1, 1).astype(f.dtype)
    c, s, r = c * flip, s * flip, r * flip
    only_g = (f == 0) & (g != 0)
    c, s, r = jnp.where(only_g, 0, c), jnp.where(only_g, 1, s), jnp.where(only_g, g, r)
    no_g = g == 0
    return jnp.where(no_g, 1, c), jnp.where(no_g, 0, s), jnp.where(no_g, f, r)


def _laev2(a, b, c):
    """Eigenvalues and the first eigenvector of [[a, b], [b, c]]: (rt1, rt2, cs1, sn1) of LAPACK's `laev2`."""
    total, gap, twice = a + c, a - c, b + b
    off = jnp.abs(twice)
    top, low = jnp.where(jnp.abs(a) > jnp.abs(c), a, c), jnp.where(jnp.abs(a) > jnp.abs(c), c, a)
    rt = jnp.hypot(gap, twice)
    s1 = jnp.where(total < 0, -1, 1)
    rt1 = jnp.where(total == 0, rt / 2, (total + s1 * rt) / 2)
    safe = jnp.where(rt1 == 0, 1, rt1)
    rt2 = jnp.where(total == 0, -rt / 2, (top / safe) * low - (b / safe) * b)
    s2 = jnp.where(gap >= 0, 1, -1)
    cs = gap + s2 * rt
    big = jnp.abs(cs) > off
    ct = -twice / jnp.where(cs == 0, 1, cs)
    tn = -cs / jnp.where(twice == 0, 1, twice)
    sn_a = 1 / jnp.sqrt(1 + ct * ct)
    cs_b = 1 / jnp.sqrt(1 + tn * tn)
    c1 = jnp.where(big, ct * sn_a, jnp.where(off == 0, 1, cs_b))
    n1 = jnp.where(big, sn_a, jnp.where(off == 0, 0, tn * cs_b))
    swap = s1 == s2
    return rt1, rt2, jnp.where(swap, -n1, c1), jnp.where(swap, c1, n1)


def _sign(x):
    return jnp.where(x < 0, -1, 1).astype(x.dtype)


def _rotation_signs(d, e):
    """How the columns of two runs of `steqr` on one tridiagonal matrix differ, with old and with new rotations.

    Both runs see the same matrix up to a diagonal of signs D. Only the old one is run, on d and e alone: where its
    rotation has c < 0 the new one is the opposite, and D changes in both columns.
    """
    n = d.shape[0]
    kind = d.dtype
    info = jnp.finfo(kind)
    eps2, tiny = (info.eps / 2) ** 2, info.tiny
    at = jnp.arange(n)
    e = jnp.concatenate([e, jnp.zeros((1,), kind)])

    def first(mask, default):
        return jnp.where(mask.any(), jnp.argmax(mask), default)

    def open_block(s):
        d, e, flips, start, _, _, _, turns = s
        e = jnp.where((at == start - 1) & (start > 0), 0, e)
        near = jnp.sqrt(jnp.abs(d)) * jnp.sqrt(jnp.abs(jnp.roll(d, -1))) * (info.eps / 2)
        m = first((at >= start) & (at < n - 1) & (jnp.abs(e) <= near), n - 1)
        e = jnp.where((at == m) & (m < n - 1), 0, e)
        upward = jnp.abs(d[m]) < jnp.abs(d[start])
        low, high = jnp.where(upward, m, start), jnp.where(upward, start, m)
        # (low, high) is where the iteration works and where the block ends; a block of one needs none
        low = jnp.where(m == start, -1, low)
        return d, e, flips, m + 1, low, high, ~upward, turns + 1

    def rotate_pair(s, j, done):
        """A block of two is diagonalized at once."""
        d, e, flips, start, at_, end, forward, turns = s
        b = e[j]
        x, y = flips[j], flips[j + 1]
        rt1, rt2, c_old, s_old = _laev2(d[j], b, d[j + 1])
        _, _, c_new, s_new = _laev2(d[j], b * x * y, d[j + 1])
        by_c = jnp.abs(c_new) > jnp.abs(s_new)
        first_ = jnp.where(by_c, _sign(c_old) * x * _sign(c_new), _sign(s_old) * y * _sign(s_new))
        second = jnp.where(by_c, _sign(c_old) * y * _sign(c_new), _sign(s_old) * x * _sign(s_new))
        d = d.at[j].set(rt1).at[j + 1].set(rt2)
        e = e.at[j].set(0)
        flips = flips.at[j].set(first_).at[j + 1].set(second)
        return d, e, flips, start, done, end, forward, turns

    def sweep(s, m):
        """One implicit QL (or QR) sweep over the block from `at_` to m."""
        d, e, flips, start, low, end, forward, turns = s
        step = jnp.where(forward, 1, -1)
        near = jnp.where(forward, low, low - 1)  # the off-diagonal element beside `low`
        p = d[low]
        g = (d[low + step] - p) / (2 * e[near])
        r = jnp.hypot(g, jnp.ones((), kind))
        g = d[m] - p + e[near] / (g + jnp.where(g < 0, -r, r))

        def rotation(t, c_):
            d, e, flips, g, sn, cs, p = c_
            i = jnp.where(forward, m - 1 - t, m + t)
            here, next_ = jnp.where(forward, i + 1, i), jnp.where(forward, i, i + 1)
            f, b = sn * e[i], cs * e[i]
            cs, sn, r = _lartg(g, f)
            e = e.at[jnp.where(t > 0, i + step, n)].set(r, mode="drop")
            g = d[here] - p
            r = (d[next_] - g) * sn + 2 * cs * b
            p = sn * r
            d = d.at[here].set(g + p)
            flip = _sign(cs)
            flips = flips.at[i].multiply(flip).at[i + 1].multiply(flip)
            return d, e, flips, cs * r - b, sn, cs, p

        zero = jnp.zeros((), kind)
        d, e, flips, g, _, _, p = lax.fori_loop(
            0, jnp.abs(m - low), rotation, (d, e, flips, g, zero + 1, zero + 1, zero)
        )
        return d.at[low].add(-p), e.at[near].set(g), flips, start, low, end, forward, turns

    def work(s):
        d, e, flips, start, low, end, forward, turns = s
        left = jnp.abs(jnp.roll(d, 1))
        right = jnp.abs(jnp.roll(d, -1))
        small_down = e * e <= (eps2 * jnp.abs(d)) * right + tiny  # e[m] between m and m + 1
        up = jnp.roll(e, 1)
        small_up = up * up <= (eps2 * jnp.abs(d)) * left + tiny  # e[m - 1] between m - 1 and m
        m_down = first((at >= low) & (at < end) & small_down, end)
        found_up = (at <= low) & (at > end) & small_up
        m_up = jnp.where(found_up.any(), n - 1 - jnp.argmax(found_up[::-1]), end)
        m = jnp.where(forward, m_down, m_up)
        cut = jnp.where(forward, m, m - 1)
        e = e.at[jnp.where(m != end, cut, n)].set(0, mode="drop")
        s = d, e, flips, start, low, end, forward, turns + 1
        step = jnp.where(forward, 1, -1)

        def after(k):
            """Where to go on after k values are found; -1 when the block is done."""
            to = low + k * step
            return jnp.where(forward, to > end, to < end), to

        one_over, one_to = after(1)
        two_over, two_to = after(2)
        case = jnp.minimum(jnp.abs(m - low), 2)
        return lax.switch(
            case,
            [
                lambda s: (*s[:4], jnp.where(one_over, -1, one_to), *s[5:]),
                lambda s: rotate_pair(s, jnp.minimum(low, low + step), jnp.where(two_over, -1, two_to)),
                lambda s: sweep(s, m),
            ],
            s,
        )

    def go_on(s):
        return ((s[4] >= 0) | (s[3] < n)) & (s[7] < 40 * n)

    whole = jnp.zeros((), at.dtype)
    start = (d, e, jnp.ones((n,), kind), whole, whole - 1, whole, jnp.ones((), bool), whole)
    d, _, flips, *_ = lax.while_loop(go_on, lambda s: lax.cond(s[4] < 0, open_block, work, s), start)
    return flips[jnp.argsort(d)]


def pair_signs(a, w, v):
    """The factors (…, n) that turn XLA's eigenvectors of real matrices into PyTorch's: -1 for some complex pairs.

    The largest component of a vector before it was turned, f + ig, decides. It is found from the Schur form, where
    `trevc` sets one component of each pair to 1 (that matrices are balanced first is left out: about one pair in
    twenty of a random matrix still differs).
    """
    n = a.shape[-1]
    w, v = lax.stop_gradient((w, v))

    def signs(x):
        t, z = lax.linalg.schur(x)
        y = jnp.swapaxes(z, -1, -2).astype(v.dtype) @ v
        above = jnp.diagonal(t, 1, -2, -1)
        below = jnp.diagonal(t, -1, -2, -1)
        here = jnp.diagonal(y, 0, -2, -1)[..., : n - 1]
        next_ = jnp.diagonal(y, -1, -2, -1)
        unit = jnp.where(jnp.abs(above) >= jnp.abs(below), here, next_ / 1j)
        k = jnp.argmax(jnp.abs(v), -2)
        top = jnp.take_along_axis(v, k[..., None, :], -2)[..., 0, : n - 1]
        turned = top * jnp.conj(unit)  # the direction of top / unit
        f, g = jnp.real(turned), jnp.imag(turned)
        first = jnp.imag(w)[..., : n - 1] > 0
        flip = jnp.where(first & (jnp.abs(f) <= jnp.abs(g)) & (f < 0), -1, 1)
        edge = jnp.ones((*flip.shape[:-1], 1), flip.dtype)
        return jnp.concatenate([flip, edge], -1) * jnp.concatenate([edge, flip], -1)

    return _on_cpu(signs, a, n)


# --- singular vectors --------------------------------------------------------------------------------------


def wide_is_direct(m: int, n: int) -> bool:
    """Whether reference LAPACK would factor an (m, n) matrix as L Q first."""
    return 2 <= m and n >= 11 * m // 6 and n > m


def singular_signs(a, u):
    """The factors (…, m) that turn XLA's singular vectors of wide real matrices into PyTorch's."""
    m = a.shape[-2]
    u = lax.stop_gradient(u)

    def signs(x):
        low = jnp.swapaxes(jnp.triu(lax.linalg.qr(jnp.swapaxes(x, -1, -2), full_matrices=False)[1]), -1, -2)
        if m > 2:
            # one column more, and LAPACK goes straight to a lower bidiagonal matrix
            pad = jnp.concatenate([low, jnp.zeros((*low.shape[:-1], 1), low.dtype)], -1)
            left = lax.linalg.svd(pad, full_matrices=False)[0]
        else:
            # 2 x 2: the rotation to an upper bidiagonal matrix by hand
            f, g, h = low[..., 0, 0], low[..., 1, 0], low[..., 1, 1]
            r = jnp.where(f < 0, -1, 1).astype(f.dtype) * jnp.sqrt(f * f + g * g)
            safe = jnp.where(r == 0, 1, r)
            c, s = jnp.where(r == 0, 1, f / safe), jnp.where(r == 0, 0, g / safe)
            zero = jnp.zeros_like(r)
            upper = jnp.stack([jnp.stack([r, s * h], -1), jnp.stack([zero, c * h], -1)], -2)
            back = jnp.stack([jnp.stack([c, -s], -1), jnp.stack([s, c], -1)], -2)
            left = back @ lax.linalg.svd(upper, full_matrices=False)[0]
        return jnp.where(jnp.sum(left * u, -2) < 0, -1, 1)

    return _on_cpu(signs, a, m)



def null_rows(a, rest):
    """The rows of Vh beyond the first m for wide real matrices as PyTorch's CPU build returns them; else `rest`.

    They come from the row reflectors of a direct reduction to lower bidiagonal form (LAPACK's `gebrd`).
    """
    m, n = a.shape[-2:]
    rows, columns = jnp.arange(m), jnp.arange(n)

    def reflector(x, k, at):
        """v and tau of the Householder reflector for x from position k on (`larfg`)."""
        alpha = jnp.take(x, k, axis=-1)
        tail = jnp.where(at > k, x, 0)
        norm = jnp.sqrt(jnp.sum(tail * tail, -1))
        beta = -jnp.where(alpha < 0, -1, 1) * jnp.sqrt(alpha * alpha + norm * norm)
        none = norm == 0
        scale = jnp.where(none, 1, alpha - beta)
        v = jnp.where(at == k, 1, tail / scale[..., None])
        return v, jnp.where(none, 0, (beta - alpha) / jnp.where(none, 1, beta))

    def reduced(x):
        def step(i, state):
            b, vs, taus = state
            v, tau = reflector(jnp.take(b, i, axis=-2), i, columns)
            b = b - (tau[..., None] * jnp.where(rows > i, (b @ v[..., None])[..., 0], 0))[..., None] * v[..., None, :]
            column = jnp.where(rows > i, jnp.take(b, i, axis=-1), 0)
            k = jnp.minimum(i + 1, m - 1)
            w, sigma = reflector(column, k, rows)
            sigma = jnp.where(i < m - 1, sigma, 0)
            w = jnp.where(rows > i, w, 0)
            b = b - (sigma[..., None] * w)[..., None] * (w[..., None, :] @ jnp.where(columns > i, b, 0))
            return b, vs.at[..., i, :].set(v), taus.at[..., i].set(tau)

        batch = x.shape[:-2]
        start = x, jnp.zeros((*batch, m, n), x.dtype), jnp.zeros((*batch, m), x.dtype)
        _, vs, taus = lax.fori_loop(0, m, step, start)

        def apply(k, basis):
            i = m - 1 - k
            v, tau = jnp.take(vs, i, axis=-2), jnp.take(taus, i, axis=-1)
            return basis - tau[..., None, None] * (basis @ v[..., None]) * v[..., None, :]

        basis = jnp.broadcast_to(jnp.eye(n, dtype=x.dtype)[m:], (*batch, n - m, n))
        return lax.fori_loop(0, m, apply, basis)

    return lax.platform_dependent(lax.stop_gradient(a), rest, cpu=lambda x, r: reduced(x), default=lambda x, r: r)
