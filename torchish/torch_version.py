"""`torch.torch_version`: a version that is text, and compares as a version."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from torchish.version import __version__ as _text

_FORM = re.compile(
    r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>\d*))?"
    r"(?:-(?P<bare_post>\d+)|(?P<post>[-_.]?(?:post|rev|r))[-_.]?(?P<post_number>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*",
    re.IGNORECASE,
)
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1}  # the others are release candidates: 2
_FINAL = 3


def _key(text: str) -> tuple | None:
    """What versions are ordered by (PEP 440); None for what is no version."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    release = [int(n) for n in found["release"].split(".")]
    while release and not release[-1]:
        release.pop()
    post = int(found["bare_post"]) if found["bare_post"] else int(found["post_number"] or 0) if found["post"] else -1
    dev = float(found["dev_number"] or 0) if found["dev"] else float("inf")
    if found["pre"]:
        stage = (_STAGES.get(found["pre"].lower(), 2), int(found["pre_number"] or 0))
    else:  # a development version alone comes before all others of its number
        stage = (-1 if found["dev"] and post < 0 else _FINAL, 0)
    parts = re.split(r"[-_.]", found["local"].lower()) if found["local"] else []
    local = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)
    return int(found["epoch"] or 0), tuple(release), stage, post, dev, local


class TorchVersion(str):
    """A version's text that is compared as a version, with texts, tuples of numbers and `packaging`'s versions.

    >>> TorchVersion("2.13.0+cpu") > "2.9", TorchVersion("2.13.0+cpu") >= (2, 13)
    (True, True)

    With a text that is no version it is compared as text. TypeError for what is neither text, tuple nor version.
    """

    __slots__ = ()

    def _compare(self, other: Any, name: str) -> bool:
        text = other
        if not isinstance(other, str):
            text = ".".join(str(item) for item in other) if isinstance(other, Iterable) else str(getattr(other, "release", "") and other)
        ours, theirs = _key(self), _key(text)
        if ours is None or theirs is None:
            return getattr(super(), name)(other)
        return getattr(ours, name)(theirs)

    __hash__ = str.__hash__


def _comparison(name: str) -> Callable[[TorchVersion, Any], bool]:
    return lambda self, other: self._compare(other, name)


for _name in ("__gt__", "__lt__", "__eq__", "__ge__", "__le__"):
    setattr(TorchVersion, _name, _comparison(_name))
TorchVersion.__module__ = "torch.torch_version"

__version__ = TorchVersion(_text)
__all__ = ["TorchVersion"]
