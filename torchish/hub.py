"""`torch.hub`: models from folders with a `hubconf.py`, and files that are downloaded once."""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
DEFAULT_CACHE_DIR = "~/.cache"
ENV_GITHUB_TOKEN = "GITHUB_TOKEN"
ENV_TORCH_HOME = "TORCH_HOME"
ENV_XDG_CACHE_HOME = "XDG_CACHE_HOME"
VAR_DEPENDENCY = "dependencies"
MODULE_HUBCONF = "hubconf.py"
READ_DATA_CHUNK = 128 * 1024

MAP_LOCATION = Callable[[Any, str], Any] | str | dict[str, str] | None  # what `map_location` may be

_hub_dir: str | None = None


def get_dir() -> str:
    """The folder of downloaded files: that of `set_dir`, or `$TORCH_HOME/hub`, or `~/.cache/torch/hub`."""
    if _hub_dir is not None:
        return _hub_dir
    home = os.getenv(ENV_TORCH_HOME, os.path.join(os.getenv(ENV_XDG_CACHE_HOME, DEFAULT_CACHE_DIR), "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Set the folder of downloaded files."""
    global _hub_dir
    _hub_dir = os.path.expanduser(d)


@contextlib.contextmanager
def _hubconf(folder: str) -> Iterator[ModuleType]:
    """The `hubconf.py` of a folder, which is on `sys.path` meanwhile."""
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location(MODULE_HUBCONF, os.path.join(folder, MODULE_HUBCONF))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(folder)


def _entry(module: ModuleType, model: Any) -> Callable:
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    missing = [name for name in getattr(module, VAR_DEPENDENCY, None) or () if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    found = getattr(module, model, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return found


def _folder(repo_or_dir: str, source: str) -> str:
    """The folder that is meant: itself, or the one that PyTorch keeps of a GitHub repository."""
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        return repo_or_dir
    repo, _, ref = repo_or_dir.partition(":")
    owner, _, name = repo.partition("/")
    for each in [ref] if ref else ["main", "master"]:
        kept = os.path.join(get_dir(), f"{owner}_{name}_{each.replace('/', '_')}")
        if os.path.exists(kept):
            sys.stderr.write(f"Using cache found in {kept}\n")
            return kept
    raise RuntimeError(
        f"torchish does not download code: {repo_or_dir} could not be found in the cache ({get_dir()}). "
        'Clone the repository and call torch.hub with the folder and source="local".'
    )


def list(
    github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check", verbose: bool = True,
    *, source: str = "github",
) -> builtins.list[str]:  # fmt: skip
    """The names of the callables in the `hubconf.py` of a repository that is in the cache, or of a folder (`source="local"`)."""
    with _hubconf(_folder(github, source)) as module:
        return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check",
    *, source: str = "github",
) -> str | None:  # fmt: skip
    """The docstring of a callable in a `hubconf.py`; RuntimeError if there is none of that name."""
    with _hubconf(_folder(github, source)) as module:
        return _entry(module, model).__doc__


def load(
    repo_or_dir: str, model: str, *args: Any, source: str = "github", trust_repo: Any = "check", force_reload: bool = False,
    verbose: bool = True, skip_validation: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """What the callable `model` of a `hubconf.py` gives for these arguments.

    `repo_or_dir` is a folder (`source="local"`) or a GitHub repository "owner/name[:ref]" that the cache has; RuntimeError where
    the cache lacks it: torchish downloads weights, but no code.
    """
    with _hubconf(_folder(repo_or_dir, source)) as module:
        return _entry(module, model)(*args, **kwargs)


def _progress(total: int | None, shown: bool) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _Quiet()
    return tqdm(total=total, disable=not shown, unit="B", unit_scale=True, unit_divisor=1024)


class _Quiet:
    """Stands for a progress bar where tqdm is not installed."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def update(self, n: int) -> None:
        pass


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download a file; it appears at `dst` when it is complete.

    RuntimeError where its SHA-256 does not begin with `hash_prefix`, URLError where the server cannot be reached.
    """
    target = Path(os.path.expanduser(dst))
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    digest = hashlib.sha256()
    try:
        try:
            response = urlopen(Request(url, headers={"User-Agent": "torch.hub"}))
        except URLError as error:
            if type(error) is not URLError:  # the server has answered
                raise
            raise URLError(f"{error.reason} (while downloading {url}; a copy of the file at {target} will do)") from error
        with response, open(part, "xb") as file:
            size = response.headers.get("Content-Length")
            with _progress(int(size) if size else None, progress) as bar:
                while data := response.read(READ_DATA_CHUNK):
                    file.write(data)
                    digest.update(data)
                    bar.update(len(data))
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            found = digest.hexdigest()
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
        shutil.move(part, target)
    finally:
        part.unlink(missing_ok=True)


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True, check_hash: bool = False,
    file_name: str | None = None, weights_only: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """`torch.load` of a file that is downloaded into `model_dir` (the cache's `checkpoints`) unless it is there.

    `check_hash` compares its SHA-256 with the part of its name before the extension, as in `resnet18-f37072fd.pth`.
    """
    from torchish.serialization import load as load_file

    if model_dir is None:
        model_dir = os.path.join(get_dir(), "checkpoints")
    os.makedirs(model_dir, exist_ok=True)
    name = file_name if file_name is not None else os.path.basename(urlparse(url).path)
    kept = os.path.join(model_dir, name)
    if not os.path.exists(kept):
        sys.stdout.write(f'Downloading: "{url}" to {kept}\n')
        named = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, kept, named.group(1) if named else None, progress=progress)
    return load_file(kept, map_location=map_location, weights_only=weights_only)


__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]
