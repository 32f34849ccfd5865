"""Readers of single settings: a text from a flag or a variable becomes a checked value, or is refused.

Each refusal is the middle of a sentence ("is empty"); what would be allowed is known to the option that asks. Creates
nothing and opens nothing.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path


class Wrong(ValueError):
    """Why a value is refused, as the middle of a sentence: "is empty"."""


def quoted(text: str) -> str:
    """A value on one line, control characters escaped, long ones cut."""
    return repr(text if len(text) <= 80 else text[:79] + "…")


def many(count: int, one: str) -> str:
    """A number with what it counts: 1 run, 2 runs."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def page_address(text: str) -> str:
    """Scheme, host and port of the page, without a slash behind."""
    if not text:
        raise Wrong("is empty")
    found = re.fullmatch(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@]+)(?::([0-9]{1,5}))?/?", text)
    if not found:
        raise Wrong("is no address of a page")
    scheme, name, port = found.groups()
    if port and not 1 <= int(port) <= 65535:
        raise Wrong("has a port that is out of range")
    shown = f"[{host(name[1:-1])}]" if name.startswith("[") else host(name)
    return f"{scheme}://{shown}" + (f":{int(port)}" if port else "")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        # int() alone would take "7_860", " 7860 " and digits of other scripts.
        if not re.fullmatch(r"[+-]?[0-9]{1,30}", text):
            raise Wrong("is not a whole number" if text else "is empty")
        if not low <= int(text) <= high:
            raise Wrong("is out of range")
        return int(text)

    return read


def one_of(*names: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise Wrong("is not known" if text else "is empty")
        return text

    return read


def model_name(text: str) -> str:
    if not text.strip():
        raise Wrong("is empty")
    if not text.isprintable():
        raise Wrong("holds control characters")
    return text


def device(text: str) -> str:
    if not re.fullmatch(r"cpu|mps|cuda(:[0-9]{1,3})?", text):
        raise Wrong("is not known" if text else "is empty")
    return text


def host(text: str) -> str:
    if not text:
        raise Wrong("is empty")
    # Only an address may be made of digits and dots alone, or hold a colon.
    if ":" in text or re.fullmatch(r"[0-9.]+", text):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise Wrong("is no address") from None
    label = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
    if len(text) > 253 or not re.fullmatch(rf"{label}(\.{label})*\.?", text):
        raise Wrong("is no host name")
    return text


def path_of(*, folder: bool) -> Callable[[str], Path]:
    """A file (or folder) that exists, or could be created; nothing is created here."""

    def read(text: str) -> Path:
        if not text.strip():
            raise Wrong("is empty")
        try:
            path = Path(text).expanduser()
            _refuse_unusable(path, folder=folder)
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, Wrong):
                raise
            reason = getattr(error, "strerror", None) or str(error)
            raise Wrong(f"cannot be used ({reason})") from None
        return path.absolute()

    return read


def _refuse_unusable(path: Path, *, folder: bool) -> None:
    mode = _mode(path)
    if mode is not None:
        if stat.S_ISDIR(mode) != folder:
            raise Wrong("is not a folder" if folder else "is a folder")
        if not folder and not stat.S_ISREG(mode):
            raise Wrong("is not a regular file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise Wrong("cannot be read and written by this user")
        return
    parent = next(p for p in path.absolute().parents if _mode(p) is not None)
    if not parent.is_dir():
        raise Wrong(f"cannot be created, because {quoted(str(parent))} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise Wrong(f"cannot be created, because {quoted(str(parent))} is not writable")


def _mode(path: Path) -> int | None:
    """File type bits, None where nothing is there; OSError for a path that cannot be looked at."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
