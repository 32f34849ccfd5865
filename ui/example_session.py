"""The demonstration session that ships with the project: puts it, and the runs it is about, into a store without it.

Made by assets/make_example_session.py: real answers of the embedded model, labelled by programs that say they are
programs. Its runs are unlisted, so that they do not stand among the examples. Does not know how it is shown.
"""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

from engine.errors import NotFound, StoreDamaged, UserError
from storage import transfer
from storage.database import Store
from ui.examples import DAMAGED, OWNER
from ui.session_files import export
from ui.session_import import read_session

FILE = Path(__file__).parent.parent / "assets" / "example_session.zip"
# raised with every change of what the file holds: a uid always stands for the same content
EDITION = 1
SESSION = f"{transfer.RESERVED}session-{EDITION}"
RUNS, LABELS = "runs.jsonl", "session.jsonl"
_DATE = (2026, 1, 1, 0, 0, 0)


def run_uid(number: int) -> str:
    """The uid of the n-th run of the demonstration, from 1."""
    return f"demonstration-{EDITION}-{number}"


def install_session(store: Store, source: Path = FILE) -> bool:
    """Store the demonstration unless it is there; whether it was added. The page works without a damaged one."""
    log = logging.getLogger("forklore")
    try:
        store.annotations.get(SESSION, viewer=OWNER)
        return False
    except NotFound:
        pass
    except StoreDamaged as error:
        log.warning("the demonstration session is left out: %s", error)
        return False
    try:
        with zipfile.ZipFile(source) as archive:
            runs, labels = (archive.read(name).decode("utf-8") for name in (RUNS, LABELS))
        contents = read_session(labels)
        report = transfer.import_runs(store, runs, owner=OWNER)
        for uid in (*report.added, *report.skipped):
            store.runs.update(uid, viewer=OWNER, visibility="unlisted")
        store.annotations.restore_export(contents, viewer=OWNER, example=True, uid=SESSION)
    except (UserError, OSError, *DAMAGED) as error:
        log.warning("the demonstration session is left out: %s (%r)", source, error)
        return False
    return True


def demonstrations(store: Store) -> tuple[str, ...]:
    """Uids of the demonstration sessions that are there and sound."""
    try:
        return (store.annotations.get(SESSION, viewer=OWNER).uid,)
    except (NotFound, StoreDamaged):
        return ()


def pack_session(store: Store, session: str, runs: Sequence[str]) -> bytes:
    """A session and its runs as a file that `install_session` reads."""
    _, _, labels = export(store.annotations.whole(session, viewer=OWNER), "jsonl", True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in ((RUNS, "".join(transfer.export_runs(store, runs, viewer=OWNER)).encode()), (LABELS, labels)):
            archive.writestr(zipfile.ZipInfo(name, date_time=_DATE), data, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()
