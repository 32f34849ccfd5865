"""New files that nobody but the user who runs the program may read: the library, copies of it, what is taken out of it.

A file that is there already keeps the mode it has; SQLite gives the log beside a database the mode of the database.
Does not know what is written.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
_MAKING = threading.Lock()


def begin_private(path: Path) -> None:
    """Make an empty private file where there is none; what cannot be made is left for whoever opens it to say."""
    # closing a file lets go of all locks that this process has on it: nobody here may have opened it meanwhile
    with _MAKING, suppress(OSError, ValueError):
        # resolved: else the end of a link that leads nowhere yet is made by whoever opens it
        os.close(os.open(os.path.realpath(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))


def make_private(path: Path) -> None:
    """Take a file that the program gave a name of its own from everybody else, where the file system knows modes."""
    with suppress(OSError):
        path.chmod(PRIVATE)
