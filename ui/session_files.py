"""A whole annotation session as a file: exact JSON lines, a table of labels, CoNLL, or a data set in Parquet.

Persons are pseudonyms unless names are asked for. Pure: is given the session; does not know who may have it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from engine.errors import BadInput
from storage.annotation_records import WholeSession
from ui import session_lines, session_parquet, session_tables
from ui.session_voices import Told, tell

# form -> (ending of the name, type, writer)
_FORMS: dict[str, tuple[str, str, Callable[[Told, bool], bytes]]] = {
    "jsonl": (".jsonl", "application/x-ndjson", session_lines.jsonl),
    "csv": (".csv", "text/csv", session_tables.csv_table),
    "conll": (".conll", "text/plain", session_tables.conll),
    "parquet": (".zip", "application/zip", session_parquet.zipped),
}
FORMS = tuple(_FORMS)


def export(whole: WholeSession, form: str, names: bool = False) -> tuple[str, str, bytes]:
    """A session as (file name, media type, content). form: jsonl, csv, conll or parquet; BadInput for any other."""
    chosen = _FORMS.get(form) if isinstance(form, str) else None
    if chosen is None:
        raise BadInput(f"Sessions are exported as {', '.join(FORMS)}, not as {str(form)[:40]!a}.")
    ending, kind, write = chosen
    return f"forklore-session-{_slug(whole.session.title)}{ending}", kind, write(tell(whole), names)


def _slug(title: Any) -> str:
    plain = unicodedata.normalize("NFKD", str(title)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].rstrip("-") or "untitled"
