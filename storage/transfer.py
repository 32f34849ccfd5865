"""Runs as a file that people can keep and exchange: JSON lines, the first one a manifest.

Knows files, limits and which lines become runs; one line is the business of exchange.py. Never unpickles anything.
"""

from __future__ import annotations

import io
import json
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO

from sqlalchemy.orm import Session

from engine.errors import BadInput
from engine.types import Trace
from storage.database import Store
from storage.exchange import IncomingRun, from_line, to_line
from storage.known import bring_back, find_copy, find_holder, find_whole
from storage.limits import ImportLimits
from storage.room import Allow, check_room, unasked
from storage.strict_json import parse
from storage.writing import NewRun, PreparedRun, add_run, check_new, prepare

# beginning of the uids of runs that ship with the project: nobody else may take the next one
RESERVED = "example-"
FORMAT = "forklore-runs"
VERSION = 1
_ZIP = b"PK\x03\x04"
_PART = 2**16
_NO_RUNS = "This is no file of runs: choose one that was exported here, or a zip archive with one in it."


@dataclass(frozen=True)
class ImportReport:
    """What came of a file.

    added, skipped: uids as they now stand in the store, in the file's order; skipped ones were there already, the same
    bit for bit. Among the added are runs taken out of the bin, with the labels of the file. renamed: uid in the file ->
    uid in the store, where another run holds the uid. unlinked: uids added without their parent, which neither file
    nor store has. problems: one sentence per line that was left out.
    """

    added: tuple[str, ...]
    skipped: tuple[str, ...]
    problems: tuple[str, ...]
    renamed: Mapping[str, str]
    unlinked: tuple[str, ...]


def manifest(runs: int) -> str:
    """The first line of a file of so many runs."""
    return json.dumps({"format": FORMAT, "version": VERSION, "runs": runs}) + "\n"


def export_runs(store: Store, uids: Iterable[str], *, viewer: str) -> Iterator[str]:
    """A manifest and one line per run, each ending in a line break. NotFound, StoreDamaged at the run concerned."""
    wanted = list(dict.fromkeys(uids))
    yield manifest(len(wanted))
    for uid in wanted:
        yield to_line(store.runs.get(uid, viewer=viewer)) + "\n"


def import_runs(
    store: Store,
    data: bytes | str | Iterable[str],
    *,
    owner: str,
    example: bool = False,
    limits: ImportLimits | None = None,
    allow: Allow = unasked,
) -> ImportReport:
    """Store every good line of a file (JSON lines, plain or zipped) in one transaction; say what is wrong elsewhere.

    A run that `owner` sees already (an own one, an example) with the same content and run scores is skipped, whatever
    its labels; an own deleted one comes back; one whose uid belongs to other content or to somebody else gets a new
    uid, unless such a copy is there from an earlier import of it. BadInput when the file as a whole is refused (no
    manifest, newer version, too large); then nothing is stored. allow: asked about what the file holds, unpacked.
    """
    bounds = limits or ImportLimits()
    lines = _Counted(_lines(data, bounds))
    runs, problems = _read(store, lines, owner, example, bounds)
    allow(lines.size)
    ordered = _parents_first(runs)
    ready = {i: prepare(runs[i], None, store.limits) for i in ordered if not runs[i].parent}
    with store.read() as session:
        whole = find_whole(session, (str(run.uid) for run in runs))
    writer = _Writer(store, owner, whole, reserved="" if example else RESERVED)
    with store.write() as session:
        for i in ordered:
            writer.place(session, i, runs[i], ready.get(i))
    return writer.report(problems)


@dataclass(frozen=True)
class _Line(NewRun):
    """A run of the file before it is stored, with the parent it names."""

    parent: str | None = None
    fork_position: int | None = None


@dataclass(frozen=True)
class _Placed:
    uid: str
    wanted: str
    added: bool
    unlinked: bool = False


class _Counted(Iterator[bytes]):
    """Lines, and how many bytes they have come to."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines, self.size = lines, 0

    def __next__(self) -> bytes:
        line = next(self._lines)
        self.size += len(line)
        return line


class _Writer:
    """Places the runs of one file within one transaction and remembers where each went."""

    def __init__(self, store: Store, owner: str, whole: frozenset[int], reserved: str) -> None:
        self._reserved = reserved
        self._store = store
        self._owner = owner
        self._whole = whole
        self._placed: dict[int, _Placed] = {}
        self._uids: dict[str, str] = {}

    def place(self, session: Session, index: int, line: _Line, ready: PreparedRun | None) -> None:
        """Store one run unless it is there already."""
        wanted = str(line.uid)
        run = ready or self._follow(session, line)
        holder = find_holder(session, wanted)
        if holder is not None or (self._reserved and wanted.startswith(self._reserved)):
            there = find_copy(session, run, self._owner, holder, self._whole)
            if there is not None:
                if there.binned:
                    bring_back(session, there, run)
                self._remember(index, _Placed(there.uid, wanted, added=there.binned))
                return
            run = replace(run, columns={**run.columns, "uid": secrets.token_hex(12)})
        if not run.columns["example"]:
            check_room(session, self._store.limits, self._owner, runs=1, tokens=len(run.trace))
        uid = add_run(session, run)
        unlinked = line.parent is not None and "parent_id" not in run.columns
        self._remember(index, _Placed(uid, wanted, added=True, unlinked=unlinked))

    def _remember(self, index: int, placed: _Placed) -> None:
        self._placed[index] = placed
        self._uids.setdefault(placed.wanted, placed.uid)

    def report(self, problems: tuple[str, ...]) -> ImportReport:
        """What happened, in the order of the file."""
        placed = [self._placed[index] for index in sorted(self._placed)]
        return ImportReport(
            added=tuple(p.uid for p in placed if p.added),
            skipped=tuple(p.uid for p in placed if not p.added),
            problems=problems,
            renamed={p.wanted: p.uid for p in placed if p.uid != p.wanted},
            unlinked=tuple(p.uid for p in placed if p.unlinked),
        )

    def _follow(self, session: Session, line: _Line) -> PreparedRun:
        """Pack a fork against its parent, or whole when there is no such parent or it does not fit."""
        uid = self._uids.get(str(line.parent), str(line.parent))
        parent = self._store.runs.find_parent(session, uid, self._owner, line.fork_position or 0)
        if parent is not None:
            try:
                return prepare(line, parent, self._store.limits)
            except BadInput:
                # Only the fork can be refused here: everything else was checked when the line was read.
                return prepare(line, None, self._store.limits)
        return prepare(line, None, self._store.limits)


def _read(
    store: Store, lines: Iterator[bytes], owner: str, example: bool, bounds: ImportLimits
) -> tuple[list[_Line], tuple[str, ...]]:
    """Every good run of the file, and a sentence for every bad line."""
    _check_manifest(next(lines, b""), bounds)
    runs: list[_Line] = []
    problems: list[str] = []
    bad = 0
    for number, raw in enumerate(lines, start=2):
        if not raw.strip():
            continue
        if len(runs) + bad >= bounds.runs:
            raise BadInput(f"The file holds more than {bounds.runs:,} runs; split it into smaller files.")
        try:
            run = _to_line(from_line(raw, store.limits, bounds), owner, example)
            _check_length(run.trace, bounds)
            check_new(run, store.limits)
            runs.append(run)
        except BadInput as problem:
            bad += 1
            if len(problems) < bounds.problems:
                problems.append(f"line {number}: {str(problem).rstrip('.')}.")
    if bad > len(problems):
        problems.append(f"{bad - len(problems)} more lines have problems.")
    return runs, tuple(problems)


def _check_length(trace: Trace, bounds: ImportLimits) -> None:
    chars = len(trace.prompt) + len(trace.system or "") + len(trace.text)
    for what, found, most in (("tokens", len(trace), bounds.run_tokens), ("characters", chars, bounds.run_chars)):
        if found > most:
            raise BadInput(f"it has {found:,} {what} with prompt and answer; at most {most:,} can be brought in here")


def _to_line(run: IncomingRun, owner: str, example: bool) -> _Line:
    return _Line(
        trace=run.trace,
        owner=owner,
        status=run.status,
        run_scores=run.run_scores,
        title=run.title,
        tags=run.tags,
        note=run.note,
        example=example,
        uid=run.uid,
        created_at=run.created_at,
        parent=run.parent,
        fork_position=run.fork_position,
    )


def _check_manifest(line: bytes, bounds: ImportLimits) -> None:
    expected = f'Its first line must be {{"format": "{FORMAT}", "version": {VERSION}}}'
    try:
        manifest = parse(line, bounds)
    except BadInput as problem:
        raise BadInput(f"{_NO_RUNS} {expected}; {str(problem).rstrip('.')}.") from problem
    if manifest.get("format") != FORMAT or type(manifest.get("version")) is not int:
        raise BadInput(f"{_NO_RUNS} {expected}.")
    if not 1 <= manifest["version"] <= VERSION:
        raise BadInput(f"The file has version {manifest['version']}, this program reads {VERSION}; update the program.")


def _parents_first(runs: list[_Line]) -> list[int]:
    """Indices in an order in which parents come before their forks; circles come last and lose their parent."""
    first = {str(run.uid): i for i, run in reversed(list(enumerate(runs)))}
    forks: dict[int, list[int]] = {}
    for i, run in enumerate(runs):
        if run.parent in first:
            forks.setdefault(first[str(run.parent)], []).append(i)
    order = [i for i, run in enumerate(runs) if run.parent not in first]
    for i in order:  # grows while it is walked
        order.extend(forks.get(i, ()))
    reached = set(order)
    return order + [i for i in range(len(runs)) if i not in reached]


def _lines(data: bytes | str | Iterable[str], bounds: ImportLimits) -> Iterator[bytes]:
    """The lines of a file as bytes, no more of them than the limits allow."""
    total = 0
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    for line in _split(data, bounds) if isinstance(data, bytes) else _encoded(data):
        total += len(line)
        if total > bounds.unpacked_bytes:
            raise BadInput(f"The file holds more than {bounds.unpacked_bytes:,} bytes; split it into smaller files.")
        if len(line) > bounds.line_bytes:
            raise BadInput(f"The file has a line of more than {bounds.line_bytes:,} bytes; no run is that large.")
        yield line


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    for line in lines:
        yield line.encode("utf-8", "surrogatepass")  # lone surrogates are refused as bad UTF-8 line by line


def _split(data: bytes, bounds: ImportLimits) -> Iterator[bytes]:
    if len(data) > bounds.file_bytes:
        raise BadInput(f"The file has {len(data):,} bytes; split it into files of at most {bounds.file_bytes:,}.")
    with _unzipped(data, bounds) if data.startswith(_ZIP) else io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")) as file:
        while line := file.readline(bounds.line_bytes + 1):
            yield line


def _unzipped(data: bytes, bounds: ImportLimits) -> IO[bytes]:
    """The one .jsonl file of an archive, to be read line by line; refused beforehand when it holds more than the limit
    or does not unpack, whatever the archive claims. It is unpacked twice, so that it is never in memory as a whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".jsonl")]
            if len(names) != 1:
                raise BadInput(f"The archive must hold exactly one .jsonl file; this one holds {len(names)}.")
            with archive.open(names[0]) as file:
                total = 0
                while (part := file.read(_PART)) and total <= bounds.unpacked_bytes:
                    total += len(part)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"The archive cannot be unpacked ({error}); pack it again as an ordinary zip file.") from error
    if total > bounds.unpacked_bytes:
        raise BadInput(f"The archive unpacks to more than {bounds.unpacked_bytes:,} bytes; split it.")
    return zipfile.ZipFile(io.BytesIO(data)).open(names[0])
