"""Files of datasets: fetched, checked and unpacked."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torchish.vision._optional import progress_bar

_CHUNK = 1 << 16
_ATTEMPTS = 2  # a broken transfer is tried once more


def calculate_md5(fpath: str | Path, chunk_size: int = 1 << 20) -> str:
    """The MD5 of a file, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as f:
        while chunk := f.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: str | Path, md5: str, **kwargs: Any) -> bool:
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: str | Path, md5: str | None = None) -> bool:
    """Whether the file is there and, where `md5` is given, has that MD5."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def fetch(url: str, path: str | Path, progress: bool = True) -> None:
    """Write what is at `url` to `path`, which appears only once it is complete.

    Raises:
        OSError: there is no connection, or it ended early (urllib's URLError is one).
    """
    part = f"{path}.part"
    request = urllib.request.Request(url, headers={"User-Agent": "torchish"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response, open(part, "wb") as out:
            size = response.headers.get("Content-Length")
            total, got = int(size) if size else None, 0
            bar = progress_bar(total, os.path.basename(path), progress)
            try:
                while chunk := response.read(_CHUNK):
                    out.write(chunk)
                    got += len(chunk)
                    if bar is not None:
                        bar.update(len(chunk))
            finally:
                if bar is not None:
                    bar.close()
        if total is not None and got != total:
            raise urllib.error.URLError(f"{url} ended after {got} of {total} bytes")
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def download_url(
    url: str, root: str | Path, filename: str | Path | None = None, md5: str | None = None, max_redirect_hops: int = 3
) -> None:
    """Fetch `url` to `root/filename`, unless an intact file is there already.

    Raises:
        RuntimeError: what came has another MD5 ("File not found or corrupted.").
        OSError: nothing came.
    """
    root = os.path.expanduser(root)
    path = os.path.join(root, filename or os.path.basename(urllib.parse.urlparse(url).path))
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    for attempt in range(_ATTEMPTS):
        try:
            fetch(url, path)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        if check_integrity(path, md5):
            return
    raise RuntimeError("File not found or corrupted.")


def extract_archive(from_path: str | Path, to_path: str | Path | None = None, remove_finished: bool = False) -> str | Path:
    """Unpack a .zip, .tar(.gz|.xz|.bz2), .gz or .xz beside itself, or to `to_path`; gives the place."""
    name = str(from_path)
    target = os.path.dirname(name) if to_path is None else to_path
    if name.endswith(".zip"):
        with zipfile.ZipFile(name) as z:
            z.extractall(target)
    elif any(name.endswith(s) for s in (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tbz2")):
        with tarfile.open(name) as t:
            t.extractall(target, filter="data")
    elif name.endswith((".gz", ".xz")):
        target = os.path.splitext(name)[0] if to_path is None else to_path
        opened: Any = gzip.open if name.endswith(".gz") else lzma.open
        with opened(name, "rb") as packed, open(target, "wb") as out:
            shutil.copyfileobj(packed, out)
    else:
        raise RuntimeError(f"File '{from_path}' has no suffixes that could be used to detect the archive type and compression.")
    if remove_finished:
        os.remove(name)
    return target


def download_and_extract_archive(
    url: str,
    download_root: str | Path,
    extract_root: str | Path | None = None,
    filename: str | Path | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Fetch an archive to `download_root` and unpack it to `extract_root` (default: the same)."""
    download_root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(url)
    download_url(url, download_root, filename, md5)
    archive = os.path.join(download_root, filename)
    extract_archive(archive, download_root if extract_root is None else extract_root, remove_finished)


def verify_str_arg(
    value: Any, arg: str | None = None, valid_values: Iterable[str] | None = None, custom_msg: str | None = None
) -> str:
    """`value`, if it is one of the strings allowed; ValueError that lists them otherwise."""
    if not isinstance(value, str):
        given = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{given}, but got type {type(value)}.")
    if valid_values is not None and value not in valid_values:
        listed = "', '".join(valid_values)
        raise ValueError(custom_msg or f"Unknown value '{value}' for argument {arg}. Valid values are {{'{listed}'}}.")
    return value
