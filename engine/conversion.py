"""GGUF files are converted once into folders that load fast, kept in the user's cache, and checked at every use.

Safe against processes that convert at once, are killed half-way, or find damaged files. Does not know the catalogue.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from engine import gguf_files
from engine.errors import ModelUnavailable
from engine.progress import Progress

LAYOUT = 1
MARKER = "complete.json"
BLOCK = 1 << 22
SECONDS_PER_100_MB = 15
Convert = Callable[[Path, Path], None]


def packaged_file(package: str, file: str) -> Path | None:
    """A data file of an installed package, found without running the package; None when it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / file).is_file():
            return path
    return None


def default_cache_dir() -> Path:
    """The user's own cache folder for this project."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("forklore", appauthor=False))


def converted(
    source: Path, *, label: str, progress: Progress, cache_dir: Path | None = None, convert: Convert | None = None
) -> tuple[Path, str]:
    """The folder converted from a GGUF file, and the file's sha256; converts when there is no good copy.

    label: what people know the file by. cache_dir: by default the user's own. convert(source, empty folder): by
    default `gguf_files.convert`. Raises ModelUnavailable when the cache cannot be written or the file cannot be read.
    """
    home = (cache_dir or default_cache_dir()) / "models"
    try:
        target = home / f"{source.stem}-{_quick_key(source)}"
        digest = intact(target)
        if digest is None:
            home.mkdir(parents=True, exist_ok=True)
            digest = _convert_alone(
                source, target, _announcement(source, label), progress, convert or gguf_files.convert
            )
        return target, digest
    except (OSError, SafetensorError) as error:
        # a full disk is told by either, whichever file was being written
        reason = getattr(error, "strerror", None) or error
        raise ModelUnavailable(
            f"The converted model could not be written to {home} ({reason}): "
            "free some space there or choose another cache folder."
        ) from error


def intact(folder: Path) -> str | None:
    """The source's sha256 when every file of a converted folder is as it was written, else None."""
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        files: dict[str, dict[str, int]] = marker["files"]
        good = (
            marker["layout"] == LAYOUT
            and bool(files)
            and all(_stamp(folder / name) == stamp for name, stamp in files.items())
        )
        return str(marker["source_sha256"]) if good else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _convert_alone(source: Path, target: Path, message: str, progress: Progress, convert: Convert) -> str:
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress("Waiting for another process that converts this model", None)
        lock.acquire()
    try:
        digest = intact(target)
        if digest is None:
            progress(message, None)
            digest = _rebuild(source, target, convert)
        return digest
    finally:
        lock.release()


def _rebuild(source: Path, target: Path, convert: Convert) -> str:
    for leftover in target.parent.glob(f"{target.name}.partial-*"):
        shutil.rmtree(leftover)
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.partial-", dir=target.parent))
    try:
        convert(source, partial)
        digest = _sha256(source)
        files = {path.name: _stamp(path) for path in sorted(partial.iterdir())}
        marker = {"layout": LAYOUT, "source": source.name, "source_sha256": digest, "files": files}
        (partial / MARKER).write_text(json.dumps(marker, indent=1), "utf-8")
        for path in (*partial.iterdir(), partial):
            _sync(path)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
        _sync(target.parent)
        return digest
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _announcement(source: Path, label: str) -> str:
    seconds = max(15, round(source.stat().st_size / 1e8 * SECONDS_PER_100_MB, -1))
    return f"Converting {label} (once, about {seconds:.0f} s)"


def _quick_key(source: Path) -> str:
    """A name for a file's content from its size and both ends: enough to notice another file, cheap at each start."""
    size = source.stat().st_size
    with source.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, size - (1 << 16)))
        tail = file.read()
    return hashlib.sha256(b"%d:" % size + head + tail).hexdigest()[:16]


def _stamp(path: Path) -> dict[str, int]:
    """Size and CRC-32, which runs at 4 GB/s: the whole model is checked in .15 s."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
    return {"size": path.stat().st_size, "crc32": checksum}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
