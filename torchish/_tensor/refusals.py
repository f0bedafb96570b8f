"""What may not be written to: PyTorch's refusals, made before anything has changed."""

from __future__ import annotations

from torchish._tensor.layout import is_dense
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import forward_name

# Operations that may write to expanded tensors: each place gets the same value, or PyTorch only warns.
OVERLAP_ALLOWED = frozenset(
    "_fill_ _zero_ _index_put _mask_put _masked_fill set_ squeeze_ unsqueeze_ transpose_ swapaxes_ swapdims_ t_ "
    "as_strided_".split()
)


def check_inplace(t: Tensor, recording: bool, name: str) -> None:
    """PyTorch's refusals to change a tensor in place; nothing has been changed yet."""
    check_leaf(t, recording)
    if t._inference and not STATE.inference:
        raise RuntimeError(INFERENCE_INPLACE)
    if name not in OVERLAP_ALLOWED:
        refuse_repeats(t)


def check_leaf(t: Tensor, recording: bool) -> None:
    """Autograd's part of these refusals, which comes before any look at the other arguments."""
    if STATE.enabled and (recording or t._needs()):
        base = t._base
        if base is not None:
            if t._creation is not None:
                raise refused_view(t)
            if base.grad_fn is None and t._needs():
                raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
        elif t._grad_fn is None and t._requires_grad:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


def refuse_repeats(t: Tensor) -> None:
    """RuntimeError when a tensor shows one place of its memory several times, as an expanded one does."""
    if t._strides is not None and t._aval.size and any(s == 0 and n > 1 for s, n in zip(t.stride(), t._aval.shape, strict=True)):
        raise RuntimeError(REPEATED_PLACES)


REPEATED_PLACES = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() "
    "the tensor before performing the operation."
)
INFERENCE_INPLACE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor "
    "before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
)

_WHY_REFUSED = {
    "multi": "This view is the output of a function that returns multiple views. Such functions do not allow the output "
    "views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
    "no_grad": "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
    "both the view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or "
    "both outside (if you want the inplace to be tracked).",
    "inference": "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
    "both the view and the inplace either both inside the inference_mode block (if you don't want the inplace to be tracked) "
    "or both outside (if you want the inplace to be tracked).",
    "function": "This view was created inside a custom Function (or because an input was returned as-is) and the autograd "
    "logic to handle view+inplace would override the custom backward associated with the custom Function, leading to "
    "incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.",
}


def refused_view(t: Tensor, indirect: bool = False) -> RuntimeError:
    """The error for changing in place a view whose origin does not allow that; `indirect`: through another view."""
    f = t._grad_fn
    what = "its base or another view of its base has been modified inplace" if indirect else "is being modified inplace"
    if f is not None:
        what = f"Output {t._out_nr} of {forward_name(f.name())} is a view and {what}."
    elif t._creation == "inference":
        what = f"A view was created in inference mode and {what} in normal mode."
    else:
        what = f"A view was created in no_grad mode and {what} with grad mode enabled."
    return RuntimeError(f"{what} {_WHY_REFUSED[t._creation or 'no_grad']}")


def check_overlap(t: Tensor, source: Tensor, *, same: bool = True, resized: int | None = None) -> None:
    """Refuse to write one dense part of a memory from another that overlaps it; `same`: the very same part is allowed.

    `resized`: how many elements `t` will have.
    """
    size = t._aval.size if resized is None else resized
    if t._storage is not source._storage or ((same or t is not source) and (not size or not source._aval.size)):
        return
    a, b = (t._offset, t.stride(), t._aval.shape), (source._offset, source.stride(), source._aval.shape)
    if (a == b and same and resized is None) or not (is_dense(t) and is_dense(source)):
        return
    if (t is source and not same) or (a[0] < b[0] + source._aval.size and b[0] < a[0] + size):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
