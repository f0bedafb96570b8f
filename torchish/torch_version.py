"""`torch.torch_version`: a version that is text, and compares as a version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torchish.version import __version__ as _text


class TorchVersion(str):
    """A version's text that is compared as a version (PEP 440), with texts, tuples of numbers and `packaging`'s versions.

    >>> TorchVersion("2.13.0+cpu") > "2.9", TorchVersion("2.13.0+cpu") >= (2, 13)
    (True, True)

    With a text that is no version it is compared as text. TypeError for what is neither text, tuple nor version.
    """

    __slots__ = ()

    def _compare(self, other: Any, name: str) -> bool:
        from packaging.version import InvalidVersion, Version  # when first compared: it is no part of an import

        theirs = ".".join(map(str, other)) if isinstance(other, Iterable) and not isinstance(other, str) else other
        if not isinstance(theirs, (str, Version)):
            return getattr(super(), name)(other)
        try:
            return getattr(Version(self), name)(theirs if isinstance(theirs, Version) else Version(theirs))
        except InvalidVersion:
            return getattr(super(), name)(other)

    __hash__ = str.__hash__


def _comparison(name: str) -> Callable[[TorchVersion, Any], bool]:
    return lambda self, other: self._compare(other, name)


for _name in ("__gt__", "__lt__", "__eq__", "__ge__", "__le__"):
    setattr(TorchVersion, _name, _comparison(_name))
TorchVersion.__module__ = "torch.torch_version"

__version__ = TorchVersion(_text)
__all__ = ["TorchVersion"]
