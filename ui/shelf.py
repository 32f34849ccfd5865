"""What a person can do with runs that are kept: find, label, delete and bring back, compare, export, import.

Needs no model. Engine values and stored rows meet here; does not know gradio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from engine import run_scores
from engine.errors import BadInput
from storage import transfer
from storage.database import Store
from storage.limits import ImportLimits
from storage.records import RunHeader, RunQuery
from ui import compare_view, library_view
from ui.access import Viewer
from ui.examples import FIRST_SHOWN, example_uid
from ui.given import text_of, texts_of, whole_of
from ui.long_answers import beside
from ui.quotas import QuotaLimits, Quotas

PAGE_ROWS = 50
EXPORT_LIMIT = 5000


@dataclass(frozen=True)
class Exported:
    """How many runs a file got. matching: how many were asked for, more than `runs` where a file cannot hold all."""

    runs: int
    matching: int


Choice = TypeVar("Choice", str, bool)


class Shelf:
    """The library's use cases over one store. imports: how much one file may bring in; quotas: and one person."""

    def __init__(self, store: Store, imports: ImportLimits | None = None, quotas: Quotas | None = None) -> None:
        self.store = store
        self.imports = imports or ImportLimits()
        self._quotas = Quotas(QuotaLimits()) if quotas is None else quotas

    def listing(
        self, query: Mapping[str, Any], viewer: Viewer, *, deleted: Sequence[str] = (), message: str = ""
    ) -> str:
        """One page of the library as the browser draws it. Raises BadInput for a query that makes no sense."""
        asked = self._query(query, viewer)
        page = self.store.runs.list(asked)
        return library_view.library(page, asked, deleted=deleted, message=message)

    def glance(self, x: str, y: str, viewer: Viewer) -> library_view.Glance:
        """The newest 500 runs as points of a picture, placed by two of their figures."""
        return library_view.glance(self.store.runs.list(RunQuery(viewer.name, limit=500)), x, y)

    def examples(self, viewer: Viewer) -> tuple[RunHeader, ...]:
        """The finished runs that ship with the project: the one to begin with, then in their own order."""
        rows = self.store.runs.list(RunQuery(viewer.name, examples=True, sort="created", descending=False)).rows
        return tuple(sorted(rows, key=lambda header: header.uid != example_uid(FIRST_SHOWN)))

    def label(self, uid: Any, changes: Mapping[str, Any], viewer: Viewer) -> None:
        """Change title, tags or note of a run."""
        known = {name: changes[name] for name in ("title", "tags", "note") if changes.get(name) is not None}
        self.store.runs.update(text_of(uid, "run id"), viewer=viewer.name, **known)

    def delete(self, uids: Sequence[str], viewer: Viewer) -> int:
        """Move runs to the bin, from where `restore` brings them back."""
        return self.store.runs.delete(texts_of(uids, "run ids"), viewer=viewer.name)

    def restore(self, uids: Sequence[str], viewer: Viewer) -> int:
        """Undo a deletion."""
        return self.store.runs.restore(texts_of(uids, "run ids"), viewer=viewer.name)

    def compare(self, a: Any, b: Any, viewer: Viewer) -> str:
        """Two runs aligned, as the browser draws them."""
        if a == b:
            raise BadInput("Choose two different runs to compare.")
        return compare_view.compare(
            self.store.runs.get(text_of(a, "run id"), viewer=viewer.name),
            self.store.runs.get(text_of(b, "run id"), viewer=viewer.name),
        )

    def matching(self, query: Mapping[str, Any], viewer: Viewer) -> list[str]:
        """Uids of the runs that a query finds, over all its pages, at most as many as one file takes."""
        return self._matching(query, viewer)[0]

    def _matching(self, query: Mapping[str, Any], viewer: Viewer) -> tuple[list[str], int]:
        found: list[str] = []
        total = 0
        while len(found) < EXPORT_LIMIT:
            asked = self._query({**query, "limit": 500, "offset": len(found)}, viewer)
            page = self.store.runs.list(asked)
            found += [row.uid for row in page.rows]
            total = page.total
            if not page.rows or len(found) >= total:
                break
        return found, total

    @beside
    def export_file(self, asked: Mapping[str, Any], target: Path, viewer: Viewer) -> Exported:
        """Write runs to a file that `import_file` takes back exactly, one run in memory at a time.

        asked: {"all": true, "query"} for every run that a query finds, else {"uids"}. Raises BadInput for none.
        """
        if asked.get("all"):
            uids, matching = self._matching(asked.get("query") or {}, viewer)
        else:
            uids = list(texts_of(asked.get("uids", ()), "run ids"))
            matching = len(uids)
        if not uids:
            raise BadInput("Select at least one run to export.")
        try:
            with target.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(transfer.export_runs(self.store, uids, viewer=viewer.name))
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return Exported(len(set(uids)), matching)

    @beside
    def export_text(self, uids: Sequence[str], viewer: Viewer) -> str:
        """Runs as JSONL that `import_text` takes back exactly."""
        wanted = texts_of(uids, "run ids")
        if not wanted:
            raise BadInput("Select at least one run to export.")
        return "".join(transfer.export_runs(self.store, wanted, viewer=viewer.name))

    def import_file(self, source: Path, viewer: Viewer) -> dict[str, Any]:
        """Keep runs from a file made by `export_file`, plain or zipped; one that is too large is not even read."""
        size = source.stat().st_size
        if size > self.imports.file_bytes:
            raise BadInput(f"The file has {size:,} bytes; split it into files of at most {self.imports.file_bytes:,}.")
        return self.import_text(source.read_bytes(), viewer)

    @beside
    def import_text(self, data: str | bytes, viewer: Viewer) -> dict[str, Any]:
        """Keep runs from exported JSONL; says what was added, skipped and refused."""
        allow = partial(self._quotas.keep, viewer)
        report = transfer.import_runs(self.store, data, owner=viewer.name, limits=self.imports, allow=allow)
        return {
            "added": list(report.added),
            "skipped": list(report.skipped),
            "renamed": dict(report.renamed),
            "problems": list(report.problems),
        }

    def _query(self, raw: Mapping[str, Any], viewer: Viewer) -> RunQuery:
        """What the browser asks for, with everything that is not of the right kind refused."""
        examples = raw.get("examples")
        return RunQuery(
            viewer=viewer.name,
            text=text_of(raw.get("text", ""), "search text"),
            tags=texts_of(raw.get("tags", ()), "tags"),
            kinds=texts_of(raw.get("kinds", ()), "kinds"),
            models=texts_of(raw.get("models", ()), "models"),
            statuses=texts_of(raw.get("statuses", ()), "statuses"),
            examples=examples if isinstance(examples, bool) else None,
            sort=_one_of(
                raw.get("sort") or "created", "sort key", ("created", "tokens", "title", *run_scores.RECORDED)
            ),
            descending=_one_of(raw.get("descending", True), "direction (descending)", (True, False)),
            limit=whole_of(raw.get("limit", PAGE_ROWS), "limit", 500),
            offset=whole_of(raw.get("offset", 0), "offset", 10**9),
        )


def _one_of(value: Any, field: str, known: Sequence[Choice]) -> Choice:
    if not isinstance(value, type(known[0])) or value not in known:
        raise BadInput(f"The {field} {str(value)[:40]!r} is unknown; use one of {', '.join(map(str, known))}.")
    return value
