"""Somebody else's run, a deleted one and one that never was are refused alike: the same sentence after the same work.

Work is counted in SQL statements, since time would tell of the machine as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from engine.errors import NotFound
from storage.database import Store
from tests.storage.examples import small_trace
from ui.access import Viewer
from ui.own_work import OwnWork
from ui.shelf import Shelf

OWNER, STRANGER = "visitor:owner", "visitor:other"
USES: dict[str, Callable[[Store, str, str], Any]] = {
    "open": lambda store, uid, viewer: store.runs.get(uid, viewer=viewer),
    "header": lambda store, uid, viewer: store.runs.header(uid, viewer=viewer),
    "family": lambda store, uid, viewer: store.runs.family(uid, viewer=viewer),
    "branch": lambda store, uid, viewer: store.runs.next_stream(uid, viewer=viewer),
    "rename": lambda store, uid, viewer: store.runs.update(uid, viewer=viewer, title="mine"),
    "delete": lambda store, uid, viewer: store.runs.delete([uid], viewer=viewer),
    "compare": lambda store, uid, viewer: Shelf(store).compare(uid, "run-8", Viewer(viewer, "page", False)),
    "share": lambda store, uid, viewer: store.runs.update(uid, viewer=viewer, visibility="unlisted"),
}


@pytest.fixture
def kept(store: Store) -> Store:
    """A run of the owner's with a tag and scores, one in the bin, and many around them."""
    for k in range(6):
        store.runs.add(small_trace(k), uid=f"run-{k}", owner=OWNER, status="finished", run_scores={"perplexity": 2.0},
                       tags=("tag",))  # fmt: skip
    store.runs.delete(["run-3"], viewer=OWNER)
    return store


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to any database meanwhile."""
    sent: list[str] = []

    def heard(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", heard)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", heard)


def refused(store: Store, use: str, uid: str, viewer: str) -> tuple[str, list[str]]:
    """The sentence, with the id taken out, and the statements."""
    with statements() as sent, pytest.raises(NotFound) as problem:
        USES[use](store, uid, viewer)
    assert uid in str(problem.value)
    return str(problem.value).replace(uid, "ID"), sent


@pytest.mark.parametrize("use", USES)
def test_a_strangers_refusal_tells_nothing_by_words_or_work(kept: Store, use: str) -> None:
    unknown = refused(kept, use, "run-9", STRANGER)
    assert len(unknown[1]) >= 5, "it was looked for"
    assert refused(kept, use, "run-1", STRANGER) == unknown, "somebody else's"
    assert refused(kept, use, "run-3", STRANGER) == unknown, "deleted by somebody else"
    assert refused(kept, use, "run-3", OWNER) == unknown, "deleted by its owner"


def test_what_the_page_asks_about_a_run_is_no_way_round(kept: Store) -> None:
    """The endpoint of the share dialog does as much for each, too."""

    class Behind:
        store = kept

    own = OwnWork(Behind())  # type: ignore[arg-type]
    told = []
    for uid in ("run-9", "run-1", "run-3"):
        with statements() as sent, pytest.raises(NotFound) as problem:
            own.access(uid, Viewer(STRANGER, "page", False))
        told.append((str(problem.value).replace(uid, "ID"), sent))
    assert told[0] == told[1] == told[2]
    assert own.access("run-1", Viewer(OWNER, "page", False))["mine"], "it is there for its owner"
