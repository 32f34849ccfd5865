"""The operator's commands: verify, copy, put back and take out the library as a whole.

Each says in a line or two what it did; damage is named and makes the exit code 1. Does not know how a call is written.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput, NotFound, StoreDamaged, UserError
from storage import restoring
from storage.connections import connect, translated
from storage.copies import copy_database, flush
from storage.database import Store
from storage.exchange import to_line
from storage.in_use import lock_beside, sole_use
from storage.inspection import stored_version
from storage.migrations import MIGRATIONS, newest
from storage.owners import OtherRows, count_others, runs_by_owner, sessions_by_owner
from storage.private_files import begin_private
from storage.records import CheckReport
from storage.transfer import manifest
from ui import session_files
from ui.examples import OWNER as BUILT_IN
from ui.people import people_afterwards
from ui.settings import Settings
from ui.settings_values import many

RUNS_IN_A_FILE = 2_000
INDEX = "people.json"
BUSY_SECONDS = 30.0
IN_USE = "Forklore is running on this library (process {pid}): stop it first, then restore."


def check(database: Path) -> int:
    """Verify everything in the library; prints what is damaged."""
    with _opened(database) as store:
        return _told(store.check(), database.name)


def backup(target: str, database: Path) -> int:
    """Copy the library to a new file while it may be in use, and verify the copy."""
    destination = _new_file(target)
    _there(database)
    with translated(database), closing(connect(database, busy_seconds=BUSY_SECONDS)) as connection:
        copy_database(connection, destination)
    _say(f"The library was copied to {destination}.")
    return check(destination)


def restore(source: str, database: Path) -> int:
    """Make a verified backup the library; the one before is kept beside it."""
    path = Path(source).expanduser()
    if not path.is_file():
        raise BadInput(f"There is no file {_shown(path)} to restore; name one that a backup made.")
    _make_folder(database)
    with sole_use(lock_beside(database), IN_USE):
        done = restoring.restore(path, database)
    _say(f"{path.name} is the library now, at {database}.")
    if done.kept:
        _say(f"The one before is kept as {done.kept.name} beside it.")
    for sentence in people_afterwards(done.people):
        _say(sentence)
    return 0


def export(target: str, database: Path) -> int:
    """Write every run and annotation session to a zip file; what is damaged is named and left out."""
    destination = _new_file(target)
    part = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
    begin_private(part)
    try:
        with _opened(database) as store, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            found = _written(store, archive)
            whose = _index(store, archive, found)
            others = count_others(store, without=BUILT_IN)
        flush(part)
        part.rename(destination)
    except OSError as error:
        raise UserError(f"{destination.name} could not be written: {error.strerror}; try another place.") from error
    finally:
        part.unlink(missing_ok=True)
    runs, sessions = (sum(getattr(folder, what) for folder in found.folders.values()) for what in ("runs", "sessions"))
    _say(f"{many(runs, 'run')} and {many(sessions, 'annotation session')} written to {destination}.")
    for sentence in (*whose, *_not_meant(others)):
        _say(sentence)
    for sentence in found.damaged:
        _say(f"Left out: {sentence}")
    return 1 if found.damaged else 0


def people(words: Sequence[str], settings: Settings, sure: bool) -> int:
    """Who may use a team's page. sure: whoever erases need not be asked."""
    from ui import people as people_of_a_team

    asked = people_of_a_team.understood(words, sure)
    if asked.action == "add":
        _make_folder(settings.database)
    else:
        _there(settings.database)
    with Store(settings.database) as store:
        return people_of_a_team.run(asked, store, settings)


@dataclass
class _Folder:
    """What is in one folder of an export."""

    runs: int = 0
    sessions: int = 0


@dataclass
class _Found:
    """What an export holds, by owner, and a sentence for each thing that it cannot hold."""

    folders: dict[str, _Folder]
    damaged: list[str]


def _written(store: Store, archive: zipfile.ZipFile) -> _Found:
    found, damaged = defaultdict[str, _Folder](_Folder), list[str]()
    for owner, uids in runs_by_owner(store, without=BUILT_IN).items():
        for number, start in enumerate(range(0, len(uids), RUNS_IN_A_FILE), 1):
            lines, lost = _lines(store, owner, uids[start : start + RUNS_IN_A_FILE])
            archive.writestr(f"{_folder(owner)}/runs-{number}.jsonl", manifest(len(lines)) + "".join(lines))
            damaged += lost
            found[owner].runs += len(lines)
    for owner, uids in sessions_by_owner(store, without=BUILT_IN).items():
        for uid in uids:
            try:
                whole = store.annotations.whole(uid, viewer=owner)
            except StoreDamaged as damage:
                damaged.append(str(damage))
                continue
            archive.writestr(f"{_folder(owner)}/session-{uid}.jsonl", session_files.export(whole, "jsonl", True)[2])
            found[owner].sessions += 1
    return _Found(found, damaged)


def _index(store: Store, archive: zipfile.ZipFile, found: _Found) -> list[str]:
    """Write whose the folders of a team's people are, and a sentence for each; without the list, which is named."""
    try:
        names = {person.viewer: person.name for person in store.people.list()}
    except StoreDamaged as damage:
        found.damaged.append(str(damage))
        return []
    theirs = {owner: folder for owner, folder in found.folders.items() if owner in names}
    if theirs:
        whose = {_folder(owner): names[owner] for owner in theirs}
        archive.writestr(INDEX, json.dumps(whose, ensure_ascii=False, indent=2) + "\n")
    return [
        f"{_folder(owner)}: {names[owner]}, {many(folder.runs, 'run')}, {many(folder.sessions, 'annotation session')}."
        for owner, folder in theirs.items()
    ]


def _not_meant(others: OtherRows) -> list[str]:
    """A line for each kind of row that an export is not for: with what was written they are all that a check counts."""
    found = (
        (others.built_in_runs, others.built_in_sessions, "come with every library"),
        (others.binned_runs, others.binned_sessions, "in the bin"),
    )
    return [
        f"Not written: {many(runs, 'run')} and {many(sessions, 'annotation session')} ({where})."
        for runs, sessions, where in found
        if runs or sessions
    ]


def _lines(store: Store, owner: str, uids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Each run as its line, and a sentence for each that cannot be read."""
    lines, damaged = [], []
    for uid in uids:
        try:
            lines.append(to_line(store.runs.get(uid, viewer=owner)) + "\n")
        except StoreDamaged as damage:
            damaged.append(str(damage))
        except NotFound:
            # deleted by its owner while the app runs beside this
            continue
    return lines, damaged


@contextmanager
def _opened(database: Path) -> Iterator[Store]:
    """The library to read from; one of an older version as a copy that is brought up to date, since nothing changes."""
    _there(database)
    if stored_version(database, MIGRATIONS) == newest(MIGRATIONS):
        with Store(database) as store:
            yield store
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / database.name
        restoring.copy_pages(database, copy)
        with Store(copy) as store:
            yield store


def _there(database: Path) -> None:
    if not database.is_file() or database.stat().st_size == 0:
        raise BadInput(f"There is no library at {_shown(database)}; name another with --database.")


def _make_folder(database: Path) -> None:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"The folder {_shown(database.parent)} cannot be made: {error.strerror}.") from error


def _new_file(target: str) -> Path:
    path = Path(target).expanduser().absolute()
    if path.exists():
        raise BadInput(f"{_shown(path)} already exists and is not overwritten; choose another name.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {_shown(path.parent)}; create it first.")
    return path


def _told(report: CheckReport, name: str) -> int:
    found = restoring.complaints(report)
    what = (
        f"{many(report.runs, 'run')}, {many(report.sessions, 'annotation session')}, "
        f"{many(report.arrays, 'array')} and {many(report.events, 'event')}"
    )
    if not found:
        _say(f"{name} is sound: {what} were verified.")
        return 0
    _say(f"{name} is damaged in {many(len(found), 'place')}; {what} were looked at.")
    for sentence in found:
        _say(sentence)
    return 1


def _folder(owner: str) -> str:
    """A folder's name for an owner: readable, and one of its own."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", owner)[:40].strip("-") or "owner"
    return plain if plain == owner else f"{plain}-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"


def _shown(path: Path) -> str:
    return str(path).encode("unicode_escape").decode("ascii")


def _say(sentence: str) -> None:
    """One line, whatever a damaged file made of it."""
    print("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in sentence), flush=True)
