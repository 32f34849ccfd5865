"""The examples that ship with the project, runs and analyses of them: puts them into a store that lacks them.

They are made by assets/make_examples.py, make_example_forks.py and make_example_chain.py from the embedded model. Does
not know how they are shown.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import NotFound, StoreDamaged, UserError
from storage import transfer
from storage.database import Store

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples.zip"
FORKS = Path(__file__).parent.parent / "assets" / "example_forks.zip"
CHAIN = Path(__file__).parent.parent / "assets" / "example_chain.zip"
OWNER = "examples"
# Raised with every change of an example: a uid always stands for the same content. COUNT grows with a new one.
EDITION = 1
COUNT = 7
# what a first visitor sees: the one whose forks are known
FIRST_SHOWN = 7
# what reading a file of examples raises that was cut or changed on disk
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, EOFError, NotImplementedError)
RUNS, ABOUT, ARRAYS = "examples.jsonl", "analysis.json", "arrays/"


@dataclass(frozen=True)
class Shipped:
    """One analysis of a file: run, kind, settings and result in `about`, its arrays as bytes of .npy; mark: the
    file's."""

    about: Mapping[str, Any]
    arrays: Mapping[str, bytes]
    mark: str


def example_uid(number: int) -> str:
    """The uid of the n-th example of this edition, from 1."""
    return f"{transfer.RESERVED}{EDITION}-{number}"


def install(store: Store, source: Path = EXAMPLES, forks: Path = FORKS, chain: Path = CHAIN) -> int:
    """Import this edition's examples unless they are there; returns how many runs were added.

    A damaged example is left as it is and named in the log: the page works without it.
    """
    added, log = 0, logging.getLogger("forklore")
    try:
        added = install_runs(store, source)
    except DAMAGED as error:
        log.warning("the examples are left out: %s (%r)", source, error)
    for file in (forks, chain):
        try:
            for shipped in read_analyses(file.read_bytes()):
                install_analysis(store, shipped)
        except (UserError, OSError, *DAMAGED) as error:
            log.warning("the analysis of an example is left out: %s (%r)", file, error)
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


def read_analyses(packed: bytes) -> tuple[Shipped, ...]:
    """All of a file that `pack_analyses` made. Raises one of DAMAGED for any other."""
    mark = hashlib.sha256(packed).hexdigest()[:16]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        # all of it is read, and with that checked, before anything is done with it
        files = {name: archive.read(name) for name in archive.namelist()}
    found = []
    for name in files:
        folder, found_name, rest = name.rpartition(ABOUT)
        if not found_name or rest:
            continue
        place = f"{folder}{ARRAYS}"
        arrays = {each.removeprefix(place).removesuffix(".npy"): raw for each, raw in files.items()
                  if each.startswith(place)}  # fmt: skip
        found.append(Shipped(json.loads(files[name]), arrays, mark))
    return tuple(found)


def install_analysis(store: Store, shipped: Shipped) -> str:
    """The uid of a shipped analysis, which is stored unless this very one is there; an older one goes.

    Raises NotFound or StoreDamaged for the run that it is of, Busy.
    """
    about = shipped.about
    there = store.analyses.list(about["run"], viewer=OWNER, kind=about["kind"])
    for header in there:
        if header.status == "finished" and header.progress == shipped.mark:
            return header.uid
    # all of it is read before anything of an older one goes
    arrays = {name: np.load(io.BytesIO(raw), allow_pickle=False) for name, raw in shipped.arrays.items()}
    kind, settings, result = str(about["kind"]), dict(about["settings"]), dict(about["result"])
    for header in there:
        store.analyses.delete(header.uid, viewer=OWNER)
    uid = store.analyses.add(about["run"], kind, settings, viewer=OWNER)
    store.analyses.save(uid, viewer=OWNER, arrays=arrays, progress=shipped.mark, status="finished", result=result)
    return uid


def pack_analyses(store: Store, uids: Sequence[str]) -> bytes:
    """Finished analyses as a file that `read_analyses` reads, several in a folder each: the same ones give the same
    bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for number, uid in enumerate(uids, 1):
            stored, folder = store.analyses.get(uid, viewer=OWNER), f"{number}/" if len(uids) > 1 else ""
            header = stored.header
            about = {"run": header.run, "kind": header.kind, "settings": header.settings, "result": header.result}
            _write(archive, f"{folder}{ABOUT}", json.dumps(about, indent=1, sort_keys=True).encode())
            for name in sorted(stored.arrays):
                raw = io.BytesIO()
                np.save(raw, stored.arrays[name], allow_pickle=False)
                _write(archive, f"{folder}{ARRAYS}{name}.npy", raw.getvalue())
    return whole.getvalue()


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
