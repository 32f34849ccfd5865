"""Zip bombs, deep and huge and twisted files for every import, and a program that tries them one after another.

`python -m tests.support.bombs FOLDER` prints one line of JSON a file. Does not know what is promised of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import resource
import sqlite3
import struct
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20
DEEP = "[" * 200_000 + "]" * 200_000
HUGE = "9" * 2_000_000


def zipped(*files: tuple[str, bytes], mode: int = 0) -> bytes:
    """An archive; mode: Unix type of its entries (0o120777 for links)."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return held.getvalue()


def lying(data: bytes) -> bytes:
    """The archive with sizes of one byte in its directory, and the same in front of its files."""
    changed = bytearray(data)
    for sign, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = changed.find(sign)
        while at >= 0:
            struct.pack_into("<I", changed, at + offset, 1)
            at = changed.find(sign, at + 4)
    return bytes(changed)


def overlapping(many: int = 400) -> bytes:
    """Many names in the directory for one compressed block, so that each unpacks the same megabytes again."""
    data = zipped(("a.jsonl", b"0" * 4 * MEBIBYTE))
    end = data.rfind(b"PK\x05\x06")
    start = struct.unpack_from("<I", data, end + 16)[0]
    entry = data[start:end]
    last = bytearray(data[end:])
    struct.pack_into("<HHI", last, 8, many, many, len(entry) * many)
    return data[:start] + entry * many + bytes(last)


def aliases(levels: int = 12) -> str:
    """YAML in which every level names the one before nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join([*lines, f"labels: *a{levels - 1}"])


def _nested() -> bytes:
    data = zipped(("runs.jsonl", b"\0" * MEBIBYTE))
    for _ in range(6):
        data = zipped(("inner.zip", data))
    return data


MANIFEST = '{"format": "forklore-runs", "version": 1}\n'
RUNS: dict[str, Callable[[], bytes | str]] = {
    "zip of 100 MB of zeros": lambda: zipped(("runs.jsonl", bytes(100 * MEBIBYTE))),
    "zip with lying sizes": lambda: lying(zipped(("runs.jsonl", bytes(80 * MEBIBYTE)))),
    "zip in zip in zip": _nested,
    "zip of overlapping files": overlapping,
    "zip of 20,000 files": lambda: zipped(*((f"{k}.jsonl", b"") for k in range(20_000))),
    "zip with paths upwards": lambda: zipped(("../../evil.jsonl", b"x"), ("/etc/evil", b"x")),
    "zip with a link": lambda: zipped(("runs.jsonl", b"/etc/passwd"), mode=0o120777),
    "zip cut short": lambda: zipped(("runs.jsonl", b"x" * 10_000))[:-30],
    "zip of nothing": lambda: zipped(),
    "zip with a password": lambda: zipped(("runs.jsonl", b"x")).replace(b"\x14\x00\x00\x00", b"\x14\x00\x01\x00"),
    "a pickle": lambda: pickle.dumps({"runs": [object]}),
    "an SQLite file": lambda: b"SQLite format 3\x00" + bytes(100_000),
    "deep nesting": lambda: DEEP,
    "a number of two million digits": lambda: '{"format": ' + HUGE + "}\n",
    "UTF-16": lambda: MANIFEST.encode("utf-16"),
    "one line of 60 MB": lambda: '{"format": "' + "x" * (60 * MEBIBYTE) + '"}\n',
    "a million empty lines": lambda: "\n" * 1_000_000,
    "a manifest named twice": lambda: '{"format": "forklore-runs", "format": "x", "version": 1}\n',
    "a newer version": lambda: '{"format": "forklore-runs", "version": 99}\n',
    "more lines than runs": lambda: MANIFEST + "{}\n" * 600,
}
SESSION: dict[str, Callable[[], bytes | str]] = {
    "zip": lambda: zipped(("session.jsonl", bytes(10 * MEBIBYTE))),
    "deep nesting": lambda: DEEP,
    "a huge number": lambda: '{"kind": ' + HUGE + "}\n",
    "fields twice": lambda: '{"kind": "manifest", "kind": "x"}\n',
    "cut short": lambda: '{"format": "forklore-session", "version": 1',
    "UTF-32": lambda: '{"format": "forklore-session"}\n'.encode("utf-32"),
    "NaN": lambda: '{"format": NaN}\n',
    "a million lines": lambda: "{}\n" * 1_000_000,
}
LABELS: dict[str, Callable[[], bytes | str]] = {
    "zip": lambda: zipped(("labels.jsonl", bytes(10 * MEBIBYTE))),
    "empty": lambda: "",
    "more lines than any session": lambda: "\n" * 300_000,
    "larger than a file may be": lambda: "x" * (17 * MEBIBYTE),
}
TREE: dict[str, Callable[[], bytes | str]] = {
    "deep nesting": lambda: DEEP,
    "a huge number": lambda: '{"nodes": ' + HUGE + "}",
    "fields twice": lambda: '{"format": 1, "format": 2}',
    "no tree": lambda: '{"__proto__": {"nodes": []}}',
    "binary": lambda: "\x00\x01\x02" * 10_000,
}
LOGPROBS: dict[str, Callable[[], bytes | str]] = {
    "deep nesting": lambda: DEEP,
    "a huge number": lambda: '{"choices": [{"logprobs": {"content": [{"token": "a", "logprob": ' + HUGE + "}]}}]}",
    "fields twice": lambda: '{"choices": [], "choices": {}}',
    "a probability above one": lambda: '{"choices": [{"logprobs": {"content": [{"token": "a", "logprob": 9}]}}]}',
    "a pickle": lambda: pickle.dumps([1]).decode("latin-1"),
}
SCHEMA: dict[str, Callable[[], bytes | str]] = {
    "too long": lambda: "#" * 200_000,
    "brackets as deep as it is long": lambda: "[" * 49_000 + "]" * 49_000,
    "names of names": aliases,
    "an object of Python": lambda: "!!python/object/apply:os.system ['touch evil']",
    "deep nesting": lambda: DEEP,
    "deep indentation": lambda: "\n".join(" " * k + "a:" for k in range(400)),
    "6,000 questions of one name": lambda: "questions:\n" + "  - {name: a}\n" * 6_000,
    "a name of itself": lambda: "labels: &a [*a]",
    "merged maps": lambda: "a: &a {b: 1}\nlabels:\n" + "  - {<<: *a, name: x}\n" * 4_000,
}
FILES = {"runs": RUNS, "session": SESSION, "labels": LABELS, "tree": TREE, "logprobs": LOGPROBS, "schema": SCHEMA}
NAMES = tuple(f"{kind}: {name}" for kind, files in FILES.items() for name in files)


class Peak:
    """The most memory that this process held while the block ran, in bytes over what it held before."""

    def __enter__(self) -> Peak:
        self.before = self.most = _resident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.most = max(self.most, _resident())

    def __exit__(self, *_: object) -> None:
        self.most = max(self.most, _resident())
        self._over.set()
        self._thread.join()

    @property
    def grown(self) -> int:
        return self.most - self.before


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def digest(file: Path) -> str:
    """Every row of every table of the store."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    found = hashlib.sha256()
    for line in connection.iterdump():
        found.update(line.encode("utf-8", "surrogatepass"))
    connection.close()
    return found.hexdigest()


def importers(folder: Path) -> tuple[Path, dict[str, Callable[[Any], Any]]]:
    """The app's own imports as a stranger of a public page reaches them, over a store with a run and a session."""
    from engine.host import ModelHost
    from engine.limits import Limits
    from engine.testing import tiny_model
    from storage.database import Store
    from storage.limits import ImportLimits
    from tests.storage.exchanges import add
    from tests.support.bench import ME
    from ui.actions import Workbench
    from ui.session_results import Results
    from ui.sessions import Sessions
    from ui.shelf import Shelf
    from ui.trees import Trees

    file = folder / "forklore.db"
    store = Store(file)
    uid = add(store)
    host = ModelHost(patience=0.0)
    host.hold(tiny_model())
    shelf = Shelf(store, ImportLimits.public())
    workbench = Workbench(store, host, Limits.public())
    sessions = Sessions(store, Results(store), shelf.imports)
    made = sessions.create("Sums", [uid], "questions: [{name: correct, kind: choice, options: [yes, no]}]", "", {}, ME)
    trees = Trees(workbench)
    path = folder / "upload"

    def runs(data: str | bytes) -> Any:
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return shelf.import_file(path, ME)

    def schema(data: str) -> Any:
        from engine.errors import BadInput

        found = sessions.check_schema(data)
        if not found["ok"]:
            raise BadInput(found["problems"][0]["reason"].rstrip(".") + ".")
        return found

    return file, {
        "runs": runs, "session": lambda data: sessions.bring_in(data, ME), "schema": schema,
        "labels": lambda data: sessions.bring_in_labels(made["session"], data, ME),
        "tree": lambda data: list(trees.import_tree(uid, data, ME)),
        "logprobs": lambda data: workbench.import_logprobs(data, ME),
    }  # fmt: skip


def main(folder: Path) -> None:
    from ui.errors import Caught

    file, known = importers(folder)
    for kind, files in FILES.items():
        for name, make in files.items():
            data, before = make(), digest(file)
            with Peak() as peak:
                # of this thread: other work of the machine is not the file's
                began = time.thread_time()
                with Caught() as caught:
                    known[kind](data)
                seconds = time.thread_time() - began
            print(json.dumps({"name": f"{kind}: {name}", "sentence": caught.sentence, "seconds": seconds,
                              "megabytes": peak.grown / 1e6, "before": before, "after": digest(file)}))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
