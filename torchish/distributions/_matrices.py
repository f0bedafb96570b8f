"""Multivariate normal distributions, and distributions of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Number
from typing import Any

import torchish as torch
from torchish._tensor.warn import warn_user
from torchish.distributions import constraints
from torchish.distributions._gammas import Beta, Chi2
from torchish.distributions.distribution import EMPTY, Distribution
from torchish.distributions.exp_family import ExponentialFamily
from torchish.distributions.utils import broadcast_all, lazy_property, standard_normal

_SCATTER: dict[str, Any] = {
    "covariance_matrix": constraints.positive_definite,
    "precision_matrix": constraints.positive_definite,
    "scale_tril": constraints.lower_cholesky,
}


def times_vector(matrix: Any, vector: Any) -> Any:
    """Matrices times vectors, batches broadcast."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def squared_length(factor: Any, x: Any) -> Any:
    """|factor^-1 x|^2 for lower triangular factors, batches broadcast: x' (factor factor')^-1 x."""
    if factor.dim() == 2:  # one solve for all vectors
        solved = torch.linalg.solve_triangular(factor, x.reshape(-1, x.shape[-1]).mT, upper=False)
        return solved.square().sum(0).reshape(x.shape[:-1])
    return torch.linalg.solve_triangular(factor, x.unsqueeze(-1), upper=False).square().sum((-2, -1))


def half_log_det(factor: Any) -> Any:
    """log of the determinant of triangular matrices: half that of their squares."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def precision_factor(precision: Any) -> Any:
    """The lower Cholesky factor of a precision matrix's inverse: from a factor of the matrix in reversed order."""
    reversed_factor = torch.linalg.cholesky(precision.flip((-2, -1)))
    upper = reversed_factor.flip((-2, -1)).mT
    identity = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return torch.linalg.solve_triangular(upper, identity, upper=False)


class _Scatter(Distribution):
    """A scatter matrix, given as it is, as its inverse or as its Cholesky factor; the others follow."""

    _unbroadcasted_scale_tril: Any

    def _declare_scatter(self, given: dict[str, Any], batch: Any) -> None:
        ((name, matrix),) = ((n, m) for n, m in given.items() if m is not None)
        setattr(self, name, matrix.expand(*batch, -1, -1))

    def _factorise(self, given: dict[str, Any]) -> None:
        if given["scale_tril"] is not None:
            self._unbroadcasted_scale_tril = given["scale_tril"]
        elif given["covariance_matrix"] is not None:
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(given["covariance_matrix"])
        else:
            self._unbroadcasted_scale_tril = precision_factor(given["precision_matrix"])

    def _as_matrix(self, matrix: Any) -> Any:
        n = matrix.shape[-1]
        return matrix.expand(*self._batch_shape, n, n)

    @lazy_property
    def scale_tril(self) -> Any:
        return self._as_matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        return self._as_matrix(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        return self._as_matrix(torch.cholesky_inverse(self._unbroadcasted_scale_tril))


class _NormalVectors(Distribution):
    """Normal vectors of a mean `loc` and a covariance that is known by its determinant and what it says of vectors."""

    support = constraints.real_vector
    has_rsample = True
    loc: Any

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    def _squared_length(self, x: Any) -> Any:
        """x' covariance^-1 x."""
        raise NotImplementedError

    def _log_det(self) -> Any:
        """log of the covariance's determinant."""
        raise NotImplementedError

    def _roots(self) -> tuple:
        """Matrices R whose products R R' add up to the covariance."""
        raise NotImplementedError

    def log_prob(self, value: Any) -> Any:
        lengths = self._squared_length(self._checked(value) - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + lengths)

    def entropy(self) -> Any:
        return (0.5 * (self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._log_det())).expand(self._batch_shape)


class MultivariateNormal(_Scatter, _NormalVectors):
    """Normal vectors of a covariance, its inverse (the precision) or its lower Cholesky factor; ValueError for none or several."""

    arg_constraints = {"loc": constraints.real_vector, **_SCATTER}

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        matrices = {n: m for n, m in given.items() if m is not None}
        if len(matrices) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = matrices.items()
        if matrix.dim() < 2:
            shown = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(f"{shown} must be at least two-dimensional, with optional leading batch dimensions")
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = loc.expand(*batch, -1)
        self._declare_scatter(given, batch)
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._factorise(given)

    @property
    def variance(self) -> Any:
        return self._unbroadcasted_scale_tril.square().sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        noise = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + times_vector(self._unbroadcasted_scale_tril, noise)

    def _squared_length(self, x: Any) -> Any:
        return squared_length(self._unbroadcasted_scale_tril, x)

    def _log_det(self) -> Any:
        return 2 * half_log_det(self._unbroadcasted_scale_tril)

    def _roots(self) -> tuple:
        return (self._unbroadcasted_scale_tril,)


class LowRankMultivariateNormal(_NormalVectors):
    """Normal vectors of covariance cov_factor cov_factor' + diag(cov_diag), by the matrix inversion and determinant lemmas."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = torch.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            shapes = f"loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            raise ValueError(f"Incompatible batch shapes: {shapes}") from error
        self.loc = loc.expand(*batch, -1)
        self.cov_factor = cov_factor.expand(*batch, -1, -1)
        self.cov_diag = cov_diag.expand(*batch, -1)
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = torch.linalg.cholesky(self._weighted() @ cov_factor + self._identity(cov_factor.shape[-1]))
        super().__init__(batch, event, validate_args=validate_args)

    def _weighted(self) -> Any:
        """cov_factor' / cov_diag."""
        return self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)

    def _identity(self, n: int) -> Any:
        return torch.eye(n, dtype=self.loc.dtype, device=self.loc.device)

    def _as_matrix(self, matrix: Any) -> Any:
        return matrix.expand(*self._batch_shape, *self._event_shape, *self._event_shape)

    @lazy_property
    def variance(self) -> Any:
        each = self._unbroadcasted_cov_factor.square().sum(-1) + self._unbroadcasted_cov_diag
        return each.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        return self._as_matrix(root * torch.linalg.cholesky(scaled @ scaled.mT + self._identity(scaled.shape[-2])))

    @lazy_property
    def covariance_matrix(self) -> Any:
        w = self._unbroadcasted_cov_factor
        return self._as_matrix(w @ w.mT + self._unbroadcasted_cov_diag.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Any:
        solved = torch.linalg.solve_triangular(self._capacitance_tril, self._weighted(), upper=False)
        return self._as_matrix(self._unbroadcasted_cov_diag.reciprocal().diag_embed() - solved.mT @ solved)

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        shape = self._extended_shape(sample_shape)
        shared = standard_normal(shape[:-1] + self.cov_factor.shape[-1:], self.loc)
        own = standard_normal(shape, self.loc)
        return self.loc + times_vector(self._unbroadcasted_cov_factor, shared) + self._unbroadcasted_cov_diag.sqrt() * own

    def _log_det(self) -> Any:
        return 2 * half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def _squared_length(self, x: Any) -> Any:
        own = (x.square() / self._unbroadcasted_cov_diag).sum(-1)
        return own - squared_length(self._capacitance_tril, times_vector(self._weighted(), x))

    def _roots(self) -> tuple:
        return self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag.sqrt().diag_embed()


class Wishart(_Scatter, ExponentialFamily):
    """Scatter matrices of `df` normal vectors of a covariance, its inverse or its lower Cholesky factor."""

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0  # type: ignore[assignment]

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        return {**_SCATTER, "df": constraints.greater_than(self._event_shape[-1] - 1)}

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        matrices = [m for m in given.values() if m is not None]
        if len(matrices) != 1:
            raise AssertionError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        (matrix,) = matrices
        if matrix.dim() < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        if isinstance(df, Number):
            df = torch.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch = torch.broadcast_shapes(matrix.shape[:-2], df.shape)
        self._event_shape = matrix.shape[-2:]
        p = self._event_shape[-1]
        if df.le(p - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {p - 1}.")
        self.df = df.expand(batch)
        self._declare_scatter(given, batch)
        super().__init__(batch, self._event_shape, validate_args=validate_args)
        self._factorise(given)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - torch.arange(p, dtype=matrix.dtype, device=matrix.device))

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {"_dist_chi2": self._dist_chi2.expand((*batch_shape, self._event_shape[-1]))}

    def _wide_df(self) -> Any:
        return self.df.reshape(*self._batch_shape, 1, 1)

    @property
    def mean(self) -> Any:
        return self._wide_df() * self.covariance_matrix

    @property
    def mode(self) -> Any:
        factor = self._wide_df() - self._event_shape[-1] - 1
        return torch.where(factor > 0, factor, math.nan) * self.covariance_matrix

    @property
    def variance(self) -> Any:
        diagonal = self.covariance_matrix.diagonal(dim1=-2, dim2=-1)
        return self._wide_df() * (self.covariance_matrix.square() + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett(self, sample_shape: Sequence[int]) -> Any:
        """Samples by Bartlett's decomposition: chi variables on the diagonal, normal ones below it."""
        p = self._event_shape[-1]
        chi = self._dist_chi2.rsample(sample_shape).sqrt()
        chi = chi.clamp(min=torch.finfo(chi.dtype).eps)
        below = torch.randn((*sample_shape, *self._batch_shape, p * (p - 1) // 2), dtype=chi.dtype, device=chi.device)
        noise = torch.zeros((*below.shape[:-1], p, p), dtype=chi.dtype, device=chi.device)
        rows, columns = torch.tril_indices(p, p, offset=-1)
        noise[..., rows, columns] = below
        factor = self._unbroadcasted_scale_tril @ (noise + chi.diag_embed())
        return factor @ factor.mT

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            self._bartlett(sample_shape)  # PyTorch draws twice, with a warning, and gives the second draw
        warn_user("Singular sample detected.")
        return self._bartlett(sample_shape)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        trace = torch.cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        log_norm = nu * (p * math.log(2) / 2 + half_log_det(factor)) + torch.mvlgamma(nu / 2, p=p)
        return (nu - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet - trace / 2 - log_norm

    def entropy(self) -> Any:
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        digammas = torch.digamma((nu.unsqueeze(-1) - torch.arange(p, dtype=nu.dtype, device=nu.device)) / 2).sum(-1)
        volume = (p + 1) * (p * math.log(2) / 2 + half_log_det(factor))
        return volume + torch.mvlgamma(nu / 2, p=p) - (nu - p - 1) / 2 * digammas + nu * p / 2

    @property
    def _natural_params(self) -> tuple:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return torch.mvlgamma(half, p=p) - half * torch.linalg.slogdet(-x).logabsdet


class LKJCholesky(Distribution):
    """Cholesky factors of dim x dim correlation matrices with density proportional to det^(concentration - 1)."""

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        order = torch.arange(dim - 1, dtype=self.concentration.dtype, device=self.concentration.device)
        order = torch.cat([torch.zeros_like(order[:1]), order])
        marginal = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1)
        self._beta = Beta(order + 0.5, marginal - 0.5 * order)  # of the squared lengths of the rows below the diagonal
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {"_beta": self._beta.expand((*batch_shape, self.dim))}

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        """Row by row, directions on the sphere and lengths (Lewandowski, Kurowicka and Joe, 2009: the onion method)."""
        with torch.no_grad():
            length = self._beta.sample(sample_shape).unsqueeze(-1)
            below = torch.randn(self._extended_shape(sample_shape), dtype=length.dtype, device=length.device).tril(-1)
            direction = below / torch.linalg.norm(below, dim=-1, keepdim=True)
            direction = torch.cat([torch.zeros_like(direction[..., :1, :]), direction[..., 1:, :]], -2)
            rows = length.sqrt() * direction
            diagonal = (1 - rows.square().sum(-1)).clamp(min=torch.finfo(rows.dtype).tiny).sqrt()
            return rows + diagonal.diag_embed()

    def log_prob(self, value: Any) -> Any:
        diagonal = self._checked(value).diagonal(dim1=-1, dim2=-2)[..., 1:]
        c, n = self.concentration, self.dim - 1
        order = torch.arange(2, self.dim + 1, dtype=c.dtype, device=c.device)
        powers = 2 * (c - 1).unsqueeze(-1) + self.dim - order
        half = c + 0.5 * n
        log_norm = 0.5 * n * math.log(math.pi) + torch.mvlgamma(half - 0.5, p=n) - torch.lgamma(half) * n
        return (powers * diagonal.log()).sum(-1) - log_norm
