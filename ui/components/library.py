"""The library of runs: a page of rows with search, filters, sorting and what can be done with each run.

Value: the JSON text of `library_view.library`. Does not know where runs are kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class RunLibrary(Piece):
    """Events. library_query: the fields of a query, to be answered with that page. run_open(uid).

    run_label(uid, title, tags, note, query): None leaves a field as it is. runs_delete(uids, query).
    runs_restore(uids, query). runs_compare(a, b), the older run first. runs_export(uids, all, query): every run that
    the query finds when all is true. query is what the list shows now.

    own: say how long the viewer's work is kept and offer to delete it for good, by the page's own endpoints.
    """

    mount = "mountLibrary"
    triggers = (
        "library_query", "run_open", "run_label", "runs_delete", "runs_restore", "runs_compare", "runs_export",
    )  # fmt: skip
