"""Which process works with a file or folder: a small lock file beside it, which the system lets go of when that
process ends, however it ends.

The store itself is safe for several processes; this is for what must not happen twice, such as two apps that each take
snapshots. Does not know what is locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import BadInput, Busy, UserError

# a file system that knows no locks is no reason not to start
_UNKNOWN_HERE = {"ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL"}


def lock_beside(database: Path) -> Path:
    """The lock of a library, the same under every name that leads to it. BadInput for a file of several names: the log
    beside each would be another one, and writers would not see each other."""
    real = database.resolve()
    if real.exists() and real.stat().st_nlink > 1:
        raise BadInput(
            f"The library {database.name} has a second name in the file system (a hard link): remove one of them, or "
            "copy the library with backup."
        )
    return real.with_name(f"{real.name}.lock")


@contextmanager
def sole_use(lock: Path, taken: str) -> Iterator[None]:
    """Hold a lock file for the time of a block. taken: what to say, with {pid}, when another process holds it: Busy.

    A child process does not inherit the lock. Where the file system has no locks, nothing is held.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(
            f"The lock {lock.name} cannot be written ({error.strerror}): check that its folder is writable."
        ) from error
    try:
        _hold(descriptor, taken)
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int, taken: str) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise Busy(taken.format(pid=holder if holder.isdigit() else "of unknown number")) from error
        if errno.errorcode.get(error.errno or 0) not in _UNKNOWN_HERE:
            raise
        return
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
