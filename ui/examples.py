"""The examples that ship with the project, runs and a forking analysis: puts them into a store that lacks them.

They are made by assets/make_examples.py and assets/make_example_forks.py from the embedded model. Does not know how
they are shown.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
import zlib
from pathlib import Path

import numpy as np

from engine.errors import NotFound, StoreDamaged, UserError
from storage import transfer
from storage.database import Store

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples.zip"
FORKS = Path(__file__).parent.parent / "assets" / "example_forks.zip"
OWNER = "examples"
# Raised with every change of an example: a uid always stands for the same content. COUNT grows with a new one.
EDITION = 1
COUNT = 7
# what a first visitor sees: the one whose forks are known
FIRST_SHOWN = 7
# what reading a file of examples raises that was cut or changed on disk
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, EOFError, NotImplementedError)
RUNS, ABOUT, ARRAYS = "examples.jsonl", "analysis.json", "arrays/"


def example_uid(number: int) -> str:
    """The uid of the n-th example of this edition, from 1."""
    return f"{transfer.RESERVED}{EDITION}-{number}"


def install(store: Store, source: Path = EXAMPLES, forks: Path = FORKS) -> int:
    """Import this edition's examples unless they are there; returns how many runs were added.

    A damaged example is left as it is and named in the log: the page works without it.
    """
    added, log = 0, logging.getLogger("forklore")
    try:
        added = install_runs(store, source)
    except DAMAGED as error:
        log.warning("the examples are left out: %s (%r)", source, error)
    try:
        install_analysis(store, forks.read_bytes())
    except (UserError, OSError, *DAMAGED) as error:
        log.warning("the analysis of an example is left out: %s (%r)", forks, error)
    return added


def install_runs(store: Store, source: Path = EXAMPLES) -> int:
    """The runs alone; see `install`."""
    missing = {uid for uid in map(example_uid, range(1, COUNT + 1)) if _lacks(store, uid)}
    if not missing:
        return 0
    with zipfile.ZipFile(source) as archive:
        manifest, *runs = archive.read(RUNS).decode("utf-8").rstrip("\n").split("\n")
    wanted = [line for line in runs if json.loads(line)["uid"] in missing]
    return len(transfer.import_runs(store, [manifest, *wanted], owner=OWNER, example=True).added)


def _lacks(store: Store, uid: str) -> bool:
    try:
        store.runs.header(uid, viewer=OWNER)
    except StoreDamaged as error:
        logging.getLogger("forklore").warning("an example is left out: %s", error)
    except NotFound:
        return True
    return False


def install_analysis(store: Store, packed: bytes) -> str:
    """The uid of a shipped analysis, which is stored unless this very one is there; an older one goes.

    Raises NotFound or StoreDamaged for the run that it is of, Busy.
    """
    mark = hashlib.sha256(packed).hexdigest()[:16]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        about = json.loads(archive.read(ABOUT))
        names = [name for name in archive.namelist() if name.startswith(ARRAYS)]
        raw = {name.removeprefix(ARRAYS).removesuffix(".npy"): archive.read(name) for name in names}
    there = store.analyses.list(about["run"], viewer=OWNER, kind=about["kind"])
    for header in there:
        if header.status == "finished" and header.progress == mark:
            return header.uid
    # all of it is read before anything of an older one goes
    arrays = {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in raw.items()}
    kind, settings, result = str(about["kind"]), dict(about["settings"]), dict(about["result"])
    for header in there:
        store.analyses.delete(header.uid, viewer=OWNER)
    uid = store.analyses.add(about["run"], kind, settings, viewer=OWNER)
    store.analyses.save(uid, viewer=OWNER, arrays=arrays, progress=mark, status="finished", result=result)
    return uid


def pack_analysis(store: Store, uid: str) -> bytes:
    """A finished analysis as a file that `install_analysis` takes: the same one gives the same bytes."""
    stored = store.analyses.get(uid, viewer=OWNER)
    header, whole = stored.header, io.BytesIO()
    about = {"run": header.run, "kind": header.kind, "settings": header.settings, "result": header.result}
    with zipfile.ZipFile(whole, "w") as archive:
        _write(archive, ABOUT, json.dumps(about, indent=1, sort_keys=True).encode())
        for name in sorted(stored.arrays):
            raw = io.BytesIO()
            np.save(raw, stored.arrays[name], allow_pickle=False)
            _write(archive, f"{ARRAYS}{name}.npy", raw.getvalue())
    return whole.getvalue()


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
