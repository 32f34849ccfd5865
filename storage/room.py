"""How much one owner may keep, and how large the file may become: counted where it is written, in the same transaction.

Nothing is counted where nothing is bounded, and examples belong to nobody. Does not know who owns what they own.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.orm import Session

from engine.errors import UserError
from storage.limits import StoreLimits

# asked, before they are written, whether so many bytes may be kept; raises where they may not
Allow = Callable[[int], object]
_RUNS = text("SELECT count(*), coalesce(sum(tokens), 0) FROM run WHERE owner = :owner AND example = 0")
# of one's own runs; of others' runs the page keeps the last few only
_ANALYSES = text(
    "SELECT count(*) FROM run JOIN analysis ON analysis.run_id = run.id "
    "WHERE run.owner = :owner AND run.example = 0 AND analysis.owner = :owner"
)
_SESSIONS = text("SELECT count(*) FROM annotation_session WHERE owner = :owner AND example = 0")
_PAGES = text(
    "SELECT (pages.page_count - free.freelist_count) * size.page_size "
    "FROM pragma_page_count AS pages, pragma_freelist_count AS free, pragma_page_size AS size"
)
REMEDY = "delete some of them for good, those in the bin count too"


def unasked(size: int) -> None:
    """Allows everything."""


def check_room(
    session: Session,
    limits: StoreLimits,
    owner: str,
    *,
    runs: int = 0,
    tokens: int = 0,
    analyses: int = 0,
    sessions: int = 0,
) -> None:
    """Raises UserError where the owner would have more than is allowed, or the file is as large as it may become.

    Of what is given as 0 nothing is added and nothing counted.
    """
    if limits.file_bytes is not None and session.execute(_PAGES).scalar_one() >= limits.file_bytes:
        raise UserError(
            "This page's library is full: nothing new can be kept until older work expires or is deleted. What is in "
            "it can be opened and exported."
        )
    if (runs or tokens) and not (limits.runs_each is None and limits.tokens_each is None):
        have, length = session.execute(_RUNS, {"owner": owner}).one()
        _check("runs", have + runs, limits.runs_each)
        _check("tokens in your runs", length + tokens, limits.tokens_each)
    if analyses and limits.analyses_each is not None:
        _check("analyses", session.execute(_ANALYSES, {"owner": owner}).scalar_one() + analyses, limits.analyses_each)
    if sessions and limits.sessions_each is not None:
        have = session.execute(_SESSIONS, {"owner": owner}).scalar_one()
        _check("annotation sessions", have + sessions, limits.sessions_each)


def _check(what: str, count: int, most: int | None) -> None:
    if most is not None and count > most:
        raise UserError(f"You may keep at most {most:,} {what} here, and this would be {count:,}: {REMEDY}.")
