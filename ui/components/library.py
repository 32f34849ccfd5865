"""The library of runs: a page of rows with search, filters, sorting and what can be done with each run.

Value: the JSON text of `library_view.library`. Does not know where runs are kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Library(Piece):
    """Events; `query` is always what `Shelf.listing` takes, to be answered with that page.

    library_query(query); run_open(uid); runs_compare(a, b);
    run_update(uid, title, tags, note, query) where None leaves a field as it is;
    runs_delete(uids, query); runs_restore(uids, query); runs_export(uids, all, query): all matching when all is true.
    """

    mount = "mountLibrary"
    triggers = (
        "library_query", "run_open", "run_update", "runs_delete", "runs_restore", "runs_compare", "runs_export",
    )  # fmt: skip
