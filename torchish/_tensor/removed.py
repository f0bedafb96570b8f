"""Functions that PyTorch has removed, which raise its explanation, and old forms that it still answers."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from torchish._tensor.dispatch import plain
from torchish._tensor.tensor import Tensor

_REMOVED = "This function was deprecated since version 1.9 and is now removed."

EXPLANATIONS = {
    "eig": """ `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real tensors mimicking complex tensors.

L, _ = torch.eig(A) should be replaced with:
L_complex = torch.linalg.eigvals(A)

and

L, V = torch.eig(A, eigenvectors=True) should be replaced with:
L_complex, V_complex = torch.linalg.eig(A)""",
    "lstsq": """ `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.
`torch.linalg.lstsq` has reversed arguments and does not return the QR decomposition in the returned tuple (although it returns other \
information about the problem).

To get the QR decomposition consider using `torch.linalg.qr`.

The returned solution in `torch.lstsq` stored the residuals of the solution in the last m - n columns of the returned value whenever \
m > n. In torch.linalg.lstsq, the residuals are in the field 'residuals' of the returned named tuple.

The unpacking of the solution, as in
X, _ = torch.lstsq(B, A).solution[:A.size(1)]
should be replaced with:
X = torch.linalg.lstsq(A, B).solution""",
    "matrix_rank": """
Please use the `torch.linalg.matrix_rank` function instead. The parameter 'symmetric' was renamed in `torch.linalg.matrix_rank()` to \
'hermitian'.""",
    "solve": """ `torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has its arguments reversed and does \
not return the LU factorization.

To get the LU factorization see `torch.lu`, which can be used with `torch.lu_solve` or `torch.lu_unpack`.
X = torch.solve(B, A).solution should be replaced with:
X = torch.linalg.solve(A, B)""",
    "symeig": """ The default behavior has changed from using the upper triangular portion of the matrix by default to using the lower \
triangular portion.

L, _ = torch.symeig(A, upper=upper) should be replaced with:
L = torch.linalg.eigvalsh(A, UPLO='U' if upper else 'L')

and

L, V = torch.symeig(A, eigenvectors=True) should be replaced with:
L, V = torch.linalg.eigh(A, UPLO='U' if upper else 'L')""",
}


def _removed(name: str) -> None:
    def f(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(_REMOVED + EXPLANATIONS[name])

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Removed from PyTorch; RuntimeError names what replaces `{name}`."
    plain(name)(f)
    if name != "matrix_rank":
        setattr(Tensor, name, f)


for _name in EXPLANATIONS:
    _removed(_name)


def reinforce(self: Tensor, reward: Any) -> NoReturn:
    """Removed from PyTorch; RuntimeError names what replaces it."""
    raise RuntimeError(
        "reinforce() was removed.\nUse torch.distributions instead.\nSee https://pytorch.org/docs/main/distributions.html\n\n"
        "Instead of:\n\nprobs = policy_network(state)\naction = probs.multinomial()\nnext_state, reward = env.step(action)\n"
        "action.reinforce(reward)\naction.backward()\n\nUse:\n\nprobs = policy_network(state)\n"
        "# NOTE: categorical is equivalent to what used to be called multinomial\nm = torch.distributions.Categorical(probs)\n"
        "action = m.sample()\nnext_state, reward = env.step(action)\nloss = -m.log_prob(action) * reward\nloss.backward()\n"
    )


def _resized(self: Tensor, shape: tuple[int, ...]) -> Tensor:
    n = 1
    for s in shape:
        n *= s
    if n != self.numel():
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, shape))} ({n} elements in total), but the given tensor has a size of "
            f"{'x'.join(map(str, self.shape))} ({self.numel()} elements). autograd's resize can only change the shape of a given "
            "tensor, while preserving the number of elements. "
        )
    return self.contiguous().view(shape)


def resize(self: Tensor, *sizes: Any) -> Tensor:
    """The tensor in another shape of as many elements; deprecated in favour of `view` and `reshape`."""
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    return _resized(self, tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """The tensor in the shape of another of as many elements; deprecated in favour of `view_as`."""
    warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
    return _resized(self, tuple(tensor.shape))


for _f in (reinforce, resize, resize_as):
    setattr(Tensor, _f.__name__, _f)
