"""Whole copies of the database file, made by SQLite itself while others go on reading and writing.

Knows files and VACUUM INTO; does not know what the tables hold.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from pathlib import Path

from engine.errors import BadInput, UserError
from storage.private_files import begin_private


def copy_database(connection: sqlite3.Connection, target: Path, *, overwrite: bool = False) -> Path:
    """Write a compact copy under a temporary name, flush it and rename it to `target`: it is there whole or not at all.

    BadInput when `target` exists and `overwrite` is not given, or its folder is missing.
    """
    taken = f"{target.name} already exists; choose another name or allow it to be overwritten."
    if target.exists() and not overwrite:
        raise BadInput(taken)
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent.name} to write {target.name} into; create it first.")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        begin_private(temporary)
        connection.execute("VACUUM INTO ?", (str(temporary),))
        flush(temporary)
        if overwrite:
            temporary.replace(target)
        else:
            os.link(temporary, target)  # unlike a rename it fails when somebody was faster
        flush(target.parent)
    except FileExistsError as error:
        raise BadInput(taken) from error
    except OSError as error:
        raise UserError(f"The copy {target.name} could not be written: {error.strerror}. Try another place.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
