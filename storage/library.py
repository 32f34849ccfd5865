"""Which runs a page of the library shows, and in which order: row ids only.

Every query here leaves the arrays alone. Knows filters and sorting; does not know what a header looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from storage.access import visible
from storage.limits import StoreLimits
from storage.records import RunQuery
from storage.schema import ModelRow, RunRow, RunScore, RunTag, RunText
from storage.values import clean_text, whole_number
from storage.writing import folded

_COLUMNS = {"created": RunRow.created_at, "tokens": RunRow.tokens, "title": RunRow.title}
NAME_CHARS = 80


def find_page(session: Session, query: RunQuery, limits: StoreLimits) -> tuple[list[int], int]:
    """Row ids of one page in order, and how many runs match in all. BadInput for fields out of range."""
    whole_number(query.limit, "The number of rows", 0, limits.list_rows)
    whole_number(query.offset, "The first row", 0)
    condition = and_(*_conditions(query, limits))
    total = session.execute(select(func.count()).select_from(RunRow).where(condition)).scalar_one()
    statement = _ordered(select(col(RunRow.id)).where(condition), query, limits)
    rows = session.execute(statement.limit(query.limit).offset(query.offset))
    return [int(row[0]) for row in rows], int(total)


def find_family(session: Session, run: Mapping[str, Any], viewer: str, most: int) -> list[int]:
    """Row ids of the runs that `viewer` sees and that come from the same first run, oldest first.

    `run` is always among them; where there are more than `most`, the first run and the newest are.
    """
    root = run["root_id"] or run["id"]
    related = or_(col(RunRow.id) == root, col(RunRow.root_id) == root)
    newest = select(col(RunRow.id)).where(and_(related, visible(viewer)))
    # the first run before all others, so that a cut never loses it
    rows = session.execute(newest.order_by((col(RunRow.id) == root).desc(), col(RunRow.id).desc()).limit(most))
    return sorted({row[0] for row in rows if row[0] is not None} | {int(run["id"])})


def find_children_settings(session: Session, run_id: int) -> list[str]:
    """The settings texts of all runs that ever left this one, those in the bin among them."""
    statement = select(col(RunText.settings)).join(RunRow, col(RunRow.id) == RunText.run_id)
    rows = session.execute(statement.where(col(RunRow.parent_id) == run_id, col(RunRow.kind) == "branch"))
    return [str(row[0]) for row in rows if row[0]]


def find_tags(session: Session, viewer: str) -> tuple[str, ...]:
    """Every tag on a run that the library shows to `viewer`."""
    statement = select(col(RunTag.tag)).distinct().join(RunRow, col(RunRow.id) == RunTag.run_id).where(visible(viewer))
    return tuple(sorted(str(row[0]) for row in session.execute(statement)))


def find_models(session: Session, viewer: str) -> tuple[str, ...]:
    """The name of every model of a run that the library shows to `viewer`."""
    used = select(col(RunRow.model_id)).where(visible(viewer)).distinct()
    rows = session.execute(select(col(ModelRow.name)).distinct().where(col(ModelRow.id).in_(used)))
    return tuple(sorted(str(row[0]) for row in rows))


def _conditions(query: RunQuery, limits: StoreLimits) -> list[ColumnElement[bool]]:
    conditions = [visible(query.viewer)]
    for column, wanted in ((RunRow.kind, query.kinds), (RunRow.status, query.statuses)):
        if wanted:
            conditions.append(col(column).in_([clean_text(name, "A filter", limits.name_chars) for name in wanted]))
    if query.models:
        names = [clean_text(name, "A model's name", limits.name_chars * 10) for name in query.models]
        conditions.append(col(RunRow.model_id).in_(select(col(ModelRow.id)).where(col(ModelRow.name).in_(names))))
    for tag in query.tags:
        tagged = select(col(RunTag.run_id)).where(col(RunTag.tag) == clean_text(tag, "A tag", limits.tag_chars))
        conditions.append(col(RunRow.id).in_(tagged))
    if query.examples is not None:
        conditions.append(col(RunRow.example) == int(query.examples))
    if needle := folded(clean_text(query.text, "The search text", limits.search_chars)).strip():
        matches = select(col(RunText.run_id)).where(col(RunText.search).like(f"%{_escaped(needle)}%", escape="\\"))
        conditions.append(col(RunRow.id).in_(matches))
    return conditions


def _ordered(statement: Select[Any], query: RunQuery, limits: StoreLimits) -> Select[Any]:
    """Missing values last in either direction; equal ones by age, so that pages never overlap."""
    key: Any
    if query.sort == "title":
        statement = statement.outerjoin(RunText, col(RunText.run_id) == RunRow.id)
        texts = (RunRow.title, RunText.prompt, RunText.answer)  # what a row is called, in this order
        named = (func.nullif(func.trim(func.substr(text, 1, NAME_CHARS)), "") for text in texts)
        key = func.lower(func.coalesce(*named))
    elif query.sort in _COLUMNS:
        key = col(_COLUMNS[query.sort])
    else:
        name = clean_text(query.sort, "The sort key", limits.name_chars, empty=False)
        joined = and_(col(RunScore.run_id) == RunRow.id, col(RunScore.name) == name)
        statement = statement.outerjoin(RunScore, joined)
        key = col(RunScore.value)
    directed = key.desc() if query.descending else key.asc()
    age = col(RunRow.id).desc() if query.descending else col(RunRow.id).asc()
    return statement.order_by(key.is_(None), directed, age)


def _escaped(needle: str) -> str:
    """LIKE's own characters taken literally."""
    return needle.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
